//! One MQTT 5 connection: subscribes for one organisation, hands letters in, publishes what the desk says, says
//! that the hub is there, and comes back when the line was lost.
//!
//! Nothing is queued for a broken line beyond a bounded channel: a receipt that is lost is asked for again by the
//! room. After each loss the client is made anew, since the library can lock up on a lost session's packet numbers.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bridgepoint_protocol::WIRE_VERSION;
use bridgepoint_protocol::claims::{Presence, PresenceState};
use bridgepoint_protocol::name::Name;
use bridgepoint_protocol::topic::{HubTopic, RoomTopic, Topic, all_rooms};
use ring::rand::{SecureRandom as _, SystemRandom};
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, LastWill, Packet, PubAckReason, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use rumqttc::{TlsConfiguration, Transport};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::Reach;
use crate::board::Board;
use crate::broker::conf::{HUB_USER, MAX_PACKET};
use crate::desk::{Input, Letter, Publish};

/// Messages in flight each way.
const IN_FLIGHT: u16 = 16;

/// Requests that wait for the library.
const REQUESTS: usize = 32;

/// The broker hears from us at least this often.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Seconds for one attempt to connect.
const CONNECT_S: u64 = 5;

/// First rest after a lost line, milliseconds; doubled up to [`LONGEST_REST_MS`], each time with chance.
const REST_MS: u64 = 200;
const LONGEST_REST_MS: u64 = 10_000;

/// Time to say good-bye.
const GOOD_BYE: Duration = Duration::from_secs(2);

/// What rooms publish for the hub.
const WANTED: [RoomTopic; 4] = [
    RoomTopic::Report,
    RoomTopic::Event,
    RoomTopic::Enrol,
    RoomTopic::State,
];

/// One organisation's connection.
pub struct Uplink {
    /// Which.
    pub org: Name,
    /// How the broker is reached.
    pub reach: Reach,
    /// The hub's public JWK and how it was reached from former keys, as text.
    pub jwk: String,
    /// Where it is noted whether the line stands.
    pub board: Arc<Board>,
    /// The clock, UTC milliseconds.
    pub clock: fn() -> i64,
}

impl Uplink {
    /// Runs until `stopped`, or until nobody takes letters any more.
    pub async fn run(
        self,
        letters: mpsc::Sender<Input>,
        mut outgoing: mpsc::Receiver<Publish>,
        mut stopped: watch::Receiver<bool>,
    ) {
        let mut rest_ms = REST_MS;
        let mut told = false;
        loop {
            let session = u64::try_from((self.clock)()).unwrap_or(0);
            let line = Line::new(&self, session);
            let Some(why) = line.hold(&letters, &mut outgoing, &mut stopped).await else {
                return;
            };
            self.note(false);
            if line.stood.get() {
                (rest_ms, told) = (REST_MS, false);
            }
            if !told {
                tracing::warn!(org = %self.org, why, "no connection to the broker; trying again");
                told = true;
            }
            tokio::select! {
                () = sleep(Duration::from_millis(jittered(rest_ms))) => {}
                _ = stopped.wait_for(|stop| *stop) => return,
            }
            rest_ms = (rest_ms * 2).min(LONGEST_REST_MS);
        }
    }

    fn note(&self, stands: bool) {
        self.board.note(|health| {
            health.broker.insert(self.org.clone(), stands);
            if stands {
                *health.joined.entry(self.org.clone()).or_default() += 1;
            }
        });
    }

    fn options(&self, session: u64) -> MqttOptions {
        let id = format!("hub.{}", self.org);
        let mut options = match &self.reach {
            Reach::Socket(path) => {
                let mut options = MqttOptions::new(id, path.to_string_lossy(), 0);
                options
                    .set_transport(Transport::Unix)
                    .set_credentials(HUB_USER, "");
                options
            }
            Reach::Plain { host, port } => {
                let mut options = MqttOptions::new(id, bracketed(host), *port);
                options.set_credentials(HUB_USER, "");
                options
            }
            Reach::Tls { host, port, config } => {
                let mut options = MqttOptions::new(id, bracketed(host), *port);
                options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
                    config.clone(),
                )));
                options
            }
        };
        options
            .set_keep_alive(KEEP_ALIVE)
            .set_connection_timeout(CONNECT_S)
            .set_clean_start(true);
        options
            .set_outgoing_inflight_upper_limit(IN_FLIGHT)
            .set_receive_maximum(Some(IN_FLIGHT));
        options.set_max_packet_size(u32::try_from(MAX_PACKET).ok());
        let will = self.presence(PresenceState::Lost, session);
        options.set_last_will(LastWill::new(
            self.topic(HubTopic::State),
            will,
            QoS::AtLeastOnce,
            true,
            None,
        ));
        options
    }

    fn topic(&self, kind: HubTopic) -> String {
        Topic::Hub(self.org.clone(), kind).to_string()
    }

    fn presence(&self, state: PresenceState, session: u64) -> String {
        let presence = Presence {
            v: WIRE_VERSION,
            ts_ms: (self.clock)(),
            state: state.into(),
            session,
            agent: env!("CARGO_PKG_VERSION").to_owned(),
        };
        // It has no map and no float: it can always be written.
        serde_json::to_string(&presence).unwrap_or_default()
    }
}

/// One connection, from its first attempt to its end.
struct Line<'a> {
    up: &'a Uplink,
    session: u64,
    client: AsyncClient,
    eventloop: RefCell<Option<EventLoop>>,
    /// True once it stood.
    stood: Cell<bool>,
    /// Topics that were handed to the library and have no packet number yet, oldest first.
    handed: RefCell<VecDeque<String>>,
}

