//! Delivery to the hub: what is in the logbook without a receipt is offered again and again until the hub
//! itself has signed that it has it. A broker's acknowledgement proves nothing.
//!
//! [`Delivery`] is the pure part (what to offer now, and when next); this file drives it over MQTT.

mod commands;
mod delivery;
mod handover;
mod hear;
pub(crate) mod mqtt;
mod offer;
mod readiness;
mod reason;
mod resend;
mod session;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bridgepoint_protocol::WIRE_VERSION;
use bridgepoint_protocol::claims::{Presence, PresenceState};
use bridgepoint_protocol::envelope::{Kid, Sealed};
use bridgepoint_protocol::topic::{HubTopic, RoomTopic, Topic};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

pub(crate) use delivery::{Delivery, Enrolling, Why};
pub(crate) use handover::Enrolment;
pub(crate) use reason::Reason;

use crate::calendar;
use crate::clock;
use crate::config::Hub;
use crate::life::Pulse;
use crate::said::{Said, Say};
use crate::schedule;
use crate::station::Station;
use commands::Obeyed;
use mqtt::{Connect, Happened, Lost, Patience, Put, Session, Tag};
use resend::Resend;
use session::Sessions;

/// How delivery stands, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Standing {
    /// Connecting for the first time.
    Connecting,
    /// No connection, and why.
    Away {
        /// Why.
        why: String,
    },
    /// The broker was reached and does not let this box in.
    TurnedAway {
        /// Its reason.
        reason: Reason,
    },
    /// Connected; the hub has not taken this box's key yet.
    NotApproved,
    /// Connected; the hub shows another key than the pinned one.
    StrangeHub {
        /// The key that it shows.
        kid: Kid,
    },
    /// Connected and taken.
    Online,
    /// The broker does not take what is published. What it takes is delivered all the same.
    Refused {
        /// Why, of the last one.
        why: Why,
    },
}

/// A running uplink.
pub(crate) struct Uplink {
    /// How delivery stands.
    pub(crate) standing: watch::Receiver<Standing>,
    nudge: mpsc::UnboundedSender<Nudge>,
    presence: watch::Sender<Option<PresenceState>>,
}

/// For whom is delivered.
pub(crate) enum For {
    /// A command that makes or sends something and ends.
    Command,
    /// The daemon, which says how the box stands and asks for signs of life.
    Daemon(Pulse),
}

/// Why delivery cannot be started: the configuration names something that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UplinkError {
    /// The password file.
    #[error("the password file {0} cannot be read: {1}")]
    Password(PathBuf, io::Error),
    /// A certificate or its key.
    #[error("the file {0} cannot be used: {1}")]
    Certificate(PathBuf, String),
    /// The cryptography itself.
    #[error("no encrypted connection can be prepared: {0}")]
    Tls(String),
}

impl Say for UplinkError {
    fn said(&self) -> Said {
        match self {
            Self::Password(file, error) => Said::new("error-password-file")
                .with("table", "[hub]")
                .on(file)
                .because(error),
            Self::Certificate(file, why) => Said::new("error-certificate-file")
                .with("table", "[hub]")
                .on(file)
                .because(why),
            Self::Tls(why) => Said::new("error-program").because(why),
        }
    }
}

enum Nudge {
    /// There is something new in the logbook.
    NewEntry,
    /// A person has asked for the enrolment: see [`Uplink::enrol_anew`].
    Enrol {
        afresh: bool,
        begun: oneshot::Sender<()>,
    },
    /// Say good-bye and end.
    Stop,
}

