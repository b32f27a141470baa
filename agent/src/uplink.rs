//! Delivery to the hub: what is in the logbook without a receipt is offered again and again until the hub
//! itself has signed that it has it. A broker's acknowledgement proves nothing.
//!
//! [`Delivery`] is the pure part (what to offer now, and when next); this file drives it over MQTT.

mod delivery;
mod handover;
mod hear;
pub(crate) mod mqtt;
mod readiness;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bridgepoint_protocol::WIRE_VERSION;
use bridgepoint_protocol::claims::{Presence, PresenceState};
use bridgepoint_protocol::envelope::{Kid, Kind, Sealed, seal};
use bridgepoint_protocol::topic::{HubTopic, RoomTopic, Topic};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

pub(crate) use delivery::Delivery;
pub(crate) use handover::Enrolment;

use crate::calendar;
use crate::clock;
use crate::config::Hub;
use crate::life::Pulse;
use crate::said::{Said, Say};
use crate::schedule;
use crate::station::Station;
use mqtt::{Connect, Happened, Session, Tag};

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
    /// Connected; the hub has not taken this box's key yet.
    NotApproved,
    /// Connected; the hub shows another key than the pinned one.
    StrangeHub {
        /// The key that it shows.
        kid: Kid,
    },
    /// Connected and taken.
    Online,
    /// The broker refuses what is published.
    Refused {
        /// Its reason.
        reason: String,
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
            station,
            connect,
            tell,
            nudged,
            delivery: Delivery::default(),
            enrolment: None,
            trial: Delivery::default(),
            subscribed: true,
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
    /// The enrolment that waits for its receipt: always the same text, so that its receipt is known.
    enrolment: Option<Sealed>,
    /// When the next key's enrolment goes again, while the box changes over to it.
    trial: Delivery,
    /// False when the broker has refused a subscription: it is asked again with the next enrolment.
    subscribed: bool,
    /// How the box stands; `None` before the daemon has looked.
    present: watch::Receiver<Option<PresenceState>>,
    /// Answers when the daemon asks for signs of life.
    pulse: Option<Pulse>,
}

/// Why a session ended.
enum End {
    Lost(String),
    Stopped,
}

impl Driver {
    async fn drive(&mut self) {
        let mut failures = 0;
        loop {
            let began = clock::instant();
            match self.session().await {
                End::Stopped => return,
                End::Lost(why) => {
                    tracing::warn!(broker = %self.connect.broker.host, %why, "no connection to the province");
                    self.tell.send_replace(Standing::Away { why });
                }
            }
            // A connection that stood for a while starts the back-off anew.
            let stood = clock::instant().saturating_duration_since(began) > Duration::from_secs(30);
            failures = if stood { 0 } else { failures + 1 };
            if self
                .wait(delivery::reconnect_after(
                    failures,
                    clock::wall_ms().unsigned_abs(),
                ))
                .await
            {
                return;
            }
        }
    }

