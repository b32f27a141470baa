//! The next meetings with their clocks, above the fleet and on a room's page. Pure.

use bridgepoint_protocol::text::{self, Lang, Params};

use super::fleet::FleetView;
use crate::agenda::{Agenda, DUE_MS};
use crate::fleet::RoomState;

/// Meetings at the top.
const NEXT: usize = 3;

/// A meeting that is ahead or on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextLine {
    /// Its id.
    pub id: String,
    /// Which, and its clock.
    pub label: String,
    /// How many of its rooms have reported for it.
    pub sum: String,
}

impl FleetView {
    /// With the meetings that are ahead, for the organisation that is asked for.
    #[must_use]
    pub fn with_meetings(self, agenda: &Agenda, rooms: &[RoomState], now_ms: i64) -> Self {
        let lang = self.lang;
        let of_org = |org: &str| self.asked.org.as_deref().is_none_or(|wanted| wanted == org);
        let ahead = agenda.ahead(now_ms).filter(|p| of_org(p.meeting.org.as_str()));
        let soon = |start_ms: i64| start_ms.saturating_sub(now_ms) <= DUE_MS;
        let next = ahead
            .enumerate()
            .take_while(|(at, p)| *at < NEXT && (*at == 0 || soon(p.meeting.start_ms)))
            .map(|(_, p)| {
                let (total, reported) = p.count(rooms, now_ms);
                let params = Params::from([
                    ("n".to_owned(), reported.into()),
                    ("total".to_owned(), total.into()),
                ]);
                NextLine {
                    id: p.meeting.id.to_string(),
                    label: next_text(&p.meeting.subject, p.meeting.start_ms, lang, now_ms),
                    sum: text::ui(lang, "meeting-reported", &params),
                }
            });
        Self {
            next: next.collect(),
            ..self
        }
    }
}

/// `Phiên họp tới: Giao ban tháng 11, 08:00, còn 1 giờ 24 phút`, or that it is on.
#[must_use]
pub(super) fn next_text(subject: &str, start_ms: i64, lang: Lang, now_ms: i64) -> String {
    let mut params = Params::from([
        ("subject".to_owned(), subject.into()),
        ("time".to_owned(), text::moment(lang, start_ms, now_ms).into()),
    ]);
    if start_ms <= now_ms {
        return text::ui(lang, "meeting-now", &params);
    }
    let remaining = text::duration(lang, whole_minutes(start_ms - now_ms));
    params.insert("remaining".to_owned(), remaining.into());
    text::ui(lang, "next-meeting", &params)
}

/// A clock that is read from afar has no seconds, but in the last minute.
pub(super) fn whole_minutes(ms: i64) -> i64 {
    if ms < 60_000 { ms } else { ms - ms % 60_000 }
}