impl Uplink {
    /// Starts delivering.
    ///
    /// # Errors
    /// [`UplinkError`] when a file of the configuration (certificate, password) cannot be used.
    pub(crate) fn start(station: Arc<Station>, hub: &Hub, whom: For) -> Result<Self, UplinkError> {
        let tls = hub.tls.as_ref().map(mqtt::tls).transpose()?;
        let own_name = station.settings.address.mqtt_user();
        let password = match &hub.password_file {
            None => String::new(),
            Some(file) => std::fs::read_to_string(file)
                .map_err(|e| UplinkError::Password(file.clone(), e))?
                .trim_end_matches(['\r', '\n'])
                .to_owned(),
        };
        let connect = Connect {
            client_id: own_name.clone(),
            broker: hub.broker.clone(),
            tls,
            login: (hub.username.clone().unwrap_or(own_name), password),
            will: (String::new(), vec![]),
            patience: Patience::with_keep_alive(hub.keep_alive),
        };
        let (nudge, nudged) = mpsc::unbounded_channel();
        let (tell, standing) = watch::channel(Standing::Connecting);
        let (pulse, state) = match whom {
            For::Command => (None, Some(PresenceState::Online)),
            For::Daemon(pulse) => (Some(pulse), None),
        };
        let (presence, present) = watch::channel(state);
        let mut driver = Driver {
            configured_key: hub.key.clone(),
            sessions: Sessions::open(&station.state),
            obeyed: Obeyed::open(&station.state),
            resend: Resend::default(),
            station,
            connect,
            tell,
            nudged,
            delivery: Delivery::default(),
            enrolment: None,
            trial: Enrolling::default(),
            subscribed: true,
            answered: false,
            present,
            pulse,
        };
        tokio::spawn(async move { driver.drive().await });
        Ok(Self {
            standing,
            nudge,
            presence,
        })
    }

    /// Something new is in the logbook.
    pub(crate) fn new_entry(&self) {
        let _ended = self.nudge.send(Nudge::NewEntry);
    }

    /// How the box stands from now on; said when it changes, and on every new connection.
    pub(crate) fn presence(&self, state: PresenceState) {
        self.presence.send_if_modified(|held| {
            let changes = *held != Some(state);
            *held = Some(state);
            changes
        });
    }

    /// Says good-bye and ends, within `patience`.
    pub(crate) async fn stop(&self, patience: Duration) {
        let _ended = self.nudge.send(Nudge::Stop);
        // The nudge's other end is dropped with the task.
        let _late = tokio::time::timeout(patience, self.nudge.closed()).await;
    }
}

struct Driver {
    station: Arc<Station>,
    connect: Connect,
    configured_key: Option<String>,
    tell: watch::Sender<Standing>,
    nudged: mpsc::UnboundedReceiver<Nudge>,
    delivery: Delivery,
    sessions: Sessions,
    obeyed: Obeyed,
    resend: Resend,
    /// The enrolment that waits for its receipt: always the same text, so that its receipt is known.
    enrolment: Option<Sealed>,
    /// When the next key's enrolment goes again, while the box changes over to it.
    trial: Enrolling,
    /// False when the broker has refused a subscription: it is asked again with the next enrolment.
    subscribed: bool,
    /// The hub has receipted something since this was asked last.
    answered: bool,
    /// How the box stands; `None` before the daemon has looked.
    present: watch::Receiver<Option<PresenceState>>,
    /// Answers when the daemon asks for signs of life.
    pulse: Option<Pulse>,
}

/// Why a session ended.
enum End {
    Lost(Lost),
    Stopped,
}

impl Driver {
    async fn drive(&mut self) {
        let mut failures: u32 = 0;
        loop {
            let began = clock::instant();
            let session_id = self.sessions.next(clock::wall_ms());
            match self.session(session_id).await {
                End::Stopped => return,
                End::Lost(lost) => self.lost(lost),
            }
            // A connection that stood for a while, or brought something home, starts the back-off anew.
            let stood = clock::instant().saturating_duration_since(began) > Duration::from_secs(30);
            let useful = stood || std::mem::take(&mut self.answered);
            failures = if useful { 0 } else { failures.saturating_add(1) };
            // Many boxes may share a clock that says 1970, and none its room.
            let chance = chance(&self.connect.client_id, failures, session_id);
            let soonest = delivery::reconnect_after(0, chance);
            if self
                .wait(delivery::reconnect_after(failures, chance), soonest)
                .await
            {
                return;
            }
        }
    }

