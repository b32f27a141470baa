//! JSON for programs: the fleet, one room, what changes, how the hub does.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

use super::{Pages, Shared, address};
use crate::agenda::Planned;
use crate::board::Change;
use crate::fleet::{RoomState, View, fleet};
use crate::meetings::{MeetingDetail, Meetings};

/// Rooms in one answer, unless fewer are asked for.
const PAGE: usize = 500;

/// The most rooms in one answer over HTTP.
pub const MAX_PAGE: usize = 2000;

/// Listeners for changes at the same time.
const MAX_LISTENERS: usize = 64;

/// Which rooms are wanted.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Of this organisation.
    pub org: Option<String>,
    /// Of this area.
    pub area: Option<String>,
    /// In these views, separated by commas.
    pub view: Option<String>,
    /// With this in their name or id.
    pub q: Option<String>,
    /// Left out at the front.
    pub offset: Option<usize>,
    /// At most so many; 500 when it is not said.
    pub limit: Option<usize>,
    /// Language of a page; no matter here.
    pub lang: Option<String>,
}

/// The fleet, or a part of it.
#[derive(Debug, Clone, Serialize)]
pub struct Fleet {
    /// The hub's clock, UTC milliseconds.
    pub now_ms: i64,
    /// How many rooms there are in each view, before any filter but `org`.
    pub counts: BTreeMap<&'static str, usize>,
    /// How many rooms match.
    pub total: usize,
    /// The rooms, worst first.
    pub rooms: Vec<RoomState>,
}

impl Wanted {
    /// The same, for one answer over HTTP: not more than [`MAX_PAGE`] rooms.
    #[must_use]
    pub fn bounded(self) -> Self {
        let limit = self.limit.map(|limit| limit.min(MAX_PAGE));
        Self { limit, ..self }
    }

    /// The rooms that are wanted, out of all.
    #[must_use]
    pub fn of(&self, all: Vec<RoomState>, now_ms: i64) -> Fleet {
        let in_org = |r: &RoomState| self.org.as_ref().is_none_or(|org| r.standing.org.as_str() == org);
        let all: Vec<RoomState> = all.into_iter().filter(in_org).collect();
        let mut counts: BTreeMap<&'static str, usize> = View::ALL.iter().map(|v| (v.word(), 0)).collect();
        for room in &all {
            *counts.entry(room.view.word()).or_default() += 1;
        }
        let sought = self.q.as_ref().map(|q| q.trim().to_lowercase());
        let matches = |r: &RoomState| {
            self.area
                .as_ref()
                .is_none_or(|area| r.standing.area.as_ref() == Some(area))
                && self
                    .view
                    .as_ref()
                    .is_none_or(|views| views.split(',').any(|v| v == r.view.word()))
                && sought.as_ref().is_none_or(|q| {
                    r.standing.name.to_lowercase().contains(q.as_str())
                        || r.standing.room.as_str().contains(q.as_str())
                })
        };
        let mut rooms: Vec<RoomState> = all.into_iter().filter(matches).collect();
        let total = rooms.len();
        rooms = rooms
            .into_iter()
            .skip(self.offset.unwrap_or(0))
            .take(self.limit.unwrap_or(PAGE))
            .collect();
        Fleet {
            now_ms,
            counts,
            total,
            rooms,
        }
    }
}

/// `GET /api/v1/rooms`.
pub async fn rooms(State(shared): Pages, Query(wanted): Query<Wanted>) -> Json<Fleet> {
    let page = shared.page();
    let now_ms = (page.clock)();
    let all = fleet(page.board.rooms(), &page.board.agenda(), now_ms);
    Json(wanted.bounded().of(all, now_ms))
}

/// `GET /api/v1/rooms/<org>/<room>`.
pub async fn room(State(shared): Pages, Path((org, room)): Path<(String, String)>) -> Response {
    let at = match address(&org, &room) {
        Ok(at) => at,
        Err(refused) => return refused,
    };
    match shared.detail(at).await {
        Ok(Some(detail)) => Json(detail).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(e) => (StatusCode::SERVICE_UNAVAILABLE, format!("{e}\n")).into_response(),
    }
}

/// Which meetings are wanted.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedMeetings {
    /// Of this organisation.
    pub org: Option<String>,
    /// Those too that are over or cancelled, of the last month.
    #[serde(default)]
    pub all: bool,
}

/// `GET /api/v1/meetings`: soonest first.
pub async fn meetings(State(shared): Pages, Query(wanted): Query<WantedMeetings>) -> Json<Meetings> {
    let page = shared.page();
    let (now_ms, agenda) = ((page.clock)(), page.board.agenda());
    let rooms = fleet(page.board.rooms(), &agenda, now_ms);
    let is_wanted = |p: &&Arc<Planned>| {
        let meeting = &p.meeting;
        let open = meeting.cancelled_ms.is_none() && now_ms < meeting.end_ms();
        wanted.org.as_ref().is_none_or(|org| meeting.org.as_str() == org) && (open || wanted.all)
    };
    let meetings = agenda
        .all()
        .filter(is_wanted)
        .map(|p| p.gathering(&rooms, now_ms));
    Json(Meetings {
        now_ms,
        meetings: meetings.collect(),
    })
}

/// `GET /api/v1/meetings/<id>`: one, with its rooms.
pub async fn meeting(State(shared): Pages, Path(id): Path<String>) -> Response {
    let page = shared.page();
    let (now_ms, agenda) = ((page.clock)(), page.board.agenda());
    let Some(planned) = agenda.meeting(&id) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let gathering = planned.gathering(&fleet(page.board.rooms(), &agenda, now_ms), now_ms);
    Json(MeetingDetail::new(&gathering, now_ms)).into_response()
}

/// `GET /api/events`: an event `room` with `org/room` for each room that changes; `all` when the meetings or so many
/// rooms have changed that everything is to be read again.
pub async fn events(State(shared): Pages) -> Response {
    let board = &shared.page().board;
    if board.listeners() >= MAX_LISTENERS {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many listeners\n").into_response();
    }
    let changes = BroadcastStream::new(board.changes()).map(|change| {
        Ok::<_, Infallible>(match change {
            Ok(Change::Room(at)) => Event::default().event("room").data(at.to_string()),
            Ok(Change::Meetings) | Err(BroadcastStreamRecvError::Lagged(_)) => {
                Event::default().event("all").data("")
            }
        })
    });
    Sse::new(changes).keep_alive(KeepAlive::default()).into_response()
}

/// How the hub does.
#[derive(Debug, Serialize)]
struct HealthRow {
    ok: bool,
    /// Whether the connection to the broker stands, by organisation.
    broker: BTreeMap<String, bool>,
    /// What is wrong with the database.
    store: Option<String>,
    rooms: usize,
    version: &'static str,
}

/// `GET /healthz`: 200 when rooms can report, else 503.
pub async fn health(State(shared): Pages) -> Response {
    let row = health_row(&shared);
    let status = if row.ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(row)).into_response()
}

fn health_row(shared: &Shared) -> HealthRow {
    let page = shared.page();
    let health = page.board.health();
    HealthRow {
        ok: health.store.is_none()
            && !health.broker.is_empty()
            && health.broker.values().all(|stands| *stands),
        broker: health
            .broker
            .into_iter()
            .map(|(org, stands)| (org.to_string(), stands))
            .collect(),
        store: health.store.map(|said| said.in_lang(page.lang).to_owned()),
        rooms: page.board.rooms().len(),
        version: env!("CARGO_PKG_VERSION"),
    }
}
