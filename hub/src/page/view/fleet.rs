//! The fleet as its page shows it: four numbers, rooms worst first, rooms with the same cause in one area folded
//! into one line; filtered, searched and paged here, so that 11,000 rooms stay fast. Pure.

use std::collections::HashMap;

use bridgepoint_protocol::page::Sign;
use bridgepoint_protocol::text::{self, Lang, Params};

use super::asked::{Asked, plain};
use super::next::NextLine;
use super::words::{duty, room_sign, state_key, view_text, why_text};
use crate::board::Health;
use crate::fleet::{Enrolment, RoomState, View};

/// Lines on one page; a fold is one.
pub const LINES: usize = 50;

/// Rooms with the same cause in one area from which on they fold.
const FOLD_FROM: usize = 3;

/// Everything that the page shows.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetView {
    /// What was asked.
    pub asked: Asked,
    /// The language.
    pub lang: Lang,
    /// What is wrong with the hub itself.
    pub troubles: Vec<String>,
    /// The meetings of the next day, else the next one.
    pub next: Vec<NextLine>,
    /// The numbers that are filters.
    pub buckets: Vec<Bucket>,
    /// How many there are and have reported.
    pub sum: String,
    /// What the rows are limited to, where they are: the sentence of a fold that was opened, or an area.
    pub about: Option<String>,
    /// The lines of this page.
    pub lines: Vec<Line>,
    /// This page, from 1.
    pub page: usize,
    /// How many pages.
    pub pages: usize,
    /// How many rooms match.
    pub matches: usize,
}

/// A number that is a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its word in the address; empty for all.
    pub key: &'static str,
    /// Its shape.
    pub sign: Sign,
    /// Its name.
    pub label: String,
    /// How many.
    pub n: usize,
    /// Whether it is chosen.
    pub chosen: bool,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A room.
    Room(Row),
    /// Rooms with the same cause in one area.
    Fold(Fold),
}

/// A room's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `org/room`.
    pub at: String,
    /// Its name.
    pub name: String,
    /// Its area.
    pub area: String,
    /// Its shape.
    pub sign: Sign,
    /// How it stands.
    pub state: String,
    /// Why.
    pub why: String,
    /// Since when.
    pub since: String,
    /// Whom to ring: name and number.
    pub duty: Option<(String, String)>,
    /// When the box was heard last.
    pub seen: String,
}

/// Rooms with the same cause in one area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// Their area.
    pub area: String,
    /// Their cause.
    pub cause: String,
    /// Their shape.
    pub sign: Sign,
    /// How they stand.
    pub state: String,
    /// In one sentence.
    pub label: String,
}

/// The buckets: word in the address, words of the number, what counts. What is too old, silent or not approved
/// has no result, and never counts as ready.
const BUCKETS: [(&str, &str, Sign); 4] = [
    ("ready", "filter-ready", Sign::Pass),
    ("degraded", "filter-degraded", Sign::Warn),
    ("not-ready", "filter-not-ready", Sign::Fail),
    ("no-result", "filter-no-result", Sign::Unknown),
];

fn bucket(view: View) -> &'static str {
    match view {
        View::Ready => "ready",
        View::Degraded => "degraded",
        View::NotReady => "not-ready",
        View::Silent | View::Unknown | View::Expired | View::NotOnYet | View::Sleeping | View::NotNeeded => {
            "no-result"
        }
    }
}

/// Makes the view of `rooms`, which are sorted worst first.
#[must_use]
pub fn fleet(asked: Asked, lang: Lang, rooms: &[RoomState], health: &Health, now_ms: i64) -> FleetView {
    let of_org: Vec<&RoomState> = rooms
        .iter()
        .filter(|r| {
            asked
                .org
                .as_ref()
                .is_none_or(|org| r.standing.org.as_str() == org)
        })
        .collect();
    let matching: Vec<&RoomState> = of_org.iter().copied().filter(matches(&asked)).collect();
    let items = if asked.cause.is_some() {
        matching.iter().map(|room| Item::One(room)).collect()
    } else {
        folded(&matching)
    };
    let pages = items.len().div_ceil(LINES).max(1);
    let page = asked.page().min(pages);
    let lines = items
        .iter()
        .skip((page - 1) * LINES)
        .take(LINES)
        .map(|item| item.line(lang, now_ms))
        .collect();
    FleetView {
        lang,
        troubles: troubles(health, lang),
        next: vec![],
        buckets: buckets(&asked, &of_org, lang),
        sum: sum(&of_org, lang, now_ms),
        about: about(&asked, &matching, lang),
        lines,
        page,
        pages,
        matches: matching.len(),
        asked,
    }
}

