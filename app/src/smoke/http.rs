//! Smoke tests of programs that answer HTTP requests.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use wasm_oci_core::error_chain;
use wasm_oci_core::run::{Engine, Program, RunOptions, ServeOptions, Server};
use wasm_oci_core::text::escaped;

use super::expect::{Mismatch, Observed, shortened};
use super::run::{DEFAULT_OUTPUT, TestResult, expectation, files_after, is_partial, status_of};
use crate::config::smoke::case::{Answer, Case, Http};

// A component may go on working after its response, and `files-after` checks the result of that work.
const DRAIN: Duration = Duration::from_secs(1);

struct Response {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// Starts the program as a server, sends the request and compares the response with the expected one.
pub(super) async fn test(
    engine: &Engine,
    program: &Program,
    options: &RunOptions,
    case: &Case,
    request: &Http,
    root: &Path,
) -> Result<(TestResult, Observed), String> {
    let start = Instant::now();
    let most =
        usize::try_from(options.limits.output.unwrap_or(DEFAULT_OUTPUT)).unwrap_or(usize::MAX);
    let timeout = options.limits.timeout.unwrap_or(Duration::MAX);
    let ask = async |address| {
        let answer = tokio::time::timeout(timeout, ask(address, request, &case.folder, most));
        answer.await.unwrap_or_else(|_| Err(format!("no response within {timeout:?}")))
    };
    let (response, failure) = served(engine, program, options, ask).await?;
    let time = start.elapsed();
    let mut mismatches = mismatches(&request.answer, &response, case)?;
    // The failure of the program explains the other mismatches, so it comes first.
    if let Some(failure) = failure.filter(|_| !mismatches.is_empty()) {
        mismatches.insert(0, Mismatch::new("http", format!("the program failed: {failure}")));
    }
    mismatches.extend(files_after(case, root)?);
    let status = status_of(mismatches);
    // The server passes the program's output on to our standard error, so there is none to compare.
    let result =
        TestResult { status, time, exit_code: None, stdout: Vec::new(), stderr: Vec::new() };
    let mut observed =
        Observed::from([("the status".to_owned(), response.status.to_string().into_bytes())]);
    if !is_partial(request.answer.body.as_ref()) {
        observed.insert("the body".to_owned(), response.body);
    }
    Ok((result, observed))
}

/// Runs `client` while the program serves. Also returns the failure that the server reported for a request, if any.
async fn served<T>(
    engine: &Engine,
    program: &Program,
    options: &RunOptions,
    client: impl AsyncFnOnce(SocketAddr) -> Result<T, String>,
) -> Result<(T, Option<String>), String> {
    let RunOptions { args, env, dirs, network, limits, .. } = options.clone();
    let options =
        ServeOptions { args, env, dirs, network, limits, drain: DRAIN, ..ServeOptions::default() };
    let failure = Arc::new(Mutex::new(None));
    let noted = Arc::clone(&failure);
    let server = Server::bind(engine, program, options).await.map_err(|e| error_chain(&e))?;
    let address = server.local_addr();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = server.run(async { drop(stopped.await) }, move |access| {
        let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
        *noted = access.failure.as_ref().map(ToString::to_string);
    });
    let asking = async {
        let result = client(address).await;
        // This ends `stopped`, and with it the server.
        drop(stop);
        result
    };
    let result = tokio::join!(serving, asking).1;
    let failure = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok((result?, failure))
}

async fn ask(
    address: SocketAddr,
    request: &Http,
    folder: &Path,
    most: usize,
) -> Result<Response, String> {
    let failed = |e: &dyn std::fmt::Display| format!("{} {}: {e}", request.method, request.path);
    let mut builder = Request::builder().method(request.method.as_str()).uri(request.path.as_str());
    // RFC 9110, section 7.2 requires the header, and this low-level client of hyper does not add it.
    if !request.headers.keys().any(|name| name.eq_ignore_ascii_case("host")) {
        builder = builder.header("host", address.to_string());
    }
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let body =
        request.body.as_ref().map(|body| body.bytes(folder)).transpose()?.unwrap_or_default();
    let message = builder.body(Full::new(Bytes::from(body))).map_err(|e| failed(&e))?;

    let stream = TcpStream::connect(address).await.map_err(|e| failed(&e))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| failed(&e))?;
    // The connection's own error is not needed: it fails the request as well.
    let connection = tokio::spawn(connection);
    let (parts, body) = sender.send_request(message).await.map_err(|e| failed(&e))?.into_parts();
    // The program under test decides on the length, so the limit of its output applies.
    let body = Limited::new(body, most).collect().await.map_err(|e| failed(&e))?.to_bytes();
    connection.abort();
    let header = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        (name.to_string(), value.as_bytes().to_vec())
    };
    Ok(Response {
        status: parts.status.as_u16(),
        headers: parts.headers.iter().map(header).collect(),
        body: body.to_vec(),
    })
}

