//! What crosses the border between the agent and its media child: one request in, one line of numbers out.
//!
//! The request is one JSON object on the child's standard input, ended by end of file: the kind of work as its key,
//! `{"parent":7,"sound":{…}}`. The child answers with one JSON object on one line of standard output: `{"sound":{…}}`
//! or `{"error":{"kind":"not-present","detail":"…"}}`. Only numbers and, for a failure, a short text about the
//! device cross; no sample can be written in these types (R27).
//!
//! Each kind of work is a type with [`Work`]; [`SoundRequest`] is the one that this crate does itself. Both
//! directions are capped and both ends parse with the functions here, which are pure.

use std::fmt;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

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

/// One kind of work for a media child: what is asked for, and the figures that come of it.
pub trait Work: Serialize + DeserializeOwned + fmt::Debug {
    /// Its key in request and reply.
    const KEY: &'static str;

    /// What comes of it: numbers.
    type Figures: Serialize + DeserializeOwned + fmt::Debug;

    /// Says what is out of range in a request, if anything is.
    ///
    /// # Errors
    /// A sentence about the first field that is.
    fn check(&self) -> Result<(), &'static str>;

    /// Whether the figures can be true. A child that says impossible ones is as broken as one that says nothing
    /// readable.
    fn plausible(figures: &Self::Figures) -> bool;
}

impl Work for SoundRequest {
    const KEY: &'static str = "sound";

    type Figures = SoundReading;

    fn check(&self) -> Result<(), &'static str> {
        if self.duration_ms == 0 || self.duration_ms > DURATION_CAP_MS {
            return Err("duration_ms is not between 1 and 600000");
        }
        if self.channel >= CHANNEL_CAP {
            return Err("channel is not between 0 and 63");
        }
        Ok(())
    }

    /// The figures can come from samples between -1.0 and 1.0.
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

/// A request as the child has read it: of which kind it is, is not decided yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The asking process, so that a child can see that it died before the child could watch for that.
    /// Absent when asked by hand.
    pub parent: Option<i32>,
    key: String,
    work: Value,
}

impl Asked {
    /// Whether it asks for this kind of work.
    #[must_use]
    pub fn is<W: Work>(&self) -> bool {
        self.key == W::KEY
    }

    /// The work that is asked for.
    ///
    /// # Errors
    /// [`ProbeError::Garbled`] with what is wrong: another kind of work, unknown or missing keys, out of range.
    pub fn work<W: Work>(self) -> Result<W, Refusal> {
        if !self.is::<W>() {
            return Err(self.unknown());
        }
        let work: W = serde_json::from_value(self.work).map_err(|error| not_understood(&error))?;
        work.check().map_err(garbled)?;
        Ok(work)
    }

    /// What is answered to a kind of work that nobody here does.
    #[must_use]
    pub fn unknown(&self) -> Refusal {
        garbled(format!(
            "this media child does not know the work \"{}\"",
            self.key
        ))
    }
}

/// Writes a request.
///
/// # Errors
/// When the work cannot be written as JSON: a path that is no text.
pub fn write_request<W: Work>(parent: Option<i32>, work: &W) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Written {
        first: parent.map(|parent| ("parent", parent)),
        second: (W::KEY, work),
    })
}

/// Reads a request as far as its kind.
///
/// # Errors
/// [`ProbeError::Garbled`] with what is wrong: too long, not JSON, not one kind of work.
pub fn parse_request(bytes: &[u8]) -> Result<Asked, Refusal> {
    if bytes.len() > REQUEST_CAP {
        return Err(garbled(format!("the request has more than {REQUEST_CAP} bytes")));
    }
    let mut object: Map<String, Value> =
        serde_json::from_slice(bytes).map_err(|error| not_understood(&error))?;
    let parent = object.remove("parent").unwrap_or(Value::Null);
    let parent = serde_json::from_value(parent).map_err(|error| not_understood(&error))?;
    let mut works = object.into_iter();
    match (works.next(), works.next()) {
        (Some((key, work)), None) => Ok(Asked { parent, key, work }),
        (first, second) => {
            let keys: Vec<String> = first.into_iter().chain(second).map(|(key, _)| key).collect();
            Err(garbled(format!(
                "the request has to ask for one kind of work, and it asks for: {}",
                keys.join(", ")
            )))
        }
    }
}

/// Writes the child's one line, without its end.
///
/// # Errors
/// When the figures cannot be written as JSON.
pub fn write_reply<W: Work>(reply: &Result<W::Figures, Refusal>) -> serde_json::Result<Vec<u8>> {
    match reply {
        Ok(figures) => serde_json::to_vec(&Written {
            first: None::<(&str, ())>,
            second: (W::KEY, figures),
        }),
        Err(refusal) => serde_json::to_vec(&Written {
            first: None::<(&str, ())>,
            second: ("error", refusal),
        }),
    }
}

