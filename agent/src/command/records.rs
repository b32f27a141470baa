//! `status`, `baseline`, `logbook list`, `logbook export`: what the box keeps, read and printed.

use std::path::Path;
use std::time::Duration;

use bridgepoint_protocol::claims::{Event, Report};
use bridgepoint_protocol::envelope::Kind;
use bridgepoint_protocol::text::{self, Contacts, Params};
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde_json::json;

use super::enrol::trouble;
use super::{Failure, Outcome, around, lang, open, settings, state, strange};
use crate::baseline::Baseline;
use crate::calendar;
use crate::cli::{Where, exit};
use crate::key::known;
use crate::logbook::{self, Days, ExportError, Listed, last_full_report};
use crate::pin::Pin;
use crate::said::Said;
use crate::say::{self, Dress, params};
use crate::schedule;
use crate::socket::{self, Answer, Request};
use crate::uplink::Standing;

/// The last full result, and what waits for delivery. Its exit code is the verdict's.
pub(super) async fn status(place: &Where, json: bool) -> Outcome {
    let settings = settings(place)?;
    let lang = settings.lang;
    let dir = state(place).join("logbook");
    let listed = logbook::list(&dir).map_err(Failure::internal)?.entries;
    let waiting = listed.iter().filter(|entry| entry.received_ms.is_none()).count();
    let report = last_full_report(&dir).map_err(Failure::internal)?;
    let received_ms = report
        .as_ref()
        .and_then(|report| listed.iter().find(|entry| entry.seq == report.link.seq))
        .and_then(|entry| entry.received_ms);
    let around = around(&settings, place);
    let next = schedule::next_meeting(calendar::meetings(around.plan.as_ref()), around.now_ms);
    let trouble = standing(place)
        .await
        .and_then(|standing| trouble(&standing, &settings))
        .map(|said| said.in_words(lang, &Contacts::new(&settings.contacts)));
    if json {
        let status = json!({
            "report": report, "received_ms": received_ms, "waiting": waiting, "next_meeting": next,
            "delivery_trouble": trouble,
        });
        outln!("{}", serde_json::to_string(&status).map_err(Failure::internal)?);
    } else {
        match &report {
            Some(report) => out!("{}", say::report(report, &around, lang, Dress::stdout())),
            None => outln!("{}", text::ui(lang, "no-report", &Params::new())),
        }
        if let Some(meeting) = next {
            outln!("{}", say::meeting(meeting, around.now_ms, lang));
        }
        if let Some(at) = received_ms {
            let time = text::clock_time(lang, at);
            outln!(
                "{}",
                text::ui(lang, "delivery-received", &params([("time", time.into())]))
            );
        }
        if waiting > 0 && settings.hub.is_some() {
            outln!(
                "{}",
                text::ui(lang, "delivery-kept", &params([("n", waiting.into())]))
            );
        }
        if let Some(trouble) = trouble {
            outln!("{trouble}");
        }
    }
    Ok(
        report.map_or(exit::of(bridgepoint_protocol::claims::Verdict::Unknown), |r| {
            exit::of(r.claimed_verdict())
        }),
    )
}

/// How the running daemon's delivery stands; `None` where none runs, or it does not say.
async fn standing(place: &Where) -> Option<Standing> {
    let asked = async {
        let mut answers = socket::ask(&place.state.join("agent.sock"), &Request::Delivery)
            .await
            .ok()??;
        match answers.next().await.ok()?? {
            Answer::Delivery(standing) => standing,
            _ => None,
        }
    };
    tokio::time::timeout(Duration::from_secs(2), asked).await.ok()?
}

pub(super) fn baseline_show(place: &Where, json: bool) -> Outcome {
    let lang = lang(place);
    let baseline = Baseline::load(&state(place)).map_err(Failure::internal)?;
    match baseline {
        None => outln!(
            "{}",
            if json {
                "null".to_owned()
            } else {
                text::ui(lang, "baseline-none", &Params::new())
            }
        ),
        Some(baseline) if json => {
            outln!("{}", serde_json::to_string(&baseline).map_err(Failure::internal)?);
        }
        Some(baseline) => {
            let time = text::moment(lang, baseline.accepted_ms, crate::clock::wall_ms());
            let said = params([("time", time.into()), ("by", baseline.allowed_by.clone().into())]);
            outln!("{}", text::ui(lang, "baseline-since", &said));
            for finding in baseline
                .findings
                .iter()
                .filter(|f| f.value.is_some() || !f.params.is_empty())
            {
                let label = text::check_label_with(lang, &finding.check, &finding.params);
                let value = finding
                    .value
                    .map(|v| text::amount(lang, v, finding.unit.as_deref()));
                let says: Vec<String> = finding.params.iter().map(|(k, v)| format!("{k}={v}")).collect();
                outln!(
                    "  {label}: {} {}",
                    value.unwrap_or_default(),
                    text::clean(&says.join(" "))
                );
            }
        }
    }
    Ok(exit::OK)
}

