//! Every judgement: what a reading becomes, against limits and baseline.

use bridgepoint_hw::reading::*;
use bridgepoint_protocol::claims::Status::{Fail, Pass, Skipped, Unknown, Warn};

use super::*;
use crate::config;

fn settings() -> Settings {
    config::parse(
        "room.toml",
        r#"[room]
id = "bai-chay"
org = "quang-ninh"
name = "x"
[codec]
driver = "cisco"
address = "tcp://10.0.0.5:23"
[codec.expect]
ip = "10.0.0.5"
displays = 2
[[camera]]
id = "main"
address = "visca+udp://10.0.0.6"
presets = [{ number = 1, name = "chair" }]
[[microphone]]
id = "chair"
source = "alsa:hw:1,0#0"
[[microphone]]
id = "desk"
source = "alsa:hw:1,0#1"
switch = true
[ups]
address = "nut://127.0.0.1/room"
feeds = ["codec", "audio"]
"#,
    )
    .unwrap()
}

fn codec() -> CodecReading {
    CodecReading {
        unit: Ok(Unit {
            product: Some("Cisco Codec Pro".into()),
            serial: Some("S1".into()),
            ..Unit::default()
        }),
        standby: Ok(Standby::Awake),
        network: Ok(vec![NetworkPort {
            id: 1,
            address: Some("10.0.0.5".into()),
            ..NetworkPort::default()
        }]),
        registration: Ok(Registration {
            sip: vec![SipRegistration {
                registered: true,
                status: "Registered".into(),
                ..SipRegistration::default()
            }],
            h323: None,
        }),
        calls: Ok(CallState::default()),
        presentation: Ok(Presentation::Off),
        audio: Ok(Audio {
            volume_percent: Some(50),
            volume_muted: Some(false),
            microphones_muted: Some(true),
        }),
        inputs: Ok(vec![Connector {
            id: 1,
            kind: "Microphone".into(),
            connected: Some(true),
            muted: None,
        }]),
        outputs: Ok((1..=2)
            .map(|id| Display {
                id,
                connected: Some(true),
                ..Display::default()
            })
            .collect()),
        diagnostics: Ok(vec![]),
        temperature: Ok(Temperature {
            status: Some("Normal".into()),
            celsius: None,
        }),
        cameras: Ok(vec![]),
    }
}

fn says(id: &str, observation: &Observation) -> (Status, String) {
    says_against(id, observation, None)
}

fn says_against(id: &str, observation: &Observation, baseline: Option<&Baseline>) -> (Status, String) {
    let settings = settings();
    let finding = judge(
        id,
        observation,
        Bench {
            settings: &settings,
            baseline,
        },
        1,
        2,
    );
    assert!(
        bridgepoint_protocol::text::has_code(&finding.code),
        "{} has no sentence",
        finding.code
    );
    assert_eq!(finding.required, settings.profile.requires(id));
    (finding.status(), finding.code)
}

fn of_codec(change: impl FnOnce(&mut CodecReading)) -> Observation {
    let mut reading = codec();
    change(&mut reading);
    Observation::Codec(Box::new(Ok(reading)))
}

fn is(status: Status, code: &str) -> (Status, String) {
    (status, code.to_owned())
}