/// What makes a room stand as it does, for comparison with others; `None` where nothing is to be done.
#[must_use]
pub fn cause(room: &RoomState) -> Option<String> {
    let standing = &room.standing;
    let why = standing.result.as_ref().and_then(|result| result.why.as_ref());
    let code = match (room.view, standing.enrolment) {
        (View::Ready | View::Sleeping | View::NotNeeded, _) => return None,
        (_, Enrolment::Pending) => "pending",
        (_, Enrolment::Revoked) => "revoked",
        // What was found before it fell silent, or too long ago, is no cause of that.
        (View::Silent, _) => match state_key(room) {
            "lost" => "",
            key => key,
        },
        (View::Expired | View::NotOnYet, _) => "",
        _ => match (why, &standing.result) {
            (Some(finding), _) => finding.code.as_str(),
            (None, Some(_)) => "kind-missing",
            (None, None) => "no-report",
        },
    };
    Some(format!("{}:{code}", room.view.word()))
}

pub(super) fn matches<'a>(asked: &'a Asked) -> impl Fn(&&RoomState) -> bool + 'a {
    let sought = asked.q.as_deref().map(plain).filter(|q| !q.is_empty());
    move |room| {
        let s = &room.standing;
        let area = s.area.as_deref().unwrap_or_default();
        let in_view = |wanted: &String| {
            wanted
                .split(',')
                .any(|w| w == bucket(room.view) || w == room.view.word())
        };
        asked.area.as_ref().is_none_or(|wanted| wanted == area)
            && asked
                .view
                .as_ref()
                .filter(|view| !view.is_empty())
                .is_none_or(in_view)
            && asked
                .cause
                .as_ref()
                .is_none_or(|wanted| cause(room).as_ref() == Some(wanted))
            && sought.as_ref().is_none_or(|q| {
                plain(&s.name).contains(q) || s.room.as_str().contains(q.as_str()) || plain(area).contains(q)
            })
    }
}

/// A line in the making.
enum Item<'a> {
    One(&'a RoomState),
    Many {
        cause: String,
        rooms: Vec<&'a RoomState>,
    },
}

/// Folds rooms with the same cause in one area; a fold stands where its first room stood.
fn folded<'a>(rooms: &[&'a RoomState]) -> Vec<Item<'a>> {
    let key = |room: &RoomState| Some((cause(room)?, room.standing.area.clone()?));
    let mut groups: HashMap<_, Vec<&RoomState>> = HashMap::new();
    for room in rooms {
        if let Some(key) = key(room) {
            groups.entry(key).or_default().push(room);
        }
    }
    let mut items = Vec::new();
    for room in rooms {
        let group = key(room).filter(|key| groups.get(key).is_none_or(|g| g.len() >= FOLD_FROM));
        match group {
            None => items.push(Item::One(room)),
            // The group is taken at its first room; later ones find it gone.
            Some(key) => {
                if let Some(rooms) = groups.remove(&key) {
                    items.push(Item::Many { cause: key.0, rooms });
                }
            }
        }
    }
    items
}

impl Item<'_> {
    fn line(&self, lang: Lang, now_ms: i64) -> Line {
        match self {
            Self::One(room) => Line::Room(row(room, lang, now_ms)),
            Self::Many { cause, rooms } => {
                let first = rooms.first();
                Line::Fold(Fold {
                    area: first.and_then(|r| r.standing.area.clone()).unwrap_or_default(),
                    cause: cause.clone(),
                    sign: first.map_or(Sign::Unknown, |r| room_sign(r)),
                    state: first.map_or_else(String::new, |r| view_text(r, lang)),
                    label: fold_label(rooms, lang),
                })
            }
        }
    }
}

