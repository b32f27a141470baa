//! One act: wait for what it needs, ask the device until the act's end, bring home an observation.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bridgepoint_hw::address::SoundSource;
use bridgepoint_hw::dialect::camera::CameraJob;
use bridgepoint_hw::host::Roots;
use bridgepoint_hw::link::Edge;
use bridgepoint_hw::media::{Program, SoundInput, SoundRequest};
use bridgepoint_hw::probe::{self, Login, Secret};
use bridgepoint_hw::reading::{Answer, CodecReading, ProbeError};
use bridgepoint_protocol::check::Probe;
use tokio::sync::{mpsc, watch};

use super::share::Shares;
use super::{Progress, end_of};
use crate::config::{Camera, Codec, Microphone, Settings};
use crate::judge::{NotMoved, Observation, in_call};
use crate::line::{self, PlannedLine};
use crate::logbook::{self, Condition, Whole};
use crate::plan::Act;

/// The most bytes that one device may send in one act.
const CAP_BYTES: usize = 1 << 20;

/// How long a microphone is listened to, milliseconds.
const LISTEN_MS: u64 = 3_000;

/// What acts need from outside; under test the clocks and roots are others.
#[derive(Clone)]
pub(crate) struct Tools {
    /// Monotonic time.
    pub(crate) instant: fn() -> Instant,
    /// Wall clock, UTC milliseconds.
    pub(crate) wall_ms: fn() -> i64,
    /// The program that does media work.
    pub(crate) media: Program,
    /// Where the box is looked at.
    pub(crate) roots: Roots,
    /// The logbook's directory.
    pub(crate) logbook: PathBuf,
    /// How it is to be verified, asked when that begins: the box writes and changes its keys meanwhile.
    pub(crate) logbook_now: Arc<dyn Fn() -> LogbookNow + Send + Sync>,
    /// How it stood when the run began.
    pub(crate) book: Condition,
    /// What the province's plan says about the line.
    pub(crate) planned_line: PlannedLine,
}

/// How the logbook is to be verified at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogbookNow {
    /// How far it is whole; `None` where nobody writes in it.
    pub(crate) whole: Option<Whole>,
    /// The box's keys.
    pub(crate) agent: Vec<bridgepoint_protocol::envelope::VerifyingKey>,
    /// The hub's keys.
    pub(crate) hub: Vec<bridgepoint_protocol::envelope::VerifyingKey>,
}

/// What is known of the room's call while the run is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallKnowledge {
    /// The codec was not asked yet.
    NotYet,
    /// There is none.
    Idle,
    /// There is one: nothing active is done.
    InCall,
    /// It could not be learnt.
    Unknown,
}

/// One act with everything it needs.
pub(super) struct One {
    pub(super) act: Act,
    pub(super) settings: Arc<Settings>,
    pub(super) tools: Tools,
    pub(super) cancel: watch::Receiver<bool>,
    pub(super) run_end: Instant,
    /// Tells whether there is a call, where a codec is asked.
    pub(super) call: Option<watch::Receiver<CallKnowledge>>,
    /// The codec's act tells the others.
    pub(super) call_known: Option<Arc<watch::Sender<CallKnowledge>>>,
}

impl One {
    /// Makes the act. Gives the observation and how long it took, milliseconds.
    pub(super) async fn make(
        mut self,
        shares: &Shares,
        progress: &mpsc::UnboundedSender<Progress>,
    ) -> (Observation, u64) {
        let asked = (self.tools.instant)();
        let waited = self.wait_for_turn(shares).await;
        let (held, may_move) = match waited {
            Ok(turn) => turn,
            Err(why) => {
                self.publish_call(CallKnowledge::Unknown);
                return (Observation::Missed(why), millis(asked, (self.tools.instant)()));
            }
        };
        let _watched = progress.send(Progress::Started {
            probe: self.act.probe,
            device: self.act.device.clone(),
        });
        let began = (self.tools.instant)();
        let observation = self
            .observe(end_of(&self.act, began, self.run_end), may_move)
            .await;
        drop(held);
        (observation, millis(began, (self.tools.instant)()))
    }

