//! Writes its arguments, or standard input, as hexadecimal digits.

use std::env;
use std::io::{self, Read};

fn main() -> io::Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let mut bytes = args.join(" ").into_bytes();
    if args.is_empty() {
        io::stdin().read_to_end(&mut bytes)?;
    }
    println!("{}", codec::encode(&bytes));
    Ok(())
}
