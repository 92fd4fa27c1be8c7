//! Answers HTTP requests. What the answers are is in `routes`; here is the way there and back.

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
    /// Is called for each request, by an instance of its own.
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

/// The body of a request, or the answer to one that has none that can be read.
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
    // As much as may be written at once. A client that is gone doesn't want it, nor one that has
    // asked for the head only.
    let sent = answer
        .body
        .chunks(4096)
        .try_for_each(|piece| stream.blocking_write_and_flush(piece));
    drop(stream);
    if sent.is_ok() {
        _ = OutgoingBody::finish(body, None);
    }
}
