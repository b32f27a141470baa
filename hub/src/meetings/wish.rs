//! What `meeting add` is asked for, checked: the command line's words in, a [`Meeting`] or a clear refusal out. Pure.

use std::collections::BTreeSet;

use bridgepoint_protocol::name::Name;
use bridgepoint_protocol::nearest::nearest;
use bridgepoint_protocol::text::{self, Lang};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use crate::meeting::Meeting;
use crate::say::{Trouble, both};

/// The longest meeting, minutes: what is longer is several.
const MAX_LENGTH_MIN: u32 = 24 * 60;

/// The furthest start, days: what is further has a wrong year.
const MAX_AHEAD_DAYS: i64 = 366;

/// Call rates that there are, kbit/s.
const RATES: std::ops::RangeInclusive<u32> = 64..=50_000;

/// What is asked for, as it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// The organisation; may be left out when the hub has one.
    pub org: Option<String>,
    /// Subject.
    pub subject: String,
    /// Official start.
    pub start: String,
    /// Length, minutes.
    pub length_min: u32,
    /// Rehearsal (R1).
    pub rehearsal: Option<String>,
    /// `all`, or ids separated by commas.
    pub rooms: String,
    /// The chair room.
    pub chair: Option<String>,
    /// Called at short notice (R7).
    pub urgent: bool,
    /// Call rate, kbit/s each way.
    pub rate_kbps: Option<u32>,
    /// Recording wanted (R8).
    pub recording: bool,
    /// Slides wanted (R8, R25).
    pub slides: bool,
    /// Video playback wanted (R8).
    pub video: bool,
    /// Its id; made from the day when it is left out.
    pub id: Option<String>,
}

/// What a wish is checked against.
pub struct Known<'a> {
    /// The organisation.
    pub org: Name,
    /// Its rooms, as far as they have asked.
    pub rooms: &'a BTreeSet<Name>,
    /// Now, UTC milliseconds.
    pub now_ms: i64,
    /// Whether an id is taken, also by a meeting that was cancelled.
    pub taken: &'a dyn Fn(&Name) -> bool,
}

impl Wish {
    /// The meeting that is asked for.
    ///
    /// # Errors
    /// [`Trouble`] that names what cannot be, and what could.
    pub fn meeting(&self, known: &Known<'_>) -> Result<Meeting, Trouble> {
        let subject = text::clean(&self.subject);
        if subject.is_empty() {
            return Err(Trouble::usage(both(
                "Phiên họp chưa có tên. Viết --subject \"Giao ban tháng 11\".",
                "The meeting has no subject. Write --subject \"November briefing\".",
            )));
        }
        let start_ms = self.start(known.now_ms)?;
        let rooms = rooms(&self.rooms, known)?;
        let chair = self.chair.as_deref().map(|word| room(word, known)).transpose()?;
        if let (Some(chair), Some(rooms)) = (&chair, &rooms)
            && !rooms.contains(chair)
        {
            return Err(Trouble::usage(both(
                format!(
                    "Điểm cầu chủ tọa {chair} không có trong --rooms. Thêm vào --rooms, hoặc chọn điểm cầu khác."
                ),
                format!("The chair {chair} is not among --rooms. Add it there, or choose another room."),
            )));
        }
        let length_min = length(self.length_min)?;
        let rehearsal_ms = self.rehearsal(start_ms)?;
        if let Some(rate) = self.rate_kbps.filter(|rate| !RATES.contains(rate)) {
            let (least, most) = (RATES.start(), RATES.end());
            return Err(Trouble::usage(both(
                format!(
                    "Tốc độ cuộc họp {rate} kbit/s không hợp lệ. Viết --rate-kbps từ {least} đến {most}."
                ),
                format!("A rate of {rate} kbit/s cannot be. Write --rate-kbps from {least} to {most}."),
            )));
        }
        Ok(Meeting {
            id: self.id(start_ms, known)?,
            org: known.org.clone(),
            subject,
            rooms,
            chair,
            start_ms,
            rehearsal_ms,
            length_min,
            urgent: self.urgent,
            recording: self.recording,
            slides: self.slides,
            video: self.video,
            rate_kbps: self.rate_kbps,
            created_ms: known.now_ms,
            changed_ms: known.now_ms,
            cancelled_ms: None,
        })
    }

    fn start(&self, now_ms: i64) -> Result<i64, Trouble> {
        let start_ms = moment("--start", &self.start)?;
        if start_ms <= now_ms {
            let (start, now) = (shown(start_ms), shown(now_ms));
            return Err(Trouble::usage(both(
                format!("Giờ họp {start} đã qua (bây giờ là {now}). Viết lại --start."),
                format!("The start, {start}, is past (it is now {now}). Write another --start."),
            )));
        }
        if start_ms - now_ms > MAX_AHEAD_DAYS * 86_400_000 {
            let start = shown(start_ms);
            return Err(Trouble::usage(both(
                format!("Giờ họp {start} còn hơn {MAX_AHEAD_DAYS} ngày. Xem lại năm trong --start."),
                format!(
                    "The start, {start}, is more than {MAX_AHEAD_DAYS} days ahead. Look at the year in --start."
                ),
            )));
        }
        Ok(start_ms)
    }

