//! Every error of the program is told, in both languages, with what it is about. Beside [`crate::said`] and not in it:
//! these tests know every error there is, and that knows none.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use bridgepoint_protocol::text::{self, Contacts, Lang};
use proptest::prelude::*;

use crate::baseline::BaselineError;
use crate::key::KeyError;
use crate::logbook::{BookBroken, ExportError, LogbookError};
use crate::pin::PinError;
use crate::rotation::RotateError;
use crate::said::{Said, Say};
use crate::state::LockError;
use crate::station::{AcceptError, StartError};
use crate::uplink::UplinkError;

fn disk() -> io::Error {
    io::Error::other("no space left")
}

fn file() -> PathBuf {
    PathBuf::from("/var/lib/bridgepoint/x")
}

/// One of each error of the agent that has a text, and what its text names in every language.
fn errors() -> Vec<(Said, &'static [&'static str])> {
    let path = "/var/lib/bridgepoint/x";
    let broken = |line| BookBroken {
        file: path.into(),
        line,
        why: "cut off".into(),
    };
    vec![
        (LockError::Taken(file()).said(), &["/bridgepoint/x"]),
        (
            LockError::Io(file(), disk()).said(),
            &["/bridgepoint/x", "(no space left)", "--state"],
        ),
        (
            KeyError::Missing(file()).said(),
            &["/bridgepoint/x", "bridgepoint-agent key init"],
        ),
        (
            KeyError::Io(file(), disk()).said(),
            &["/bridgepoint/x", "(no space left)"],
        ),
        (
            KeyError::Open(file(), 0o644).said(),
            &["644", "chmod 600 /var/lib/bridgepoint/x"],
        ),
        (KeyError::Broken(file()).said(), &["/bridgepoint/x", "Ed25519"]),
        (
            KeyError::Elsewhere(file()).said(),
            &["/bridgepoint/x", "credential"],
        ),
        (
            KeyError::Known(file(), "cut off".into()).said(),
            &["/bridgepoint/x", "(cut off)"],
        ),
        (
            RotateError::Credential.said(),
            &["LoadCredential=bridgepoint-key"],
        ),
        (Said::new("error-own-user"), &["sudo -u bridgepoint"]),
        (
            BaselineError::Io(file(), disk()).said(),
            &["/bridgepoint/x", "(no space left)"],
        ),
        (
            BaselineError::Broken(file(), "cut off".into()).said(),
            &["/bridgepoint/x", "(cut off)"],
        ),
        (
            LogbookError::Io {
                path: file(),
                error: disk(),
            }
            .said(),
            &["/bridgepoint/x", "(no space left)"],
        ),
        (
            LogbookError::Full {
                path: file(),
                dropped: 7,
            }
            .said(),
            &["/bridgepoint/x", "7"],
        ),
        (ExportError::Exists(file()).said(), &["/bridgepoint/x"]),
        (
            ExportError::Io(file(), disk()).said(),
            &["/bridgepoint/x", "(no space left)"],
        ),
        (ExportError::Empty.said(), &["bridgepoint-agent logbook list"]),
        (broken(7).said(), &["/bridgepoint/x", "7", "(cut off)"]),
        (broken(0).said(), &["/bridgepoint/x", "(cut off)"]),
        (
            PinError::Io(file(), disk()).said(),
            &["/bridgepoint/x", "(no space left)"],
        ),
        (
            PinError::Broken(file(), "cut off".into()).said(),
            &["/bridgepoint/x", "enrol --accept-hub"],
        ),
        (
            StartError::from(KeyError::Broken(file())).said(),
            &["/bridgepoint/x"],
        ),
        (AcceptError::NothingToAccept.said(), &["bridgepoint-agent check"]),
        (
            UplinkError::Password(file(), disk()).said(),
            &["/bridgepoint/x", "(no space left)", "password_file"],
        ),
        (
            UplinkError::Certificate(file(), "no certificate".into()).said(),
            &["/bridgepoint/x", "(no certificate)"],
        ),
        (UplinkError::Tls("no suite".into()).said(), &["(no suite)"]),
        (serde_json::from_str::<u8>("x").unwrap_err().said(), &["line 1"]),
    ]
}

#[test]
fn every_error_is_told_in_both_languages_with_what_it_is_about() {
    for (said, named) in errors() {
        let words = Lang::ALL.map(|lang| said.in_words(lang, &Contacts::default()));
        let [vi, en] = &words;
        assert_ne!(vi, en, "{said:?}");
        for text in &words {
            assert_ne!(text, &said.key, "there is no such text");
            assert!(!text.contains('…'), "{said:?} lacks a parameter: {text}");
            // A command at the end has no full stop, so that it can be copied.
            let command = said.params.get("command").and_then(|value| value.as_str());
            assert!(
                text.ends_with('.') || command.is_some_and(|command| text.ends_with(command)),
                "{text}"
            );
            for name in named {
                assert!(text.contains(name), "{name} is not named: {text}");
            }
        }
    }
}

/// All `error-…` keys that stand between quotation marks in the files below `dir`.
fn keys_in(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            keys_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let keys = text
                .split('"')
                .filter(|part| part.starts_with("error-") && !part.contains(|c: char| !c.is_ascii_graphic()));
            found.extend(keys.map(str::to_owned));
        }
    }
}

#[test]
fn every_key_has_its_text_and_every_text_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut used = BTreeSet::new();
    keys_in(&root.join("src"), &mut used);
    used.remove("error-");
    for lang in Lang::ALL {
        let file = root.join(format!("../protocol/locales/{}.toml", lang.word()));
        let locale: toml::Table = std::fs::read_to_string(file).unwrap().parse().unwrap();
        let there: BTreeSet<String> = locale["ui"]
            .as_table()
            .unwrap()
            .keys()
            .filter(|key| key.starts_with("error-"))
            .cloned()
            .collect();
        assert_eq!(used, there, "{}", lang.word());
    }
}

#[test]
fn a_code_is_told_with_its_act() {
    let said = Said::new("hub.refused").with("reason", "not authorized (135)");
    let text = said.in_words(Lang::En, &Contacts::default());
    let sentence = text::sentence(Lang::En, "hub.refused", &said.params, &Contacts::default());
    assert!(!sentence.act.is_empty());
    assert_eq!(text, format!("{}. {}", sentence.label, sentence.act));
}

#[test]
fn what_a_sentence_cuts_stands_whole_behind_it() {
    let path = format!("/{}/room.toml", "x".repeat(300));
    let text = Said::new("error-file")
        .on(Path::new(&path))
        .because("not found")
        .in_words(Lang::Vi, &Contacts::default());
    assert!(text.ends_with(&format!(" {path}")), "{text}");
}

#[test]
fn a_text_survives_the_socket() {
    for (said, _) in errors() {
        let line = serde_json::to_string(&said).unwrap();
        assert_eq!(serde_json::from_str::<Said>(&line).unwrap(), said);
    }
}

proptest! {
    #[test]
    fn whatever_it_is_about_it_stays_one_line(detail in any::<String>(), tail in any::<String>()) {
        let said = Said::new("error-file").with("file", &detail).because(&detail).followed_by(tail);
        for lang in Lang::ALL {
            let text = said.in_words(lang, &Contacts::default());
            prop_assert!(!text.chars().any(char::is_control), "{text:?}");
        }
    }
}
