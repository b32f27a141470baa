//! `verify` and `logbook verify`: does every signature and every link hold? Needs no hub.

use std::path::{Path, PathBuf};

use bridgepoint_protocol::envelope::{Jwk, Kind, VerifyingKey, open, open_enrolment};
use bridgepoint_protocol::logbook::{Keys, verify};
use bridgepoint_protocol::text::{self, Contacts, Lang};
use serde::Deserialize;

use super::{Failure, Outcome, lang, read, state, tell};
use crate::cli::{Where, exit};
use crate::key::known;
use crate::logbook::{self, BookBroken};
use crate::pin::Pin;
use crate::said::{Said, Say as _};
use crate::say::params;

/// The whole logbook of this box.
pub(super) fn logbook(place: &Where) -> Outcome {
    let lang = lang(place);
    let state = state(place);
    let agent = known::all(&state).map_err(Failure::internal)?;
    let hub = Pin::load(&state).map_err(Failure::internal)?.all_verifying();
    match logbook::walk(&state.join("logbook"), &agent, &hub) {
        Ok(walk) if walk.entries == 0 => {
            outln!("{}", text::ui(lang, "logbook-empty", &text::Params::new()));
            Ok(exit::OK)
        }
        Ok(walk) => {
            let first = walk.first.map_or(0, |(seq, _)| seq);
            let last = walk.head.map_or(0, |(seq, _)| seq);
            let said = params([
                ("n", walk.entries.into()),
                ("first", first.into()),
                ("last", last.into()),
            ]);
            outln!("{}", text::ui(lang, "logbook-ok", &said));
            if let Some((_, hash)) = walk.head {
                outln!("{hash}");
            }
            Ok(exit::OK)
        }
        Err(fault) => {
            let reason = match &fault.why {
                Ok(why) => text::line_fault(lang, why),
                Err(error) => error.to_string(),
            };
            let said = params([("line", fault.line.into()), ("reason", reason.clone().into())]);
            outln!(
                "{}",
                text::ui_with(lang, "logbook-broken", &said, &Contacts::default())
            );
            let broken = BookBroken {
                file: fault.file.display().to_string(),
                line: fault.line,
                why: reason,
            };
            tell(Some(place), &broken.said());
            Ok(exit::NOT_VERIFIED)
        }
    }
}

/// One envelope, or one file of a logbook.
pub(super) fn file(place: &Where, path: &Path, given: &[PathBuf]) -> Outcome {
    let lang = lang(place);
    let bytes = read(path)?;
    let keys = keys(place, given)?;
    let trimmed = bytes.trim_ascii();
    let name = path.display().to_string();
    if trimmed.contains(&b'\n') {
        let keys = Keys {
            agent: &keys,
            hub: &keys,
        };
        return match verify(&bytes, keys, None) {
            Ok(_) => good(lang, &name),
            Err(broken) => bad(
                lang,
                &name,
                Some(broken.line),
                &text::line_fault(lang, &broken.why),
            ),
        };
    }
    let opened = match open_enrolment(trimmed) {
        Ok((opened, _)) => Ok(opened),
        Err(_) => open(trimmed, &Kind::ALL, |kid| {
            keys.iter().find(|key| key.kid() == *kid).copied()
        }),
    };
    match opened {
        Ok(_) => good(lang, &name),
        Err(why) => bad(lang, &name, None, &text::refusal(lang, &why)),
    }
}

fn good(lang: Lang, file: &str) -> Outcome {
    outln!(
        "{}",
        text::ui(lang, "verify-ok", &params([("file", file.into())]))
    );
    Ok(exit::OK)
}

fn bad(lang: Lang, file: &str, line: Option<u64>, why: &str) -> Outcome {
    let mut said = params([("file", file.into()), ("reason", why.into())]);
    if let Some(line) = line {
        said.insert("line".into(), line.into());
    }
    outln!("{}", text::ui(lang, "verify-bad", &said));
    Ok(exit::NOT_VERIFIED)
}

/// A key as `key show --json` prints it: the agent the JWK itself, the hub with its names beside it.
#[derive(Deserialize)]
#[serde(untagged)]
enum ShownKey {
    Bare(Jwk),
    InOutput {
        jwk: Jwk,
    },
    /// As `logbook export` writes them beside its file.
    Set {
        keys: Vec<Jwk>,
    },
}

impl ShownKey {
    fn all(self) -> Vec<Jwk> {
        match self {
            Self::Bare(jwk) | Self::InOutput { jwk } => vec![jwk],
            Self::Set { keys } => keys,
        }
    }
}

/// The keys that were given, else this box's own and its hub's, with those before them.
fn keys(place: &Where, given: &[PathBuf]) -> Result<Vec<VerifyingKey>, Failure> {
    if given.is_empty() {
        let state = state(place);
        let mut keys = known::all(&state).map_err(Failure::internal)?;
        keys.extend(Pin::load(&state).map_err(Failure::internal)?.all_verifying());
        return Ok(keys);
    }
    let read_one = |path: &PathBuf| {
        let wrong = |why: String| {
            Failure::usage(
                Said::new("error-no-key")
                    .on(path)
                    .with("form", "JWK")
                    .because(why)
                    .run("key show --json"),
            )
        };
        let shown: ShownKey = serde_json::from_slice(&read(path)?).map_err(|e| wrong(e.to_string()))?;
        let keys = shown.all();
        let keys = keys.iter().map(VerifyingKey::from_jwk);
        keys.collect::<Result<Vec<_>, _>>()
            .map_err(|e| wrong(e.to_string()))
    };
    let read: Result<Vec<_>, Failure> = given.iter().map(read_one).collect();
    Ok(read?.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_either_program_shows_it() {
        let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let with_names = format!(r#"{{"kid":"k","fingerprint":"f","jwk":{jwk}}}"#);
        let set = format!(r#"{{"keys":[{jwk}]}}"#);
        for text in [jwk, with_names.as_str(), set.as_str()] {
            let read = serde_json::from_str::<ShownKey>(text).unwrap().all();
            assert!(VerifyingKey::from_jwk(&read[0]).is_ok());
        }
        assert!(serde_json::from_str::<ShownKey>("{}").is_err());
    }
}