    /// Waits for the codec's word where something will move, then for the things it needs; both only until
    /// the run's end.
    async fn wait_for_turn(
        &mut self,
        shares: &Shares,
    ) -> Result<(super::share::Held, Result<(), NotMoved>), ProbeError> {
        let began = (self.tools.instant)();
        let left = self.run_end.saturating_duration_since(began);
        let mut cancel = self.cancel.clone();
        let call = self.call.clone();
        let turn = async {
            let may_move = if self.act.active {
                may_move(call).await
            } else {
                Ok(())
            };
            (shares.take(&self.act).await, may_move)
        };
        tokio::select! {
            turn = turn => Ok(turn),
            () = tokio::time::sleep(left) => {
                Err(ProbeError::TimedOut { waited_ms: millis(began, (self.tools.instant)()) })
            }
            Ok(_) = cancel.wait_for(|stop| *stop) => Err(ProbeError::Cancelled),
        }
    }

    async fn observe(&self, end: Instant, may_move: Result<(), NotMoved>) -> Observation {
        let edge = Edge {
            clock: self.tools.instant,
            deadline: end,
            cap_bytes: CAP_BYTES,
            cancel: self.cancel.clone(),
        };
        let id = self.act.device.as_deref().unwrap_or_default();
        match self.act.probe {
            Probe::Codec => {
                let answer = match &self.settings.codec {
                    Some(configured) => codec(configured, &edge).await,
                    None => Err(ProbeError::NotPresent),
                };
                self.publish_call(call_of(&answer));
                Observation::Codec(Box::new(answer))
            }
            Probe::Camera => {
                let answer = match self.settings.cameras.iter().find(|camera| camera.id == id) {
                    Some(configured) => camera(configured, may_move.is_ok(), &edge).await,
                    None => Err(ProbeError::NotPresent),
                };
                Observation::Camera(Box::new(answer), may_move.err())
            }
            Probe::Microphone => {
                let answer = match self
                    .settings
                    .microphones
                    .iter()
                    .find(|microphone| microphone.id == id)
                {
                    Some(configured) => microphone(configured, &self.tools.media, &edge).await,
                    None => Err(ProbeError::NotPresent),
                };
                Observation::Microphone(answer)
            }
            Probe::Ups => {
                let answer = match &self.settings.ups {
                    Some(configured) => probe::ups(&configured.address, &edge).await,
                    None => Err(ProbeError::NotPresent),
                };
                Observation::Ups(Box::new(answer))
            }
            Probe::Device => {
                let answer = match self.settings.devices.iter().find(|(device, _)| device == id) {
                    Some((_, address)) => probe::device(address, &edge).await,
                    None => Err(ProbeError::NotPresent),
                };
                Observation::Device(answer.map(|took| took.as_secs_f64() * 1000.0))
            }
            Probe::Host => {
                let roots = self.tools.roots.clone();
                match self.aside(end, move || bridgepoint_hw::host::read(&roots)).await {
                    Ok(reading) => Observation::Host(Box::new(reading)),
                    Err(why) => Observation::Missed(why),
                }
            }
            Probe::Logbook => {
                let (dir, now) = (self.tools.logbook.clone(), Arc::clone(&self.tools.logbook_now));
                let walk = move || {
                    let now = now();
                    logbook::verify(&dir, (&now.agent, &now.hub), now.whole.as_ref())
                };
                match self.aside(end, walk).await {
                    Ok(walked) => Observation::Logbook(walked, self.tools.book.clone()),
                    Err(why) => Observation::Missed(why),
                }
            }
            Probe::Line => match &self.settings.line {
                Some(configured) => {
                    let asked = line::ask(
                        configured,
                        &self.tools.planned_line,
                        &self.settings.address,
                        &self.settings.profile,
                        (&self.tools.media, &self.tools.roots.proc),
                        (self.act.active, may_move),
                        &edge,
                    );
                    Observation::Line(Box::new(asked.await))
                }
                None => Observation::Missed(ProbeError::NotPresent),
            },
            Probe::Picture | Probe::Loop | Probe::Baseline | Probe::Call | Probe::Person => {
                Observation::Missed(ProbeError::NotSupported)
            }
        }
    }

