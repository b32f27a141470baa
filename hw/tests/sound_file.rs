//! Sound files through the real media child: figures against GStreamer's own `level`, every format, every
//! kind of wrong file, and what the child must not leave behind (R27).

#[cfg(test)]
mod rig;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use bridgepoint_hw::media::{SoundInput, SoundRequest, measure_sound};
use bridgepoint_hw::reading::ProbeError;
use gstreamer as gst;
use rig::{Tone, edge, level, measure, measure_file, near, program, write_wav};

#[tokio::test]
async fn a_sine_of_minus_20_dbfs_reads_the_same_in_every_format_and_at_every_rate() {
    let dir = tempfile::tempdir().unwrap();
    for (name, format, rate, encoder, tolerance) in [
        ("u8.wav", "U8", 48_000, &["wavenc"][..], 0.1),
        ("s16.wav", "S16LE", 48_000, &["wavenc"], 0.01),
        ("s24.wav", "S24LE", 44_100, &["wavenc"], 0.01),
        ("s32.wav", "S32LE", 96_000, &["wavenc"], 0.01),
        ("f32.wav", "F32LE", 48_000, &["wavenc"], 0.01),
        ("f64.wav", "F64LE", 16_000, &["wavenc"], 0.01),
        ("s16.wav", "S16LE", 8_000, &["wavenc"], 0.01),
        ("s16.wav", "S16LE", 192_000, &["wavenc"], 0.01),
        ("a.flac", "S16LE", 44_100, &["flacenc"], 0.01),
        ("a.ogg", "F32LE", 48_000, &["vorbisenc", "oggmux"], 0.3),
        ("a.opus", "S16LE", 48_000, &["opusenc", "oggmux"], 0.5),
    ] {
        let path = Tone {
            format,
            rate,
            encoder,
            ..Tone::default()
        }
        .write(&dir.path().join(name));
        let reading = measure_file(&path, 0)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        near(reading.rms_dbfs, -23.01, tolerance);
        // Eight bits are coarse, and a lossy encoder overshoots where the sine starts.
        near(reading.peak_dbfs, -20.0, if tolerance < 0.05 { 0.1 } else { 1.0 });
        near(reading.floor_dbfs, -23.01, tolerance * 3.0);
        assert!(
            !reading.constant && reading.clipped == 0.0 && reading.dc.abs() < 0.005,
            "{name}: {reading:?}"
        );
        assert!(reading.duration_ms.abs_diff(1000) <= 30, "{name}: {reading:?}");
    }
}

#[tokio::test]
async fn the_figures_agree_with_the_level_element_to_a_tenth_of_a_decibel() {
    let dir = tempfile::tempdir().unwrap();
    for (wave, volume, hertz) in [
        ("sine", 0.1, 1000.0),
        ("sine", 0.99, 50.0),
        ("square", 0.3, 400.0),
        ("white-noise", 0.001, 0.0),
        ("white-noise", 0.5, 0.0),
        ("pink-noise", 0.2, 0.0),
        ("ticks", 0.8, 2000.0),
    ] {
        let path = dir.path().join("a.wav");
        Tone {
            wave,
            volume,
            hertz,
            channels: 2,
            ..Tone::default()
        }
        .write(&path);
        let levels = level(&path, gst::ClockTime::SECOND);
        assert_eq!(levels.len(), 2, "{wave}");
        for (channel, (rms, peak)) in (0..).zip(levels) {
            let reading = measure_file(&path, channel).await.unwrap();
            // `level` counts the mean as sound, and pink noise has one.
            let with_mean = reading
                .rms_dbfs
                .map(|own| 10f64.powf(own / 10.0) + reading.dc.powi(2));
            near(with_mean.map(|power| 10.0 * power.log10()), rms, 0.1);
            near(reading.peak_dbfs, peak, 0.1);
        }
    }
}

#[tokio::test]
async fn a_dead_channel_a_clipped_one_and_a_live_one_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("three.wav");
    // Channel 0 silence, 1 a small direct current, 2 a square wave at full scale.
    let frames =
        (0..48_000).flat_map(|n: i32| [0i16, 200, if n / 24 % 2 == 0 { i16::MAX } else { i16::MIN }]);
    write_wav(&path, 3, frames);
    let silence = measure_file(&path, 0).await.unwrap();
    assert!(
        silence.constant && silence.peak_dbfs.is_none() && silence.rms_dbfs.is_none(),
        "{silence:?}"
    );
    let direct = measure_file(&path, 1).await.unwrap();
    assert!(direct.constant && direct.rms_dbfs.is_none(), "{direct:?}");
    assert!((direct.dc - 200.0 / 32_768.0).abs() < 1e-7, "{direct:?}");
    let clipped = measure_file(&path, 2).await.unwrap();
    assert!(!clipped.constant && clipped.clipped == 1.0, "{clipped:?}");
    near(clipped.rms_dbfs, 0.0, 0.001);
    assert_eq!(measure_file(&path, 3).await, Err(ProbeError::NotPresent));
}

#[tokio::test]
async fn a_file_is_measured_to_its_end_or_for_the_time_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = Tone {
        tenths: 25,
        ..Tone::default()
    }
    .write(&dir.path().join("a.wav"));
    let part = measure(SoundInput::File(path.clone()), 0, 750).await.unwrap();
    assert_eq!((part.duration_ms, part.samples), (750, 36_000));
    let whole = measure(SoundInput::File(path), 0, 10_000).await.unwrap();
    assert_eq!((whole.duration_ms, whole.samples), (2500, 120_000));
}

