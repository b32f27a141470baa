//! The meetings that are ahead, and what they ask of a room at a moment. Pure.
//!
//! A room has to be heard for each of its profile's checkpoints of the day (T-90 and T-20 in `quang-ninh`); the
//! moments are worked out once for each meeting and built-in profile, since thousands of rooms ask for them.

use std::collections::BTreeSet;
use std::sync::Arc;

use bridgepoint_protocol::name::Name;
use bridgepoint_protocol::profile::{BUILT_IN, Profile};
use bridgepoint_protocol::schedule::{self, Moment};
use serde::Serialize;

use crate::fleet::{self, RoomState, Standing};
use crate::meeting::Meeting;
use crate::store::Checked;

/// The profile by which a room is measured that has not reported yet, or reports by a file of its own.
pub const DEFAULT_PROFILE: &str = "quang-ninh";

/// A meeting that is further ahead asks nothing of a room yet, milliseconds.
pub const DUE_MS: i64 = 24 * 60 * 60 * 1000;

/// From a checkpoint's moment on a room's result may take so long to come, milliseconds (product default): its box
/// begins at that moment, a run has 60 seconds, and the rest is for a connection that is made anew.
pub const ANSWER_MS: i64 = 3 * 60 * 1000;

/// Where a profile does not say from when on a check counts for a checkpoint, one that is made so long before it
/// does, milliseconds (product default; the time between T-105 and T-90 in R2).
pub const SLACK_MS: i64 = 15 * 60 * 1000;

/// The time that a room has at least between a meeting being added and its absence being silence, milliseconds
/// (product default): an urgent meeting may be added after its T-90 (R7).
pub const NOTICE_MS: i64 = 15 * 60 * 1000;

/// An organisation whose last meeting is longer ago is one that does not plan its meetings here, milliseconds.
pub const REMEMBERED_MS: i64 = 31 * DUE_MS;

/// The meetings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Agenda {
    /// Soonest first; cancelled ones and those of the last weeks are among them.
    kept: Vec<Arc<Planned>>,
    /// Organisations that plan their meetings here.
    planning: BTreeSet<Name>,
}

/// A meeting with its moments.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The meeting.
    pub meeting: Meeting,
    /// Its checkpoints by built-in profile.
    moments: Vec<(&'static str, Vec<Moment>)>,
}

/// What a meeting asks of one room, and what came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// The checkpoint by which the room is to be heard, e.g. `T-90`.
    pub checkpoint: String,
    /// From when on a run counts for it, UTC milliseconds.
    pub from_ms: i64,
    /// Its limit, UTC milliseconds: the checkpoint's moment and the time that an answer takes. From then on silence
    /// is silence.
    pub limit_ms: i64,
    /// The limit has passed.
    pub late: bool,
    /// The newest full run for the meeting.
    pub checked: Option<Checked>,
    /// The room has reported for the meeting, and on its day not only the day before.
    pub reported: bool,
    /// When the full run was made by which it was heard, UTC milliseconds; it need not name this meeting.
    pub heard_ms: Option<i64>,
}

/// A room's next meeting, or the one that it is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NextMeeting {
    /// Its id.
    pub id: Name,
    /// Its subject.
    pub subject: String,
    /// Official start, UTC milliseconds.
    pub start_ms: i64,
    /// Its end, UTC milliseconds.
    pub end_ms: i64,
    /// It begins within a day, or has begun.
    pub due: bool,
    /// What it asks of the room, and what came.
    #[serde(flatten)]
    pub part: Part,
}

/// A meeting with its rooms at a moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gathering {
    /// The meeting.
    #[serde(flatten)]
    pub meeting: Meeting,
    /// Its end, UTC milliseconds.
    pub end_ms: i64,
    /// The checkpoint by which rooms of the default profile are to be heard.
    pub checkpoint: String,
    /// Its limit, UTC milliseconds, with the time that an answer takes.
    pub limit_ms: i64,
    /// How many rooms take part.
    pub total: usize,
    /// How many of them have reported for it.
    pub reported: usize,
    /// The rooms, worst first, with what it asks of each.
    #[serde(skip)]
    pub rooms: Vec<(RoomState, Part)>,
}

