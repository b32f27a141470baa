//! What the corpus begins with: the recorded talks, the frozen envelopes, and a few words of each of our own languages.

use std::path::{Path, PathBuf};
use std::{fs, io};

use bridgepoint_protocol::claims::Enrol;
use bridgepoint_protocol::envelope::Kind;
use bridgepoint_protocol::line::wire::control::{Answer, Grant, Reason, Refusal, Request, Summary, Wish};
use bridgepoint_protocol::line::wire::rtp::{self, Probe, Reply};
use bridgepoint_protocol::rotation;
use bridgepoint_protocol::topic::{RoomTopic, Topic};
use serde_json::{Value, json};

use crate::keys::{keys, room};
use crate::tape::{CLOSE, MARK, PIECE, SENDS, STOP, escaped};

/// One input of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// The target.
    pub target: &'static str,
    /// What it is called in the corpus, after `seed-`.
    pub name: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Where the corpus is kept, one folder a target.
#[must_use]
pub fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}

/// All of them.
///
/// # Errors
/// When the fixtures cannot be read.
pub fn all() -> io::Result<Vec<Seed>> {
    let mut seeds = Vec::new();
    talks(&mut seeds)?;
    envelopes(&mut seeds)?;
    line(&mut seeds);
    rest(&mut seeds);
    Ok(seeds)
}

fn fixtures(folder: &str, extension: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures")
        .join(folder);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|is| is == extension) {
            let name = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            found.push((name, fs::read(path)?));
        }
    }
    found.sort();
    Ok(found)
}

fn seed(target: &'static str, name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Seed {
    Seed {
        target,
        name: name.into(),
        bytes: bytes.into(),
    }
}

fn talks(seeds: &mut Vec<Seed>) -> io::Result<()> {
    for (name, text) in fixtures("transcripts/cisco", "txt")? {
        let text = String::from_utf8_lossy(&text).into_owned();
        let target = if text.contains("\n# login:") || text.starts_with("# login:") {
            "cisco-login"
        } else {
            "cisco"
        };
        let tape = tape(&text, false);
        if target == "cisco" {
            seeds.push(seed("link", name.clone(), stream_only(&text)));
        }
        seeds.push(seed(target, name, tape));
    }
    for (name, text) in fixtures("transcripts/nut", "txt")? {
        seeds.push(seed("nut", name, tape(&String::from_utf8_lossy(&text), false)));
    }
    for (name, text) in fixtures("transcripts/visca", "txt")? {
        let text = String::from_utf8_lossy(&text);
        let target = if text.contains("# framing: ip") {
            "camera-ip"
        } else if text.contains("# framing: chain") {
            "camera-chain"
        } else {
            "camera-packets"
        };
        seeds.push(seed(target, name.clone(), tape(&text, true)));
        if let Some(line) = text
            .lines()
            .filter_map(|line| line.strip_prefix("< "))
            .next_back()
        {
            seeds.push(seed("visca", name, hex(line)));
        }
    }
    Ok(())
}

/// A transcript as a tape: what came, and for each thing that was sent the time until it is.
pub(crate) fn tape(text: &str, in_hex: bool) -> Vec<u8> {
    let end: &[u8] = if text.contains("# ends: lf") {
        b"\n"
    } else {
        b"\r\n"
    };
    let mut out = Vec::new();
    for line in text.lines() {
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (mark, in_hex) {
            (">", _) => out.extend([MARK, SENDS]),
            ("<", true) => {
                out.extend(escaped(&hex(rest)));
                out.extend([MARK, PIECE]);
            }
            ("<", false) => out.extend(escaped(&[rest.as_bytes(), end].concat())),
            ("<-", _) => out.extend(escaped(rest.as_bytes())),
            ("~", _) => {
                let ms: u64 = rest.parse().unwrap_or(0);
                for _ in 0..ms / 1000 {
                    out.extend([MARK, 50]);
                }
            }
            ("!", _) if rest == "cancelled" => out.extend([MARK, STOP]),
            ("!", _) => out.extend([MARK, CLOSE]),
            _ => {}
        }
    }
    out
}

/// What came, without anything between.
fn stream_only(text: &str) -> Vec<u8> {
    let came = text.lines().filter_map(|line| line.strip_prefix("< "));
    escaped(came.collect::<Vec<_>>().join("\r\n").as_bytes())
}

fn hex(text: &str) -> Vec<u8> {
    let bytes = text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16));
    bytes.filter_map(Result::ok).collect()
}

