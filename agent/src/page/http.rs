//! The page's routes: `GET /`, `/api/status`, `/api/events`; `POST /api/check`, `/api/baseline`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use bridgepoint_protocol::claims::{Report, Scope, Trigger, TriggerKind};
use bridgepoint_protocol::text::{self, Contacts, Lang, Params};
use futures_util::stream::{Stream, unfold};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::door::{self, Door, random_hex};
use super::html::{self, Frame};
use super::records::{Records, Shelf};
use super::view::{self, Planned, Seen, View};
use crate::calendar;
use crate::clock;
use crate::front::{Ended, Front, Now, Told};
use crate::said::Say as _;
use crate::station::{AcceptError, Order};
use crate::uplink::Standing;

/// The most that a change may send, bytes.
const BODY: usize = 16 * 1024;

/// For all of it to come.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Event streams at the same time; a page without one asks from time to time.
const LISTENERS: usize = 24;

/// A word on a stream on which nothing happens, so that a reader that is gone is noticed.
const ALIVE: Duration = Duration::from_secs(15);

/// Parts that one check may name, and the length of one.
const PARTS: usize = 64;
const PART_LENGTH: usize = 100;

/// The longest name of a person.
const NAME_LENGTH: usize = 100;

/// What the routes share.
struct Page {
    front: Arc<Front>,
    door: Door,
    instance: String,
    planned: Vec<Planned>,
    shelf: Shelf,
    listeners: Arc<Semaphore>,
}

type Shared = Arc<Page>;

/// The routes of a page that listens at `address`; `None` when the system gives no random numbers.
pub(super) fn routes(front: Arc<Front>, address: SocketAddr) -> Option<Router> {
    let page = Arc::new(Page {
        door: Door::new(super::own_names(address))?,
        instance: random_hex::<8>()?,
        planned: view::planned(&front.station.settings, clock::wall_ms()),
        shelf: Shelf::default(),
        listeners: Arc::new(Semaphore::new(LISTENERS)),
        front,
    });
    Some(
        Router::new()
            .route("/", get(main))
            .route("/api/status", get(status))
            .route("/api/events", get(events))
            .route("/api/check", post(check))
            .route("/api/baseline", post(baseline))
            .fallback(|| async { trouble(StatusCode::NOT_FOUND, "there is nothing here") })
            .method_not_allowed_fallback(|| async {
                trouble(StatusCode::METHOD_NOT_ALLOWED, "not by this method")
            })
            .layer(middleware::from_fn_with_state(Arc::clone(&page), guard))
            .with_state(page),
    )
}

/// What a reader asks for.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    lang: Option<String>,
    part: Option<String>,
}

impl Wanted {
    fn lang(&self, page: &Page) -> Lang {
        self.lang
            .as_deref()
            .and_then(|word| word.parse().ok())
            .unwrap_or(page.front.station.settings.lang)
    }
}

async fn guard(
    State(page): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match page.door.let_in(&method, &uri, &headers) {
        Ok(()) => next.run(request).await,
        Err(refused) => trouble(refused.status(), &refused.to_string()),
    };
    let nonce = response.extensions_mut().remove::<Nonce>();
    for (name, value) in door::headers(nonce.as_ref().map(|nonce| nonce.0.as_str())) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// Goes with a page to the policy that is sent with it.
#[derive(Clone)]
struct Nonce(String);

async fn main(State(page): State<Shared>, Query(wanted): Query<Wanted>) -> Response {
    let lang = wanted.lang(&page);
    let (view, _) = page.view(lang).await;
    if wanted.part.as_deref() == Some("main") {
        return Html(html::main_part(&view, lang)).into_response();
    }
    let Some(nonce) = random_hex::<16>() else {
        return trouble(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the system gives no random numbers",
        );
    };
    let frame = Frame {
        nonce: &nonce,
        token: page.door.token(),
        instance: &page.instance,
    };
    let text = html::page(&view, lang, frame);
    let mut response = Html(text).into_response();
    response.extensions_mut().insert(Nonce(nonce));
    response
}

/// The view, with the last full run as it was signed.
#[derive(Serialize)]
struct Status<'a> {
    #[serde(flatten)]
    view: &'a View,
    report: Option<&'a Report>,
}

