//! What becomes of the line's figures: good, each fault, at each limit, unknown, and one red line for one cause.

use bridgepoint_hw::reading::{AnsweredBy, GatewayReading};
use bridgepoint_protocol::claims::Finding;
use bridgepoint_protocol::claims::Status::{Fail, Pass, Skipped, Unknown, Warn};
use bridgepoint_protocol::line::estimate::{self, Back, Figures, Jitter, Sent, Trial};
use bridgepoint_protocol::line::wire::control::Summary;

use super::super::Observation;
use super::*;
use crate::config;
use crate::line::{Cut, testing};

const SILENCE: ProbeError = ProbeError::NoAnswer { waited_ms: 3000 };
const SILENT: Stream = Stream::Tried(Ok(Outcome::Silent { waited_ms: 3000 }));
const AT_MS: i64 = 1_764_060_000_000;

fn good() -> Asked {
    Asked {
        gateway: Some(Ok(GatewayReading {
            by: AnsweredBy::Echo,
            rtt_ms: Some(0.8),
        })),
        mcu: Some(Ok(KnockReading {
            answer: Knock::Accepted,
            took_ms: 12.0,
        })),
        stream: measured(|_| {}),
        rate_kbps: 4096,
    }
}

fn measured(change: impl FnOnce(&mut Figures)) -> Stream {
    let mut figures = testing::figures();
    change(&mut figures);
    Stream::Tried(Ok(Outcome::Measured(Box::new(Measured {
        figures,
        cut: None,
        overrun: 0,
    }))))
}

fn finding(id: &str, asked: &Asked) -> Finding {
    let settings = config::parse(
        "room.toml",
        "[room]\nid = \"bai-chay\"\norg = \"quang-ninh\"\nname = \"x\"\n[line]\n",
    )
    .unwrap();
    let bench = Bench {
        settings: &settings,
        baseline: None,
    };
    let observation = Observation::Line(Box::new(asked.clone()));
    let finding = super::super::judge(id, &observation, bench, AT_MS, 4000);
    assert!(
        bridgepoint_protocol::text::has_code(&finding.code),
        "{} has no sentence",
        finding.code
    );
    finding
}

/// Status and code of every check of the line, in the catalogue's order without what is not measured yet.
fn says(asked: &Asked) -> Vec<(Status, String)> {
    [
        "gateway",
        "mcu",
        "reflector",
        "up",
        "down",
        "loss",
        "jitter",
        "rtt",
    ]
    .map(|check| finding(&format!("line.{check}"), asked))
    .map(|finding| (finding.status(), finding.code))
    .into()
}

fn rows(rows: [(Status, &str); 8]) -> Vec<(Status, String)> {
    rows.map(|(status, code)| (status, code.to_owned())).into()
}

const OK: (Status, &str) = (Pass, "ok");
const WAITS: (Status, &str) = (Skipped, "depends-on");

fn of(change: impl FnOnce(&mut Figures)) -> Asked {
    Asked {
        stream: measured(change),
        ..good()
    }
}

/// Both ways lose so many of 1491 packets, without a queue.
fn losing(up: u32, down: u32) -> Asked {
    of(|figures| {
        for (way, lost) in [(&mut figures.up, up), (&mut figures.down, down)] {
            way.loss = Some(testing::loss(lost, 1491));
            way.delivered_kbps = way
                .offered_kbps
                .map(|kbps| kbps * f64::from(1491 - lost) / 1491.0);
        }
    })
}

#[test]
fn a_good_line_is_all_green_with_its_figures() {
    assert_eq!(says(&good()), rows([OK; 8]));
    let up = finding("line.up", &good());
    assert_eq!((up.value, up.unit.as_deref()), (Some(4096.0), Some("kbit/s")));
    assert_eq!(up.low, Some(4096.0 * 0.97));
    assert_eq!(finding("line.rtt", &good()).value, Some(9.5));
    assert_eq!(finding("line.gateway", &good()).params["by"], "echo");
}

