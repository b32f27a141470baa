//! Which serial ports have a thread of this program, so that each has one at most, hanging or not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::super::Edge;
use super::super::drive::stopped;
use crate::reading::{Answer, ProbeError};

/// How long a port that was just used may take to close. Longer, and its thread hangs.
const CLOSING: Duration = Duration::from_secs(2);

/// Ports with a thread; the channel closes when the thread gives its port back.
static HELD: Mutex<BTreeMap<PathBuf, watch::Receiver<()>>> = Mutex::new(BTreeMap::new());

/// One port, held until this is dropped.
pub(super) struct Claim {
    path: PathBuf,
    // Dropped after the entry is gone: who waits then finds the port free.
    _alive: watch::Sender<()>,
}

impl Claim {
    /// Takes the port at `path`. A port whose last link was dropped a moment ago is waited for.
    ///
    /// # Errors
    /// [`ProbeError::Busy`] when it is not given back, [`ProbeError::Cancelled`] when stopped.
    pub(super) async fn take(path: &Path, edge: &Edge) -> Answer<Self> {
        let patience = CLOSING.min(edge.remaining());
        let free = async {
            loop {
                match Self::at_once(path) {
                    Ok(claim) => return claim,
                    // Closed, which is an error here, means given back.
                    Err(mut holder) => drop(holder.changed().await),
                }
            }
        };
        tokio::select! {
            biased;
            () = stopped(edge.cancel.clone()) => Err(ProbeError::Cancelled),
            claim = free => Ok(claim),
            () = tokio::time::sleep(patience) => {
                tracing::warn!(
                    port = %path.display(),
                    "this program is still on the serial port; if that lasts, unplug its converter and plug it in again"
                );
                Err(ProbeError::Busy)
            }
        }
    }

    fn at_once(path: &Path) -> Result<Self, watch::Receiver<()>> {
        let mut held = held();
        if let Some(holder) = held.get(path) {
            return Err(holder.clone());
        }
        let (alive, holder) = watch::channel(());
        held.insert(path.to_owned(), holder);
        Ok(Self {
            path: path.to_owned(),
            _alive: alive,
        })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        held().remove(&self.path);
    }
}

fn held() -> MutexGuard<'static, BTreeMap<PathBuf, watch::Receiver<()>>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}