fn envelopes(seeds: &mut Vec<Seed>) -> io::Result<()> {
    for (name, jws) in fixtures("reports/v1", "jws")? {
        let jws = jws.trim_ascii().to_vec();
        let topic = match name.as_str() {
            "report" => "report",
            "enrol" => "enrol",
            _ => "event",
        };
        let message = [format!("bp/1/quang-ninh/bai-chay/{topic}\n").as_bytes(), &jws].concat();
        seeds.push(seed("ingest", format!("frozen-{name}"), message));
        seeds.push(seed("logbook", format!("frozen-{name}"), jws.clone()));
        if name == "enrol" {
            seeds.push(seed("enrolment", "frozen", jws.clone()));
        }
        seeds.push(seed(
            "proof",
            format!("frozen-{name}"),
            [b"!", jws.as_slice()].concat(),
        ));
        seeds.push(seed("envelope", name, jws));
    }
    for (name, json) in fixtures("reports/v1", "json")? {
        let kind = Kind::ALL
            .iter()
            .position(|kind| kind.typ() == format!("bp-{name}+jws"));
        let kind = u8::try_from(kind.unwrap_or(0)).unwrap_or(0);
        let claims: Value = serde_json::from_slice(&json)?;
        let text = claims.to_string();
        seeds.push(seed("claims", name.clone(), [&[kind], text.as_bytes()].concat()));
        let topic = if name == "report" { "report" } else { "event" };
        let signed = format!("bp/1/quang-ninh/bai-chay/{topic}\n=r{kind}{text}");
        seeds.push(seed("ingest", format!("signed-{name}"), signed));
    }
    let long = json!({"v": "x".repeat(5000)});
    seeds.push(seed("enrolment", "long", format!("+{long}")));
    seeds.push(seed("claims", "long", format!("\0{long}")));
    seeds.push(seed("proof", "long", format!("R{long}")));
    let mut enrol = enrol(keys().challenger.verifying().jwk());
    seeds.push(seed("enrolment", "signed", format!("+{}", json!(enrol))));
    let kind = Kind::ALL
        .iter()
        .position(|kind| *kind == Kind::Enrol)
        .unwrap_or(0);
    let signed = format!("bp/1/quang-ninh/bai-chay/enrol\n=c{kind}{}", json!(enrol));
    seeds.push(seed("ingest", "enrolment", signed));
    // A key that hands over inside the room's chain.
    enrol.former = Some(keys().room.kid().clone());
    let next = &keys().challenger.signing;
    let proof = rotation::proof(next, keys().room.kid(), enrol).map_err(io::Error::other)?;
    let mut event: Value = serde_json::from_slice(&fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/reports/v1/event.json"),
    )?)?;
    event["kind"] = rotation::KEY_EVENT.into();
    event["code"] = rotation::ROTATED.into();
    event["params"] = json!(rotation::params(&next.verifying(), &proof));
    event["org"] = json!(room().org);
    event["room"] = json!(room().room);
    let at = Kind::ALL
        .iter()
        .position(|kind| *kind == Kind::Event)
        .unwrap_or(0);
    let at = u8::try_from(at).unwrap_or(0);
    seeds.push(seed(
        "claims",
        "key-rotated",
        [&[at], event.to_string().as_bytes()].concat(),
    ));
    seeds.push(seed("rotation", "there-and-back", "a\nb\na"));
    let said =
        json!({"v": 1, "iat": 0, "jwk": keys().hub_next.verifying().jwk(), "former": keys().hub.kid()});
    seeds.push(seed(
        "rotation",
        "without-proof",
        format!("s{said}\nt{said}\nx.y.z"),
    ));
    Ok(())
}

fn enrol(jwk: bridgepoint_protocol::envelope::Jwk) -> Enrol {
    Enrol {
        v: 1,
        org: room().org,
        room: room().room,
        iat: 0,
        jwk,
        former: None,
        name: "UBND phường Bãi Cháy".to_owned(),
        area: Some("Hạ Long".to_owned()),
        contacts: Vec::new(),
    }
}

