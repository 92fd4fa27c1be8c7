//! Answers HTTP requests. `routes` has the answers; this module reads requests and sends answers.

mod routes;

use std::env;

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

use crate::routes::{Answer, Request, answer};

/// The largest body that is read, in bytes.
const LARGEST_BODY: usize = 1 << 20;

struct Service;

wasip2::http::proxy::export!(Service);

impl Guest for Service {
    /// Handles one request. Each request gets its own instance.
    fn handle(incoming: IncomingRequest, out: ResponseOutparam) {
        let target = incoming.path_with_query().unwrap_or_default();
        let answer = match body(&incoming) {
            Ok(body) => answer(&Request {
                method: incoming.method(),
                path: target.split('?').next().unwrap_or_default(),
                body: &body,
                name: env::var("NAME").ok(),
            }),
            Err(refusal) => refusal,
        };
        send(&answer, out);
    }
}

/// Returns the body of a request, or an error answer if it can't be read.
fn body(request: &IncomingRequest) -> Result<Vec<u8>, Answer> {
    let incoming = request.consume().expect("a body is consumed once");
    let stream = incoming.stream().expect("a stream is taken once");
    let mut body = Vec::new();
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(piece) => body.extend(piece),
            Err(StreamError::Closed) => return Ok(body),
            Err(_) => return Err(Answer::text(400, "The request has ended too soon.\n")),
        }
        if body.len() > LARGEST_BODY {
            return Err(Answer::text(413, "This is too much.\n"));
        }
    }
}

fn send(answer: &Answer, out: ResponseOutparam) {
    let headers = Fields::new();
    let fields = [
        ("content-type", answer.content_type.to_owned()),
        ("content-length", answer.body.len().to_string()),
    ];
    for (name, value) in fields {
        headers
            .append(name, value.as_bytes())
            .expect("the header is well-formed");
    }
    let response = OutgoingResponse::new(headers);
    response
        .set_status_code(answer.status)
        .expect("the status is one of HTTP");
    let body = response.body().expect("a body is taken once");
    ResponseOutparam::set(out, Ok(response));

    let stream = body.write().expect("a stream is taken once");
    // A stream accepts a limited number of bytes at a time. Errors are ignored: the client has gone,
    // or wants only the headers.
    let sent = answer
        .body
        .chunks(4096)
        .try_for_each(|piece| stream.blocking_write_and_flush(piece));
    drop(stream);
    if sent.is_ok() {
        _ = OutgoingBody::finish(body, None);
    }
}
