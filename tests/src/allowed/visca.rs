//! What may be sent to a VISCA camera: exact packets, and back to where it was found.
//!
//! RESET, the inquiries of a check, recalling a preset up to 89 (higher numbers are special functions
//! on many cameras), and driving to a position only when the camera itself reported that position
//! before anything was moved. Storing or clearing presets, power, menu, image settings: never.
//! On a stream the same packets go without headers, to camera 1 to 7; nothing to all of them at once, for
//! that gives them new numbers.

use std::collections::BTreeMap;

use super::{Violation, datagram_violation, violation};
use crate::journal::{Entry, Kind, hex};

/// The longest packet.
const PACKET_CAP: usize = 16;

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

/// What came over one stream: bare packets to any of the cameras on it.
#[derive(Debug, Default)]
struct Stream<'a> {
    visits: BTreeMap<u8, Visit>,
    packet: Vec<u8>,
    last: Option<&'a Entry>,
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

impl<'a> Stream<'a> {
    fn reported(&mut self, packet: &[u8]) {
        if let Some((from @ 0x90..=0xF0, rest)) = packet.split_first() {
            let visit = self.visits.entry((from >> 4) - 8).or_default();
            visit.told(Some(&[&[0x90], rest].concat()));
        }
    }

    /// What is wrong with the packets that end in this entry.
    fn received(&mut self, entry: &'a Entry) -> Vec<Violation> {
        self.last = Some(entry);
        let mut found = Vec::new();
        for &byte in &entry.bytes {
            self.packet.push(byte);
            if byte == 0xFF {
                let packet = std::mem::take(&mut self.packet);
                found.extend(self.whole(&packet).map(|why| violation(entry, hex(&packet), why)));
            }
        }
        found
    }

    fn whole(&mut self, packet: &[u8]) -> Option<&'static str> {
        let Some((&to, rest)) = packet.split_first() else {
            return Some("no packet of this protocol");
        };
        if packet.len() > PACKET_CAP || !(0x81..=0x88).contains(&to) {
            return Some("no packet of this protocol");
        }
        if to == 0x88 {
            return Some("to all cameras of the line: that gives them new numbers");
        }
        let visit = self.visits.entry(to & 0x0F).or_default();
        let packet = [&[0x81], rest].concat();
        match rest.first() {
            Some(0x09) => {
                // Without numbering there is no reset: a talk begins by asking who is there.
                if rest == [0x09, 0x00, 0x02, 0xFF] {
                    visit.reset();
                }
                not_an_inquiry(&packet)
            }
            _ => visit.command(&packet),
        }
    }

    /// A packet that was cut off is carried out by nobody, but it shows what was on its way.
    fn unfinished(&self) -> Option<Violation> {
        let begun = matches!(
            self.packet[..],
            [] | [0x81..=0x87] | [0x81..=0x87, 0x01 | 0x09, ..]
        );
        let entry = self.last.filter(|_| !begun || self.packet.len() >= PACKET_CAP)?;
        Some(violation(
            entry,
            hex(&self.packet),
            "an unfinished packet of no allowed kind",
        ))
    }
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

    const RESET: &[u8] = &[0x02, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x01];
    const RECALL_1: &[u8] = &[0x81, 0x01, 0x04, 0x3F, 0x02, 0x01, 0xFF];
    const FOUND: [u8; 8] = [0x00, 0x01, 0x00, 0x00, 0x0F, 0x0F, 0x00, 0x00];
    const ELSEWHERE: [u8; 8] = [0x00, 0x02, 0x00, 0x00, 0x0F, 0x0F, 0x00, 0x00];

    fn framed(kind: [u8; 2], payload: &[u8]) -> Vec<u8> {
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

    fn received(bytes: &[u8]) -> Entry {
        entry(Kind::Received, bytes.to_vec())
    }

    fn command(payload: &[u8]) -> Entry {
        entry(Kind::Received, framed([0x01, 0x00], payload))
    }

    fn reported(pan_tilt: [u8; 8]) -> Entry {
        entry(
            Kind::Reported,
            framed([0x01, 0x11], &[&[0x90, 0x50][..], &pan_tilt, &[0xFF]].concat()),
        )
    }

    fn back(pan_tilt: [u8; 8]) -> Entry {
        command(&[&[0x81, 0x01, 0x06, 0x02, 0x18, 0x14][..], &pan_tilt, &[0xFF]].concat())
    }

    fn whys(entries: &[Entry]) -> Vec<String> {
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

    /// The same entries as they stand on a stream, to camera `address`, each in two pieces.
    fn streamed(entries: &[Entry], address: u8) -> Vec<Entry> {
        let mut streamed = Vec::new();
        for entry in entries.iter().filter(|entry| entry.bytes != RESET) {
            let mut bytes = entry.bytes[8..].to_vec();
            bytes[0] = if entry.kind == Kind::Reported {
                (address + 8) << 4
            } else {
                0x80 | address
            };
            let half = if entry.kind == Kind::Reported { 0 } else { 2 };
            for piece in [&bytes[..half], &bytes[half..]] {
                streamed.push(Entry {
                    connection: 1,
                    bytes: piece.to_vec(),
                    ..entry.clone()
                });
            }
        }
        streamed
    }

    #[test]
    fn on_a_stream_the_same_is_allowed_to_each_camera_by_itself() {
        let visit = [reported(FOUND), command(RECALL_1), back(FOUND)];
        assert!(whys(&streamed(&visit, 1)).is_empty());
        assert!(whys(&streamed(&visit, 7)).is_empty());
        // Where one camera was found says nothing about another.
        let both = [streamed(&visit, 1), streamed(&[back(FOUND)], 2)].concat();
        assert_eq!(
            whys(&both),
            ["pan and tilt to a position where the camera was not found"]
        );
        // The next talk begins by asking who is there; it may not use what an earlier one found.
        let version = framed([0x01, 0x10], &[0x81, 0x09, 0x00, 0x02, 0xFF]);
        let next = [
            streamed(&visit, 3),
            streamed(&[received(&version), back(FOUND)], 3),
        ]
        .concat();
        assert_eq!(whys(&next).len(), 1);
    }

    #[test]
    fn on_a_stream_each_forbidden_family_is_caught() {
        let rows: [(&[u8], &str); 8] = [
            (
                &[0x82, 0x01, 0x04, 0x3F, 0x01, 0x01, 0xFF],
                "stores or clears a preset",
            ),
            (
                &[0x87, 0x01, 0x04, 0x00, 0x02, 0xFF],
                "switches the camera's power",
            ),
            (
                &[0x88, 0x30, 0x01, 0xFF],
                "to all cameras of the line: that gives them new numbers",
            ),
            (
                &[0x88, 0x01, 0x00, 0x01, 0xFF],
                "to all cameras of the line: that gives them new numbers",
            ),
            (&[0x90, 0x41, 0xFF], "no packet of this protocol"),
            (&[0xFF], "no packet of this protocol"),
            (
                &[0x81, 0x09, 0x04, 0x48, 0xFF],
                "an inquiry that is not on the list",
            ),
            (&[0x81, 0x21, 0x00], "an unfinished packet of no allowed kind"),
        ];
        for (bytes, why) in rows {
            let entry = Entry {
                connection: 1,
                ..received(bytes)
            };
            assert_eq!(whys(&[entry]), [why], "{bytes:02X?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_of_a_stream_are_judged_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let packets = bytes.split_inclusive(|byte| *byte == 0xFF).count();
            let entry = Entry { connection: 1, ..received(&bytes) };
            prop_assert!(whys(&[entry]).len() <= packets);
        }

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
