//! Registry for development: serves a folder with one layout for each repository.
//!
//! `ferro-oci-server` implements the protocol; this module stores its blobs, manifests and tags. A pushed blob is in
//! `FOLDER/.incoming` until a manifest needs it, and then in the layout of that manifest's repository, where any tool can
//! read it.

mod local;
mod names;
mod store;
mod uploads;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use ferro_oci_server::{AppState, InMemoryRegistryMeta, router};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use wasm_oci_core::connections::{self, RequestBody, Room};
use wasm_oci_core::run::ConnectionLimits;
use wasm_oci_core::trace::OrTrace;

use self::local::require_local;
use self::names::require_possible_name;
use self::store::{Layouts, Meta};
use self::uploads::{MAX_HELD, Uploads};

/// Number of requests that run at a time, and of those that wait. Each may hold a blob in memory.
const MAX_CONCURRENT: usize = 64;
const MAX_WAITING: usize = 1_000;
const MAX_WAIT: Duration = Duration::from_secs(10);
/// Time for running requests after `end`.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves the layouts in `folder` until `end`. Requests have to name a loopback host, and no page of another origin may send any.
pub async fn serve(
    folder: &Path,
    listener: TcpListener,
    end: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let layouts = Layouts { folder: folder.to_owned() };
    let uploads = Uploads::default();
    let meta = Meta {
        layouts: layouts.clone(),
        uploads: uploads.clone(),
        memory: InMemoryRegistryMeta::new(),
    };
    // Referrers are in memory only, so each start collects them again.
    meta.find_referrers().await.map_err(std::io::Error::other)?;
    let (layouts, meta) = (Arc::new(layouts), Arc::new(meta));
    let state = AppState::with_max_upload_session_bytes(layouts, meta, MAX_HELD);
    let room = Arc::new(Room::new(MAX_CONCURRENT, MAX_WAITING, MAX_WAIT));
    let router = router(state);
    let service = move |request| answer(router.clone(), Arc::clone(&room), request);
    let limits = ConnectionLimits::default();
    let tidying = tokio::spawn(uploads.keep_tidy());
    let mut open = connections::serve(listener, limits, service, end).await;
    tidying.abort();
    // Whoever is still connected then has to try again.
    tokio::time::timeout(DRAIN, open.closed()).await.or_trace("wait for running requests");
    Ok(())
}

async fn answer(router: Router, room: Arc<Room>, request: Request<RequestBody>) -> Response {
    if let Err(reason) = require_local(&request) {
        return refuse(StatusCode::FORBIDDEN, "DENIED", reason);
    }
    if let Err(reason) = require_possible_name(request.uri().path()) {
        return refuse(StatusCode::BAD_REQUEST, "NAME_INVALID", &reason);
    }
    let Some(_room) = room.enter().await else {
        let mut busy =
            refuse(StatusCode::SERVICE_UNAVAILABLE, "TOOMANYREQUESTS", "too many requests wait");
        busy.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        return busy;
    };
    let answer = TowerToHyperService::new(router).call(request.map(Body::new)).await;
    answer.unwrap_or_else(|never| match never {})
}

/// Returns an error as registries do (distribution-spec, Error Codes).
fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    let error = serde_json::json!({"errors": [{"code": code, "message": message}]});
    (status, [(CONTENT_TYPE, "application/json")], error.to_string()).into_response()
}
