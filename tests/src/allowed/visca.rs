//! What may be sent to a VISCA camera: exact packets, and back to where it was found.
//!
//! RESET, the inquiries of a check, recalling a preset up to 89 (higher numbers are special functions
//! on many cameras), and driving to a position only when the camera itself reported that position
//! before anything was moved. Storing or clearing presets, power, menu, image settings: never.
//! On a stream the same packets go without headers, to camera 1 to 7; nothing to all of them at once, for
//! that gives them new numbers.

mod stream;

use std::collections::BTreeMap;

use self::stream::Stream;
use super::{Violation, datagram_violation};
use crate::journal::{Entry, Kind};

/// The highest preset that may be recalled.
const LAST_PRESET: u8 = 89;

/// What is known of one client's visit to one camera.
#[derive(Debug, Default)]
struct Visit {
    /// Pan and tilt that the camera reported before it was moved, as on the wire.
    pan_tilt: Vec<[u8; 8]>,
    /// Zoom likewise.
    zoom: Vec<[u8; 4]>,
    /// The last movement.
    moved: Moved,
}

/// How far a visit has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Moved {
    /// Not at all: what the camera reports now is where it was found.
    #[default]
    Not,
    /// To a preset.
    Away,
    /// On its way back.
    Back,
}

/// What goes beyond the list, of one camera's entries.
pub(super) fn violations(entries: &[&Entry]) -> Vec<Violation> {
    let mut visits: BTreeMap<&str, Visit> = BTreeMap::new();
    let mut streams: BTreeMap<(&str, u64), Stream<'_>> = BTreeMap::new();
    let mut found = Vec::new();
    for &entry in entries {
        // Datagrams have no connection.
        if entry.connection > 0 {
            let stream = streams
                .entry((entry.peer.as_str(), entry.connection))
                .or_default();
            match entry.kind {
                Kind::Reported => stream.reported(&entry.bytes),
                Kind::Received => found.extend(stream.received(entry)),
                Kind::Prompt | Kind::Note | Kind::Overflow => {}
            }
            continue;
        }
        let visit = visits.entry(entry.peer.as_str()).or_default();
        match entry.kind {
            Kind::Reported => visit.reported(&entry.bytes),
            Kind::Received => {
                found.extend(
                    visit
                        .received(&entry.bytes)
                        .map(|why| datagram_violation(entry, why)),
                );
            }
            Kind::Prompt | Kind::Note | Kind::Overflow => {}
        }
    }
    found.extend(streams.values().filter_map(Stream::unfinished));
    found
}

impl Visit {
    fn reported(&mut self, datagram: &[u8]) {
        self.told(datagram.get(8..));
    }

    fn told(&mut self, packet: Option<&[u8]>) {
        if self.moved != Moved::Not {
            return;
        }
        match packet {
            Some(&[0x90, 0x50, a, b, c, d, e, f, g, h, 0xFF]) => self.pan_tilt.push([a, b, c, d, e, f, g, h]),
            Some(&[0x90, 0x50, a, b, c, d, 0xFF]) => self.zoom.push([a, b, c, d]),
            _ => {}
        }
    }

    /// Why a datagram is not allowed.
    fn received(&mut self, datagram: &[u8]) -> Option<&'static str> {
        let Some((&[k0, k1, l0, l1, _, _, _, _], payload)) = datagram.split_first_chunk::<8>() else {
            return Some("no datagram of this protocol");
        };
        if usize::from(u16::from_be_bytes([l0, l1])) != payload.len() {
            return Some("the header gives another length");
        }
        match [k0, k1] {
            [0x02, 0x00] if payload == [0x01] => {
                self.reset();
                None
            }
            [0x01, 0x10] => not_an_inquiry(payload),
            [0x01, 0x00] => self.command(payload),
            [0x01, 0x20] => Some("a device setting"),
            _ => Some("a header type that only a camera sends, or none"),
        }
    }

    /// A new session. A client that was on its way back or had not moved starts anew; one that breaks
    /// off between presets and starts over may still go back to where it found the camera.
    fn reset(&mut self) {
        if self.moved != Moved::Away {
            *self = Self::default();
        }
    }

    fn command(&mut self, payload: &[u8]) -> Option<&'static str> {
        match *payload {
            [0x81, 0x01, 0x04, 0x3F, 0x02, number, 0xFF] => {
                self.moved = Moved::Away;
                (number > LAST_PRESET).then_some("a preset above 89: a special function on many cameras")
            }
            [
                0x81,
                0x01,
                0x06,
                0x02,
                0x01..=0x18,
                0x01..=0x18,
                a,
                b,
                c,
                d,
                e,
                f,
                g,
                h,
                0xFF,
            ] => {
                let known = self.pan_tilt.contains(&[a, b, c, d, e, f, g, h]);
                self.moved = Moved::Back;
                (!known).then_some("pan and tilt to a position where the camera was not found")
            }
            [0x81, 0x01, 0x04, 0x47, a, b, c, d, 0xFF] => {
                let known = self.zoom.contains(&[a, b, c, d]);
                self.moved = Moved::Back;
                (!known).then_some("zoom to a position where the camera was not found")
            }
            [0x81, 0x01, 0x04, 0x3F, 0x00 | 0x01, ..] => Some("stores or clears a preset"),
            [0x81, 0x01, 0x04, 0x00, ..] => Some("switches the camera's power"),
            [0x81, 0x01, 0x06, 0x06, ..] => Some("opens the camera's menu"),
            [0x81, 0x09, ..] => Some("an inquiry sent as a command"),
            _ => Some("a command that is not on the list"),
        }
    }
}

