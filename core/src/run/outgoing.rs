//! HTTP requests that programs send, through `wasi:http/outgoing-handler`.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::{Request, Response};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, default_send_request};

/// Sender of a program's requests. It refuses them if the program has no access to the network.
#[derive(Debug)]
pub(super) struct Outgoing {
    network: bool,
    refused: Arc<AtomicBool>,
}

type Sending<T> = Box<dyn Future<Output = Result<T, Error>> + Send>;

impl Outgoing {
    /// Returns a sender that sets `refused` as soon as it refuses a request.
    pub(super) fn new(network: bool, refused: &Arc<AtomicBool>) -> Outgoing {
        Outgoing { network, refused: Arc::clone(refused) }
    }
}

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Sending<()>,
    ) -> Sending<(Response<WasiBody>, Sending<()>)> {
        if !self.network {
            // Not at the end of the request: if its client disconnects, the instance is stopped before that.
            self.refused.store(true, Ordering::Relaxed);
            return Box::new(async { Err(Error::HttpRequestDenied) });
        }
        Box::new(async move {
            let (response, connection) = default_send_request(request, options).await?;
            Ok((response.map(WasiBody::new), Box::new(connection) as Sending<()>))
        })
    }
}
