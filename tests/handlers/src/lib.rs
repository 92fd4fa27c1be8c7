//! What a server has to cope with: each path is a way to misbehave, or to show what the handler was given.

mod send;

use std::sync::atomic::{AtomicU32, Ordering};

use wasip2::clocks::monotonic_clock;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct Handlers;

wasip2::http::proxy::export!(Handlers);

static CALLS: AtomicU32 = AtomicU32::new(0);

impl wasip2::exports::http::incoming_handler::Guest for Handlers {
    fn handle(request: IncomingRequest, answer: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        match path.as_str() {
            "/calls" => text(answer, &(CALLS.fetch_add(1, Ordering::Relaxed) + 1).to_string()),
            "/loop" => loop {
                std::hint::black_box(());
            },
            "/memory" => {
                let mut all = Vec::new();
                loop {
                    all.push(std::hint::black_box(vec![1u8; 1 << 20]));
                }
            }
            "/trap" => panic!("a secret of the handler's"),
            "/nothing" => drop(answer),
            "/error" => ResponseOutparam::set(answer, Err(ErrorCode::InternalError(None))),
            "/half" => half(answer),
            "/slow" => {
                monotonic_clock::subscribe_duration(1_000_000_000).block();
                text(answer, "slow, but done");
            }
            "/say" => {
                println!("said on stdout");
                eprintln!("said on stderr");
                text(answer, "said");
            }
            "/flood" => {
                for _ in 0..100_000 {
                    println!("a line and another line and another line");
                }
                text(answer, "all said");
            }
            "/given" => {
                let files = std::fs::read_to_string("/data/file").unwrap_or_else(|error| error.to_string());
                let name = std::env::var("NAME").unwrap_or_default();
                let args = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
                text(answer, &format!("{name}|{args}|{files}"));
            }
            "/write" => text(answer, &format!("{}", std::fs::write("/data/new", "x").is_ok())),
            "/send-and-loop" => {
                _ = send::get("127.0.0.1:1", "/");
                loop {
                    std::hint::black_box(());
                }
            }
            path => match path.strip_prefix("/send?") {
                Some(authority) => text(answer, &format!("{:?}", send::get(authority, "/?name=handler"))),
                None => text(answer, "ok"),
            },
        }
    }
}

fn text(answer: ResponseOutparam, text: &str) {
    let body = begin(answer);
    body.write().unwrap().blocking_write_and_flush(text.as_bytes()).unwrap();
    OutgoingBody::finish(body, None).unwrap();
}

/// Ends in the middle of its answer.
fn half(answer: ResponseOutparam) {
    let body = begin(answer);
    body.write().unwrap().blocking_write_and_flush(b"the first half").unwrap();
    monotonic_clock::subscribe_duration(100_000_000).block();
    panic!("no second half");
}

fn begin(answer: ResponseOutparam) -> OutgoingBody {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().unwrap();
    ResponseOutparam::set(answer, Ok(response));
    body
}
