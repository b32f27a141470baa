//! `agent.sock`: how the command line asks the running daemon. One JSON line a request, JSON lines back until
//! the end. Only the box's own user and its group reach it.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bridgepoint_protocol::claims::{Scope, Trigger};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::front::{Front, Told, Turned};
use crate::life::Pulse;
use crate::said::{Said, Say};
use crate::station::Order;
use crate::uplink::{Enrolment, Standing};

/// Longest request, bytes.
const MAX_REQUEST: u64 = 64 * 1024;

/// For all of it to come.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    /// A check.
    Check {
        /// Why.
        trigger: Trigger,
        /// Only this.
        scope: Option<Scope>,
    },
    /// Accept the last full run as the rehearsal.
    AcceptBaseline {
        /// Who accepts.
        by: String,
        /// Who allowed it.
        allowed_by: String,
    },
    /// How delivery stands.
    Delivery,
    /// Change over to another key. The box's own user only.
    RotateKey,
    /// Ask the province to trust this box.
    Enrol {
        /// Pin whatever key the hub shows next. The box's own user only.
        accept_hub: bool,
    },
}

impl Request {
    /// Whether it changes whom the box trusts, or who it is: not for everybody who may ask for a check.
    fn is_for_own_user(&self) -> bool {
        matches!(self, Self::RotateKey | Self::Enrol { accept_hub: true })
    }
}

/// What is answered, a line each.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// Of a check.
    Told(Told),
    /// The baseline was accepted: when that run ended, UTC milliseconds.
    Accepted {
        /// The run's end.
        measured_ms: i64,
    },
    /// How delivery stands; nothing without a hub.
    Delivery(Option<Standing>),
    /// How the change of keys stands.
    Turned(Turned),
    /// How the box and the hub stand to each other.
    Enrolment(Enrolment),
    /// It was not done.
    Refused {
        /// Why, and what to do.
        why: Said,
    },
}

/// Listens at `path` for as long as this is polled.
///
/// # Errors
/// When the socket cannot be made.
pub(crate) fn listen(path: &Path) -> io::Result<UnixListener> {
    // The state directory is locked, so a socket that is there belongs to a daemon that is gone.
    let _left_over = std::fs::remove_file(path);
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Serves whoever connects.
pub(crate) async fn serve(listener: UnixListener, front: Arc<Front>, mut pulse: Pulse) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = pulse.beat() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                let front = Arc::clone(&front);
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, front).await {
                        tracing::debug!(%error, "a caller went away");
                    }
                });
            }
            Err(error) => {
                // Out of descriptors, as it is: wait for some to come back. Whoever asks for signs of life waits no longer.
                tracing::warn!(%error, "the agent's socket cannot take a connection");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn converse(stream: UnixStream, front: Arc<Front>) -> io::Result<()> {
    let caller = stream.peer_cred()?.uid();
    let (read, mut write) = stream.into_split();
    match request(read).await? {
        Ok(request) if request.is_for_own_user() && !is_own_user(caller) => {
            send(&mut write, &refused(&Said::new("error-own-user"))).await
        }
        Ok(Request::RotateKey) => {
            let answer = match front.rotate_key().await {
                Ok(turned) => Answer::Turned(turned),
                Err(error) => refused(&error),
            };
            send(&mut write, &answer).await
        }
        Ok(Request::Delivery) => {
            let standing = front.standing().map(|standing| standing.borrow().clone());
            send(&mut write, &Answer::Delivery(standing)).await
        }
        Ok(Request::Enrol { accept_hub }) => {
            let answer = match front.enrol(accept_hub).await {
                Ok(Some(enrolment)) => Answer::Enrolment(enrolment),
                Ok(None) => refused(&Said::new("error-hub-unknown")),
                Err(error) => refused(&error),
            };
            send(&mut write, &answer).await
        }
        Ok(Request::Check { trigger, scope }) => {
            let mut told = front.check(Order { trigger, scope });
            loop {
                match told.recv().await {
                    Ok(step) => {
                        let ended = matches!(step, Told::Ended(_));
                        send(&mut write, &Answer::Told(step)).await?;
                        if ended {
                            return Ok(());
                        }
                    }
                    Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                    Err(tokio::sync::broadcast::error::RecvError::Closed) => {
                        return send(&mut write, &refused(&Said::new("error-broken-off"))).await;
                    }
                }
            }
        }
        Ok(Request::AcceptBaseline { by, allowed_by }) => {
            let answer = match front.accept_baseline(by, allowed_by).await {
                Ok(baseline) => Answer::Accepted {
                    measured_ms: baseline.measured_ms,
                },
                Err(error) => refused(&error),
            };
            send(&mut write, &answer).await
        }
        Err(error) => {
            send(
                &mut write,
                &refused(&Said::new("error-socket-strange").because(error)),
            )
            .await
        }
    }
}

/// Whether a caller is the user that this program runs as, or the machine's administrator.
fn is_own_user(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

/// A caller's request: one line, whole and in time.
async fn request(read: impl AsyncRead + Unpin) -> io::Result<serde_json::Result<Request>> {
    let mut line = String::new();
    let mut read = BufReader::new(read.take(MAX_REQUEST));
    tokio::time::timeout(REQUEST_TIME, read.read_line(&mut line)).await??;
    Ok(serde_json::from_str(&line))
}

fn refused(why: &impl Say) -> Answer {
    Answer::Refused { why: why.said() }
}

async fn send(write: &mut tokio::net::unix::OwnedWriteHalf, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer).map_err(io::Error::other)?;
    line.push(b'\n');
    write.write_all(&line).await
}

/// The caller's side: asks a running daemon. `None` when none is running.
///
/// # Errors
/// When the daemon is there and cannot be talked to.
pub(crate) async fn ask(path: &Path, request: &Request) -> io::Result<Option<Answers>> {
    let mut stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(e) => return Err(e),
    };
    let mut line = serde_json::to_vec(request).map_err(io::Error::other)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    Ok(Some(Answers {
        lines: BufReader::new(stream).lines(),
    }))
}

