//! `serve`: joins the desk to the broker, the clock and the page, and ends them in order.
//!
//! Everything asynchronous runs on one thread; the desk has its own, since a database blocks. When all of it is up,
//! `<state>/serve.json` says where.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bridgepoint_protocol::envelope::SigningKey;
use bridgepoint_protocol::text::Lang;
use ring::rand::SystemRandom;
use rustix::fs::{FlockOperation, flock};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::board::Board;
use crate::broker::{OwnBroker, SocketPath};
use crate::challenge::Challenger;
use crate::config::{Broker, Settings};
use crate::desk::{Desk, Input};
use crate::page::{self, Page};
use crate::reflector::Running;
use crate::say::{Exit, Trouble, both};
use crate::store::sqlite::SqliteStore;
use crate::uplink::mqtt::Uplink;
use crate::uplink::{Reach, tls};
use crate::{clock, file, key, reflector};

mod clerk;

/// How often the desk looks up from its letters: what another process decided is known within this time.
const TICK: Duration = Duration::from_millis(500);

/// Letters that wait for the desk.
const LETTERS: usize = 512;

/// Messages of the desk that wait for one connection.
const OUTGOING: usize = 4096;

/// Time for an orderly end of each part.
const END: Duration = Duration::from_secs(5);

/// Where everything is, once it is up.
#[derive(Debug, Serialize)]
struct Up<'a> {
    broker: &'a str,
    page: String,
    /// Where the line test's other end listens, when it is part of this hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    reflector: Option<String>,
    pid: u32,
    kid: &'a str,
    orgs: Vec<&'a str>,
}

/// Runs until it is told to stop.
///
/// # Errors
/// [`Trouble`] when something cannot be started or does not go on.
pub fn serve(settings: &Settings, state: &Path) -> Result<Exit, Trouble> {
    file::private_dir(state).map_err(|e| unwritable(state, &e))?;
    let _lock = lock(state)?;
    let (signing, made) = key::read_or_make(state)?;
    if made {
        tracing::info!(kid = %signing.kid(), "a signing key was made; rooms that pin the hub's key need this thumbprint");
    }
    let store = SqliteStore::open(&settings.store_file(state))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| {
            Trouble::internal(both(
                format!("Không khởi động được: {e}."),
                format!("The program cannot be started: {e}."),
            ))
        })?;
    let tasks = tokio::task::LocalSet::new();
    let ended = tasks.block_on(
        &runtime,
        Hub {
            settings,
            state,
            signing,
            store,
        }
        .run(),
    );
    drop(tasks);
    // Pages that are still being read are not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

struct Hub<'a> {
    settings: &'a Settings,
    state: &'a Path,
    signing: SigningKey,
    store: SqliteStore,
}