    /// Tells why there is no connection, and which entry is set aside for it.
    fn lost(&mut self, lost: Lost) {
        let Lost {
            why,
            turned_away,
            blamed,
        } = lost;
        tracing::warn!(broker = %self.connect.broker.host, %why, "no connection to the province");
        let guilty = self.delivery.broke(blamed, clock::instant());
        if let Some(entry) = guilty {
            tracing::error!(entry, %why, "the connection breaks when this entry is sent; it is set aside and tried again later, the others go on");
        }
        self.resend.forget();
        self.tell.send_replace(match (turned_away, guilty) {
            (Some(reason), _) => Standing::TurnedAway { reason },
            (None, Some(_)) => self.standing(),
            (None, None) => Standing::Away { why },
        });
    }

    /// Waits before the next attempt; true when told to stop. News cut the wait short, but not below `soonest`: a box that
    /// writes much does not knock at a broker all the time.
    async fn wait(&mut self, how_long: Duration, soonest: Duration) -> bool {
        let (over, early) = (tokio::time::sleep(how_long), tokio::time::sleep(soonest));
        tokio::pin!(over, early);
        let mut news = false;
        loop {
            tokio::select! {
                () = &mut over => return false,
                () = &mut early, if news => return false,
                nudge = self.nudged.recv() => match nudge {
                    Some(Nudge::NewEntry) => news = true,
                    // A person waits for it.
                    Some(Nudge::Enrol { .. }) => return false,
                    Some(Nudge::Stop) | None => return true,
                },
                () = beat(&mut self.pulse) => {}
            }
        }
    }

    async fn session(&mut self, session_id: u64) -> End {
        self.connect.will = (
            self.topic(RoomTopic::State),
            self.presence(PresenceState::Lost, session_id),
        );
        let mut session = Session::new(&self.connect);
        let mut connected = false;
        loop {
            let next_due = self.next_due();
            let happened = tokio::select! {
                happened = session.next() => happened,
                () = tokio::time::sleep(next_due), if connected => {
                    self.offer(&mut session);
                    continue;
                }
                nudge = self.nudged.recv() => match nudge {
                    Some(Nudge::NewEntry) => {
                        if connected {
                            self.offer(&mut session);
                            self.publish_readiness(&mut session);
                        }
                        continue;
                    }
                    Some(Nudge::Enrol { afresh, begun }) => {
                        if connected {
                            self.enrol_anew(&mut session, afresh);
                            let _gone = begun.send(());
                        }
                        continue;
                    }
                    Some(Nudge::Stop) | None if connected => return self.leave(session, session_id).await,
                    Some(Nudge::Stop) | None => return End::Stopped,
                },
                // On the connection it is said anyway.
                changed = self.present.changed(), if connected => {
                    if changed.is_ok() {
                        self.say_state(&mut session, session_id);
                    }
                    continue;
                }
                read = self.resend.wait() => {
                    if let Some(read) = read {
                        self.declare_gaps(&read);
                    }
                    self.offer(&mut session);
                    continue;
                }
                () = beat(&mut self.pulse) => continue,
            };
            if matches!(happened, Happened::Taken(_)) {
                self.delivery.borne();
            }
            match happened {
                Happened::Lost(lost) => return End::Lost(lost),
                Happened::Connected { .. } => {
                    connected = true;
                    self.greet(&mut session, session_id);
                }
                Happened::Message {
                    topic,
                    payload,
                    retained,
                } => self.hear(&mut session, &topic, &payload, retained),
                Happened::Taken(Tag::Entry(seq)) => {
                    self.delivery.acknowledged(seq);
                    self.settle();
                }
                Happened::Taken(Tag::Again(_)) => self.resend.answered(),
                Happened::Taken(Tag::Enrol | Tag::Status) => {}
                Happened::Refused { tag, reason } => self.refused(tag, reason),
                Happened::NotSubscribed => {
                    self.subscribed = false;
                    let now = clock::instant();
                    self.delivery.enrolling().again_after(now, Duration::from_secs(2));
                }
            }
            if connected {
                self.offer(&mut session);
            }
        }
    }