/// The daemon's answers.
pub(crate) struct Answers {
    lines: tokio::io::Lines<BufReader<UnixStream>>,
}

impl Answers {
    /// The next one; `None` at the end.
    ///
    /// # Errors
    /// When the connection broke or the answer cannot be read.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Answer>> {
        match self.lines.next_line().await? {
            None => Ok(None),
            Some(line) => serde_json::from_str(&line).map(Some).map_err(io::Error::other),
        }
    }
}

#[cfg(test)]
mod tests {
    use bridgepoint_protocol::claims::TriggerKind;
    use proptest::prelude::*;

    use super::*;

    /// What becomes of a caller who says these bytes and then nothing more, without hanging up.
    fn said(bytes: &[u8]) -> io::Result<serde_json::Result<Request>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let (mut caller, agent) = tokio::io::duplex(bytes.len().max(1));
            caller.write_all(bytes).await.unwrap();
            let heard = request(agent).await;
            drop(caller);
            heard
        })
    }

    fn check() -> Request {
        Request::Check {
            trigger: Trigger {
                kind: TriggerKind::Manual.into(),
                meeting: None,
                checkpoint: None,
            },
            scope: Some(Scope(vec!["codec".to_owned()])),
        }
    }

    #[test]
    fn a_request_is_one_line_and_a_caller_who_never_ends_it_is_let_go() {
        let line = serde_json::to_string(&check()).unwrap();
        assert_eq!(said(format!("{line}\n").as_bytes()).unwrap().unwrap(), check());
        assert_eq!(said(line.as_bytes()).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(said(b"").unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(said(b"\n").unwrap().is_err());
        // What is longer than a request may be ends there, whatever else comes.
        let long = vec![b' '; 100_000];
        assert!(said(&long).unwrap().is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_request_or_not(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = said(&bytes);
        }

        #[test]
        fn near_misses_of_a_request_are_understood_as_written_or_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut line = serde_json::to_vec(&check()).unwrap();
            let at = at.index(line.len());
            line[at] = byte;
            line.push(b'\n');
            if let Ok(Ok(request)) = said(&line) {
                let again = serde_json::to_string(&request).unwrap();
                prop_assert_eq!(serde_json::from_str::<Request>(&again).unwrap(), request);
            }
        }
    }
}