#[test]
fn the_codec() {
    let good = of_codec(|_| {});
    for check in [
        "reachable",
        "awake",
        "ip",
        "registration",
        "diagnostics",
        "temperature",
        "display",
        "audio",
        "idle",
    ] {
        assert_eq!(says(&format!("codec.{check}"), &good), is(Pass, "ok"), "{check}");
    }
    let diagnostic = |level: &str| {
        vec![Diagnostic {
            level: level.into(),
            kind: "ECReferenceDelay".into(),
            description: String::new(),
        }]
    };
    let hot = |word: &str| {
        Ok(Temperature {
            status: Some(word.into()),
            celsius: None,
        })
    };
    let cases: Vec<(&str, Observation, (Status, String))> = vec![
        (
            "awake",
            of_codec(|c| c.standby = Ok(Standby::Asleep)),
            is(Fail, "codec.standby"),
        ),
        (
            "awake",
            of_codec(|c| c.standby = Ok(Standby::Halfwake)),
            is(Warn, "codec.standby"),
        ),
        (
            "awake",
            of_codec(|c| c.standby = Err(ProbeError::NotSupported)),
            is(Skipped, "not-supported"),
        ),
        (
            "awake",
            of_codec(|c| c.standby = Err(ProbeError::TimedOut { waited_ms: 3000 })),
            is(Unknown, "timeout"),
        ),
        (
            "ip",
            of_codec(|c| c.network = Ok(vec![])),
            is(Fail, "codec.ip-differs"),
        ),
        (
            "ip",
            of_codec(|c| {
                c.network = Ok(vec![NetworkPort {
                    address: Some("10.0.0.9".into()),
                    ..NetworkPort::default()
                }]);
            }),
            is(Fail, "codec.ip-differs"),
        ),
        (
            "registration",
            of_codec(|c| c.registration = Ok(Registration::default())),
            is(Fail, "codec.not-registered"),
        ),
        (
            "registration",
            of_codec(|c| {
                let h323 = Some(H323 {
                    enabled: true,
                    registered: true,
                    status: "Registered".into(),
                });
                c.registration = Ok(Registration { sip: vec![], h323 });
            }),
            is(Pass, "ok"),
        ),
        (
            "diagnostics",
            of_codec(|c| c.diagnostics = Ok(diagnostic("Warning"))),
            is(Pass, "ok"),
        ),
        (
            "diagnostics",
            of_codec(|c| c.diagnostics = Ok(diagnostic("Error"))),
            is(Warn, "codec.own-alarm"),
        ),
        (
            "diagnostics",
            of_codec(|c| c.diagnostics = Ok(diagnostic("Critical"))),
            is(Fail, "codec.own-alarm"),
        ),
        (
            "temperature",
            of_codec(|c| c.temperature = hot("High")),
            is(Warn, "codec.hot"),
        ),
        (
            "temperature",
            of_codec(|c| c.temperature = hot("Critical")),
            is(Fail, "codec.hot"),
        ),
        (
            "temperature",
            of_codec(|c| c.temperature = hot("Unknown")),
            is(Skipped, "not-supported"),
        ),
        (
            "temperature",
            of_codec(|c| {
                c.temperature = Ok(Temperature {
                    status: None,
                    celsius: Some(70.0),
                });
            }),
            is(Warn, "codec.hot"),
        ),
        (
            "display",
            of_codec(|c| drop(c.outputs.as_mut().unwrap().pop())),
            is(Fail, "codec.display-missing"),
        ),
        (
            "display",
            of_codec(|c| {
                c.outputs = Ok(vec![Display {
                    id: 1,
                    connected: None,
                    ..Display::default()
                }]);
            }),
            is(Skipped, "not-supported"),
        ),
        (
            "audio",
            of_codec(|c| c.inputs.as_mut().unwrap()[0].connected = Some(false)),
            is(Fail, "codec.audio-missing"),
        ),
        (
            "audio",
            of_codec(|c| c.audio.as_mut().unwrap().volume_percent = Some(10)),
            is(Warn, "codec.volume-low"),
        ),
        (
            "audio",
            of_codec(|c| c.audio.as_mut().unwrap().volume_muted = Some(true)),
            is(Fail, "codec.volume-muted"),
        ),
        (
            "idle",
            of_codec(|c| c.calls.as_mut().unwrap().active = 1),
            is(Warn, "codec.in-call"),
        ),
        (
            "idle",
            of_codec(|c| c.calls.as_mut().unwrap().in_progress = 1),
            is(Warn, "codec.in-call"),
        ),
        (
            "idle",
            of_codec(|c| c.presentation = Ok(Presentation::Sending)),
            is(Warn, "codec.sharing"),
        ),
        (
            "idle",
            of_codec(|c| c.calls = Err(ProbeError::Garbled)),
            is(Unknown, "garbled"),
        ),
    ];
    for (check, observation, expected) in cases {
        assert_eq!(
            says(&format!("codec.{check}"), &observation),
            expected,
            "{check}: {observation:?}"
        );
    }
}

