//! The MQTT 5 client behind one small face: rumqttc and nothing of ours.
//!
//! rumqttc keeps unacknowledged publishes in memory and offers them again after a reconnect; our outbox does
//! that from disk. So a session is thrown away with its connection, which also ends the client's known
//! livelock after a packet-id collision. What the client does not see by itself, [`Watch`] does: a line on which nothing
//! comes any more, and a broker that answers but acknowledges nothing.

mod lost;
#[cfg(test)]
mod tests;
mod tls;
mod watch;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{LastWill, Packet, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use rumqttc::{Outgoing, TlsConfiguration, Transport as Carrier};

pub(crate) use lost::Lost;
pub(crate) use tls::tls;
use watch::Watch;

use super::reason::Reason;
use crate::clock;
use crate::config::{Broker, Transport};

/// Messages in flight at once, each way. Larger limits cost memory that an idle box does not have.
const IN_FLIGHT: u16 = 16;

/// Largest packet: an envelope of 64 KiB and its topic.
const MAX_PACKET: u32 = 68 * 1024;

/// How to connect.
#[derive(Debug, Clone)]
pub(crate) struct Connect {
    /// Client id, also the user name where none is given.
    pub(crate) client_id: String,
    /// The broker.
    pub(crate) broker: Broker,
    /// TLS, where the transport is TLS.
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    /// User and password.
    pub(crate) login: (String, String),
    /// Topic and payload of the will, retained.
    pub(crate) will: (String, Vec<u8>),
    /// How long is waited for what.
    pub(crate) patience: Patience,
}

/// How long a connection is given for what it has to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For the name, TCP, TLS and the broker's first answer together; whole seconds.
    pub(crate) connect: Duration,
    /// The broker is asked for a sign of life this often.
    pub(crate) keep_alive: Duration,
    /// Nothing whole has come for this long: the line is dead.
    pub(crate) silence: Duration,
    /// A message stands unacknowledged for this long: the broker is stuck.
    pub(crate) acknowledgement: Duration,
}

impl Patience {
    /// With signs of life asked for at this pace: a dead line is seen after one and a half of them, a stuck broker after
    /// two.
    pub(crate) fn with_keep_alive(keep_alive: Duration) -> Self {
        Self {
            connect: Duration::from_secs(10),
            keep_alive,
            silence: keep_alive + keep_alive / 2,
            acknowledgement: keep_alive * 2,
        }
    }
}

/// What happened on a session.
#[derive(Debug)]
pub(crate) enum Happened {
    /// The broker has taken the connection.
    Connected {
        /// The largest packet that it takes, bytes, where it says one.
        max_packet: Option<u32>,
    },
    /// A message came.
    Message {
        /// Its topic.
        topic: String,
        /// Its payload.
        payload: Vec<u8>,
        /// The broker had kept it from before.
        retained: bool,
    },
    /// The broker has taken a publish.
    Taken(Tag),
    /// The broker refused a publish.
    Refused {
        /// What was published.
        tag: Tag,
        /// The broker's reason.
        reason: Reason,
    },
    /// The broker refused a subscription, e.g. before the hub has opened the room's topics.
    NotSubscribed,
    /// The connection is over. Nothing comes after it.
    Lost(Lost),
}

/// What a publish was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    /// An entry of the logbook that waits for its receipt.
    Entry(u64),
    /// An entry that the hub asked for again.
    Again(u64),
    /// The enrolment.
    Enrol,
    /// Presence or readiness.
    Status,
}

/// What became of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Put {
    /// The client has it.
    Done,
    /// The client's queue is full: try again later.
    Busy,
    /// The broker said when it took the connection that it does not take so much.
    TooLarge,
}

/// One connection.
pub(crate) struct Session {
    client: AsyncClient,
    happenings: BoxStream<'static, Happened>,
    tags: Tags,
    max_packet: Option<u32>,
    /// Publishes that the broker has neither taken nor refused.
    outstanding: usize,
}

/// Publishes handed to the client and not yet written to the network: packet ids are given in this order.
type Tags = Arc<Mutex<VecDeque<Tag>>>;

