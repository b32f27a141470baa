//! The beginning of each pipeline: a file, a PulseAudio source or an ALSA device as GStreamer elements.
//!
//! Elements are made and their properties set one by one; nothing from a request is ever parsed as a
//! pipeline description. What kind of file it is, is decided by its first bytes and not by autoplugging, so
//! that a file cannot pull in another plug-in, a playlist or the network.
//!
//! Runs in the media child only.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use gstreamer as gst;
use gstreamer::prelude::*;

use super::border::{CHANNEL_CAP, Refusal, SoundInput};
use crate::reading::ProbeError;

/// The start of a pipeline.
pub(super) struct Source {
    /// The element to go on from.
    pub(super) tail: gst::Element,
    /// True for a device, which gives sound in its own time and has a converter that starts up.
    pub(super) live: bool,
}

/// Puts the elements for `input` into `pipeline`.
pub(super) fn add(pipeline: &gst::Pipeline, input: &SoundInput, channel: u16) -> Result<Source, Refusal> {
    match input {
        SoundInput::File(path) => file(pipeline, path),
        SoundInput::Pulse(name) => pulse(pipeline, name, channel),
        SoundInput::Alsa(name) => alsa(pipeline, name, channel),
    }
}

/// Makes one element.
pub(super) fn element(name: &str) -> Result<gst::Element, Refusal> {
    gst::ElementFactory::make(name).build().map_err(|error| {
        let detail = format!(
            "GStreamer has no element {name} ({error}); install the GStreamer base, good, ALSA and PulseAudio plug-ins"
        );
        Refusal::new(ProbeError::Garbled, &detail)
    })
}

/// Adds elements to the pipeline and links them in their order.
pub(super) fn chain(pipeline: &gst::Pipeline, elements: &[&gst::Element]) -> Result<(), Refusal> {
    pipeline
        .add_many(elements)
        .and_then(|()| gst::Element::link_many(elements))
        .map_err(|error| {
            Refusal::new(
                ProbeError::Garbled,
                &format!("the pipeline could not be put together: {error}"),
            )
        })
}

fn file(pipeline: &gst::Pipeline, path: &Path) -> Result<Source, Refusal> {
    let format = recognise(path)?;
    let source = element("filesrc")?;
    // GStreamer's property is text; `recognise` has refused a path that is not.
    source.set_property("location", path.to_str().unwrap_or_default());
    let tail = match format {
        Format::Wav => {
            let parse = element("wavparse")?;
            chain(pipeline, &[&source, &parse])?;
            parse
        }
        Format::Flac => {
            let (parse, decoder) = (element("flacparse")?, element("flacdec")?);
            chain(pipeline, &[&source, &parse, &decoder])?;
            decoder
        }
        Format::OggVorbis => ogg(pipeline, &source, "vorbisdec")?,
        Format::OggOpus => ogg(pipeline, &source, "opusdec")?,
    };
    Ok(Source { tail, live: false })
}

/// An Ogg file's streams become known only as it is read: the decoder is linked when one that it takes appears.
fn ogg(pipeline: &gst::Pipeline, source: &gst::Element, decoder: &str) -> Result<gst::Element, Refusal> {
    let (demux, decoder) = (element("oggdemux")?, element(decoder)?);
    chain(pipeline, &[source, &demux])?;
    chain(pipeline, &[&decoder])?;
    let weak = decoder.downgrade();
    demux.connect_pad_added(move |_, pad| {
        if let Some(sink) = weak.upgrade().and_then(|decoder| decoder.static_pad("sink")) {
            // Another stream of the file, or a second one of the same kind: the first one is measured, and
            // a file without any ends in an error of the demultiplexer's.
            let _ = pad.link(&sink);
        }
    });
    Ok(decoder)
}

fn pulse(pipeline: &gst::Pipeline, name: &str, channel: u16) -> Result<Source, Refusal> {
    let source = element("pulsesrc")?;
    if name != "default" {
        if name.is_empty() || name.len() > NAME_CAP || name.chars().any(char::is_control) {
            return Err(no_such_name("PulseAudio source", name));
        }
        source.set_property("device", name);
    }
    source.set_property("client-name", "bridgepoint");
    // Without a rate the server would convert to 44.1 kHz; 48 kHz is what conference microphones run at.
    let filter = first_format(channel, Some(48_000))?;
    chain(pipeline, &[&source, &filter])?;
    Ok(Source {
        tail: filter,
        live: true,
    })
}

fn alsa(pipeline: &gst::Pipeline, name: &str, channel: u16) -> Result<Source, Refusal> {
    if !is_alsa_name(name) {
        return Err(no_such_name("ALSA device", name));
    }
    let source = element("alsasrc")?;
    source.set_property("device", name);
    let filter = first_format(channel, None)?;
    chain(pipeline, &[&source, &filter])?;
    Ok(Source {
        tail: filter,
        live: true,
    })
}

/// A filter behind a device that makes it open with at least the channel that is asked for, and with the
/// finest numbers it has: 16 bits, GStreamer's own preference, would make a quiet floor look like digital
/// silence.
///
/// A device is opened with as few channels as that allows and two at least if it can, as GStreamer does.
fn first_format(channel: u16, rate: Option<i32>) -> Result<gst::Element, Refusal> {
    let filter = element("capsfilter")?;
    let caps = |formats: Option<gst::List>| {
        let channels = gst::IntRange::<i32>::new(i32::from(channel) + 1, i32::from(CHANNEL_CAP));
        gst::Structure::builder("audio/x-raw")
            .field("layout", "interleaved")
            .field("channels", channels)
            .field_if_some("rate", rate)
            .field_if_some("format", formats)
            .build()
    };
    let fine = gst::List::new([
        "F32LE", "S32LE", "S24_32LE", "S24LE", "F32BE", "S32BE", "S24_32BE", "S24BE",
    ]);
    filter.set_property(
        "caps",
        gst::Caps::builder_full()
            .structure(caps(Some(fine)))
            .structure(caps(None))
            .build(),
    );
    Ok(filter)
}