#[test]
fn a_codec_that_does_not_answer_is_one_red_line() {
    let silent = Observation::Codec(Box::new(Err(ProbeError::NoAnswer { waited_ms: 15_000 })));
    assert_eq!(says("codec.reachable", &silent), is(Fail, "codec.no-answer"));
    for check in ["awake", "ip", "display", "idle"] {
        assert_eq!(
            says(&format!("codec.{check}"), &silent),
            is(Skipped, "depends-on"),
            "{check}"
        );
    }
    for (why, code) in [
        (ProbeError::Garbled, "garbled"),
        (ProbeError::TimedOut { waited_ms: 1 }, "timeout"),
        (ProbeError::Closed, "closed"),
        (ProbeError::Busy, "busy"),
        (ProbeError::Refused, "codec.login-refused"),
    ] {
        let observation = Observation::Codec(Box::new(Err(why)));
        assert_eq!(
            says("codec.reachable", &observation),
            is(Unknown, code),
            "what answers unreadably is unknown"
        );
    }
}

#[test]
fn a_cause_outside_the_run_is_the_finding_itself() {
    let settings = settings();
    let bench = Bench {
        settings: &settings,
        baseline: None,
    };
    let silent = Observation::Codec(Box::new(Err(ProbeError::NoAnswer { waited_ms: 15_000 })));
    let mut alone = vec![judge("codec.display", &silent, bench, 1, 1)];
    settle_causes(&mut alone);
    assert_eq!(
        (alone[0].status(), alone[0].code.as_str()),
        (Unknown, "codec.no-answer")
    );
    let mut both = vec![
        judge("codec.reachable", &silent, bench, 1, 1),
        judge("codec.display", &silent, bench, 1, 1),
    ];
    settle_causes(&mut both);
    assert_eq!((both[1].status(), both[1].code.as_str()), (Skipped, "depends-on"));
}

/// A codec whose language is not spoken has not failed: what waits for its word was not looked at, and is not left out.
#[test]
fn a_cause_that_has_not_failed_explains_nothing() {
    let settings = settings();
    let unsure = Observation::Camera(Box::new(Ok(camera())), Some(NotMoved::CallUnknown));
    let preset = judged("camera.main.preset.1", &unsure);
    for reason in ["not-supported", "not-configured"] {
        let root = not_made("codec.reachable", reason, &settings.profile, 1);
        let mut findings = vec![root, preset.clone()];
        settle_causes(&mut findings);
        assert_eq!(
            (findings[1].status(), findings[1].code.as_str()),
            (Unknown, "call-unknown"),
            "{reason}"
        );
        assert_ne!(
            bridgepoint_protocol::verdict::verdict(&findings, &[], None),
            bridgepoint_protocol::claims::Verdict::Ready
        );
    }
    // Through another that waits, too; and one that waits for itself explains nothing.
    let mut chained = preset.clone();
    chained.check = "camera.main.home".to_owned();
    chained
        .params
        .insert("check".into(), "camera.main.preset.1".into());
    let silent = Observation::Codec(Box::new(Err(ProbeError::NoAnswer { waited_ms: 15_000 })));
    let mut findings = vec![
        judged("codec.reachable", &silent),
        preset.clone(),
        chained.clone(),
    ];
    settle_causes(&mut findings);
    assert!(findings.iter().skip(1).all(waits), "{findings:?}");
    chained.params.insert("check".into(), "camera.main.home".into());
    let mut circle = vec![chained];
    settle_causes(&mut circle);
    assert_eq!(circle[0].status(), Unknown);
}

