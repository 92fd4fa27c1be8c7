//! Programs that want what they were not given, in the ways in which programs do.

use std::{env, fs, net, process, thread};

pub fn run(what: &str) {
    match what {
        "variable" => println!("{}", env::var("DATABASE_URL").unwrap()),
        "variable-expected" => println!("{}", env::var("DATABASE_URL").expect("DATABASE_URL must be set")),
        "variable-told" => told(env::var("DATABASE_URL")),
        "connection" => drop(net::TcpStream::connect("127.0.0.1:1").unwrap()),
        "name" => drop(net::TcpStream::connect("example.com:80").unwrap()),
        "listener" => drop(net::TcpListener::bind("127.0.0.1:0").unwrap()),
        "datagrams" => drop(net::UdpSocket::bind("127.0.0.1:0").unwrap()),
        "thread" => thread::spawn(|| ()).join().unwrap(),
        "process" => drop(process::Command::new("true").status().unwrap()),
        "current-dir" => println!("{}", env::current_dir().unwrap().display()),
        _ => panic!("{what}?"),
    }
}

pub fn run_on(what: &str, path: &str) {
    match what {
        "open" => drop(fs::File::open(path).unwrap()),
        "read" => println!("{}", fs::read_to_string(path).unwrap()),
        "list" => drop(fs::read_dir(path).unwrap()),
        "write" => fs::write(path, "x").unwrap(),
        "link" => fs::hard_link(path, "/data/link").unwrap(),
        "rename" => fs::rename(path, "/data/other").unwrap(),
        "remove" => fs::remove_file(path).unwrap(),
        "make" => fs::create_dir(path).unwrap(),
        // A program that says it in its own words, as `cat` does.
        "told" => told(fs::read_to_string(path)),
        // With what it was about, as most do.
        "in-context" => told(fs::read_to_string(path).map_err(|e| format!("can't read `{path}`: {e}"))),
        // Without the number, as C programs do.
        "as-in-c" => {
            if let Err(error) = fs::File::open(path) {
                let text = error.to_string();
                eprintln!("cat: {path}: {}", text.split(" (os error").next().unwrap());
                process::exit(1);
            }
        }
        _ => panic!("{what}?"),
    }
}

fn told<T, E: Into<Box<dyn std::error::Error>>>(result: Result<T, E>) {
    if let Err(error) = result {
        eprintln!("error: {}", error.into());
        process::exit(1);
    }
}