#[test]
fn a_dead_router_is_one_red_line() {
    let asked = Asked {
        gateway: Some(Err(SILENCE)),
        mcu: Some(Err(SILENCE)),
        stream: SILENT,
        ..good()
    };
    let mut expected = [WAITS; 8];
    expected[0] = (Fail, "line.gateway-down");
    assert_eq!(says(&asked), rows(expected));
    assert_eq!(finding("line.mcu", &asked).params["check"], "line.gateway");
}

#[test]
fn a_router_that_is_silent_while_something_behind_it_answers_is_there() {
    let silent = |mcu, stream| Asked {
        gateway: Some(Err(SILENCE)),
        mcu,
        stream,
        ..good()
    };
    let mut expected = [OK; 8];
    expected[0] = (Unknown, "no-answer");
    assert_eq!(says(&silent(good().mcu, good().stream)), rows(expected));
    // The reflector alone proves it, and a refusal does.
    expected[1] = (Fail, "line.mcu-down");
    assert_eq!(says(&silent(Some(Err(SILENCE)), good().stream)), rows(expected));
    let refused = Some(Ok(KnockReading {
        answer: Knock::Refused,
        took_ms: 9.0,
    }));
    let mut expected = [(Unknown, "no-answer"); 8];
    expected[1] = (Fail, "line.mcu-down");
    assert_eq!(says(&silent(refused, SILENT)), rows(expected));
}

#[test]
fn a_name_that_is_not_looked_up_is_nobodys_silence() {
    let asked = Asked {
        gateway: Some(Err(ProbeError::NoName)),
        mcu: Some(Err(ProbeError::NoName)),
        stream: Stream::Tried(Err(ProbeError::NoName)),
        ..good()
    };
    assert_eq!(says(&asked), rows([(Unknown, "no-name"); 8]));
    // What is known all the same is judged.
    let asked = Asked {
        gateway: Some(Err(ProbeError::NoName)),
        ..good()
    };
    let mut expected = [OK; 8];
    expected[0] = (Unknown, "no-name");
    assert_eq!(says(&asked), rows(expected));
    // A silent MCU and a reflector that nobody could ask: not the province.
    let asked = Asked {
        gateway: Some(Err(ProbeError::NoName)),
        mcu: Some(Err(SILENCE)),
        stream: SILENT,
        ..good()
    };
    let mut expected = [(Unknown, "no-answer"); 8];
    expected[0] = (Unknown, "no-name");
    assert_eq!(says(&asked), rows(expected));
}

#[test]
fn a_silent_province_behind_a_router_that_answers_is_one_red_line_with_a_code() {
    let silent = |mcu| Asked {
        mcu,
        stream: Stream::Tried(Ok(Outcome::Silent { waited_ms: 3000 })),
        ..good()
    };
    let mut expected = [WAITS; 8];
    (expected[0], expected[1], expected[2]) = (OK, OK, (Fail, "line.hub-down"));
    let asked = silent(good().mcu);
    assert_eq!(says(&asked), rows(expected));
    let code = finding("line.reflector", &asked).params["incident"].clone();
    assert!(code.as_str().is_some_and(|code| code.len() == 7), "{code}");
    // The MCU, which a room cannot do without, carries the line when it is silent as well.
    (expected[1], expected[2]) = ((Fail, "line.hub-down"), WAITS);
    let asked = silent(Some(Err(SILENCE)));
    assert_eq!(says(&asked), rows(expected));
    assert_eq!(finding("line.mcu", &asked).params["incident"], code);
    // Where no router is known, nobody knows on which side of it the silence is.
    let asked = Asked {
        gateway: None,
        ..silent(good().mcu)
    };
    assert_eq!(finding("line.reflector", &asked).status(), Unknown);
    assert_eq!(finding("line.up", &asked).status(), Unknown);
}

