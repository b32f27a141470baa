//! `run`: the box's daemon: local page, delivery to the province, checks for whoever asks.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, Outcome, media, settings, state};
use crate::cli::{Where, exit};
use crate::front::Front;
use crate::page;
use crate::said::Said;
use crate::socket;
use crate::station::Station;
use crate::uplink::Uplink;

/// Runs until SIGTERM or Ctrl-C.
pub(super) async fn run(place: &Where) -> Outcome {
    let settings = settings(place)?;
    let (listen, hub) = (settings.page, settings.hub.clone());
    let station = Station::open(settings, state(place), media(place)?).map_err(Failure::internal)?;
    let path = station.state.join("agent.sock");
    let socket = socket::listen(&path)
        .map_err(|e| Failure::internal(Said::new("error-socket").on(&path).because(e)))?;
    let page = tokio::net::TcpListener::bind(listen).await.map_err(|e| {
        Failure::internal(
            Said::new("error-page")
                .with("address", listen)
                .with("setting", "[page] listen")
                .because(e),
        )
    })?;
    let address = page.local_addr().map_err(refused_by_system)?;
    let uplink = match &hub {
        None => None,
        Some(hub) => Some(Uplink::start(Arc::clone(&station), hub).map_err(Failure::config)?),
    };
    let front = Front::new(station, uplink);
    let (mut term, mut int) = (
        watch_signal(SignalKind::terminate())?,
        watch_signal(SignalKind::interrupt())?,
    );
    let serving = tokio::spawn(page::serve(page, Arc::clone(&front)));
    let answering = tokio::spawn(socket::serve(socket, Arc::clone(&front)));
    outln!("http://{address}/");
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    answering.abort();
    serving.abort();
    let _gone = std::fs::remove_file(&path);
    front.close().await;
    Ok(exit::OK)
}

fn watch_signal(kind: SignalKind) -> Result<tokio::signal::unix::Signal, Failure> {
    signal(kind).map_err(refused_by_system)
}

// By value: the shape that `map_err` hands over.
#[allow(clippy::needless_pass_by_value)]
fn refused_by_system(error: std::io::Error) -> Failure {
    Failure::internal(Said::new("error-system").because(error))
}
