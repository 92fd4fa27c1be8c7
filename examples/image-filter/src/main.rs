//! Reads a picture, applies filters to it in the given order, and writes the result.
//!
//! Nothing here is specific to WebAssembly.

mod filter;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use image::ImageFormat;
use lexopt::ValueExt;

use crate::filter::Filter;

const USAGE: &str = "\
usage: image-filter [OPTIONS] FILTER...

Filters, applied from left to right:
  grayscale      shades of gray
  invert         the negative
  blur:RADIUS    blur, RADIUS in pixels
  edges          bright where the picture changes, black where it doesn't
  resize:WxH     as large as fits into W x H pixels, in the picture's proportions

Options:
  -i, --input PATH     the picture, PNG or JPEG; without it, or with -, standard input
  -o, --output PATH    where to write; without it, or with -, standard output
  -f, --format FORMAT  png or jpeg; without it, what PATH ends with, or else png
  -h, --help           show this text
";

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprint!("image-filter: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("image-filter: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    if options.help {
        return Ok(io::stdout().write_all(USAGE.as_bytes())?);
    }
    let input = read(options.input.as_deref())?;
    let picture =
        image::load_from_memory(&input).map_err(|error| format!("cannot read the picture: {error}"))?;
    let picture = options.filters.iter().fold(picture.into_rgb8(), |picture, filter| filter.apply(&picture));
    let mut output = Cursor::new(Vec::new());
    picture.write_to(&mut output, options.format)?;
    write(options.output.as_deref(), output.get_ref())
}

/// Reads a file, or standard input.
fn read(path: Option<&Path>) -> Result<Vec<u8>> {
    if let Some(path) = path {
        return fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()).into());
    }
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write(path: Option<&Path>, bytes: &[u8]) -> Result<()> {
    if let Some(path) = path {
        return fs::write(path, bytes)
            .map_err(|error| format!("cannot write {}: {error}", path.display()).into());
    }
    let mut stdout = io::stdout();
    stdout.write_all(bytes)?;
    Ok(stdout.flush()?)
}

#[derive(Debug)]
struct Options {
    help: bool,
    input: Option<PathBuf>,
    output: Option<PathBuf>,
    format: ImageFormat,
    filters: Vec<Filter>,
}

impl Options {
    fn parse(args: impl Iterator<Item = OsString>) -> Result<Self> {
        use lexopt::Arg::{Long, Short, Value};

        let (mut input, mut output, mut format) = (None, None, None);
        let (mut help, mut filters) = (false, Vec::new());
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Short('i') | Long("input") => input = path(parser.value()?),
                Short('o') | Long("output") => output = path(parser.value()?),
                Short('f') | Long("format") => format = Some(parser.value()?.parse_with(format_from_name)?),
                Short('h') | Long("help") => help = true,
                Value(filter) => filters.push(filter.parse()?),
                _ => return Err(arg.unexpected().into()),
            }
        }
        let format = match (format, &output) {
            (Some(format), _) => format,
            (None, Some(path)) => format_from_path(path)?,
            (None, None) => ImageFormat::Png,
        };
        if filters.is_empty() && !help {
            return Err("name at least one filter".into());
        }
        Ok(Self { help, input, output, format, filters })
    }
}

/// Returns a path, or none for `-`.
fn path(value: OsString) -> Option<PathBuf> {
    (value != "-").then(|| value.into())
}

fn format_from_path(path: &Path) -> Result<ImageFormat> {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    Ok(format_from_name(&extension).map_err(|error| format!("{}: {error}", path.display()))?)
}

fn format_from_name(name: &str) -> Result<ImageFormat, String> {
    match name.to_ascii_lowercase().as_str() {
        "png" => Ok(ImageFormat::Png),
        "jpg" | "jpeg" => Ok(ImageFormat::Jpeg),
        _ => Err("can write png and jpeg only; choose with --format".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &str) -> Result<Options, String> {
        Options::parse(args.split_whitespace().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_format_follows_the_output() {
        assert_eq!(parse("invert").unwrap().format, ImageFormat::Png);
        assert_eq!(parse("invert -o a.JPG").unwrap().format, ImageFormat::Jpeg);
        assert_eq!(parse("invert -o a.png -f jpeg").unwrap().format, ImageFormat::Jpeg);
        assert_eq!(parse("invert -o -").unwrap().output, None);
    }

    #[test]
    fn mistakes_are_told() {
        assert_eq!(parse("").unwrap_err(), "name at least one filter");
        assert_eq!(
            parse("invert -o a.gif").unwrap_err(),
            "a.gif: can write png and jpeg only; choose with --format"
        );
        assert!(parse("sharpen").unwrap_err().contains("unknown filter"));
        assert!(parse("--nonsense").is_err());
    }
}
