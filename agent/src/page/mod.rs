//! The technician's page on the box: how the room stands, what is wrong and what to do, and the buttons that
//! check again. It changes the box's own records, never a device's settings.
//!
//! settings + [`records`] + what is being done ─[`view`]→ [`view::View`] ─[`html`]→ reader; [`http`] has the
//! routes, [`door`] decides who may come in, and this file gives every connection its limits: a reader that is
//! slow, or that says nothing, costs its own connection only.

mod door;
mod html;
mod http;
mod records;
#[cfg(test)]
mod tests;
mod view;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::front::Front;
use crate::life::Pulse;

/// Limits of one server.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Connections at the same time; later ones wait.
    connections: usize,
    /// From the first byte that is waited for to the last of the headers; a connection that rests is closed
    /// after this as well.
    headers: Duration,
    /// Of a connection in all. A browser's event stream opens a new one by itself.
    connection: Duration,
}

const LIMITS: Limits = Limits {
    connections: 64,
    headers: Duration::from_secs(10),
    connection: Duration::from_secs(600),
};

/// What a connection buffers of a request's headers, bytes.
const HEADER_BYTES: usize = 16 * 1024;

/// Serves the page until it is dropped.
pub(crate) async fn serve(listener: TcpListener, front: Arc<Front>, pulse: Pulse) {
    let address = match listener.local_addr() {
        Ok(address) => address,
        Err(error) => {
            tracing::error!(%error, "the page's own address is not known; there is no page");
            return;
        }
    };
    match http::routes(front, address) {
        Some(routes) => accept(listener, routes, LIMITS, pulse).await,
        None => tracing::error!("the system gives no random numbers; there is no page"),
    }
}

async fn accept(listener: TcpListener, routes: Router, limits: Limits, mut pulse: Pulse) {
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        // A full house is no hung one: whoever asks for signs of life is answered while a place is waited for.
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            () = pulse.beat() => continue,
        };
        // Never closed.
        let Ok(place) = place else {
            return;
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(attend(stream, place, routes.clone(), limits));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Out of descriptors, as it is: wait for some to come back.
                tracing::warn!(%error, "the page cannot take a connection");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn attend(stream: TcpStream, place: OwnedSemaphorePermit, routes: Router, limits: Limits) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    // How a reader goes away is its own affair.
    let _gone = tokio::time::timeout(limits.connection, connection).await;
    drop(place);
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

/// The names by which the page may be asked for: this machine's, and the address it listens on.
fn own_names(address: SocketAddr) -> Vec<String> {
    let port = address.port();
    let listen = match address {
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    };
    let names = [
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "[::1]".to_owned(),
        listen,
    ];
    let with_port = names.iter().map(|name| format!("{name}:{port}"));
    if port == 80 {
        with_port.chain(names.iter().cloned()).collect()
    } else {
        with_port.collect()
    }
}