/// Reads the child's one line (with or without its end).
///
/// # Errors
/// A sentence about what is wrong with it.
pub fn parse_reply<W: Work>(line: &[u8]) -> Result<Result<W::Figures, Refusal>, String> {
    if line.len() > ANSWER_CAP {
        return Err(format!("more than {ANSWER_CAP} bytes"));
    }
    let object: Map<String, Value> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let mut parts = object.into_iter();
    match (parts.next(), parts.next()) {
        (Some((key, figures)), None) if key == W::KEY => {
            let figures: W::Figures = serde_json::from_value(figures).map_err(|error| error.to_string())?;
            if W::plausible(&figures) {
                Ok(Ok(figures))
            } else {
                Err(format!("impossible figures: {figures:?}"))
            }
        }
        (Some((key, refusal)), None) if key == "error" => {
            let refusal: Refusal = serde_json::from_value(refusal).map_err(|error| error.to_string())?;
            // The child's text is cut again here: it may not be our child that wrote it.
            Ok(Err(Refusal::new(refusal.error, &refusal.detail)))
        }
        _ => Err(format!("neither \"{}\" nor \"error\" alone", W::KEY)),
    }
}

/// One or two keys with their values, in this order.
struct Written<'a, A, B> {
    first: Option<(&'static str, A)>,
    second: (&'static str, &'a B),
}

impl<A: Serialize, B: Serialize> Serialize for Written<'_, A, B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some((key, value)) = &self.first {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry(self.second.0, self.second.1)?;
        map.end()
    }
}

fn garbled(detail: impl AsRef<str>) -> Refusal {
    Refusal::new(ProbeError::Garbled, detail.as_ref())
}

fn not_understood(error: &serde_json::Error) -> Refusal {
    garbled(format!(
        "the request on standard input is not understood: {error}"
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sound(bytes: &[u8]) -> Result<SoundRequest, Refusal> {
        parse_request(bytes)?.work()
    }

    fn reply(line: &[u8]) -> Result<Result<SoundReading, Refusal>, String> {
        parse_reply::<SoundRequest>(line)
    }

    fn written(reply: &Result<SoundReading, Refusal>) -> String {
        String::from_utf8(write_reply::<SoundRequest>(reply).unwrap()).unwrap()
    }

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
        let request = SoundRequest {
            source: SoundInput::Alsa("hw:1,0".to_owned()),
            channel: 1,
            duration_ms: 5000,
        };
        let text = r#"{"parent":7,"sound":{"source":{"alsa":"hw:1,0"},"channel":1,"duration_ms":5000}}"#;
        assert_eq!(write_request(Some(7), &request).unwrap(), text.as_bytes());
        let asked = parse_request(text.as_bytes()).unwrap();
        assert_eq!((asked.parent, asked.work()), (Some(7), Ok(request)));
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
            ("{}", "one kind of work"),
            (r#"{"line":{}}"#, "\"line\""),
            (r#"{"line":{},"sound":{}}"#, "line, sound"),
            (r#"{"parent":"x","sound":{}}"#, "not understood"),
        ] {
            let refusal = sound(text.as_bytes()).unwrap_err();
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
        let sound = Ok(reading());
        let text = written(&sound);
        assert!(text.starts_with(r#"{"sound":{"duration_ms":1000,"#), "{text}");
        assert_eq!(reply(text.as_bytes()), Ok(sound));

        let error = Err(Refusal::new(
            ProbeError::NoAnswer { waited_ms: 2000 },
            "pulse\nis away",
        ));
        let text = written(&error);
        assert_eq!(
            text,
            r#"{"error":{"kind":"no-answer","waited_ms":2000,"detail":"pulse is away"}}"#
        );
        assert_eq!(reply(text.as_bytes()), Ok(error));
        assert!(reply(br#"{"line":{}}"#).unwrap_err().contains("neither"));
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
            let text = written(&Ok(reading));
            assert!(
                reply(text.as_bytes()).unwrap_err().contains("impossible"),
                "{text}"
            );
        }
        let text = written(&Ok(reading())).replace("-23.01", "-1e999");
        assert!(reply(text.as_bytes()).is_err());
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
            if let Ok(request) = sound(&bytes) {
                prop_assert_eq!(request.check(), Ok(()));
            }
            if let Ok(Ok(reading)) = reply(&bytes) {
                prop_assert!(SoundRequest::plausible(&reading));
            }
        }

        #[test]
        fn near_misses_of_a_reply_are_read_or_refused(at in 0usize..200, byte in any::<u8>(), cut in 0usize..200) {
            let mut bytes = written(&Ok(reading())).into_bytes();
            let length = bytes.len();
            bytes[at % length] = byte;
            bytes.truncate(length - cut % length);
            if let Ok(Ok(reading)) = reply(&bytes) {
                prop_assert!(SoundRequest::plausible(&reading));
            }
        }

        #[test]
        fn every_request_in_range_comes_through_unchanged(
            name in ".{0,40}", channel in 0..CHANNEL_CAP, duration_ms in 1..=DURATION_CAP_MS,
        ) {
            let request = SoundRequest { source: SoundInput::Pulse(name), channel, duration_ms };
            prop_assert_eq!(sound(&write_request(None, &request).unwrap()), Ok(request));
        }
    }
}
