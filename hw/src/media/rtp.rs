//! A stream of RTP packets shaped like a call: one size, one rate, paced by GStreamer. Runs in the media child only.
//!
//! `fakesrc ! video/mpegts ! clocksync ! rtpmp2tpay ! appsink`: the source makes empty transport-stream packets with
//! the times that the rate gives them, `clocksync` lets each go at its time, the payloader makes RTP of it
//! (RFC 2250, RFC 3550). Each packet is handed out as bytes, with room for an element of a two-byte header extension
//! (RFC 8285) that the caller fills in; sending is the caller's business. There is nothing of the room in it (R27): the
//! content is a pattern that no tunnel can make smaller.

use std::ops::ControlFlow;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_rtp::RTPBuffer;

use super::border::Refusal;
use super::source::{chain, element};
use crate::reading::ProbeError;

/// Bytes of a transport-stream packet.
const TS: u32 = 188;

/// RTP's fixed header.
const RTP_HEADER: u32 = 12;

/// A header extension's own four bytes, and an element's two.
const EXTENSION_HEADER: u32 = 4;
const ELEMENT_HEADER: u32 = 2;

/// How long a packet is waited for before the pipeline is looked at.
const TICK_MS: u64 = 100;

/// Ticks without a packet after which the pipeline is given up: two seconds.
const STALLED_TICKS: u32 = 20;

/// A stream's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Transport-stream packets in each RTP packet, 1 to 7 (seven fill an Ethernet frame).
    pub cells: u32,
    /// RTP packets a second.
    pub packets_per_s: u32,
    /// How many RTP packets there are.
    pub packets: u32,
    /// Synchronisation source of each (RFC 3550, section 5.1).
    pub ssrc: u32,
    /// Id of the extension's element, 1 to 255.
    pub element_id: u8,
    /// What stands in the element until the caller fills it in; at most 255 bytes.
    pub element: Vec<u8>,
}

impl Shape {
    /// Most transport-stream packets that fit into an Ethernet frame with the extension.
    pub const MOST_CELLS: u32 = 7;

    /// Bytes of each packet as it is handed out (UDP payload).
    #[must_use]
    pub fn packet_bytes(&self) -> u32 {
        packet_bytes(self.cells, u32::try_from(self.element.len()).unwrap_or(u32::MAX))
    }

    fn check(&self) -> Result<(), Refusal> {
        let wrong = |what: &str| Err(Refusal::new(ProbeError::Garbled, what));
        if !(1..=Self::MOST_CELLS).contains(&self.cells) {
            return wrong("an RTP packet holds 1 to 7 transport-stream packets");
        }
        if self.packets_per_s == 0 || self.packets == 0 {
            return wrong("a stream has packets, and a number of them in a second");
        }
        if self.element.len() > 255 || self.element_id == 0 {
            return wrong("an element of a header extension has an id from 1 on and at most 255 bytes");
        }
        Ok(())
    }
}

/// Bytes of UDP payload of an RTP packet with so many transport-stream packets and an element of so many bytes.
#[must_use]
pub fn packet_bytes(cells: u32, element: u32) -> u32 {
    // The extension is filled to whole words of four bytes.
    let extension = element
        .saturating_add(ELEMENT_HEADER)
        .div_ceil(4)
        .saturating_mul(4);
    RTP_HEADER
        .saturating_add(EXTENSION_HEADER)
        .saturating_add(extension)
        .saturating_add(cells.saturating_mul(TS))
}

