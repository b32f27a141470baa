//! What the sound tests share: the media child as a program, an edge, and sound files made by GStreamer.
//!
//! Nothing here measures: files come from GStreamer's own test source and encoders, so that the figures are
//! compared with sound that this crate had no part in.

#![allow(dead_code, reason = "each test program uses its part of the rig")]

pub(crate) mod pulse;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bridgepoint_hw::link::Edge;
use bridgepoint_hw::media::{Program, SoundInput, SoundRequest, measure_sound};
use bridgepoint_hw::reading::{Answer, SoundReading};
use gstreamer as gst;
use gstreamer::prelude::*;
use tokio::sync::watch;

/// The real child, with a registry of its own so that tests do not scan the plug-ins again and again.
pub(crate) fn program(env: &[(&str, &Path)]) -> Program {
    let registry = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gstreamer-registry.bin");
    let env = env.iter().copied().chain([("GST_REGISTRY", registry.as_path())]);
    Program {
        path: env!("CARGO_BIN_EXE_bridgepoint-media").into(),
        args: Vec::new(),
        env: env
            .map(|(key, value)| (OsString::from(key), value.into()))
            .collect(),
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a test that runs real processes is a program of its own"
)]
fn clock() -> Instant {
    Instant::now()
}

/// An edge far away: a test that reaches it has failed.
pub(crate) fn edge() -> (Edge, watch::Sender<bool>) {
    let (stop, cancel) = watch::channel(false);
    (
        Edge {
            clock,
            deadline: clock() + Duration::from_secs(60),
            cap_bytes: 0,
            cancel,
        },
        stop,
    )
}

/// Measures with the real child.
pub(crate) async fn measure(source: SoundInput, channel: u16, duration_ms: u64) -> Answer<SoundReading> {
    let (edge, _stop) = edge();
    measure_sound(
        &program(&[]),
        &SoundRequest {
            source,
            channel,
            duration_ms,
        },
        &edge,
    )
    .await
}

/// As [`measure`], for a file from its start to its end.
pub(crate) async fn measure_file(path: &Path, channel: u16) -> Answer<SoundReading> {
    measure(SoundInput::File(path.to_owned()), channel, 60_000).await
}

/// A sound file to make.
pub(crate) struct Tone<'a> {
    /// `audiotestsrc` wave: `sine`, `silence`, `white-noise`, `square`, …
    pub(crate) wave: &'a str,
    /// Peak, 1.0 = full scale.
    pub(crate) volume: f64,
    pub(crate) hertz: f64,
    pub(crate) rate: i32,
    pub(crate) channels: i32,
    /// Raw format before the encoder.
    pub(crate) format: &'a str,
    /// Encoder and muxer elements.
    pub(crate) encoder: &'a [&'a str],
    /// Length, in blocks of a tenth of a second.
    pub(crate) tenths: i32,
}

impl Default for Tone<'_> {
    fn default() -> Self {
        Self {
            wave: "sine",
            volume: 0.1,
            hertz: 1000.0,
            rate: 48_000,
            channels: 1,
            format: "S16LE",
            encoder: &["wavenc"],
            tenths: 10,
        }
    }
}

impl Tone<'_> {
    /// Writes the file.
    pub(crate) fn write(&self, path: &Path) -> PathBuf {
        gst::init().unwrap();
        let make = |name: &str| gst::ElementFactory::make(name).build().unwrap();
        let source = make("audiotestsrc");
        source.set_property_from_str("wave", self.wave);
        source.set_property("volume", self.volume);
        source.set_property("freq", self.hertz);
        source.set_property("num-buffers", self.tenths);
        source.set_property("samplesperbuffer", self.rate / 10);
        let filter = make("capsfilter");
        let caps = gst::Caps::builder("audio/x-raw")
            .field("format", self.format)
            .field("rate", self.rate)
            .field("channels", self.channels);
        filter.set_property("caps", caps.build());
        let sink = make("filesink");
        sink.set_property("location", path.to_str().unwrap());
        let mut chain = vec![source, make("audioconvert"), filter];
        chain.extend(self.encoder.iter().map(|name| make(name)));
        chain.push(sink);
        let pipeline = gst::Pipeline::new();
        pipeline.add_many(&chain).unwrap();
        gst::Element::link_many(&chain).unwrap();
        play(&pipeline, |_| {});
        path.to_owned()
    }
}

/// What GStreamer's `level` element says of a WAV file: root mean square and peak of each channel, dBFS.
pub(crate) fn level(path: &Path, length: gst::ClockTime) -> Vec<(f64, f64)> {
    gst::init().unwrap();
    let make = |name: &str| gst::ElementFactory::make(name).build().unwrap();
    let (source, level) = (make("filesrc"), make("level"));
    source.set_property("location", path.to_str().unwrap());
    level.set_property("interval", length.nseconds());
    let chain = [
        source,
        make("wavparse"),
        make("audioconvert"),
        level,
        make("fakesink"),
    ];
    let pipeline = gst::Pipeline::new();
    pipeline.add_many(&chain).unwrap();
    gst::Element::link_many(&chain).unwrap();
    let mut levels = Vec::new();
    play(&pipeline, |structure| {
        let list = |name: &str| -> Vec<f64> {
            structure
                .get::<gst::glib::ValueArray>(name)
                .unwrap()
                .iter()
                .map(|v| v.get().unwrap())
                .collect()
        };
        // At the end of the stream it posts one more message about no time at all.
        if structure.name() == "level" && structure.get::<gst::ClockTime>("duration").unwrap() == length {
            levels = list("rms").into_iter().zip(list("peak")).collect();
        }
    });
    levels
}

/// A 16-bit WAV file at 48 kHz, written by hand.
pub(crate) fn write_wav(path: &Path, channels: u16, samples: impl Iterator<Item = i16>) {
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let mut file = Vec::new();
    file.extend(b"RIFF");
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    file.extend(channels.to_le_bytes());
    file.extend(48_000u32.to_le_bytes());
    file.extend((48_000 * 2 * u32::from(channels)).to_le_bytes());
    file.extend((2 * channels).to_le_bytes());
    file.extend(b"\x10\0data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    std::fs::write(path, file).unwrap();
}

fn play(pipeline: &gst::Pipeline, mut message: impl FnMut(&gst::StructureRef)) {
    pipeline.set_state(gst::State::Playing).unwrap();
    for next in pipeline
        .bus()
        .unwrap()
        .iter_timed(gst::ClockTime::from_seconds(30))
    {
        match next.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => panic!("{} {:?}", error.error(), error.debug()),
            gst::MessageView::Element(element) => element.structure().into_iter().for_each(&mut message),
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
}

/// Fails unless the level is there and within `tolerance` dB.
pub(crate) fn near(level: Option<f64>, wanted: f64, tolerance: f64) {
    let level = level.unwrap_or(f64::NEG_INFINITY);
    assert!(
        (level - wanted).abs() <= tolerance,
        "{level} dBFS is not {wanted} ± {tolerance} dBFS"
    );
}
