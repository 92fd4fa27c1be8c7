use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use tokio::net::TcpListener;

use wasm_oci_app::error::{Error, UsageError};
use wasm_oci_app::registry::development::serve;
use wasm_oci_app::signals::Signals;
use wasm_oci_app::ui::shell::Shell;

/// Run a local registry for development
#[derive(Debug, Args)]
pub(crate) struct Registry {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Serve),
}

/// Serve a folder of layouts as a local registry for development
///
/// Each layout in the folder is a repository named after its path, such as those in target/wasm-oci. A push to a new
/// repository creates a layout. The registry has no TLS and no access control, and never deletes unused blobs. Prints the
/// address on standard output. On SIGTERM or Ctrl-C it stops after the requests in
/// progress, or after 10 s.
#[derive(Debug, Args)]
struct Serve {
    /// Folder to serve; created if it doesn't exist
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Port on 127.0.0.1; 0 selects a free one
    #[arg(long, value_name = "PORT", default_value_t = 5000)]
    port: u16,
}

impl Registry {
    pub(crate) async fn run(self, shell: &Shell) -> Result<(), Error> {
        let Command::Serve(Serve { folder, port }) = self.command;
        let unwritable = |source| Error::Write { path: folder.clone(), source };
        std::fs::create_dir_all(&folder).map_err(unwritable)?;
        let mut signals = Signals::new()?;
        // Only on loopback, because the registry has neither TLS nor access control.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .map_err(|source| UsageError::Listen { port, source })?;
        let address = listener.local_addr().map_err(Error::Runtime)?;
        shell.status(
            "Serving",
            format_args!("{} at {address}, for development only", folder.display()),
        );
        // For scripts: with `--port 0`, the system chooses the port.
        shell.print(address)?;
        serve(&folder, listener, signals.next()).await.map_err(Error::Runtime)
    }
}