async fn status(State(page): State<Shared>, Query(wanted): Query<Wanted>) -> Response {
    let (view, records) = page.view(wanted.lang(&page)).await;
    axum::Json(Status {
        view: &view,
        report: records.full.as_ref(),
    })
    .into_response()
}

async fn events(State(page): State<Shared>) -> Response {
    let Ok(place) = Arc::clone(&page.listeners).try_acquire_owned() else {
        return trouble(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many pages listen already; this one asks from time to time",
        );
    };
    Sse::new(changes(&page, place))
        .keep_alive(KeepAlive::new().interval(ALIVE))
        .into_response()
}

/// One event at once, then one for each change; several changes while a reader is slow are one event.
fn changes(
    page: &Page,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
    struct Listening {
        now: watch::Receiver<Now>,
        standing: Option<watch::Receiver<Standing>>,
        instance: String,
        first: bool,
        _place: OwnedSemaphorePermit,
    }
    let listening = Listening {
        now: page.front.watch(),
        standing: page.front.standing(),
        instance: page.instance.clone(),
        first: true,
        _place: place,
    };
    unfold(listening, |mut l| async move {
        if !l.first {
            match &mut l.standing {
                Some(standing) => tokio::select! {
                    changed = l.now.changed() => changed.ok()?,
                    changed = standing.changed() => changed.ok()?,
                },
                None => l.now.changed().await.ok()?,
            }
        }
        l.first = false;
        let version = l.now.borrow_and_update().version;
        if let Some(standing) = &mut l.standing {
            standing.mark_unchanged();
        }
        let data = json!({ "version": version, "instance": l.instance }).to_string();
        Some((Ok(Event::default().event("changed").data(data)), l))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Ids or prefixes; nothing is everything.
    #[serde(default)]
    only: Option<Vec<String>>,
}

async fn check(State(page): State<Shared>, body: Body) -> Response {
    let asked: Asked = match read(body).await {
        Ok(asked) => asked,
        Err(refused) => return refused,
    };
    let order = match page.order(asked) {
        Ok(order) => order,
        Err(why) => return trouble(StatusCode::UNPROCESSABLE_ENTITY, &why),
    };
    let joined = page.front.watch().borrow().running.is_some();
    let mut told = page.front.check(order);
    let watching = Arc::clone(&page);
    tokio::spawn(async move {
        while let Ok(step) = told.recv().await {
            if let Told::Ended(ended) = step {
                let Ended { report, not_kept, .. } = *ended;
                if not_kept.is_some() {
                    watching.shelf.not_kept(report);
                    watching.front.new_entry();
                }
            }
        }
    });
    (StatusCode::ACCEPTED, axum::Json(json!({ "joined": joined }))).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Acceptance {
    /// Who accepts the last full run as the rehearsal.
    by: String,
    /// With whose word (R20).
    allowed_by: String,
}

async fn baseline(State(page): State<Shared>, Query(wanted): Query<Wanted>, body: Body) -> Response {
    let lang = wanted.lang(&page);
    let Acceptance { by, allowed_by } = match read(body).await {
        Ok(asked) => asked,
        Err(refused) => return refused,
    };
    let (Some(by), Some(allowed_by)) = (person(&by), person(&allowed_by)) else {
        let why = format!("by and allowed_by must name somebody, in at most {NAME_LENGTH} characters");
        return trouble(StatusCode::UNPROCESSABLE_ENTITY, &why);
    };
    let station = Arc::clone(&page.front.station);
    let accepted = tokio::task::spawn_blocking(move || station.accept_baseline(by, allowed_by)).await;
    match accepted {
        Ok(Ok(baseline)) => {
            page.front.new_entry();
            axum::Json(json!({ "accepted_ms": baseline.accepted_ms, "run": baseline.run })).into_response()
        }
        Ok(Err(AcceptError::NothingToAccept)) => {
            trouble(StatusCode::CONFLICT, &text::ui(lang, "no-report", &Params::new()))
        }
        Ok(Err(error)) => {
            let said = error.said().in_words(lang, &Contacts::default());
            trouble(StatusCode::INTERNAL_SERVER_ERROR, &said)
        }
        Err(error) => trouble(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

impl Page {
    /// What is to be shown now; the files are read aside.
    async fn view(self: &Arc<Self>, lang: Lang) -> (View, Arc<Records>) {
        let now = self.front.watch().borrow().clone();
        let standing = self.front.standing().map(|standing| standing.borrow().clone());
        let page = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || page.shelf.records(&page.front.station)).await;
        let records = read.unwrap_or_default();
        let plan = self.front.station.plan();
        let fingerprint = self.front.station.key().kid().fingerprint();
        let contacts = self.front.station.contacts();
        let view = view::view(&Seen {
            settings: &self.front.station.settings,
            meetings: calendar::meetings(plan.as_ref()),
            contacts: &contacts,
            planned: &self.planned,
            board: records.board.as_ref(),
            newest: records.newest.as_ref(),
            broken: records.broken.as_ref(),
            baseline: records.baseline.as_ref(),
            now: &now,
            standing: standing.as_ref(),
            waiting: records.waiting,
            fingerprint: &fingerprint,
            now_ms: clock::wall_ms(),
            lang,
        });
        (view, records)
    }

    fn order(&self, asked: Asked) -> Result<Order, String> {
        let trigger = |kind: TriggerKind| Trigger {
            kind: kind.into(),
            meeting: None,
            checkpoint: None,
        };
        let Some(parts) = asked.only else {
            return Ok(Order {
                trigger: trigger(TriggerKind::Manual),
                scope: None,
            });
        };
        if parts.is_empty() || parts.len() > PARTS || parts.iter().any(|part| part.len() > PART_LENGTH) {
            return Err(format!(
                "\"only\" names 1 to {PARTS} checks or prefixes, each of at most {PART_LENGTH} characters; null checks everything"
            ));
        }
        let strangers = crate::plan::strangers(&self.front.station.settings, &parts);
        if let Some((part, near)) = strangers.first_key_value() {
            let hint = near
                .as_ref()
                .map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
            return Err(format!(
                "\"{}\" is no check of this room{hint}",
                text::clean(part)
            ));
        }
        Ok(Order {
            trigger: trigger(TriggerKind::Retest),
            scope: Some(Scope(parts)),
        })
    }
}

/// A change's JSON, all of it in time.
#[allow(clippy::result_large_err)] // the error is the answer, made once a request
async fn read<T: DeserializeOwned>(body: Body) -> Result<T, Response> {
    let bytes = match tokio::time::timeout(BODY_TIME, to_bytes(body, BODY)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            let why = format!("the request could not be read, or is larger than {BODY} bytes");
            return Err(trouble(StatusCode::PAYLOAD_TOO_LARGE, &why));
        }
        Err(_) => {
            return Err(trouble(
                StatusCode::REQUEST_TIMEOUT,
                "the request did not come in time",
            ));
        }
    };
    serde_json::from_slice(&bytes).map_err(|e| {
        trouble(
            StatusCode::BAD_REQUEST,
            &format!("this JSON is not understood: {e}"),
        )
    })
}

fn person(given: &str) -> Option<String> {
    let named = given.trim();
    (!named.is_empty() && named.chars().count() <= NAME_LENGTH).then(|| text::clean(named))
}

fn trouble(status: StatusCode, why: &str) -> Response {
    (status, axum::Json(json!({ "error": why }))).into_response()
}

#[cfg(test)]
mod tests;
