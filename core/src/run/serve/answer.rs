//! Answer to one request: the head as soon as the instance sends it, then the body in pieces.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{self as http, WasiBody};

use super::Life;
use super::access::{Failure, Record};
use super::host::require_host;
use crate::connections::RequestBody;

/// Head of an answer with a stream of its body, or the error that the program returned instead.
pub(super) type Head = Result<Response<WasiBody>, ErrorCode>;

/// Time after which a client should try again if there was no room for its request, in seconds.
const RETRY: HeaderValue = HeaderValue::from_static("1");

pub(super) async fn answer(life: &Life, mut request: Request<RequestBody>) -> Response<Answer> {
    let record = Record::new(life, &request);
    let is_head = request.method() == Method::HEAD;
    if let Err(reason) = require_host(&mut request, life.addr) {
        return plain(StatusCode::BAD_REQUEST, reason, &record);
    }
    // Room comes before anything that is opened for the request: beyond the size of the pool, wasmtime refuses instances.
    let Some(Some(room)) = life.clone().until_stopped(life.app.room.enter()).await else {
        record.fail(Failure::Busy);
        let mut response = failed(&record);
        response.headers_mut().insert(RETRY_AFTER, RETRY);
        return response;
    };
    let (to_client, head) = oneshot::channel();
    let instance = tokio::spawn({
        let (life, record) = (life.clone(), Arc::clone(&record));
        async move {
            let app = Arc::clone(&life.app);
            let work = async {
                if let Err(failure) = app.handle(request, to_client, &record).await {
                    record.fail(failure);
                }
            };
            life.until_stopped(work).await;
            drop(room);
        }
    });
    let instance = Instance(Some(instance.abort_handle()));
    match head.await {
        Ok(Ok(response)) => {
            let (parts, body) = response.into_parts();
            record.access().status = Some(parts.status.as_u16());
            let length =
                parts.headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse().ok());
            let instance = instance.release();
            // These answers have no content (RFC 9110, 6.4.1), whatever the program writes.
            if is_head || matches!(parts.status.as_u16(), 100..=199 | 204 | 304) {
                discard(body);
                return Response::from_parts(parts, Answer::complete(Bytes::new(), &record));
            }
            let body = Answer { body, expected: length, at_end: false, instance, record };
            Response::from_parts(parts, body)
        }
        Ok(Err(code)) => {
            record.fail(Failure::Error(code.to_string()));
            // The program may work on after its answer.
            drop(instance.release());
            failed(&record)
        }
        Err(_) => {
            // The instance records its failure before it drops the channel. Without one, it just sent no answer.
            record.fail(Failure::NoAnswer);
            failed(&record)
        }
    }
}

fn failed(record: &Arc<Record>) -> Response<Answer> {
    let (status, text) = record.access().failure.as_ref().unwrap_or(&Failure::NoAnswer).answer();
    plain(status, text, record)
}

fn plain(status: StatusCode, text: &'static str, record: &Arc<Record>) -> Response<Answer> {
    record.access().status = Some(status.as_u16());
    let mut response = Response::new(Answer::complete(Bytes::from_static(text.as_bytes()), record));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

fn discard(mut body: WasiBody) {
    // Without a reader, the instance would block in its writes.
    tokio::spawn(async move { while let Some(Ok(_)) = body.frame().await {} });
}

/// Instance that is stopped if the client disconnects before its answer.
struct Instance(Option<AbortHandle>);

impl Instance {
    /// Keeps the instance running. The handle can still stop it.
    fn release(mut self) -> Option<AbortHandle> {
        self.0.take()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(instance) = &self.0 {
            instance.abort();
        }
    }
}

/// Body of an answer. It counts its bytes, ends with an error if the instance fails, and stops the instance if the
/// connection drops it early.
pub(super) struct Answer {
    body: WasiBody,
    /// Content-Length: after this many bytes, hyper stops polling.
    expected: Option<u64>,
    at_end: bool,
    instance: Option<AbortHandle>,
    record: Arc<Record>,
}

impl Answer {
    /// Returns a body without an instance.
    fn complete(bytes: Bytes, record: &Arc<Record>) -> Answer {
        let body = Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
        // With 0, the body counts as complete: it doesn't matter if the client reads it.
        Answer {
            body,
            expected: Some(0),
            at_end: false,
            instance: None,
            record: Arc::clone(record),
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = http::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, http::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    self.record.access().bytes += data.len() as u64;
                }
            }
            // The instance has dropped its end of the body. If it failed, the body is incomplete, and an error makes hyper
            // cut off the connection, so that the client notices.
            Poll::Ready(None) if self.instance.is_some() && self.record.has_failed() => {
                self.at_end = true;
                return Poll::Ready(Some(Err(http::Error::HttpResponseIncomplete)));
            }
            Poll::Ready(_) => self.at_end = true,
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let mut access = self.record.access();
        access.duration = self.record.elapsed();
        let is_whole = self.at_end
            || self.body.is_end_stream()
            || self.expected.is_some_and(|expected| access.bytes >= expected);
        if is_whole {
            return;
        }
        access.failure.get_or_insert(Failure::Gone);
        if let Some(instance) = &self.instance {
            instance.abort();
        }
    }
}
