//! What is signed, as bytes from the network or a file: nothing opens that was not signed, wherever it was changed, and
//! no chain of lines or keys is longer than its signatures make it.

use bridgepoint_protocol::envelope::{
    EntryHash, Kid, Kind, MAX_ENVELOPE, VerifyingKey, open, open_enrolment, peek,
};
use bridgepoint_protocol::logbook::{self, Line, Walk, read_unverified};
use bridgepoint_protocol::rotation::{hub_statement, reached};
use serde_json::json;

use crate::keys::{frozen, keys, room};

/// One message. What opens is, byte for byte, one that was signed once: not even another spelling of it does.
pub(crate) fn envelope(data: &[u8]) {
    if let Ok(read) = peek(data) {
        assert!(data.len() <= MAX_ENVELOPE && read.payload.len() < data.len());
        let text = std::str::from_utf8(data).expect("an envelope is ASCII");
        assert_eq!(read.hash, EntryHash::of(text));
    }
    if let Ok(opened) = open(data, &Kind::ALL, known) {
        assert!(
            frozen().envelopes.iter().any(|sealed| sealed == data),
            "it opens, and nobody has signed it: {opened:?}"
        );
        assert_eq!(peek(data), Ok(opened), "what opens is read as it is");
    }
}

fn known(kid: &Kid) -> Option<VerifyingKey> {
    let mut keys = frozen().keys.iter();
    keys.find(|key| key.kid() == *kid).copied()
}

/// An enrolment, which brings its own key: `+` and claims are signed by one that is not known yet, anything else comes
/// as it is.
pub(crate) fn enrolment(data: &[u8]) {
    let challenger = &keys().challenger;
    let (jws, signed_here) = match data.split_first() {
        Some((b'+', claims)) => (challenger.seal(Kind::Enrol, claims).into_bytes(), true),
        _ => (data.to_vec(), false),
    };
    let (opened, claims) = match open_enrolment(&jws) {
        Ok(read) => read,
        Err(why) => {
            let said = why.to_string();
            return assert!(said.len() <= 1024, "a refusal of {} bytes", said.len());
        }
    };
    let key = VerifyingKey::from_jwk(&claims.jwk).expect("it was verified with it");
    assert_eq!(key.kid(), opened.kid);
    if signed_here {
        assert_eq!(
            key,
            challenger.verifying(),
            "possession of another key was believed"
        );
    } else {
        assert!(
            frozen().envelopes.contains(&jws),
            "it opens, and nobody has signed it"
        );
    }
    assert_eq!(opened.claims(), Ok(claims), "read twice, it says the same");
}

/// A file of a logbook, a line a line of the input. How a line begins says how it is made: see [`lines`].
pub(crate) fn logbook(data: &[u8]) {
    let made = lines(data);
    let text = made.join(&b'\n');
    let (agent, hub) = ([keys().room.verifying()], [keys().hub.verifying()]);
    let all = logbook::Keys {
        agent: &agent,
        hub: &hub,
    };
    for hub in [&hub[..], &[]] {
        let keys = logbook::Keys { agent: &agent, hub };
        match logbook::verify(&text, keys, None) {
            Ok(walk) => {
                let read = walk.entries + walk.receipts + walk.unverified_receipts;
                let there = text.strip_suffix(b"\n").unwrap_or(&text);
                let there = if there.is_empty() {
                    0
                } else {
                    there.split(|b| *b == b'\n').count()
                };
                assert_eq!(
                    usize::try_from(read).ok(),
                    Some(there),
                    "every line is an entry or a receipt"
                );
                assert!(!hub.is_empty() && walk.unverified_receipts == 0 || walk.receipts == 0);
                if let (Some((first, _)), Some((head, _))) = (walk.first, walk.head) {
                    assert!(first <= head && walk.entries - 1 <= head - first, "{walk:?}");
                }
            }
            Err(broken) => {
                let there = u64::try_from(made.len()).expect("a few lines");
                assert!(
                    (1..=there.max(1)).contains(&broken.line),
                    "line {} of {there}",
                    broken.line
                );
            }
        }
    }
    for line in &made {
        let unverified = read_unverified(line);
        if let Ok(Line::Entry(entry)) = Walk::default().step(line, all) {
            assert_eq!(unverified, Ok(Line::Entry(entry)));
        }
    }
    no_entry_can_be_cut(&made, all);
}

