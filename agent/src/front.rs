//! The daemon's counter: whoever wants a check (the page, the command line) asks here. One run at a time; who
//! comes while one is made joins it. Everybody sees the same progress.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bridgepoint_protocol::check::Probe;
use bridgepoint_protocol::claims::{Finding, PresenceState, Report, Trigger};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc, watch};

use crate::baseline::Baseline;
use crate::pin::PinError;
use crate::rotation::{Keys, RotateError};
use crate::run::Progress;
use crate::said::{Said, Say as _};
use crate::station::{AcceptError, Order, Station};
use crate::uplink::{Enrolment, Standing, Uplink};

/// How long a check waits for the hub's receipt before it says "kept on the box".
pub(crate) const RECEIPT_PATIENCE: Duration = Duration::from_secs(5);

/// How long the program's end waits for a check that is broken off: a camera takes its way back first, an act that does
/// not hear ends at its own deadline (45 s at the latest), and then the report is kept. `TimeoutStopSec` of the unit is
/// longer than this and the good-bye together.
const BREAKING_OFF: Duration = Duration::from_secs(50);

/// How long the end of a change of keys is waited for.
const ROTATION_PATIENCE: Duration = Duration::from_secs(30);

/// How long the hub's word about this box's key is waited for.
const ENROL_PATIENCE: Duration = Duration::from_secs(3);

/// How a change of keys stands, for whoever asked for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Turned {
    /// The keys.
    pub(crate) keys: Keys,
    /// How delivery stands; `None` without a hub.
    pub(crate) standing: Option<Standing>,
}

/// How a check ended, for whoever asked for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// The report.
    pub(crate) report: Report,
    /// Why it is not in the logbook, if it is not.
    pub(crate) not_kept: Option<Said>,
    /// Where it is.
    pub(crate) delivery: Whereabouts,
}

/// Where a report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Whereabouts {
    /// There is no hub to send it to.
    NoHub,
    /// The hub has signed that it has it.
    Received,
    /// It is in the outbox.
    Queued,
    /// It is in the outbox, and the hub has not taken this box's key yet.
    NotApproved,
}

/// What is told while a check is made, and at its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Told {
    /// A step.
    Progress(Progress),
    /// The end.
    Ended(Box<Ended>),
}

/// What is being done now, for a page that is opened in the middle.
#[derive(Debug, Clone, Default)]
pub(crate) struct Now {
    /// Grows with every change.
    pub(crate) version: u64,
    /// The run that is made, if there is one.
    pub(crate) running: Option<Running>,
}

/// A run that is being made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running {
    /// Checks done.
    pub(crate) done: usize,
    /// Checks in all.
    pub(crate) total: usize,
    /// The act that began last.
    pub(crate) act: Option<(Probe, Option<String>)>,
    /// What is known so far.
    pub(crate) findings: Vec<Finding>,
    /// Why it is made.
    pub(crate) trigger: Option<Trigger>,
}

/// The counter.
pub(crate) struct Front {
    /// The box.
    pub(crate) station: Arc<Station>,
    uplink: Option<Uplink>,
    now: watch::Sender<Now>,
    told: Mutex<Option<broadcast::Sender<Told>>>,
    cancel: watch::Sender<bool>,
}

impl Front {
    /// Opens the counter.
    pub(crate) fn new(station: Arc<Station>, uplink: Option<Uplink>) -> Arc<Self> {
        let (now, _) = watch::channel(Now::default());
        let (cancel, _) = watch::channel(false);
        Arc::new(Self {
            station,
            uplink,
            now,
            told: Mutex::new(None),
            cancel,
        })
    }

    /// What is being done now, and every change of it.
    pub(crate) fn watch(&self) -> watch::Receiver<Now> {
        self.now.subscribe()
    }

    /// How delivery stands; `None` without a hub.
    pub(crate) fn standing(&self) -> Option<watch::Receiver<Standing>> {
        self.uplink.as_ref().map(|uplink| uplink.standing.clone())
    }

    /// Starts a check, or joins the one that is made.
    pub(crate) fn check(self: &Arc<Self>, order: Order) -> broadcast::Receiver<Told> {
        let mut told = self.told();
        match told.as_ref() {
            Some(running) => running.subscribe(),
            None => self.start(&mut told, order),
        }
    }

