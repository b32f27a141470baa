//! One measurement in the media child: the pipeline from source to figures, and its errors made into reasons.
//!
//! `source ! appsink`, and the samples of one channel go straight into [`Figures`]. Rate, number format and
//! channels stay the source's own: a rate conversion would smear runs of clipped samples and make a constant
//! signal vary at its ends, a channel conversion might mix. Nothing is kept, written or passed on but the sums
//! (R27).
//!
//! There is no clock here. A source that gives nothing for two seconds is given up; the whole is
//! limited by the parent, who kills this process at its deadline.

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_audio as gst_audio;

use super::border::{CHANNEL_CAP, Refusal, SoundRequest};
use super::figures::Figures;
use super::samples::Layout;
use super::source;
use crate::reading::{ProbeError, SoundReading};

/// What a converter gives in its first moments (offset settling, a click of the supply) is not measured.
/// Added to the duration that was asked for; devices only.
const SETTLE_MS: u64 = 100;

/// How often errors are looked for while waiting for sound.
const TICK_MS: u64 = 100;

/// Ticks without sound after which a source is given up: two seconds, ten times the buffer of a sound card.
const STALLED_TICKS: u32 = 20;

/// A pipeline that is being measured. The device is let go when this is dropped.
pub(super) struct Capture {
    pipeline: gst::Pipeline,
    sink: gst_app::AppSink,
    live: bool,
    channel: usize,
    duration_ms: u64,
}

impl Capture {
    /// Puts the pipeline together; the device is not opened yet. GStreamer must be initialised.
    pub(super) fn new(request: &SoundRequest) -> Result<Self, Refusal> {
        let pipeline = gst::Pipeline::new();
        let source = source::add(&pipeline, &request.source, request.channel)?;
        let caps = gst::Caps::builder("audio/x-raw")
            .field("layout", "interleaved")
            .field("channels", gst::IntRange::<i32>::new(1, i32::from(CHANNEL_CAP)))
            .build();
        let sink = gst_app::AppSink::builder()
            .caps(&caps)
            .sync(false)
            .max_buffers(16)
            .drop(false)
            .build();
        source::chain(&pipeline, &[sink.upcast_ref()])?;
        source.tail.link(&sink).map_err(|error| {
            Refusal::new(
                ProbeError::Garbled,
                &format!("the pipeline could not be put together: {error}"),
            )
        })?;
        Ok(Self {
            pipeline,
            sink,
            live: source.live,
            channel: usize::from(request.channel),
            duration_ms: request.duration_ms,
        })
    }

    /// Runs it to the end of the file or of the time asked for.
    pub(super) fn measure(&self) -> Result<SoundReading, Refusal> {
        if self.pipeline.set_state(gst::State::Playing).is_err() {
            return Err(self.failure().unwrap_or_else(|| {
                Refusal::new(
                    ProbeError::Garbled,
                    "the pipeline did not start and gave no reason",
                )
            }));
        }
        let mut tap: Option<Tap> = None;
        let mut idle = 0;
        loop {
            let sample = self.sink.try_pull_sample(gst::ClockTime::from_mseconds(TICK_MS));
            if let Some(sample) = sample {
                idle = 0;
                let tap = match &mut tap {
                    Some(tap) => tap,
                    None => tap.insert(Tap::new(&sample, self.channel, self.live, self.duration_ms)?),
                };
                tap.take(&sample)?;
                if tap.figures.full() {
                    break;
                }
                continue;
            }
            if let Some(refusal) = self.failure() {
                return Err(refusal);
            }
            if self.sink.is_eos() {
                break;
            }
            idle += 1;
            if idle >= STALLED_TICKS {
                return Err(self.stalled(tap.is_some()));
            }
        }
        tap.and_then(|tap| tap.figures.reading())
            .ok_or_else(|| Refusal::new(ProbeError::Garbled, "the sound ended before its first sample"))
    }

    /// The first error that an element has posted, if any: later ones follow from it.
    fn failure(&self) -> Option<Refusal> {
        let message = self.pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        let gst::MessageView::Error(error) = message.view() else {
            return None;
        };
        Some(refusal(&error.error(), &error.debug().unwrap_or_default()))
    }

