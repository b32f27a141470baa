//! What crosses the border between the agent and its media child: one request in, one line of numbers out.
//!
//! The request is one JSON object on the child's standard input, ended by end of file. The child answers
//! with one JSON object on one line of standard output: `{"sound":{…}}` or
//! `{"error":{"kind":"not-present","detail":"…"}}`. Only numbers and, for a failure, a short text about the
//! device cross; no sample can be written in these types (R27).
//!
//! Both directions are capped and both ends parse with the functions here, which are pure.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::reading::{ProbeError, SoundReading};

/// Most bytes of a request.
pub const REQUEST_CAP: usize = 64 * 1024;

/// Most bytes that a child may write on standard output.
pub const ANSWER_CAP: usize = 16 * 1024;

/// Longest capture, milliseconds. Ten minutes: the longest that any check listens, many times over.
pub const DURATION_CAP_MS: u64 = 600_000;

/// Most channels of a source.
pub const CHANNEL_CAP: u16 = 64;

/// Most characters of the text that goes with a failure.
const DETAIL_CAP: usize = 400;

/// Which sound is measured, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoundRequest {
    /// Where the sound comes from.
    pub source: SoundInput,
    /// The channel, from 0, as in `pulse:NAME#CH`; below [`CHANNEL_CAP`].
    pub channel: u16,
    /// How long to measure, milliseconds, 1 to [`DURATION_CAP_MS`]. A file may end before.
    pub duration_ms: u64,
}

/// A source of sound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SoundInput {
    /// A WAV (PCM or float), FLAC, Ogg Vorbis or Ogg Opus file: rehearsals, demonstrations, tests.
    File(PathBuf),
    /// A PulseAudio or PipeWire source by name; `default` is the server's default source.
    Pulse(String),
    /// An ALSA capture device by name, e.g. `hw:1,0`.
    Alsa(String),
}

/// What the child reads: the work, and who asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The asking process, so that a child can see that it died before the child could watch for that.
    /// Absent when asked by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<i32>,
    /// The sound to measure.
    pub sound: SoundRequest,
}

/// What the child writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Reply {
    /// The figures.
    Sound(SoundReading),
    /// Why there are none.
    Error(Refusal),
}

/// Why the child has no figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The reason, for the finding.
    #[serde(flatten)]
    pub error: ProbeError,
    /// What was tried, on what, and what came back: for the log, never for the technician's screen.
    pub detail: String,
}

impl Refusal {
    /// A refusal whose text is one line of at most 400 characters, whatever a device or library put in it.
    pub fn new(error: ProbeError, detail: &str) -> Self {
        let detail = detail
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(DETAIL_CAP)
            .collect();
        Self { error, detail }
    }
}

/// Reads a request.
///
/// # Errors
/// [`ProbeError::Garbled`] with what is wrong: too long, not JSON, unknown or missing keys, out of range.
pub fn parse_request(bytes: &[u8]) -> Result<Request, Refusal> {
    let garbled = |detail: String| Refusal::new(ProbeError::Garbled, &detail);
    if bytes.len() > REQUEST_CAP {
        return Err(garbled(format!("the request has more than {REQUEST_CAP} bytes")));
    }
    let request: Request = serde_json::from_slice(bytes).map_err(|error| {
        garbled(format!(
            "the request on standard input is not understood: {error}"
        ))
    })?;
    check(&request.sound).map_err(|why| garbled(why.to_owned()))?;
    Ok(request)
}

/// Says what is out of range in a request, if anything is.
///
/// # Errors
/// A sentence about the first field that is.
pub fn check(request: &SoundRequest) -> Result<(), &'static str> {
    if request.duration_ms == 0 || request.duration_ms > DURATION_CAP_MS {
        return Err("duration_ms is not between 1 and 600000");
    }
    if request.channel >= CHANNEL_CAP {
        return Err("channel is not between 0 and 63");
    }
    Ok(())
}

/// Reads the child's one line (with or without its end).
///
/// # Errors
/// A sentence about what is wrong with it. A child that says impossible figures is as broken as one that
/// says nothing readable.
pub fn parse_reply(line: &[u8]) -> Result<Reply, String> {
    if line.len() > ANSWER_CAP {
        return Err(format!("more than {ANSWER_CAP} bytes"));
    }
    let reply: Reply = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    match reply {
        Reply::Sound(reading) if !plausible(&reading) => Err(format!("impossible figures: {reading:?}")),
        Reply::Sound(_) => Ok(reply),
        // The child's text is cut again here: it may not be our child that wrote it.
        Reply::Error(refusal) => Ok(Reply::Error(Refusal::new(refusal.error, &refusal.detail))),
    }
}