impl Hub<'_> {
    async fn run(self) -> Result<Exit, Trouble> {
        let Self {
            settings,
            state,
            signing,
            store,
        } = self;
        let board = Arc::new(Board::default());
        let published = key::published(&signing, &key::former(state, &signing)?);
        let (kid, jwk) = (
            signing.kid().to_string(),
            serde_json::to_string(&published).unwrap_or_default(),
        );
        let challenger = Challenger::new(&SystemRandom::new()).ok_or_else(|| {
            Trouble::internal(both(
                "Hệ thống không cho số ngẫu nhiên.",
                "The system gives no random numbers.",
            ))
        })?;
        let mut reflector = settings
            .reflector
            .as_ref()
            .map(|own| reflector::start(own.listen, reflector::limits(own.budget_kbps)))
            .transpose()?;

        let told = settings.reflector.as_ref().and_then(|own| own.advertise.clone());
        // A port that was any free one is known now.
        let found = reflector.as_ref().map(Running::at);
        let found = found.filter(|at| !at.ip().is_unspecified());
        let desk = Desk::open(store, signing, challenger, settings.orgs.clone(), board.clone())?
            .with_reflector(told.or_else(|| found.map(|at| at.to_string())))
            .with_burst(settings.burst);
        let (stop, stopped) = watch::channel(false);

        let (access, rooms) = watch::channel(desk.access().clone());
        let broker = start_broker(settings, state, rooms).await?;
        let page = TcpListener::bind(settings.page)
            .await
            .map_err(|e| page_port(settings, &e))?;
        let page_at = page.local_addr().map_err(|e| page_port(settings, &e))?;

        let (letters, inbox) = mpsc::channel(LETTERS);
        let mut outboxes = clerk::Outboxes::new();
        let mut uplinks = Vec::new();
        for org in &settings.orgs {
            let (to, from) = mpsc::channel(OUTGOING);
            outboxes.insert(org.clone(), to);
            let up = Uplink {
                org: org.clone(),
                reach: broker.reach.clone(),
                jwk: jwk.clone(),
                board: board.clone(),
                clock: clock::now_ms,
            };
            uplinks.push(tokio::task::spawn_local(up.run(
                letters.clone(),
                from,
                stopped.clone(),
            )));
        }
        let mut desk_ended = clerk::open(desk, inbox, outboxes, access, board.clone())?;
        let served = tokio::spawn(page::serve(
            page,
            Page {
                board: board.clone(),
                store: settings.store_file(state),
                lang: settings.lang,
                clock: clock::now_ms,
            },
        ));

        let up = Up {
            broker: &broker.address,
            page: format!("http://{page_at}"),
            reflector: reflector.as_ref().map(|running| running.at().to_string()),
            pid: std::process::id(),
            kid: &kid,
            orgs: settings
                .orgs
                .iter()
                .map(bridgepoint_protocol::name::Name::as_str)
                .collect(),
        };
        let ended = attend(&letters, &board, &up, state, &mut desk_ended, reflector.as_mut()).await;

        tracing::info!("ending");
        let _ = std::fs::remove_file(state.join("serve.json"));
        let _ = stop.send(true);
        for uplink in uplinks {
            let _ = timeout(END, uplink).await;
        }
        drop(letters);
        let _ = timeout(END, desk_ended).await;
        served.abort();
        if let Some(reflector) = reflector {
            reflector.stop().await;
        }
        if let Some(own) = broker.own {
            own.stop().await;
        }
        ended
    }
}

/// Ticks until a signal comes, or the desk or the reflector ends; says where everything is as soon as it is up.
async fn attend(
    letters: &mpsc::Sender<Input>,
    board: &Board,
    up: &Up<'_>,
    state: &Path,
    desk_ended: &mut oneshot::Receiver<()>,
    mut reflector: Option<&mut Running>,
) -> Result<Exit, Trouble> {
    let signals = |e: io::Error| {
        Trouble::internal(both(
            format!("Không nhận được tín hiệu: {e}."),
            format!("Signals cannot be received: {e}."),
        ))
    };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(signals)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(signals)?;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = false;
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(Exit::Interrupted),
            _ = terminate.recv() => return Ok(Exit::Done),
            // A terminal that is closed does not end a province's hub.
            _ = hangup.recv() => {}
            _ = &mut *desk_ended => {
                return Err(Trouble::internal(both(
                    "Bộ phận tiếp nhận đã dừng đột ngột; xem nhật ký, khởi động lại máy chủ.",
                    "The desk has ended unexpectedly; see the log and start the hub again.",
                )));
            }
            // A hub that goes on would send every room to an end of the line that nobody answers at.
            gone = broken(reflector.as_deref_mut()) => return Err(gone),
            _ = ticks.tick() => {
                // A desk that is behind sees the next one.
                let _ = letters.try_send(Input::Tick(clock::now_ms()));
                if !told && board.health().broker.values().filter(|stands| **stands).count() == up.orgs.len() {
                    told = true;
                    tell(up, state)?;
                }
            }
        }
    }
}

/// Waits for the end of a reflector; where there is none, for ever.
async fn broken(reflector: Option<&mut Running>) -> Trouble {
    match reflector {
        Some(running) => {
            running.ended().await;
            running.gone()
        }
        None => std::future::pending().await,
    }
}

fn tell(up: &Up<'_>, state: &Path) -> Result<(), Trouble> {
    let mut text = serde_json::to_vec_pretty(up).unwrap_or_default();
    text.push(b'\n');
    let path = state.join("serve.json");
    file::replace(&path, &text).map_err(|e| unwritable(&path, &e))?;
    tracing::info!(rooms = up.broker, page = up.page, "ready");
    Ok(())
}

/// The broker as `serve` uses it.
struct Joined {
    own: Option<OwnBroker>,
    reach: Reach,
    address: String,
    _socket: Option<SocketPath>,
}

