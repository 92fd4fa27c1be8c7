//! `cargo wasm-oci serve`: builds a crate into an image and serves HTTP with it.

use clap::Args;
use wasm_oci_app::config::args::ServeArgs;
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::run::run::Prepared;
use wasm_oci_app::run::serve::serve;
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;

use crate::error::Error;
use crate::ops::build;
use crate::ops::package::only_program;
use crate::ops::request::{BuildArgs, Request};
use crate::ops::resolve::print_plans;

/// Build a component into an image and serve HTTP requests with it
///
/// The component must implement the world wasi:http/proxy, in a crate that is built for wasm32-wasip2. Each request runs in its own
/// instance with its own limits, for 30 s at most unless --timeout is set. The server supports HTTP/1.1 and HTTP/2 without TLS. It prints
/// http://IP:PORT on standard output when it is ready, and one line for each request on standard error. On SIGTERM or Ctrl-C it stops
/// after the requests in progress, or after 10 s; a second signal stops it at once.
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    build: BuildArgs,
    #[command(flatten, next_help_heading = "Program")]
    serve: ServeArgs,
}

impl Serve {
    pub(super) async fn run(self, output: &OutputArgs, shell: &Shell) -> Result<(), Error> {
        let no_cache = self.serve.sandbox.no_cache;
        let request = Request {
            no_cache,
            runs_here: true,
            ..self.build.request(Settings::default(), output)
        };
        if self.build.dry_run {
            return print_plans(&request, shell);
        }
        let built = build(&request, shell).await?;
        let image = only_program(&built)?.load_main().await?;
        let manifest = image.wasm_manifest()?;
        Ok(serve(|engine| Prepared::of_manifest(engine, manifest), &self.serve, shell).await?)
    }
}
