//! `verify` and `logbook verify`: does every signature and every link hold? Needs no hub.

use std::path::{Path, PathBuf};

use bridgepoint_protocol::envelope::{
    Jwk, Kid, Kind, OpenError, Opened, VerifyingKey, open, open_enrolment, peek,
};
use bridgepoint_protocol::logbook::{Broken, Keys, Line, Walk};
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
        return match book(&bytes, &keys) {
            Ok(()) => good(lang, &name),
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
        Err(_) => one(trimmed, &keys),
    };
    match opened {
        Ok(_) => good(lang, &name),
        Err(why) => bad(lang, &name, None, &text::refusal(lang, &why)),
    }
}

/// One envelope, with the keys of the side that signs its kind.
fn one(jws: &[u8], given: &Given) -> Result<Opened, OpenError> {
    let (agent, hub) = given.sides(&[]);
    let side = match peek(jws)?.kind {
        Kind::Plan | Kind::Command | Kind::Receipt | Kind::HubKey => hub,
        // A line test's token is signed by whoever asks for the test.
        Kind::Line => [agent, hub].concat(),
        Kind::Report | Kind::Event | Kind::Attest | Kind::Gap | Kind::Enrol => agent,
    };
    open(jws, &Kind::ALL, |kid| {
        side.iter().find(|key| key.kid() == *kid).copied()
    })
}

/// A logbook's file. A receipt has to be by one of the hub's keys, also when none of those was given.
fn book(text: &[u8], given: &Given) -> Result<(), Broken> {
    let signers: Vec<Kid> = text
        .split(|b| *b == b'\n')
        .filter_map(|line| peek(line).ok())
        .filter(|read| Kind::NUMBERED.contains(&read.kind))
        .map(|read| read.kid)
        .collect();
    let (agent, hub) = given.sides(&signers);
    let keys = Keys {
        agent: &agent,
        hub: &hub,
    };
    let mut walk = Walk::default();
    for (number, line) in (1_u64..).zip(text.split_inclusive(|b| *b == b'\n')) {
        let broken = |why| Broken { line: number, why };
        let read = walk.step_in_file(line, keys).map_err(broken)?;
        if matches!(read, Line::Receipt(_)) && hub.is_empty() {
            let kid = peek(line.trim_ascii_end()).map_err(|why| broken(why.into()))?.kid;
            return Err(broken(OpenError::UnknownKey(kid).into()));
        }
    }
    Ok(())
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
    /// As `logbook export` writes them beside its file, and as a box keeps its own.
    Set {
        keys: Vec<Member>,
    },
}

/// A key of a set.
#[derive(Deserialize)]
struct Member {
    #[serde(flatten)]
    jwk: Jwk,
    of: Option<Of>,
}

/// Whose a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Of {
    Box,
    Hub,
}

impl ShownKey {
    fn all(self) -> Vec<Member> {
        match self {
            Self::Bare(jwk) | Self::InOutput { jwk } => vec![Member { jwk, of: None }],
            Self::Set { keys } => keys,
        }
    }
}

/// The keys to verify with, by whose they are.
#[derive(Debug, Default)]
struct Given {
    agent: Vec<VerifyingKey>,
    hub: Vec<VerifyingKey>,
    /// A list for each file that does not say whose its keys are.
    unsaid: Vec<Vec<VerifyingKey>>,
}

impl Given {
    /// Keys for what the box and for what the hub signs. A file that does not say whose its keys are has those of one side:
    /// of the box, when one of them is among those that have signed entries (`signers`).
    fn sides(&self, signers: &[Kid]) -> (Vec<VerifyingKey>, Vec<VerifyingKey>) {
        let (mut agent, mut hub) = (self.agent.clone(), self.hub.clone());
        for keys in &self.unsaid {
            agent.extend(keys);
            if !keys.iter().any(|key| signers.contains(&key.kid())) {
                hub.extend(keys);
            }
        }
        (agent, hub)
    }

    fn add(&mut self, shown: ShownKey) -> Result<(), OpenError> {
        let mut unsaid = vec![];
        for member in shown.all() {
            let key = VerifyingKey::from_jwk(&member.jwk)?;
            match member.of {
                Some(Of::Box) => self.agent.push(key),
                Some(Of::Hub) => self.hub.push(key),
                None => unsaid.push(key),
            }
        }
        self.unsaid.push(unsaid);
        Ok(())
    }
}