    /// Work that blocks, until the act's end or until the run is broken off. What does not end by then is left to itself.
    async fn aside<T: Send + 'static>(
        &self,
        end: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ProbeError> {
        let began = (self.tools.instant)();
        let left = end.saturating_duration_since(began);
        let mut cancel = self.cancel.clone();
        tokio::select! {
            done = tokio::task::spawn_blocking(work) => done.map_err(|_| ProbeError::Cancelled),
            () = tokio::time::sleep(left) => Err(ProbeError::TimedOut {
                waited_ms: millis(began, (self.tools.instant)()),
            }),
            Ok(_) = cancel.wait_for(|stop| *stop) => Err(ProbeError::Cancelled),
        }
    }

    fn publish_call(&self, known: CallKnowledge) {
        if let Some(tell) = &self.call_known {
            tell.send_replace(known);
        }
    }
}

/// Waits until the codec has said whether there is a call. A room without a codec has none to disturb.
async fn may_move(call: Option<watch::Receiver<CallKnowledge>>) -> Result<(), NotMoved> {
    let Some(mut call) = call else { return Ok(()) };
    let known = match call.wait_for(|known| *known != CallKnowledge::NotYet).await {
        Ok(known) => *known,
        Err(_) => CallKnowledge::Unknown,
    };
    match known {
        CallKnowledge::Idle => Ok(()),
        CallKnowledge::InCall => Err(NotMoved::InCall),
        CallKnowledge::NotYet | CallKnowledge::Unknown => Err(NotMoved::CallUnknown),
    }
}

/// Whether nothing would be disturbed. A codec whose dialect cannot be asked at all leaves it unknown.
fn call_of(answer: &Answer<CodecReading>) -> CallKnowledge {
    match answer
        .as_ref()
        .ok()
        .and_then(|reading| reading.calls.as_ref().ok())
    {
        Some(calls) if in_call(calls) => CallKnowledge::InCall,
        Some(_) => CallKnowledge::Idle,
        None => CallKnowledge::Unknown,
    }
}

async fn codec(configured: &Codec, edge: &Edge) -> Answer<CodecReading> {
    let user = configured.address.user();
    let login = match (&configured.password_file, user) {
        (Some(file), Some(user)) => {
            let password = fs::read_to_string(file).map_err(|error| {
                tracing::error!(file = %file.display(), %error, "the codec's password file cannot be read");
                ProbeError::Refused
            })?;
            Some(Login {
                user: user.to_owned(),
                password: Secret::new(password.trim_end_matches(['\r', '\n']).to_owned()),
            })
        }
        (None, Some(user)) => Some(Login {
            user: user.to_owned(),
            password: Secret::new(String::new()),
        }),
        (_, None) => None,
    };
    probe::codec(configured.driver, &configured.address, login.as_ref(), edge).await
}

async fn camera(
    configured: &Camera,
    may_move: bool,
    edge: &Edge,
) -> Answer<bridgepoint_hw::reading::CameraReading> {
    let presets = if may_move {
        configured.presets.iter().map(|(number, _)| *number).collect()
    } else {
        vec![]
    };
    let mut job = CameraJob::visiting(presets);
    job.home = configured.home.or(job.home);
    probe::camera(&configured.address, &job, edge).await
}

async fn microphone(
    configured: &Microphone,
    media: &Program,
    edge: &Edge,
) -> Answer<bridgepoint_hw::reading::SoundReading> {
    let (source, channel) = match &configured.source {
        SoundSource::Alsa { device, channel } => (SoundInput::Alsa(device.clone()), *channel),
        SoundSource::Pulse { name, channel } => (SoundInput::Pulse(name.clone()), *channel),
        SoundSource::File { path, channel } => (SoundInput::File(PathBuf::from(path)), *channel),
        SoundSource::Codec(_) => return Err(ProbeError::NotSupported),
    };
    let request = SoundRequest {
        source,
        channel: u16::from(channel),
        duration_ms: LISTEN_MS,
    };
    bridgepoint_hw::media::measure_sound(media, &request, edge).await
}

fn millis(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(u64::MAX)
}