/// Hands out the stream's packets, each at its time, until there are no more or `each` breaks off.
///
/// GStreamer must be started. `each` may change the packet: it is the caller's to stamp and to send.
///
/// # Errors
/// [`ProbeError::Garbled`] for a shape that cannot be, or what GStreamer says; [`ProbeError::TimedOut`] when the
/// pipeline gives nothing for two seconds.
pub fn stream(shape: &Shape, mut each: impl FnMut(&mut Vec<u8>) -> ControlFlow<()>) -> Result<(), Refusal> {
    shape.check()?;
    let line = Line::new(shape)?;
    if line.pipeline.set_state(gst::State::Playing).is_err() {
        return Err(line
            .failure()
            .unwrap_or_else(|| garbled("the RTP pipeline did not start and gave no reason")));
    }
    let mut packet = Vec::new();
    let mut idle = 0;
    loop {
        let Some(sample) = line.sink.try_pull_sample(gst::ClockTime::from_mseconds(TICK_MS)) else {
            if let Some(refusal) = line.failure() {
                return Err(refusal);
            }
            if line.sink.is_eos() {
                return Ok(());
            }
            idle += 1;
            if idle >= STALLED_TICKS {
                let waited_ms = TICK_MS * u64::from(STALLED_TICKS);
                return Err(Refusal::new(
                    ProbeError::TimedOut { waited_ms },
                    "the RTP pipeline gave no packet for two seconds",
                ));
            }
            continue;
        };
        idle = 0;
        let buffer = sample
            .buffer_owned()
            .ok_or_else(|| garbled("an RTP packet without content"))?;
        marked(buffer, shape, &mut packet)?;
        if each(&mut packet).is_break() {
            return Ok(());
        }
    }
}

/// Writes the packet with the session's SSRC and room for the element into `packet`.
fn marked(mut buffer: gst::Buffer, shape: &Shape, packet: &mut Vec<u8>) -> Result<(), Refusal> {
    {
        let mut rtp = RTPBuffer::from_buffer_writable(buffer.make_mut())
            .map_err(|_| garbled("the payloader gave a packet that is no RTP"))?;
        rtp.set_ssrc(shape.ssrc);
        rtp.add_extension_twobytes_header(0, shape.element_id, &shape.element)
            .map_err(|_| garbled("an RTP packet took no header extension"))?;
    }
    let map = buffer
        .map_readable()
        .map_err(|_| garbled("an RTP packet could not be read"))?;
    packet.clear();
    packet.extend_from_slice(&map);
    fill(packet, shape);
    Ok(())
}

/// Fills what the packet carries with a pattern of its own: a tunnel that compresses would carry zeros at a fraction of
/// the rate, and the line would look wider than it is. The numbers are splitmix64's, from the packet's sequence.
fn fill(packet: &mut [u8], shape: &Shape) {
    let from = shape
        .packet_bytes()
        .saturating_sub(shape.cells.saturating_mul(TS));
    let mut state = match packet {
        [_, _, high, low, ..] => u64::from(shape.ssrc) << 16 | u64::from(u16::from_be_bytes([*high, *low])),
        _ => 0,
    };
    let content = packet
        .get_mut(usize::try_from(from).unwrap_or(usize::MAX)..)
        .unwrap_or_default();
    for word in content.chunks_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        for (byte, of) in word.iter_mut().zip(z.to_be_bytes()) {
            *byte = of;
        }
    }
}

struct Line {
    pipeline: gst::Pipeline,
    sink: gst_app::AppSink,
}

impl Line {
    fn new(shape: &Shape) -> Result<Self, Refusal> {
        let bytes = shape.cells * TS;
        let int =
            |value: u32| i32::try_from(value).map_err(|_| garbled("a stream of so many bytes cannot be"));
        let source = element("fakesrc")?;
        source.set_property_from_str("sizetype", "fixed");
        source.set_property("sizemax", int(bytes)?);
        // The content is filled in at the end.
        source.set_property_from_str("filltype", "zero");
        source.set_property("datarate", int(bytes.saturating_mul(shape.packets_per_s))?);
        source.set_property("num-buffers", int(shape.packets)?);
        source.set_property_from_str("format", "time");
        let filter = element("capsfilter")?;
        let caps = gst::Caps::builder("video/mpegts")
            .field("packetsize", int(TS)?)
            .field("systemstream", true)
            .build();
        filter.set_property("caps", caps);
        let pace = element("clocksync")?;
        let payloader = element("rtpmp2tpay")?;
        // One buffer, one packet: exactly what fits.
        payloader.set_property("mtu", bytes + RTP_HEADER);
        payloader.set_property("ssrc", shape.ssrc);
        let sink = gst_app::AppSink::builder().sync(false).max_buffers(64).build();
        let pipeline = gst::Pipeline::new();
        chain(
            &pipeline,
            &[&source, &filter, &pace, &payloader, sink.upcast_ref()],
        )?;
        Ok(Self { pipeline, sink })
    }

