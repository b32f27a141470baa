//! Follows the meeting's clock: looks at the plan, starts the check that is due, and says how the box stands.
//!
//! It looks again at the next moment, when the plan or a run changes, and at least once a minute, because a wall
//! clock may step and no timer tells that.

use std::sync::Arc;
use std::time::Duration;

use bridgepoint_protocol::claims::{PresenceState, Trigger};
use tokio::sync::watch;

use super::manager::{Doing, Manager};
use crate::calendar;
use crate::front::{Front, Now};
use crate::life::Pulse;
use crate::schedule::{self, Clocks, Due, Look, Made, Run, Seen};
use crate::station::Order;

/// The longest without a look.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// The box's following of the clock.
pub(super) struct Clockwork<C> {
    front: Arc<Front>,
    clocks: C,
    manager: Manager,
    up_since_mono_ms: u64,
    /// What this program has started: a run that could not be kept is not made again and again, and one that was for
    /// several meetings is not made for each.
    started: Vec<Run>,
    /// What the logbook says.
    kept: Vec<Run>,
    /// The logbook's newest entry when it was read.
    read_to: Option<u64>,
    said: Option<Doing>,
}

impl<C: Fn() -> Clocks> Clockwork<C> {
    /// Follows the clocks that `clocks` reads.
    pub(super) fn new(front: Arc<Front>, clocks: C, manager: Manager) -> Self {
        let up_since_mono_ms = clocks().mono_ms;
        Self {
            front,
            clocks,
            manager,
            up_since_mono_ms,
            started: vec![],
            kept: vec![],
            read_to: None,
            said: None,
        }
    }

    /// Follows them for as long as it is polled.
    pub(super) async fn follow(mut self, mut pulse: Pulse) {
        let mut plans = self.front.station.plans();
        let mut now = self.front.watch();
        loop {
            plans.mark_unchanged();
            let running = now.borrow_and_update().running.is_some();
            let clocks = (self.clocks)();
            let look = self.look(&clocks);
            let started = match &look.due {
                Some(due) if !running => self.start(due, &clocks),
                _ => false,
            };
            self.say(&look, running || started, clocks.wall_ms);
            tokio::select! {
                () = tokio::time::sleep(rest(&look, clocks.wall_ms)) => {}
                changed = plans.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.front.renew();
                }
                // Only the beginning and the end of a run matter here, not each of its steps.
                turned = turned(&mut now, running) => if !turned { return },
                () = pulse.beat() => {}
            }
        }
    }

    fn look(&mut self, clocks: &Clocks) -> Look {
        let plan = self.front.station.plan();
        let meetings = calendar::meetings(plan.as_ref());
        self.started
            .retain(|run| meetings.iter().any(|planned| planned.id == run.meeting));
        self.read();
        let runs = self.kept.iter().chain(&self.started);
        let made: Vec<Made> = runs.map(|run| run.by(clocks)).collect();
        schedule::look(&Seen {
            meetings,
            profile: &self.front.station.settings.profile,
            made: &made,
            up_since_ms: clocks.wall_of(self.up_since_mono_ms),
            now_ms: clocks.wall_ms,
        })
    }

    /// Reads the logbook again where something was written in it.
    fn read(&mut self) {
        let station = &self.front.station;
        let newest = station.book().head().map(|(seq, _)| seq);
        if newest == self.read_to {
            return;
        }
        let mut runs = Vec::new();
        let read = crate::logbook::each_report(&station.logbook_dir(), |report| {
            runs.extend(Run::of(&report));
        });
        match read {
            Ok(()) => self.kept = runs,
            Err(error) => {
                tracing::error!(%error, "which checks were made before meetings cannot be read; those of this run of the program are known");
            }
        }
        self.read_to = newest;
    }

    /// Starts what is due; false when somebody else has just started a check.
    fn start(&mut self, due: &Due, clocks: &Clocks) -> bool {
        let order = Order {
            trigger: Trigger {
                kind: due.kind.into(),
                meeting: Some(due.checkpoint.meeting.clone()),
                checkpoint: Some(due.checkpoint.name.clone()),
            },
            scope: None,
        };
        let started = self.front.check_if_idle(order).is_some();
        if started {
            let all = std::iter::once(&due.checkpoint).chain(&due.also);
            self.started
                .extend(all.map(|checkpoint| Run::begins(checkpoint, clocks)));
        }
        started
    }

    /// Says how the box stands, to the province and to the service manager.
    fn say(&mut self, look: &Look, running: bool, now_ms: i64) {
        self.front.presence(if running || look.awake {
            PresenceState::Online
        } else {
            PresenceState::Sleeping
        });
        let doing = match look.next_check_ms {
            _ if running => Doing::Checking,
            Some(at_ms) => Doing::WaitingFor(at_ms),
            None => Doing::Resting,
        };
        if self.said != Some(doing) {
            self.manager.doing(doing, now_ms);
            self.said = Some(doing);
        }
    }
}

/// How long nothing changes by itself, as far as the wall clock can be believed.
fn rest(look: &Look, now_ms: i64) -> Duration {
    look.next_ms.map_or(LONGEST_REST, |at_ms| {
        let wait_ms = u64::try_from(at_ms.saturating_sub(now_ms)).unwrap_or_default();
        Duration::from_millis(wait_ms).min(LONGEST_REST)
    })
}

/// Waits until a run begins or ends; false when nobody will say.
async fn turned(now: &mut watch::Receiver<Now>, running: bool) -> bool {
    now.wait_for(|now| now.running.is_some() != running).await.is_ok()
}
