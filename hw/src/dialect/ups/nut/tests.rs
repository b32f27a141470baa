//! Tests of the NUT conversation.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::address::UpsAddress;

#[allow(
    clippy::disallowed_methods,
    reason = "some instant to count from; only differences matter"
)]
fn start() -> Instant {
    Instant::now()
}

fn ups() -> UpsName {
    match "nut://127.0.0.1/room".parse() {
        Ok(UpsAddress::Nut { ups, .. }) => ups,
        other => panic!("{other:?}"),
    }
}

/// The reading when the server says this and then nothing more until ten seconds are over.
fn said(text: &str) -> Answer<UpsReading> {
    let now = start();
    let mut talk = Talk::new(ups(), now);
    assert_eq!(talk.transmit(now), Some(b"LIST VAR room\n".to_vec()));
    talk.receive(now, text.as_bytes());
    if !talk.finished() && talk.outcome.is_none() {
        talk.interrupted(
            now + Duration::from_secs(10),
            ProbeError::TimedOut { waited_ms: 0 },
        );
    }
    assert_eq!(talk.transmit(now), Some(b"LOGOUT\n".to_vec()));
    assert!(talk.finished());
    talk.conclude()
}

fn listed(variables: &[(&str, &str)]) -> Answer<UpsReading> {
    let lines: String = variables
        .iter()
        .map(|(name, value)| format!("VAR room {name} \"{value}\"\n"))
        .collect();
    said(&format!("BEGIN LIST VAR room\n{lines}END LIST VAR room\n"))
}

#[test]
fn figures_and_words() {
    let reading = listed(&[
        ("ups.status", "ALARM OB DISCHRG XYZZY"),
        ("ups.alarm", "Replace battery!"),
        ("battery.charge", "060"),
        ("battery.charge.low", "20"),
        ("battery.runtime", "1800.5"),
        ("ups.load", "23"),
        ("input.voltage", "221.0"),
        ("ups.mfr", "SANTAK"),
        ("device.model", "TG1000"),
        ("ups.model", "other"),
        ("ups.serial", " "),
        ("ups.test.result", "Done and passed"),
        ("driver.name", "dummy-ups"),
    ])
    .unwrap();
    assert_eq!(
        reading,
        UpsReading {
            status: ["ALARM", "OB", "DISCHRG", "XYZZY"].map(str::to_owned).to_vec(),
            alarm: Some("Replace battery!".to_owned()),
            charge_percent: Ok(60.0),
            charge_low_percent: Ok(20.0),
            runtime_s: Ok(1800.5),
            load_percent: Ok(23.0),
            input_volt: Ok(221.0),
            maker: Some("SANTAK".to_owned()),
            model: Some("TG1000".to_owned()),
            serial: None,
            test_result: Some("Done and passed".to_owned()),
            driver: Some("dummy-ups".to_owned()),
        }
    );
}

#[test]
fn what_is_not_given_or_cannot_be_is_not_supported() {
    let runtime = |charge, runtime| {
        listed(&[
            ("ups.status", "OL"),
            ("battery.charge", charge),
            ("battery.runtime", runtime),
        ])
        .unwrap()
        .runtime_s
    };
    for implausible in ["0", "-1", "65535"] {
        assert_eq!(
            runtime("100", implausible),
            Err(ProbeError::NotSupported),
            "{implausible}"
        );
    }
    // An empty battery's nothing is believed.
    assert_eq!(runtime("3", "0"), Ok(0.0));
    let reading = listed(&[
        ("ups.status", "OL"),
        ("battery.charge", "101"),
        ("ups.load", "1e3"),
    ])
    .unwrap();
    assert_eq!(reading.charge_percent, Err(ProbeError::NotSupported));
    assert_eq!(reading.load_percent, Err(ProbeError::Garbled));
    assert_eq!(reading.input_volt, Err(ProbeError::NotSupported));
    for word in ["nan", "inf", "", "-", ".", "1.2.3", "0x10"] {
        let reading = listed(&[("ups.status", "OL"), ("ups.load", word)]).unwrap();
        assert!(reading.load_percent.is_err(), "{word}");
    }
}

#[test]
fn without_a_status_there_is_no_reading() {
    assert_eq!(
        listed(&[("battery.charge", "100")]),
        Err(ProbeError::NotSupported)
    );
    assert_eq!(listed(&[]), Err(ProbeError::NotSupported));
    assert_eq!(listed(&[("ups.status", "WAIT")]), Err(ProbeError::Stale));
}