fn camera() -> CameraReading {
    let at = Position {
        pan: 1000,
        tilt: 100,
        zoom: 0,
    };
    let reached = PresetReached {
        completed: true,
        settled: true,
        position: Some(at),
        took_ms: 900,
    };
    CameraReading {
        version: Ok(CameraVersion {
            vendor: 1,
            model: 0x0513,
            rom: 2,
        }),
        power_on: Ok(true),
        found: Ok(Position {
            pan: 0,
            tilt: 0,
            zoom: 0,
        }),
        presets: vec![PresetReading {
            number: 1,
            outcome: Ok(reached),
        }],
        returned: Some(Ok(ReturnedHome {
            position: Position {
                pan: 0,
                tilt: 0,
                zoom: 0,
            },
            by: ReturnedBy::FoundPosition,
            at_found: true,
        })),
    }
}

fn of_camera(change: impl FnOnce(&mut CameraReading)) -> Observation {
    let mut reading = camera();
    change(&mut reading);
    Observation::Camera(Box::new(Ok(reading)), None)
}

fn set_preset(reading: &mut CameraReading, change: impl FnOnce(&mut PresetReached)) {
    if let Ok(reached) = &mut reading.presets[0].outcome {
        change(reached);
    }
}

#[test]
fn the_camera() {
    let good = of_camera(|_| {});
    for check in ["reachable", "preset.1", "home"] {
        assert_eq!(
            says(&format!("camera.main.{check}"), &good),
            is(Pass, "ok"),
            "{check}"
        );
    }
    let refused = |c: &mut CameraReading| c.presets[0].outcome = Err(ProbeError::Refused);
    let at_home_preset = |at_found| {
        move |c: &mut CameraReading| {
            c.returned = Some(Ok(ReturnedHome {
                position: Position {
                    pan: 9,
                    tilt: 9,
                    zoom: 9,
                },
                by: ReturnedBy::HomePreset(1),
                at_found,
            }));
        }
    };
    let cases: Vec<(&str, Observation, (Status, String))> = vec![
        (
            "preset.1",
            of_camera(|c| set_preset(c, |p| p.completed = false)),
            is(Fail, "camera.preset-not-reached"),
        ),
        (
            "preset.1",
            of_camera(|c| set_preset(c, |p| p.settled = false)),
            is(Fail, "camera.preset-not-reached"),
        ),
        (
            "preset.1",
            of_camera(|c| set_preset(c, |p| p.took_ms = 7000)),
            is(Warn, "camera.preset-slow"),
        ),
        (
            "preset.1",
            of_camera(refused),
            is(Fail, "camera.preset-not-reached"),
        ),
        (
            "preset.1",
            of_camera(|c| c.presets.clear()),
            is(Unknown, "timeout"),
        ),
        (
            "reachable",
            of_camera(|c| c.power_on = Ok(false)),
            is(Fail, "camera.standby"),
        ),
        (
            "preset.1",
            of_camera(|c| c.power_on = Ok(false)),
            is(Skipped, "depends-on"),
        ),
        (
            "home",
            of_camera(at_home_preset(false)),
            is(Warn, "camera.not-home"),
        ),
        ("home", of_camera(at_home_preset(true)), is(Pass, "ok")),
        (
            "home",
            of_camera(|c| c.returned = Some(Err(ProbeError::TimedOut { waited_ms: 1 }))),
            is(Fail, "camera.not-home"),
        ),
    ];
    for (check, observation, expected) in cases {
        assert_eq!(
            says(&format!("camera.main.{check}"), &observation),
            expected,
            "{check}: {observation:?}"
        );
    }
    let gone = Observation::Camera(Box::new(Err(ProbeError::NoAnswer { waited_ms: 3000 })), None);
    assert_eq!(says("camera.main.reachable", &gone), is(Fail, "camera.no-answer"));
    assert_eq!(says("camera.main.preset.1", &gone), is(Skipped, "depends-on"));
    let in_call = Observation::Camera(Box::new(Ok(camera())), Some(NotMoved::InCall));
    assert_eq!(says("camera.main.preset.1", &in_call), is(Skipped, "in-call"));
    assert_eq!(says("camera.main.reachable", &in_call), is(Pass, "ok"));
    let unsure = Observation::Camera(Box::new(Ok(camera())), Some(NotMoved::CallUnknown));
    assert_eq!(says("camera.main.preset.1", &unsure), is(Skipped, "depends-on"));
}