/// Longest name of a source or device.
const NAME_CAP: usize = 256;

fn no_such_name(what: &str, name: &str) -> Refusal {
    Refusal::new(
        ProbeError::NotPresent,
        &format!("{name:?} is not the name of a {what}; list them with `pactl list sources` or `arecord -L`"),
    )
}

/// Names as `arecord -L` writes them. ALSA also takes a configuration in place of a name, and has plug-ins
/// that write what they carry to a file: neither may come in through a name (R27).
fn is_alsa_name(name: &str) -> bool {
    let plugin = name.split(':').next().unwrap_or_default();
    !name.is_empty()
        && name.len() <= NAME_CAP
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-.,:=".contains(c))
        && !["file", "tee"].contains(&plugin)
}

#[derive(Debug, PartialEq, Eq)]
enum Format {
    Wav,
    Flac,
    OggVorbis,
    OggOpus,
}

/// Opens the file once to see that it is one, may be read, and is sound.
fn recognise(path: &Path) -> Result<Format, Refusal> {
    let refuse = |error, why: &str| Refusal::new(error, &format!("sound file {}: {why}", path.display()));
    if path.to_str().is_none() {
        return Err(refuse(
            ProbeError::Garbled,
            "its name is not valid UTF-8; rename it",
        ));
    }
    let io = |error: std::io::Error| {
        let reason = match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => ProbeError::NotPresent,
            ErrorKind::PermissionDenied => ProbeError::Refused,
            _ => ProbeError::Garbled,
        };
        refuse(reason, &error.to_string())
    };
    // Before opening: opening a pipe would wait for its other end.
    if !path.metadata().map_err(io)?.is_file() {
        return Err(refuse(ProbeError::NotPresent, "it is not a regular file"));
    }
    let mut head = Vec::new();
    File::open(path)
        .map_err(io)?
        .take(HEAD_LEN)
        .read_to_end(&mut head)
        .map_err(io)?;
    format_of(&head).ok_or_else(|| refuse(ProbeError::Garbled, "it is not WAV, FLAC, Ogg Vorbis or Ogg Opus"))
}

/// As many of a file's first bytes as tell what it is.
const HEAD_LEN: u64 = 64;

fn format_of(head: &[u8]) -> Option<Format> {
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    // An Ogg page with one packet has 28 bytes of header.
    const FIRST_PACKET: usize = 28;
    match () {
        () if at(0, b"RIFF") && at(8, b"WAVE") => Some(Format::Wav),
        () if at(0, b"fLaC") => Some(Format::Flac),
        () if at(0, b"OggS") && at(FIRST_PACKET, b"\x01vorbis") => Some(Format::OggVorbis),
        () if at(0, b"OggS") && at(FIRST_PACKET, b"OpusHead") => Some(Format::OggOpus),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn alsa_names_are_taken_and_configurations_are_not() {
        for name in [
            "hw:1,0",
            "plughw:CARD=Device,DEV=0",
            "default",
            "dsnoop:CARD=PCH",
            "sysdefault:CARD=U0x46d",
        ] {
            assert!(is_alsa_name(name), "{name}");
        }
        for name in [
            "",
            "file:FILE=out.raw",
            "tee:hw,out.raw,raw",
            "file",
            "{type file file /tmp/x slave.pcm hw}",
            "hw:1,0\0",
            "hw:'1'",
            "plug:SLAVE=\"file:x\"",
            "hw:1 ,0",
        ] {
            assert!(!is_alsa_name(name), "{name}");
        }
    }

    #[test]
    fn files_are_known_by_their_first_bytes() {
        assert_eq!(format_of(b"RIFF\x24\0\0\0WAVEfmt "), Some(Format::Wav));
        assert_eq!(format_of(b"fLaC\0\0\0\x22"), Some(Format::Flac));
        let ogg = |packet: &[u8]| [b"OggS".as_slice(), &[0; 24], packet].concat();
        assert_eq!(format_of(&ogg(b"\x01vorbis")), Some(Format::OggVorbis));
        assert_eq!(format_of(&ogg(b"OpusHead")), Some(Format::OggOpus));
        assert_eq!(format_of(&ogg(b"\x80theora")), None);
        assert_eq!(format_of(b"RIFF\x24\0\0\0AVI "), None);
        assert_eq!(format_of(b"#EXTM3U\nhttp://example.net/"), None);
        assert_eq!(format_of(b""), None);
    }

    #[test]
    fn what_is_no_regular_file_is_refused_without_opening_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(recognise(dir.path()).unwrap_err().error, ProbeError::NotPresent);
        assert_eq!(
            recognise(Path::new("/dev/zero")).unwrap_err().error,
            ProbeError::NotPresent
        );
        let missing = recognise(&dir.path().join("nix.wav")).unwrap_err();
        assert_eq!(missing.error, ProbeError::NotPresent);
        assert!(missing.detail.contains("nix.wav"), "{}", missing.detail);
        let text = dir.path().join("text.wav");
        std::fs::write(&text, "not sound at all").unwrap();
        assert_eq!(recognise(&text).unwrap_err().error, ProbeError::Garbled);
    }

    proptest! {
        #[test]
        fn any_head_is_a_known_format_or_none(head in prop::collection::vec(any::<u8>(), 0..80)) {
            let known = format_of(&head).is_some();
            let magic = [b"RIFF", b"fLaC", b"OggS"];
            prop_assert!(!known || magic.iter().any(|magic| head.starts_with(*magic)));
        }
    }
}
