//! `check`: one run now. Through the running daemon where there is one, else with the state directory locked.

use std::sync::Arc;

use bridgepoint_protocol::claims::{Scope, Trigger, TriggerKind};
use bridgepoint_protocol::text::{self, Contacts, Params};
use tokio::sync::{mpsc, watch};

use super::{Failure, Outcome, around, open, settings, state, strange, tell};
use crate::cli::{Where, exit};
use crate::config::Settings;
use crate::front::{Ended, Told, Whereabouts, whereabouts};
use crate::plan;
use crate::run::Progress;
use crate::said::{Said, Say as _};
use crate::say::{self, Dress, params};
use crate::socket::{self, Answer, Request};
use crate::station::Order;
use crate::uplink::{For, Uplink};

/// How long a check that was received stays for the receipts of older entries.
const BACKLOG_PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);

/// Makes a check and prints it.
pub(super) async fn check(
    place: &Where,
    only: Option<Vec<String>>,
    json: bool,
    meeting: Option<String>,
) -> Outcome {
    let settings = settings(place)?;
    let scope = scope(&settings, only)?;
    let kind = TriggerKind::Manual;
    let order = Order {
        trigger: Trigger {
            kind: kind.into(),
            meeting,
            checkpoint: None,
        },
        scope,
    };
    let socket = place.state.join("agent.sock");
    let request = Request::Check {
        trigger: order.trigger.clone(),
        scope: order.scope.clone(),
    };
    let lang = settings.lang;
    let running = socket::ask(&socket, &request)
        .await
        .map_err(|e| Failure::internal(Said::new("error-socket-away").on(&socket).because(e)))?;
    let (ended, stopped) = match running {
        Some(answers) => (follow(answers, &settings, json).await?, false),
        None => alone(&settings, place, order, json).await?,
    };
    if let Some(why) = &ended.not_kept {
        tell(Some(place), why);
    }
    if json {
        outln!(
            "{}",
            serde_json::to_string(&ended.report).map_err(Failure::internal)?
        );
    } else {
        out!(
            "{}",
            say::report(&ended.report, &around(&settings, place), lang, Dress::stdout())
        );
        outln!("{}", delivery(&ended, &settings, place));
    }
    Ok(if stopped {
        exit::INTERRUPTED
    } else {
        exit::of(ended.report.claimed_verdict())
    })
}

/// What was asked for with `--only`; a word that stands for nothing in this room is wrong usage.
fn scope(settings: &Settings, only: Option<Vec<String>>) -> Result<Option<Scope>, Failure> {
    let Some(only) = only else { return Ok(None) };
    let asked: Vec<String> = only
        .iter()
        .map(|part| part.trim().trim_end_matches('.').to_owned())
        .filter(|part| !part.is_empty())
        .collect();
    if asked.is_empty() {
        return Err(Failure::usage(
            Said::new("error-only-empty").with("example", "--only codec,mic.chair"),
        ));
    }
    if let Some((strange, nearest)) = plan::strangers(settings, &asked).into_iter().next() {
        let said = Said::new("error-only-unknown")
            .with("given", strange)
            .run("config check");
        return Err(Failure::usage(match nearest {
            Some(near) => said.with("near", near),
            None => said,
        }));
    }
    Ok(Some(Scope(asked)))
}

/// Joins the daemon's run.
async fn follow(mut answers: socket::Answers, settings: &Settings, quiet: bool) -> Result<Ended, Failure> {
    loop {
        let answer = answers.next().await.map_err(strange)?;
        match answer {
            Some(Answer::Told(Told::Progress(step))) => show(&step, settings, quiet),
            Some(Answer::Told(Told::Ended(ended))) => return Ok(*ended),
            Some(Answer::Refused { why }) => return Err(Failure::internal(why)),
            Some(_) | None => {
                return Err(Failure::internal(Said::new("error-broken-off")));
            }
        }
    }
}

/// Without a daemon. Gives true beside the end when it was interrupted.
async fn alone(
    settings: &Settings,
    place: &Where,
    order: Order,
    quiet: bool,
) -> Result<(Ended, bool), Failure> {
    let station = open(settings.clone(), place)?;
    let uplink = match &settings.hub {
        None => None,
        Some(hub) => Some(Uplink::start(Arc::clone(&station), hub, For::Command).map_err(Failure::config)?),
    };
    let (stop, cancel) = watch::channel(false);
    let (progress, mut steps) = mpsc::unbounded_channel();
    let watched = async {
        while let Some(step) = steps.recv().await {
            show(&step, settings, quiet);
        }
    };
    let interrupt = async {
        let asked = tokio::signal::ctrl_c().await.is_ok();
        stop.send_replace(asked);
        std::future::pending::<()>().await;
    };
    let (made, ()) = tokio::select! {
        both = async { tokio::join!(station.check(order, progress, cancel.clone()), watched) } => both,
        () = interrupt => return Err(Failure::internal(Said::new("interrupted"))),
    };
    let stopped = *stop.borrow();
    let delivery = match (&uplink, &made.kept) {
        (None, _) => Whereabouts::NoHub,
        (Some(_), Err(_)) => Whereabouts::Queued,
        (Some(uplink), Ok(())) => {
            uplink.new_entry();
            if !quiet {
                eprintln!("{}", text::ui(settings.lang, "delivery-sending", &Params::new()));
            }
            let whereabouts = whereabouts(&station, uplink, made.report.link.seq).await;
            if whereabouts == Whereabouts::Received {
                // The hub is there: what waited from before has its chance, too. What is left stays kept.
                station.wait_for_all_receipts(BACKLOG_PATIENCE).await;
            }
            whereabouts
        }
    };
    if let Some(uplink) = uplink {
        uplink.stop(std::time::Duration::from_secs(2)).await;
    }
    let not_kept = made.kept.err().map(|error| error.said());
    Ok((
        Ended {
            report: made.report,
            not_kept,
            delivery,
        },
        stopped,
    ))
}

fn show(step: &Progress, settings: &Settings, quiet: bool) {
    if quiet {
        return;
    }
    if let Some(line) = say::step(step, settings, settings.lang, Dress::stderr()) {
        eprintln!("{line}");
    }
}

fn delivery(ended: &Ended, settings: &Settings, place: &Where) -> String {
    let lang = settings.lang;
    let waiting = params([("n", 1.into())]);
    match ended.delivery {
        Whereabouts::NoHub => text::ui(lang, "delivery-none", &Params::new()),
        Whereabouts::Received => {
            let time = text::clock_time(lang, crate::clock::wall_ms());
            text::ui(lang, "delivery-received", &params([("time", time.into())]))
        }
        Whereabouts::Queued => {
            let address = settings
                .hub
                .as_ref()
                .map(|hub| format!("{}:{}", hub.broker.host, hub.broker.port));
            match address {
                Some(address) => text::ui(lang, "delivery-away", &params([("address", address.into())])),
                None => text::ui(lang, "delivery-kept", &waiting),
            }
        }
        Whereabouts::NotApproved => {
            let own = crate::key::known::current(&state(place))
                .map(|key| key.kid().fingerprint())
                .unwrap_or_default();
            let contacts = Contacts::new(&settings.contacts);
            let said = text::sentence(
                lang,
                "hub.not-approved",
                &params([("fingerprint", own.into())]),
                &contacts,
            );
            format!("{}. {}", said.label, said.act)
        }
    }
}