#[tokio::test]
async fn each_wrong_file_has_its_own_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let whole = std::fs::read(Tone::default().write(&path("whole.wav"))).unwrap();
    std::fs::write(path("text.wav"), "not sound").unwrap();
    std::fs::write(path("empty.wav"), b"").unwrap();
    std::fs::write(path("head.wav"), &whole[..20]).unwrap();
    std::fs::write(path("nodata.wav"), &whole[..44]).unwrap();
    std::fs::write(path("video.wav"), b"RIFF\0\0\0\0AVI LIST").unwrap();
    for (name, wanted) in [
        ("missing.wav", ProbeError::NotPresent),
        (".", ProbeError::NotPresent),
        ("whole.wav/inside", ProbeError::NotPresent),
        ("text.wav", ProbeError::Garbled),
        ("empty.wav", ProbeError::Garbled),
        ("head.wav", ProbeError::Garbled),
        ("nodata.wav", ProbeError::Garbled),
        ("video.wav", ProbeError::Garbled),
    ] {
        assert_eq!(measure_file(&path(name), 0).await, Err(wanted), "{name}");
    }
    assert_eq!(
        measure_file(Path::new("/dev/zero"), 0).await,
        Err(ProbeError::NotPresent)
    );
}

#[tokio::test]
async fn damaged_files_give_figures_or_a_reason_and_always_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = 7u32;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    for (name, format, encoder) in [
        ("a.wav", "S16LE", &["wavenc"][..]),
        ("a.flac", "S16LE", &["flacenc"]),
        ("a.ogg", "F32LE", &["vorbisenc", "oggmux"]),
    ] {
        let path = Tone {
            format,
            encoder,
            tenths: 3,
            ..Tone::default()
        }
        .write(&dir.path().join(name));
        let whole = std::fs::read(&path).unwrap();
        for round in 0..12 {
            let mut bytes = whole.clone();
            // Damage near the beginning is damage of the headers.
            let reach = if round % 2 == 0 {
                200.min(bytes.len())
            } else {
                bytes.len()
            };
            for _ in 0..=round {
                bytes[random(reach)] = random(256) as u8;
            }
            bytes.truncate(1 + random(bytes.len()));
            std::fs::write(&path, &bytes).unwrap();
            let answer = measure_file(&path, 0).await;
            let ended = matches!(answer, Ok(_) | Err(ProbeError::Garbled | ProbeError::NotPresent));
            assert!(ended, "{name} round {round}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn the_child_writes_nothing_but_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let sound = Tone {
        wave: "white-noise",
        ..Tone::default()
    }
    .write(&dir.path().join("a.wav"));
    let home = tempfile::tempdir().unwrap();
    let home_path = home.path();
    let program = program(&[
        ("HOME", home_path),
        ("TMPDIR", home_path),
        ("XDG_CACHE_HOME", home_path),
        ("XDG_CONFIG_HOME", home_path),
        ("XDG_DATA_HOME", home_path),
        ("XDG_RUNTIME_DIR", home_path),
    ]);
    let (edge, _stop) = edge();
    let request = SoundRequest {
        source: SoundInput::File(sound),
        channel: 0,
        duration_ms: 1000,
    };
    assert!(measure_sound(&program, &request, &edge).await.is_ok());
    let left: Vec<_> = std::fs::read_dir(home_path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn by_hand_it_says_one_line_and_its_exit_code_tells_success() {
    let dir = tempfile::tempdir().unwrap();
    let sound = Tone::default().write(&dir.path().join("a.wav"));
    let ask = |request: &str| {
        let program = program(&[]);
        let mut child = Command::new(&program.path)
            .envs(program.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(
            output.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let source = format!(r#""source":{{"file":{:?}}}"#, sound.to_str().unwrap());

    let (code, line) = ask(&format!(
        r#"{{"sound":{{{source},"channel":0,"duration_ms":100}}}}"#
    ));
    assert_eq!(code, Some(0));
    assert!(
        line.starts_with(r#"{"sound":{"duration_ms":100,"samples":4800,"#),
        "{line}"
    );
    assert!(line.ends_with("}}\n") && line.lines().count() == 1, "{line}");

    let (code, line) = ask(&format!(
        r#"{{"sound":{{{source},"channel":7,"duration_ms":100}}}}"#
    ));
    assert_eq!(code, Some(1));
    assert_eq!(
        line,
        "{\"error\":{\"kind\":\"not-present\",\"detail\":\"channel 7 of 1; channels count from 0\"}}\n"
    );

    let (code, line) = ask("{\"save\":true}");
    assert_eq!(code, Some(1));
    assert!(
        line.starts_with(r#"{"error":{"kind":"garbled","#) && line.contains("save"),
        "{line}"
    );

    // Somebody who has died and was not the one who is there now.
    let (code, line) = ask(&format!(
        r#"{{"parent":1,"sound":{{{source},"channel":0,"duration_ms":100}}}}"#
    ));
    assert_eq!(code, Some(1));
    assert!(line.starts_with(r#"{"error":{"kind":"cancelled","#), "{line}");

    let (code, line) = ask(&" ".repeat(64 * 1024 + 1));
    assert_eq!(code, Some(1));
    assert!(line.contains("65536"), "{line}");
}
