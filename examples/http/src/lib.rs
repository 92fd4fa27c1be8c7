//! Answers HTTP requests: `GET /` says hello, `POST /echo` returns the body, piece by piece.

use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

struct Http;

wasip2::http::proxy::export!(Http);

impl wasip2::exports::http::incoming_handler::Guest for Http {
    fn handle(request: IncomingRequest, answer: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match (request.method(), path) {
            (Method::Get | Method::Head, "/") => text(answer, 200, &format!("Hello, {}!\n", name(query))),
            (Method::Post, "/echo") => echo(&request, answer),
            (_, "/" | "/echo") => text(answer, 405, "This is not done here.\n"),
            _ => text(answer, 404, "There is nothing here.\n"),
        }
    }
}

/// Returns the name to greet: `name=…`, or the environment variable `NAME`.
fn name(query: &str) -> String {
    let asked = query.split('&').find_map(|pair| pair.strip_prefix("name="));
    asked.map(str::to_owned).or_else(|| std::env::var("NAME").ok()).unwrap_or_else(|| "world".to_owned())
}

fn text(answer: ResponseOutparam, status: u16, text: &str) {
    let length = text.len().to_string();
    let headers = [("content-type", "text/plain"), ("content-length", &length)];
    let body = begin(answer, status, &headers);
    let stream = body.write().expect("nobody else has it");
    // A stream accepts a limited number of bytes at a time. The client may have gone, or want only the headers.
    _ = text.as_bytes().chunks(4096).try_for_each(|piece| stream.blocking_write_and_flush(piece));
    drop(stream);
    _ = OutgoingBody::finish(body, None);
}

fn echo(request: &IncomingRequest, answer: ResponseOutparam) {
    let incoming = request.consume().expect("nobody else has it");
    let input = incoming.stream().expect("nobody else has it");
    let body = begin(answer, 200, &[("content-type", "application/octet-stream")]);
    let output = body.write().expect("nobody else has it");
    let end = loop {
        if let Err(end) = output.blocking_splice(&input, 64 * 1024) {
            break end;
        }
    };
    drop(output);
    // Without this, the answer counts as incomplete.
    if matches!(end, StreamError::Closed) {
        _ = OutgoingBody::finish(body, None);
    }
}

/// Sends the headers of the answer; its body follows.
fn begin(answer: ResponseOutparam, status: u16, headers: &[(&str, &str)]) -> OutgoingBody {
    let fields = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
    let headers = Fields::from_list(&fields.collect::<Vec<_>>()).expect("headers as they should be");
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).expect("a status as it should be");
    let body = response.body().expect("nobody else has it");
    ResponseOutparam::set(answer, Ok(response));
    body
}