async fn start_broker(
    settings: &Settings,
    state: &Path,
    rooms: watch::Receiver<std::collections::BTreeSet<bridgepoint_protocol::name::RoomAddress>>,
) -> Result<Joined, Trouble> {
    match &settings.broker {
        Broker::Own { listen, tls } => {
            let own = OwnBroker::start(state, *listen, tls.as_ref(), rooms).await?;
            let socket = own.socket()?;
            let address = own.address();
            Ok(Joined {
                reach: Reach::Socket(socket.path.clone()),
                own: Some(own),
                address,
                _socket: Some(socket),
            })
        }
        Broker::Remote {
            at,
            tls: certificates,
        } => {
            let (host, port) = (at.host.clone(), at.port);
            let (scheme, reach) = match certificates {
                Some(files) => (
                    "mqtts",
                    Reach::Tls {
                        host: host.clone(),
                        port,
                        config: tls::client(files)?,
                    },
                ),
                None => (
                    "mqtt",
                    Reach::Plain {
                        host: host.clone(),
                        port,
                    },
                ),
            };
            Ok(Joined {
                own: None,
                reach,
                address: format!("{scheme}://{host}:{port}"),
                _socket: None,
            })
        }
    }
}

/// One `serve` at a time for one state directory.
fn lock(state: &Path) -> Result<File, Trouble> {
    let path = state.join("serve.lock");
    match file::lock(&path) {
        Ok(file) => {
            // What a killed predecessor has left says nothing any more.
            let _ = std::fs::remove_file(state.join("serve.json"));
            Ok(file)
        }
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
            let shown = state.display();
            Err(Trouble::internal(both(
                format!(
                    "Máy chủ đang chạy với thư mục {shown}. Dừng bản đang chạy, hoặc chọn thư mục khác bằng --state."
                ),
                format!(
                    "A hub is running with the directory {shown}. Stop it, or choose another directory with --state."
                ),
            )))
        }
        Err(e) => Err(unwritable(&path, &e)),
    }
}

/// True when a hub runs with this state directory.
#[must_use]
pub fn is_up(state: &Path) -> bool {
    File::open(state.join("serve.lock"))
        .is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockShared).is_err())
}

fn page_port(settings: &Settings, e: &io::Error) -> Trouble {
    let at = settings.page;
    Trouble::internal(both(
        format!(
            "Không mở được trang ở {at}: {e}. Dừng chương trình đang dùng cổng đó hoặc đổi [page] listen."
        ),
        format!(
            "The page cannot be served at {at}: {e}. Stop the program that uses the port or change [page] listen."
        ),
    ))
}

fn unwritable(path: &Path, e: &io::Error) -> Trouble {
    let shown = path.display();
    Trouble::internal(both(
        format!(
            "Không ghi được {shown}: {e}. Kiểm tra quyền và chỗ trống, hoặc chọn thư mục khác bằng --state."
        ),
        format!(
            "{shown} cannot be written: {e}. Check permissions and free space, or choose another directory with --state."
        ),
    ))
}

/// Language and place are settled before anything is read from the store.
impl Settings {
    /// The database file.
    #[must_use]
    pub fn store_file(&self, state: &Path) -> PathBuf {
        self.store.clone().unwrap_or_else(|| state.join("hub.db"))
    }

    /// The same settings in another language.
    #[must_use]
    pub fn spoken(self, lang: Option<Lang>) -> Self {
        Self {
            lang: lang.unwrap_or(self.lang),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reflector_that_ends_ends_the_hub() {
        let dir = tempfile::tempdir().unwrap();
        let mut running =
            reflector::start("127.0.0.1:0".parse().unwrap(), reflector::limits(20_000)).unwrap();
        let up = Up {
            broker: "none",
            page: String::new(),
            reflector: Some(running.at().to_string()),
            pid: 0,
            kid: "none",
            orgs: vec!["abc"],
        };
        let (letters, _inbox) = mpsc::channel(LETTERS);
        let (_desk, mut desk_ended) = oneshot::channel();
        running.break_off();
        let ended = attend(
            &letters,
            &Board::default(),
            &up,
            dir.path(),
            &mut desk_ended,
            Some(&mut running),
        )
        .await;
        let said = ended.unwrap_err().to_string();
        assert!(said.contains(&running.at().to_string()), "{said}");
        // What is told to end afterwards has ended.
        running.stop().await;
    }
}