#[test]
fn the_code_is_the_rooms_and_the_minutes() {
    let code = incident("quang-ninh/bai-chay", AT_MS);
    assert_eq!(code, incident("quang-ninh/bai-chay", AT_MS + 59_999));
    assert_ne!(code, incident("quang-ninh/bai-chay", AT_MS + 60_000));
    assert_ne!(code, incident("quang-ninh/ha-long", AT_MS));
    let digits: Vec<char> = code.chars().filter(char::is_ascii_digit).collect();
    assert_eq!((digits.len(), code.as_bytes()[3]), (6, b'-'), "{code}");
}

#[test]
fn an_mcu_that_refuses_and_one_that_is_silent_are_both_down() {
    for (answer, word) in [
        (
            Ok(KnockReading {
                answer: Knock::Refused,
                took_ms: 9.0,
            }),
            "refused",
        ),
        (Err(SILENCE), "silent"),
    ] {
        let asked = Asked {
            mcu: Some(answer),
            ..good()
        };
        let finding = finding("line.mcu", &asked);
        assert_eq!((finding.status(), finding.code.as_str()), (Fail, "line.mcu-down"));
        assert_eq!(finding.params["answer"], word);
    }
}

#[test]
fn what_is_not_configured_is_not_judged() {
    let asked = Asked {
        gateway: None,
        mcu: None,
        stream: Stream::NoReflector,
        rate_kbps: 2048,
    };
    assert_eq!(says(&asked), rows([(Skipped, "not-configured"); 8]));
}

#[test]
fn in_a_call_nothing_is_sent_and_the_knocks_are_judged() {
    let not_moved = |why| Asked {
        stream: Stream::NotMoved(why),
        ..good()
    };
    let mut expected = [(Skipped, "in-call"); 8];
    (expected[0], expected[1]) = (OK, OK);
    assert_eq!(says(&not_moved(NotMoved::InCall)), rows(expected));
    let asked = not_moved(NotMoved::CallUnknown);
    assert_eq!(finding("line.loss", &asked).params["check"], "codec.reachable");
}

#[test]
fn a_refusal_of_the_reflector_is_never_a_fault() {
    for (why, code) in [(NoGrant::NoSlot, "line.no-slot"), (NoGrant::Unfit, "refused")] {
        let asked = Asked {
            stream: Stream::Tried(Ok(Outcome::NotGranted(why))),
            ..good()
        };
        let mut expected = [(Unknown, code); 8];
        (expected[0], expected[1], expected[2]) = (OK, OK, OK);
        assert_eq!(says(&asked), rows(expected));
    }
}

#[test]
fn a_slow_box_is_not_a_slow_line() {
    let asked = of(|figures| {
        figures.sender_slow = true;
        figures.up.delivered_kbps = Some(100.0);
    });
    let mut expected = [(Unknown, "line.box-slow"); 8];
    (expected[0], expected[1], expected[2]) = (OK, OK, OK);
    assert_eq!(says(&asked), rows(expected));
    // What the box had no room for was not lost on the line.
    let mut asked = losing(0, 75);
    if let Stream::Tried(Ok(Outcome::Measured(measured))) = &mut asked.stream {
        measured.overrun = 75;
    }
    assert_eq!(says(&asked), rows(expected));
}

#[test]
fn a_child_that_fails_makes_nothing_red_and_nothing_green() {
    for (why, code) in [
        (ProbeError::Garbled, "garbled"),
        (ProbeError::TimedOut { waited_ms: 1 }, "timeout"),
        (ProbeError::Cancelled, "cancelled"),
    ] {
        let asked = Asked {
            stream: Stream::Tried(Err(why)),
            ..good()
        };
        assert_eq!(finding("line.up", &asked).code, code);
        assert_eq!(finding("line.reflector", &asked).status(), Unknown);
    }
}

#[test]
fn five_in_a_hundred_lost_are_lost_packets_and_no_narrow_line() {
    let asked = losing(75, 0);
    assert_eq!(
        says(&asked),
        rows([OK, OK, OK, WAITS, OK, (Fail, "line.loss"), OK, OK])
    );
    let finding_of_loss = finding("line.loss", &asked);
    assert_eq!(finding_of_loss.value, Some(5.03));
    assert_eq!(finding_of_loss.params["direction"], "up");
    assert_eq!(finding("line.up", &asked).params["check"], "line.loss");
    assert_eq!(finding("line.loss", &losing(0, 75)).params["direction"], "down");
    assert_eq!(finding("line.loss", &losing(75, 80)).params["direction"], "both");
}