fn mismatches(answer: &Answer, response: &Response, case: &Case) -> Result<Vec<Mismatch>, String> {
    let mut mismatches = Vec::new();
    if response.status != answer.status {
        let message =
            format!("the status is {}, not {}; the body:", response.status, answer.status);
        let body = shortened(&escaped(&String::from_utf8_lossy(&response.body)));
        mismatches.push(Mismatch::new("status", message).with(body));
    }
    for (name, expected) in &answer.headers {
        let values: Vec<&[u8]> = response
            .headers
            .iter()
            // Names of fields are case-insensitive (RFC 9110, section 5.1).
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
            .collect();
        let what = format!("the header `{name}`");
        match (values.is_empty(), expected.absent) {
            (true, true) => {}
            (true, false) => mismatches.push(Mismatch::new(&what, format!("{what} is missing"))),
            (false, true) => mismatches.push(Mismatch::new(&what, format!("{what} is present"))),
            (false, false) => {
                // Several fields with the same name are one list (RFC 9110, section 5.3).
                mismatches.extend(
                    expectation(expected, case)?.mismatches(&what, &values.join(&b", "[..])),
                );
            }
        }
    }
    if let Some(expected) = &answer.body {
        mismatches.extend(expectation(expected, case)?.mismatches("body", &response.body));
    }
    Ok(mismatches)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::config::smoke::case::{Content, Expected};

    /// Sends a request to a server that gives this answer. Also returns the bytes that the server read.
    fn exchange(
        request: &Http,
        answer: &'static str,
        most: usize,
    ) -> (String, Result<Response, String>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut read = vec![0; 4096];
            let mut length = 0;
            while !read[..length].ends_with(b"body") {
                length += stream.read(&mut read[length..]).unwrap();
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&read[..length]).into_owned()
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let response = runtime.block_on(ask(address, request, Path::new(""), most));
        (server.join().unwrap(), response)
    }

    #[test]
    fn a_request_and_its_answer() {
        let request = Http {
            method: "POST".to_owned(),
            path: "/a?b".to_owned(),
            headers: [("X-Mine".to_owned(), "1".to_owned())].into(),
            body: Some(Content { text: Some("body".to_owned()), from: None }),
            answer: Answer::default(),
        };
        let answer = "HTTP/1.1 201 Created\r\nx-a: 1\r\nx-a: 2\r\ncontent-length: 5\r\n\r\nhello";
        let (sent, response) = exchange(&request, answer, 100);
        assert!(sent.starts_with("POST /a?b HTTP/1.1\r\nhost: 127.0.0.1:"), "{sent}");
        assert!(sent.contains("x-mine: 1\r\n") && sent.ends_with("\r\n\r\nbody"), "{sent}");
        let response = response.unwrap();

        let told = |answer: &Answer| -> Vec<String> {
            let mismatches = mismatches(answer, &response, &Case::default()).unwrap();
            mismatches.into_iter().map(|mismatch| mismatch.message).collect()
        };
        let equals = |text: &str| Expected { equals: Some(text.to_owned()), ..Expected::default() };
        let absent = Expected { absent: true, ..Expected::default() };
        let right = Answer {
            status: 201,
            headers: [("X-A".to_owned(), equals("1, 2")), ("x-b".to_owned(), absent.clone())]
                .into(),
            body: Some(equals("hello")),
        };
        assert_eq!(told(&right), Vec::<String>::new());
        let wrong = Answer {
            status: 200,
            headers: [("x-a".to_owned(), absent), ("x-b".to_owned(), equals(""))].into(),
            body: Some(equals("Hello")),
        };
        let expected = [
            "the status is 201, not 200; the body:",
            "the header `x-a` is present",
            "the header `x-b` is missing",
            "body is not what was expected:",
        ];
        assert_eq!(told(&wrong), expected);
        let (_, endless) = exchange(&request, answer, 4);
        assert!(
            endless.err().unwrap().starts_with("POST /a?b: "),
            "a body that is too long is an error"
        );
    }
}
