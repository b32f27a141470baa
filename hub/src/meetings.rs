//! `meeting add | list | show | cancel`: the operator's plan, straight in the database. A hub that runs learns it
//! within a second and tells the rooms.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use bridgepoint_protocol::name::Name;
use bridgepoint_protocol::nearest::nearest;
use bridgepoint_protocol::text::{self, Lang};
use serde::Serialize;

use crate::agenda::{Gathering, Part, Planned};
use crate::fleet::RoomState;
use crate::keyring::KeyState;
use crate::meeting::Meeting;
use crate::page::view::view_text;
use crate::rooms::{all, open, print};
use crate::say::{Exit, Trouble, both};
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError};

mod said;
mod wish;

pub use wish::{Known, Wish};

use said::{described, line, some_of};

/// Meetings, as JSON.
#[derive(Debug, Clone, Serialize)]
pub struct Meetings {
    /// The hub's clock, UTC milliseconds.
    pub now_ms: i64,
    /// The meetings: those ahead soonest first, then those that are over, newest first.
    pub meetings: Vec<Gathering>,
}

/// One meeting with its rooms, as JSON.
#[derive(Debug, Clone, Serialize)]
pub struct MeetingDetail<'a> {
    /// The hub's clock, UTC milliseconds.
    now_ms: i64,
    #[serde(flatten)]
    meeting: &'a Gathering,
    /// Its rooms, worst first.
    taking_part: Vec<RoomInMeeting<'a>>,
}

#[derive(Debug, Clone, Serialize)]
struct RoomInMeeting<'a> {
    #[serde(flatten)]
    room: &'a RoomState,
    part: &'a Part,
}

impl<'a> MeetingDetail<'a> {
    /// Of a meeting at a moment.
    #[must_use]
    pub fn new(meeting: &'a Gathering, now_ms: i64) -> Self {
        let taking_part = meeting.rooms.iter();
        Self {
            now_ms,
            meeting,
            taking_part: taking_part
                .map(|(room, part)| RoomInMeeting { room, part })
                .collect(),
        }
    }
}

/// Adds a meeting and prints it with its checkpoints. `orgs` are those of the configuration, if there is one.
///
/// # Errors
/// [`Trouble`] that says what cannot be, and what could.
pub fn add(
    store: &Path,
    wish: &Wish,
    orgs: Option<&[Name]>,
    lang: Lang,
    now_ms: i64,
    out: &mut impl Write,
) -> Result<Exit, Trouble> {
    let mut store = open(store)?;
    store.begin()?;
    // Two who add at once are not to have the same id.
    let added = keep(&mut store, wish, orgs, now_ms);
    let (meeting, waiting) = match added {
        Ok(done) => {
            store.commit()?;
            done
        }
        Err(trouble) => {
            store.rollback();
            return Err(trouble);
        }
    };
    let mut lines = vec![
        both(
            format!("Đã thêm phiên họp {}.", meeting.id),
            format!("Added the meeting {}.", meeting.id),
        )
        .in_lang(lang)
        .to_owned(),
    ];
    lines.extend(described(&meeting, lang, now_ms));
    if !waiting.is_empty() {
        let list = some_of(waiting.iter());
        let said = both(
            format!("Chưa duyệt hộp nên chưa nhận được lịch họp: {list}"),
            format!("Not approved yet, so not told yet: {list}"),
        );
        lines.push(said.in_lang(lang).to_owned());
    }
    print(out, &lines.join("\n"))
}

fn keep(
    store: &mut SqliteStore,
    wish: &Wish,
    orgs: Option<&[Name]>,
    now_ms: i64,
) -> Result<(Meeting, Vec<Name>), Trouble> {
    let known = store.rooms()?;
    let org = org(wish.org.as_deref(), orgs, known.iter().map(|at| &at.org))?;
    let rooms: BTreeSet<Name> = known
        .into_iter()
        .filter(|at| at.org == org)
        .map(|at| at.room)
        .collect();
    let ids: BTreeSet<Name> = store.meetings(i64::MIN)?.into_iter().map(|m| m.id).collect();
    let taken = |id: &Name| ids.contains(id);
    let meeting = wish.meeting(&Known {
        org,
        rooms: &rooms,
        now_ms,
        taken: &taken,
    })?;
    store.put_meeting(&meeting)?;
    let approved: BTreeSet<Name> = store
        .keys()?
        .into_iter()
        .filter(|key| key.state == KeyState::Approved && key.at.org == meeting.org)
        .map(|key| key.at.room)
        .collect();
    let waiting = meeting
        .rooms
        .iter()
        .flatten()
        .filter(|room| !approved.contains(*room));
    let waiting = waiting.cloned().collect();
    Ok((meeting, waiting))
}

/// The organisation that is meant: the one that is named, else the only one there is.
fn org<'a>(
    given: Option<&str>,
    configured: Option<&[Name]>,
    seen: impl Iterator<Item = &'a Name>,
) -> Result<Name, Trouble> {
    let known: BTreeSet<Name> = match configured {
        Some(orgs) => orgs.iter().cloned().collect(),
        None => seen.cloned().collect(),
    };
    let list = some_of(known.iter());
    let Some(word) = given else {
        let mut all = known.into_iter();
        return match (all.next(), all.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(Trouble::usage(both(
                format!("Máy chủ không có đúng một đơn vị ({list}). Chọn bằng --org."),
                format!("The hub has not exactly one organisation ({list}). Choose with --org."),
            ))),
        };
    };
    known
        .iter()
        .find(|org| org.as_str() == word)
        .cloned()
        .ok_or_else(|| {
            let like = nearest(word, known.iter().map(Name::as_str));
            let word = text::clean(word);
            let (vi, en) = like.map_or_else(
                || (String::new(), String::new()),
                |like| (format!(" Có phải là {like}?"), format!(" Did you mean {like}?")),
            );
            Trouble::no(both(
                format!("Máy chủ không có đơn vị \"{word}\" (có: {list}).{vi}"),
                format!("The hub has no organisation \"{word}\" (it has: {list}).{en}"),
            ))
        })
}

