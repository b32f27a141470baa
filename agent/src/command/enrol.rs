//! `enrol`: asks the province to trust this box, shows the fingerprint that is compared by telephone, and says
//! how it stands. Through the running daemon where there is one.

use std::sync::Arc;
use std::time::Duration;

use bridgepoint_protocol::text::{self, Contacts, Params};

use super::{Failure, Outcome, open, settings, state, strange};
use crate::cli::{Where, exit};
use crate::config::Settings;
use crate::front::{self, RECEIPT_PATIENCE};
use crate::pin::Pin;
use crate::said::Said;
use crate::say::{self, params};
use crate::socket::{self, Answer, Request};
use crate::uplink::{Enrolment, For, Standing, Uplink};

/// Asks, and says how it stands.
pub(super) async fn enrol(place: &Where, accept_hub: bool) -> Outcome {
    let settings = settings(place)?;
    if settings.hub.is_none() {
        let said = Said::new("error-no-hub").on(&place.config).with("table", "[hub]");
        return Err(Failure::config(said));
    }
    let socket = place.state.join("agent.sock");
    let running = socket::ask(&socket, &Request::Enrol { accept_hub })
        .await
        .map_err(|e| Failure::internal(Said::new("error-socket-away").on(&socket).because(e)))?;
    let enrolment = match running {
        Some(mut answers) => match answers.next().await.map_err(strange)? {
            Some(Answer::Enrolment(enrolment)) => enrolment,
            Some(Answer::Refused { why }) => return Err(Failure::internal(why)),
            Some(_) | None => return Err(Failure::internal(Said::new("error-no-answer"))),
        },
        None => alone(&settings, place, accept_hub).await?,
    };
    print(&enrolment, &settings)
}

async fn alone(settings: &Settings, place: &Where, accept_hub: bool) -> Result<Enrolment, Failure> {
    if accept_hub {
        let state = state(place);
        let _lock = state.lock().map_err(Failure::internal)?;
        // The next key that is shown is pinned; it is printed below to be compared.
        let before = Pin::load_to_release(&state).map_err(Failure::internal)?;
        before.released().save(&state).map_err(Failure::internal)?;
    }
    let station = open(settings.clone(), place)?;
    let Some(hub) = &settings.hub else {
        return Err(Failure::config(Said::new("error-hub-unknown")));
    };
    let uplink = Uplink::start(Arc::clone(&station), hub, For::Command).map_err(Failure::config)?;
    let enrolment = front::enrolment(&station, &uplink).await;
    if enrolment.standing == Standing::Online {
        // What has waited for the province's approval goes with it.
        station.wait_for_all_receipts(RECEIPT_PATIENCE).await;
    }
    uplink.stop(Duration::from_secs(2)).await;
    Ok(enrolment)
}

fn print(enrolment: &Enrolment, settings: &Settings) -> Outcome {
    let lang = settings.lang;
    outln!("{}", say::fingerprint(lang, &enrolment.own));
    if let Some(hub) = &enrolment.hub {
        let said = params([("fingerprint", hub.fingerprint().into())]);
        outln!("{}", text::ui(lang, "hub-fingerprint", &said));
    }
    match &enrolment.standing {
        Standing::Online => outln!("{}", text::ui(lang, "enrol-approved", &Params::new())),
        Standing::NotApproved | Standing::Connecting => {
            outln!("{}", text::ui(lang, "enrol-sent", &Params::new()));
            let own = params([("fingerprint", enrolment.own.fingerprint().into())]);
            let contacts = Contacts::new(&settings.contacts);
            outln!("{}", text::ui_with(lang, "enrol-pending", &own, &contacts));
        }
        standing => not_taken(standing, settings)?,
    }
    Ok(exit::OK)
}

/// What keeps the hub from taking a key, where something does.
pub(super) fn not_taken(standing: &Standing, settings: &Settings) -> Result<(), Failure> {
    trouble(standing, settings).map_or(Ok(()), |said| Err(Failure::internal(said)))
}

/// What is wrong with delivery, where something is.
pub(super) fn trouble(standing: &Standing, settings: &Settings) -> Option<Said> {
    Some(match standing {
        Standing::Online | Standing::NotApproved | Standing::Connecting => return None,
        Standing::StrangeHub { kid } => Said::new("hub-changed").with("fingerprint", kid.fingerprint()),
        Standing::Away { why } => {
            let broker = settings.hub.as_ref().map(|hub| &hub.broker);
            let address = broker.map(|broker| format!("{}:{}", broker.host, broker.port));
            Said::new("delivery-away")
                .with("address", address.unwrap_or_default())
                .followed_by(format_args!("({why})"))
        }
        Standing::TurnedAway { reason } => {
            Said::new("delivery-turned-away").with("reason", reason.said(settings.lang))
        }
        Standing::Refused { why } => Said::new("hub.refused").with("reason", why.said(settings.lang)),
    })
}
