//! What rooms are told about meetings: each approved room's own plan, signed and retained.
//!
//! A plan goes out when it says something else than the last one, when the hub starts, and when the broker comes
//! back, which may have forgotten what it kept, or never had the last word; a plan that says nothing any more, or was
//! taken back, is then said again as well. Its revision is written down before it is told, so that it grows
//! over restarts and over a clock that is set back.

use std::collections::{BTreeMap, BTreeSet};

use bridgepoint_protocol::WIRE_VERSION;
use bridgepoint_protocol::claims::{Contact, Plan};
use bridgepoint_protocol::envelope::{Kind, sha256_hex};
use bridgepoint_protocol::name::{Name, RoomAddress};
use bridgepoint_protocol::topic::{RoomTopic, Topic};

use super::{BROKER_LEARNS_MS, Desk, Publish};
use crate::agenda::{Agenda, REMEMBERED_MS};
use crate::keyring::KeyState;
use crate::meeting::{KEPT_IN_PLANS_MS, Meeting};
use crate::store::{PlanRow, Store, StoreError};

/// Plans that are told at one tick, so that thousands of rooms do not fill what waits for the broker.
const AT_ONCE: usize = 256;

/// Meetings in one plan, soonest first; an envelope has its size.
const MAX_MEETINGS: usize = 32;

/// Names of rooms in one plan. A meeting whose rooms do not fit names only the chair and the room itself.
const MAX_NAMES: usize = 300;

/// What rooms were told, and who is owed a word.
#[derive(Debug, Default)]
pub(super) struct Plans {
    /// What is kept may differ from what is known here.
    pub(super) unread: bool,
    reflector: Option<String>,
    contacts: Vec<Contact>,
    meetings: Vec<Meeting>,
    told: BTreeMap<RoomAddress, PlanRow>,
    owed: BTreeMap<RoomAddress, Owed>,
    /// When the next meeting falls out of the plans, UTC milliseconds.
    falls_ms: Option<i64>,
    joined: BTreeMap<Name, u64>,
}

/// A word that is owed.
#[derive(Debug, Clone, Copy)]
struct Owed {
    /// Not before, UTC milliseconds.
    due_ms: i64,
    /// Also when it says nothing new.
    anyway: bool,
}

impl Plans {
    pub(super) fn open<S: Store>(store: &S) -> Result<Self, StoreError> {
        let told = store.plans()?;
        let again = Owed {
            due_ms: i64::MIN,
            anyway: true,
        };
        let owed = told.keys().map(|at| (at.clone(), again)).collect();
        Ok(Self {
            unread: true,
            told,
            owed,
            ..Self::default()
        })
    }

    fn owe(&mut self, at: RoomAddress, due_ms: i64, anyway: bool) {
        let owed = self.owed.entry(at).or_insert(Owed { due_ms, anyway });
        owed.anyway |= anyway;
    }

    /// What a room is to be told, without what differs each time.
    fn says(&self, at: &RoomAddress, approved: &BTreeSet<RoomAddress>, now_ms: i64) -> Plan {
        let mut names_left = MAX_NAMES;
        let concerning = self
            .meetings
            .iter()
            .filter(|m| m.is_planned(now_ms) && m.concerns(&at.org, &at.room))
            .take(MAX_MEETINGS);
        let meetings = concerning
            .map(|meeting| {
                let named = named(meeting, at, approved, names_left);
                names_left = names_left.saturating_sub(named.len());
                meeting.told_to(&at.room, named)
            })
            .collect();
        Plan {
            v: WIRE_VERSION,
            org: at.org.clone(),
            room: at.room.clone(),
            iat: 0,
            rev: 0,
            issued_ms: 0,
            reflector: self.reflector.clone(),
            contacts: self.contacts.clone(),
            meetings,
            nonce: None,
        }
    }
}