pub(super) fn row(room: &RoomState, lang: Lang, now_ms: i64) -> Row {
    let s = &room.standing;
    let never = || text::ui(lang, "never", &Params::new());
    Row {
        at: format!("{}/{}", s.org, s.room),
        name: s.name.clone(),
        area: s.area.clone().unwrap_or_default(),
        sign: room_sign(room),
        state: view_text(room, lang),
        why: why_text(room, lang),
        since: text::moment(lang, room.since_ms, now_ms),
        duty: duty(s),
        seen: s
            .last_seen_ms
            .map_or_else(never, |ms| text::moment(lang, ms, now_ms)),
    }
}

/// `14 điểm cầu Hạ Long: không thông về tỉnh`. The figures of the rooms differ, so the sentence is one without.
fn fold_label(rooms: &[&RoomState], lang: Lang) -> String {
    let Some(first) = rooms.first() else {
        return String::new();
    };
    let result = first.standing.result.as_ref();
    let cause = cause(first).unwrap_or_default();
    let code = cause.split_once(':').map_or("", |(_, code)| code);
    let why = result
        .and_then(|result| result.why.as_ref())
        .filter(|finding| finding.code == code);
    let label = match why {
        Some(finding) => {
            let bare = text::sentence(lang, &finding.code, &Params::new(), &Default::default()).label;
            // A sentence that is nothing without its figures: the check's name then.
            if bare.contains('…') {
                text::check_label(lang, &finding.check)
            } else {
                bare
            }
        }
        _ if first.view == View::Unknown => why_text(first, lang),
        _ => view_text(first, lang),
    };
    let mut params = Params::from([
        ("n".to_owned(), rooms.len().into()),
        ("label".to_owned(), label.into()),
    ]);
    if let Some(area) = &first.standing.area {
        params.insert("area".to_owned(), area.as_str().into());
    }
    text::ui(lang, "same-cause", &params)
}

fn about(asked: &Asked, matching: &[&RoomState], lang: Lang) -> Option<String> {
    match (&asked.cause, &asked.area) {
        (Some(_), _) if !matching.is_empty() => Some(fold_label(matching, lang)),
        (_, Some(area)) => Some(text::clean(area)),
        _ => None,
    }
}

pub(super) fn buckets(asked: &Asked, rooms: &[&RoomState], lang: Lang) -> Vec<Bucket> {
    let chosen = asked.view.as_deref().unwrap_or_default();
    let count = |key: &str| rooms.iter().filter(|room| bucket(room.view) == key).count();
    let mut all: Vec<Bucket> = BUCKETS
        .into_iter()
        .map(|(key, label, sign)| Bucket {
            key,
            sign,
            label: text::ui(lang, label, &Params::new()),
            n: count(key),
            chosen: chosen == key,
        })
        .collect();
    all.push(Bucket {
        key: "",
        sign: Sign::None,
        label: text::ui(lang, "filter-all", &Params::new()),
        n: rooms.len(),
        chosen: chosen.is_empty(),
    });
    all
}

/// `190 điểm cầu, 188 đã báo, 2 im lặng từ 06:10`.
fn sum(rooms: &[&RoomState], lang: Lang, now_ms: i64) -> String {
    let stands = |r: &&&RoomState| r.view != View::Silent && r.expires_ms.is_some_and(|end| now_ms < end);
    let reported = rooms.iter().filter(stands).count();
    let params = Params::from([
        ("total".to_owned(), rooms.len().into()),
        ("n".to_owned(), reported.into()),
    ]);
    let mut sum = text::ui(lang, "rooms-sum", &params);
    let silent: Vec<i64> = rooms
        .iter()
        .filter(|r| r.view == View::Silent)
        .map(|r| r.since_ms)
        .collect();
    if let Some(first_ms) = silent.iter().min() {
        let time = text::moment(lang, *first_ms, now_ms);
        let params = Params::from([
            ("n".to_owned(), silent.len().into()),
            ("time".to_owned(), time.into()),
        ]);
        sum.push_str(", ");
        sum.push_str(&text::ui(lang, "rooms-silent", &params));
    }
    sum
}

fn troubles(health: &Health, lang: Lang) -> Vec<String> {
    let store = health.store.iter().map(|said| said.in_lang(lang).to_owned());
    let broker = health
        .broker
        .iter()
        .filter(|(_, stands)| !**stands)
        .map(|(org, _)| {
            text::ui(
                lang,
                "broker-away",
                &Params::from([("org".to_owned(), org.as_str().into())]),
            )
        });
    store.chain(broker).collect()
}