pub(super) async fn baseline_accept(place: &Where, by: Option<String>, allowed_by: String) -> Outcome {
    let by = by
        .or_else(|| std::env::var("SUDO_USER").ok())
        .or_else(|| std::env::var("USER").ok())
        .unwrap_or_else(|| "?".into());
    if allowed_by.trim().is_empty() {
        // R20: a rehearsal is accepted with somebody's word.
        return Err(Failure::usage(Said::new("error-allowed-by-empty")));
    }
    let settings = settings(place)?;
    let lang = settings.lang;
    let request = Request::AcceptBaseline {
        by: by.clone(),
        allowed_by: allowed_by.clone(),
    };
    let socket = place.state.join("agent.sock");
    let running = socket::ask(&socket, &request)
        .await
        .map_err(|e| Failure::internal(Said::new("error-socket-away").on(&socket).because(e)))?;
    match running {
        Some(mut answers) => match answers.next().await.map_err(strange)? {
            Some(Answer::Accepted { .. }) => {}
            Some(Answer::Refused { why }) => return Err(Failure::internal(why)),
            Some(_) | None => {
                return Err(Failure::internal(Said::new("error-no-answer")));
            }
        },
        None => {
            let station = open(settings, place)?;
            station
                .accept_baseline(by, allowed_by.clone())
                .map_err(Failure::internal)?;
        }
    }
    let time = text::clock_time(lang, crate::clock::wall_ms());
    let said = params([("time", time.into()), ("by", allowed_by.into())]);
    outln!("{}", text::ui(lang, "baseline-accepted", &said));
    Ok(exit::OK)
}

pub(super) fn logbook_list(place: &Where, json: bool) -> Outcome {
    let lang = lang(place);
    let book = logbook::list(&state(place).join("logbook")).map_err(Failure::internal)?;
    let listed = book.entries;
    // What can be read is shown first; then it is said where the rest stands.
    let ended = match book.broken {
        None => Ok(exit::OK),
        Some(broken) => Err(Failure::internal(broken)),
    };
    if json {
        let rows: Vec<_> = listed
            .iter()
            .map(|entry| {
                let claims: serde_json::Value = serde_json::from_slice(&entry.payload).unwrap_or_default();
                json!({ "seq": entry.seq, "kind": entry.kind.typ(), "at_ms": entry.at_ms, "received_ms": entry.received_ms, "claims": claims })
            })
            .collect();
        outln!("{}", serde_json::to_string(&rows).map_err(Failure::internal)?);
        return ended;
    }
    if listed.is_empty() && ended.is_ok() {
        outln!("{}", text::ui(lang, "logbook-empty", &Params::new()));
    }
    for entry in &listed {
        let received = match entry.received_ms {
            Some(at) => text::state_with(
                lang,
                "received",
                &params([("time", text::clock_time(lang, at).into())]),
            ),
            None => "–".into(),
        };
        outln!(
            "{:>6}  {}  {}  {received}",
            entry.seq,
            text::moment(lang, entry.at_ms, crate::clock::wall_ms()),
            what(entry, lang)
        );
    }
    ended
}

/// The entries of some days in one file, with the public keys beside it.
pub(super) fn logbook_export(place: &Where, from: Option<Date>, to: Option<Date>, out: &Path) -> Outcome {
    let lang = lang(place);
    let state = state(place);
    let own = known::all(&state).map_err(Failure::internal)?;
    let hub = Pin::load(&state).map_err(Failure::internal)?.all_verifying();
    // A day is one of the reader's calendar, as it is printed.
    let zone = TimeZone::get(text::ZONE).unwrap_or(TimeZone::UTC);
    let begin = |day: Date| zone.to_timestamp(day.to_datetime(Time::midnight())).ok();
    let days = Days {
        from_ms: from.and_then(begin).map(Timestamp::as_millisecond),
        before_ms: to
            .and_then(|day| day.tomorrow().ok())
            .and_then(begin)
            .map(Timestamp::as_millisecond),
    };
    let exported =
        logbook::export(&state.join("logbook"), days, out, (&own, &hub)).map_err(|error| match error {
            ExportError::Book(_) => Failure::internal(error),
            ExportError::Exists(_) | ExportError::Io(..) | ExportError::Empty => Failure::usage(error),
        })?;
    let (last, hash) = exported.last;
    let said = params([
        ("n", exported.entries.into()),
        ("first", exported.first.into()),
        ("last", last.into()),
        ("file", out.display().to_string().into()),
        ("keys", exported.keys.display().to_string().into()),
    ]);
    outln!("{}", text::ui(lang, "logbook-exported", &said));
    if exported.damaged > 0 {
        let said = params([("n", exported.damaged.into())]);
        outln!("{}", text::ui(lang, "logbook-exported-damaged", &said));
    }
    outln!("{hash}");
    Ok(exit::OK)
}

/// What an entry says, in a few words.
fn what(entry: &Listed, lang: text::Lang) -> String {
    let none = Contacts::default();
    match entry.kind {
        Kind::Report => serde_json::from_slice::<Report>(&entry.payload)
            .map(|report| {
                let verdict = text::verdict(lang, report.claimed_verdict());
                match &report.scope {
                    Some(scope) => format!("{verdict} ({})", text::clean(&scope.0.join(", "))),
                    None => verdict.to_owned(),
                }
            })
            .unwrap_or_else(|_| entry.kind.typ().to_owned()),
        Kind::Event => serde_json::from_slice::<Event>(&entry.payload)
            .map(|event| text::event(lang, &event, &none).label)
            .unwrap_or_else(|_| entry.kind.typ().to_owned()),
        other => other.typ().to_owned(),
    }
}