impl Agenda {
    /// Of the meetings that are kept.
    #[must_use]
    pub fn new(kept: impl IntoIterator<Item = Meeting>) -> Self {
        let mut agenda = Self::default();
        for meeting in kept {
            agenda.planning.insert(meeting.org.clone());
            agenda.kept.push(Arc::new(Planned::new(meeting)));
        }
        agenda
            .kept
            .sort_by(|a, b| (a.meeting.start_ms, &a.meeting.id).cmp(&(b.meeting.start_ms, &b.meeting.id)));
        agenda
    }

    /// Meetings that are neither over nor cancelled, soonest first.
    pub fn ahead(&self, now_ms: i64) -> impl Iterator<Item = &Arc<Planned>> {
        self.kept
            .iter()
            .filter(move |p| p.meeting.cancelled_ms.is_none() && now_ms < p.meeting.end_ms())
    }

    /// All of them, those that are over or cancelled too, soonest first.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Planned>> {
        self.kept.iter()
    }

    /// One of them.
    #[must_use]
    pub fn meeting(&self, id: &str) -> Option<&Arc<Planned>> {
        self.kept.iter().find(|p| p.meeting.id.as_str() == id)
    }

    /// Whether an organisation plans its meetings here.
    #[must_use]
    pub fn plans_for(&self, org: &Name) -> bool {
        self.planning.contains(org)
    }

    /// A room's next meeting, or the one that it is in. A long one does not hide another for which the room is
    /// overdue.
    #[must_use]
    pub fn next(&self, standing: &Standing, now_ms: i64) -> Option<NextMeeting> {
        let mine = || {
            self.ahead(now_ms)
                .filter(|p| p.meeting.concerns(&standing.org, &standing.room))
        };
        let overdue = mine()
            .filter(|p| p.is_due(now_ms))
            .map(|p| p.asks(standing, now_ms))
            .find(|next| next.part.late && !next.part.heard(standing));
        overdue.or_else(|| mine().next().map(|p| p.asks(standing, now_ms)))
    }
}

impl Planned {
    /// A meeting with its moments by each built-in profile.
    #[must_use]
    pub fn new(meeting: Meeting) -> Self {
        let moments = BUILT_IN.iter().filter_map(|(name, _)| {
            let profile = Profile::built_in(name).ok()?;
            Some((*name, schedule::moments(&profile, meeting.start_ms)))
        });
        let moments = moments.collect();
        Self { meeting, moments }
    }

    /// Its checkpoints by a profile that is built in, else by the default one; earliest first.
    #[must_use]
    pub fn moments(&self, profile: Option<&str>) -> &[Moment] {
        let of = |wanted: &str| self.moments.iter().find(|(name, _)| *name == wanted);
        profile
            .and_then(of)
            .or_else(|| of(DEFAULT_PROFILE))
            .map_or(&[][..], |(_, moments)| moments)
    }

    /// The checkpoint by which a room has to be heard, from when on a run counts for it, and its limit: of the
    /// meeting's own day the first whose limit has passed and for which nothing was `heard` since that moment; when
    /// all was heard the latest that has passed, and before that the first. In a profile without one of the day it
    /// is the last there is.
    fn deciding(
        &self,
        profile: Option<&str>,
        now_ms: i64,
        heard: impl Fn(i64) -> bool,
    ) -> (String, i64, i64) {
        let start_ms = self.meeting.start_ms;
        let moments = self.moments(profile);
        let noticed_ms = self.meeting.created_ms.saturating_add(NOTICE_MS).min(start_ms);
        let from = |m: &Moment| m.from_ms.unwrap_or(m.limit_ms.saturating_sub(SLACK_MS));
        let limit = |m: &Moment| m.limit_ms.saturating_add(ANSWER_MS).max(noticed_ms);
        let of_the_day = || {
            let near = |m: &&Moment| start_ms.saturating_sub(m.limit_ms) < DUE_MS / 2;
            moments.iter().filter(near)
        };
        let passed = || of_the_day().filter(|m| now_ms >= limit(m));
        let moment = passed()
            .find(|m| !heard(from(m)))
            .or_else(|| passed().next_back())
            .or_else(|| of_the_day().next())
            .or(moments.last());
        match moment {
            Some(moment) => (moment.name.clone(), from(moment), limit(moment)),
            None => (String::new(), start_ms.saturating_sub(SLACK_MS), start_ms),
        }
    }

