//! One channel out of interleaved raw sound, whatever its number format: pure.
//!
//! Converting here and not with `audioconvert` keeps what the source gave: no dither, no mixing of channels,
//! no guess about which loudspeaker a channel is meant for.

use gstreamer_audio::{AudioEndianness, AudioFormatInfo};

/// How the samples of a stream are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// Samples in a frame, one for each channel.
    pub(super) channels: usize,
    number: Number,
    big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    F32,
    F64,
    /// `depth` bits at the low end of `bytes` bytes.
    Integer {
        bytes: usize,
        depth: u32,
        signed: bool,
    },
}

impl Layout {
    /// `None` for a format that is not a number of 8 to 32 bits or a float of 32 or 64.
    pub(super) fn new(format: &AudioFormatInfo, channels: usize) -> Option<Self> {
        let (width, depth) = (format.width(), format.depth());
        let number = match (format.is_float(), width) {
            (true, 32) => Number::F32,
            (true, 64) => Number::F64,
            (false, 8 | 16 | 24 | 32) if (1..=width).contains(&depth) => Number::Integer {
                bytes: usize::try_from(width / 8).ok()?,
                depth,
                signed: format.is_signed(),
            },
            _ => return None,
        };
        let big_endian = format.endianness() == AudioEndianness::BigEndian;
        (channels > 0).then_some(Self {
            channels,
            number,
            big_endian,
        })
    }

    /// The samples of one channel, full scale = 1.0, in their order. A frame that is cut off is left out,
    /// and a channel that is not there has no samples.
    pub(super) fn channel(self, bytes: &[u8], channel: usize) -> impl Iterator<Item = f32> {
        let size = self.number.bytes();
        bytes
            .chunks_exact(size * self.channels)
            .filter_map(move |frame| frame.chunks_exact(size).nth(channel))
            .map(move |sample| self.number.read(sample, self.big_endian))
    }
}

impl Number {
    const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Integer { bytes, .. } => bytes,
        }
    }

    fn read(self, sample: &[u8], big_endian: bool) -> f32 {
        let push = |word: u64, byte: &u8| (word << 8) | u64::from(*byte);
        let word = if big_endian {
            sample.iter().fold(0, push)
        } else {
            sample.iter().rev().fold(0, push)
        };
        match self {
            Self::F32 => f32::from_bits((word & u64::from(u32::MAX)) as u32),
            Self::F64 => f64::from_bits(word) as f32,
            Self::Integer { depth, signed, .. } => {
                // To the top of 32 bits, where the sign is, whatever the bits above the depth hold.
                let top = ((word << (32 - depth)) & u64::from(u32::MAX)) as u32;
                let top = if signed { top } else { top ^ (1 << 31) };
                (f64::from(top.cast_signed()) / f64::from(1u32 << 31)) as f32
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use gstreamer_audio::{AUDIO_FORMATS_ALL, AudioFormat, AudioPackFlags};
    use proptest::prelude::*;

    use super::*;

    fn layout(format: AudioFormat, channels: usize) -> Layout {
        gstreamer::init().unwrap();
        Layout::new(&AudioFormatInfo::from_format(format), channels).unwrap()
    }

    fn read(format: AudioFormat, bytes: &[u8]) -> Vec<f32> {
        layout(format, 1).channel(bytes, 0).collect()
    }

    #[test]
    fn known_values_in_every_kind_of_number() {
        assert_eq!(
            read(AudioFormat::S16le, &[0xff, 0x7f, 0x00, 0x80, 0, 0]),
            [32_767.0 / 32_768.0, -1.0, 0.0]
        );
        assert_eq!(read(AudioFormat::S16be, &[0x40, 0x00]), [0.5]);
        assert_eq!(read(AudioFormat::U8, &[0x80, 0x00, 0xc0]), [0.0, -1.0, 0.5]);
        assert_eq!(read(AudioFormat::S8, &[0x80, 0x40]), [-1.0, 0.5]);
        assert_eq!(read(AudioFormat::S24le, &[0, 0, 0x40, 0, 0, 0xc0]), [0.5, -0.5]);
        assert_eq!(read(AudioFormat::S2432le, &[0, 0, 0x40, 0xff]), [0.5]);
        assert_eq!(read(AudioFormat::S20be, &[0x04, 0, 0]), [0.5]);
        assert_eq!(read(AudioFormat::S32le, &[1, 0, 0, 0]), [1.0 / 2_147_483_648.0]);
        assert_eq!(read(AudioFormat::F32le, &0.25f32.to_le_bytes()), [0.25]);
        assert_eq!(read(AudioFormat::F64be, &(-0.125f64).to_be_bytes()), [-0.125]);
    }

    #[test]
    fn the_channel_asked_for_is_taken_and_half_frames_are_left_out() {
        let frames = [0u8, 0x10, 0, 0x20, 0, 0x30, 0, 0x40, 0, 0x50, 0, 0x60, 0, 0x70, 0];
        let second: Vec<f32> = layout(AudioFormat::S16le, 3).channel(&frames, 1).collect();
        assert_eq!(second, [0.25, 0.625]);
        assert_eq!(layout(AudioFormat::S16le, 3).channel(&frames, 3).count(), 0);
        assert!(Layout::new(&AudioFormatInfo::from_format(AudioFormat::S16le), 0).is_none());
        assert!(Layout::new(&AudioFormatInfo::from_format(AudioFormat::Encoded), 1).is_none());
    }

    proptest! {
        #[test]
        fn every_raw_format_reads_as_gstreamer_itself_unpacks_it(
            bytes in prop::collection::vec(any::<u8>(), 0..600), channels in 1usize..8, channel in 0usize..8,
        ) {
            gstreamer::init().unwrap();
            for format in AUDIO_FORMATS_ALL.iter().copied() {
                let info = AudioFormatInfo::from_format(format);
                let width = info.width() as usize / 8;
                let whole = &bytes[..bytes.len() / (width * channels) * (width * channels)];
                let ours: Vec<f32> = layout(format, channels).channel(&bytes, channel).collect();

                let unpacked = AudioFormatInfo::from_format(info.unpack_format());
                let mut wide = vec![0; whole.len() / width * (unpacked.width() as usize / 8)];
                info.unpack(AudioPackFlags::TRUNCATE_RANGE, &mut wide, whole);
                let samples: Vec<f32> = if unpacked.is_float() {
                    wide.as_chunks::<8>().0.iter().map(|bytes| f64::from_ne_bytes(*bytes) as f32).collect()
                } else {
                    let scale = |bytes: &[u8; 4]| (f64::from(i32::from_ne_bytes(*bytes)) / 2f64.powi(31)) as f32;
                    wide.as_chunks::<4>().0.iter().map(scale).collect()
                };
                let theirs: Vec<f32> = samples.chunks(channels).filter_map(|frame| frame.get(channel)).copied().collect();
                prop_assert_eq!(ours.len(), theirs.len());
                for (ours, theirs) in ours.iter().zip(&theirs) {
                    prop_assert!(ours == theirs || (ours.is_nan() && theirs.is_nan()), "{format:?}: {ours} {theirs}");
                }
            }
        }
    }
}
