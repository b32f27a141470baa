//! The way back: to the position found, else to the home preset, and a look whether it stands there (R19).
//!
//! Two thirds of the time belong to the position found. The home preset is recalled when the camera
//! refuses to go there, does not answer, or does not stir at all.

use std::time::{Duration, Instant};

use super::super::carrier::{Asked, Event};
use super::super::track::{Arrival, Track};
use super::super::visca::{Request, Spot};
use super::{Stage, Talk, position};
use crate::reading::{Answer, ProbeError, ReturnedBy, ReturnedHome};

/// How far the zoom may be from where it was found: one per cent of the optical range (4000h).
const ZOOM_TOLERANCE: i32 = 164;

/// Kept free at the very end, so that what was learnt is concluded here and not cut off by the link.
const END_MARGIN: Duration = Duration::from_millis(50);

impl Talk {
    /// Puts the camera back, if it was moved.
    pub(super) fn go_back(&mut self, now: Instant) {
        self.stand_still();
        if !self.may_have_moved {
            return self.over();
        }
        let end = self.deadline.checked_sub(END_MARGIN).unwrap_or(self.deadline);
        self.back_until = Some((now + self.job.return_within).min(end));
        match self.found {
            Some(Ok(spot)) => {
                let stage = Stage::PanTiltBack { asked_at: now };
                self.ask(now, Asked::Request(Request::PanTiltBack(spot)), stage);
            }
            _ => self.go_home(now, ProbeError::NotSupported),
        }
    }

    /// Recalls the home preset because of `why`.
    fn go_home(&mut self, now: Instant, why: ProbeError) {
        self.stand_still();
        let home = self.job.home.or_else(|| self.job.presets.first().copied());
        match home {
            Some(preset) if now + Duration::from_secs(1) < self.latest() => {
                let stage = Stage::HomeRecall {
                    asked_at: now,
                    preset,
                };
                self.ask(now, Asked::Request(Request::Recall(preset)), stage);
            }
            _ => self.finish_way_back(Err(why)),
        }
    }

    /// A command of the way back was answered, or was not.
    pub(super) fn on_way_back(&mut self, now: Instant, event: Event) {
        let found = match self.found {
            Some(Ok(spot)) => Some(spot),
            _ => None,
        };
        match (&self.stage, event, found) {
            (Stage::PanTiltBack { asked_at }, Event::Accepted, Some(spot)) => {
                let stage = Stage::ZoomBack { asked_at: *asked_at };
                self.ask(now, Asked::Request(Request::ZoomBack(spot)), stage);
            }
            (Stage::PanTiltBack { .. }, Event::Failed(why), _) => self.go_home(now, why),
            // Even where the zoom is refused, pan and tilt are on their way and are followed.
            (Stage::ZoomBack { asked_at }, Event::Accepted | Event::Failed(_), _) => {
                let time = self.latest().saturating_duration_since(*asked_at);
                let track = Track::new(*asked_at, *asked_at + time * 2 / 3, self.last_seen);
                self.follow(now, Stage::Back(track));
            }
            (Stage::PanTiltBack { .. } | Stage::ZoomBack { .. }, Event::MotionFailed(why), _) => {
                self.go_home(now, why);
            }
            (Stage::HomeRecall { asked_at, preset }, Event::Accepted, _) => {
                let stage = Stage::Home(Track::new(*asked_at, self.latest(), self.last_seen), *preset);
                self.follow(now, stage);
            }
            (Stage::HomeRecall { .. }, Event::Failed(why) | Event::MotionFailed(why), _) => {
                self.finish_way_back(Err(why));
            }
            _ => {}
        }
    }

    /// An accepted motion of the way back came to nothing.
    pub(super) fn way_back_failed(&mut self, now: Instant, why: ProbeError) {
        if matches!(self.stage, Stage::Back(_)) {
            self.go_home(now, why);
        } else {
            self.finish_way_back(Err(why));
        }
    }

    /// Ends the way back when the camera stands.
    pub(super) fn advance_way_back(&mut self, now: Instant) {
        let latest = self.latest();
        match &mut self.stage {
            Stage::Back(track) => {
                let (found, tolerance) = (self.found.clone(), self.job.tolerance);
                // Where it was found is the aim: standing there needs no word from the camera.
                if track.rests(|spot| is_found(found.as_ref(), tolerance, spot)) {
                    let arrival = track.ended(now);
                    return self.stands(now, arrival, ReturnedBy::FoundPosition);
                }
                let Some(arrival) = track.arrival(now) else { return };
                if arrival.moved && arrival.settled {
                    self.stands(now, arrival, ReturnedBy::FoundPosition);
                } else if arrival.moved && now < latest {
                    // Slow, but on its way: better than another place.
                    track.extend(latest);
                } else {
                    self.go_home(
                        now,
                        ProbeError::TimedOut {
                            waited_ms: self.waited_ms(now),
                        },
                    );
                }
            }
            Stage::Home(track, preset) => {
                if let Some(arrival) = track.arrival(now) {
                    let by = ReturnedBy::HomePreset(preset.get());
                    self.stands(now, arrival, by);
                }
            }
            _ => {}
        }
    }

    fn stands(&mut self, now: Instant, arrival: Arrival, by: ReturnedBy) {
        let waited_ms = self.waited_ms(now);
        self.finish_way_back(match arrival.spot {
            Some(spot) if arrival.settled => Ok(ReturnedHome {
                position: position(spot),
                by,
                at_found: is_found(self.found.as_ref(), self.job.tolerance, spot),
            }),
            Some(_) => Err(ProbeError::TimedOut { waited_ms }),
            // It went, and cannot say where to.
            None => Err(ProbeError::NotSupported),
        });
    }

    fn finish_way_back(&mut self, returned: Answer<ReturnedHome>) {
        self.returned = Some(returned);
        self.over();
    }

    fn latest(&self) -> Instant {
        self.back_until.unwrap_or(self.deadline)
    }
}

/// Whether a camera that stands at `spot` stands where it was found.
fn is_found(found: Option<&Answer<Spot>>, tolerance: i32, spot: Spot) -> bool {
    let Some(Ok(found)) = found else { return false };
    let tolerance = tolerance.max(0);
    let near = |here: i32, there: i32, tolerance: i32| (here - there).abs() <= tolerance;
    near(spot.pan.into(), found.pan.into(), tolerance)
        && near(spot.tilt.into(), found.tilt.into(), tolerance)
        && near(spot.zoom.into(), found.zoom.into(), tolerance.max(ZOOM_TOLERANCE))
}