    /// Whether rooms are needed for it: it begins within a day, or has begun, or so does its rehearsal, which is
    /// taken to last as long as the meeting.
    fn is_due(&self, now_ms: i64) -> bool {
        let near = |ms: i64| ms.saturating_sub(now_ms) <= DUE_MS;
        let rehearses = |ms: i64| near(ms) && now_ms < schedule::end(ms, self.meeting.length_min);
        near(self.meeting.start_ms) || self.meeting.rehearsal_ms.is_some_and(rehearses)
    }

    /// It as a room's next meeting.
    fn asks(&self, standing: &Standing, now_ms: i64) -> NextMeeting {
        let meeting = &self.meeting;
        NextMeeting {
            id: meeting.id.clone(),
            subject: meeting.subject.clone(),
            start_ms: meeting.start_ms,
            end_ms: meeting.end_ms(),
            due: self.is_due(now_ms),
            part: self.part(standing, now_ms),
        }
    }

    /// What it asks of a room, and what came.
    #[must_use]
    pub fn part(&self, standing: &Standing, now_ms: i64) -> Part {
        let result = standing.result.as_ref();
        let mut checked = standing.checked.iter();
        let checked = checked.find(|checked| checked.meeting == self.meeting.id.as_str());
        let heard = |from_ms| heard_since(standing, checked, from_ms).is_some();
        let (checkpoint, from_ms, limit_ms) =
            self.deciding(result.map(|result| result.profile.as_str()), now_ms, heard);
        // Once its own day's check may be made, the trial of the day before is no answer any more.
        let reported = heard(from_ms) || (now_ms < from_ms && checked.is_some());
        Part {
            checkpoint,
            from_ms,
            limit_ms,
            late: now_ms >= limit_ms,
            checked: checked.cloned(),
            reported,
            heard_ms: heard_since(standing, checked, from_ms),
        }
    }

    /// The meeting with its rooms out of `rooms`, worst first.
    #[must_use]
    pub fn gathering(&self, rooms: &[RoomState], now_ms: i64) -> Gathering {
        let ahead = self.meeting.cancelled_ms.is_none() && now_ms < self.meeting.end_ms();
        let part = |room: &RoomState| {
            let asks = self.asks(&room.standing, now_ms);
            let part = asks.part.clone();
            // A room that takes part in another one as well stands here as it does for this one.
            let here = if ahead {
                room.at(asks, now_ms)
            } else {
                room.clone()
            };
            (here, part)
        };
        let mut rooms: Vec<_> = rooms.iter().filter(|room| self.gathers(room)).map(part).collect();
        rooms.sort_by(|(a, _), (b, _)| fleet::worst_first(a, b));
        let (checkpoint, _, limit_ms) = self.deciding(None, now_ms, |_| true);
        Gathering {
            end_ms: self.meeting.end_ms(),
            meeting: self.meeting.clone(),
            checkpoint,
            limit_ms,
            total: rooms.len(),
            reported: rooms.iter().filter(|(_, part)| part.reported).count(),
            rooms,
        }
    }

    /// How many rooms take part and how many have reported, without a copy of each.
    #[must_use]
    pub fn count<'a>(&self, rooms: impl IntoIterator<Item = &'a RoomState>, now_ms: i64) -> (usize, usize) {
        let mine = rooms.into_iter().filter(|room| self.gathers(room));
        mine.fold((0, 0), |(total, reported), room| {
            let part = self.part(&room.standing, now_ms);
            (total + 1, reported + usize::from(part.reported))
        })
    }

    /// A room whose box nobody approved takes part only where it is named.
    fn gathers(&self, room: &RoomState) -> bool {
        let standing = &room.standing;
        let wanted = self.meeting.rooms.is_some() || standing.enrolment == fleet::Enrolment::Approved;
        wanted && self.meeting.concerns(&standing.org, &standing.room)
    }
}

impl Part {
    /// Whether the room was heard: by any full run since the check might be made. A technician who checks by hand
    /// has been heard, and so has a room that is in its call and reports what it carries from before.
    #[must_use]
    pub fn heard(&self, standing: &Standing) -> bool {
        heard_since(standing, self.checked.as_ref(), self.from_ms).is_some()
    }
}

/// When a full run was made since a moment: the newest for the meeting, else the newest of all.
fn heard_since(standing: &Standing, checked: Option<&Checked>, from_ms: i64) -> Option<i64> {
    let since = |ms: &i64| *ms >= from_ms;
    let for_it = checked.map(|checked| checked.measured_ms).filter(since);
    for_it.or_else(|| standing.result.as_ref().map(|r| r.measured_ms).filter(since))
}

#[cfg(test)]
mod tests;