/// Whether the figures can come from samples between -1.0 and 1.0.
fn plausible(reading: &SoundReading) -> bool {
    const ROUNDING_DB: f64 = 0.001;
    let level = |level: Option<f64>| level.is_none_or(|level| level.is_finite() && level <= ROUNDING_DB);
    reading.samples > 0
        && reading.duration_ms <= DURATION_CAP_MS
        && level(reading.rms_dbfs)
        && level(reading.peak_dbfs)
        && level(reading.floor_dbfs)
        && (-1.0..=1.0).contains(&reading.dc)
        && (0.0..=1.0).contains(&reading.clipped)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reading() -> SoundReading {
        SoundReading {
            duration_ms: 1000,
            samples: 48_000,
            rms_dbfs: Some(-23.01),
            peak_dbfs: Some(-20.0),
            floor_dbfs: None,
            dc: 0.001,
            constant: false,
            clipped: 0.0,
        }
    }

    #[test]
    fn the_request_is_written_as_documented() {
        let request = Request {
            parent: Some(7),
            sound: SoundRequest {
                source: SoundInput::Alsa("hw:1,0".to_owned()),
                channel: 1,
                duration_ms: 5000,
            },
        };
        let text = r#"{"parent":7,"sound":{"source":{"alsa":"hw:1,0"},"channel":1,"duration_ms":5000}}"#;
        assert_eq!(serde_json::to_string(&request).unwrap(), text);
        assert_eq!(parse_request(text.as_bytes()), Ok(request));
    }

    #[test]
    fn a_request_by_hand_needs_no_parent() {
        let text = br#"{"sound":{"source":{"file":"a.wav"},"channel":0,"duration_ms":1}}"#;
        assert_eq!(parse_request(text).unwrap().parent, None);
    }

    #[test]
    fn requests_out_of_range_or_with_unknown_keys_are_refused_by_name() {
        for (text, wanted) in [
            (
                r#"{"sound":{"source":{"file":"a"},"channel":0,"duration_ms":0}}"#,
                "duration_ms",
            ),
            (
                r#"{"sound":{"source":{"file":"a"},"channel":0,"duration_ms":600001}}"#,
                "duration_ms",
            ),
            (
                r#"{"sound":{"source":{"file":"a"},"channel":64,"duration_ms":1}}"#,
                "channel",
            ),
            (
                r#"{"sound":{"source":{"url":"a"},"channel":0,"duration_ms":1}}"#,
                "url",
            ),
            (
                r#"{"sound":{"source":{"file":"a"},"channel":0,"duration_ms":1,"save":"x"}}"#,
                "save",
            ),
            ("", "not understood"),
        ] {
            let refusal = parse_request(text.as_bytes()).unwrap_err();
            assert_eq!(refusal.error, ProbeError::Garbled);
            assert!(refusal.detail.contains(wanted), "{text}: {}", refusal.detail);
        }
        assert!(
            parse_request(&vec![b' '; REQUEST_CAP + 1])
                .unwrap_err()
                .detail
                .contains("65536")
        );
    }

    #[test]
    fn both_replies_are_written_as_documented() {
        let sound = Reply::Sound(reading());
        let text = serde_json::to_string(&sound).unwrap();
        assert!(text.starts_with(r#"{"sound":{"duration_ms":1000,"#), "{text}");
        assert_eq!(parse_reply(text.as_bytes()), Ok(sound));

        let error = Reply::Error(Refusal::new(
            ProbeError::NoAnswer { waited_ms: 2000 },
            "pulse\nis away",
        ));
        let text = serde_json::to_string(&error).unwrap();
        assert_eq!(
            text,
            r#"{"error":{"kind":"no-answer","waited_ms":2000,"detail":"pulse is away"}}"#
        );
        assert_eq!(parse_reply(text.as_bytes()), Ok(error));
    }

    #[test]
    fn impossible_figures_are_not_believed() {
        for spoil in [
            |r: &mut SoundReading| r.samples = 0,
            |r: &mut SoundReading| r.rms_dbfs = Some(3.0),
            |r: &mut SoundReading| r.dc = 2.0,
            |r: &mut SoundReading| r.clipped = -0.1,
            |r: &mut SoundReading| r.duration_ms = DURATION_CAP_MS + 1,
        ] {
            let mut reading = reading();
            spoil(&mut reading);
            let text = serde_json::to_string(&Reply::Sound(reading)).unwrap();
            assert!(
                parse_reply(text.as_bytes()).unwrap_err().contains("impossible"),
                "{text}"
            );
        }
        let text = serde_json::to_string(&Reply::Sound(reading()))
            .unwrap()
            .replace("-23.01", "-1e999");
        assert!(parse_reply(text.as_bytes()).is_err());
    }

    #[test]
    fn a_long_or_hostile_detail_is_cut_to_one_short_line() {
        let refusal = Refusal::new(ProbeError::Garbled, &"\u{1b}[31m\r\nx".repeat(1000));
        assert_eq!(refusal.detail.chars().count(), DETAIL_CAP);
        assert!(!refusal.detail.chars().any(char::is_control));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            if let Ok(request) = parse_request(&bytes) {
                prop_assert_eq!(check(&request.sound), Ok(()));
            }
            if let Ok(Reply::Sound(reading)) = parse_reply(&bytes) {
                prop_assert!(plausible(&reading));
            }
        }

        #[test]
        fn near_misses_of_a_reply_are_read_or_refused(at in 0usize..200, byte in any::<u8>(), cut in 0usize..200) {
            let mut bytes = serde_json::to_vec(&Reply::Sound(reading())).unwrap();
            let length = bytes.len();
            bytes[at % length] = byte;
            bytes.truncate(length - cut % length);
            if let Ok(Reply::Sound(reading)) = parse_reply(&bytes) {
                prop_assert!(plausible(&reading));
            }
        }

        #[test]
        fn every_request_in_range_comes_through_unchanged(
            name in ".{0,40}", channel in 0..CHANNEL_CAP, duration_ms in 1..=DURATION_CAP_MS,
        ) {
            let request = Request {
                parent: None,
                sound: SoundRequest { source: SoundInput::Pulse(name), channel, duration_ms },
            };
            prop_assert_eq!(parse_request(&serde_json::to_vec(&request).unwrap()), Ok(request));
        }
    }
}