/// Prints meetings: those ahead, soonest first; with `past` those that are over too.
///
/// # Errors
/// [`Trouble`].
pub fn list(
    store: &Path,
    past: bool,
    json: bool,
    lang: Lang,
    now_ms: i64,
    out: &mut impl Write,
) -> Result<Exit, Trouble> {
    let meetings = if store.exists() {
        gathered(&SqliteStore::open_existing(store)?, past, now_ms)?
    } else {
        vec![]
    };
    if json {
        let everything = Meetings { now_ms, meetings };
        return print(
            out,
            &serde_json::to_string_pretty(&everything).unwrap_or_default(),
        );
    }
    if meetings.is_empty() {
        let none = both("Không có lịch họp.", "No meeting is planned.");
        return print(out, none.in_lang(lang));
    }
    let rows: Vec<String> = meetings.iter().map(|m| line(m, lang, now_ms)).collect();
    print(out, &rows.join("\n"))
}

/// The meetings with their rooms: ahead soonest first, then those that are over, newest first.
fn gathered(store: &SqliteStore, past: bool, now_ms: i64) -> Result<Vec<Gathering>, StoreError> {
    let rooms = all(store, now_ms)?;
    let kept = store.meetings(if past { i64::MIN } else { now_ms })?;
    let (ahead, mut over): (Vec<_>, Vec<_>) = kept.into_iter().partition(|m| now_ms < m.end_ms());
    over.reverse();
    let each = ahead.into_iter().chain(over);
    Ok(each.map(|m| Planned::new(m).gathering(&rooms, now_ms)).collect())
}

/// Prints one meeting with its rooms.
///
/// # Errors
/// [`Trouble`]; exit 1 when there is no such meeting.
pub fn show(
    store: &Path,
    id: &str,
    json: bool,
    lang: Lang,
    now_ms: i64,
    out: &mut impl Write,
) -> Result<Exit, Trouble> {
    let store = open(store)?;
    let meeting = find(&store, id)?;
    let meeting = Planned::new(meeting).gathering(&all(&store, now_ms)?, now_ms);
    if json {
        let detail = MeetingDetail::new(&meeting, now_ms);
        return print(out, &serde_json::to_string_pretty(&detail).unwrap_or_default());
    }
    let mut lines = vec![line(&meeting, lang, now_ms)];
    lines.extend(described(&meeting.meeting, lang, now_ms));
    for (room, part) in &meeting.rooms {
        let at = format!("{}  {}", room.standing.room, room.standing.name);
        let checked = crate::page::view::checked_text(part, lang, now_ms);
        lines.push(format!("{at}  {}  {checked}", view_text(room, lang)));
    }
    print(out, &lines.join("\n"))
}

/// Cancels a meeting: it is kept, and shown as cancelled; the rooms' plans no longer have it.
///
/// # Errors
/// [`Trouble`]; exit 1 when there is no such meeting, or it is over.
pub fn cancel(
    store: &Path,
    id: &str,
    lang: Lang,
    now_ms: i64,
    out: &mut impl Write,
) -> Result<Exit, Trouble> {
    let mut store = open(store)?;
    let mut meeting = find(&store, id)?;
    let id = meeting.id.clone();
    if let Some(cancelled_ms) = meeting.cancelled_ms {
        let when = text::moment(lang, cancelled_ms, now_ms);
        let said = both(
            format!("Phiên họp {id} đã hủy lúc {when}."),
            format!("The meeting {id} was cancelled at {when}."),
        );
        return print(out, said.in_lang(lang));
    }
    if meeting.end_ms() <= now_ms {
        return Err(Trouble::no(both(
            format!("Phiên họp {id} đã kết thúc, không còn gì để hủy."),
            format!("The meeting {id} is over; there is nothing left to cancel."),
        )));
    }
    (meeting.cancelled_ms, meeting.changed_ms) = (Some(now_ms), now_ms);
    store.put_meeting(&meeting)?;
    let subject = &meeting.subject;
    let said = both(
        format!("Đã hủy phiên họp {id}: {subject}. Lịch ở các điểm cầu được cập nhật khi máy chủ đang chạy."),
        format!("Cancelled the meeting {id}: {subject}. The rooms' plans follow while the hub runs."),
    );
    print(out, said.in_lang(lang))
}

fn find(store: &SqliteStore, id: &str) -> Result<Meeting, Trouble> {
    if let Ok(name) = Name::new(id)
        && let Some(meeting) = store.meeting(&name)?
    {
        return Ok(meeting);
    }
    let kept = store.meetings(i64::MIN)?;
    let like = nearest(id, kept.iter().map(|m| m.id.as_str()));
    let id = text::clean(id);
    let (vi, en) = like.map_or_else(
        || (String::new(), String::new()),
        |like| (format!(" Có phải là {like}?"), format!(" Did you mean {like}?")),
    );
    Err(Trouble::no(both(
        format!("Không có phiên họp \"{id}\".{vi} Xem: bridgepoint-hub meeting list --all"),
        format!("There is no meeting \"{id}\".{en} See: bridgepoint-hub meeting list --all"),
    )))
}