/// The rooms that a meeting names to one of them: all, while they fit.
fn named(
    meeting: &Meeting,
    at: &RoomAddress,
    approved: &BTreeSet<RoomAddress>,
    fit: usize,
) -> BTreeSet<Name> {
    let rooms: BTreeSet<Name> = match &meeting.rooms {
        Some(rooms) if rooms.len() <= fit => rooms.clone(),
        Some(_) => BTreeSet::new(),
        None => approved
            .iter()
            .filter(|other| other.org == at.org)
            .map(|other| other.room.clone())
            .take(fit + 1)
            .collect(),
    };
    if rooms.is_empty() || rooms.len() > fit {
        return meeting.chair.iter().chain([&at.room]).cloned().collect();
    }
    rooms
}

/// The hash of what a plan says; empty when it says nothing.
fn content(plan: &Plan) -> String {
    if plan.meetings.is_empty() && plan.reflector.is_none() && plan.contacts.is_empty() {
        return String::new();
    }
    // It has neither map nor float: it can always be written.
    sha256_hex(&serde_json::to_vec(plan).unwrap_or_default())
}

/// The next revision: greater than the last one, and than that of a database which was restored from a copy.
fn next_rev(told: u64, now_ms: i64) -> u64 {
    told.saturating_add(1)
        .max(u64::try_from(now_ms / 1000).unwrap_or(0))
}

impl<S: Store> Desk<S> {
    /// With the address where line tests go (`host:port`), which every plan then tells.
    #[must_use]
    pub fn with_reflector(mut self, reflector: Option<String>) -> Self {
        self.plans.reflector = reflector;
        self
    }

    /// A message did not leave this program. A plan is owed again, a moment after the next look; whatever else it
    /// was, its room asks for it.
    pub fn not_sent(&mut self, message: &Publish) {
        if let Ok(Topic::Room(at, RoomTopic::Plan)) = message.topic.parse() {
            self.plans.owe(at, i64::MAX, true);
        }
    }

    /// Tells the rooms that are owed a word.
    ///
    /// # Errors
    /// [`StoreError`]: then nothing is told, and it stays owed.
    pub(super) fn tell_plans(&mut self, now_ms: i64, publish: &mut Vec<Publish>) -> Result<(), StoreError> {
        self.read_meetings(now_ms)?;
        self.hear_brokers();
        // A clock that was set back makes nobody wait until it has caught up.
        let latest_ms = now_ms.saturating_add(BROKER_LEARNS_MS);
        for owed in self.plans.owed.values_mut() {
            owed.due_ms = owed.due_ms.min(latest_ms);
        }
        let health = self.board.health();
        let reachable = |org: &Name| health.broker.get(org) != Some(&false);
        let due: Vec<(RoomAddress, Owed)> = self
            .plans
            .owed
            .iter()
            .filter(|(at, owed)| owed.due_ms <= now_ms && reachable(&at.org))
            .map(|(at, owed)| (at.clone(), *owed))
            .take(AT_ONCE)
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        let approved = self.approved();
        let mut told = Vec::new();
        let mut messages = Vec::new();
        for (at, owed) in &due {
            if let Some((row, message)) = self.word(at, owed.anyway, &approved, now_ms) {
                told.push((at.clone(), row));
                messages.extend(message);
            }
        }
        if !told.is_empty() {
            self.write_plans(&told)?;
        }
        for (at, _) in due {
            self.plans.owed.remove(&at);
        }
        self.plans.told.extend(told);
        publish.extend(messages);
        Ok(())
    }

