//! Tests of the camera conversation against a simulated camera, with time as an argument.
//!
//! The camera moves in simulated time, answers after 20 ms and can be given one fault at a time.

mod simulated;

use proptest::prelude::*;

use super::*;
use crate::reading::ReturnedBy;
use simulated::{Camera, Fault, run, start};

fn presets(numbers: &[u8]) -> Vec<PresetNumber> {
    numbers
        .iter()
        .map(|number| PresetNumber::try_from(*number).unwrap())
        .collect()
}

fn job(numbers: &[u8]) -> CameraJob {
    CameraJob::visiting(presets(numbers))
}

const MINUTE: Duration = Duration::from_secs(60);
const BOTH: [Framing; 2] = [Framing::Ip, Framing::Packets];

#[test]
fn visits_its_presets_and_goes_back() {
    for framing in BOTH {
        let mut camera = Camera::new(framing);
        let found = camera.spot();
        let reading = run(&mut camera, job(&[1, 2]), MINUTE).reading.unwrap();
        assert_eq!(
            reading.version,
            Ok(CameraVersion {
                vendor: 1,
                model: 0x0513,
                rom: 0x0300
            })
        );
        assert_eq!(reading.power_on, Ok(true));
        assert_eq!(reading.found, Ok(position(found)));
        for (preset, number) in reading.presets.iter().zip([1, 2]) {
            assert_eq!(preset.number, number);
            let reached = preset.outcome.clone().unwrap();
            assert!(reached.completed && reached.settled, "{reached:?}");
            assert_eq!(reached.position, Some(position(Camera::preset(number))));
            assert!((100..5000).contains(&reached.took_ms), "{reached:?}");
        }
        let back = reading.returned.unwrap().unwrap();
        assert_eq!(
            (back.by, back.at_found, back.position),
            (ReturnedBy::FoundPosition, true, position(found))
        );
        assert_eq!(camera.spot(), found);
    }
}

#[test]
fn without_presets_nothing_moves() {
    let mut camera = Camera::new(Framing::Ip);
    let done = run(&mut camera, job(&[]), MINUTE);
    assert_eq!(done.reading.unwrap().returned, None);
    assert!(!camera.was_moved());
}

#[test]
fn accepted_is_not_arrived() {
    let mut camera = Camera::new(Framing::Ip).with(Fault::NeverStirs);
    let reading = run(&mut camera, job(&[1]), MINUTE).reading.unwrap();
    let reached = reading.presets[0].outcome.clone().unwrap();
    assert!(!reached.completed && reached.settled, "{reached:?}");
    assert_eq!(reached.took_ms, 8000);
    // It stands where it was found: it never left.
    assert!(reading.returned.unwrap().unwrap().at_found);
}

#[test]
fn done_is_not_still() {
    let mut camera = Camera::new(Framing::Ip).with(Fault::CompletesEarly);
    let reading = run(&mut camera, job(&[1]), MINUTE).reading.unwrap();
    let reached = reading.presets[0].outcome.clone().unwrap();
    assert!(reached.completed && reached.settled, "{reached:?}");
    assert_eq!(reached.position, Some(position(Camera::preset(1))));
}

#[test]
fn a_camera_that_never_says_done() {
    for framing in BOTH {
        let mut camera = Camera::new(framing).with(Fault::NeverCompletes);
        let reading = run(&mut camera, job(&[1]), MINUTE).reading.unwrap();
        let reached = reading.presets[0].outcome.clone().unwrap();
        assert!(
            !reached.completed && reached.settled && reached.took_ms < 8000,
            "{reached:?}"
        );
        assert_eq!(reached.position, Some(position(Camera::preset(1))));
        assert!(reading.returned.unwrap().unwrap().at_found);
    }
}

#[test]
fn an_empty_preset_is_refused_and_the_others_are_visited() {
    for framing in BOTH {
        let mut camera = Camera::new(framing).with(Fault::RefusesPreset(1));
        let reading = run(&mut camera, job(&[1, 2]), MINUTE).reading.unwrap();
        assert_eq!(reading.presets[0].outcome, Err(ProbeError::Refused));
        assert!(reading.presets[1].outcome.is_ok());
        assert!(reading.returned.unwrap().unwrap().at_found);
    }
}

#[test]
fn all_refused_means_that_nothing_moved() {
    let mut camera = Camera::new(Framing::Packets).with(Fault::RefusesPreset(1));
    let reading = run(&mut camera, job(&[1]), MINUTE).reading.unwrap();
    assert_eq!(reading.presets[0].outcome, Err(ProbeError::Refused));
    assert_eq!(reading.returned, None);
}

