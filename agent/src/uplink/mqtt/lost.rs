//! Why a connection ended, read from what the client says: in words, with the broker's reason where it gave one, and
//! whether one of the messages on their way is at fault.

use rumqttc::v5::mqttbytes::Error as ParseError;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, PubAckReason};
use rumqttc::v5::{ConnectionError, StateError};

use crate::uplink::reason::{NOT_AUTHORIZED, Reason, TOO_LARGE};

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    /// In words.
    pub(crate) why: String,
    /// The broker's reason, where it gave one for turning this box away.
    pub(crate) turned_away: Option<Reason>,
    /// The broker's reason, where it lies in a message that was on its way.
    pub(crate) blamed: Option<u8>,
}

impl Lost {
    /// For a cause in words.
    pub(super) fn because(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            turned_away: None,
            blamed: None,
        }
    }

    /// `connected` says whether the broker had taken the connection.
    pub(super) fn of(error: &ConnectionError, connected: bool) -> Self {
        match error {
            ConnectionError::Timeout(_) => Self::because("it does not answer"),
            ConnectionError::ConnectionRefused(code) => Self::turned_away(code_of(*code)),
            ConnectionError::MqttState(StateError::ConnFail { reason }) => {
                Self::turned_away(code_of(*reason))
            }
            ConnectionError::MqttState(StateError::ServerDisconnect {
                reason_code,
                reason_string,
            }) => {
                let reason = Reason(*reason_code as u8);
                let said = reason_string.as_ref().map(|said| format!(" ({said:.120})"));
                let mut lost = Self::because(format!(
                    "it ended the connection: {reason}{}",
                    said.unwrap_or_default()
                ));
                if reason.is_of_a_message() {
                    lost.blamed = Some(reason.0);
                } else if reason.0 >= 128 {
                    lost.turned_away = Some(reason);
                }
                lost
            }
            // The client does not know every reason and drops the connection over one it does not know.
            ConnectionError::MqttState(StateError::Deserialization(
                ParseError::InvalidConnectReturnCode(code),
            )) => {
                let reason = Reason(*code);
                if connected {
                    Self {
                        blamed: Some(*code),
                        ..Self::because(format!("it refuses a message: {reason}"))
                    }
                } else {
                    Self::turned_away(*code)
                }
            }
            ConnectionError::MqttState(StateError::OutgoingPacketTooLarge { pkt_size, max }) => Self {
                blamed: Some(TOO_LARGE),
                ..Self::because(format!("a message of {pkt_size} bytes is more than its {max}"))
            },
            ConnectionError::MqttState(StateError::ConnectionAborted) => {
                Self::because("it closed the connection")
            }
            // A good-bye of two bytes, which the client cannot read.
            ConnectionError::MqttState(StateError::Deserialization(ParseError::PayloadRequired)) => {
                Self::because("it ended the connection")
            }
            ConnectionError::MqttState(StateError::AwaitPingResp) => {
                Self::because("it gives no sign of life any more")
            }
            ConnectionError::MqttState(StateError::CollisionTimeout) => {
                Self::because("it left a message unacknowledged")
            }
            ConnectionError::Io(error)
            | ConnectionError::MqttState(
                StateError::Io(error) | StateError::Deserialization(ParseError::Io(error)),
            ) => Self::because(error.to_string()),
            other => Self::because(other.to_string()),
        }
    }

    fn turned_away(code: u8) -> Self {
        let reason = Reason(code);
        Self {
            turned_away: Some(reason),
            ..Self::because(format!("it does not let this box in: {reason}"))
        }
    }
}

/// The broker's reason for not taking a publish.
pub(super) fn refusal(reason: PubAckReason) -> Option<Reason> {
    let code = match reason {
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => return None,
        PubAckReason::UnspecifiedError => 128,
        PubAckReason::ImplementationSpecificError => 131,
        PubAckReason::NotAuthorized => NOT_AUTHORIZED,
        PubAckReason::TopicNameInvalid => 144,
        PubAckReason::PacketIdentifierInUse => 145,
        PubAckReason::QuotaExceeded => 151,
        PubAckReason::PayloadFormatInvalid => 153,
    };
    Some(Reason(code))
}

fn code_of(code: ConnectReturnCode) -> u8 {
    match code {
        ConnectReturnCode::Success => 0,
        ConnectReturnCode::MalformedPacket => 129,
        ConnectReturnCode::ProtocolError => 130,
        ConnectReturnCode::ImplementationSpecificError => 131,
        ConnectReturnCode::RefusedProtocolVersion | ConnectReturnCode::UnsupportedProtocolVersion => 132,
        ConnectReturnCode::BadClientId | ConnectReturnCode::ClientIdentifierNotValid => 133,
        ConnectReturnCode::BadUserNamePassword => 134,
        ConnectReturnCode::NotAuthorized => NOT_AUTHORIZED,
        ConnectReturnCode::ServiceUnavailable | ConnectReturnCode::ServerUnavailable => 136,
        ConnectReturnCode::ServerBusy => 137,
        ConnectReturnCode::Banned => 138,
        ConnectReturnCode::BadAuthenticationMethod => 140,
        ConnectReturnCode::TopicNameInvalid => 144,
        ConnectReturnCode::PacketTooLarge => TOO_LARGE,
        ConnectReturnCode::QuotaExceeded => 151,
        ConnectReturnCode::PayloadFormatInvalid => 153,
        ConnectReturnCode::RetainNotSupported => 154,
        ConnectReturnCode::QoSNotSupported => 155,
        ConnectReturnCode::UseAnotherServer => 156,
        ConnectReturnCode::ServerMoved => 157,
        ConnectReturnCode::ConnectionRateExceeded => 159,
        ConnectReturnCode::UnspecifiedError => 128,
    }
}