    /// On a fresh connection: listen, say that the box is there, offer what waits.
    fn greet(&mut self, session: &mut Session, session_id: u64) {
        self.delivery.connected();
        self.trial.begin();
        self.subscribe(session);
        let state = self.presence(PresenceState::Init, session_id);
        self.publish_status(session, RoomTopic::State, state);
        self.say_state(session, session_id);
        self.publish_readiness(session);
        self.tell.send_replace(if self.enrolled() {
            // Online only once the hub has shown the pinned key, or receipted something: another may stand there now.
            Standing::Connecting
        } else {
            Standing::NotApproved
        });
    }

    /// Says how the box stands, once that is known.
    fn say_state(&mut self, session: &mut Session, session_id: u64) {
        let Some(state) = *self.present.borrow_and_update() else {
            return;
        };
        let state = self.presence(state, session_id);
        self.publish_status(session, RoomTopic::State, state);
    }

    fn subscribe(&mut self, session: &Session) {
        let org = &self.station.settings.address.org;
        let hub = [HubTopic::Key, HubTopic::State].map(|topic| Topic::Hub(org.clone(), topic).to_string());
        let own = [RoomTopic::Receipt, RoomTopic::Plan, RoomTopic::Command].map(|topic| self.topic(topic));
        self.subscribed = session.subscribe(hub.into_iter().chain(own));
    }

    async fn leave(&self, mut session: Session, session_id: u64) -> End {
        let state = self.presence(PresenceState::Disconnected, session_id);
        self.publish_status(&mut session, RoomTopic::State, state);
        let _late = tokio::time::timeout(Duration::from_secs(2), session.leave()).await;
        End::Stopped
    }

    /// How delivery stands on a connection on which the hub is the right one.
    fn standing(&self) -> Standing {
        match self.delivery.set_aside() {
            Some((_, why)) => Standing::Refused { why },
            None => Standing::Online,
        }
    }

    /// The hub is there and has taken this box.
    fn online(&self) {
        let standing = self.standing();
        self.tell.send_if_modified(|told| {
            let changes = *told != standing;
            *told = standing;
            changes
        });
    }

    /// What was refused is taken now.
    fn settle(&self) {
        if matches!(*self.tell.borrow(), Standing::Refused { .. }) {
            self.online();
        }
    }

    fn enrolled(&self) -> bool {
        self.station.pin().enrolled.as_ref() == Some(self.station.key().kid())
    }

    fn publish_readiness(&self, session: &mut Session) {
        let Some(report) = self.station.last_full() else {
            return;
        };
        let plan = self.station.plan();
        let valid_until_ms = schedule::valid_until(
            calendar::meetings(plan.as_ref()),
            &self.station.settings.profile,
            report.finished_ms,
        );
        let payload = readiness::of(&report, valid_until_ms).to_string();
        self.publish_status(session, RoomTopic::Readiness, payload);
    }

    /// What is kept by the broker. One that finds no room is replaced by the next one anyway.
    fn publish_status(&self, session: &mut Session, topic: RoomTopic, payload: impl Into<Vec<u8>>) {
        let topic = self.topic(topic);
        if session.publish(Tag::Status, &topic, true, payload) != Put::Done {
            tracing::warn!(topic, "a message to the province found no room");
        }
    }

    fn presence(&self, state: PresenceState, session: u64) -> Vec<u8> {
        let presence = Presence {
            v: WIRE_VERSION,
            ts_ms: clock::wall_ms(),
            state: state.into(),
            session,
            agent: env!("CARGO_PKG_VERSION").into(),
        };
        serde_json::to_vec(&presence).unwrap_or_default()
    }

    fn topic(&self, topic: RoomTopic) -> String {
        Topic::Room(self.station.settings.address.clone(), topic).to_string()
    }
}

/// A number that differs from box to box, from attempt to attempt and from session to session.
fn chance(who: &str, attempt: u32, session: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (who, attempt, session).hash(&mut hasher);
    hasher.finish()
}

/// Answers when the daemon asks; without a daemon nobody does.
async fn beat(pulse: &mut Option<Pulse>) {
    match pulse {
        Some(pulse) => pulse.beat().await,
        None => std::future::pending().await,
    }
}