#[test]
fn a_sleeping_camera_is_left_asleep() {
    let mut camera = Camera::new(Framing::Ip).with(Fault::Standby);
    let done = run(&mut camera, job(&[1, 2]), MINUTE);
    let reading = done.reading.unwrap();
    assert_eq!(reading.power_on, Ok(false));
    assert!(
        reading
            .presets
            .iter()
            .all(|preset| preset.outcome == Err(ProbeError::Refused))
    );
    assert_eq!(reading.returned, None);
    assert!(!camera.was_moved() && done.requests.iter().all(|request| request.is_inquiry()));
}

#[test]
fn home_when_the_position_found_is_refused() {
    for framing in BOTH {
        let mut camera = Camera::new(framing).with(Fault::RefusesPositions);
        let home = PresetNumber::try_from(7).unwrap();
        let reading = run(
            &mut camera,
            CameraJob {
                home: Some(home),
                ..job(&[1])
            },
            MINUTE,
        )
        .reading
        .unwrap();
        let back = reading.returned.unwrap().unwrap();
        assert_eq!((back.by, back.at_found), (ReturnedBy::HomePreset(7), false));
        assert_eq!(back.position, position(Camera::preset(7)));
    }
}

#[test]
fn home_is_the_first_preset_unless_it_is_named() {
    let mut camera = Camera::new(Framing::Ip).with(Fault::RefusesPositions);
    let reading = run(&mut camera, job(&[3, 4]), MINUTE).reading.unwrap();
    assert_eq!(reading.returned.unwrap().unwrap().by, ReturnedBy::HomePreset(3));
}

#[test]
fn home_when_it_does_not_stir_for_the_position_found() {
    let mut camera = Camera::new(Framing::Ip).with(Fault::IgnoresPositions);
    let reading = run(&mut camera, job(&[1]), MINUTE).reading.unwrap();
    assert_eq!(reading.returned.unwrap().unwrap().by, ReturnedBy::HomePreset(1));
}

#[test]
fn without_positions_it_goes_home_and_cannot_say_where_that_is() {
    let mut camera = Camera::new(Framing::Ip).with(Fault::NoInquiries);
    let reading = run(&mut camera, job(&[1]), MINUTE).reading.unwrap();
    assert_eq!(reading.found, Err(ProbeError::NotSupported));
    let reached = reading.presets[0].outcome.clone().unwrap();
    assert!(
        reached.completed && !reached.settled && reached.position.is_none(),
        "{reached:?}"
    );
    assert_eq!(reading.returned, Some(Err(ProbeError::NotSupported)));
    assert_eq!(camera.spot(), Camera::preset(1));
}

#[test]
fn silence_is_no_answer_and_does_not_take_the_whole_time() {
    for framing in BOTH {
        let mut camera = Camera::new(framing).with(Fault::MuteFrom(0));
        let done = run(&mut camera, job(&[1]), MINUTE);
        assert!(matches!(done.reading, Err(ProbeError::NoAnswer { waited_ms }) if waited_ms < 4000));
        assert!(done.took < Duration::from_secs(4));
    }
}

/// Silence from any moment on: no hang, no panic, everything in its place has a reason.
#[test]
fn silence_from_any_message_on() {
    for framing in BOTH {
        for from in 1..60 {
            let mut camera = Camera::new(framing).with(Fault::MuteFrom(from));
            let done = run(&mut camera, job(&[1, 2]), MINUTE);
            let reading = done.reading.unwrap();
            assert_eq!(reading.presets.len(), 2);
            assert!(
                done.took < Duration::from_secs(40),
                "{framing:?} {from} {:?}",
                done.took
            );
            if done.requests.iter().any(|request| !request.is_inquiry()) {
                assert!(reading.returned.is_some(), "{framing:?} {from}");
            }
        }
    }
}

#[test]
fn lost_datagrams_are_sent_again_with_their_number_and_done_once() {
    let mut asked_again = Vec::new();
    for lost in 1..40 {
        let mut camera = Camera::new(Framing::Ip).with(Fault::Loses(lost));
        let found = camera.spot();
        let done = run(&mut camera, job(&[1]), MINUTE);
        let reading = done.reading.unwrap();
        let reached = reading.presets[0].outcome.as_ref().unwrap();
        assert!(reached.completed && reached.settled, "{lost}: {reached:?}");
        assert!(reading.returned.unwrap().unwrap().at_found, "{lost}");
        assert_eq!(camera.spot(), found);
        if camera.recalls() > 1 {
            asked_again.push((lost, camera.recalls()));
        }
    }
    // The one reply that nobody sends again: that the preset was reached.
    assert_eq!(asked_again, [(8, 2)]);
}

