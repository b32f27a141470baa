//! The conversation with a VISCA camera: who are you, where do you stand, visit the presets, go back.
//!
//! Nothing moves unless the way back is known (the position found, or a home preset) and its time is
//! kept free before the deadline. A camera in standby is not woken: its presets are `Refused`, as the
//! camera itself would say. Stopping ([`ProbeError::Cancelled`]) skips what is left and goes back.

mod back;
mod visit;

use std::time::{Duration, Instant};

use super::super::Conversation;
use super::carrier::{Asked, Carrier, Event, Framing};
use super::job::{CameraJob, PresetNumber};
use super::track::Track;
use super::visca::{CameraId, Inquired, Request, Spot};
use crate::reading::{
    Answer, CameraReading, CameraVersion, Position, PresetReached, PresetReading, ProbeError, ReturnedHome,
};

/// Between two looks at a moving camera.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Questions without any answer, in a row, after which nothing more is begun.
const SILENCES_MAX: u32 = 2;

/// One talk with a camera.
#[derive(Debug)]
pub struct Talk {
    job: CameraJob,
    carrier: Carrier,
    /// What the camera says can be lost on the way.
    loses: bool,
    started: Instant,
    deadline: Instant,
    stage: Stage,
    look: Look,
    silences: u32,
    version: Option<Answer<CameraVersion>>,
    power_on: Option<Answer<bool>>,
    found: Option<Answer<Spot>>,
    presets: Vec<Answer<PresetReached>>,
    last_seen: Option<Spot>,
    may_have_moved: bool,
    /// When the way back has to be done, once it has begun.
    back_until: Option<Instant>,
    returned: Option<Answer<ReturnedHome>>,
    /// Why it ended before all was done.
    ended: Option<ProbeError>,
}

#[derive(Debug, Clone)]
enum Stage {
    Reset,
    Version,
    Power,
    Find,
    Recall {
        asked_at: Instant,
    },
    Travel(Track),
    /// The preset once more: that it was reached may have been said and lost.
    Again(Track),
    /// Pan and tilt are asked to go back.
    PanTiltBack {
        asked_at: Instant,
    },
    /// Then the zoom.
    ZoomBack {
        asked_at: Instant,
    },
    Back(Track),
    /// Where it was found cannot be reached.
    HomeRecall {
        asked_at: Instant,
        preset: PresetNumber,
    },
    Home(Track, PresetNumber),
    Over,
}

/// A look at the position takes two questions.
#[derive(Debug, Default)]
struct Look {
    pan_tilt: Option<(i16, i16)>,
    next: Option<Instant>,
}

impl Talk {
    /// Begins at `now`; all must be done, the way back too, by `deadline`.
    #[must_use]
    pub fn new(framing: Framing, camera: CameraId, job: CameraJob, now: Instant, deadline: Instant) -> Self {
        let mut talk = Self {
            job,
            carrier: Carrier::new(framing, camera),
            loses: framing == Framing::Ip,
            started: now,
            deadline,
            stage: Stage::Over,
            look: Look::default(),
            silences: 0,
            version: None,
            power_on: None,
            found: None,
            presets: Vec::new(),
            last_seen: None,
            may_have_moved: false,
            back_until: None,
            returned: None,
            ended: None,
        };
        match framing {
            Framing::Ip => talk.ask(now, Asked::Reset, Stage::Reset),
            Framing::Packets | Framing::Chain => {
                talk.ask(now, Asked::Request(Request::Version), Stage::Version);
            }
        }
        talk
    }

    fn ask(&mut self, now: Instant, asked: Asked, stage: Stage) {
        self.carrier.ask(now, asked);
        self.stage = stage;
    }

    fn on(&mut self, now: Instant, event: Event) {
        match &event {
            Event::Failed(ProbeError::NoAnswer { .. }) => self.silences += 1,
            _ => self.silences = 0,
        }
        match &mut self.stage {
            Stage::Reset => self.ask(now, Asked::Request(Request::Version), Stage::Version),
            Stage::Version => self.on_version(now, event),
            Stage::Power => self.on_power(now, event),
            Stage::Find => self.on_find(now, event),
            Stage::Recall { asked_at } => {
                let asked_at = *asked_at;
                self.on_recall(now, asked_at, event);
            }
            Stage::Again(track) => {
                let track = track.clone();
                self.on_again(now, track, &event);
            }
            Stage::Travel(_) | Stage::Back(_) | Stage::Home(..) => self.on_motion(now, event),
            Stage::PanTiltBack { .. } | Stage::ZoomBack { .. } | Stage::HomeRecall { .. } => {
                self.on_way_back(now, event);
            }
            Stage::Over => {}
        }
    }