fn line(seeds: &mut Vec<Seed>) {
    const NONCE: u64 = 0x0102_0304_0506_0708;
    let wish = Wish {
        room: room(),
        kbps: 4096,
        duration_ms: 3_500,
        packet_bytes: 1200,
    };
    let requests = [
        Request::Hello {
            nonce: NONCE,
            room: room(),
        },
        Request::Open {
            nonce: NONCE,
            token: [9; 16],
            wish,
        },
        Request::Close {
            nonce: NONCE,
            session: 7,
            sent: 8,
        },
    ];
    let grant = Grant {
        session: 7,
        kbps: 4096,
        duration_ms: 3_500,
    };
    let refusal = Refusal {
        reason: Reason::Busy,
        max_kbps: 1,
        max_duration_ms: 2,
    };
    let summary = Summary {
        received: 3,
        replied: 3,
        highest: 2,
        ..Summary::default()
    };
    let answers = [
        Answer::Token {
            nonce: NONCE,
            token: [9; 16],
        },
        Answer::Grant { nonce: NONCE, grant },
        Answer::Refused {
            nonce: NONCE,
            refusal,
        },
        Answer::Summary {
            nonce: NONCE,
            session: 7,
            summary,
        },
    ];
    for (at, request) in requests.iter().enumerate() {
        seeds.push(seed("line-control", format!("request-{at}"), request.emit()));
        seeds.push(seed(
            "line-reflector",
            format!("request-{at}"),
            escaped(&request.emit()),
        ));
    }
    for (at, answer) in answers.iter().enumerate() {
        seeds.push(seed("line-control", format!("answer-{at}"), answer.emit()));
    }
    let act = |acts: &[u8]| acts.iter().flat_map(|act| [MARK, *act]).collect::<Vec<u8>>();
    let heard = |answer: usize| escaped(&answers[answer].emit());
    let whole = [heard(0), act(&[0]), heard(1), act(&[100, 0x20]), heard(3)].concat();
    seeds.push(seed("line-client", "whole", whole));
    let refused = [heard(0), act(&[0]), heard(2), act(&[200])].concat();
    seeds.push(seed("line-client", "refused", refused));
    let test = [0x20, 0x21, 0x23, 0x23, 0x23, 0x22, 0x22];
    seeds.push(seed("line-reflector", "whole", act(&test)));
    let two = [
        0x20, 0x21, 0x10, 0x13, 0x20, 0x21, 0x23, 0xF0, 0x23, 0x14, 0x20, 0x21, 0x22,
    ];
    seeds.push(seed("line-reflector", "several", act(&two)));
    let probe = rtp::emit_probe(
        Probe {
            session: 7,
            seq: 3,
            sent_ns: 5,
        },
        200,
    );
    let mut reply = Vec::new();
    rtp::emit_reply(
        &mut reply,
        Reply {
            session: 7,
            seq: 3,
            reflector_seq: 1,
            rx_ns: 2,
            tx_ns: 3,
        },
        200,
    );
    seeds.push(seed("line-rtp", "probe", probe));
    seeds.push(seed("line-rtp", "reply", reply));
    let counts: Vec<u8> = [200_u32, 3, 2, 200, 0, 199]
        .iter()
        .flat_map(|n| n.to_be_bytes())
        .collect();
    let times: Vec<u8> = [234_400_u64, 5, 900_000_000]
        .iter()
        .flat_map(|n| n.to_be_bytes())
        .collect();
    let mut figures = [counts, times, vec![1]].concat();
    for seq in 0..20_u32 {
        figures.push(1);
        figures.extend([seq.to_be_bytes(), seq.to_be_bytes()].concat());
        for time in [u64::from(seq) * 1_000_000, 0, u64::from(seq) * 7_000 + 4_000_000] {
            figures.extend(time.to_be_bytes());
        }
    }
    seeds.push(seed("line-figures", "twenty", figures));
    seeds.push(seed("line-figures", "none", vec![0; 54]));
}

