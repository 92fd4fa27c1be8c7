//! The command `serve`.

use std::sync::atomic::{AtomicBool, Ordering};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use wasm_oci_core::run::{Access, Engine, Failure, Program, ServeOptions, Server};
use wasm_oci_core::text::visible;

use crate::config::args::ServeArgs;
use crate::error::Error;
use crate::run::run::{Prepared, cache};
use crate::signals::Signals;
use crate::ui::shell::Shell;

/// Serves a component until a signal arrives. Arguments replace those of its image, and variables are added to those of the
/// image. Instances can read the image's files, but not change them.
pub async fn serve(
    prepared: impl FnOnce(&Engine) -> Result<Prepared, Error>,
    args: &ServeArgs,
    shell: &Shell,
) -> Result<(), Error> {
    let engine = Engine::pooled(&args.limits())?.cached(cache(args.sandbox.no_cache, shell)?);
    let prepared = prepared(&engine)?;
    prepared.warnings.iter().for_each(|warning| shell.warn(warning));
    let given = (!args.args.is_empty()).then_some(args.args.as_slice());
    let mut options = options(args, prepared.command(given), prepared.env.clone())?;
    // One request must not change what the next one sees.
    let _root = prepared.add_root(&mut options.dirs, true)?;
    serve_program(&engine, &prepared.program, options, shell).await
}

fn options(
    args: &ServeArgs,
    command: Vec<String>,
    mut env: Vec<(String, String)>,
) -> Result<ServeOptions, Error> {
    // As for `run`: the last of two variables with the same name counts.
    env.extend(args.sandbox.variables()?);
    Ok(ServeOptions {
        addr: args.at.addr(),
        args: command,
        env,
        dirs: args.sandbox.dirs.clone(),
        network: args.sandbox.net,
        limits: args.limits(),
        ..ServeOptions::default()
    })
}

/// Listens, prints the address, and answers requests until a signal arrives.
async fn serve_program(
    engine: &Engine,
    program: &Program,
    options: ServeOptions,
    shell: &Shell,
) -> Result<(), Error> {
    let drain = options.drain;
    let name = program.name().to_owned();
    // Listen for signals before anything else, so that an early one is not lost.
    let (mut first, mut second) = (Signals::new()?, Signals::new()?);
    let server = Server::bind(engine, program, options).await?;
    shell.status("Serving", &name);
    shell.print(format_args!("http://{}", server.local_addr()))?;
    let log = Log { shell: shell.clone(), name, has_hinted: AtomicBool::new(false) };
    let shutdown = async {
        first.next().await;
        shell
            .status("Stopping", format_args!("when all requests are answered, or after {drain:?}"));
    };
    // Both listeners receive every signal, so the second signal is the second one here, too.
    let at_once = async {
        second.next().await;
        second.next().await;
    };
    tokio::select! {
        cut_off = server.run(shutdown, move |access| log.write(access)) => {
            if cut_off > 0 {
                shell.warn(format_args!("{cut_off} requests were cut off: they took longer than {drain:?}"));
            }
        }
        () = at_once => shell.warn("stopped at once: requests may have been cut off"),
    }
    Ok(())
}

struct Log {
    shell: Shell,
    name: String,
    has_hinted: AtomicBool,
}

impl Log {
    fn write(&self, access: &Access) {
        let line = line(access);
        match &access.failure {
            None => self.shell.log(line),
            // A client that disconnects, or too many of them, are not an error of the program, so `--quiet` hides it.
            Some(failure @ (Failure::Gone | Failure::Busy)) => {
                self.shell.log(format_args!("{line} ({failure})"))
            }
            Some(failure) => {
                let failed = format!("`{}` failed: {failure}", visible(&self.name));
                match failure {
                    Failure::Trap(_) => self.shell.error_lines(failed),
                    _ => self.shell.error(failed),
                }
                self.shell.log(line);
            }
        }
        // Once is enough: the program would probably try again with every request.
        if access.refused_request && !self.has_hinted.swap(true, Ordering::Relaxed) {
            self.shell.hint(format_args!(
                "`{}` tried to send HTTP requests; grant it the network with --net",
                self.name
            ));
        }
    }
}

/// Returns `METHOD PATH STATUS BYTES DURATION`, with `-` for a missing status.
fn line(access: &Access) -> String {
    let status = access.status.map_or("-".to_owned(), |status| status.to_string());
    let milliseconds = access.duration.as_secs_f64() * 1e3;
    format!(
        "{} {} {status} {} {milliseconds:.1}ms",
        access.method,
        utf8_percent_encode(&access.path, HIDDEN),
        access.bytes
    )
}

// A client could send control characters to the terminal.
const HIDDEN: &AsciiSet = &CONTROLS.add(b' ');

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::args::AddrArgs;

    #[test]
    fn there_is_always_an_address_and_a_limit_of_time() {
        let args = ServeArgs::default();
        assert_eq!(args.at.addr().to_string(), "127.0.0.1:8080");
        assert_eq!(args.limits().timeout, Some(Duration::from_secs(30)));
        assert_eq!(AddrArgs { port: Some(0), addr: None }.addr().to_string(), "127.0.0.1:0");
        assert_eq!(
            AddrArgs { addr: "[::1]:1".parse().ok(), port: None }.addr().to_string(),
            "[::1]:1"
        );
    }

    #[test]
    fn a_line_has_all_its_words_and_no_control_characters() {
        let access = Access {
            method: "GET".to_owned(),
            path: "/a\u{9b}2J".to_owned(),
            status: Some(200),
            bytes: 5,
            duration: Duration::from_micros(1234),
            failure: None,
            refused_request: false,
        };
        assert_eq!(line(&access), "GET /a%C2%9B2J 200 5 1.2ms");
        assert_eq!(
            line(&Access { status: None, path: "/".to_owned(), ..access }),
            "GET / - 5 1.2ms"
        );
    }
}