/// The keys that were given, else this box's own and its hub's, with those before them.
fn keys(place: &Where, files: &[PathBuf]) -> Result<Given, Failure> {
    let mut given = Given::default();
    if files.is_empty() {
        let state = state(place);
        given.agent = known::all(&state).map_err(Failure::internal)?;
        given.hub = Pin::load(&state).map_err(Failure::internal)?.all_verifying();
    }
    for path in files {
        let wrong = |why: String| {
            Failure::usage(
                Said::new("error-no-key")
                    .on(path)
                    .with("form", "JWK")
                    .because(why)
                    .run("key show --json"),
            )
        };
        let shown = serde_json::from_slice(&read(path)?).map_err(|e| wrong(e.to_string()))?;
        given.add(shown).map_err(|e| wrong(e.to_string()))?;
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridgepoint_protocol::envelope::{EntryHash, SigningKey, seal};
    use serde_json::{Value, json};

    #[test]
    fn a_key_is_read_as_either_program_shows_it() {
        let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let with_names = format!(r#"{{"kid":"k","fingerprint":"f","jwk":{jwk}}}"#);
        let set = format!(r#"{{"keys":[{jwk}]}}"#);
        for text in [jwk, with_names.as_str(), set.as_str()] {
            let read = serde_json::from_str::<ShownKey>(text).unwrap().all();
            assert!(VerifyingKey::from_jwk(&read[0].jwk).is_ok());
            assert_eq!(read[0].of, None);
        }
        let said = |of: &str| {
            let set = format!(
                r#"{{"keys":[{}]}}"#,
                jwk.replace("{", &format!(r#"{{"of":"{of}","#))
            );
            serde_json::from_str::<ShownKey>(&set).map(|shown| shown.all()[0].of)
        };
        assert_eq!(said("box").unwrap(), Some(Of::Box));
        assert_eq!(said("hub").unwrap(), Some(Of::Hub));
        assert!(said("somebody").is_err(), "whose it is is not guessed");
        assert!(serde_json::from_str::<ShownKey>("{}").is_err());
    }

    fn key() -> SigningKey {
        let random = ring::rand::SystemRandom::new();
        SigningKey::from_pkcs8(&SigningKey::generate(&random).unwrap()).unwrap()
    }

    /// An entry and a receipt for it.
    fn lines(agent: &SigningKey, by: &SigningKey) -> String {
        let entry = json!({
            "v": 1, "org": "abc", "room": "def", "boot": "b", "seq": 1, "prev": EntryHash::ZERO, "witness": null,
            "nonce": null, "iat": 0, "mono_ms": 0, "clk": "ntp", "n": "x",
        });
        let entry = seal(agent, Kind::Report, &entry).unwrap();
        let receipt =
            json!({"v":1,"org":"abc","room":"def","iat":0,"seq":1,"hash":entry.hash,"received_ms":0});
        let receipt = seal(by, Kind::Receipt, &receipt).unwrap();
        format!("{}\n{}\n", entry.jws, receipt.jws)
    }

    fn set(keys: &[(&SigningKey, &str)]) -> Value {
        let keys = keys.iter().map(|(key, of)| {
            let mut jwk = serde_json::to_value(key.verifying().jwk()).unwrap();
            if !of.is_empty() {
                jwk["of"] = json!(of);
            }
            jwk
        });
        json!({ "keys": keys.collect::<Vec<_>>() })
    }

    fn given(files: &[Value]) -> Given {
        let mut given = Given::default();
        for file in files {
            given.add(serde_json::from_value(file.clone()).unwrap()).unwrap();
        }
        given
    }

    #[test]
    fn a_receipt_by_the_box_is_none_of_the_hub() {
        let (agent, next, hub) = (key(), key(), key());
        let marked = set(&[(&agent, "box"), (&next, "box"), (&hub, "hub")]);
        let bare = |key: &SigningKey| serde_json::to_value(key.verifying().jwk()).unwrap();
        for files in [
            vec![marked],
            vec![bare(&agent), bare(&hub)],
            // As a box lists its own: the second has not signed any entry here, and is the box's all the same.
            vec![set(&[(&agent, ""), (&next, "")]), bare(&hub)],
        ] {
            let given = given(&files);
            assert_eq!(book(lines(&agent, &hub).as_bytes(), &given), Ok(()), "{files:?}");
            for by in [&agent, &next] {
                let broken = book(lines(&agent, by).as_bytes(), &given).unwrap_err();
                assert_eq!(broken.line, 2, "{files:?}");
            }
        }
        // Nor is one that nobody can verify taken for good, and no entry is the hub's.
        for files in [vec![bare(&agent)], vec![set(&[(&agent, "box")])]] {
            let broken = book(lines(&agent, &hub).as_bytes(), &given(&files)).unwrap_err();
            assert_eq!(broken.line, 2, "{files:?}");
        }
        let marked = given(&[set(&[(&agent, "box"), (&hub, "hub")])]);
        assert_eq!(book(lines(&hub, &hub).as_bytes(), &marked).unwrap_err().line, 1);

        // One envelope alone, in the same way.
        for (by, holds) in [(&hub, true), (&agent, false)] {
            let both = lines(&agent, by);
            let (entry, receipt) = both.trim_end().split_once('\n').unwrap();
            assert!(one(entry.as_bytes(), &marked).is_ok());
            assert_eq!(one(receipt.as_bytes(), &marked).is_ok(), holds);
        }
    }
}
