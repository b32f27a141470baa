//! The same list on a stream: bare packets, to camera 1 to 7 of a serial line or to the one on TCP.
//!
//! Each camera's visit is judged by itself: where one was found says nothing about another.

use std::collections::BTreeMap;

use super::super::{Violation, violation};
use super::{Visit, not_an_inquiry};
use crate::journal::{Entry, hex};

/// The longest packet.
const PACKET_CAP: usize = 16;

/// What came over one stream: bare packets to any of the cameras on it.
#[derive(Debug, Default)]
pub(super) struct Stream<'a> {
    visits: BTreeMap<u8, Visit>,
    packet: Vec<u8>,
    last: Option<&'a Entry>,
}

impl<'a> Stream<'a> {
    /// A position that a camera of the stream told.
    pub(super) fn reported(&mut self, packet: &[u8]) {
        if let Some((from @ 0x90..=0xF0, rest)) = packet.split_first() {
            let visit = self.visits.entry((from >> 4) - 8).or_default();
            visit.told(Some(&[&[0x90], rest].concat()));
        }
    }

    /// What is wrong with the packets that end in this entry.
    pub(super) fn received(&mut self, entry: &'a Entry) -> Vec<Violation> {
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
    pub(super) fn unfinished(&self) -> Option<Violation> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{FOUND, RECALL_1, RESET, back, command, framed, received, reported, whys};
    use super::*;
    use crate::journal::Kind;

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
    }
}