    /// Waits before the next attempt; true when told to stop. News cut the wait short.
    async fn wait(&mut self, how_long: Duration) -> bool {
        let over = tokio::time::sleep(how_long);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return false,
                nudge = self.nudged.recv() => return matches!(nudge, Some(Nudge::Stop) | None),
                () = beat(&mut self.pulse) => {}
            }
        }
    }

    async fn session(&mut self) -> End {
        let session_id = clock::wall_ms().unsigned_abs();
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
                        self.offer(&mut session);
                        self.publish_readiness(&mut session);
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
                // Not before: this would drop the attempt to connect, and on the connection it is said anyway.
                changed = self.present.changed(), if connected => {
                    if changed.is_ok() {
                        self.say_state(&mut session, session_id);
                    }
                    continue;
                }
                () = beat(&mut self.pulse) => continue,
            };
            match happened {
                Err(why) => return End::Lost(why),
                Ok(Happened::Ended { reason }) => return End::Lost(format!("the broker ended it: {reason}")),
                Ok(Happened::Connected) => {
                    connected = true;
                    self.greet(&mut session, session_id);
                }
                Ok(Happened::Message { topic, payload }) => self.hear(&mut session, &topic, &payload),
                Ok(Happened::Refused { tag, reason }) => self.refused(tag, reason),
                Ok(Happened::NotSubscribed) => {
                    self.subscribed = false;
                    self.delivery
                        .enrol_again_after(clock::instant(), Duration::from_secs(2));
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
        self.trial.connected();
        self.subscribe(session);
        let state = self.presence(PresenceState::Init, session_id);
        session.publish(Tag::Status, &self.topic(RoomTopic::State), true, state);
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
        session.publish(Tag::Status, &self.topic(RoomTopic::State), true, state);
    }

    fn subscribe(&mut self, session: &Session) {
        let org = &self.station.settings.address.org;
        let hub = [HubTopic::Key, HubTopic::State].map(|topic| Topic::Hub(org.clone(), topic).to_string());
        let own = [RoomTopic::Receipt, RoomTopic::Plan, RoomTopic::Command].map(|topic| self.topic(topic));
        self.subscribed = session.subscribe(hub.into_iter().chain(own));
    }

    async fn leave(&self, mut session: Session, session_id: u64) -> End {
        let state = self.presence(PresenceState::Disconnected, session_id);
        session.publish(Tag::Status, &self.topic(RoomTopic::State), true, state);
        let _late = tokio::time::timeout(Duration::from_secs(2), session.leave()).await;
        End::Stopped
    }

    /// Offers what is due: the enrolment until it is taken, then the outbox.
    fn offer(&mut self, session: &mut Session) {
        let now = clock::instant();
        if !self.enrolled() {
            if self.delivery.enrol_due(now) {
                if !self.subscribed {
                    self.subscribe(session);
                }
                match self.enrolment() {
                    Ok(sealed) => {
                        if session.publish(Tag::Enrol, &self.topic(RoomTopic::Enrol), false, sealed.jws) {
                            self.delivery.enrolment_sent(now);
                        }
                    }
                    Err(why) => tracing::error!(%why, "the enrolment cannot be made"),
                }
            }
            return;
        }
        self.offer_trial(session, now);
        let outbox = self.station.book().outbox();
        for seq in self.delivery.due(&outbox, now) {
            let outgoing = match self.station.book().outgoing(seq) {
                Ok(Some(outgoing)) => outgoing,
                Ok(None) => continue,
                Err(error) => {
                    tracing::error!(%error, "an entry cannot be read back");
                    continue;
                }
            };
            let topic = if outgoing.kind == Kind::Report {
                RoomTopic::Report
            } else {
                RoomTopic::Event
            };
            if !session.publish(Tag::Entry(seq), &self.topic(topic), false, outgoing.jws) {
                return;
            }
            self.delivery.sent(seq, now);
        }
    }

    fn enrolled(&self) -> bool {
        self.station.pin().enrolled.as_ref() == Some(self.station.key().kid())
    }

    fn enrolment(&mut self) -> Result<Sealed, String> {
        if let Some(sealed) = &self.enrolment {
            return Ok(sealed.clone());
        }
        let sealed = enrolment(&self.station)?;
        self.enrolment = Some(sealed.clone());
        Ok(sealed)
    }

    fn publish_readiness(&self, session: &mut Session) {
        match crate::logbook::last_full_report(&self.station.logbook_dir()) {
            Ok(Some(report)) => {
                let plan = self.station.plan();
                let valid_until_ms = schedule::valid_until(
                    calendar::meetings(plan.as_ref()),
                    &self.station.settings.profile,
                    report.finished_ms,
                );
                let payload = readiness::of(&report, valid_until_ms).to_string();
                session.publish(Tag::Status, &self.topic(RoomTopic::Readiness), true, payload);
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the last result cannot be read"),
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

/// Answers when the daemon asks; without a daemon nobody does.
async fn beat(pulse: &mut Option<Pulse>) {
    match pulse {
        Some(pulse) => pulse.beat().await,
        None => std::future::pending().await,
    }
}

/// A box's request to be trusted, signed with the key that it asks for.
fn enrolment(station: &Station) -> Result<Sealed, String> {
    seal(&station.key(), Kind::Enrol, &station.enrol_claims()).map_err(|e| e.to_string())
}
