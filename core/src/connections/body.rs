//! Bodies of requests and answers that measure how long the client takes.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::activity::{Activity, BodyMeter, Running};

/// Body of a request. While its reader waits for the client, the client's time is running.
#[derive(Debug)]
pub struct RequestBody {
    body: Incoming,
    /// Without one, the body has ended.
    meter: Option<BodyMeter>,
}

impl RequestBody {
    pub(super) fn new(body: Incoming, activity: &Activity) -> RequestBody {
        let meter = (!body.is_end_stream()).then(|| activity.body());
        RequestBody { body, meter }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match (&polled, &self.meter) {
            (Poll::Pending, Some(meter)) => meter.wait(),
            (Poll::Ready(Some(Ok(frame))), Some(meter)) => {
                meter.moved(frame.data_ref().map_or(0, Bytes::len));
            }
            (Poll::Ready(_), _) => self.meter = None,
            (Poll::Pending, None) => {}
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

/// Body of an answer. From each part on until the connection asks for the next one, the client's time is running.
pub(super) struct AnswerBody<B> {
    body: B,
    /// Size of the part that the connection has.
    handed_out: usize,
    running: Running,
}

impl<B> AnswerBody<B> {
    pub(super) fn new(body: B, running: Running) -> AnswerBody<B> {
        AnswerBody { body, handed_out: 0, running }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for AnswerBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let Running(meter) = &self.running;
        // The connection has room again for what we handed out.
        meter.moved(self.handed_out);
        self.handed_out = 0;
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.handed_out = frame.data_ref().map_or(0, Bytes::len);
            self.running.0.wait();
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
