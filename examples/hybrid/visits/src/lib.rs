//! Answers HTTP requests, and counts them in a database. Every request has its own instance of the component,
//! and its own connection.

use std::io;

use database::Database;
use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Visits;

wasip2::http::proxy::export!(Visits);

impl wasip2::exports::http::incoming_handler::Guest for Visits {
    fn handle(_: IncomingRequest, answer: ResponseOutparam) {
        match count() {
            Ok(count) => text(answer, 200, &format!("This is visit {count}.\n")),
            Err(error) => text(answer, 503, &format!("The database can't be asked: {error}\n")),
        }
    }
}

/// Counts a visit, and returns the number of visits.
fn count() -> io::Result<String> {
    // It is not an error if the table exists, or if another request creates it at the same time.
    let rows = Database::connect()?.query(
        "SET client_min_messages TO warning;
         SELECT pg_advisory_xact_lock(1);
         CREATE TABLE IF NOT EXISTS visits (at timestamptz NOT NULL DEFAULT now());
         INSERT INTO visits DEFAULT VALUES;
         SELECT count(*) FROM visits",
    )?;
    let count = rows.into_iter().flatten().flatten().next();
    count.ok_or_else(|| io::Error::other("it gave no count"))
}

fn text(answer: ResponseOutparam, status: u16, text: &str) {
    let headers = [("content-type".to_owned(), b"text/plain; charset=utf-8".to_vec())];
    let response = OutgoingResponse::new(Fields::from_list(&headers).expect("headers as they should be"));
    response.set_status_code(status).expect("a status as it should be");
    let body = response.body().expect("nobody else has it");
    ResponseOutparam::set(answer, Ok(response));
    let stream = body.write().expect("nobody else has it");
    // The client may have gone.
    _ = text.as_bytes().chunks(4096).try_for_each(|piece| stream.blocking_write_and_flush(piece));
    drop(stream);
    _ = OutgoingBody::finish(body, None);
}
