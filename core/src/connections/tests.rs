use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::*;

const SHORT: ConnectionLimits = ConnectionLimits {
    connections: 3,
    head: Duration::from_millis(300),
    idle: Duration::from_millis(600),
    stall: Duration::from_millis(400),
};

/// A body without end.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 8_192])))))
    }
}

/// Serves `/` with its body's size, `/endless` without an end, and `/slow` after a second.
async fn start() -> (SocketAddr, JoinHandle<Open>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let service = |request: Request<RequestBody>| async move {
        if request.uri().path() == "/endless" {
            return Response::new(Endless.boxed_unsync());
        }
        if request.uri().path() == "/slow" {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let size = request.collect().await.map_or(0, |body| body.to_bytes().len());
        Response::new(Full::new(Bytes::from(size.to_string())).boxed_unsync())
    };
    (addr, tokio::spawn(serve(listener, SHORT, service, std::future::pending())))
}

/// Sends `pieces`, one each 100 ms, and returns the answer and the time until the server closed the connection.
async fn send(addr: SocketAddr, pieces: &[&[u8]]) -> (String, Duration) {
    let (mut stream, start) = (TcpStream::connect(addr).await.unwrap(), Instant::now());
    let mut answer = Vec::new();
    for piece in pieces {
        let mut buffer = [0; 4_096];
        if stream.write_all(piece).await.is_err() {
            break;
        }
        let read = stream.read(&mut buffer);
        match tokio::time::timeout(Duration::from_millis(100), read).await {
            Ok(Ok(0) | Err(_)) => {
                return (String::from_utf8_lossy(&answer).into(), start.elapsed());
            }
            Ok(Ok(read)) => answer.extend(&buffer[..read]),
            Err(_) => {}
        }
    }
    let rest = stream.read_to_end(&mut answer);
    let closed = tokio::time::timeout(Duration::from_secs(10), rest).await;
    assert!(closed.is_ok(), "the connection is still open");
    (String::from_utf8_lossy(&answer).into(), start.elapsed())
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[tokio::test]
async fn a_client_that_sends_no_head_is_closed() {
    let (addr, _server) = start().await;
    let drip: Vec<&[u8]> = vec![b"X"; 100];
    let header: Vec<&[u8]> = [&b"GET / HTTP/1.1\r\n"[..]].into_iter().chain(drip.clone()).collect();
    let handshake: Vec<&[u8]> = [PREFACE].into_iter().chain(vec![&b"\0"[..]; 100]).collect();
    for pieces in [vec![], vec![&b"P"[..]], vec![PREFACE], drip, header, handshake] {
        let (_, time) = send(addr, &pieces).await;
        assert!(time < Duration::from_secs(2), "{pieces:?} held it for {time:?}");
    }
}

#[tokio::test]
async fn between_requests_there_is_more_time() {
    let (addr, _server) = start().await;
    let get: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let (answer, time) = send(addr, &[get]).await;
    assert!(answer.ends_with("\r\n\r\n0"), "{answer}");
    assert!(SHORT.idle <= time && time < Duration::from_secs(3), "{time:?}");
    let (answer, time) = send(addr, &[get, b"", b"", get, b"G"]).await;
    assert_eq!(answer.matches("200 OK").count(), 2);
    assert!(time < Duration::from_secs(3), "{time:?}");
    // Work takes as long as it takes.
    let slow: &[u8] = b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert!(send(addr, &[slow]).await.0.ends_with('0'));
}

#[tokio::test]
async fn a_client_that_sends_its_body_too_slowly_is_closed() {
    let (addr, _server) = start().await;
    let head: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n";
    for body in [vec![], vec![&b"x"[..]; 99]] {
        let pieces: Vec<&[u8]> = [head].into_iter().chain(body).collect();
        let (answer, time) = send(addr, &pieces).await;
        assert!(!answer.contains("200 OK"), "{answer}");
        assert!(time < Duration::from_secs(3), "{time:?}");
    }
    let (answer, _) = send(addr, &[head, &[b'x'; 50], &[b'x'; 50]]).await;
    assert!(answer.ends_with("100"), "{answer}");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed() {
    let (addr, _server) = start().await;
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
    // It ends in an error, or too early; what the system has buffered still arrives.
    assert!(read.is_ok(), "the connection is still open");
}

#[tokio::test]
async fn connections_wait_for_a_place() {
    let (addr, server) = start().await;
    let get: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..SHORT.connections {
        held.push(TcpStream::connect(addr).await.unwrap());
    }
    let start = Instant::now();
    let (answer, _) = send(addr, &[get]).await;
    assert!(answer.ends_with('0'), "{answer}");
    assert!(start.elapsed() >= SHORT.head / 2, "it was served beyond the limit");
    assert!(!server.is_finished());
}
