//! What is planned for which room.

use super::*;
use crate::config;

fn settings(rest: &str) -> Settings {
    let text = format!("[room]\nid = \"bai-chay\"\norg = \"quang-ninh\"\nname = \"x\"\n{rest}");
    config::parse("room.toml", &text).unwrap()
}

const CODEC: &str = "[codec]\ndriver = \"cisco\"\naddress = \"tcp://10.0.0.5:23\"\n";
const CAMERA: &str = "[[camera]]\nid = \"main\"\naddress = \"visca+udp://10.0.0.6\"\npresets = [{ number = 1 }, { number = 2 }]\n";
const MICS: &str = "[[microphone]]\nid = \"a\"\nsource = \"alsa:hw:1,0#0\"\n[[microphone]]\nid = \"b\"\nsource = \"alsa:hw:1,0#1\"\n";

fn probes(plan: &Plan) -> Vec<(Probe, Option<&str>, usize)> {
    plan.probes
        .iter()
        .map(|act| (act.probe, act.device.as_deref(), act.checks.len()))
        .collect()
}

#[test]
fn one_conversation_feeds_many_checks() {
    let plan = plan(&settings(&format!("{CODEC}{CAMERA}{MICS}")), None);
    assert_eq!(
        probes(&plan),
        [
            (Probe::Codec, None, 9),
            (Probe::Camera, Some("main"), 4),
            (Probe::Microphone, Some("a"), 4),
            (Probe::Microphone, Some("b"), 4),
            (Probe::Host, None, 5),
            (Probe::Logbook, None, 1),
            (Probe::Baseline, None, 1),
        ]
    );
    assert!(plan.skipped.contains(&("power.mains".into(), "not-configured")));
    assert!(plan.skipped.contains(&("mic.a.hum".into(), "not-supported")));
    assert!(
        plan.skipped
            .contains(&("camera.main.picture".into(), "not-configured"))
    );
    let camera = &plan.probes[1];
    assert!(camera.active && camera.takes == [Take::AirAlone]);
    assert!(!plan.probes[2].active);
    assert_eq!(
        plan.probes[2].thing, plan.probes[3].thing,
        "two channels of one capture device are one thing"
    );
}

#[test]
fn what_moves_in_a_scoped_run_still_asks_whether_there_is_a_call() {
    let scope = Scope(vec!["camera".into()]);
    let plan = plan(&settings(&format!("{CODEC}{CAMERA}")), Some(&scope));
    assert_eq!(
        probes(&plan),
        [(Probe::Camera, Some("main"), 4), (Probe::Codec, None, 0)]
    );
    let scope = Scope(vec!["camera.main.reachable".into()]);
    let plan = super::plan(&settings(&format!("{CODEC}{CAMERA}")), Some(&scope));
    assert_eq!(
        probes(&plan),
        [(Probe::Camera, Some("main"), 1)],
        "nothing moves: nothing to ask"
    );
}

#[test]
fn every_row_of_the_catalogue_is_planned_or_skipped_with_a_reason() {
    let everything = config::parse(
        "room.toml",
        include_str!("../../../packaging/etc/bridgepoint/room.toml"),
    )
    .unwrap();
    let plan = plan(&everything, None);
    let planned: Vec<&String> = plan
        .probes
        .iter()
        .flat_map(|act| &act.checks)
        .chain(plan.skipped.iter().map(|(id, _)| id))
        .collect();
    let rows = CATALOGUE
        .iter()
        .filter(|row| !matches!(row.group, Group::Call | Group::Room));
    for row in rows {
        assert!(
            planned.iter().any(|id| row.places(id).is_some()),
            "{row} is nowhere"
        );
    }
    for (_, reason) in &plan.skipped {
        assert!(
            bridgepoint_protocol::text::has_code(reason),
            "{reason} has no sentence"
        );
    }
}

#[test]
fn a_camera_is_asked_over_udp_tcp_and_a_serial_line_and_no_other_way_yet() {
    for (address, moves) in [
        ("visca+udp://h", true),
        ("visca+tcp://h", true),
        ("visca+serial:/dev/ttyUSB1?id=3", true),
        ("pelco+serial:/dev/ttyUSB1", false),
    ] {
        let camera =
            format!("[[camera]]\nid = \"a\"\naddress = \"{address}\"\npresets = [{{ number = 1 }}]\n");
        let plan = plan(&settings(&camera), None);
        assert_eq!(
            plan.probes.iter().any(|act| act.probe == Probe::Camera),
            moves,
            "{address}"
        );
        let skipped = plan
            .skipped
            .contains(&("camera.a.preset.1".into(), "not-supported"));
        assert_eq!(skipped, !moves, "{address}");
    }
}

#[test]
fn what_stands_on_one_serial_line_is_one_thing() {
    let camera = |id: &str, address: &str| format!("[[camera]]\nid = \"{id}\"\naddress = \"{address}\"\n");
    let codec = "[codec]\ndriver = \"cisco\"\naddress = \"serial:/dev/ttyUSB0?baud=38400&user=probe\"\n";
    let room = [
        codec.to_owned(),
        camera("a", "visca+serial:/dev/ttyUSB1?baud=9600&id=1"),
        camera("b", "visca+serial:/dev/ttyUSB1?baud=38400&id=2"),
        camera("c", "visca+serial:/dev/ttyUSB2"),
        camera("d", "visca+serial:/dev/ttyUSB0?id=7"),
    ];
    let plan = plan(&settings(&room.concat()), None);
    let thing = |device: Option<&str>, probe| {
        let act = plan
            .probes
            .iter()
            .find(|act| act.probe == probe && act.device.as_deref() == device);
        act.map(|act| act.thing.as_str()).unwrap()
    };
    let on = |device| thing(Some(device), Probe::Camera);
    assert_eq!(on("a"), on("b"), "two cameras of one chain");
    assert_ne!(on("a"), on("c"), "two lines");
    assert_eq!(
        on("d"),
        thing(None, Probe::Codec),
        "a codec and a camera on one line"
    );
    assert!(
        plan.probes
            .iter()
            .filter(|act| act.probe == Probe::Codec)
            .all(|act| act.checks.len() == 9)
    );
}

#[test]
fn strange_ids_are_told_with_their_neighbour() {
    let settings = settings(CODEC);
    let asked: Vec<String> = ["codec", "codec.displai", "camera.main", "mic"]
        .map(str::to_owned)
        .into();
    let strange = strangers(&settings, &asked);
    assert_eq!(strange.get("codec.displai"), Some(&Some("codec.display".into())));
    assert!(strange.contains_key("camera.main") && strange.contains_key("mic"));
    assert!(!strange.contains_key("codec"));
}
