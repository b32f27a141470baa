//! The MQTT 5 client behind one small face: rumqttc and nothing of ours.
//!
//! rumqttc keeps unacknowledged publishes in memory and offers them again after a reconnect; our outbox does
//! that from disk. So a session is thrown away with its connection, which also ends the client's known
//! livelock after a packet-id collision.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{LastWill, Packet, PubAckReason, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use rumqttc::{Outgoing, TlsConfiguration, Transport as Carrier};
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::UplinkError;
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
}

/// What happened on a session.
#[derive(Debug)]
pub(crate) enum Happened {
    /// The broker has taken the connection.
    Connected,
    /// A message came.
    Message {
        /// Its topic.
        topic: String,
        /// Its payload.
        payload: Vec<u8>,
    },
    /// The broker refused a publish: reason 128 and above.
    Refused {
        /// What was published.
        tag: Tag,
        /// The broker's reason.
        reason: &'static str,
    },
    /// The broker refused a subscription, e.g. before the hub has opened the room's topics.
    NotSubscribed,
    /// The broker ended the connection with a reason.
    Ended {
        /// The reason.
        reason: String,
    },
}

/// What a publish was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    /// An entry of the logbook.
    Entry(u64),
    /// The enrolment.
    Enrol,
    /// Presence or readiness.
    Status,
}

/// One connection.
pub(crate) struct Session {
    client: AsyncClient,
    events: EventLoop,
    /// Handed to the client, not yet written to the network: packet ids are given in this order.
    queued: VecDeque<Tag>,
    sent: BTreeMap<u16, Tag>,
}

impl Session {
    /// Prepares a connection; it is made by the first [`next`](Self::next).
    pub(crate) fn new(connect: &Connect) -> Self {
        let mut options = MqttOptions::new(
            connect.client_id.clone(),
            connect.broker.host.clone(),
            connect.broker.port,
        );
        options.set_keep_alive(Duration::from_secs(30));
        options.set_connection_timeout(10);
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
        Self {
            client,
            events,
            queued: VecDeque::new(),
            sent: BTreeMap::new(),
        }
    }

    /// Waits for the next thing that happens.
    ///
    /// # Errors
    /// Why there is no connection; the session is then over.
    pub(crate) async fn next(&mut self) -> Result<Happened, String> {
        loop {
            if let Some(happened) = self.step().await? {
                return Ok(happened);
            }
        }
    }

    /// One step of the client's loop; `None` when it is nobody's news.
    async fn step(&mut self) -> Result<Option<Happened>, String> {
        let happened = match self.events.poll().await.map_err(|e| explain(&e))? {
            Event::Incoming(Packet::ConnAck(_)) => Happened::Connected,
            Event::Incoming(Packet::Publish(publish)) => {
                let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                Happened::Message {
                    topic,
                    payload: publish.payload.to_vec(),
                }
            }
            Event::Incoming(Packet::PubAck(ack)) => {
                let tag = self.sent.remove(&ack.pkid);
                match (tag, refusal(ack.reason)) {
                    (Some(tag), Some(reason)) => Happened::Refused { tag, reason },
                    _ => return Ok(None),
                }
            }
            Event::Incoming(Packet::SubAck(ack)) => {
                if ack
                    .return_codes
                    .iter()
                    .all(|code| matches!(code, SubscribeReasonCode::Success(_)))
                {
                    return Ok(None);
                }
                Happened::NotSubscribed
            }
            Event::Incoming(Packet::Disconnect(end)) => Happened::Ended {
                reason: format!("{:?}", end.reason_code),
            },
            Event::Outgoing(Outgoing::Publish(pkid)) => {
                if let Some(tag) = self.queued.pop_front() {
                    self.sent.insert(pkid, tag);
                }
                return Ok(None);
            }
            _ => return Ok(None),
        };
        Ok(Some(happened))
    }

    /// Publishes at least once. Gives false when the client's queue is full: try again later.
    pub(crate) fn publish(
        &mut self,
        tag: Tag,
        topic: &str,
        retain: bool,
        payload: impl Into<Vec<u8>>,
    ) -> bool {
        let taken = self
            .client
            .try_publish(topic, QoS::AtLeastOnce, retain, payload.into())
            .is_ok();
        if taken {
            self.queued.push_back(tag);
        }
        taken
    }

    /// Subscribes; a refusal comes as [`Happened::NotSubscribed`].
    pub(crate) fn subscribe(&self, topics: impl IntoIterator<Item = String>) -> bool {
        topics
            .into_iter()
            .all(|topic| self.client.try_subscribe(topic, QoS::AtLeastOnce).is_ok())
    }

    /// Waits until the broker has acknowledged everything, then says good-bye: the will is then not sent.
    pub(crate) async fn leave(mut self) {
        while !(self.queued.is_empty() && self.sent.is_empty()) {
            if self.step().await.is_err() {
                return;
            }
        }
        if self.client.try_disconnect().is_ok() {
            while self.step().await.is_ok() {}
        }
    }
}

fn refusal(reason: PubAckReason) -> Option<&'static str> {
    match reason {
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => None,
        PubAckReason::UnspecifiedError => Some("unspecified error (128)"),
        PubAckReason::ImplementationSpecificError => Some("implementation specific error (131)"),
        PubAckReason::NotAuthorized => Some("not authorized (135)"),
        PubAckReason::TopicNameInvalid => Some("topic name invalid (144)"),
        PubAckReason::PacketIdentifierInUse => Some("packet identifier in use (145)"),
        PubAckReason::QuotaExceeded => Some("quota exceeded (151)"),
        PubAckReason::PayloadFormatInvalid => Some("payload format invalid (153)"),
    }
}

fn explain(error: &ConnectionError) -> String {
    match error {
        ConnectionError::Timeout(_) => "it does not answer".into(),
        ConnectionError::ConnectionRefused(code) => format!("it refuses this box ({code:?})"),
        other => other.to_string(),
    }
}

/// TLS 1.3 only, with the province's authority and nobody else's (promise P17).
///
/// # Errors
/// [`UplinkError`] with the file that cannot be used.
pub(crate) fn tls(files: &crate::config::TlsFiles) -> Result<Arc<rustls::ClientConfig>, UplinkError> {
    let unusable = |path: &std::path::Path, why: String| UplinkError::Certificate(path.to_owned(), why);
    let mut roots = RootCertStore::empty();
    let authorities =
        CertificateDer::pem_file_iter(&files.ca).map_err(|e| unusable(&files.ca, e.to_string()))?;
    for authority in authorities {
        let authority = authority.map_err(|e| unusable(&files.ca, e.to_string()))?;
        roots
            .add(authority)
            .map_err(|e| unusable(&files.ca, e.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unusable(&files.ca, "it holds no certificate".into()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| UplinkError::Tls(e.to_string()))?
        .with_root_certificates(roots);
    let config = match &files.own {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let chain = CertificateDer::pem_file_iter(cert)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|e| unusable(cert, e.to_string()))?;
            let private = PrivateKeyDer::from_pem_file(key).map_err(|e| unusable(key, e.to_string()))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|e| unusable(cert, e.to_string()))?
        }
    };
    Ok(Arc::new(config))
}