fn accepted(finding: Finding) -> Baseline {
    Baseline {
        run: "r".into(),
        measured_ms: 0,
        accepted_ms: 0,
        by: "a".into(),
        allowed_by: "b".into(),
        findings: vec![finding],
    }
}

fn judged(id: &str, observation: &Observation) -> Finding {
    let settings = settings();
    judge(
        id,
        observation,
        Bench {
            settings: &settings,
            baseline: None,
        },
        1,
        2,
    )
}

#[test]
fn a_preset_is_compared_with_where_it_stood_at_the_rehearsal() {
    let base = accepted(judged("camera.main.preset.1", &of_camera(|_| {})));
    // 51.2 counts a degree for this model.
    for (pan, expected) in [
        (1000, is(Pass, "ok")),
        (1000 + 100, is(Warn, "camera.preset-moved")),
        (1000 + 300, is(Fail, "camera.preset-moved")),
    ] {
        let moved = of_camera(|c| {
            set_preset(c, |p| {
                p.position = Some(Position {
                    pan,
                    tilt: 100,
                    zoom: 0,
                });
            });
        });
        assert_eq!(
            says_against("camera.main.preset.1", &moved, Some(&base)),
            expected,
            "{pan}"
        );
    }
}

fn sound() -> SoundReading {
    SoundReading {
        duration_ms: 3000,
        samples: 144_000,
        rms_dbfs: Some(-30.0),
        peak_dbfs: Some(-10.0),
        floor_dbfs: Some(-65.0),
        dc: 0.0,
        constant: false,
        clipped: 0.0,
    }
}

fn of_sound(change: impl FnOnce(&mut SoundReading)) -> Observation {
    let mut reading = sound();
    change(&mut reading);
    Observation::Microphone(Ok(reading))
}

#[test]
fn the_microphone() {
    let silent = |s: &mut SoundReading| {
        *s = SoundReading {
            rms_dbfs: None,
            peak_dbfs: None,
            floor_dbfs: None,
            constant: true,
            ..*s
        }
    };
    let cases: Vec<(&str, Observation, (Status, String))> = vec![
        ("chair.signal", of_sound(|_| {}), is(Pass, "ok")),
        ("chair.noise", of_sound(|_| {}), is(Pass, "ok")),
        ("chair.clipping", of_sound(|_| {}), is(Pass, "ok")),
        ("chair.baseline", of_sound(|_| {}), is(Skipped, "no-baseline")),
        ("chair.signal", of_sound(silent), is(Fail, "mic.dead")),
        ("chair.noise", of_sound(silent), is(Skipped, "depends-on")),
        ("desk.signal", of_sound(silent), is(Unknown, "mic.maybe-off")),
        (
            "chair.signal",
            of_sound(|s| s.floor_dbfs = Some(-95.0)),
            is(Unknown, "mic.maybe-off"),
        ),
        (
            "chair.noise",
            of_sound(|s| s.floor_dbfs = Some(-45.0)),
            is(Warn, "mic.hiss"),
        ),
        (
            "chair.noise",
            of_sound(|s| s.floor_dbfs = Some(-30.0)),
            is(Fail, "mic.hiss"),
        ),
        (
            "chair.clipping",
            of_sound(|s| s.clipped = 0.001),
            is(Warn, "mic.clipping"),
        ),
        (
            "chair.clipping",
            of_sound(|s| s.clipped = 0.1),
            is(Fail, "mic.clipping"),
        ),
        (
            "chair.signal",
            Observation::Microphone(Err(ProbeError::Busy)),
            is(Unknown, "busy"),
        ),
        (
            "chair.signal",
            Observation::Microphone(Err(ProbeError::NotPresent)),
            is(Fail, "mic.dead"),
        ),
        (
            "chair.noise",
            Observation::Microphone(Err(ProbeError::Busy)),
            is(Skipped, "depends-on"),
        ),
    ];
    for (check, observation, expected) in cases {
        assert_eq!(
            says(&format!("mic.{check}"), &observation),
            expected,
            "{check}: {observation:?}"
        );
    }
    let base = accepted(judged("mic.chair.signal", &of_sound(|_| {})));
    assert_eq!(
        says_against("mic.chair.baseline", &of_sound(|_| {}), Some(&base)),
        is(Pass, "ok")
    );
    let louder = of_sound(|s| s.floor_dbfs = Some(-51.0));
    assert_eq!(
        says_against("mic.chair.baseline", &louder, Some(&base)),
        is(Warn, "mic.differs")
    );
    let far_below = of_sound(|s| s.floor_dbfs = Some(-86.0));
    assert_eq!(
        says_against("mic.chair.signal", &far_below, Some(&base)),
        is(Unknown, "mic.maybe-off")
    );
}