#[test]
fn twelve_in_a_hundred_lost_without_a_queue_are_lost_packets_too() {
    assert_eq!(
        says(&losing(179, 0)),
        rows([OK, OK, OK, WAITS, OK, (Fail, "line.loss"), OK, OK])
    );
    assert_eq!(
        says(&losing(0, 179)),
        rows([OK, OK, OK, OK, WAITS, (Fail, "line.loss"), OK, OK])
    );
    // A rate that is too low while hardly a packet is missing, and not all are accounted for, is not explained by loss.
    let asked = of(|figures| {
        figures.up.loss.as_mut().unwrap().exact = false;
        figures.up.delivered_kbps = Some(3000.0);
    });
    assert_eq!(finding("line.up", &asked).status(), Fail);
}

#[test]
fn one_late_packet_makes_no_line_narrow() {
    let asked = of(|figures| {
        for way in [&mut figures.up, &mut figures.down] {
            way.delivered_kbps = way.offered_kbps.map(|kbps| kbps * 0.8);
        }
    });
    assert_eq!(says(&asked), rows([OK; 8]));
}

#[test]
fn loss_at_its_limits() {
    let loss = |lost| {
        let finding = finding("line.loss", &losing(lost, 0));
        (finding.status(), finding.code)
    };
    assert_eq!(loss(0), (Pass, "ok".into()));
    assert_eq!(loss(8), (Pass, "ok".into()));
    // 1.1 %: surely not two, hardly less than one.
    assert_eq!(loss(17), (Warn, "line.loss".into()));
    // 1.8 % and 2.1 %: it may be either.
    assert_eq!(loss(27), (Unknown, "line.loss-unclear".into()));
    assert_eq!(loss(31), (Unknown, "line.loss-unclear".into()));
    // 3.0 %, of which 2.1 are sure.
    assert_eq!(loss(45), (Fail, "line.loss".into()));
}

#[test]
fn a_fault_one_way_is_told_before_a_doubt_the_other_way() {
    let asked = losing(27, 75);
    let finding = finding("line.loss", &asked);
    assert_eq!(
        (finding.status(), finding.params["direction"].as_str()),
        (Fail, Some("down"))
    );
}

/// Three quarters arrive, and what arrives has stood in a queue.
fn narrow(way: &mut Way) {
    way.loss = Some(testing::loss(373, 1491));
    way.delivered_kbps = way.offered_kbps.map(|kbps| kbps * 0.75);
    way.jitter = Some(Jitter {
        mean_ms: 3.0,
        rfc3550_ms: 3.0,
        pdv_p50_ms: 90.0,
        pdv_p95_ms: 100.0,
        pdv_p99_ms: 101.0,
    });
}

#[test]
fn a_narrow_line_is_one_red_line() {
    let asked = of(|figures| narrow(&mut figures.up));
    assert_eq!(
        says(&asked),
        rows([OK, OK, OK, (Fail, "line.up-low"), WAITS, WAITS, OK, OK])
    );
    let up = finding("line.up", &asked);
    assert_eq!(
        (up.value, up.params["share"].as_f64()),
        (Some(3072.0), Some(75.0))
    );
    assert_eq!(finding("line.down", &asked).params["check"], "line.up");
    let asked = of(|figures| narrow(&mut figures.down));
    assert_eq!(
        says(&asked),
        rows([OK, OK, OK, OK, (Fail, "line.down-low"), WAITS, OK, OK])
    );
    assert_eq!(finding("line.loss", &asked).params["check"], "line.down");
}