    fn on_version(&mut self, now: Instant, event: Event) {
        self.version = Some(match event {
            Event::Answer(Inquired::Version { vendor, model, rom }) => {
                Ok(CameraVersion { vendor, model, rom })
            }
            Event::Failed(why) => Err(why),
            _ => return,
        });
        if self.carrier.heard_reply() {
            self.ask(now, Asked::Request(Request::Power), Stage::Power);
        } else {
            // Neither the reset nor this was answered: there is no camera.
            self.give_up(now, None);
        }
    }

    fn on_power(&mut self, now: Instant, event: Event) {
        self.power_on = Some(match event {
            Event::Answer(Inquired::Power(on)) => Ok(on),
            Event::Failed(why) => Err(why),
            _ => return,
        });
        if self.silences >= SILENCES_MAX {
            return self.give_up(now, None);
        }
        self.look = Look::default();
        self.ask(now, Asked::Request(Request::PanTiltPosition), Stage::Find);
    }

    fn on_find(&mut self, now: Instant, event: Event) {
        match event {
            Event::Answer(answer) => {
                if let Some(spot) = self.see(now, answer) {
                    self.found = Some(Ok(spot));
                    self.next_preset(now);
                }
            }
            Event::Failed(why) => {
                self.found = Some(Err(why));
                self.next_preset(now);
            }
            _ => {}
        }
    }

    /// Takes half a position and asks for the other half; gives the position when it is whole.
    fn see(&mut self, now: Instant, answer: Inquired) -> Option<Spot> {
        match (answer, self.look.pan_tilt) {
            (Inquired::PanTilt { pan, tilt }, _) => {
                self.look.pan_tilt = Some((pan, tilt));
                self.carrier.ask(now, Asked::Request(Request::ZoomPosition));
                None
            }
            (Inquired::Zoom(zoom), Some((pan, tilt))) => {
                self.look.pan_tilt = None;
                let spot = Spot { pan, tilt, zoom };
                self.last_seen = Some(spot);
                Some(spot)
            }
            _ => None,
        }
    }

    fn follow(&mut self, now: Instant, stage: Stage) {
        self.look = Look::default();
        self.ask(now, Asked::Request(Request::PanTiltPosition), stage);
    }

    /// While something moves: its samples, its completion, its failure.
    fn on_motion(&mut self, now: Instant, event: Event) {
        let seen = match event {
            Event::Answer(answer) => match self.see(now, answer) {
                Some(spot) => Some(spot),
                None => return,
            },
            _ => None,
        };
        let never_told = matches!(self.found, Some(Err(_)));
        let (Stage::Travel(track) | Stage::Back(track) | Stage::Home(track, _)) = &mut self.stage else {
            return;
        };
        match event {
            Event::Completed => track.complete(now),
            // It never told where it stands. One that did is asked again: some do not answer on the way.
            Event::Failed(ProbeError::NotSupported | ProbeError::Refused) if never_told => track.go_blind(),
            Event::MotionFailed(why) => return self.motion_failed(now, why),
            _ => {}
        }
        if let Some(spot) = seen {
            track.sample(now, spot);
        }
        let blind = track.is_blind();
        if self.carrier.timeout().is_none() && !blind {
            self.look.pan_tilt = None;
            self.look.next = Some(now + LOOK_EVERY);
        }
        self.advance(now);
    }

    fn motion_failed(&mut self, now: Instant, why: ProbeError) {
        self.carrier.forget();
        self.look.next = None;
        if matches!(self.stage, Stage::Travel(_)) {
            self.presets.push(Err(why));
            self.next_preset(now);
        } else {
            self.way_back_failed(now, why);
        }
    }

    /// Ends a motion that has come to its end.
    fn advance(&mut self, now: Instant) {
        match &self.stage {
            Stage::Travel(track) if self.loses && track.unconfirmed(now) => {
                let track = track.clone();
                self.recall_again(now, track);
            }
            Stage::Travel(track) => {
                if let Some(arrival) = track.arrival(now) {
                    self.stand_still();
                    self.presets.push(Ok(visit::reached(arrival)));
                    self.next_preset(now);
                }
            }
            Stage::Back(_) | Stage::Home(..) => self.advance_way_back(now),
            _ => {}
        }
    }

    /// The motion is over: what else is said about it belongs to nothing.
    fn stand_still(&mut self) {
        self.carrier.forget();
        self.look = Look::default();
    }

