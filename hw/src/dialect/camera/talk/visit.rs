//! The presets, one after the other, while there is time for them and a way back (R13).

use std::time::{Duration, Instant};

use super::super::carrier::{Asked, Event};
use super::super::track::{Arrival, Track};
use super::super::visca::Request;
use super::{SILENCES_MAX, Stage, Talk, position};
use crate::reading::{Answer, PresetReached, ProbeError};

/// With less time than this a preset is not begun.
const PRESET_MIN: Duration = Duration::from_secs(1);

impl Talk {
    /// Begins the next preset, or the way back when there is none or no time for it.
    pub(super) fn next_preset(&mut self, now: Instant) {
        let Some(preset) = self.job.presets.get(self.presets.len()).copied() else {
            return self.go_back(now);
        };
        match self.may_begin(now) {
            Ok(()) => {
                let stage = Stage::Recall { asked_at: now };
                self.ask(now, Asked::Request(Request::Recall(preset)), stage);
            }
            Err(why) => {
                self.presets.resize(self.job.presets.len(), Err(why));
                self.go_back(now);
            }
        }
    }

    fn may_begin(&self, now: Instant) -> Answer<()> {
        if self.power_on == Some(Ok(false)) {
            return Err(ProbeError::Refused);
        }
        // A camera that cannot tell where it stands goes home afterwards; one that just did not answer
        // is not set in motion.
        match &self.found {
            Some(Ok(_) | Err(ProbeError::NotSupported | ProbeError::Refused)) => {}
            Some(Err(why)) => return Err(why.clone()),
            None => return Err(ProbeError::Cancelled),
        }
        if self.silences >= SILENCES_MAX {
            return Err(ProbeError::NoAnswer {
                waited_ms: self.waited_ms(now),
            });
        }
        let least = self.job.preset_limit.min(PRESET_MIN);
        if self.preset_limit(now).saturating_duration_since(now) < least {
            return Err(ProbeError::TimedOut {
                waited_ms: self.waited_ms(now),
            });
        }
        Ok(())
    }

    /// When the preset begun now has to be reached: its own limit, and never in the time of the way back.
    pub(super) fn preset_limit(&self, now: Instant) -> Instant {
        let latest = self.deadline.checked_sub(self.job.return_within).unwrap_or(now);
        (now + self.job.preset_limit).min(latest)
    }

    pub(super) fn on_recall(&mut self, now: Instant, asked_at: Instant, event: Event) {
        match event {
            Event::Accepted => {
                self.may_have_moved = true;
                let from = self.last_seen;
                self.follow(
                    now,
                    Stage::Travel(Track::new(asked_at, self.preset_limit(asked_at), from)),
                );
            }
            Event::Failed(why) => {
                // No answer does not mean that it stays where it is.
                self.may_have_moved |= matches!(why, ProbeError::NoAnswer { .. });
                self.presets.push(Err(why));
                self.next_preset(now);
            }
            _ => {}
        }
    }

    /// Datagrams are lost, and completions are sent once. A camera that stands there already says at once that it
    /// does; one that never says so does not now.
    pub(super) fn recall_again(&mut self, now: Instant, mut track: Track) {
        let Some(preset) = self.job.presets.get(self.presets.len()).copied() else {
            return;
        };
        self.stand_still();
        track.ask_again();
        self.ask(now, Asked::Request(Request::Recall(preset)), Stage::Again(track));
    }

    pub(super) fn on_again(&mut self, now: Instant, track: Track, event: &Event) {
        match event {
            Event::Accepted => self.follow(now, Stage::Travel(track)),
            Event::Failed(_) => {
                self.presets.push(Ok(reached(track.ended(now))));
                self.next_preset(now);
            }
            _ => {}
        }
    }
}

/// A motion's end as a reading.
pub(super) fn reached(arrival: Arrival) -> PresetReached {
    PresetReached {
        completed: arrival.completed,
        settled: arrival.settled,
        position: arrival.spot.map(position),
        took_ms: u64::try_from(arrival.took.as_millis()).unwrap_or(u64::MAX),
    }
}