fn not_an_inquiry(payload: &[u8]) -> Option<&'static str> {
    match *payload {
        // Version, power, pan and tilt position, their status, zoom position.
        [0x81, 0x09, 0x00, 0x02, 0xFF]
        | [0x81, 0x09, 0x04, 0x00, 0xFF]
        | [0x81, 0x09, 0x06, 0x12, 0xFF]
        | [0x81, 0x09, 0x06, 0x10, 0xFF]
        | [0x81, 0x09, 0x04, 0x47, 0xFF] => None,
        [0x81, 0x01, ..] => Some("a command sent as an inquiry"),
        _ => Some("an inquiry that is not on the list"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(super) const RESET: &[u8] = &[0x02, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x01];
    pub(super) const RECALL_1: &[u8] = &[0x81, 0x01, 0x04, 0x3F, 0x02, 0x01, 0xFF];
    pub(super) const FOUND: [u8; 8] = [0x00, 0x01, 0x00, 0x00, 0x0F, 0x0F, 0x00, 0x00];
    const ELSEWHERE: [u8; 8] = [0x00, 0x02, 0x00, 0x00, 0x0F, 0x0F, 0x00, 0x00];

    pub(super) fn framed(kind: [u8; 2], payload: &[u8]) -> Vec<u8> {
        [&kind[..], &[0x00, payload.len() as u8, 0, 0, 0, 1], payload].concat()
    }

    fn entry(kind: Kind, bytes: Vec<u8>) -> Entry {
        Entry {
            t_ms: 0,
            device: "camera.main".into(),
            peer: "p".into(),
            connection: 0,
            kind,
            bytes,
        }
    }

    pub(super) fn received(bytes: &[u8]) -> Entry {
        entry(Kind::Received, bytes.to_vec())
    }

    pub(super) fn command(payload: &[u8]) -> Entry {
        entry(Kind::Received, framed([0x01, 0x00], payload))
    }

    pub(super) fn reported(pan_tilt: [u8; 8]) -> Entry {
        entry(
            Kind::Reported,
            framed([0x01, 0x11], &[&[0x90, 0x50][..], &pan_tilt, &[0xFF]].concat()),
        )
    }

    pub(super) fn back(pan_tilt: [u8; 8]) -> Entry {
        command(&[&[0x81, 0x01, 0x06, 0x02, 0x18, 0x14][..], &pan_tilt, &[0xFF]].concat())
    }

    pub(super) fn whys(entries: &[Entry]) -> Vec<String> {
        let entries: Vec<&Entry> = entries.iter().collect();
        violations(&entries)
            .into_iter()
            .map(|violation| violation.why)
            .collect()
    }

    #[test]
    fn a_whole_visit_is_allowed() {
        let inquiry = |payload: &[u8]| entry(Kind::Received, framed([0x01, 0x10], payload));
        let zoom_reported = entry(
            Kind::Reported,
            framed([0x01, 0x11], &[0x90, 0x50, 0, 0, 0, 5, 0xFF]),
        );
        let visit = [
            received(RESET),
            inquiry(&[0x81, 0x09, 0x00, 0x02, 0xFF]),
            inquiry(&[0x81, 0x09, 0x04, 0x00, 0xFF]),
            inquiry(&[0x81, 0x09, 0x06, 0x12, 0xFF]),
            reported(FOUND),
            inquiry(&[0x81, 0x09, 0x04, 0x47, 0xFF]),
            zoom_reported,
            command(RECALL_1),
            command(&[0x81, 0x01, 0x04, 0x3F, 0x02, 89, 0xFF]),
            back(FOUND),
            command(&[0x81, 0x01, 0x04, 0x47, 0, 0, 0, 5, 0xFF]),
        ];
        assert!(whys(&visit).is_empty());
    }

    #[test]
    fn each_forbidden_family_is_caught() {
        let rows: [(&[u8], &str); 16] = [
            (
                &[0x81, 0x01, 0x04, 0x3F, 0x01, 0x01, 0xFF],
                "stores or clears a preset",
            ),
            (
                &[0x81, 0x01, 0x04, 0x3F, 0x00, 0x01, 0xFF],
                "stores or clears a preset",
            ),
            (
                &[0x81, 0x01, 0x04, 0x3F, 0x02, 95, 0xFF],
                "a preset above 89: a special function on many cameras",
            ),
            (
                &[0x81, 0x01, 0x04, 0x00, 0x02, 0xFF],
                "switches the camera's power",
            ),
            (
                &[0x81, 0x01, 0x04, 0x00, 0x03, 0xFF],
                "switches the camera's power",
            ),
            (&[0x81, 0x01, 0x06, 0x06, 0x02, 0xFF], "opens the camera's menu"),
            (
                &[0x81, 0x01, 0x06, 0x04, 0xFF],
                "a command that is not on the list",
            ),
            (
                &[0x81, 0x01, 0x06, 0x01, 0x01, 0x01, 0x01, 0x03, 0xFF],
                "a command that is not on the list",
            ),
            (
                &[0x81, 0x01, 0x04, 0x39, 0x00, 0xFF],
                "a command that is not on the list",
            ),
            (
                &[0x81, 0x01, 0x04, 0x07, 0x02, 0xFF],
                "a command that is not on the list",
            ),
            (&[0x81, 0x21, 0xFF], "a command that is not on the list"),
            (&[0x88, 0x30, 0x01, 0xFF], "a command that is not on the list"),
            (&[0x81, 0x09, 0x04, 0x00, 0xFF], "an inquiry sent as a command"),
            (
                &[0x81, 0x01, 0x04, 0x47, 0x04, 0, 0, 0, 0xFF],
                "zoom to a position where the camera was not found",
            ),
            (
                &[0x81, 0x01, 0x06, 0x02, 0x18, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF],
                "pan and tilt to a position where the camera was not found",
            ),
            // One byte more than a recall is no recall.
            (
                &[0x81, 0x01, 0x04, 0x3F, 0x02, 0x01, 0x00, 0xFF],
                "a command that is not on the list",
            ),
        ];
        for (payload, why) in rows {
            assert_eq!(whys(&[command(payload)]), [why], "{payload:02X?}");
        }
        let framings: [(Vec<u8>, &str); 6] = [
            (framed([0x01, 0x10], RECALL_1), "a command sent as an inquiry"),
            (
                framed([0x01, 0x10], &[0x81, 0x09, 0x04, 0x48, 0xFF]),
                "an inquiry that is not on the list",
            ),
            (framed([0x01, 0x20], &[0x81, 0x01, 0xFF]), "a device setting"),
            (
                framed([0x02, 0x00], &[0x02]),
                "a header type that only a camera sends, or none",
            ),
            (vec![0x81, 0x09, 0x04, 0x00, 0xFF], "no datagram of this protocol"),
            (
                [framed([0x01, 0x00], RECALL_1), vec![0x00]].concat(),
                "the header gives another length",
            ),
        ];
        for (datagram, why) in framings {
            assert_eq!(whys(&[received(&datagram)]), [why], "{datagram:02X?}");
        }
    }

    #[test]
    fn back_is_only_to_where_it_was_found_before_it_was_moved() {
        // A position that was reported on the way is none where it was found.
        let wrong = [
            received(RESET),
            reported(FOUND),
            command(RECALL_1),
            reported(ELSEWHERE),
            back(ELSEWHERE),
        ];
        assert_eq!(
            whys(&wrong),
            ["pan and tilt to a position where the camera was not found"]
        );
        // The next visit may find it elsewhere.
        let next = [
            received(RESET),
            reported(FOUND),
            command(RECALL_1),
            back(FOUND),
            received(RESET),
            reported(ELSEWHERE),
            command(RECALL_1),
            back(ELSEWHERE),
        ];
        assert!(whys(&next).is_empty());
        // And may then not use what an earlier visit found.
        let stale = [&next[..], &[received(RESET), back(FOUND)]].concat();
        assert_eq!(whys(&stale).len(), 1);
        // A client that starts over between the presets may still go back.
        let again = [
            received(RESET),
            reported(FOUND),
            command(RECALL_1),
            received(RESET),
            back(FOUND),
        ];
        assert!(whys(&again).is_empty());
        // What one client was told is not known to another.
        let mut other = back(FOUND);
        other.peer = "q".to_owned();
        assert_eq!(whys(&[received(RESET), reported(FOUND), other]).len(), 1);
    }

    proptest! {
        #[test]
        fn any_datagram_is_judged_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let judged = whys(&[received(&bytes)]);
            prop_assert!(judged.len() <= 1);
        }

        #[test]
        fn no_other_command_than_a_recall_passes_unprompted(
            payload in proptest::collection::vec(any::<u8>(), 1..14),
        ) {
            let body: Vec<u8> = [&[0x81][..], &payload, &[0xFF]].concat();
            let is_recall =
                matches!(body[..], [0x81, 0x01, 0x04, 0x3F, 0x02, number, 0xFF] if number <= LAST_PRESET);
            prop_assert_eq!(whys(&[command(&body)]).is_empty(), is_recall);
        }
    }
}
