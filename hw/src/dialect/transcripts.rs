//! Replays the recorded talks under `tests/fixtures/transcripts/`, one folder a dialect.
//!
//! A transcript is lines: `> ` sent, `< ` received, `<- ` received without an end of line (a prompt),
//! `~ 500` milliseconds pass, `! closed` or `! cancelled` how it ended, `# ` said about it, with
//! `# origin:` always. Beside it stands what is read from it, `NAME.reading`, as Rust prints it; the
//! environment variable `TRANSCRIPTS_WRITE=1` writes that file anew, for review.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Conversation;
use super::camera::{self, CameraJob, Framing, PresetNumber, visca::CameraId};
use super::codec::{DRIVERS, cisco};
use super::ups::nut;
use crate::address::UpsAddress;
use crate::probe::{Login, Secret};
use crate::reading::ProbeError;

/// The languages besides those of codecs, each with a folder.
const OTHERS: [&str; 2] = ["nut", "visca"];

/// What a device needs for its answer here.
const ANSWER: Duration = Duration::from_millis(20);

/// Everything ends after this.
const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Debug)]
enum Step {
    Sent(Vec<u8>),
    Received(Vec<u8>),
    Passes(Duration),
    Ends(ProbeError),
}

#[derive(Debug)]
struct Transcript {
    about: BTreeMap<String, String>,
    steps: Vec<Step>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/transcripts")
}

fn transcripts(dialect: &str) -> Vec<PathBuf> {
    let folder = folder().join(dialect);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    assert!(
        !paths.is_empty(),
        "{}: a dialect needs transcripts",
        folder.display()
    );
    paths
}

impl Transcript {
    fn read(path: &Path, hex: bool) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let mut about = BTreeMap::new();
        for line in text.lines() {
            if let Some((key, value)) = line.strip_prefix("# ").and_then(|line| line.split_once(": ")) {
                about.insert(key.to_owned(), value.to_owned());
            }
        }
        assert!(
            about.contains_key("origin"),
            "{}: it does not say where it comes from",
            path.display()
        );
        let end = if about.get("ends").is_some_and(|ends| ends == "lf") {
            "\n"
        } else {
            "\r\n"
        };
        let bytes = |line: &str, end: &str| {
            if hex {
                line.split_whitespace()
                    .map(|byte| u8::from_str_radix(byte, 16).unwrap())
                    .collect()
            } else {
                format!("{line}{end}").into_bytes()
            }
        };
        let mut steps = Vec::new();
        for line in text.lines() {
            let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
            steps.push(match mark {
                "" | "#" => continue,
                ">" => Step::Sent(bytes(rest, end)),
                "<" => Step::Received(bytes(rest, end)),
                "<-" => Step::Received(bytes(rest, "")),
                "~" => Step::Passes(Duration::from_millis(rest.parse().unwrap())),
                "!" if rest == "closed" => Step::Ends(ProbeError::Closed),
                "!" if rest == "cancelled" => Step::Ends(ProbeError::Cancelled),
                _ => panic!("{}: no line of a transcript: {line}", path.display()),
            });
        }
        Self { about, steps }
    }

    fn about(&self, key: &str) -> Option<&str> {
        self.about.get(key).map(String::as_str)
    }

    /// Replays it; received bytes come in pieces of `piece`.
    fn replay<C: Conversation>(&self, begin: Instant, mut talk: C, piece: usize) -> C::Reading {
        let mut now = begin;
        let mut answering = false;
        for (at, step) in self.steps.iter().enumerate() {
            let shown = || format!("step {at}, {step:?}");
            match step {
                Step::Sent(expected) => {
                    let sent = next_sent(&mut talk, &mut now, begin + DEADLINE);
                    let shown_sent = sent.as_deref().map(String::from_utf8_lossy);
                    assert_eq!(
                        sent.as_ref(),
                        Some(expected),
                        "{}: {shown_sent:?} was sent",
                        shown()
                    );
                }
                Step::Received(bytes) => {
                    // What stands together comes at once.
                    if !answering {
                        now += ANSWER;
                        pass(&mut talk, now, &shown());
                    }
                    for piece in bytes.chunks(piece) {
                        talk.receive(now, piece);
                    }
                }
                Step::Passes(time) => {
                    now += *time;
                    pass(&mut talk, now, &shown());
                }
                Step::Ends(why) => talk.interrupted(now, why.clone()),
            }
            answering = matches!(step, Step::Received(_));
        }
        if !talk.finished() {
            let more = next_sent(&mut talk, &mut now, begin + DEADLINE);
            let shown = more.as_deref().map(String::from_utf8_lossy);
            assert_eq!(more, None, "{shown:?} was sent after the end of the transcript");
        }
        if !talk.finished() {
            talk.interrupted(now, ProbeError::TimedOut { waited_ms: 0 });
        }
        talk.conclude()
    }
}

