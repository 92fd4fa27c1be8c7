//! Against the real cargo, in projects made on the spot.

use wasm_oci_app::config::settings::Settings;

use super::{Compiled, compile};
use crate::cargo::messages::Event;
use crate::cargo::selection::Selection;
use crate::cargo::tests::{Sandbox, manifest};
use crate::error::Error;
use crate::ops::request::Request;

mod building;
mod flags;
mod plans;
mod reproducible;
mod same_names;

impl Sandbox {
    /// Builds in a folder of the sandbox, without optimizing, which is quick.
    fn build(&self, folder: &str, selection: Selection) -> Result<Compiled, Error> {
        let selection = Selection { profile: Some("dev".into()), quiet: true, ..selection };
        self.build_with(folder, selection, &mut |_| {})
    }

    fn build_with(
        &self,
        folder: &str,
        selection: Selection,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<Compiled, Error> {
        let flags = Settings { install_target: Some(false), ..Settings::default() };
        compile(&self.env(folder), &Request::new(selection, flags), observe)
    }
}

fn quiet() -> Selection {
    Selection { quiet: true, ..Selection::default() }
}

/// The targets that were built, as `package/target`.
fn built_names(built: &Compiled) -> Vec<String> {
    let names =
        built.programs.iter().map(|it| format!("{}/{}", it.project.package, it.project.target));
    names.collect()
}