    fn over(&mut self) {
        self.carrier.end();
        self.look = Look::default();
        self.stage = Stage::Over;
    }

    /// Leaves everything that is not done with its reason: `why`, or that there was no answer.
    fn give_up(&mut self, now: Instant, why: Option<ProbeError>) {
        let why = why.unwrap_or(ProbeError::NoAnswer {
            waited_ms: self.waited_ms(now),
        });
        self.presets.resize(self.job.presets.len(), Err(why.clone()));
        if self.may_have_moved && self.returned.is_none() {
            self.returned = Some(Err(why.clone()));
        }
        self.ended = Some(why);
        self.over();
    }

    fn waited_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.started).as_millis()).unwrap_or(u64::MAX)
    }

    fn pump(&mut self, now: Instant) {
        while let Some(event) = self.carrier.next_event() {
            self.on(now, event);
        }
    }
}

impl Conversation for Talk {
    type Reading = Answer<CameraReading>;

    fn receive(&mut self, now: Instant, bytes: &[u8]) {
        self.carrier.receive(now, bytes);
        self.pump(now);
    }

    fn transmit(&mut self, _now: Instant) -> Option<Vec<u8>> {
        self.carrier.transmit()
    }

    fn timeout(&self) -> Option<Instant> {
        let limit = match &self.stage {
            Stage::Travel(track) | Stage::Back(track) | Stage::Home(track, _) => Some(track.limit()),
            _ => None,
        };
        [self.carrier.timeout(), self.look.next, limit]
            .into_iter()
            .flatten()
            .min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.carrier.handle_timeout(now);
        self.pump(now);
        if self.look.next.is_some_and(|at| at <= now) {
            self.look = Look::default();
            self.carrier.ask(now, Asked::Request(Request::PanTiltPosition));
        }
        self.advance(now);
    }

    fn finished(&self) -> bool {
        matches!(self.stage, Stage::Over) && !self.carrier.has_to_send()
    }

    fn interrupted(&mut self, now: Instant, why: ProbeError) {
        match (&self.stage, why) {
            (Stage::Over, _) => {}
            (Stage::Recall { .. } | Stage::Travel(_) | Stage::Again(_), ProbeError::Cancelled) => {
                // A recall without its acknowledgement may be on its way.
                self.may_have_moved = true;
                self.ended = Some(ProbeError::Cancelled);
                self.presets
                    .resize(self.job.presets.len(), Err(ProbeError::Cancelled));
                self.go_back(now);
            }
            (
                Stage::PanTiltBack { .. }
                | Stage::ZoomBack { .. }
                | Stage::Back(_)
                | Stage::HomeRecall { .. }
                | Stage::Home(..),
                ProbeError::Cancelled,
            ) => {}
            (_, ProbeError::TimedOut { .. }) => {
                let waited_ms = self.waited_ms(now);
                self.give_up(now, Some(ProbeError::TimedOut { waited_ms }));
            }
            (_, why) => self.give_up(now, Some(why)),
        }
    }

    fn conclude(self) -> Answer<CameraReading> {
        let ended = self.ended.clone().unwrap_or(ProbeError::Cancelled);
        if !self.carrier.heard_reply() {
            return Err(match ended {
                ProbeError::TimedOut { .. } | ProbeError::NoAnswer { .. } | ProbeError::Closed
                    if self.carrier.heard_garbage() =>
                {
                    ProbeError::Garbled
                }
                ProbeError::TimedOut { waited_ms } => ProbeError::NoAnswer { waited_ms },
                ended => ended,
            });
        }
        let presets = self
            .job
            .presets
            .iter()
            .zip(self.presets.into_iter().map(Some).chain(std::iter::repeat(None)));
        Ok(CameraReading {
            version: self.version.unwrap_or_else(|| Err(ended.clone())),
            power_on: self.power_on.unwrap_or_else(|| Err(ended.clone())),
            found: self.found.unwrap_or_else(|| Err(ended.clone())).map(position),
            presets: presets
                .map(|(number, outcome)| PresetReading {
                    number: number.get(),
                    outcome: outcome.unwrap_or_else(|| Err(ended.clone())),
                })
                .collect(),
            returned: self.returned,
        })
    }
}

fn position(spot: Spot) -> Position {
    Position {
        pan: i32::from(spot.pan),
        tilt: i32::from(spot.tilt),
        zoom: i32::from(spot.zoom),
    }
}

#[cfg(test)]
mod tests;