fn queued(tags: &Tags) -> MutexGuard<'_, VecDeque<Tag>> {
    tags.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    /// Prepares a connection; it is made by the first [`next`](Self::next).
    pub(crate) fn new(connect: &Connect) -> Self {
        let mut options = MqttOptions::new(
            connect.client_id.clone(),
            connect.broker.host.clone(),
            connect.broker.port,
        );
        let patience = connect.patience;
        options.set_keep_alive(patience.keep_alive.max(Duration::from_secs(5)));
        options.set_connection_timeout(patience.connect.as_secs());
        options.set_clean_start(true);
        options.set_credentials(connect.login.0.clone(), connect.login.1.clone());
        options.set_outgoing_inflight_upper_limit(IN_FLIGHT);
        options.set_receive_maximum(Some(IN_FLIGHT));
        options.set_max_packet_size(Some(MAX_PACKET));
        let (topic, payload) = connect.will.clone();
        options.set_last_will(LastWill::new(topic, payload, QoS::AtLeastOnce, true, None));
        match (&connect.tls, connect.broker.transport) {
            (Some(tls), Transport::Tls) => {
                options.set_transport(Carrier::tls_with_config(TlsConfiguration::Rustls(Arc::clone(
                    tls,
                ))));
            }
            _ => {
                options.set_transport(Carrier::tcp());
            }
        }
        let (client, events) = AsyncClient::new(options, usize::from(IN_FLIGHT) * 2);
        let tags = Tags::default();
        let wire = Wire {
            events,
            tags: Arc::clone(&tags),
            watch: Watch::new(patience, clock::instant()),
            left_over: VecDeque::new(),
            over: false,
        };
        Self {
            client,
            happenings: stream::unfold(wire, Wire::next).boxed(),
            tags,
            max_packet: None,
            outstanding: 0,
        }
    }

    /// Waits for the next thing that happens. May be given up and asked again at any time: the client goes on where it
    /// was.
    pub(crate) async fn next(&mut self) -> Happened {
        let happened = self.happenings.next().await;
        let happened = happened.unwrap_or_else(|| Happened::Lost(Lost::because("it was over already")));
        match &happened {
            Happened::Connected { max_packet } => self.max_packet = *max_packet,
            Happened::Taken(_) | Happened::Refused { .. } => {
                self.outstanding = self.outstanding.saturating_sub(1);
            }
            _ => {}
        }
        happened
    }

    /// Publishes at least once.
    pub(crate) fn publish(
        &mut self,
        tag: Tag,
        topic: &str,
        retain: bool,
        payload: impl Into<Vec<u8>>,
    ) -> Put {
        let payload = payload.into();
        if self
            .max_packet
            .is_some_and(|limit| packet_size(topic, &payload) > u64::from(limit))
        {
            return Put::TooLarge;
        }
        // Held over both, so that the client's loop finds the tag when it gives the packet its id.
        let mut tags = queued(&self.tags);
        if self
            .client
            .try_publish(topic, QoS::AtLeastOnce, retain, payload)
            .is_err()
        {
            return Put::Busy;
        }
        tags.push_back(tag);
        self.outstanding += 1;
        Put::Done
    }

    /// Subscribes; a refusal comes as [`Happened::NotSubscribed`].
    pub(crate) fn subscribe(&self, topics: impl IntoIterator<Item = String>) -> bool {
        topics
            .into_iter()
            .all(|topic| self.client.try_subscribe(topic, QoS::AtLeastOnce).is_ok())
    }

    /// Waits until the broker has acknowledged everything, then says good-bye: the will is then not sent.
    pub(crate) async fn leave(mut self) {
        while self.outstanding > 0 {
            if matches!(self.next().await, Happened::Lost(_)) {
                return;
            }
        }
        if self.client.try_disconnect().is_ok() {
            while !matches!(self.next().await, Happened::Lost(_)) {}
        }
    }
}

/// Bytes of a publish of quality 1 without properties (MQTT 5, section 3.3).
fn packet_size(topic: &str, payload: &[u8]) -> u64 {
    let rest = 2 + topic.len() as u64 + 2 + 1 + payload.len() as u64;
    let length_of_length = match rest {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    };
    1 + length_of_length + rest
}

/// The client's loop, and what it does not see.
struct Wire {
    events: EventLoop,
    tags: Tags,
    watch: Watch,
    /// What had happened before the end, in the same breath.
    left_over: VecDeque<Happened>,
    over: bool,
}

impl Wire {
    async fn next(mut self) -> Option<(Happened, Self)> {
        loop {
            if let Some(happened) = self.left_over.pop_front() {
                return Some((happened, self));
            }
            if self.over {
                return None;
            }
            // The client's own clock stands while it waits for a full line to take what it writes.
            let left = self.watch.left(clock::instant());
            match tokio::time::timeout(left, self.events.poll()).await {
                Ok(Ok(event)) => {
                    let happened = self.read(event);
                    self.left_over.extend(happened);
                }
                Ok(Err(error)) => {
                    let rest: Vec<Event> = self.events.state.events.drain(..).collect();
                    for event in rest {
                        let happened = self.read(event);
                        self.left_over.extend(happened);
                    }
                    self.end(Lost::of(&error, self.watch.connected()));
                }
                Err(_) => {
                    let why = self.watch.why(clock::instant());
                    self.end(Lost::because(why));
                }
            }
        }
    }

    fn end(&mut self, lost: Lost) {
        self.over = true;
        self.left_over.push_back(Happened::Lost(lost));
    }

    /// What an event of the client means; `None` when it is nobody's news.
    fn read(&mut self, event: Event) -> Option<Happened> {
        let now = clock::instant();
        match event {
            Event::Incoming(packet) => {
                self.watch.heard(now);
                self.incoming(packet)
            }
            Event::Outgoing(Outgoing::Publish(id)) => {
                if let Some(tag) = queued(&self.tags).pop_front() {
                    self.watch.published(id, tag, now);
                }
                None
            }
            Event::Outgoing(_) => None,
        }
    }

    fn incoming(&mut self, packet: Packet) -> Option<Happened> {
        Some(match packet {
            Packet::ConnAck(ack) => Happened::Connected {
                max_packet: ack.properties.and_then(|properties| properties.max_packet_size),
            },
            Packet::Publish(publish) => Happened::Message {
                topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                payload: publish.payload.to_vec(),
                retained: publish.retain,
            },
            Packet::PubAck(ack) => {
                let tag = self.watch.acknowledged(ack.pkid)?;
                match lost::refusal(ack.reason) {
                    Some(reason) => Happened::Refused { tag, reason },
                    None => Happened::Taken(tag),
                }
            }
            Packet::SubAck(ack) => {
                let success = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
                if ack.return_codes.iter().all(success) {
                    return None;
                }
                Happened::NotSubscribed
            }
            _ => return None,
        })
    }
}