    fn rehearsal(&self, start_ms: i64) -> Result<Option<i64>, Trouble> {
        let Some(word) = &self.rehearsal else {
            return Ok(None);
        };
        let rehearsal_ms = moment("--rehearsal", word)?;
        if rehearsal_ms >= start_ms {
            let (rehearsal, start) = (shown(rehearsal_ms), shown(start_ms));
            return Err(Trouble::usage(both(
                format!("Giờ tổng duyệt {rehearsal} không trước giờ họp {start}. Viết lại --rehearsal."),
                format!(
                    "The rehearsal, {rehearsal}, is not before the start, {start}. Write another --rehearsal."
                ),
            )));
        }
        Ok(Some(rehearsal_ms))
    }

    fn id(&self, start_ms: i64, known: &Known<'_>) -> Result<Name, Trouble> {
        if let Some(word) = &self.id {
            let id = Name::new(word).map_err(|_| {
                Trouble::usage(both(
                    format!("--id \"{word:.60}\" không hợp lệ: viết 3 đến 40 ký tự a-z, 0-9 và -."),
                    format!("--id \"{word:.60}\" cannot be: write 3 to 40 of the characters a-z, 0-9 and -."),
                ))
            })?;
            if (known.taken)(&id) {
                return Err(Trouble::no(both(
                    format!(
                        "Đã có phiên họp {id}. Chọn mã khác bằng --id, hoặc xem: bridgepoint-hub meeting show {id}"
                    ),
                    format!(
                        "There is a meeting {id} already. Choose another --id, or see: bridgepoint-hub meeting show {id}"
                    ),
                )));
            }
            return Ok(id);
        }
        let day = text::date(Lang::En, start_ms);
        let mut parts: Vec<&str> = day.split('/').collect();
        parts.reverse();
        let day = parts.join("-");
        (1..=99)
            .filter_map(|n| Name::new(&format!("m-{day}-{n:02}")).ok())
            .find(|id| !(known.taken)(id))
            .ok_or_else(|| {
                Trouble::no(both(
                    format!("Ngày {day} đã có 99 phiên họp. Đặt mã bằng --id."),
                    format!("There are 99 meetings on {day} already. Name this one with --id."),
                ))
            })
    }
}

fn length(minutes: u32) -> Result<u32, Trouble> {
    if (1..=MAX_LENGTH_MIN).contains(&minutes) {
        return Ok(minutes);
    }
    Err(Trouble::usage(both(
        format!("Thời lượng {minutes} phút không hợp lệ. Viết --length từ 1 đến {MAX_LENGTH_MIN} phút."),
        format!(
            "A length of {minutes} minutes cannot be. Write --length from 1 to {MAX_LENGTH_MIN} minutes."
        ),
    )))
}

fn rooms(words: &str, known: &Known<'_>) -> Result<Option<BTreeSet<Name>>, Trouble> {
    if words.trim() == "all" {
        return Ok(None);
    }
    let named = words.split(',').map(str::trim).filter(|word| !word.is_empty());
    let rooms = named
        .map(|word| room(word, known))
        .collect::<Result<BTreeSet<_>, _>>()?;
    if rooms.is_empty() {
        return Err(Trouble::usage(both(
            "Chưa có điểm cầu nào. Viết --rooms all, hoặc --rooms bai-chay,hong-gai.",
            "There is no room. Write --rooms all, or --rooms bai-chay,hong-gai.",
        )));
    }
    Ok(Some(rooms))
}

fn room(word: &str, known: &Known<'_>) -> Result<Name, Trouble> {
    if let Some(room) = known.rooms.iter().find(|room| room.as_str() == word) {
        return Ok(room.clone());
    }
    let org = &known.org;
    let like = nearest(word, known.rooms.iter().map(Name::as_str));
    let word = text::clean(word);
    let (vi, en) = like.map_or_else(
        || (String::new(), String::new()),
        |like| (format!(" Có phải là {like}?"), format!(" Did you mean {like}?")),
    );
    Err(Trouble::no(both(
        format!(
            "{org} không có điểm cầu \"{word}\": chưa có hộp nào đăng ký tên đó.{vi} Xem: bridgepoint-hub room list"
        ),
        format!(
            "{org} has no room \"{word}\": no box has asked under that name.{en} See: bridgepoint-hub room list"
        ),
    )))
}

/// A time with its offset, or without one as it is in Việt Nam.
fn moment(option: &str, word: &str) -> Result<i64, Trouble> {
    read(word).ok_or_else(|| {
        let word = text::clean(word);
        Trouble::usage(both(
            format!(
                "{option} \"{word}\" không phải là ngày giờ. Viết ví dụ 2026-11-25T08:00 (giờ Việt Nam)."
            ),
            format!(
                "{option} \"{word}\" is no time. Write for example 2026-11-25T08:00 (the time in Việt Nam)."
            ),
        ))
    })
}

fn read(word: &str) -> Option<i64> {
    if let Ok(time) = word.parse::<Timestamp>() {
        return Some(time.as_millisecond());
    }
    // A day alone would be midnight, which nobody means.
    let time: DateTime = word.contains(':').then(|| word.parse().ok()).flatten()?;
    let zone = TimeZone::get(text::ZONE).unwrap_or_else(|_| TimeZone::fixed(Offset::constant(7)));
    Some(time.to_zoned(zone).ok()?.timestamp().as_millisecond())
}

fn shown(ms: i64) -> String {
    format!("{} {}", text::clock_time(Lang::Vi, ms), text::date(Lang::Vi, ms))
}

#[cfg(test)]
mod tests;
