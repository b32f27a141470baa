//! A room as the hub sees it: a key, a chain, and an MQTT 5 connection under its name.

use std::collections::VecDeque;

use bridgepoint_protocol::claims::{Command, Enrol, Plan, Receipt};
use bridgepoint_protocol::envelope::{EntryHash, Jwk, Kind, Sealed, SigningKey, VerifyingKey, open, seal};
use bridgepoint_protocol::rotation;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, PubAckReason};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{DEADLINE, Hub};

/// A room's box.
pub struct Room {
    pub at: String,
    pub key: SigningKey,
    pub seq: u64,
    pub prev: EntryHash,
}

/// Its connection.
pub struct Line {
    pub client: AsyncClient,
    events: EventLoop,
    inbox: VecDeque<(String, Vec<u8>)>,
}

impl Room {
    pub fn new(at: &str) -> Self {
        let made = SigningKey::generate(&ring::rand::SystemRandom::new()).unwrap();
        Self {
            at: at.to_owned(),
            key: SigningKey::from_pkcs8(&made).unwrap(),
            seq: 0,
            prev: EntryHash::ZERO,
        }
    }

    pub fn topic(&self, kind: &str) -> String {
        format!("bp/1/{}/{kind}", self.at)
    }

    fn names(&self) -> (&str, &str) {
        self.at.split_once('/').unwrap()
    }

    pub fn user(&self) -> String {
        self.at.replace('/', ".")
    }

    pub fn enrolment(&self) -> Sealed {
        let (org, room) = self.names();
        let claims = json!({
            "v": 1, "org": org, "room": room, "iat": 1_795_000_000, "jwk": self.key.verifying().jwk(),
            "name": format!("Room {room}"), "area": "Hạ Long",
            "contacts": [{ "role": "main", "name": "Nguyễn Văn A", "phone": "0900000000" }],
        });
        seal(&self.key, Kind::Enrol, &claims).unwrap()
    }

    /// A new key and its statement that it follows the room's.
    pub fn next_key(&self) -> (SigningKey, Sealed) {
        let next = Self::new(&self.at).key;
        let (org, room) = self.names();
        let asks = Enrol {
            v: 1,
            org: org.parse().unwrap(),
            room: room.parse().unwrap(),
            iat: 1_795_000_000,
            jwk: next.verifying().jwk(),
            former: None,
            name: format!("Room {room}"),
            area: None,
            contacts: vec![],
        };
        let proof = rotation::proof(&next, self.key.kid(), asks).unwrap();
        (next, proof)
    }

    /// The event by which its key hands over, as the next of its chain.
    pub fn hands_over(&mut self, next: &SigningKey, proof: &Sealed) -> Sealed {
        let (org, room) = self.names();
        let claims = json!({
            "v": 1, "org": org, "room": room, "boot": "0".repeat(32), "seq": self.seq + 1, "prev": self.prev,
            "witness": null, "nonce": null, "iat": 1_795_000_000, "mono_ms": 1, "clk": "ntp", "kind": "key",
            "code": "key.rotated", "params": rotation::params(&next.verifying(), proof), "started_ms": 0,
        });
        let sealed = seal(&self.key, Kind::Event, &claims).unwrap();
        self.seq += 1;
        self.prev = sealed.hash;
        sealed
    }

    /// The next report of its chain.
    pub fn report(&mut self, verdict: &str, findings: &Value) -> Sealed {
        let claims = self.claims(verdict, findings);
        self.sealed(&claims)
    }

    /// Seals a report as the next of its chain.
    pub fn sealed(&mut self, claims: &Value) -> Sealed {
        let sealed = seal(&self.key, Kind::Report, claims).unwrap();
        self.seq += 1;
        self.prev = sealed.hash;
        sealed
    }

    pub fn ready(&mut self) -> Sealed {
        self.report("ready", &json!([finding("codec.reachable", "pass", "ok")]))
    }

    /// The claims of the next report; the chain is not moved.
    pub fn claims(&self, verdict: &str, findings: &Value) -> Value {
        let (org, room) = self.names();
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
        json!({
            "v": 1, "org": org, "room": room, "run": format!("run-{}", self.seq + 1), "boot": "0".repeat(32),
            "seq": self.seq + 1, "prev": self.prev, "witness": null, "nonce": null, "iat": now / 1000,
            "mono_ms": 1, "clk": "ntp", "trigger": { "kind": "manual", "meeting": null, "checkpoint": null },
            "profile": { "id": "quang-ninh", "sha256": "0".repeat(64) }, "scope": null,
            "started_ms": now - 1000, "finished_ms": now, "verdict": verdict, "findings": findings,
            "duty": null, "attested": [], "agent": "0.1.0", "config": "0".repeat(64),
        })
    }

    pub fn state(&self, word: &str, session: u64) -> String {
        json!({ "v": 1, "ts_ms": 0, "state": word, "session": session, "agent": "0.1.0" }).to_string()
    }

    /// Connects under its own name and subscribes to what the hub sends it.
    pub async fn connect(&self, hub: &Hub) -> Line {
        let mut line = Line::open(self.options(hub)).await;
        for filter in [
            self.topic("receipt"),
            self.topic("cmd"),
            format!("bp/1/{}/_hub/+", self.names().0),
        ] {
            line.subscribe(&filter).await;
        }
        line
    }

