//! Makes thumbnails of pictures. Nothing here is specific to WebAssembly.

mod thumbnail;

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use image::ImageFormat;

use crate::thumbnail::{Style, thumbnail};

const NAME: &str = env!("CARGO_BIN_NAME");
const USAGE: &str = concat!(
    "usage: ",
    env!("CARGO_BIN_NAME"),
    " [OPTIONS] [INPUT [OUTPUT]]

Reads a PNG or JPEG picture and writes a PNG. Without a path, or with -, it
reads standard input and writes to standard output.

  -s, --size PIXELS  the most on each side; 128 if not given
  -g, --grayscale    in shades of gray
  -h, --help         show this text
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
    match run(&action) {
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
    Convert {
        input: Option<PathBuf>,
        output: Option<PathBuf>,
        style: Style,
    },
}

impl Action {
    fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, lexopt::Error> {
        use lexopt::prelude::*;

        let mut style = Style {
            size: 128,
            grayscale: false,
        };
        let mut paths = Vec::new();
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Short('s') | Long("size") => style.size = parser.value()?.parse_with(size)?,
                Short('g') | Long("grayscale") => style.grayscale = true,
                Short('h') | Long("help") => return Ok(Self::Help),
                Value(path) if paths.len() < 2 => paths.push(path),
                _ => return Err(arg.unexpected()),
            }
        }
        let mut paths = paths
            .into_iter()
            .map(|path| (path != "-").then(|| PathBuf::from(path)));
        Ok(Self::Convert {
            input: paths.next().flatten(),
            output: paths.next().flatten(),
            style,
        })
    }
}

fn size(text: &str) -> Result<u32, &'static str> {
    match text.parse() {
        Ok(size @ 1..=10_000) => Ok(size),
        _ => Err("not a number from 1 to 10000"),
    }
}

fn run(action: &Action) -> Result<(), Box<dyn Error>> {
    let Action::Convert {
        input,
        output,
        style,
    } = action
    else {
        return Ok(io::stdout().write_all(USAGE.as_bytes())?);
    };
    let name = input.as_deref().unwrap_or(Path::new("standard input"));
    let told = |error: &dyn Error| format!("{}: {error}", name.display());
    let bytes = read(input.as_deref()).map_err(|error| told(&error))?;
    let large = image::load_from_memory(&bytes).map_err(|error| told(&error))?;
    let (width, height) = (large.width(), large.height());
    let small = thumbnail(large, *style);
    eprintln!("{width}x{height} -> {}x{}", small.width(), small.height());

    let mut png = Cursor::new(Vec::new());
    small.write_to(&mut png, ImageFormat::Png)?;
    Ok(write(output.as_deref(), png.get_ref())?)
}

/// Reads a file, or standard input.
fn read(path: Option<&Path>) -> io::Result<Vec<u8>> {
    if let Some(path) = path {
        return fs::read(path);
    }
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a file, or standard output.
fn write(path: Option<&Path>, bytes: &[u8]) -> io::Result<()> {
    match path {
        Some(path) => fs::write(path, bytes),
        None => io::stdout().write_all(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &str) -> Result<Action, String> {
        Action::parse(args.split_whitespace().map(OsString::from))
            .map_err(|error| error.to_string())
    }

    fn convert(input: Option<&str>, output: Option<&str>, size: u32, grayscale: bool) -> Action {
        Action::Convert {
            input: input.map(PathBuf::from),
            output: output.map(PathBuf::from),
            style: Style { size, grayscale },
        }
    }

    #[test]
    fn arguments_say_from_where_to_where_and_how() {
        assert_eq!(parse(""), Ok(convert(None, None, 128, false)));
        let all = convert(Some("a.jpg"), Some("b.png"), 32, true);
        assert_eq!(parse("a.jpg -g b.png --size=32"), Ok(all));
        assert_eq!(parse("- b"), Ok(convert(None, Some("b"), 128, false)));
    }

    #[test]
    fn slips_are_told() {
        for args in ["--size 0", "--size x", "-x", "a b c"] {
            assert!(parse(args).is_err(), "{args}");
        }
    }
}