#[test]
fn a_bare_act_is_never_sent_twice() {
    let mut camera = Camera::new(Framing::Packets).with(Fault::NoAck);
    let done = run(&mut camera, job(&[1, 2]), MINUTE);
    let acts: Vec<Request> = done
        .requests
        .into_iter()
        .filter(|request| !request.is_inquiry())
        .collect();
    let recall = |number| Request::Recall(PresetNumber::try_from(number).unwrap());
    // The third is the way home, once the position found had no answer either.
    let [first, second, Request::PanTiltBack(_), home] = acts.as_slice() else {
        panic!("{acts:?}")
    };
    assert_eq!([*first, *second, *home], [recall(1), recall(2), recall(1)]);
}

#[test]
fn a_camera_that_counts_from_elsewhere_is_numbered_anew() {
    let mut camera = Camera::new(Framing::Ip).with(Fault::ForgetsNumbering);
    let reading = run(&mut camera, job(&[1]), MINUTE).reading.unwrap();
    assert!(reading.presets[0].outcome.as_ref().unwrap().completed);
}

#[test]
fn time_for_the_way_back_is_kept() {
    // 20 s: 8 s are kept for the way back; a camera that never stirs uses 8 of the 12 s for its first
    // preset and has less than its limit for the second, and nothing for the third.
    let mut camera = Camera::new(Framing::Ip).with(Fault::NeverStirs);
    let done = run(&mut camera, job(&[1, 2, 3]), Duration::from_secs(20));
    let reading = done.reading.unwrap();
    assert_eq!(reading.presets[0].outcome.clone().unwrap().took_ms, 8000);
    assert!(reading.presets[1].outcome.clone().unwrap().took_ms < 4000);
    assert!(matches!(
        reading.presets[2].outcome,
        Err(ProbeError::TimedOut { .. })
    ));
    assert!(matches!(reading.returned, Some(Ok(_))));
    assert!(done.took < Duration::from_secs(20));
}

#[test]
fn stopped_on_its_way_it_goes_back() {
    for framing in BOTH {
        let mut camera = Camera::new(framing).with(Fault::CancelledAt(Duration::from_millis(700)));
        let found = camera.spot();
        let reading = run(&mut camera, job(&[1, 2]), MINUTE).reading.unwrap();
        assert!(
            reading
                .presets
                .iter()
                .all(|preset| preset.outcome == Err(ProbeError::Cancelled))
        );
        assert!(reading.returned.unwrap().unwrap().at_found);
        assert_eq!(camera.spot(), found);
    }
}

#[test]
fn stopped_before_it_moved_it_moves_nothing() {
    let mut camera = Camera::new(Framing::Ip).with(Fault::CancelledAt(Duration::from_millis(30)));
    let done = run(&mut camera, job(&[1]), MINUTE);
    assert_eq!(done.reading.unwrap().returned, None);
    assert!(!camera.was_moved() && done.took < Duration::from_millis(100));
}

#[test]
fn a_slow_camera_gets_all_the_time_of_the_way_back() {
    // Eight seconds for the way, of ten: more than the two thirds after which a camera that does not stir
    // is sent home.
    let mut camera = Camera::new(Framing::Ip).with(Fault::SlowBack);
    let job = CameraJob {
        return_within: Duration::from_secs(10),
        ..job(&[1])
    };
    let reading = run(&mut camera, job, MINUTE).reading.unwrap();
    let back = reading.returned.unwrap().unwrap();
    assert_eq!((back.by, back.at_found), (ReturnedBy::FoundPosition, true));
}

#[test]
fn somebody_else_takes_the_camera() {
    for framing in BOTH {
        let mut camera = Camera::new(framing).with(Fault::Interrupted);
        let reading = run(&mut camera, job(&[1]), MINUTE).reading.unwrap();
        assert_eq!(reading.presets[0].outcome, Err(ProbeError::Busy));
        assert!(reading.returned.unwrap().is_ok());
    }
}

#[test]
fn garbage_is_garbled() {
    for framing in BOTH {
        let now = start();
        let mut talk = Talk::new(framing, CameraId::ONE, job(&[1]), now, now + MINUTE);
        talk.receive(now, b"HTTP/1.1 400 Bad Request\r\n\xFF");
        talk.interrupted(now, ProbeError::Closed);
        assert_eq!(talk.conclude(), Err(ProbeError::Garbled));
    }
}

