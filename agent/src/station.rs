//! The box at work: its settings, key, logbook and what it knows of the hub, in one place; and the two things
//! that are done with them: a check, and accepting a rehearsal.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use bridgepoint_hw::host::Roots;
use bridgepoint_hw::media::Program;
use bridgepoint_protocol::WIRE_VERSION;
use bridgepoint_protocol::claims::{
    Attest, ClockState, Contact, EntryLink, Event, Finding, Plan, Receipt, Report, Scope, Status, Trigger,
    TriggerKind,
};
use bridgepoint_protocol::envelope::{Kid, Kind, Sealed, SigningKey, VerifyingKey};
use bridgepoint_protocol::rotation::KEY_EVENT;
use bridgepoint_protocol::verdict::verdict;
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use crate::baseline::{Baseline, BaselineError};
use crate::calendar::{self, Calendar, PlanError, Taken};
use crate::carry::carry;
use crate::clock;
use crate::config::Settings;
use crate::key::KeyError;
use crate::key::known::Known;
use crate::line::PlannedLine;
use crate::logbook::{self, Logbook, LogbookError, Stamp, Weight, last_full_report};
use crate::pin::{Pin, PinError};
use crate::rotation::{self, Found, Rotation};
use crate::run::{LogbookNow, Progress, Run, Tools};
use crate::said::{Said, Say};
use crate::schedule::{self, Clocks};
use crate::state::{StateDir, StateLock};

/// The box at work. The state directory is locked while this lives.
pub(crate) struct Station {
    /// The room.
    pub(crate) settings: Arc<Settings>,
    /// Where everything is kept.
    pub(crate) state: StateDir,
    key: RwLock<Arc<SigningKey>>,
    book: Mutex<Logbook>,
    pin: Mutex<Pin>,
    calendar: Mutex<Calendar>,
    planned: watch::Sender<()>,
    media: Program,
    boot: String,
    receipts: watch::Sender<u64>,
    /// The newest full run of the logbook.
    last_full: Mutex<Option<Arc<Report>>>,
    /// The change to the next key, while one is under way.
    pub(crate) rotation: Mutex<Option<Rotation>>,
    /// Told whenever such a change has ended.
    pub(crate) rotated: watch::Sender<()>,
    /// The key that signed before, where it is gone without having handed over.
    pub(crate) lost_key: Option<Kid>,
    _lock: StateLock,
}

