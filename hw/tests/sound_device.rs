//! Sound devices through the real media child: a PulseAudio server of the test's own with a tone of known
//! level in its monitor, and ALSA devices on top of that server.

#[cfg(test)]
mod rig;

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use bridgepoint_hw::media::{Program, SoundInput, SoundRequest, measure_sound};
use bridgepoint_hw::reading::{Answer, ProbeError, SoundReading};
use rig::pulse::Pulse;
use rig::{edge, near, program};

async fn measure(
    program: &Program,
    source: SoundInput,
    channel: u16,
    duration_ms: u64,
) -> Answer<SoundReading> {
    let (edge, _stop) = edge();
    measure_sound(
        program,
        &SoundRequest {
            source,
            channel,
            duration_ms,
        },
        &edge,
    )
    .await
}

#[tokio::test]
async fn pulse_a_tone_in_a_monitor_is_measured_and_silence_and_absence_are_told_apart() {
    let pulse = Pulse::start();
    let program = pulse.program();
    let source = |name: &str| SoundInput::Pulse(name.to_owned());

    let tone = measure(&program, source("room.monitor"), 0, 1000).await.unwrap();
    assert_eq!((tone.duration_ms, tone.samples), (1000, 48_000));
    near(tone.peak_dbfs, -6.02, 0.05);
    near(tone.rms_dbfs, -9.03, 0.05);
    near(tone.floor_dbfs, -9.03, 0.05);
    assert!(!tone.constant && tone.clipped == 0.0, "{tone:?}");

    let quiet = measure(&program, source("quiet.monitor"), 1, 300).await.unwrap();
    assert!(quiet.constant && quiet.peak_dbfs.is_none(), "{quiet:?}");

    assert_eq!(
        measure(&program, source("nobody"), 0, 300).await,
        Err(ProbeError::NotPresent)
    );
    assert_eq!(
        measure(&program, source(""), 0, 300).await,
        Err(ProbeError::NotPresent)
    );

    // A server prefers any source to a monitor: its default one is the dead one.
    let dead = measure(&program, source("default"), 0, 300).await;
    assert!(
        matches!(dead, Err(ProbeError::NoAnswer { waited_ms: 2000.. })),
        "{dead:?}"
    );
}

#[tokio::test]
async fn pulse_a_server_that_is_away_is_no_answer_and_one_that_is_silent_is_timed_out() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("pulse.sock");
    let address = format!("unix:{}", path.display());
    let program = program(&[("PULSE_SERVER", Path::new(&address)), ("HOME", home.path())]);
    let source = || SoundInput::Pulse("room.monitor".to_owned());

    let away = measure(&program, source(), 0, 300).await;
    assert!(matches!(away, Err(ProbeError::NoAnswer { .. })), "{away:?}");

    // It takes connections and never says a word.
    let _silent = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let (mut edge, _stop) = edge();
    edge.deadline = (edge.clock)() + std::time::Duration::from_millis(700);
    let request = SoundRequest {
        source: source(),
        channel: 0,
        duration_ms: 300,
    };
    let silent = measure_sound(&program, &request, &edge).await;
    assert!(matches!(silent, Err(ProbeError::TimedOut { .. })), "{silent:?}");
}

#[test]
fn pulse_the_child_dies_with_its_parent_in_the_middle_of_a_capture() {
    let mut pulse = Pulse::start();
    let program = pulse.program();
    // A parent that starts the child and waits. Its standard input is handed on by another number, because a
    // shell gives its background commands none.
    let mut parent = Command::new("/bin/sh")
        .args(["-c", "exec 3<&0; \"$0\" <&3 & wait"])
        .arg(&program.path)
        .envs(program.env)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let request = r#"{"sound":{"source":{"pulse":"room.monitor"},"channel":0,"duration_ms":600000}}"#;
    parent
        .stdin
        .take()
        .unwrap()
        .write_all(request.as_bytes())
        .unwrap();
    pulse.wait_for("Created output");
    parent.kill().unwrap();
    parent.wait().unwrap();
    // The child holds the other end: this ends when the child does.
    let mut said = String::new();
    parent.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
    pulse.wait_for("Freeing output");
}

#[tokio::test]
async fn alsa_a_missing_card_is_not_present_and_a_name_that_could_write_files_is_not_opened() {
    let home = tempfile::tempdir().unwrap();
    let program = program(&[("HOME", home.path())]);
    let source = |name: &str| SoundInput::Alsa(name.to_owned());
    for name in [
        "hw:31,0",
        "nosuch",
        "hw:CARD=Nobody,DEV=0",
        "file:FILE=out.raw",
        "{type file}",
    ] {
        assert_eq!(
            measure(&program, source(name), 0, 300).await,
            Err(ProbeError::NotPresent),
            "{name}"
        );
    }
}

#[tokio::test]
async fn alsa_a_device_is_measured_and_one_whose_server_is_away_is_no_answer() {
    let pulse = Pulse::start();
    // ALSA's own PulseAudio plug-in makes devices that behave as cards do, in their own time.
    let config = pulse.home().join("asound.conf");
    let text = "pcm.room { type pulse device room.monitor }\n\
                pcm.away { type pulse server \"unix:/nonexistent\" }\n";
    std::fs::write(&config, text).unwrap();
    let mut program = pulse.program();
    program.env.push(("ALSA_CONFIG_PATH".into(), config.into()));

    let tone = measure(&program, SoundInput::Alsa("room".to_owned()), 0, 500)
        .await
        .unwrap();
    assert_eq!(tone.duration_ms, 500);
    near(tone.peak_dbfs, -6.02, 0.05);
    near(tone.rms_dbfs, -9.03, 0.05);

    let away = measure(&program, SoundInput::Alsa("away".to_owned()), 0, 500).await;
    assert!(matches!(away, Err(ProbeError::NoAnswer { .. })), "{away:?}");
}