impl<'a> Line<'a> {
    fn new(up: &'a Uplink, session: u64) -> Self {
        let (client, eventloop) = AsyncClient::new(up.options(session), REQUESTS);
        let (eventloop, handed) = (RefCell::new(Some(eventloop)), RefCell::default());
        Self {
            up,
            session,
            client,
            eventloop,
            stood: Cell::new(false),
            handed,
        }
    }

    /// Holds the line until it is lost (and says why), or until the hub stops.
    async fn hold(
        &self,
        letters: &mpsc::Sender<Input>,
        outgoing: &mut mpsc::Receiver<Publish>,
        stopped: &mut watch::Receiver<bool>,
    ) -> Option<String> {
        let mut eventloop = self.eventloop.take()?;
        let (open, is_open) = watch::channel(false);
        tokio::select! {
            why = self.drive(&mut eventloop, letters, &open) => return why,
            () = self.say(outgoing, is_open) => {}
            _ = stopped.wait_for(|stop| *stop) => {}
        }
        self.good_bye(&mut eventloop).await;
        None
    }

    /// Moves packets until the line is lost; `None` when nobody takes letters any more.
    async fn drive(
        &self,
        eventloop: &mut EventLoop,
        letters: &mpsc::Sender<Input>,
        open: &watch::Sender<bool>,
    ) -> Option<String> {
        let mut numbered: HashMap<u16, String> = HashMap::new();
        let own_state = self.up.topic(HubTopic::State);
        loop {
            match eventloop.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => self.hello(),
                Ok(Event::Incoming(Packet::SubAck(ack))) => {
                    if let Some(refused) = ack
                        .return_codes
                        .iter()
                        .find(|code| !matches!(code, SubscribeReasonCode::Success(_)))
                    {
                        return Some(format!("the broker refuses the subscription: {refused:?}"));
                    }
                    tracing::info!(org = %self.up.org, "connected to the broker");
                    self.stood.set(true);
                    self.up.note(true);
                    let _ = open.send(true);
                }
                // The filter for the rooms' states also fits our own.
                Ok(Event::Incoming(Packet::Publish(publish))) if publish.topic == own_state => {}
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let letter = Letter {
                        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                        payload: publish.payload.to_vec(),
                        retained: publish.retain,
                        received_ms: (self.up.clock)(),
                    };
                    letters.send(Input::Letter(letter)).await.ok()?;
                }
                Ok(Event::Outgoing(Outgoing::Publish(number))) => {
                    if let Some(topic) = self.handed.borrow_mut().pop_front() {
                        numbered.insert(number, topic);
                    }
                }
                Ok(Event::Incoming(Packet::PubAck(ack))) => {
                    let topic = numbered.remove(&ack.pkid).unwrap_or_default();
                    if !matches!(
                        ack.reason,
                        PubAckReason::Success | PubAckReason::NoMatchingSubscribers
                    ) {
                        tracing::error!(topic, reason = ?ack.reason, "the broker refuses what the hub publishes");
                    }
                }
                Ok(_) => {}
                Err(e) => return Some(e.to_string()),
            }
        }
    }

    /// Subscribes, and says that the hub is there and who it is. The channel is empty now and takes all three.
    fn hello(&self) {
        let filters = WANTED.map(|kind| Filter::new(all_rooms(&self.up.org, kind), QoS::AtLeastOnce));
        if let Err(e) = self.client.try_subscribe_many(filters) {
            tracing::error!(error = %e, "the subscription cannot be sent");
        }
        self.retain(HubTopic::Key, self.up.jwk.clone());
        self.retain(
            HubTopic::State,
            self.up.presence(PresenceState::Online, self.session),
        );
    }

    fn retain(&self, kind: HubTopic, payload: String) {
        let topic = self.up.topic(kind);
        self.handed.borrow_mut().push_back(topic.clone());
        if let Err(e) = self.client.try_publish(topic, QoS::AtLeastOnce, true, payload) {
            self.handed.borrow_mut().pop_back();
            tracing::error!(error = %e, "the hub cannot say that it is there");
        }
    }

    /// Publishes what the desk says, once the line stands; ends when the desk has ended.
    async fn say(&self, outgoing: &mut mpsc::Receiver<Publish>, mut is_open: watch::Receiver<bool>) {
        if is_open.wait_for(|open| *open).await.is_err() {
            return;
        }
        while let Some(Publish {
            topic,
            payload,
            retain,
            ..
        }) = outgoing.recv().await
        {
            self.handed.borrow_mut().push_back(topic.clone());
            if self
                .client
                .publish(topic, QoS::AtLeastOnce, retain, payload)
                .await
                .is_err()
            {
                return;
            }
        }
    }

    async fn good_bye(&self, eventloop: &mut EventLoop) {
        if !self.stood.get() {
            return;
        }
        self.retain(
            HubTopic::State,
            self.up.presence(PresenceState::Disconnected, self.session),
        );
        let _ = self.client.try_disconnect();
        let left = async {
            while !matches!(
                eventloop.poll().await,
                Err(_) | Ok(Event::Outgoing(Outgoing::Disconnect))
            ) {}
        };
        if timeout(GOOD_BYE, left).await.is_err() {
            tracing::warn!(org = %self.up.org, "the broker does not take the good-bye; its will says it");
        }
    }
}

/// An IPv6 address as it is written before a port.
fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

/// Between half and all of `ms`, so that many do not come back at once.
fn jittered(ms: u64) -> u64 {
    let mut byte = 0_u8;
    // Without chance it is simply the longest.
    let chance = SystemRandom::new()
        .fill(std::slice::from_mut(&mut byte))
        .map_or(255, |()| u64::from(byte));
    ms / 2 + ms * chance / 510
}
