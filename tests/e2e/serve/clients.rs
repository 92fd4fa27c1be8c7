//! Clients that send nothing, nonsense or too much, or go away: the others are served all the same.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::{Served, handlers, http};
use crate::harness::Run;

/// The answer to these bytes, after which the server has to close the connection.
fn raw(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn clients_that_send_no_request_are_closed() {
    let served = Served::start(&[], &http());
    let address = served.url().strip_prefix("http://").unwrap();
    let begun = ["", "G", "GET / HTTP/1.1\r\nHost: a\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
    let start = Instant::now();
    let mut streams: Vec<TcpStream> =
        begun.iter().map(|_| TcpStream::connect(address).unwrap()).collect();
    for (stream, begun) in streams.iter_mut().zip(begun) {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(begun.as_bytes()).unwrap();
    }
    for mut stream in streams {
        let closed = stream.read_to_end(&mut Vec::new());
        assert!(!closed.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
    }
    assert!(start.elapsed() > Duration::from_secs(5), "clients need some time");
    assert_eq!(served.get("/"), "Hello, world!\n 200");
}

#[test]
fn requests_beyond_the_queue_are_told_to_come_back() {
    use wasm_oci_core::module::{BuiltModule, ValidateOptions};
    use wasm_oci_core::run::{Engine, Limits, ServeOptions, Server};
    let limits = Limits::default();
    let engine = Engine::pooled(&limits).unwrap();
    let module = BuiltModule::read(&handlers()).unwrap();
    let program = engine.program(module, &ValidateOptions::default()).unwrap();
    let options = ServeOptions {
        requests: 1,
        queue: 1,
        queue_time: Duration::from_millis(200),
        ..ServeOptions::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::bind(&engine, &program, options)).unwrap();
    let url = format!("http://{}/slow", server.local_addr());
    runtime.spawn(server.run(std::future::pending(), |_| ()));
    let get = |wait: u64| {
        let url = url.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(wait));
            let start = Instant::now();
            let mut curl = Command::new("curl");
            let run = Run::of(curl.args(["--silent", "--include", &url])).success();
            (run.stdout.to_lowercase(), start.elapsed())
        })
    };
    let [first, second, third] = [get(0), get(300), get(350)].map(|it| it.join().unwrap());
    assert!(first.0.ends_with("slow, but done"), "{first:?}");
    for (busy, _) in [&second, &third] {
        assert!(
            busy.starts_with("http/1.1 503") && busy.contains("\r\nretry-after: 1\r\n"),
            "{busy}"
        );
    }
    assert!(second.1 >= Duration::from_millis(200) && third.1 < second.1, "{second:?} {third:?}");
}

#[test]
fn nonsense_does_not_stop_it() {
    let served = Served::start(&[], &http());
    let address = served.url().strip_prefix("http://").unwrap();
    for (request, status) in [
        ("\0\0\0\0\0\0\0\0\n\n", "HTTP/1.1 400"),
        // HAProxy's check.
        ("GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 200"),
        ("OPTIONS / HTTP/1.0\r\n\r\n", "HTTP/1.0 405"),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", "HTTP/1.1 200"),
        ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400"),
        ("GET / HTTP/1.1\r\nHost: \u{e9}\r\n\r\n", "HTTP/1.1 400"),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "HTTP/1.1 400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "HTTP/1.1 400"),
    ] {
        let request = &request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        let answer = raw(address, request);
        assert!(answer.starts_with(status), "{request:?} was answered {answer:?}");
    }
    assert_eq!(served.get("/"), "Hello, world!\n 200");
}

#[test]
fn a_client_that_goes_takes_its_instance_with_it() {
    let mut served = Served::start(&["--timeout", "1h"], &handlers());
    let run = Run::of(&mut served.curl("/loop", &["--max-time", "0.3"]));
    assert_eq!(run.code, 28, "{run:?}");
    served.wait_for_log("GET /loop - 0");
    // The failure after the response is reported all the same.
    let run = Run::of(&mut served.curl("/send-and-loop", &["--max-time", "0.3"]));
    assert_eq!(run.code, 28, "{run:?}");
    served.wait_for_log("tried to send HTTP requests; grant it the network with --net");
    served.serving.signal("TERM");
    assert_eq!(served.serving.exit_code(), 0);
    assert!(!served.log().contains("cut off"), "{}", served.log());
}
