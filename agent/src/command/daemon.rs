//! `run`: the box's daemon: checks before meetings, local page, delivery to the province, checks for whoever asks.

mod clockwork;
mod manager;

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use self::clockwork::Clockwork;
use self::manager::Manager;
use super::{Failure, Outcome, open, settings};
use crate::cli::{Where, exit};
use crate::clock;
use crate::front::Front;
use crate::life::{Asker, Part};
use crate::page;
use crate::said::Said;
use crate::socket;
use crate::uplink::{For, Uplink};

/// Runs until SIGTERM or Ctrl-C.
pub(super) async fn run(place: &Where) -> Outcome {
    let (mut term, mut int) = (
        watch_signal(SignalKind::terminate())?,
        watch_signal(SignalKind::interrupt())?,
    );
    let settings = settings(place)?;
    let manager = Manager::of_this_program(settings.lang);
    let (listen, hub) = (settings.page, settings.hub.clone());
    let station = open(settings, place)?;
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
    let asker = Asker::new();
    let mut parts = vec![Part::Clock, Part::Socket, Part::Page];
    let uplink = match &hub {
        None => None,
        Some(hub) => {
            parts.push(Part::Uplink);
            let whom = For::Daemon(asker.pulse(Part::Uplink));
            Some(Uplink::start(Arc::clone(&station), hub, whom).map_err(Failure::config)?)
        }
    };
    let front = Front::new(Arc::clone(&station), uplink);
    let clocks = {
        let station = Arc::clone(&station);
        move || station.clocks()
    };
    let clockwork = Clockwork::new(Arc::clone(&front), clocks, manager);
    let tasks = [
        tokio::spawn(page::serve(page, Arc::clone(&front), asker.pulse(Part::Page))),
        tokio::spawn(socket::serve(
            socket,
            Arc::clone(&front),
            asker.pulse(Part::Socket),
        )),
        tokio::spawn(clockwork.follow(asker.pulse(Part::Clock))),
        tokio::spawn(async move {
            if let Some(period) = manager.feeding_period() {
                asker
                    .keep_asking(&parts, period, clock::instant, || manager.all_well())
                    .await;
            }
        }),
    ];
    outln!("http://{address}/");
    manager.ready();
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    manager.stopping();
    for task in &tasks {
        task.abort();
    }
    let _gone = std::fs::remove_file(&path);
    // A run in the middle is broken off and kept; then good-bye is said to the province.
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
