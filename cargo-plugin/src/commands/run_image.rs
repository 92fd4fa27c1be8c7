//! `cargo wasm-oci run-image`: runs an image for `watch`, in a process that `watch` can stop at any time.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::{process, thread};

use clap::Args;
use wasm_oci_app::config::args::{RunArgs, ServeArgs};
use wasm_oci_app::exit_code::ExitCode;
use wasm_oci_app::run::run::{Prepared, run_manifest};
use wasm_oci_app::run::serve::serve;
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;
use wasm_oci_core::image::Digest;
use wasm_oci_core::store::{Layout, Name, load};

use crate::error::Error;

/// Run an image of a layout, for `watch`
#[derive(Debug, Args)]
pub(super) struct RunImage {
    /// Process of `watch`, with which this one ends
    #[arg(long, value_name = "ID")]
    parent: u32,
    #[arg(long, value_name = "DIR")]
    layout: PathBuf,
    #[arg(long, value_name = "DIGEST")]
    digest: Digest,
    /// Module with the names of its functions
    #[arg(long, value_name = "FILE")]
    named: PathBuf,
    /// Serve HTTP on this address instead
    #[arg(long, value_name = "IP:PORT")]
    serve: Option<SocketAddr>,
    #[command(flatten)]
    run: RunArgs,
}

impl RunImage {
    pub(super) async fn run(self, output: &OutputArgs) -> Result<u8, Error> {
        let parent = self.parent;
        thread::spawn(move || {
            wait_for_the_end_of(parent);
            // The program may never give the runtime a chance to notice.
            process::exit(ExitCode::Failure.code().into());
        });
        self.program(&output.shell()).await
    }

    async fn program(&self, shell: &Shell) -> Result<u8, Error> {
        let layout = Layout::open(&self.layout)?;
        let image = load(&layout, &Name::Digest(self.digest)).await?;
        let manifest = image.wasm_manifest()?;
        match self.serve {
            None => Ok(run_manifest(manifest, Some(&self.named), &self.run, shell).await?),
            Some(addr) => {
                let args = ServeArgs::with(addr, self.run.clone());
                serve(|engine| Prepared::of_manifest(engine, manifest), &args, shell).await?;
                Ok(ExitCode::Success.code())
            }
        }
    }
}

#[cfg(unix)]
fn wait_for_the_end_of(parent: u32) {
    // When a process ends, the system gives its children another parent.
    while std::os::unix::process::parent_id() == parent {
        thread::sleep(std::time::Duration::from_millis(50));
    }
}

// On other systems, the terminal ends both.
#[cfg(not(unix))]
fn wait_for_the_end_of(_: u32) {
    loop {
        thread::park();
    }
}