    fn stalled(&self, had_sound: bool) -> Refusal {
        let silent_ms = TICK_MS * u64::from(STALLED_TICKS);
        if had_sound {
            let detail = format!("the sound stopped coming for {silent_ms} ms before the time was up");
            return Refusal::new(ProbeError::TimedOut { waited_ms: silent_ms }, &detail);
        }
        let detail = format!("the source opened and gave no sound in {silent_ms} ms");
        Refusal::new(ProbeError::NoAnswer { waited_ms: silent_ms }, &detail)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // Whatever comes of it: the process ends next, and the kernel closes what is left.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Takes one channel out of the buffers.
struct Tap {
    format: Format,
    channel: usize,
    skip: u64,
    figures: Figures,
}

impl Tap {
    /// Looks at the first buffer's format, which all others must keep.
    fn new(sample: &gst::Sample, channel: usize, live: bool, duration_ms: u64) -> Result<Self, Refusal> {
        let format = Format::of(sample)?;
        let channels = format.layout.channels;
        if channel >= channels {
            let detail = format!("channel {channel} of {channels}; channels count from 0");
            return Err(Refusal::new(ProbeError::NotPresent, &detail));
        }
        let settle_ms = if live { SETTLE_MS } else { 0 };
        let skip = u64::from(format.rate) * settle_ms / 1000;
        Ok(Self {
            format,
            channel,
            skip,
            figures: Figures::new(format.rate, duration_ms),
        })
    }

    fn take(&mut self, sample: &gst::Sample) -> Result<(), Refusal> {
        if Format::of(sample)? != self.format {
            let detail = "the sound changed its rate, format or channels while it was measured";
            return Err(Refusal::new(ProbeError::Garbled, detail));
        }
        let unreadable = || Refusal::new(ProbeError::Garbled, "a sound buffer could not be read");
        let map = sample
            .buffer()
            .ok_or_else(unreadable)?
            .map_readable()
            .map_err(|_| unreadable())?;
        for value in self.format.layout.channel(&map, self.channel) {
            if self.skip > 0 {
                self.skip -= 1;
            } else {
                self.figures.add(value);
            }
        }
        Ok(())
    }
}

/// Rate and layout of the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Format {
    rate: u32,
    layout: Layout,
}

impl Format {
    /// Reads the fields one by one, because GStreamer's own reading refuses more than two channels that do
    /// not say which loudspeakers they are for, and microphones have no loudspeakers.
    fn of(sample: &gst::Sample) -> Result<Self, Refusal> {
        let caps = sample.caps().and_then(|caps| caps.structure(0));
        caps.and_then(Self::read).ok_or_else(|| {
            Refusal::new(
                ProbeError::Garbled,
                &format!("the sound's format is not understood: {caps:?}"),
            )
        })
    }