    /// Reads the meetings again when they may have changed, or one has fallen out of the plans.
    fn read_meetings(&mut self, now_ms: i64) -> Result<(), StoreError> {
        let fallen = self.plans.falls_ms.is_some_and(|falls_ms| now_ms >= falls_ms);
        if !self.plans.unread && !fallen {
            return Ok(());
        }
        let meetings = self.store.meetings(now_ms.saturating_sub(REMEMBERED_MS))?;
        let agenda = Agenda::new(meetings.iter().cloned());
        if *self.board.agenda() != agenda {
            self.board.put_meetings(agenda);
        }
        self.plans.falls_ms = meetings
            .iter()
            .filter(|meeting| meeting.is_planned(now_ms))
            .map(|meeting| meeting.end_ms().saturating_add(KEPT_IN_PLANS_MS))
            .min();
        self.plans.meetings = meetings;
        self.plans.unread = false;
        for at in self.approved() {
            // The first plan of a room follows its approval, which the broker has to learn.
            let first = self.plans.told.get(&at).is_none_or(|row| row.content.is_empty());
            let wait_ms = if first { BROKER_LEARNS_MS } else { 0 };
            self.plans.owe(at, now_ms.saturating_add(wait_ms), false);
        }
        let spoken: Vec<RoomAddress> = self.plans.told.keys().cloned().collect();
        for at in spoken {
            self.plans.owe(at, now_ms, false);
        }
        Ok(())
    }

    /// A broker that was away and is back may have forgotten the plans.
    fn hear_brokers(&mut self) {
        for (org, joined) in self.board.health().joined {
            let before = self.plans.joined.insert(org.clone(), joined);
            if before.is_none_or(|before| before == joined) {
                continue;
            }
            let spoken: Vec<RoomAddress> = self
                .plans
                .told
                .keys()
                .filter(|at| at.org == org)
                .cloned()
                .collect();
            for at in spoken {
                self.plans.owe(at, i64::MIN, true);
            }
        }
    }

    fn approved(&self) -> BTreeSet<RoomAddress> {
        let approved = self.keyring.iter().filter(|key| key.state == KeyState::Approved);
        approved.map(|key| key.at.clone()).collect()
    }

    /// What is written down and what is told, when anything is.
    fn word(
        &self,
        at: &RoomAddress,
        anyway: bool,
        approved: &BTreeSet<RoomAddress>,
        now_ms: i64,
    ) -> Option<(PlanRow, Option<Publish>)> {
        let told = self.plans.told.get(at).cloned().unwrap_or_default();
        let rev = next_rev(told.rev, now_ms);
        if !approved.contains(at) {
            let silent = told.content.is_empty();
            let row = PlanRow {
                rev: if silent { told.rev } else { rev },
                content: String::new(),
            };
            // What nobody may read any more is not left at the broker.
            let taken_back = Publish {
                org: at.org.clone(),
                topic: Topic::Room(at.clone(), RoomTopic::Plan).to_string(),
                payload: String::new(),
                retain: true,
            };
            return (anyway || !silent).then_some((row, Some(taken_back)));
        }
        let plan = self.plans.says(at, approved, now_ms);
        let content = content(&plan);
        if content == told.content && !anyway {
            return None;
        }
        let plan = Plan {
            rev,
            iat: now_ms / 1000,
            issued_ms: now_ms,
            nonce: Some(self.challenger.issue(at, now_ms)),
            ..plan
        };
        let message = self.sealed(at, RoomTopic::Plan, Kind::Plan, &plan);
        let retained = message.map(|message| Publish {
            retain: true,
            ..message
        });
        Some((PlanRow { rev, content }, retained))
    }

    fn write_plans(&mut self, told: &[(RoomAddress, PlanRow)]) -> Result<(), StoreError> {
        self.store.begin()?;
        let written = told.iter().try_for_each(|(at, row)| self.store.put_plan(at, row));
        match written {
            Ok(()) => self.store.commit(),
            Err(e) => {
                self.store.rollback();
                Err(e)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_only_grows() {
        assert_eq!(
            next_rev(0, 1_795_000_000_000),
            1_795_000_000,
            "a database from a copy goes on above the lost one"
        );
        assert_eq!(
            next_rev(1_795_000_000, 1_795_000_000_400),
            1_795_000_001,
            "twice in one second"
        );
        assert_eq!(
            next_rev(1_795_000_000, 0),
            1_795_000_001,
            "the clock was set back"
        );
        assert_eq!(next_rev(7, -1), 8);
    }
}
