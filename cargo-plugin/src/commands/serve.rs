//! `cargo wasm-oci serve`: a crate, built and answering HTTP requests.

use clap::Args;
use wasm_oci_app::config::args::ServeArgs;
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::error::UsageError;
use wasm_oci_app::run::serve::serve_manifest;
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;

use crate::error::Error;
use crate::ops::build;
use crate::ops::package::only_program;
use crate::ops::request::{BuildArgs, Request};
use crate::ops::resolve::print_plans;

/// Build a component into an image and answer HTTP requests with it
///
/// The component is one of the world wasi:http/proxy: a crate that is built for wasm32-wasip2. Each request gets an
/// instance of its own, which the limits count for; it is stopped after 30 s unless --timeout says otherwise. Speaks
/// HTTP/1.1 and HTTP/2 without TLS. Prints http://IP:PORT on standard output once it listens; a line for each request
/// goes to standard error. A SIGTERM or Ctrl-C ends it when the requests that have begun are answered, or after 10 s;
/// a second one at once.
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    build: BuildArgs,
    #[command(flatten, next_help_heading = "Program")]
    serve: ServeArgs,
}

impl Serve {
    pub(super) fn run(self, output: &OutputArgs, shell: &Shell) -> Result<(), Error> {
        let no_cache = self.serve.no_cache;
        let request = Request { no_cache, ..self.build.request(Settings::default(), output) };
        if self.build.dry_run {
            return print_plans(&request, shell);
        }
        let built = build(&request, shell)?;
        let images = only_program(&built)?.load()?;
        let image = images.first().ok_or_else(|| UsageError::NoImage { action: "serve" })?;
        Ok(serve_manifest(image.image.wasm_manifest()?, &self.serve, shell)?)
    }
}
