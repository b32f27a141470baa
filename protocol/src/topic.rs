//! MQTT topics, both ways: `bp/1/<org>/<room>/<kind>` and `bp/1/<org>/_hub/<kind>` (contract, "MQTT").
//!
//! Fixed depth and a narrow alphabet: a topic that does not parse here is nobody's.

use std::fmt;
use std::str::FromStr;

use crate::name::{Name, RoomAddress};

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A room's own.
    Room(RoomAddress, RoomTopic),
    /// The hub's, one set an organisation.
    Hub(Name, HubTopic),
}

/// A room's topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RoomTopic {
    /// Presence, retained, also the will; from the agent.
    State,
    /// Plain JSON for dashboards, retained; from the agent.
    Readiness,
    /// Signed reports; from the agent.
    Report,
    /// Signed events, attestations and gaps; from the agent.
    Event,
    /// Signed enrolment; from the agent.
    Enrol,
    /// Signed receipts; from the hub.
    Receipt,
    /// Signed plan, retained; from the hub.
    Plan,
    /// Signed commands; from the hub.
    Command,
}

/// The hub's topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HubTopic {
    /// Presence, retained, also the will.
    State,
    /// The hub's public JWK, retained.
    Key,
}

impl RoomTopic {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::State,
        Self::Readiness,
        Self::Report,
        Self::Event,
        Self::Enrol,
        Self::Receipt,
        Self::Plan,
        Self::Command,
    ];

    /// Last level of the topic.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Readiness => "readiness",
            Self::Report => "report",
            Self::Event => "event",
            Self::Enrol => "enrol",
            Self::Receipt => "receipt",
            Self::Plan => "plan",
            Self::Command => "cmd",
        }
    }

    /// True for what the agent publishes, false for what the hub publishes.
    #[must_use]
    pub fn from_agent(self) -> bool {
        !matches!(self, Self::Receipt | Self::Plan | Self::Command)
    }
}

impl HubTopic {
    /// Last level of the topic.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Key => "key",
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Room(at, kind) => write!(f, "bp/1/{}/{}/{}", at.org, at.room, kind.word()),
            Self::Hub(org, kind) => write!(f, "bp/1/{org}/_hub/{}", kind.word()),
        }
    }
}

/// A topic that is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0:.120}\" is no bridgepoint topic")]
pub struct TopicError(String);

impl FromStr for Topic {
    type Err = TopicError;
    fn from_str(text: &str) -> Result<Self, TopicError> {
        let wrong = || TopicError(text.to_owned());
        let mut levels = text.strip_prefix("bp/1/").ok_or_else(wrong)?.split('/');
        let (Some(org), Some(place), Some(kind), None) =
            (levels.next(), levels.next(), levels.next(), levels.next())
        else {
            return Err(wrong());
        };
        let org = Name::new(org).map_err(|_| wrong())?;
        if place == "_hub" {
            let kind = [HubTopic::State, HubTopic::Key]
                .into_iter()
                .find(|k| k.word() == kind)
                .ok_or_else(wrong)?;
            return Ok(Self::Hub(org, kind));
        }
        let room = Name::new(place).map_err(|_| wrong())?;
        let kind = RoomTopic::ALL
            .into_iter()
            .find(|k| k.word() == kind)
            .ok_or_else(wrong)?;
        Ok(Self::Room(RoomAddress { org, room }, kind))
    }
}

/// The filter for everything that rooms of `org` publish of one kind.
#[must_use]
pub fn all_rooms(org: &Name, kind: RoomTopic) -> String {
    format!("bp/1/{org}/+/{}", kind.word())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn topics_of_the_contract() {
        let at: RoomAddress = "quang-ninh/bai-chay".parse().unwrap();
        assert_eq!(
            Topic::Room(at, RoomTopic::Command).to_string(),
            "bp/1/quang-ninh/bai-chay/cmd"
        );
        assert_eq!(
            "bp/1/quang-ninh/_hub/key".parse(),
            Ok(Topic::Hub("quang-ninh".parse().unwrap(), HubTopic::Key))
        );
        for bad in [
            "bp/2/abc/def/state",
            "bp/1/abc/_hub/report",
            "bp/1/abc/_x/state",
            "bp/1/abc/def/state/x",
            "bp/1/abc/+/state",
            "bp/1/abc/def",
            "",
        ] {
            assert!(bad.parse::<Topic>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn both_ways(org in "[a-z0-9-]{3,40}", room in "[a-z0-9-]{3,40}", which in 0_usize..8) {
            let at = RoomAddress { org: Name::new(&org).unwrap(), room: Name::new(&room).unwrap() };
            let topic = Topic::Room(at, RoomTopic::ALL[which]);
            prop_assert_eq!(topic.to_string().parse::<Topic>().unwrap(), topic);
        }

        #[test]
        fn any_text_without_panic(text in ".{0,200}") {
            let _ = text.parse::<Topic>();
        }
    }
}