    /// The first error that an element has posted, if any: later ones follow from it.
    fn failure(&self) -> Option<Refusal> {
        let message = self.pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        let gst::MessageView::Error(error) = message.view() else {
            return None;
        };
        let debug = error.debug().unwrap_or_default();
        Some(garbled(&format!("{} [{debug}]", error.error())))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Whatever comes of it: the process ends next.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn garbled(detail: &str) -> Refusal {
    Refusal::new(ProbeError::Garbled, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> Shape {
        Shape {
            cells: 6,
            packets_per_s: 500,
            packets: 100,
            ssrc: 0x0102_0304,
            element_id: 1,
            element: vec![0xAA; 24],
        }
    }

    /// Everything that a stream hands out.
    fn packets(shape: &Shape) -> Vec<Vec<u8>> {
        gst::init().unwrap();
        let mut packets = Vec::new();
        stream(shape, |packet| {
            packets.push(packet.clone());
            ControlFlow::Continue(())
        })
        .unwrap();
        packets
    }

    #[test]
    fn the_stream_is_rtp_of_one_size_with_the_element_in_every_packet() {
        let shape = shape();
        let packets = packets(&shape);
        assert_eq!(packets.len(), 100);
        let first = u16::from_be_bytes([packets[0][2], packets[0][3]]);
        for (n, packet) in packets.iter().enumerate() {
            assert_eq!(packet.len(), usize::try_from(shape.packet_bytes()).unwrap());
            // Version 2 with an extension, payload type 33 (MPEG transport stream).
            assert_eq!((packet[0], packet[1] & 0x7F), (0x90, 33), "{packet:02x?}");
            let sequence = first.wrapping_add(u16::try_from(n).unwrap());
            assert_eq!(packet[2..4], sequence.to_be_bytes());
            assert_eq!(packet[8..12], [1, 2, 3, 4]);
            // Two-byte header, seven words: id, length, 24 bytes, two of padding.
            assert_eq!(packet[12..18], [0x10, 0, 0, 7, 1, 24]);
            assert_eq!(packet[18..42], [0xAA; 24]);
        }
        // The packets' own times, at 90 kHz, are what the pipeline paces them by: 500 in a second.
        let time = |packet: &Vec<u8>| u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
        assert_eq!(time(&packets[99]).wrapping_sub(time(&packets[0])), 99 * 180);
    }

    /// Neither within a packet nor from one to the next does anything come again.
    #[test]
    fn the_content_cannot_be_made_smaller() {
        let packets = packets(&shape());
        let words: std::collections::BTreeSet<&[u8]> = packets
            .iter()
            .flat_map(|packet| packet[44..].chunks_exact(8))
            .collect();
        assert_eq!(words.len(), 100 * 6 * 188 / 8);
        let zeros = packets
            .iter()
            .flat_map(|packet| &packet[44..])
            .filter(|byte| **byte == 0);
        assert!(zeros.count() < 100 * 6 * 188 / 128, "about one in 256");
    }

    #[test]
    fn the_caller_can_change_a_packet_and_break_off() {
        gst::init().unwrap();
        let mut count = 0;
        stream(&shape(), |packet| {
            packet[18] = 7;
            count += 1;
            if count == 5 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .unwrap();
        assert_eq!(count, 5);
    }

    #[test]
    fn a_shape_that_cannot_be_is_refused_with_its_reason() {
        for (spoil, wanted) in [
            ((|s: &mut Shape| s.cells = 8) as fn(&mut Shape), "1 to 7"),
            (|s| s.cells = 0, "1 to 7"),
            (|s| s.packets = 0, "has packets"),
            (|s| s.packets_per_s = 0, "has packets"),
            (|s| s.element_id = 0, "an id from 1"),
            (|s| s.element = vec![0; 256], "255 bytes"),
            (|s| s.packets = u32::MAX, "so many"),
        ] {
            gst::init().unwrap();
            let mut shape = shape();
            spoil(&mut shape);
            let refusal = stream(&shape, |_| ControlFlow::Break(())).unwrap_err();
            assert!(refusal.detail.contains(wanted), "{shape:?}: {}", refusal.detail);
        }
    }

    #[test]
    fn sizes_are_whole_words() {
        assert_eq!(packet_bytes(1, 24), 12 + 4 + 28 + 188);
        assert_eq!(packet_bytes(7, 1), 12 + 4 + 4 + 1316);
    }
}