    /// Starts a check unless one is made: `None` then.
    pub(crate) fn check_if_idle(self: &Arc<Self>, order: Order) -> Option<broadcast::Receiver<Told>> {
        let mut told = self.told();
        told.is_none().then(|| self.start(&mut told, order))
    }

    /// How the box stands, for the province.
    pub(crate) fn presence(&self, state: PresenceState) {
        if let Some(uplink) = &self.uplink {
            uplink.presence(state);
        }
    }

    fn start(
        self: &Arc<Self>,
        told: &mut Option<broadcast::Sender<Told>>,
        order: Order,
    ) -> broadcast::Receiver<Told> {
        let (tell, listen) = broadcast::channel(1024);
        *told = Some(tell.clone());
        let front = Arc::clone(self);
        tokio::spawn(async move { front.make(order, tell).await });
        listen
    }

    /// Something new stands in the logbook.
    pub(crate) fn new_entry(&self) {
        if let Some(uplink) = &self.uplink {
            uplink.new_entry();
        }
        self.change(|_| {});
    }

    /// Changes over to another key, or goes on with the change that is under way.
    ///
    /// # Errors
    /// [`RotateError`]; nothing is changed then.
    pub(crate) async fn rotate_key(&self) -> Result<Turned, RotateError> {
        let station = Arc::clone(&self.station);
        let begun = tokio::task::spawn_blocking(move || station.rotate_key().map(drop)).await;
        begun.map_err(|error| RotateError::Broke(error.to_string()))??;
        self.new_entry();
        let turned = turned(&self.station, self.uplink.as_ref()).await;
        self.renew();
        Ok(turned)
    }

    /// Accepts the last full run as the rehearsal.
    ///
    /// # Errors
    /// [`AcceptError`]; nothing is changed then.
    pub(crate) async fn accept_baseline(
        &self,
        by: String,
        allowed_by: String,
    ) -> Result<Baseline, AcceptError> {
        let station = Arc::clone(&self.station);
        let accepted = tokio::task::spawn_blocking(move || station.accept_baseline(by, allowed_by)).await;
        let accepted = accepted.map_err(|error| AcceptError::Broke(error.to_string()))??;
        self.new_entry();
        Ok(accepted)
    }

    /// Asks the province to trust this box, now; with `accept_hub` whatever key the hub shows next is pinned. `None` when
    /// this program was started without a hub.
    ///
    /// # Errors
    /// [`PinError`]; the pinned key is as it was then.
    pub(crate) async fn enrol(&self, accept_hub: bool) -> Result<Option<Enrolment>, PinError> {
        let Some(uplink) = &self.uplink else {
            return Ok(None);
        };
        if accept_hub {
            self.station.release_hub()?;
        }
        uplink.enrol_anew(accept_hub).await;
        let enrolment = enrolment(&self.station, uplink).await;
        self.renew();
        Ok(Some(enrolment))
    }

    /// Something else than a run or an entry has changed, e.g. the plan of meetings.
    pub(crate) fn renew(&self) {
        self.change(|_| {});
    }

    /// Stops what is being made, and delivery.
    pub(crate) async fn close(self: Arc<Self>) {
        self.cancel.send_replace(true);
        let mut now = self.watch();
        let idle = now.wait_for(|now| now.running.is_none());
        // Dropped at once: what `wait_for` gives keeps the run from telling that it has ended.
        drop(tokio::time::timeout(BREAKING_OFF, idle).await);
        if let Some(uplink) = &self.uplink {
            uplink.stop(Duration::from_secs(3)).await;
        }
    }

    async fn make(&self, order: Order, tell: broadcast::Sender<Told>) {
        let trigger = Some(order.trigger.clone());
        self.change(|now| {
            now.running = Some(Running {
                trigger,
                ..Running::default()
            });
        });
        let (progress, mut steps) = mpsc::unbounded_channel();
        let check = self.station.check(order, progress, self.cancel.subscribe());
        let watching = async {
            while let Some(step) = steps.recv().await {
                self.change(|now| now.take(&step));
                let _watched = tell.send(Told::Progress(step));
            }
        };
        let (made, ()) = tokio::join!(check, watching);
        self.new_entry();
        let delivery = match (&self.uplink, &made.kept) {
            (None, _) => Whereabouts::NoHub,
            (Some(_), Err(_)) => Whereabouts::Queued,
            (Some(uplink), Ok(())) => whereabouts(&self.station, uplink, made.report.link.seq).await,
        };
        let not_kept = made.kept.err().map(|error| error.said());
        let ended = Ended {
            report: made.report,
            not_kept,
            delivery,
        };
        {
            // Both at once for whoever starts the next run: its beginning is not to be taken back by this end.
            let mut told = self.told();
            *told = None;
            self.change(|now| now.running = None);
        }
        let _watched = tell.send(Told::Ended(Box::new(ended)));
    }

