//! Makes a run: the plan's acts all at once except where two need the same thing, each with its own absolute
//! end, each judged as it comes home. A run always ends.

mod act;
mod share;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bridgepoint_hw::reading::ProbeError;
use bridgepoint_protocol::check::Probe;
use bridgepoint_protocol::claims::{Finding, Scope};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub(crate) use act::{LogbookNow, Tools};

use crate::baseline::Baseline;
use crate::config::Settings;
use crate::judge::{self, Bench, Observation};
use crate::plan::{self, Act, Plan};
use share::Shares;

/// The longest that a run takes, whatever the devices do.
pub(crate) const RUN_LIMIT: Duration = Duration::from_secs(60);

/// What happens while a run is made, as it happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub(crate) enum Progress {
    /// It begins: so many checks.
    Begun {
        /// How many checks there are.
        total: usize,
    },
    /// An act begins.
    Started {
        /// Its kind.
        probe: Probe,
        /// Its device.
        device: Option<String>,
    },
    /// An act has ended with these findings.
    Finished {
        /// Its kind.
        probe: Probe,
        /// Its device.
        device: Option<String>,
        /// Its findings.
        findings: Vec<Finding>,
        /// How many checks are done.
        done: usize,
        /// How many there are.
        total: usize,
    },
}

/// What a run is made of.
pub(crate) struct Run {
    /// The room.
    pub(crate) settings: Arc<Settings>,
    /// The accepted rehearsal.
    pub(crate) baseline: Option<Arc<Baseline>>,
    /// What it is limited to.
    pub(crate) scope: Option<Scope>,
    /// What acts need from outside.
    pub(crate) tools: Tools,
    /// Becomes true when the run must stop.
    pub(crate) cancel: watch::Receiver<bool>,
    /// Who watches.
    pub(crate) progress: mpsc::UnboundedSender<Progress>,
}

impl Run {
    /// Makes the run. Gives the findings in the catalogue's order.
    pub(crate) async fn make(self) -> Vec<Finding> {
        let plan = plan::plan(&self.settings, self.scope.as_ref());
        let total = plan::total_checks(&plan);
        self.tell(Progress::Begun { total });
        let bench = Bench {
            settings: &self.settings,
            baseline: self.baseline.as_deref(),
        };
        let now_ms = (self.tools.wall_ms)();
        let mut findings: Vec<Finding> = plan
            .skipped
            .iter()
            .map(|(id, reason)| judge::not_made(id, reason, &self.settings.profile, now_ms))
            .collect();
        let mut done = findings.len();
        let mut acts = self.spawn(&plan);
        let mut baseline_asked = false;
        while let Some(joined) = acts.join_next().await {
            // An act that panicked has taken its checks with it; they are found missing below.
            let Ok((act, observation, at_ms, ms)) = joined else {
                continue;
            };
            baseline_asked |= act.probe == Probe::Baseline;
            let Some(observation) = observation else { continue };
            let judged: Vec<Finding> = act
                .checks
                .iter()
                .map(|id| judge::judge(id, &observation, bench, at_ms, ms))
                .collect();
            done += judged.len();
            findings.extend(judged.iter().cloned());
            self.tell(Progress::Finished {
                probe: act.probe,
                device: act.device,
                findings: judged,
                done,
                total,
            });
        }
        self.complete(&plan, &mut findings);
        if baseline_asked {
            let compared = judge::against_baseline(&findings, bench, (self.tools.wall_ms)());
            findings.push(compared.clone());
            let findings = vec![compared];
            self.tell(Progress::Finished {
                probe: Probe::Baseline,
                device: None,
                findings,
                done: total,
                total,
            });
        }
        judge::settle_causes(&mut findings);
        in_order(&self.settings, self.scope.as_ref(), findings)
    }

    fn tell(&self, progress: Progress) {
        // Nobody watching is no fault.
        let _watched = self.progress.send(progress);
    }

    fn spawn(&self, plan: &Plan) -> JoinSet<(Act, Option<Observation>, i64, u64)> {
        let shares = Shares::new(plan);
        let run_end = (self.tools.instant)() + RUN_LIMIT;
        let (call_known, call) = watch::channel(act::CallKnowledge::NotYet);
        let call_known = Arc::new(call_known);
        let asks_codec = plan.probes.iter().any(|act| act.probe == Probe::Codec);
        let mut acts = JoinSet::new();
        for act in &plan.probes {
            let one = act::One {
                act: act.clone(),
                settings: Arc::clone(&self.settings),
                tools: self.tools.clone(),
                cancel: self.cancel.clone(),
                run_end,
                call: asks_codec.then(|| call.clone()),
                call_known: (act.probe == Probe::Codec).then(|| Arc::clone(&call_known)),
            };
            let shares = shares.clone();
            let progress = self.progress.clone();
            let act = act.clone();
            acts.spawn(async move {
                let wall_ms = one.tools.wall_ms;
                if act.probe == Probe::Baseline {
                    return (act, None, wall_ms(), 0);
                }
                let started = one.make(&shares, &progress).await;
                let (observation, ms) = started;
                (act, Some(observation), wall_ms(), ms)
            });
        }
        acts
    }

    /// Every planned check has a finding: one whose act was lost is unknown, not absent.
    fn complete(&self, plan: &Plan, findings: &mut Vec<Finding>) {
        let bench = Bench {
            settings: &self.settings,
            baseline: None,
        };
        let now_ms = (self.tools.wall_ms)();
        for id in plan
            .probes
            .iter()
            .filter(|act| act.probe != Probe::Baseline)
            .flat_map(|act| &act.checks)
        {
            if !findings.iter().any(|f| f.check == *id) {
                let missed = Observation::Missed(ProbeError::Cancelled);
                findings.push(judge::judge(id, &missed, bench, now_ms, 0));
            }
        }
    }
}

fn in_order(settings: &Settings, scope: Option<&Scope>, findings: Vec<Finding>) -> Vec<Finding> {
    let mut rest = findings;
    let mut ordered = Vec::with_capacity(rest.len());
    for id in plan::all_ids(settings, scope) {
        if let Some(at) = rest.iter().position(|f| f.check == id) {
            ordered.push(rest.swap_remove(at));
        }
    }
    ordered.extend(rest);
    ordered
}

/// The moment at which an act that begins at `now` ends.
fn end_of(act: &Act, now: Instant, run_end: Instant) -> Instant {
    (now + Duration::from_millis(act.deadline_ms)).min(run_end)
}