fn ups(status: &str) -> UpsReading {
    UpsReading {
        status: status.split(' ').map(str::to_owned).collect(),
        alarm: None,
        charge_percent: Ok(100.0),
        charge_low_percent: Ok(20.0),
        runtime_s: Ok(1800.0),
        load_percent: Ok(23.0),
        input_volt: Ok(221.0),
        maker: None,
        model: None,
        serial: None,
        test_result: None,
        driver: None,
    }
}

fn of_ups(status: &str, change: impl FnOnce(&mut UpsReading)) -> Observation {
    let mut reading = ups(status);
    change(&mut reading);
    Observation::Ups(Box::new(Ok(reading)))
}

#[test]
fn the_ups() {
    let cases: Vec<(&str, Observation, (Status, String))> = vec![
        ("mains", of_ups("OL", |_| {}), is(Pass, "ok")),
        ("mains", of_ups("OL CHRG NEWTOKEN", |_| {}), is(Pass, "ok")),
        (
            "mains",
            of_ups("OB DISCHRG", |_| {}),
            is(Fail, "power.on-battery"),
        ),
        ("mains", of_ups("CAL", |_| {}), is(Unknown, "power.no-data")),
        (
            "mains",
            Observation::Ups(Box::new(Err(ProbeError::Stale))),
            is(Unknown, "stale"),
        ),
        (
            "mains",
            Observation::Ups(Box::new(Err(ProbeError::NotPresent))),
            is(Unknown, "power.no-data"),
        ),
        (
            "mains",
            Observation::Ups(Box::new(Err(ProbeError::NoAnswer { waited_ms: 1 }))),
            is(Unknown, "power.no-data"),
        ),
        (
            "battery",
            Observation::Ups(Box::new(Err(ProbeError::Stale))),
            is(Skipped, "depends-on"),
        ),
        (
            "battery",
            of_ups("OL", |u| u.charge_percent = Ok(40.0)),
            is(Warn, "power.battery-low"),
        ),
        (
            "battery",
            of_ups("OB LB", |u| u.charge_percent = Ok(80.0)),
            is(Fail, "power.battery-low"),
        ),
        (
            "battery",
            of_ups("OL", |u| u.charge_percent = Err(ProbeError::NotSupported)),
            is(Skipped, "not-supported"),
        ),
        ("runtime", of_ups("OL", |_| {}), is(Pass, "ok")),
        (
            "runtime",
            of_ups("OL", |u| u.runtime_s = Ok(300.0)),
            is(Warn, "power.runtime-short"),
        ),
        ("health", of_ups("OL", |_| {}), is(Pass, "ok")),
        (
            "health",
            of_ups("OL RB", |_| {}),
            is(Warn, "power.replace-battery"),
        ),
        (
            "health",
            of_ups("OL", |u| u.test_result = Some("Done and error".into())),
            is(Warn, "power.replace-battery"),
        ),
        (
            "health",
            of_ups("OL OVER", |u| u.load_percent = Ok(112.0)),
            is(Fail, "power.overload"),
        ),
        (
            "health",
            of_ups("OL", |u| u.load_percent = Ok(85.0)),
            is(Warn, "power.overload"),
        ),
        (
            "health",
            of_ups("OL", |u| u.alarm = Some("Fan failure".into())),
            is(Warn, "power.alarm"),
        ),
        ("protected", of_ups("OL", |_| {}), is(Warn, "power.not-protected")),
    ];
    for (check, observation, expected) in cases {
        assert_eq!(
            says(&format!("power.{check}"), &observation),
            expected,
            "{check}: {observation:?}"
        );
    }
}

