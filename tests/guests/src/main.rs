//! Programs for the tests of `run`, each a subcommand. Those that check something themselves panic when it isn't so.

mod files;
mod host;
mod missing;
#[cfg(target_os = "wasi")]
mod wasi;

use std::env;
use std::io::{Read, Write};
use std::process;

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["exit", code] => process::exit(code.parse().unwrap()),
        ["panic"] => panic!("as it was told to"),
        ["abort"] => process::abort(),
        ["overflow"] => println!("{}", host::deep(1)),
        ["trap"] => host::outer_function(args.len()),
        ["args", ..] => println!("{args:?}"),
        ["env"] => env::vars().for_each(|(name, value)| println!("{name}={value}")),
        ["echo"] => copy_input(),
        ["first-line"] => {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).unwrap();
            print!("{line}");
        }
        ["lines", count] => {
            let mut stdout = std::io::stdout().lock();
            (0..count.parse().unwrap()).for_each(|line: u64| writeln!(stdout, "line {line}").unwrap());
        }
        ["write", bytes] => {
            std::io::stdout().write_all(&vec![b'x'; bytes.parse().unwrap()]).unwrap();
            eprintln!("written");
        }
        ["loop"] => host::forever(),
        ["sleep", seconds] => {
            println!("asleep");
            std::thread::sleep(std::time::Duration::from_secs(seconds.parse().unwrap()));
        }
        ["allocate"] => host::allocate(),
        ["nothing-visible"] => host::nothing_visible(),
        ["clocks"] => host::clocks(),
        ["missing", what] => missing::run(what),
        ["missing", what, path] => missing::run_on(what, path),
        #[cfg(target_os = "wasi")]
        ["check", area] => files::check(area),
        _ => panic!("no such program: {args:?}"),
    }
}

fn copy_input() {
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input).unwrap();
    std::io::stdout().write_all(&input).unwrap();
}
