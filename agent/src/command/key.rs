//! `key`: makes the box's key, shows it, and changes over to the next one.

use std::sync::Arc;
use std::time::Duration;

use bridgepoint_protocol::text::{self, Contacts, Lang, Params};

use super::enrol::not_taken;
use super::{Failure, Outcome, lang, open, settings, state, strange, tell};
use crate::cli::{KeyAct, Where, exit};
use crate::config::Settings;
use crate::front::{Turned, turned};
use crate::key::known;
use crate::rotation::{self, Awaited, Keys};
use crate::said::Said;
use crate::say::{self, params};
use crate::socket::{self, Answer, Request};
use crate::uplink::{For, Standing, Uplink};

/// Performs one of them.
pub(super) async fn key(act: KeyAct) -> Outcome {
    match act {
        KeyAct::Init { place } => init(&place),
        KeyAct::Show { place, json } => show(&place, json),
        KeyAct::Rotate { place } => rotate(&place).await,
    }
}

fn init(place: &Where) -> Outcome {
    let state = state(place);
    let _lock = state.lock().map_err(Failure::internal)?;
    let found = rotation::find(&state, &state.join("logbook")).map_err(Failure::internal)?;
    outln!("{}", say::fingerprint(lang(place), found.key.kid()));
    if let Some(lost) = &found.lost {
        tell(Some(place), &say::new_key(found.key.kid(), lost));
    }
    Ok(exit::OK)
}

fn show(place: &Where, json: bool) -> Outcome {
    let state = state(place);
    let key = known::current(&state).map_err(Failure::internal)?;
    if json {
        outln!(
            "{}",
            serde_json::to_string(&key.jwk()).map_err(Failure::internal)?
        );
        return Ok(exit::OK);
    }
    let lang = lang(place);
    outln!("{}", say::fingerprint(lang, &key.kid()));
    outln!("kid {}", key.kid());
    say_next(&rotation::look(&state).map_err(Failure::internal)?, lang)?;
    Ok(exit::OK)
}

/// Changes over to another key; through the running daemon where there is one.
async fn rotate(place: &Where) -> Outcome {
    let settings = settings(place)?;
    let socket = place.state.join("agent.sock");
    let running = socket::ask(&socket, &Request::RotateKey)
        .await
        .map_err(|e| Failure::internal(Said::new("error-socket-away").on(&socket).because(e)))?;
    let turned = match running {
        Some(mut answers) => match answers.next().await.map_err(strange)? {
            Some(Answer::Turned(turned)) => turned,
            Some(Answer::Refused { why }) => return Err(Failure::internal(why)),
            Some(_) | None => return Err(Failure::internal(Said::new("error-no-answer"))),
        },
        None => alone(&settings, place).await?,
    };
    let lang = settings.lang;
    let Some((_, awaited)) = &turned.keys.next else {
        let own = params([("fingerprint", turned.keys.own.fingerprint().into())]);
        outln!("{}", text::ui(lang, "key-rotated", &own));
        return Ok(exit::OK);
    };
    let awaited = *awaited;
    say_next(&turned.keys, lang)?;
    match turned.standing {
        Some(Standing::NotApproved) if awaited == Awaited::Entry => {
            let own = params([("fingerprint", turned.keys.own.fingerprint().into())]);
            let contacts = Contacts::new(&settings.contacts);
            outln!("{}", text::ui_with(lang, "enrol-pending", &own, &contacts));
        }
        Some(standing) => not_taken(&standing, &settings)?,
        None => {}
    }
    Ok(exit::OK)
}

async fn alone(settings: &Settings, place: &Where) -> Result<Turned, Failure> {
    let station = open(settings.clone(), place)?;
    station.rotate_key().map_err(Failure::internal)?;
    let uplink = match &settings.hub {
        None => None,
        Some(hub) => Some(Uplink::start(Arc::clone(&station), hub, For::Command).map_err(Failure::config)?),
    };
    let turned = turned(&station, uplink.as_ref()).await;
    if let Some(uplink) = uplink {
        uplink.stop(Duration::from_secs(2)).await;
    }
    Ok(turned)
}

/// What is still awaited while a change is under way.
fn say_next(keys: &Keys, lang: Lang) -> Result<(), Failure> {
    if let Some((next, awaited)) = &keys.next {
        let said = params([("fingerprint", next.fingerprint().into())]);
        outln!("{}", text::ui(lang, "key-rotating", &said));
        let awaited = match awaited {
            Awaited::Entry => "key-awaits-entry",
            Awaited::Trial => "key-awaits-trial",
        };
        outln!("{}", text::ui(lang, awaited, &Params::new()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key;

    /// Time stands still but for what is waited for: nobody waits the half minute.
    #[tokio::test(start_paused = true)]
    async fn a_change_with_the_hub_away_says_so_and_goes_on_at_the_next_order() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("room.toml");
        // Nobody listens there.
        let text = "[room]\nid = \"bai-chay\"\norg = \"quang-ninh\"\nname = \"x\"\n\
                    [hub]\nbroker = \"mqtt://127.0.0.1:1\"\n";
        std::fs::write(&config, text).unwrap();
        let place = Where {
            config,
            state: dir.path().to_owned(),
            lang: Some(Lang::En),
        };
        let state = state(&place);
        let own = key::load_or_make(&state).unwrap();
        let mut named = None;
        for order in ["the first", "the second"] {
            let failure = rotate(&place).await.unwrap_err();
            assert_eq!(failure.code, exit::INTERNAL, "{order}");
            let said = failure.said.in_words(Lang::En, &Contacts::default());
            assert!(said.contains("127.0.0.1:1"), "{said}");
            let keys = rotation::look(&state).unwrap();
            assert_eq!(&keys.own, own.kid(), "the box keeps the key that it has");
            let (next, awaited) = keys.next.unwrap();
            assert_eq!(awaited, Awaited::Entry);
            assert_eq!(*named.get_or_insert(next.clone()), next, "the same change");
        }
        let entries = crate::logbook::list(&state.join("logbook")).unwrap().entries;
        assert_eq!(entries.len(), 1, "named once");
    }
}
