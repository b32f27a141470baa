//! The hub's pages over HTTP: JSON for programs ([`json`]), pages for people ([`view`]).
//!
//! Read-only, this machine only. A request whose `Host` is not this machine's is refused, so that no web page from
//! elsewhere can read it through a browser.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bridgepoint_protocol::name::RoomAddress;
use bridgepoint_protocol::text::Lang;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::board::Board;
use crate::detail::{RoomDetail, detail};
use crate::store::StoreError;
use crate::store::sqlite::SqliteStore;

pub mod json;
pub mod view;

/// Readers of one room's rows at the same time; each opens the database.
const READERS: usize = 4;

/// What the pages read.
#[derive(Debug, Clone)]
pub struct Page {
    /// How every room stands.
    pub board: Arc<Board>,
    /// The database, for one room in full.
    pub store: PathBuf,
    /// The language, unless the reader asks for another.
    pub lang: Lang,
    /// The clock, UTC milliseconds.
    pub clock: fn() -> i64,
}

/// What the routes share.
#[derive(Debug, Clone)]
pub struct Shared {
    page: Arc<Page>,
    readers: Arc<Semaphore>,
}

/// Serves until it is dropped.
pub async fn serve(listener: TcpListener, page: Page) {
    if let Err(e) = axum::serve(listener, router(page)).await {
        tracing::error!(error = %e, "the page has ended");
    }
}

/// The routes.
pub fn router(page: Page) -> Router {
    let shared = Shared {
        page: Arc::new(page),
        readers: Arc::new(Semaphore::new(READERS)),
    };
    Router::new()
        .route("/", get(view::fleet))
        .route("/rooms/{org}/{room}", get(view::room))
        .route("/meetings/{id}", get(view::meeting))
        .route("/api/v1/rooms", get(json::rooms))
        .route("/api/v1/rooms/{org}/{room}", get(json::room))
        .route("/api/v1/meetings", get(json::meetings))
        .route("/api/v1/meetings/{id}", get(json::meeting))
        .route("/api/events", get(json::events))
        .route("/healthz", get(json::health))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(middleware::from_fn(guard))
        .with_state(shared)
}

/// Refuses foreign hosts, and says with every answer what a browser may do with it: nothing from elsewhere.
async fn guard(headers: HeaderMap, request: Request, next: Next) -> Response {
    let host = headers.get(HOST).and_then(|h| h.to_str().ok());
    let mut response = if host.is_some_and(is_this_machine) {
        next.run(request).await
    } else {
        (
            StatusCode::MISDIRECTED_REQUEST,
            "This page is read at localhost or 127.0.0.1 only.\n",
        )
            .into_response()
    };
    let put: [(HeaderName, &str); 5] = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ];
    for (name, value) in put {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// `localhost`, `127.0.0.1` or `[::1]`, with or without a port.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    ["localhost", "127.0.0.1", "[::1]"]
        .iter()
        .any(|here| name.eq_ignore_ascii_case(here))
}

impl Shared {
    /// What the pages read.
    #[must_use]
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// One room in full, read on a thread that may block.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn detail(&self, at: RoomAddress) -> Result<Option<RoomDetail>, StoreError> {
        // It is never closed; without it the database would still answer, only slower.
        let _turn = self.readers.acquire().await;
        let page = self.page.clone();
        let read = tokio::task::spawn_blocking(move || {
            let store = SqliteStore::open_existing(&page.store)?;
            detail(&store, &at, (page.clock)())
        });
        read.await.unwrap_or_else(|e| {
            tracing::error!(error = %e, "reading a room has failed");
            Ok(None)
        })
    }
}

/// The address of the path, or why it is none.
#[allow(
    clippy::result_large_err,
    reason = "the error is the answer, made once a request"
)]
fn address(org: &str, room: &str) -> Result<RoomAddress, Response> {
    format!("{org}/{room}")
        .parse()
        .map_err(|e| (StatusCode::NOT_FOUND, format!("{e}\n")).into_response())
}

/// The extractor's name for what the routes share.
pub type Pages = State<Shared>;

#[cfg(test)]
mod tests;