#[test]
fn the_box_and_its_logbook() {
    let host = HostReading {
        clock: Ok(ClockReading {
            synchronised: Some(true),
            rtc: true,
        }),
        disk: Ok(DiskReading {
            total_bytes: 100,
            available_bytes: 5,
        }),
        memory: Ok(MemoryReading {
            total_bytes: 100,
            available_bytes: 50,
        }),
        load_per_cpu: Ok(9.0),
        temperature: Err(ProbeError::NotPresent),
    };
    let host = Observation::Host(Box::new(host));
    assert_eq!(says("host.clock", &host), is(Pass, "ok"));
    assert_eq!(says("host.disk", &host), is(Warn, "host.disk-low"));
    assert_eq!(says("host.memory", &host), is(Pass, "ok"));
    assert_eq!(says("host.load", &host), is(Warn, "host.load-high"));
    assert_eq!(says("host.temperature", &host), is(Skipped, "not-supported"));
    let broken = BookBroken {
        file: "2026-11.log".into(),
        line: 7,
        why: "x".into(),
    };
    assert_eq!(
        says(
            "host.logbook",
            &Observation::Logbook(Err(broken), Condition::default())
        ),
        is(Fail, "host.logbook-broken")
    );
    assert_eq!(
        says(
            "host.logbook",
            &Observation::Logbook(Ok(Walk::default()), Condition::default())
        ),
        is(Pass, "ok")
    );
    // What the disk does to it makes no room unfit.
    let full = Condition {
        full: true,
        dropped: 3,
        trouble: Some("an older one".into()),
    };
    let failed = Condition {
        trouble: Some("Input/output error".into()),
        ..Condition::default()
    };
    for (condition, code) in [(full, "host.logbook-full"), (failed, "host.logbook-degraded")] {
        let walked = Ok(Walk::default());
        assert_eq!(
            says("host.logbook", &Observation::Logbook(walked, condition)),
            is(Warn, code)
        );
    }
}

#[test]
fn what_was_missed_is_unknown_and_never_passes() {
    for why in [
        ProbeError::Cancelled,
        ProbeError::TimedOut { waited_ms: 60_000 },
        ProbeError::NoAnswer { waited_ms: 1 },
        ProbeError::Garbled,
        ProbeError::Closed,
        ProbeError::Refused,
        ProbeError::Busy,
        ProbeError::Stale,
        ProbeError::NoName,
        ProbeError::NotPresent,
    ] {
        for id in [
            "codec.awake",
            "camera.main.preset.1",
            "mic.chair.signal",
            "power.mains",
            "host.logbook",
        ] {
            assert_eq!(
                says(id, &Observation::Missed(why.clone())).0,
                Unknown,
                "{id} {why:?}"
            );
        }
    }
}

#[test]
fn a_device_that_was_exchanged_is_told() {
    let settings = settings();
    let base = accepted(judged("codec.reachable", &of_codec(|_| {})));
    let bench = Bench {
        settings: &settings,
        baseline: Some(&base),
    };
    let compare = |change: fn(&mut Unit)| {
        let observation = of_codec(|c| change(c.unit.as_mut().unwrap()));
        let now = judge("codec.reachable", &observation, bench, 1, 1);
        let finding = against_baseline(&[now], bench, 1);
        (finding.status(), finding.code)
    };
    assert_eq!(compare(|_| {}), is(Pass, "ok"));
    assert_eq!(
        compare(|unit| unit.serial = Some("S2".into())),
        is(Warn, "baseline.replaced")
    );
    assert_eq!(
        compare(|unit| unit.product = Some("Room Kit".into())),
        is(Warn, "baseline.changed")
    );
    let none = against_baseline(
        &[],
        Bench {
            settings: &settings,
            baseline: None,
        },
        1,
    );
    assert_eq!((none.status(), none.code.as_str()), (Skipped, "no-baseline"));
}