/// On a line that others share: their answers, their acknowledgements, and what is meant for all.
#[test]
fn another_camera_on_the_line_is_not_taken_for_ours() {
    let second = CameraId::new(2).unwrap();
    let others = [0x90, 0x50, 0x02, 0xFF, 0xB0, 0x41, 0xFF, 0x88, 0x30, 0x03, 0xFF];
    let now = start();
    let mut talk = Talk::new(Framing::Chain, second, job(&[1]), now, now + MINUTE);
    talk.receive(now, &others);
    talk.interrupted(now, ProbeError::TimedOut { waited_ms: 5 });
    assert!(matches!(talk.conclude(), Err(ProbeError::NoAnswer { .. })));

    let mut talk = Talk::new(Framing::Chain, second, job(&[]), now, now + MINUTE);
    let mut asked = Vec::new();
    while let Some(packet) = talk.transmit(now) {
        asked.push(packet[1..packet.len() - 1].to_vec());
        assert_eq!(packet[0], 0x82);
        talk.receive(now, &others);
        let answer: &[u8] = match packet[2] {
            0x00 => &[0x00, 0x01, 0x05, 0x13, 0x03, 0x00, 0x02],
            0x06 => &[0, 0, 0, 1, 0, 0, 0, 2],
            _ if packet[3] == 0 => &[0x03],
            _ => &[0, 0, 0, 3],
        };
        talk.receive(now, &[&[0xA0, 0x50], answer, &[0xFF]].concat());
    }
    let reading = talk.conclude().unwrap();
    assert_eq!(reading.power_on, Ok(false), "the other camera's answer was taken");
    assert_eq!(asked.len(), 4);
    assert_eq!(
        reading.found,
        Ok(Position {
            pan: 1,
            tilt: 2,
            zoom: 3
        })
    );
}

#[test]
fn closed_without_a_word() {
    let now = start();
    let mut talk = Talk::new(Framing::Packets, CameraId::ONE, job(&[1]), now, now + MINUTE);
    talk.interrupted(now, ProbeError::Closed);
    assert!(talk.finished());
    assert_eq!(talk.conclude(), Err(ProbeError::Closed));
}

fn framings() -> impl Strategy<Value = Framing> {
    proptest::sample::select(vec![Framing::Ip, Framing::Packets, Framing::Chain])
}

proptest! {
    /// Any bytes in any pieces at any time: it ends, sends nothing but requests, and gives a reading.
    #[test]
    fn any_bytes_at_any_time(
        framing in framings(),
        pieces in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..24), 0_u64..3000), 0..60),
    ) {
        survives(framing, &pieces);
    }

    /// Likely replies in any order, numbers near those sent.
    #[test]
    fn any_replies_at_any_time(
        framing in framings(),
        pieces in proptest::collection::vec((likely_reply(), 0_u32..8, 0_u64..3000), 0..80),
    ) {
        let pieces: Vec<(Vec<u8>, u64)> = pieces.into_iter().map(|(packet, sequence, wait)| {
            (simulated::framed(framing, sequence, &packet), wait)
        }).collect();
        survives(framing, &pieces);
    }
}

fn likely_reply() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::sample::select(vec![0x41_u8, 0x42, 0x40, 0x51, 0x52, 0x50])
            .prop_map(|kind| vec![0x90, kind, 0xFF]),
        proptest::sample::select(vec![1_u8, 2, 3, 4, 5, 0x41, 0x77])
            .prop_flat_map(|code| (0x60_u8..0x63).prop_map(move |kind| vec![0x90, kind, code, 0xFF])),
        (0_u8..16).prop_map(|n| vec![0x90, 0x50, 0, n, 0, 0, 0, 0, 0, n, 0xFF]),
        (0_u8..16).prop_map(|n| vec![0x90, 0x50, 0, n, 0, 0, 0xFF]),
        Just(vec![0x90, 0x50, 2, 0xFF]),
        Just(vec![0x90, 0x50, 0, 1, 5, 0x13, 3, 0, 2, 0xFF]),
    ]
}

fn survives(framing: Framing, pieces: &[(Vec<u8>, u64)]) {
    let begin = start();
    let deadline = begin + MINUTE;
    let mut now = begin;
    let mut talk = Talk::new(framing, CameraId::ONE, job(&[1, 2]), now, deadline);
    let mut steps = 0;
    for (bytes, wait) in pieces {
        let until = now + Duration::from_millis(*wait);
        while !talk.finished() {
            steps += 1;
            assert!(steps < 10_000, "it goes on for ever");
            while talk.transmit(now).is_some() {
                steps += 1;
                assert!(steps < 10_000, "it sends for ever");
            }
            match talk.timeout().filter(|at| *at <= until) {
                Some(at) => {
                    now = at.max(now);
                    talk.handle_timeout(now);
                }
                None => break,
            }
        }
        now = until;
        talk.receive(now, bytes);
    }
    talk.interrupted(now, ProbeError::Cancelled);
    talk.interrupted(now, ProbeError::TimedOut { waited_ms: 0 });
    while talk.transmit(now).is_some() {}
    assert!(talk.finished());
    if let Ok(reading) = talk.conclude() {
        assert_eq!(reading.presets.len(), 2);
    }
}