    fn read(caps: &gst::StructureRef) -> Option<Self> {
        let number = |name: &str| caps.get::<i32>(name).ok().filter(|number| *number > 0);
        let format: gst_audio::AudioFormat = caps.get::<&str>("format").ok()?.parse().ok()?;
        let channels = usize::try_from(number("channels")?).ok()?;
        Some(Self {
            rate: number("rate")?.unsigned_abs(),
            layout: Layout::new(&gst_audio::AudioFormatInfo::from_format(format), channels)?,
        })
    }
}

/// An element's error as a reason, with all its words for the log.
fn refusal(cause: &gst::glib::Error, debug: &str) -> Refusal {
    let text = format!("{cause} [{debug}]");
    let busy = cause.kind::<gst::ResourceError>() == Some(gst::ResourceError::Busy);
    Refusal::new(if busy { ProbeError::Busy } else { reason(&text) }, &text)
}

/// Finds the reason in an element's own words, which are the C library's and PulseAudio's in English (the
/// parent sets the child's language). GStreamer's codes alone do not tell a missing device from a refused one.
fn reason(text: &str) -> ProbeError {
    const WORDS: [(&str, ProbeError); 11] = [
        ("No such file or directory", ProbeError::NotPresent),
        ("No such device", ProbeError::NotPresent),
        ("No such entity", ProbeError::NotPresent),
        ("Device or resource busy", ProbeError::Busy),
        ("Permission denied", ProbeError::Refused),
        ("Operation not permitted", ProbeError::Refused),
        ("Access denied", ProbeError::Refused),
        ("Connection refused", ProbeError::NoAnswer { waited_ms: 0 }),
        ("Host is down", ProbeError::NoAnswer { waited_ms: 0 }),
        ("Timeout", ProbeError::NoAnswer { waited_ms: 0 }),
        ("Connection terminated", ProbeError::Closed),
    ];
    WORDS
        .into_iter()
        .find(|(word, _)| text.contains(word))
        .map_or(ProbeError::Garbled, |(_, error)| error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A buffer of 16-bit sound, as an appsink gives it.
    fn sample(rate: i32, channels: i32, values: impl IntoIterator<Item = i16>) -> gst::Sample {
        gst::init().unwrap();
        let caps = gst::Caps::builder("audio/x-raw")
            .field("format", "S16LE")
            .field("rate", rate)
            .field("channels", channels)
            .build();
        let bytes: Vec<u8> = values.into_iter().flat_map(i16::to_le_bytes).collect();
        gst::Sample::builder()
            .caps(&caps)
            .buffer(&gst::Buffer::from_slice(bytes))
            .build()
    }

    #[test]
    fn the_first_tenth_of_a_second_of_a_device_is_left_out_and_of_a_file_is_not() {
        // Two channels; a click on the second one at 99.9 ms, then a square wave of half of full scale.
        let buffer = || {
            let value = |n: i32| {
                if n == 999 {
                    i16::MAX
                } else {
                    [16_384, -16_384][(n % 2) as usize]
                }
            };
            sample(10_000, 2, (0..3_000).flat_map(move |n| [0, value(n)]))
        };
        let measure = |live| {
            let mut tap = Tap::new(&buffer(), 1, live, 150).unwrap();
            tap.take(&buffer()).unwrap();
            tap.figures.reading().unwrap()
        };
        let device = measure(true);
        assert_eq!((device.samples, device.duration_ms), (1_500, 150));
        assert!(
            device.peak_dbfs.is_some_and(|peak| (peak + 6.02).abs() < 0.01),
            "{device:?}"
        );
        assert!(measure(false).peak_dbfs.is_some_and(|peak| peak > -0.01));
    }

    #[test]
    fn a_channel_that_is_not_there_and_a_format_that_changes_are_found() {
        let first = sample(8_000, 2, [1, 2]);
        let refusal = |result: Result<Tap, Refusal>| result.err().unwrap().error;
        assert_eq!(refusal(Tap::new(&first, 2, false, 1)), ProbeError::NotPresent);
        assert_eq!(
            refusal(Tap::new(&gst::Sample::builder().build(), 0, false, 1)),
            ProbeError::Garbled
        );
        let mut tap = Tap::new(&first, 0, false, 1).unwrap();
        assert!(tap.take(&first).is_ok());
        assert_eq!(
            tap.take(&sample(8_000, 1, [1])).unwrap_err().error,
            ProbeError::Garbled
        );
        assert_eq!(
            tap.take(&sample(16_000, 2, [1, 2])).unwrap_err().error,
            ProbeError::Garbled
        );
    }

    #[test]
    fn reasons_are_found_in_the_words_of_alsa_and_pulse() {
        let alsa = "Could not open audio device for recording. [../ext/alsa/gstalsasrc.c(790): gst_alsasrc_open (): /GstPipeline:pipeline0/GstAlsaSrc:alsasrc0:\nRecording open error on device 'hw:7,0': No such file or directory]";
        assert_eq!(reason(alsa), ProbeError::NotPresent);
        let refused = alsa.replace("No such file or directory", "Permission denied");
        assert_eq!(reason(&refused), ProbeError::Refused);
        let away = "Failed to connect: Connection refused [../ext/pulse/pulsesrc.c(1016): gst_pulsesrc_open (): /GstPipeline:pipeline0/GstPulseSrc:pulsesrc0]";
        assert_eq!(reason(away), ProbeError::NoAnswer { waited_ms: 0 });
        let missing = "Failed to connect stream: No such entity [../ext/pulse/pulsesrc.c(1622): gst_pulsesrc_prepare (): /GstPipeline:pipeline0/GstPulseSrc:pulsesrc0]";
        assert_eq!(reason(missing), ProbeError::NotPresent);
        assert_eq!(reason("Internal data stream error."), ProbeError::Garbled);
    }

    #[test]
    fn a_busy_device_is_known_by_its_code_and_its_words_are_kept() {
        gst::init().unwrap();
        let cause = gst::glib::Error::new(
            gst::ResourceError::Busy,
            "Could not open audio device for recording.",
        );
        let refusal = refusal(&cause, "Device 'hw:1,0' is being used");
        assert_eq!(refusal.error, ProbeError::Busy);
        assert!(refusal.detail.contains("hw:1,0"), "{}", refusal.detail);
    }
}
