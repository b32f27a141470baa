//! `room list | show | approve | revoke | import`: the operator's decisions about boxes, straight in the database. A hub that
//! runs learns them within a second.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use bridgepoint_protocol::chain::ChainState;
use bridgepoint_protocol::name::RoomAddress;
use bridgepoint_protocol::text::{self, Lang};

use crate::agenda::{Agenda, REMEMBERED_MS};
use crate::detail::{RoomDetail, detail};
use crate::fleet::{Enrolment, RoomState, fleet, standing};
use crate::ingest::Reason;
use crate::keyring::KeyState;
use crate::page::json::{Fleet, Wanted};
use crate::page::view::{view_text, why_text};
use crate::say::{Exit, Trouble, both};
use crate::store::sqlite::SqliteStore;
use crate::store::{Expected, Store, StoreError};
use serde::Serialize;

mod decision;
mod import;

pub use decision::{Wish, approve, revoke};
pub use import::import;

/// Prints all rooms.
///
/// # Errors
/// [`Trouble`].
pub fn list(
    store: &Path,
    json: bool,
    lang: Lang,
    now_ms: i64,
    out: &mut impl Write,
) -> Result<Exit, Trouble> {
    let (states, expected) = if store.exists() {
        let store = SqliteStore::open_existing(store)?;
        (all(&store, now_ms)?, store.expected()?)
    } else {
        (vec![], vec![])
    };
    if json {
        let wanted = Wanted {
            limit: Some(usize::MAX),
            ..Wanted::default()
        };
        let everything = List {
            fleet: wanted.of(states, now_ms),
            expected: expected.iter().map(ExpectedRow::from).collect(),
        };
        return print(
            out,
            &serde_json::to_string_pretty(&everything).unwrap_or_default(),
        );
    }
    if states.is_empty() && expected.is_empty() {
        let none = both("Chưa có điểm cầu nào đăng ký.", "No room has asked yet.");
        return print(out, none.in_lang(lang));
    }
    let mut rows: Vec<[String; 5]> = states.iter().map(|room| row(room, lang, now_ms)).collect();
    rows.extend(expected.iter().map(|expected| awaited(expected, lang, now_ms)));
    print(out, &table(&rows))
}

/// `room list --json`.
#[derive(Debug, Serialize)]
struct List {
    #[serde(flatten)]
    fleet: Fleet,
    /// Boxes that are approved when they first ask.
    expected: Vec<ExpectedRow>,
}

/// A box that is approved when it first asks.
#[derive(Debug, Serialize)]
struct ExpectedRow {
    org: String,
    room: String,
    name: String,
    fingerprint: String,
    added_ms: i64,
}

impl From<&Expected> for ExpectedRow {
    fn from(expected: &Expected) -> Self {
        Self {
            org: expected.at.org.to_string(),
            room: expected.at.room.to_string(),
            name: expected.name.clone(),
            fingerprint: expected.fingerprint.to_string(),
            added_ms: expected.added_ms,
        }
    }
}

fn awaited(expected: &Expected, lang: Lang, now_ms: i64) -> [String; 5] {
    let said = both("chờ hộp đăng ký lần đầu", "expected, has not asked yet");
    [
        expected.at.to_string(),
        expected.name.clone(),
        said.in_lang(lang).to_owned(),
        expected.fingerprint.to_string(),
        text::moment(lang, expected.added_ms, now_ms),
    ]
}

/// Prints one room.
///
/// # Errors
/// [`Trouble`]; exit 1 when there is no such room.
pub fn show(
    store: &Path,
    at: &RoomAddress,
    json: bool,
    lang: Lang,
    now_ms: i64,
    out: &mut impl Write,
) -> Result<Exit, Trouble> {
    let detail = detail(&open(store)?, at, now_ms)?.ok_or_else(|| no_such_room(at))?;
    if json {
        return print(out, &serde_json::to_string_pretty(&detail).unwrap_or_default());
    }
    print(out, &described(&detail, lang, now_ms))
}

pub(crate) fn open(store: &Path) -> Result<SqliteStore, Trouble> {
    if !store.exists() {
        let shown = store.display();
        return Err(Trouble::no(both(
            format!("Chưa có dữ liệu ở {shown}. Chạy máy chủ trước, hoặc chỉ đúng thư mục bằng --state."),
            format!(
                "There are no data at {shown}. Run the hub first, or name the right directory with --state."
            ),
        )));
    }
    Ok(SqliteStore::open_existing(store)?)
}

fn no_such_room(at: &RoomAddress) -> Trouble {
    Trouble::no(both(
        format!("Không có điểm cầu {at}: chưa có hộp nào đăng ký. Xem: bridgepoint-hub room list"),
        format!("There is no room {at}: no box has asked. See: bridgepoint-hub room list"),
    ))
}

pub(crate) fn all(store: &impl Store, now_ms: i64) -> Result<Vec<RoomState>, StoreError> {
    let mut rows = Vec::new();
    for at in store.rooms()? {
        rows.extend(store.kept(&at)?.map(|kept| Arc::new(standing(&kept))));
    }
    Ok(fleet(rows, &agenda(store, now_ms)?, now_ms))
}