#[test]
fn a_line_that_is_a_little_narrow_is_a_warning_where_a_queue_has_grown() {
    let asked = of(|figures| {
        narrow(&mut figures.up);
        figures.up.loss = Some(testing::loss(75, 1491));
        figures.up.delivered_kbps = figures.up.offered_kbps.map(|kbps| kbps * 0.95);
    });
    assert_eq!(finding("line.up", &asked).status(), Warn);
    assert_eq!(finding("line.loss", &asked).params["check"], "line.up");
    assert_eq!(finding("line.down", &asked).status(), Pass);
}

#[test]
fn rates_at_their_limits() {
    let up = |percent: f64| {
        let asked = of(|figures| {
            narrow(&mut figures.up);
            figures.up.offered_kbps = Some(1000.0);
            figures.up.delivered_kbps = Some(percent * 10.0);
        });
        finding("line.up", &asked).status()
    };
    assert_eq!([97.1, 96.9, 90.1, 89.9].map(up), [Pass, Warn, Warn, Fail]);
}

/// A stream of 1000 packets, one each 2 ms, of which the reflector got the first `got`, and whose answers all got lost.
fn nothing_back(got: u32) -> Asked {
    let sent: Vec<Sent> = (0..1000)
        .map(|seq| Sent {
            seq,
            sent_ns: u64::from(seq) * 2_000_000,
            bytes: 996,
        })
        .collect();
    let back: [Back; 0] = [];
    let summary = Summary {
        received: got,
        replied: got,
        highest: got.saturating_sub(1),
        bytes: u64::from(got) * 996,
        first_ns: 1_000,
        last_ns: 1_000 + u64::from(got.saturating_sub(1)) * 2_000_000,
        ..Summary::default()
    };
    let figures = estimate::figures(&Trial {
        sent: &sent,
        back: &back,
        summary: Some(&summary),
        wanted_kbps: 4096,
        overhead: 28,
        longest_gap_ms: 500.0,
    });
    of(|told| *told = figures)
}

#[test]
fn when_nothing_comes_back_only_the_direction_that_failed_is_red() {
    assert_eq!(
        says(&nothing_back(0)),
        rows([OK, OK, OK, (Fail, "line.up-low"), WAITS, WAITS, WAITS, WAITS])
    );
    assert_eq!(
        says(&nothing_back(1000)),
        rows([OK, OK, OK, OK, (Fail, "line.down-low"), WAITS, WAITS, WAITS])
    );
}

#[test]
fn without_the_reflectors_counts_what_they_would_tell_is_unknown() {
    let asked = of(|figures| {
        figures.up.loss = None;
        figures.up.delivered_kbps = None;
    });
    assert_eq!(
        says(&asked),
        rows([
            OK,
            OK,
            OK,
            (Unknown, "no-answer"),
            OK,
            (Unknown, "no-answer"),
            OK,
            OK
        ])
    );
}

#[test]
fn jitter_and_round_trip_at_their_limits() {
    let jitter = |ms: f64| {
        finding(
            "line.jitter",
            &of(|f| f.down.jitter.as_mut().unwrap().mean_ms = ms),
        )
    };
    assert_eq!(
        [30.0, 30.1, 100.0, 100.1].map(|ms| jitter(ms).status()),
        [Pass, Warn, Warn, Fail]
    );
    assert_eq!(jitter(40.0).params["direction"], "down");
    let rtt = |ms: f64| finding("line.rtt", &of(|f| f.round_trip.as_mut().unwrap().p50_ms = ms)).status();
    assert_eq!([300.0, 300.1, 600.0, 600.1].map(rtt), [Pass, Warn, Warn, Fail]);
}

#[test]
fn a_stream_that_was_broken_off_says_so() {
    let mut asked = losing(700, 0);
    if let Stream::Tried(Ok(Outcome::Measured(measured))) = &mut asked.stream {
        measured.cut = Some(Cut::Lossy);
    }
    assert_eq!(finding("line.up", &asked).params["ended"], "lossy");
}

#[test]
fn packet_size_and_marking_are_not_measured_yet() {
    for check in ["line.mtu", "line.marking"] {
        assert_eq!(finding(check, &good()).code, "not-supported");
    }
}
