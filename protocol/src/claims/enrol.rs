//! How a box makes itself known to the hub: its key, and whom to ring.

use serde::{Deserialize, Serialize};

use super::Word;
use crate::envelope::{Jwk, Kid};
use crate::name::Name;

/// A request to trust a key, signed with that key. No entry of the chain: it has no `seq`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Enrol {
    /// Version of the wire.
    pub v: u32,
    /// Organisation.
    pub org: Name,
    /// Room.
    pub room: Name,
    /// When it was signed, UTC seconds.
    pub iat: i64,
    /// The key that is asked for.
    pub jwk: Jwk,
    /// The key that it follows, when it is the next key of a box that the hub knows ([`crate::rotation`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<Kid>,
    /// The room's name, as people say it.
    pub name: String,
    /// A free label for grouping.
    #[serde(default)]
    pub area: Option<String>,
    /// Whom to ring (R34).
    #[serde(default)]
    pub contacts: Vec<Contact>,
}

/// Somebody who can be reached (R34).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// What for.
    pub role: Word<ContactRole>,
    /// Name.
    #[serde(default)]
    pub name: Option<String>,
    /// Post.
    #[serde(default)]
    pub title: Option<String>,
    /// Telephone.
    #[serde(default)]
    pub phone: Option<String>,
    /// E-mail.
    #[serde(default)]
    pub email: Option<String>,
}

/// What somebody is rung for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContactRole {
    /// Head of the unit.
    Head,
    /// Main technician.
    Main,
    /// Second technician.
    Second,
    /// The telecom that runs the line and the system here.
    Operator,
    /// Whom the operator's own people call next.
    OperatorEscalation,
    /// The centre.
    Centre,
    /// The power company.
    PowerCompany,
    /// The department.
    Authority,
}
