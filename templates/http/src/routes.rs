//! The answer to each request.

use wasip2::http::types::Method;

/// The parts of a request that the answer depends on.
pub struct Request<'a> {
    pub method: Method,
    pub path: &'a str,
    pub body: &'a [u8],
    /// The name to greet, instead of the world.
    pub name: Option<String>,
}

#[derive(Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: text.into().into_bytes(),
        }
    }
}

/// Answers a request.
pub fn answer(request: &Request) -> Answer {
    match (&request.method, request.path) {
        (Method::Get | Method::Head, "/") => {
            let name = request.name.as_deref().unwrap_or("world");
            Answer::text(200, format!("Hello, {name}!\n"))
        }
        (Method::Post, "/shout") => match str::from_utf8(request.body) {
            Ok(text) => Answer::text(200, text.to_uppercase()),
            Err(_) => Answer::text(400, "This is no text.\n"),
        },
        (_, "/" | "/shout") => Answer::text(405, "This is not done here.\n"),
        _ => Answer::text(404, "There is nothing here.\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_to(method: Method, path: &str, body: &[u8]) -> Answer {
        answer(&Request {
            method,
            path,
            body,
            name: None,
        })
    }

    #[test]
    fn it_greets() {
        let hello = Answer::text(200, "Hello, world!\n");
        assert_eq!(answer_to(Method::Get, "/", b""), hello);
        assert_eq!(answer_to(Method::Head, "/", b""), hello);
    }

    #[test]
    fn it_shouts() {
        let answer = answer_to(Method::Post, "/shout", "straße".as_bytes());
        assert_eq!(answer, Answer::text(200, "STRASSE"));
        assert_eq!(answer_to(Method::Post, "/shout", b"\xff").status, 400);
    }

    #[test]
    fn it_refuses_the_rest() {
        assert_eq!(answer_to(Method::Delete, "/", b"").status, 405);
        assert_eq!(answer_to(Method::Get, "/shout", b"").status, 405);
        assert_eq!(answer_to(Method::Get, "/elsewhere", b"").status, 404);
    }
}
