//! A registry that answers what a test wants it to.

use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use wasm_oci_core::image::MediaType;

use crate::harness::proxy::{header, read_head};

/// Answers every request with what a function makes of its head. It lives as long as the test's process.
pub(crate) struct Fake {
    host: String,
}

impl Fake {
    pub(crate) fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Fake {
        Fake::start_with_host(move |request, _| answer(request))
    }

    /// The function is also given the registry's own address.
    pub(crate) fn start_with_host(
        answer: impl Fn(&str, &str) -> String + Send + Sync + 'static,
    ) -> Fake {
        Fake::start_on("127.0.0.1:0", answer)
    }

    /// The same at this address.
    pub(crate) fn start_on(
        address: &str,
        answer: impl Fn(&str, &str) -> String + Send + Sync + 'static,
    ) -> Fake {
        Fake::listen(address, move |stream, host| serve(stream, |request| answer(request, host)))
    }

    /// One whose bodies come byte by byte, ten in a second.
    pub(crate) fn start_slow(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Fake {
        Fake::start_sending(answer, |stream, body| {
            body.iter().try_for_each(|byte| {
                thread::sleep(Duration::from_millis(100));
                stream.write_all(&[*byte])
            })
        })
    }

    /// One whose bodies another function sends.
    pub(crate) fn start_sending(
        answer: impl Fn(&str) -> String + Send + Sync + 'static,
        send: impl Fn(&mut TcpStream, &[u8]) -> io::Result<()> + Send + Sync + 'static,
    ) -> Fake {
        Fake::listen("127.0.0.1:0", move |mut stream, _| {
            let head = read_head(&mut BufReader::new(stream.try_clone()?))?;
            let answer = answer(&head.unwrap_or_default());
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            stream.write_all(format!("{head}\r\n\r\n").as_bytes())?;
            send(&mut stream, body.as_bytes())
        })
    }

    /// Serves each connection in a thread of its own, by a function that is also given our address.
    fn listen(
        address: &str,
        serve: impl Fn(TcpStream, &str) -> io::Result<()> + Send + Sync + 'static,
    ) -> Fake {
        let listener = TcpListener::bind(address).unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let serve = Arc::new(serve);
        let own = host.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (serve, host) = (Arc::clone(&serve), own.clone());
                // A client that goes away is what some tests are about.
                thread::spawn(move || serve(stream, &host).ok());
            }
        });
        Fake { host }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }
}

/// One request, then the connection is closed, so that an answer may end anywhere.
fn serve(mut stream: TcpStream, answer: impl Fn(&str) -> String) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let Some(head) = read_head(&mut reader)? else { return Ok(()) };
    let length =
        header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    io::copy(&mut reader.take(length), &mut io::sink())?;
    let answer = answer(&head).replacen("\r\n", "\r\nConnection: close\r\n", 1);
    stream.write_all(answer.as_bytes())
}

/// The answer with a manifest, and with more headers.
pub(crate) fn manifest(body: &str, headers: &str) -> String {
    let media_type = MediaType::ImageManifest;
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
}

pub(crate) fn json(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

pub(crate) fn not_found() -> String {
    "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned()
}
