//! A command that sends a request: fetch AUTHORITY PATH

#[path = "../send.rs"]
mod send;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match send::get(&args[1], &args[2]) {
        Ok(body) => print!("{body}"),
        Err(error) => {
            eprintln!("no answer: {error:?}");
            std::process::exit(1);
        }
    }
}