    fn change(&self, change: impl FnOnce(&mut Now)) {
        self.now.send_modify(|now| {
            now.version += 1;
            change(now);
        });
    }

    fn told(&self) -> MutexGuard<'_, Option<broadcast::Sender<Told>>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for the hub's receipt of an entry, as long as that makes sense.
pub(crate) async fn whereabouts(station: &Station, uplink: &Uplink, seq: u64) -> Whereabouts {
    if station.wait_for_receipt(seq, RECEIPT_PATIENCE).await {
        return Whereabouts::Received;
    }
    match *uplink.standing.borrow() {
        Standing::NotApproved => Whereabouts::NotApproved,
        _ => Whereabouts::Queued,
    }
}

/// Waits for the end of a change of keys. Gives how it stands.
pub(crate) async fn turned(station: &Station, uplink: Option<&Uplink>) -> Turned {
    station.wait_for_rotation(ROTATION_PATIENCE).await;
    Turned {
        keys: station.keys(),
        standing: uplink.map(|uplink| uplink.standing.borrow().clone()),
    }
}

/// Waits for the hub's word about this box's key. Gives how they stand to each other.
pub(crate) async fn enrolment(station: &Station, uplink: &Uplink) -> Enrolment {
    let standing = uplink.settled(ENROL_PATIENCE).await;
    Enrolment {
        own: station.key().kid().clone(),
        hub: station.pin().verifying().map(|key| key.kid()),
        standing,
    }
}

impl Now {
    fn take(&mut self, step: &Progress) {
        let running = self.running.get_or_insert_default();
        match step {
            Progress::Begun { total } => running.total = *total,
            Progress::Started { probe, device } => running.act = Some((*probe, device.clone())),
            Progress::Finished {
                findings,
                done,
                total,
                ..
            } => {
                running.done = *done;
                running.total = *total;
                running.findings.extend(findings.iter().cloned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use bridgepoint_hw::media::Program;

    use super::*;
    use crate::state::StateDir;

    /// A box without a hub, and a month in its logbook that whoever reads it waits for.
    fn slow() -> (tempfile::TempDir, Arc<Front>, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let settings = crate::config::parse(
            "room.toml",
            "[room]\nid = \"bai-chay\"\norg = \"quang-ninh\"\nname = \"x\"\n",
        );
        let media = Program {
            path: "/nowhere".into(),
            args: vec![],
            env: vec![],
        };
        let state = StateDir::new(dir.path().to_owned());
        let station = Station::open(settings.unwrap(), state, media).unwrap();
        let month = station.logbook_dir().join("2099-12.log");
        let made = std::process::Command::new("mkfifo").arg(&month).status();
        assert!(made.unwrap().success());
        (dir, Front::new(station, None), month)
    }

    /// Whether the program's loop, one thread in a test, goes on while `asked` reads the logbook.
    async fn goes_on<T>(month: std::path::PathBuf, asked: impl Future<Output = T>) -> (T, bool) {
        let (alive, is_alive) = std::sync::mpsc::channel();
        let writer = tokio::task::spawn_blocking(move || {
            let went_on = is_alive.recv_timeout(Duration::from_secs(20)).is_ok();
            // Until now the reader has waited to open it.
            drop(OpenOptions::new().write(true).open(month).unwrap());
            went_on
        });
        // Polled after `asked` was begun.
        let watched = async {
            let _late = alive.send(());
            writer.await.unwrap()
        };
        tokio::join!(biased; asked, watched)
    }

    #[tokio::test]
    async fn who_asks_for_what_reads_the_logbook_holds_nobody_else_up() {
        let (_dir, front, month) = slow();
        let asked = front.accept_baseline("A".into(), "B".into());
        let (accepted, went_on) = goes_on(month.clone(), asked).await;
        assert!(matches!(accepted, Err(AcceptError::NothingToAccept)));
        assert!(went_on);
        let before = front.station.key();
        let (turned, went_on) = goes_on(month, front.rotate_key()).await;
        let turned = turned.unwrap();
        assert!(went_on && turned.keys.own != *before.kid());
    }
}
