//! Where the reports are, in one line. "Sent" is said only on the hub's signed receipt (rule 11 of the house).

use bridgepoint_protocol::text::{self, Contacts, Params};

use super::Seen;
use crate::say::params;
use crate::uplink::Standing;

/// The line, and whether the hub has signed for everything.
pub(super) fn line(seen: &Seen<'_>, contacts: &Contacts) -> (String, bool) {
    let lang = seen.lang;
    let say = |key: &str, said: Params| text::ui_with(lang, key, &said, contacts);
    let waiting = || params([("n", seen.waiting.into())]);
    let Some(standing) = seen.standing else {
        return (say("delivery-none", Params::new()), false);
    };
    match standing {
        // These need a person, whatever is delivered already.
        Standing::StrangeHub { kid } => {
            return (
                say("hub-changed", params([("fingerprint", kid.fingerprint().into())])),
                false,
            );
        }
        Standing::NotApproved => {
            return (
                say(
                    "enrol-pending",
                    params([("fingerprint", seen.fingerprint.into())]),
                ),
                false,
            );
        }
        Standing::Refused { why } => {
            let said = text::sentence(
                lang,
                "hub.refused",
                &params([("reason", why.said(lang).into())]),
                contacts,
            );
            return (format!("{}. {}", said.label, said.act), false);
        }
        Standing::TurnedAway { reason } => {
            let reason = reason.said(lang);
            return (
                say("delivery-turned-away", params([("reason", reason.into())])),
                false,
            );
        }
        Standing::Connecting | Standing::Away { .. } | Standing::Online => {}
    }
    if seen.waiting == 0
        && let Some(received_ms) = seen.newest.and_then(|newest| newest.received_ms)
    {
        let time = text::moment(lang, received_ms, seen.now_ms);
        return (say("sent-at", params([("time", time.into())])), true);
    }
    let line = match standing {
        Standing::Away { .. } => {
            let broker = seen.settings.hub.as_ref().map(|hub| &hub.broker);
            let address = broker
                .map(|b| format!("{}:{}", b.host, b.port))
                .unwrap_or_default();
            say("delivery-away", params([("address", address.into())]))
        }
        _ if seen.waiting == 0 => text::state(lang, "online"),
        Standing::Online => say("delivery-sending", Params::new()),
        _ => say("delivery-kept", waiting()),
    };
    (line, false)
}