/// The meetings that are kept and not long over.
///
/// # Errors
/// [`StoreError`].
pub fn agenda<S: Store + ?Sized>(store: &S, now_ms: i64) -> Result<Agenda, StoreError> {
    Ok(Agenda::new(store.meetings(now_ms.saturating_sub(REMEMBERED_MS))?))
}

fn row(room: &RoomState, lang: Lang, now_ms: i64) -> [String; 5] {
    let s = &room.standing;
    [
        format!("{}/{}", s.org, s.room),
        s.name.clone(),
        view_text(room, lang),
        why_text(room, lang),
        text::moment(lang, room.since_ms, now_ms),
    ]
}

/// Columns of equal width, two spaces between.
fn table(rows: &[[String; 5]]) -> String {
    let mut widths = [0; 5];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; 5]| {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn described(detail: &RoomDetail, lang: Lang, now_ms: i64) -> String {
    let room = &detail.state;
    let s = &room.standing;
    let moment = |ms: i64| text::moment(lang, ms, now_ms);
    let mut lines = vec![
        format!("{}/{}  {}", s.org, s.room, s.name),
        format!("{}  ({})", view_text(room, lang), moment(room.since_ms)),
    ];
    lines.extend(Some(why_text(room, lang)).filter(|why| !why.is_empty()));
    if let Some(seen) = s.last_seen_ms {
        lines.push(
            both(
                format!("Liên lạc lần cuối: {}", moment(seen)),
                format!("Last heard: {}", moment(seen)),
            )
            .in_lang(lang)
            .to_owned(),
        );
    }
    if let Some(state) = s.chain.state {
        let (held, missing, forks) = (s.chain.held, s.chain.missing, s.chain.forks);
        let said = match state {
            ChainState::Complete => both(
                format!("Sổ nhật ký: {held} mục, đủ và nguyên vẹn"),
                format!("Logbook: {held} entries, complete"),
            ),
            ChainState::Pending => both(
                format!("Sổ nhật ký: {held} mục, còn chờ {missing} mục"),
                format!("Logbook: {held} entries, waiting for {missing}"),
            ),
            ChainState::Forked => both(
                format!(
                    "Sổ nhật ký: {held} mục, có {forks} mục mâu thuẫn. Gọi điểm cầu; nếu hộp đã được cài lại: thu hồi rồi duyệt lại."
                ),
                format!(
                    "Logbook: {held} entries, {forks} contradicting. Call the room; if its box was set up anew, revoke it and approve it again."
                ),
            ),
        };
        lines.push(said.in_lang(lang).to_owned());
    }
    if let Some(first) = s.chain.first.filter(|first| *first > 1) {
        let said = both(
            format!("Sổ nhật ký ở đây bắt đầu từ mục {first}; các mục trước đó chỉ có trong hộp."),
            format!("The logbook begins here with entry {first}; what was before is in the box alone."),
        );
        lines.push(said.in_lang(lang).to_owned());
    }
    if s.result.as_ref().is_some_and(|r| r.verdict_differs) {
        let said = both(
            "Kết luận của hộp khác với kết luận tính lại.",
            "The box's verdict differs from the one computed here.",
        );
        lines.push(said.in_lang(lang).to_owned());
    }
    for key in &detail.keys {
        let state = match key.state {
            KeyState::Pending => both("chờ duyệt", "waits"),
            KeyState::Next => both("khóa tiếp theo, chưa dùng", "the next key, not used yet"),
            KeyState::Approved => both("đã duyệt", "approved"),
            KeyState::Former => both("khóa cũ", "a former key"),
            KeyState::Revoked => both("đã thu hồi", "revoked"),
        };
        let range = key.range().map(|range| format!(", {}", range.in_lang(lang)));
        lines.push(format!(
            "{}  {}{}  ({})",
            key.fingerprint,
            state.in_lang(lang),
            range.unwrap_or_default(),
            moment(key.decided_ms.unwrap_or(key.first_ms))
        ));
    }
    for (word, count) in &s.refused {
        let why = Reason::ALL
            .into_iter()
            .find(|why| why.word() == word)
            .map_or_else(|| both(word, word), Reason::said);
        let said = both(
            format!("Từ chối {} tin {}", count.n, why.vi),
            format!("Refused {} messages {}", count.n, why.en),
        );
        lines.push(format!("{}  ({})", said.in_lang(lang), moment(count.last_ms)));
    }
    if s.enrolment == Enrolment::Pending || !s.challengers.is_empty() {
        let at = format!("{}/{}", s.org, s.room);
        let said = both(
            format!("So mã qua điện thoại rồi duyệt: bridgepoint-hub room approve {at}"),
            format!("Compare the fingerprint over the telephone, then: bridgepoint-hub room approve {at}"),
        );
        lines.push(said.in_lang(lang).to_owned());
    }
    lines.join("\n")
}

pub(crate) fn print(out: &mut impl Write, text: &str) -> Result<Exit, Trouble> {
    writeln!(out, "{text}").map_err(|e| Trouble::output(&e))?;
    Ok(Exit::Done)
}