    pub fn options(&self, hub: &Hub) -> MqttOptions {
        let mut options = MqttOptions::new(self.user(), "127.0.0.1", hub.port());
        options
            .set_credentials(self.user(), "")
            .set_max_packet_size(Some(200_000));
        options
    }

    /// Asks, is approved, and has its receipt.
    pub async fn enrolled(at: &str, hub: &Hub) -> (Self, Line) {
        let room = Self::new(at);
        let mut line = room.connect(hub).await;
        let enrolment = room.enrolment();
        let mut changes = hub.changes();
        assert_eq!(
            line.publish(&room.topic("enrol"), &enrolment.jws).await,
            PubAckReason::Success
        );
        changes.until(at);
        hub.approve(at);
        let receipt = line.receipt(&room).await;
        assert_eq!((receipt.seq, receipt.hash), (None, enrolment.hash));
        (room, line)
    }
}

impl Line {
    pub async fn open(options: MqttOptions) -> Self {
        let (client, events) = AsyncClient::new(options, 64);
        let mut line = Self {
            client,
            events,
            inbox: VecDeque::new(),
        };
        line.until(|event| matches!(event, Event::Incoming(Packet::ConnAck(_))))
            .await;
        line
    }

    /// As [`Self::open`], for what may be refused.
    pub async fn try_open(options: MqttOptions) -> Result<(), String> {
        let (_client, mut events) = AsyncClient::new(options, 64);
        match timeout(DEADLINE, events.poll()).await.expect("in time") {
            Ok(_) => Ok(()),
            Err(e) => Err(e.to_string()),
        }
    }

    pub async fn subscribe(&mut self, filter: &str) {
        self.client
            .try_subscribe_many([Filter::new(filter, QoS::AtLeastOnce)])
            .unwrap();
        self.until(|event| matches!(event, Event::Incoming(Packet::SubAck(_))))
            .await;
    }

    /// Publishes and waits for what the broker says to it.
    pub async fn publish(&mut self, topic: &str, payload: &str) -> PubAckReason {
        self.client
            .try_publish(topic, QoS::AtLeastOnce, false, payload.to_owned())
            .unwrap();
        let event = self
            .until(|event| matches!(event, Event::Incoming(Packet::PubAck(_))))
            .await;
        let Event::Incoming(Packet::PubAck(ack)) = event else {
            unreachable!()
        };
        ack.reason
    }

    /// The next message on a topic; others are kept for later.
    pub async fn next(&mut self, topic: &str) -> Vec<u8> {
        loop {
            if let Some(at) = self.inbox.iter().position(|(t, _)| t == topic) {
                return self.inbox.remove(at).unwrap().1;
            }
            let event = self
                .until(|event| matches!(event, Event::Incoming(Packet::Publish(_))))
                .await;
            drop(event);
        }
    }

    /// Everything that has come so far.
    pub fn received(&self) -> Vec<String> {
        self.inbox.iter().map(|(topic, _)| topic.clone()).collect()
    }

    /// The hub's key, as it says itself.
    pub async fn hub_key(&mut self, room: &Room) -> VerifyingKey {
        let topic = format!("bp/1/{}/_hub/key", room.names().0);
        let jwk: Jwk = serde_json::from_slice(&self.next(&topic).await).unwrap();
        // It is retained: whoever asks again finds it again.
        self.inbox.push_back((topic, serde_json::to_vec(&jwk).unwrap()));
        VerifyingKey::from_jwk(&jwk).unwrap()
    }

    /// The next receipt, verified.
    pub async fn receipt(&mut self, room: &Room) -> Receipt {
        let key = self.hub_key(room).await;
        let jws = self.next(&room.topic("receipt")).await;
        let opened = open(&jws, &[Kind::Receipt], |kid| (key.kid() == *kid).then_some(key)).unwrap();
        let receipt: Receipt = opened.claims().unwrap();
        assert_eq!(format!("{}/{}", receipt.org, receipt.room), room.at);
        receipt
    }

    /// The next plan, verified.
    pub async fn plan(&mut self, room: &Room, key: VerifyingKey) -> Plan {
        let jws = self.next(&room.topic("plan")).await;
        let opened = open(&jws, &[Kind::Plan], |kid| (key.kid() == *kid).then_some(key)).unwrap();
        let plan: Plan = opened.claims().unwrap();
        assert_eq!(format!("{}/{}", plan.org, plan.room), room.at);
        plan
    }

    /// The next command, verified.
    pub async fn command(&mut self, room: &Room) -> Command {
        let key = self.hub_key(room).await;
        let jws = self.next(&room.topic("cmd")).await;
        open(&jws, &[Kind::Command], |kid| (key.kid() == *kid).then_some(key))
            .unwrap()
            .claims()
            .unwrap()
    }

    async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        let search = async {
            loop {
                let event = self.events.poll().await.unwrap();
                if let Event::Incoming(Packet::Publish(publish)) = &event {
                    let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
                    self.inbox.push_back((topic, publish.payload.to_vec()));
                }
                if wanted(&event) {
                    return event;
                }
            }
        };
        timeout(DEADLINE, search).await.expect("in time")
    }
}

/// One finding.
pub fn finding(check: &str, status: &str, code: &str) -> Value {
    json!({
        "check": check, "status": status, "code": code, "required": true, "value": null, "unit": null, "low": null,
        "high": null, "base": null, "params": {}, "rules": [], "at_ms": 0, "ms": 1, "carried_ms": null,
    })
}
