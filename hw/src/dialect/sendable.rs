//! Everything that any dialect can send, against a list that people review (R24 to R28).
//!
//! A new line in `sendable.txt` is a new thing that a device can be told: it is seen in the difference.
//! Only credentials are missing from it: they answer a login prompt and come from the configuration.

use std::fmt::Write;

use proptest::prelude::*;

use super::camera::PresetNumber;
use super::camera::visca::{CameraId, Request, Spot};
use super::camera::visca_ip::Frame;
use super::codec::cisco::{Query, SESSION_LINES, Tag};
use super::ups::nut;
use crate::address::UpsAddress;

const REVIEWED: &str = include_str!("sendable.txt");

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect::<Vec<_>>()
        .join(" ")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec())
        .unwrap()
        .escape_default()
        .to_string()
        .replace("\\\"", "\"")
}

/// A packet with the digits of its positions as letters: `p` pan, `t` tilt, `z` zoom.
fn masked(request: Request, packet: &[u8]) -> String {
    let mut words: Vec<String> = packet.iter().map(|byte| format!("{byte:02X}")).collect();
    let places: &[(usize, &str)] = match request {
        Request::PanTiltBack(_) => &[
            (6, "0p"),
            (7, "0p"),
            (8, "0p"),
            (9, "0p"),
            (10, "0t"),
            (11, "0t"),
            (12, "0t"),
            (13, "0t"),
        ],
        Request::ZoomBack(_) => &[(4, "0z"), (5, "0z"), (6, "0z"), (7, "0z")],
        // Written out, so that a new request is seen here by the compiler.
        Request::Version
        | Request::Power
        | Request::PanTiltPosition
        | Request::ZoomPosition
        | Request::Recall(_) => &[],
    };
    for (at, letter) in places {
        assert!(packet[*at] < 0x10, "a digit is half a byte");
        words[*at] = (*letter).to_owned();
    }
    words.join(" ")
}

fn requests(spot: Spot) -> impl Iterator<Item = Request> {
    let recalls = (0..=u8::MAX)
        .filter_map(|number| PresetNumber::try_from(number).ok())
        .map(Request::Recall);
    [
        Request::Version,
        Request::Power,
        Request::PanTiltPosition,
        Request::ZoomPosition,
    ]
    .into_iter()
    .chain(recalls)
    .chain([Request::PanTiltBack(spot), Request::ZoomBack(spot)])
}

fn everything() -> String {
    let mut list = String::new();
    let mut add = |line: String| writeln!(list, "{line}").unwrap();
    add("cisco".to_owned());
    for line in SESSION_LINES {
        add(format!("  {}", text(line.as_bytes())));
    }
    for query in Query::ALL {
        add(format!("  {}", text(&query.emit(Tag(1)))));
    }
    add("nut".to_owned());
    let Ok(UpsAddress::Nut { ups, .. }) = "nut://127.0.0.1/room".parse() else {
        panic!("address")
    };
    for request in [nut::Request::ListVar(ups), nut::Request::Logout] {
        add(format!("  {}", text(&request.emit())));
    }
    add("visca".to_owned());
    add(format!(
        "  {} (over IP only, as it stands)",
        hex(&Frame::reset().emit())
    ));
    let spot = Spot {
        pan: 0,
        tilt: 0,
        zoom: 0,
    };
    for request in requests(spot) {
        add(format!("  {}", masked(request, &request.emit(CameraId::ONE))));
    }
    add("  82 to 87 instead of 81 (on a serial line only, to the camera with that number)".to_owned());
    list
}

#[test]
fn nothing_but_what_was_reviewed() {
    let list = everything();
    assert_eq!(
        list, REVIEWED,
        "the list of what can be sent has changed; it now is:\n{list}"
    );
}

/// Words that must never be part of anything that is sent.
#[test]
fn nothing_that_changes_or_calls() {
    let list = everything().to_ascii_lowercase();
    for word in [
        "xconfiguration",
        "xcommand",
        "dial",
        "login",
        "fsd",
        "primary",
        "master",
        "instcmd",
        "set ",
        "xfeedback",
    ] {
        assert!(!list.contains(word), "{word}");
    }
    // Storing (01) and clearing (00) a preset differ from recalling it (02) by one byte.
    assert!(!list.contains("01 04 3f 00") && !list.contains("01 04 3f 01") && !list.contains("01 04 00"));
}

/// What takes another question's place is listed too.
#[test]
fn every_fallback_is_in_the_list() {
    for fallback in Query::ALL.into_iter().filter_map(Query::fallback) {
        assert!(Query::ALL.contains(&fallback), "{fallback:?}");
    }
}

proptest! {
    /// Whatever position is put back, only its digits differ from the reviewed line.
    #[test]
    fn positions_change_digits_only(pan in any::<i16>(), tilt in any::<i16>(), zoom in any::<u16>()) {
        for request in requests(Spot { pan, tilt, zoom }) {
            let line = masked(request, &request.emit(CameraId::ONE));
            prop_assert!(REVIEWED.lines().any(|reviewed| reviewed.trim() == line), "{}", line);
            let (_, first) = request.emit(CameraId::ONE).split_first().map(|(to, rest)| (*to, rest.to_vec())).unwrap();
            for id in 2..=7 {
                let other = request.emit(CameraId::new(id).unwrap());
                prop_assert_eq!((other[0], &other[1..]), (0x80 | id, &first[..]));
            }
        }
    }
}