fn rest(seeds: &mut Vec<Seed>) {
    seeds.push(seed(
        "logbook",
        "whole",
        "rone\nc\netwo\nc\nathree\ngfour\nc\nrfive",
    ));
    seeds.push(seed(
        "logbook",
        "own-claims",
        "rone\nE{\"v\":1,\"seq\":2,\"prev\":\"\",\"iat\":0}\nC{}",
    ));
    seeds.push(seed(
        "logbook",
        "highest",
        format!(
            "R{}\nrnext",
            json!({"v": 1, "seq": u64::MAX, "prev": "A".repeat(43), "iat": 0})
        ),
    ));
    seeds.push(seed("proof", "whole", "rone\nc\netwo\nc\nathree"));
    for topic in RoomTopic::ALL {
        seeds.push(seed(
            "topic",
            topic.word(),
            Topic::Room(room(), topic).to_string(),
        ));
    }
    seeds.push(seed("topic", "hub", "bp/1/quang-ninh/_hub/key"));
    seeds.push(seed("topic", "room", room().to_string()));
    let presence =
        json!({"v": 1, "ts_ms": 1_764_059_980_000_i64, "state": "online", "session": 3, "agent": "0.1.0"});
    seeds.push(seed("presence", "online", presence.to_string()));
    seeds.push(seed(
        "presence",
        "key",
        json!(keys().hub.verifying().jwk()).to_string(),
    ));
    seeds.push(seed(
        "ingest",
        "state",
        format!("bp/1/quang-ninh/bai-chay/state\n{presence}"),
    ));
    let foreign = presence.to_string().replace("quang-ninh", "lao-cai");
    seeds.push(seed(
        "ingest",
        "foreign",
        format!("bp/1/lao-cai/sa-pa/state\n{foreign}"),
    ));
    seeds.push(seed("challenge", "changed", "@\x05A"));
    seeds.push(seed("challenge", "long", "A".repeat(48)));
    let sound = r#"{"parent":7,"sound":{"source":{"alsa":"hw:1,0"},"channel":0,"duration_ms":3000}}"#;
    seeds.push(seed("media-border", "request", sound));
    let figures = r#"{"sound":{"duration_ms":2000,"samples":96000,"rms_dbfs":-30.5,"peak_dbfs":-12.25,"floor_dbfs":-62.5,"dc":0.001,"constant":false,"clipped":0.0}}"#;
    seeds.push(seed("media-border", "figures", figures));
    seeds.push(seed(
        "media-border",
        "error",
        r#"{"error":{"kind":"not-present","detail":"no such device"}}"#,
    ));
    let samples: Vec<u8> = (0..64_i16)
        .flat_map(|n| (f32::from(n) / 64.0 - 0.5).to_le_bytes())
        .collect();
    seeds.push(seed(
        "media-figures",
        "ramp",
        [&[80], samples.as_slice()].concat(),
    ));
    let odd = [
        f32::NAN,
        f32::INFINITY,
        f32::MIN,
        1.0,
        1.0,
        1.0,
        -0.0,
        f32::MIN_POSITIVE,
    ];
    let odd: Vec<u8> = odd.iter().flat_map(|n| n.to_le_bytes()).collect();
    seeds.push(seed("media-figures", "odd", [&[0], odd.as_slice()].concat()));
    seeds.push(seed(
        "page",
        "fleet",
        "/?org=quang-ninh&view=silent,not-ready&q=bai+ch%C3%A1y&page=2&lang=en\nlocalhost:8090",
    ));
    seeds.push(seed(
        "page",
        "markup",
        "/?q=%3Cscript%3Ealert(1)%3C/script%3E&area=%22%3E\n127.0.0.1",
    ));
    seeds.push(seed(
        "page",
        "json",
        "/api/v1/rooms?limit=18446744073709551615&offset=3\n[::1]:1",
    ));
    seeds.push(seed(
        "page",
        "room",
        "/rooms/quang-ninh/bai-chay?lang=vi\nlocalhost",
    ));
    seeds.push(seed("page", "meeting", "/api/v1/meetings?all=true\nexample.org"));
}

#[cfg(test)]
mod tests {
    use bridgepoint_hw::dialect::codec::cisco;

    use super::*;
    use crate::TARGETS;
    use crate::tape::{Event, play, steps};

    #[test]
    fn every_target_has_a_seed_and_every_seed_a_target() {
        let seeds = all().unwrap();
        for target in TARGETS {
            assert!(
                seeds.iter().any(|seed| seed.target == target.name),
                "{}",
                target.name
            );
        }
        for seed in &seeds {
            assert!(crate::target_of(seed.target).is_some(), "{}", seed.target);
            let kept = corpus().join(seed.target).join(format!("seed-{}", seed.name));
            let kept = fs::read(&kept).unwrap_or_else(|error| panic!("{}: {error}", kept.display()));
            assert!(
                kept == seed.bytes,
                "{}/seed-{} is another one",
                seed.target,
                seed.name
            );
        }
    }

    /// A tape takes the talk as far as the transcript did: otherwise the corpus would begin before the door.
    #[test]
    fn a_transcript_is_played_to_its_end() {
        for (name, text) in fixtures("transcripts/cisco", "txt").unwrap() {
            let text = String::from_utf8(text).unwrap();
            if text.contains("# login:") {
                continue;
            }
            let asked = text.lines().filter(|line| line.starts_with("> ")).count();
            let (_, events) = play(|now, _| cisco::Talk::new(None, now), &steps(&tape(&text, false)));
            let sent = events
                .iter()
                .filter(|event| matches!(event, Event::Sent(_)))
                .count();
            assert_eq!(sent, asked, "{name}");
        }
    }
}
