//! What a call of a rate looks like in packets: their size, how many a second, and for how long they are sent. Pure.
//!
//! Jitter can only be compared at the same number of packets a second, and a share of lost packets is only as sure as
//! their number: a slow call is measured with smaller packets and for longer.

use bridgepoint_hw::media::rtp;

/// Packets a second that are wanted at least: what a slow call's codec sends.
const LEAST_PER_S: u64 = 150;

/// Packets that are wanted at least: with 500 a loss of nothing is known to be below 0.8 % (95 %).
const LEAST_PACKETS: u64 = 500;

/// Most transport-stream packets in one packet: 1200 bytes of IPv4, which every line and tunnel carries whole.
const MOST_CELLS: u32 = 6;

/// How long the stream lasts, milliseconds.
const SHORTEST_MS: u64 = 3_500;
const LONGEST_MS: u64 = 10_000;

/// A stream as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallShape {
    /// Transport-stream packets in each packet.
    pub(crate) cells: u32,
    /// Bytes of UDP payload of each packet.
    pub(crate) packet_bytes: u32,
    /// Packets a second.
    pub(crate) packets_per_s: u32,
    /// How long it lasts, milliseconds.
    pub(crate) duration_ms: u32,
}

impl CallShape {
    /// The stream of a call of `kbps` at the IP layer, whose headers are `overhead` bytes of each packet and whose
    /// header extension holds `element` bytes. Its rate is never above `kbps`, unless that is below one packet a second.
    pub(crate) fn of(kbps: u32, overhead: u32, element: u32) -> Self {
        let cells = (2..=MOST_CELLS)
            .rev()
            .find(|cells| per_second(kbps, *cells, overhead, element) >= LEAST_PER_S)
            .unwrap_or(1);
        let per_s = per_second(kbps, cells, overhead, element).max(1);
        let duration_ms = (LEAST_PACKETS * 1000)
            .div_ceil(per_s)
            .clamp(SHORTEST_MS, LONGEST_MS);
        Self {
            cells,
            packet_bytes: rtp::packet_bytes(cells, element),
            packets_per_s: u32::try_from(per_s).unwrap_or(u32::MAX),
            duration_ms: u32::try_from(duration_ms).unwrap_or(u32::MAX),
        }
    }

    /// How many packets it has.
    pub(crate) fn packets(self) -> u32 {
        let packets = u64::from(self.packets_per_s) * u64::from(self.duration_ms) / 1000;
        u32::try_from(packets).unwrap_or(u32::MAX).max(1)
    }

    /// Its rate at the IP layer, kbit/s, rounded up.
    pub(crate) fn kbps(self, overhead: u32) -> u32 {
        let bits = u64::from(self.packets_per_s) * u64::from(self.packet_bytes + overhead) * 8;
        u32::try_from(bits.div_ceil(1000)).unwrap_or(u32::MAX)
    }
}

fn per_second(kbps: u32, cells: u32, overhead: u32, element: u32) -> u64 {
    let bits = u64::from(rtp::packet_bytes(cells, element) + overhead) * 8;
    u64::from(kbps) * 1000 / bits.max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const V4: u32 = 28;

    #[test]
    fn a_usual_call_is_full_packets_and_a_slow_one_small_packets_for_longer() {
        assert_eq!(
            CallShape::of(4096, V4, 24),
            CallShape {
                cells: 6,
                packet_bytes: 1172,
                packets_per_s: 426,
                duration_ms: 3_500
            }
        );
        assert_eq!(CallShape::of(4096, V4, 24).packets(), 1491);
        let slow = CallShape::of(128, V4, 24);
        assert_eq!((slow.cells, slow.packets_per_s, slow.duration_ms), (1, 61, 8_197));
    }

    proptest! {
        #[test]
        fn the_rate_is_never_above_what_was_asked_for_and_hardly_below(kbps in 64_u32..=20_000, six in any::<bool>()) {
            let overhead = if six { 48 } else { 28 };
            let shape = CallShape::of(kbps, overhead, 24);
            prop_assert!(shape.kbps(overhead) <= kbps);
            prop_assert!(f64::from(shape.kbps(overhead)) >= 0.95 * f64::from(kbps) , "{shape:?}");
            prop_assert!(shape.packet_bytes + overhead <= 1280);
            prop_assert!((3_500..=10_000).contains(&shape.duration_ms));
            prop_assert!(shape.packets() >= 200);
        }

        #[test]
        fn any_numbers_give_a_shape(kbps in any::<u32>(), overhead in 0_u32..100, element in 0_u32..=255) {
            let shape = CallShape::of(kbps, overhead, element);
            prop_assert!(shape.packets() >= 1 && shape.cells <= MOST_CELLS);
        }
    }
}
