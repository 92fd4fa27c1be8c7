//! Greets everybody in the arguments. Nothing here is specific to WebAssembly.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

const NAME: &str = env!("CARGO_BIN_NAME");
const USAGE: &str = concat!(
    "usage: ",
    env!("CARGO_BIN_NAME"),
    " [OPTIONS] [NAME]...

  -g, --greeting WORD  how to greet, instead of $GREETING or else Hello
  -h, --help           show this text
  -V, --version        show the version
"
);

fn main() -> ExitCode {
    let action = match Action::parse(env::args_os().skip(1)) {
        Ok(action) => action,
        Err(error) => {
            eprint!("{NAME}: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(action, env::var("GREETING").ok(), io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{NAME}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The parsed arguments.
#[derive(Debug, PartialEq)]
enum Action {
    Help,
    Version,
    Greet {
        greeting: Option<String>,
        names: Vec<String>,
    },
}

impl Action {
    fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, lexopt::Error> {
        use lexopt::prelude::*;

        let (mut greeting, mut names) = (None, Vec::new());
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Short('g') | Long("greeting") => greeting = Some(parser.value()?.string()?),
                Short('h') | Long("help") => return Ok(Self::Help),
                Short('V') | Long("version") => return Ok(Self::Version),
                Value(name) => names.push(name.string()?),
                _ => return Err(arg.unexpected()),
            }
        }
        Ok(Self::Greet { greeting, names })
    }
}

fn run(action: Action, default: Option<String>, mut out: impl Write) -> io::Result<()> {
    match action {
        Action::Help => write!(out, "{USAGE}"),
        Action::Version => writeln!(out, "{NAME} {}", env!("CARGO_PKG_VERSION")),
        Action::Greet { greeting, names } => {
            let greeting = greeting.or(default).unwrap_or_else(|| "Hello".to_owned());
            if names.is_empty() {
                return writeln!(out, "{greeting}, world!");
            }
            names
                .iter()
                .try_for_each(|name| writeln!(out, "{greeting}, {name}!"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Action, String> {
        Action::parse(args.iter().map(OsString::from)).map_err(|error| error.to_string())
    }

    fn output(args: &[&str], default: Option<&str>) -> String {
        let mut out = Vec::new();
        run(parse(args).unwrap(), default.map(str::to_owned), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn greets_the_world_or_those_who_are_named() {
        assert_eq!(output(&[], None), "Hello, world!\n");
        assert_eq!(output(&["A", "B"], None), "Hello, A!\nHello, B!\n");
    }

    #[test]
    fn an_option_comes_before_the_environment() {
        assert_eq!(output(&[], Some("Moin")), "Moin, world!\n");
        assert_eq!(output(&["-g", "Hi", "A"], Some("Moin")), "Hi, A!\n");
    }

    #[test]
    fn slips_are_told() {
        assert_eq!(parse(&["-x"]), Err("invalid option '-x'".to_owned()));
        assert!(parse(&["--greeting"]).is_err());
    }

    #[test]
    fn shows_help_and_version() {
        assert_eq!(output(&["--help"], None), USAGE);
        assert!(output(&["--version"], None).ends_with(concat!(env!("CARGO_PKG_VERSION"), "\n")));
    }
}