#[test]
fn refusals_are_told_apart() {
    for (line, why) in [
        ("ERR DATA-STALE", ProbeError::Stale),
        ("ERR DRIVER-NOT-CONNECTED", ProbeError::NotPresent),
        ("ERR UNKNOWN-UPS", ProbeError::NotPresent),
        ("ERR ACCESS-DENIED", ProbeError::Refused),
        ("ERR USERNAME-REQUIRED", ProbeError::Refused),
        ("ERR UNKNOWN-COMMAND", ProbeError::NotSupported),
        ("ERR ACCESS-DENIED and more words", ProbeError::Refused),
        ("ERR SOMETHING-NEW", ProbeError::Garbled),
    ] {
        assert_eq!(said(&format!("{line}\n")), Err(why), "{line}");
    }
    // A list that breaks off with an error is no list.
    assert_eq!(
        said("BEGIN LIST VAR room\nVAR room ups.status \"OL\"\nERR DATA-STALE\n"),
        Err(ProbeError::Stale)
    );
}

#[test]
fn half_an_answer_is_none() {
    assert_eq!(said(""), Err(ProbeError::NoAnswer { waited_ms: 10_000 }));
    assert_eq!(
        said("BEGIN LIST VAR ro"),
        Err(ProbeError::TimedOut { waited_ms: 10_000 })
    );
    let half = "BEGIN LIST VAR room\nVAR room ups.status \"OL\"\n";
    assert_eq!(said(half), Err(ProbeError::TimedOut { waited_ms: 10_000 }));
    assert_eq!(said("HTTP/1.1 400 Bad Request\r\n\r\n"), Err(ProbeError::Garbled));
    // Another UPS's list answers nothing.
    let other = "BEGIN LIST VAR other\nVAR other ups.status \"OL\"\nEND LIST VAR other\n";
    assert_eq!(said(other), Err(ProbeError::Garbled));
}

#[test]
fn a_bad_line_costs_itself_only() {
    let reading = said(
        "BEGIN LIST VAR room\nVAR room ups.model \"torn\nVAR room ups.status \"OL\"\nVAR room ups.load 23\r\n\
         VAR room ups.mfr \"a \\\"b\\\" \\\\ c\"\nEND LIST VAR room\n",
    )
    .unwrap();
    assert_eq!((reading.model, reading.load_percent), (None, Ok(23.0)));
    assert_eq!(reading.maker.as_deref(), Some("a \"b\" \\ c"));
}

#[test]
fn a_list_without_end_is_bounded() {
    let now = start();
    let mut talk = Talk::new(ups(), now);
    talk.receive(now, b"BEGIN LIST VAR room\n");
    for number in 0..2 * VARIABLES_MAX {
        talk.receive(
            now,
            format!("VAR room x.{number} \"{}\"\n", "y".repeat(100)).as_bytes(),
        );
    }
    assert!(talk.variables.len() <= VARIABLES_MAX + 1);
    assert_eq!(talk.conclude(), Err(ProbeError::Garbled));
}

#[test]
fn words_and_quotes() {
    assert_eq!(words(r#"VAR room x "a b""#).unwrap(), ["VAR", "room", "x", "a b"]);
    assert_eq!(words(r#"x """#).unwrap(), ["x", ""]);
    assert_eq!(words(r#"x "a\"b\\c""#).unwrap(), ["x", r#"a"b\c"#]);
    assert_eq!(words("  ").unwrap(), [""; 0]);
    assert_eq!(words(r#"x "a"#), None);
    assert_eq!(words("x\\"), None);
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..20)) {
        let now = start();
        let mut whole = Talk::new(ups(), now);
        whole.receive(now, &pieces.concat());
        let mut talk = Talk::new(ups(), now);
        for piece in &pieces {
            talk.receive(now, piece);
        }
        talk.interrupted(now, ProbeError::Closed);
        whole.interrupted(now, ProbeError::Closed);
        prop_assert_eq!(talk.conclude(), whole.conclude());
    }

    /// Whatever a list holds, split anywhere, it reads the same and never panics.
    #[test]
    fn any_variables(
        variables in proptest::collection::vec(("(ups|battery)\\.[a-z.]{1,12}", "[ -~]{0,20}"), 0..20),
        at in any::<prop::sample::Index>(),
    ) {
        let lines: String = variables.iter().map(|(name, value)| {
            format!("VAR room {name} \"{}\"\n", value.replace('\\', "\\\\").replace('"', "\\\""))
        }).collect();
        let text = format!("BEGIN LIST VAR room\nVAR room ups.status \"OL\"\n{lines}END LIST VAR room\n");
        let now = start();
        let mut talk = Talk::new(ups(), now);
        let (head, tail) = text.as_bytes().split_at(at.index(text.len()));
        talk.receive(now, head);
        talk.receive(now, tail);
        for (name, value) in &variables {
            let last = variables.iter().rfind(|(other, _)| other == name).map(|(_, value)| value);
            if last == Some(value) {
                prop_assert_eq!(talk.variables.get(name), Some(value));
            }
        }
        prop_assert!(talk.conclude().is_ok());
    }
}
