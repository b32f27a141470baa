//! `enrol`: asks the province to trust this box, shows the fingerprint that is compared by telephone, and says
//! how it stands.

use std::sync::Arc;
use std::time::Duration;

use bridgepoint_protocol::text::{self, Contacts, Params};

use super::{Failure, Outcome, media, settings, state};
use crate::cli::{Where, exit};
use crate::front::RECEIPT_PATIENCE;
use crate::pin::Pin;
use crate::said::Said;
use crate::say::{self, params};
use crate::station::Station;
use crate::uplink::{For, Standing, Uplink};

/// How long the hub is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks, and says how it stands.
pub(super) async fn enrol(place: &Where, accept_hub: bool) -> Outcome {
    let settings = settings(place)?;
    let lang = settings.lang;
    let hub = settings
        .hub
        .clone()
        .ok_or_else(|| Failure::config(Said::new("error-no-hub").on(&place.config).with("table", "[hub]")))?;
    let state = state(place);
    if accept_hub {
        let _lock = state.lock().map_err(Failure::internal)?;
        // The next key that is shown is pinned; it is printed below to be compared.
        // A damaged file has nothing to keep.
        let before = Pin::load(&state).unwrap_or_default();
        before.released().save(&state).map_err(Failure::internal)?;
    }
    let contacts = Contacts::new(&settings.contacts);
    let station = Station::open(settings, state, media(place)?).map_err(Failure::internal)?;
    outln!("{}", say::fingerprint(lang, station.key().kid()));
    let uplink = Uplink::start(Arc::clone(&station), &hub, For::Command).map_err(Failure::config)?;
    let mut standing = uplink.standing.clone();
    let settled = standing.wait_for(|s| {
        matches!(
            s,
            Standing::Online
                | Standing::StrangeHub { .. }
                | Standing::Refused { .. }
                | Standing::TurnedAway { .. }
        )
    });
    // Dropped at once: what `wait_for` gives keeps the uplink from telling anything new.
    drop(tokio::time::timeout(PATIENCE, settled).await);
    let how = uplink.standing.borrow().clone();
    if how == Standing::Online {
        // What has waited for the province's approval goes with it.
        station.wait_for_all_receipts(RECEIPT_PATIENCE).await;
    }
    uplink.stop(Duration::from_secs(2)).await;
    if let Some(key) = station.pin().verifying() {
        outln!(
            "{}",
            text::ui(
                lang,
                "hub-fingerprint",
                &params([("fingerprint", key.kid().fingerprint().into())])
            )
        );
    }
    let own = station.key().kid().fingerprint();
    match how {
        Standing::Online => outln!("{}", text::ui(lang, "enrol-approved", &Params::new())),
        Standing::NotApproved | Standing::Connecting => {
            outln!("{}", text::ui(lang, "enrol-sent", &Params::new()));
            outln!(
                "{}",
                text::ui_with(
                    lang,
                    "enrol-pending",
                    &params([("fingerprint", own.into())]),
                    &contacts
                )
            );
        }
        Standing::StrangeHub { kid } => {
            return Err(Failure::internal(
                Said::new("hub-changed").with("fingerprint", kid.fingerprint()),
            ));
        }
        Standing::Away { why } => {
            let address = format!("{}:{}", hub.broker.host, hub.broker.port);
            return Err(Failure::internal(
                Said::new("delivery-away")
                    .with("address", address)
                    .followed_by(format_args!("({why})")),
            ));
        }
        Standing::Refused { why } => {
            return Err(Failure::internal(
                Said::new("hub.refused").with("reason", why.said(lang)),
            ));
        }
        Standing::TurnedAway { reason } => {
            return Err(Failure::internal(
                Said::new("delivery-turned-away").with("reason", reason.said(lang)),
            ));
        }
    }
    Ok(exit::OK)
}