/// Lets time pass until something is sent; `None` when nothing more is.
fn next_sent<C: Conversation>(talk: &mut C, now: &mut Instant, deadline: Instant) -> Option<Vec<u8>> {
    loop {
        if let Some(sent) = talk.transmit(*now) {
            return Some(sent);
        }
        if talk.finished() {
            return None;
        }
        *now = talk.timeout().unwrap_or(deadline).min(deadline).max(*now);
        if *now >= deadline {
            return None;
        }
        talk.handle_timeout(*now);
    }
}

/// Lets time pass in which nothing is sent.
fn pass<C: Conversation>(talk: &mut C, until: Instant, shown: &str) {
    while let Some(at) = talk.timeout().filter(|at| *at <= until) {
        talk.handle_timeout(at);
        assert_eq!(talk.transmit(at), None, "before {shown}");
    }
    assert_eq!(talk.transmit(until), None, "before {shown}");
}

#[allow(
    clippy::disallowed_methods,
    reason = "some instant to count from; only differences matter"
)]
fn start() -> Instant {
    Instant::now()
}

/// Compares with what stands beside the transcript.
fn check(path: &Path, reading: &impl Debug) {
    let beside = path.with_extension("reading");
    let shown = format!("{reading:#?}\n");
    if std::env::var_os("TRANSCRIPTS_WRITE").is_some() {
        std::fs::write(&beside, &shown).unwrap();
    }
    let expected = std::fs::read_to_string(&beside).unwrap_or_default();
    assert_eq!(shown, expected, "{} is read otherwise", path.display());
}

/// Replays a stream whole and in small pieces: all must read the same.
fn check_stream<C: Conversation>(path: &Path, transcript: &Transcript, talk: impl Fn(Instant) -> C)
where
    C::Reading: Debug + PartialEq,
{
    let begin = start();
    let whole = transcript.replay(begin, talk(begin), usize::MAX);
    for piece in [1, 2, 7] {
        assert_eq!(
            transcript.replay(begin, talk(begin), piece),
            whole,
            "{} in pieces",
            path.display()
        );
    }
    check(path, &whole);
}

#[test]
fn cisco() {
    for path in transcripts("cisco") {
        let transcript = Transcript::read(&path, false);
        let login = transcript
            .about("login")
            .and_then(|login| login.split_once(' '))
            .map(|(user, password)| Login {
                user: user.to_owned(),
                password: Secret::new(password.to_owned()),
            });
        check_stream(&path, &transcript, |now| cisco::Talk::new(login.clone(), now));
    }
}

#[test]
fn nut() {
    for path in transcripts("nut") {
        let transcript = Transcript::read(&path, false);
        let address = format!("nut://127.0.0.1/{}", transcript.about("ups").unwrap_or("room"));
        let Ok(UpsAddress::Nut { ups, .. }) = address.parse() else {
            panic!("{address}")
        };
        check_stream(&path, &transcript, |now| nut::Talk::new(ups.clone(), now));
    }
}

#[test]
fn visca() {
    for path in transcripts("visca") {
        let transcript = Transcript::read(&path, true);
        let numbers = |key| -> Vec<PresetNumber> {
            let given = transcript.about(key).unwrap_or_default();
            given
                .split_whitespace()
                .map(|n| PresetNumber::try_from(n.parse::<u8>().unwrap()).unwrap())
                .collect()
        };
        let job = CameraJob {
            home: numbers("home").first().copied(),
            ..CameraJob::visiting(numbers("presets"))
        };
        let number = transcript.about("camera").unwrap_or("1").parse().unwrap();
        let camera = CameraId::new(number).unwrap();
        let talk =
            |framing, now: Instant| camera::Talk::new(framing, camera, job.clone(), now, now + DEADLINE);
        match transcript.about("framing") {
            Some("packets") => check_stream(&path, &transcript, |now| talk(Framing::Packets, now)),
            Some("chain") => check_stream(&path, &transcript, |now| talk(Framing::Chain, now)),
            Some("ip") => {
                let begin = start();
                check(
                    &path,
                    &transcript.replay(begin, talk(Framing::Ip, begin), usize::MAX),
                );
            }
            other => panic!("{}: framing is {other:?}", path.display()),
        }
    }
}

/// A language that is built has a folder, and a folder is of a language that is built.
#[test]
fn every_dialect_has_transcripts() {
    let built = DRIVERS.iter().filter(|row| row.implemented).map(|row| row.word);
    let mut dialects: Vec<String> = built.chain(OTHERS).map(str::to_owned).collect();
    dialects.sort();
    let entries = std::fs::read_dir(folder()).unwrap();
    let mut folders: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    folders.sort();
    assert_eq!(folders, dialects);
    for dialect in dialects {
        for path in transcripts(&dialect) {
            assert!(
                path.with_extension("reading").exists(),
                "{} has no reading beside it",
                path.display()
            );
        }
    }
}