/// A file that holds does not hold without one of its entries, but for the first and the last. (A gap may declare what
/// is missing; then there is nothing to say.)
fn no_entry_can_be_cut(lines: &[Vec<u8>], keys: logbook::Keys<'_>) {
    let kind = |line: &[u8]| peek(line).map(|opened| opened.kind);
    if lines.iter().any(|line| kind(line) == Ok(Kind::Gap))
        || logbook::verify(&lines.join(&b'\n'), keys, None).is_err()
    {
        return;
    }
    let entries: Vec<usize> = (0..lines.len())
        .filter(|at| kind(&lines[*at]).is_ok_and(|kind| Kind::NUMBERED.contains(&kind)))
        .collect();
    let Some(middle) = entries
        .len()
        .checked_sub(2)
        .and_then(|inner| entries.get(1..=inner))
    else {
        return;
    };
    for cut in middle.iter().take(4) {
        let mut less = lines.to_vec();
        less.remove(*cut);
        assert!(
            logbook::verify(&less.join(&b'\n'), keys, None).is_err(),
            "line {cut} can be cut out and nobody sees it"
        );
    }
}

/// The lines that an input asks for: `r`, `e`, `a`, `g` an entry that stands where it belongs, with the rest of the line
/// as its text; the same letter in upper case an entry whose claims are the rest of the line; `c` a receipt for the last
/// entry, `C` a receipt with these claims; anything else is a line as it is.
pub(crate) fn lines(data: &[u8]) -> Vec<Vec<u8>> {
    const LINES_MAX: usize = 64;
    let at = room();
    let (mut seq, mut prev) = (0_u64, EntryHash::ZERO);
    let mut made = Vec::new();
    for line in data.split(|byte| *byte == b'\n').take(LINES_MAX) {
        let Some((how, rest)) = line.split_first() else {
            made.push(Vec::new());
            continue;
        };
        let kind = match how.to_ascii_lowercase() {
            b'r' => Kind::Report,
            b'e' => Kind::Event,
            b'a' => Kind::Attest,
            b'g' => Kind::Gap,
            b'c' => Kind::Receipt,
            _ => {
                made.push(line.to_vec());
                continue;
            }
        };
        let key = if kind == Kind::Receipt {
            &keys().hub
        } else {
            &keys().room
        };
        let jws = if how.is_ascii_uppercase() {
            key.seal(kind, rest)
        } else if kind == Kind::Receipt {
            let claims = json!({"v": 1, "org": at.org, "room": at.room, "iat": 0, "seq": seq, "hash": prev, "received_ms": 0});
            key.seal(kind, claims.to_string().as_bytes())
        } else {
            let said = String::from_utf8_lossy(rest);
            let claims = json!({"v": 1, "org": at.org, "room": at.room, "iat": 0, "seq": seq + 1, "prev": prev, "said": said});
            key.seal(kind, claims.to_string().as_bytes())
        };
        if kind != Kind::Receipt {
            let read = read_unverified(jws.as_bytes());
            if let Ok(Line::Entry(entry)) = read {
                (seq, prev) = (entry.seq.min(u64::MAX - 1), entry.hash);
            }
        }
        made.push(jws.into_bytes());
    }
    made
}

/// Statements by which the hub's key hands over: `a` and `b` are real ones, to the next key and back; `s` and claims are
/// signed by the hub's key, `t` by the next one; anything else is a statement as it is.
pub(crate) fn rotation(data: &[u8]) {
    const LINES_MAX: usize = 128;
    let (hub, next) = (&keys().hub, &keys().hub_next);
    let real = |from: &crate::keys::Key, to: &crate::keys::Key| {
        hub_statement(&from.signing, &to.signing, 0).expect("a statement is small")
    };
    let statements: Vec<String> = data
        .split(|byte| *byte == b'\n')
        .take(LINES_MAX)
        .map(|line| match line.split_first() {
            Some((b'a', _)) => real(hub, next),
            Some((b'b', _)) => real(next, hub),
            Some((b's', claims)) => hub.seal(Kind::HubKey, claims),
            Some((b't', claims)) => next.seal(Kind::HubKey, claims),
            _ => String::from_utf8_lossy(line).into_owned(),
        })
        .collect();
    let path = reached(&hub.verifying(), &statements);
    assert!(
        path.is_empty() || path == [next.verifying()],
        "a key was reached that its holder has not signed for"
    );
}