/// Why the box cannot work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The state directory.
    #[error(transparent)]
    Lock(#[from] crate::state::LockError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The logbook.
    #[error(transparent)]
    Logbook(#[from] LogbookError),
    /// The pinned hub key.
    #[error(transparent)]
    Pin(#[from] PinError),
}

impl Say for StartError {
    fn said(&self) -> Said {
        match self {
            Self::Lock(error) => error.said(),
            Self::Key(error) => error.said(),
            Self::Logbook(error) => error.said(),
            Self::Pin(error) => error.said(),
        }
    }
}

/// What is to be checked, and why.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// Why.
    pub(crate) trigger: Trigger,
    /// Only this.
    pub(crate) scope: Option<Scope>,
}

/// A check that was made.
#[derive(Debug)]
pub(crate) struct Made {
    /// The report.
    pub(crate) report: Report,
    /// Whether it is in the logbook.
    pub(crate) kept: Result<(), LogbookError>,
}

/// Why a rehearsal could not be accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcceptError {
    /// There is no full run to accept.
    #[error("there is no full check in the logbook yet; run a whole check first, then accept it")]
    NothingToAccept,
    /// The logbook.
    #[error(transparent)]
    Logbook(#[from] LogbookError),
    /// The logbook cannot be read.
    #[error(transparent)]
    Broken(#[from] logbook::BookBroken),
    /// The file.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    /// The program itself.
    #[error("it was broken off: {0}")]
    Broke(String),
}

impl Say for AcceptError {
    fn said(&self) -> Said {
        match self {
            Self::NothingToAccept => Said::new("error-nothing-to-accept").run("check"),
            Self::Logbook(error) => error.said(),
            Self::Broken(error) => error.said(),
            Self::Baseline(error) => error.said(),
            Self::Broke(why) => Said::new("error-program").because(why),
        }
    }
}

impl Station {
    /// Locks the state directory and opens what is in it; makes the key on first use.
    ///
    /// # Errors
    /// [`StartError`].
    pub(crate) fn open(settings: Settings, state: StateDir, media: Program) -> Result<Arc<Self>, StartError> {
        let lock = state.lock()?;
        let Found { key, lost } = rotation::find(&state, &state.join("logbook"))?;
        let mut book = Logbook::open(&state, settings.address.clone(), &key.verifying())?;
        let last_full = last_full_report(&state.join("logbook")).unwrap_or_else(|error| {
            tracing::error!(%error, "the last result cannot be read");
            None
        });
        let pin = Pin::load(&state)?;
        let calendar = Calendar::load(&state, &pin.holding(), &settings.address);
        // Its challenge came with no line of the logbook.
        if let Some(plan) = calendar.plan(&pin.holding())
            && let Some(nonce) = &plan.nonce
        {
            book.kept_challenge(nonce, plan.issued_ms);
        }
        let station = Arc::new(Self {
            settings: Arc::new(settings),
            state,
            key: RwLock::new(Arc::new(key)),
            book: Mutex::new(book),
            pin: Mutex::new(pin),
            calendar: Mutex::new(calendar),
            planned: watch::channel(()).0,
            media,
            boot: boot_id(),
            receipts: watch::channel(0).0,
            last_full: Mutex::new(last_full.map(Arc::new)),
            rotation: Mutex::default(),
            rotated: watch::channel(()).0,
            lost_key: lost,
            _lock: lock,
        });
        station.say_new_key();
        station.resume_rotation();
        Ok(station)
    }

    /// The key that the box signs with now.
    pub(crate) fn key(&self) -> Arc<SigningKey> {
        Arc::clone(&self.key.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Another key signs from now on. Whoever calls this holds the logbook, so that no entry is made meanwhile.
    pub(crate) fn put_key(&self, key: Arc<SigningKey>) {
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    /// Writes into the logbook what has happened just now, as an event with a code of the texts. What is not about the box's
    /// key is left out first when the disk is full.
    ///
    /// # Errors
    /// [`LogbookError`].
    pub(crate) fn note(
        &self,
        kind: &str,
        code: &str,
        params: BTreeMap<String, Value>,
    ) -> Result<(u64, Sealed), LogbookError> {
        let stamp = self.stamp();
        let weight = if kind == KEY_EVENT {
            Weight::Record
        } else {
            Weight::Telemetry
        };
        self.book()
            .append_weighed(weight, &self.key(), Kind::Event, &stamp, |link| Event {
                v: WIRE_VERSION,
                org: self.settings.address.org.clone(),
                room: self.settings.address.room.clone(),
                link,
                kind: kind.to_owned(),
                code: code.to_owned(),
                params,
                meeting: None,
                incident: None,
                started_ms: stamp.wall_ms,
                ended_ms: Some(stamp.wall_ms),
            })
    }

    /// Declares entries that the hub asks for and that cannot be read back. Gives the number of the gap entry that says so, a
    /// new one or an older; nothing for numbers that were never used.
    ///
    /// # Errors
    /// [`LogbookError`].
    pub(crate) fn declare_missing(&self, from: u64, to: u64) -> Result<Option<u64>, LogbookError> {
        let stamp = self.stamp();
        self.book().declare_missing(&self.key(), &stamp, from, to)
    }

    /// The logbook.
    pub(crate) fn book(&self) -> MutexGuard<'_, Logbook> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of the hub.
    pub(crate) fn pin(&self) -> MutexGuard<'_, Pin> {
        self.pin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the hub's pinned key go, for the next one that it shows.
    ///
    /// # Errors
    /// [`PinError`]; it is pinned as before then.
    pub(crate) fn release_hub(&self) -> Result<(), PinError> {
        {
            let mut pin = self.pin();
            let released = pin.clone().released();
            released.save(&self.state)?;
            *pin = released;
        }
        // A plan that it had signed is void.
        self.plan_changed();
        Ok(())
    }

    /// The province's plan of meetings, as long as the key that signed it is the pinned one, or has handed over to it.
    pub(crate) fn plan(&self) -> Option<Arc<Plan>> {
        let hub = self.pin().holding();
        self.calendar().plan(&hub)
    }

    /// Takes a plan that came: verified, kept, its challenge answered by the next entry.
    ///
    /// # Errors
    /// [`PlanError`]; after [`PlanError::Io`] it is followed all the same.
    pub(crate) fn take_plan(&self, jws: &[u8]) -> Result<Taken, PlanError> {
        let hub = self.pin().holding();
        let room = &self.settings.address;
        let taken = self.calendar().take(jws, &hub, room, &self.state);
        if matches!(taken, Ok(Taken::New) | Err(PlanError::Io(..))) {
            if let Some(nonce) = self.plan().and_then(|plan| plan.nonce.clone()) {
                self.book().challenge(nonce);
            }
            self.plan_changed();
        }
        taken
    }

    /// Every change of the plan.
    pub(crate) fn plans(&self) -> watch::Receiver<()> {
        self.planned.subscribe()
    }

    /// The plan is another, or void because another hub key was pinned.
    pub(crate) fn plan_changed(&self) {
        self.planned.send_replace(());
    }

    /// What the plan says about the line: where the test goes, and what the meeting that is checked for needs, or the next.
    fn planned_line(&self, meeting: Option<&str>, now_ms: i64) -> PlannedLine {
        let plan = self.plan();
        let meetings = calendar::meetings(plan.as_ref());
        let concerned = match meeting {
            Some(id) => meetings.iter().find(|planned| planned.id == id),
            None => schedule::next_meeting(meetings, now_ms),
        };
        PlannedLine {
            rate_kbps: concerned.and_then(|planned| planned.rate_kbps),
            reflector: plan.as_ref().and_then(|plan| plan.reflector.clone()),
        }
    }

    /// Whom to ring: the room's own contacts, then the plan's.
    pub(crate) fn contacts(&self) -> Vec<Contact> {
        calendar::contacts(&self.settings.contacts, self.plan().as_ref())
    }

    /// The clocks, as they stand.
    pub(crate) fn clocks(&self) -> Clocks {
        Clocks {
            wall_ms: clock::wall_ms(),
            mono_ms: clock::since_boot_ms(),
            boot: self.boot.clone(),
        }
    }

    fn calendar(&self) -> MutexGuard<'_, Calendar> {
        self.calendar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a check, signs it and keeps it. The report is durable when this returns, unless `kept` says why not.
    pub(crate) async fn check(
        self: &Arc<Self>,
        mut order: Order,
        progress: mpsc::UnboundedSender<Progress>,
        cancel: watch::Receiver<bool>,
    ) -> Made {
        let started_ms = clock::wall_ms();
        if order.trigger.meeting.is_none() {
            order.trigger.meeting = self.meeting_of_the_hour(started_ms);
        }
        let baseline = Baseline::load(&self.state).unwrap_or_else(|error| {
            tracing::error!(%error, "nothing can be compared with the rehearsal");
            None
        });
        let run = Run {
            settings: Arc::clone(&self.settings),
            baseline: baseline.map(Arc::new),
            scope: order.scope.clone(),
            tools: self.tools(self.planned_line(order.trigger.meeting.as_deref(), started_ms)),
            cancel,
            progress,
        };
        let mut findings = run.make().await;
        if let Some(meeting) = &order.trigger.meeting {
            carry(&mut findings, &self.runs_for(meeting).await);
        }
        let stamp = self.stamp();
        let weight = weight(&order.trigger);
        let mut report = self.report(order, findings, started_ms);
        let kept = {
            let mut book = self.book();
            book.append_weighed(weight, &self.key(), Kind::Report, &stamp, |link| {
                report.link = link;
                report.clone()
            })
            .map(|_| ())
        };
        match &kept {
            Ok(()) if report.scope.is_none() => *self.last_full_slot() = Some(Arc::new(report.clone())),
            Ok(()) => {}
            Err(error) => logbook_refused(&mut report, error, &self.settings),
        }
        Made { report, kept }
    }

    /// The newest full run that the logbook keeps.
    pub(crate) fn last_full(&self) -> Option<Arc<Report>> {
        self.last_full_slot().clone()
    }

    fn last_full_slot(&self) -> MutexGuard<'_, Option<Arc<Report>>> {
        self.last_full.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The meeting that a check is for where nobody said.
    fn meeting_of_the_hour(&self, now_ms: i64) -> Option<String> {
        let plan = self.plan();
        let meetings = calendar::meetings(plan.as_ref());
        schedule::meeting_of_the_hour(meetings, &self.settings.profile, now_ms)
            .map(|meeting| meeting.id.clone())
    }

    /// The runs that were made for a meeting, as far as they may be carried from.
    async fn runs_for(&self, meeting: &str) -> Vec<Report> {
        let (dir, meeting) = (self.logbook_dir(), meeting.to_owned());
        let read = tokio::task::spawn_blocking(move || logbook::runs_for(&dir, &meeting));
        match read.await {
            Ok(Ok(runs)) => runs,
            Ok(Err(error)) => {
                tracing::error!(%error, "earlier results for this meeting cannot be read");
                vec![]
            }
            Err(_) => vec![],
        }
    }

    /// Keeps the last full run as the accepted rehearsal, and writes into the logbook who did it (R20). Reads the logbook:
    /// not for the program's loop.
    ///
    /// # Errors
    /// [`AcceptError`]; nothing is changed then.
    pub(crate) fn accept_baseline(&self, by: String, allowed_by: String) -> Result<Baseline, AcceptError> {
        let report = last_full_report(&self.logbook_dir())?.ok_or(AcceptError::NothingToAccept)?;
        let baseline = Baseline::of(report, by.clone(), allowed_by.clone(), clock::wall_ms());
        let stamp = self.stamp();
        self.book()
            .append(&self.key(), Kind::Attest, &stamp, |link| Attest {
                v: WIRE_VERSION,
                org: self.settings.address.org.clone(),
                room: self.settings.address.room.clone(),
                link,
                by,
                phone: None,
                checks: vec!["baseline".into()],
                allowed_by: Some(allowed_by),
            })?;
        baseline.save(&self.state)?;
        Ok(baseline)
    }

    /// Keeps a receipt whose signature was verified, and tells whoever waits for it.
    ///
    /// # Errors
    /// [`LogbookError`]; the entry then stays in the outbox.
    pub(crate) fn receipt(&self, jws: &str, receipt: &Receipt) -> Result<bool, LogbookError> {
        let kept = self.book().receipt(jws, receipt)?;
        self.tell_again();
        self.receipts.send_modify(|count| *count += 1);
        Ok(kept)
    }

    /// Waits until the hub has receipted an entry; false when it has not within `patience`.
    pub(crate) async fn wait_for_receipt(&self, seq: u64, patience: Duration) -> bool {
        self.wait_for_receipts(patience, |book| !book.is_waiting(seq))
            .await
    }

    /// Waits until the hub has receipted everything; false when it has not within `patience`.
    pub(crate) async fn wait_for_all_receipts(&self, patience: Duration) -> bool {
        self.wait_for_receipts(patience, |book| book.waiting() == 0).await
    }

    async fn wait_for_receipts(&self, patience: Duration, enough: impl Fn(&Logbook) -> bool) -> bool {
        let mut receipts = self.receipts.subscribe();
        let received = receipts.wait_for(|_| enough(&self.book()));
        tokio::time::timeout(patience, received)
            .await
            .is_ok_and(|seen| seen.is_ok())
    }

    /// Where the logbook is.
    pub(crate) fn logbook_dir(&self) -> PathBuf {
        self.state.join("logbook")
    }

    fn tools(self: &Arc<Self>, planned_line: PlannedLine) -> Tools {
        Tools {
            instant: clock::instant,
            wall_ms: clock::wall_ms,
            media: self.media.clone(),
            roots: self.roots(),
            logbook: self.logbook_dir(),
            logbook_now: self.logbook_when_asked(),
            book: self.book().condition(),
            planned_line,
        }
    }

    /// What a check asks when it begins to verify the logbook.
    pub(crate) fn logbook_when_asked(self: &Arc<Self>) -> Arc<dyn Fn() -> LogbookNow + Send + Sync> {
        let station = Arc::clone(self);
        Arc::new(move || station.logbook_now())
    }

    /// How the logbook is to be verified now. Its length first: what stands before it was signed with keys that are known by
    /// then.
    fn logbook_now(&self) -> LogbookNow {
        let whole = self.book().whole();
        LogbookNow {
            whole: Some(whole),
            agent: self.own_keys(),
            hub: self.pin().all_verifying(),
        }
    }

    /// Every key that this box signs or has signed with, as far as that is known.
    fn own_keys(&self) -> Vec<VerifyingKey> {
        let own = self.key().verifying();
        let known = Known::load(&self.state).unwrap_or_else(|error| {
            tracing::error!(%error, "entries that former keys have signed cannot be verified");
            Known::default()
        });
        known.with(&own, false).verifying()
    }

    fn stamp(&self) -> Stamp {
        Stamp {
            wall_ms: clock::wall_ms(),
            mono_ms: clock::since_boot_ms(),
            boot: self.boot.clone(),
            clock: clock_state(&self.roots()),
        }
    }

    fn roots(&self) -> Roots {
        Roots {
            state: self.state.path().to_owned(),
            ..Roots::default()
        }
    }

    fn report(&self, order: Order, findings: Vec<Finding>, started_ms: i64) -> Report {
        let settings = &self.settings;
        Report {
            v: WIRE_VERSION,
            org: settings.address.org.clone(),
            room: settings.address.room.clone(),
            run: uuid::Uuid::now_v7().to_string(),
            link: EntryLink {
                boot: self.boot.clone(),
                seq: 0,
                prev: bridgepoint_protocol::envelope::EntryHash::ZERO,
                witness: None,
                nonce: None,
                iat: clock::wall_ms().div_euclid(1000),
                mono_ms: clock::since_boot_ms(),
                clk: ClockState::Unsynced.into(),
            },
            trigger: order.trigger,
            profile: settings.profile.id.clone(),
            verdict: verdict(&findings, &settings.must_have, order.scope.as_ref()).into(),
            scope: order.scope,
            started_ms,
            finished_ms: clock::wall_ms(),
            must_have: settings.must_have.clone(),
            findings,
            duty: None,
            attested: vec![],
            agent: env!("CARGO_PKG_VERSION").into(),
            config: settings.config_sha256.clone(),
        }
    }
}

/// A report for a meeting, or that a person or the hub asked for, is a record; any other can be made again.
fn weight(trigger: &Trigger) -> Weight {
    let asked = matches!(
        trigger.kind.or(TriggerKind::Manual),
        TriggerKind::Manual | TriggerKind::Hub | TriggerKind::Retest
    );
    if asked || trigger.meeting.is_some() {
        Weight::Record
    } else {
        Weight::Telemetry
    }
}

/// Says in a report that it could not be kept.
fn logbook_refused(report: &mut Report, error: &LogbookError, settings: &Settings) {
    report.findings.retain(|finding| finding.check != "host.logbook");
    let mut finding = crate::judge::not_made(
        "host.logbook",
        "host.logbook-write",
        &settings.profile,
        report.finished_ms,
    );
    finding.status = Status::Fail.into();
    finding.params.insert("why".into(), error.to_string().into());
    report.findings.push(finding);
    report.verdict = verdict(&report.findings, &report.must_have, report.scope.as_ref()).into();
}

/// How far the wall clock can be believed.
fn clock_state(roots: &Roots) -> ClockState {
    match bridgepoint_hw::host::read(roots).clock {
        Ok(clock) if clock.synchronised == Some(true) => ClockState::Ntp,
        Ok(clock) if clock.rtc => ClockState::Rtc,
        _ => ClockState::Unsynced,
    }
}

/// The kernel's id of this boot, 32 hex digits.
fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let hex: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    if hex.len() == 32 { hex } else { "0".repeat(32) }
}
