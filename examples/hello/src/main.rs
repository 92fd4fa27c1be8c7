//! Greets, and shows the arguments, environment and standard input that it gets. It exits with the
//! exit code in its arguments.
//!
//! Nothing here is specific to WebAssembly.

use std::env;
use std::io::{self, BufRead, Read, Write};
use std::process::ExitCode;

const USAGE: &str = "\
usage: hello [OPTIONS] [ARGS]...

  --name NAME   greet NAME instead of the world
  --env NAME    show an environment variable; may be given again
  --count       count the lines and bytes of standard input
  --upper       copy standard input to standard output in capital letters
  --exit CODE   end with this exit code, 0 to 255
  --help        show this text
";

fn main() -> ExitCode {
    let options = match Options::parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprint!("hello: {message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options, |name| env::var(name).ok(), io::stdin().lock(), io::stdout().lock()) {
        Ok(()) => ExitCode::from(options.exit),
        Err(error) => {
            eprintln!("hello: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, Default, PartialEq)]
struct Options {
    help: bool,
    name: Option<String>,
    env: Vec<String>,
    stdin: Option<Stdin>,
    exit: u8,
    args: Vec<String>,
}

/// The action for standard input.
#[derive(Debug, PartialEq)]
enum Stdin {
    Count,
    Upper,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--name" => options.name = Some(value()?),
                "--env" => options.env.push(value()?),
                "--count" => options.stdin = Some(Stdin::Count),
                "--upper" => options.stdin = Some(Stdin::Upper),
                "--exit" => {
                    let code = value()?;
                    options.exit = code.parse().map_err(|_| format!("not an exit code: {code}"))?;
                }
                "--help" => options.help = true,
                "--" => options.args.extend(args.by_ref()),
                unknown if unknown.starts_with('-') => return Err(format!("unknown option {unknown}")),
                _ => options.args.push(arg),
            }
        }
        Ok(options)
    }
}

fn run(
    options: &Options,
    var: impl Fn(&str) -> Option<String>,
    stdin: impl BufRead,
    mut stdout: impl Write,
) -> io::Result<()> {
    if options.help {
        return write!(stdout, "{USAGE}");
    }
    writeln!(stdout, "Hello, {}!", options.name.as_deref().unwrap_or("world"))?;
    for (index, arg) in options.args.iter().enumerate() {
        writeln!(stdout, "argument {}: {arg}", index + 1)?;
    }
    for name in &options.env {
        match var(name) {
            Some(value) => writeln!(stdout, "{name}={value}")?,
            None => writeln!(stdout, "{name} is not set")?,
        }
    }
    match options.stdin {
        Some(Stdin::Count) => count(stdin, &mut stdout)?,
        Some(Stdin::Upper) => upper(stdin, &mut stdout)?,
        None => {}
    }
    stdout.flush()
}

fn count(mut stdin: impl Read, mut stdout: impl Write) -> io::Result<()> {
    let mut input = Vec::new();
    stdin.read_to_end(&mut input)?;
    let lines = input.iter().filter(|&&byte| byte == b'\n').count();
    writeln!(stdout, "standard input: {lines} lines, {} bytes", input.len())
}

fn upper(stdin: impl BufRead, mut stdout: impl Write) -> io::Result<()> {
    for line in stdin.lines() {
        writeln!(stdout, "{}", line?.to_uppercase())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &str) -> Result<Options, String> {
        Options::parse(args.split_whitespace().map(String::from))
    }

    fn output(args: &str, stdin: &str) -> String {
        let mut stdout = Vec::new();
        let var = |name: &str| (name == "SET").then(|| "value".to_owned());
        run(&parse(args).unwrap(), var, stdin.as_bytes(), &mut stdout).unwrap();
        String::from_utf8(stdout).unwrap()
    }

    #[test]
    fn greets() {
        assert_eq!(output("", ""), "Hello, world!\n");
        assert_eq!(output("--name Ferris", ""), "Hello, Ferris!\n");
    }

    #[test]
    fn shows_arguments_and_environment() {
        assert_eq!(
            output("a --env SET --env UNSET -- --exit", ""),
            "Hello, world!\nargument 1: a\nargument 2: --exit\nSET=value\nUNSET is not set\n"
        );
    }

    #[test]
    fn reads_standard_input() {
        assert_eq!(output("--count", "a\nb\n"), "Hello, world!\nstandard input: 2 lines, 4 bytes\n");
        assert_eq!(output("--upper", "straße\n"), "Hello, world!\nSTRASSE\n");
    }

    #[test]
    fn takes_an_exit_code() {
        assert_eq!(parse("--exit 42").unwrap().exit, 42);
        assert_eq!(parse("--exit 256"), Err("not an exit code: 256".to_owned()));
        assert_eq!(parse("--exit"), Err("--exit needs a value".to_owned()));
        assert_eq!(parse("--nonsense"), Err("unknown option --nonsense".to_owned()));
    }
}
