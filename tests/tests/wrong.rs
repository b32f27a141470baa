//! Wrong usage ends with 64 and a wrong configuration with 78, each with a sentence on standard error that says where it is
//! wrong and what was perhaps meant, and nothing on standard output: a script never takes them for a verdict.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)] // a test file

use std::fs;
use std::process::Command;

use anyhow::Result;
use bridgepoint_tests::rig::agent::{Agent, small_room};
use bridgepoint_tests::rig::built;
use bridgepoint_tests::rig::process::run;

fn agent(dir: &tempfile::TempDir, config: &str) -> Result<Agent> {
    Agent::new(dir.path(), config)
}

fn good_config() -> String {
    small_room("bai-chay", "tcp://127.0.0.1:9", None)
}

#[test]
fn wrong_usage_is_64_and_says_what_was_meant() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let agent = agent(&dir, &good_config())?;
    // Arguments, and what standard error has to name.
    let cases: &[(&[&str], &[&str])] = &[
        (&["check", "--fast"], &["--fast"]),
        (&["check", "--jsn"], &["--jsn", "--json"]),
        (&["check", "codec"], &["codec"]),
        (&["check", "--only"], &["--only"]),
        (&["check", "--only", ""], &["--only"]),
        (&["check", "--only", ","], &["--only"]),
        (
            &["check", "--only", "codek", "--lang", "vi"],
            &["\"codek\"", "có phải \"codec\""],
        ),
        (
            &["check", "--only", "codec.awak"],
            &["codec.awak", "did you mean \"codec.awake\""],
        ),
        (&["check", "--only", "codec,mic.chair"], &["mic.chair"]),
        (&["check", "--lang", "fr"], &["fr", "vi", "en"]),
        (&["chek"], &["chek", "check"]),
        (&["baseline", "accept"], &["--allowed-by"]),
        (&["baseline", "accept", "--allowed-by", " "], &["--allowed-by"]),
        (&["logbook", "erase"], &["erase"]),
        (&["verify"], &["FILE"]),
    ];
    for (args, named) in cases {
        let output = agent.run(args)?;
        assert_eq!(output.code, 64, "{args:?}: {}{}", output.stdout, output.stderr);
        assert_eq!(output.stdout, "", "{args:?}");
        for word in *named {
            assert!(
                output.stderr.contains(word),
                "{args:?} does not name {word}: {}",
                output.stderr
            );
        }
    }
    for args in [
        &[][..],
        &["--config"],
        &["nonsense"],
        &["baseline"],
        &["key"],
        &["config"],
        &["logbook"],
    ] {
        let output = run(Command::new(built("bridgepoint-agent")?).args(args))?;
        assert_eq!((output.code, output.stdout.as_str()), (64, ""), "{args:?}");
        assert!(!output.stderr.is_empty(), "{args:?}");
    }
    assert!(!agent.state().exists(), "nothing was begun");
    Ok(())
}

#[test]
fn help_and_version_are_no_mistake() -> Result<()> {
    for args in [&["--help"][..], &["check", "--help"], &["--version"]] {
        for program in ["bridgepoint-agent", "bridgepoint-hub", "bridgepoint-sim"] {
            if program != "bridgepoint-agent" && args.contains(&"check") {
                continue;
            }
            let output = run(Command::new(built(program)?).args(args))?;
            assert_eq!(output.code, 0, "{program} {args:?}: {}", output.stderr);
            assert!(
                output.stdout.contains("bridgepoint"),
                "{program} {args:?}: {}",
                output.stdout
            );
        }
    }
    Ok(())
}

#[test]
fn the_hub_and_the_simulator_count_usage_and_configuration_the_same_way() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let wrong = dir.path().join("wrong.toml");
    fs::write(&wrong, "[hub]\norgs = [\"quang-ninh\"]\nlangage = \"vi\"\n")?;
    let (wrong, state) = (
        wrong.display().to_string(),
        dir.path().join("state").display().to_string(),
    );
    let missing = dir.path().join("missing.toml").display().to_string();
    let cases: &[(&str, &[&str], i32, &[&str])] = &[
        ("bridgepoint-hub", &[], 64, &[]),
        ("bridgepoint-hub", &["serve", "--fast"], 64, &["--fast"]),
        (
            "bridgepoint-hub",
            &["room", "show", "no-room", "--state", &state],
            64,
            &["no-room"],
        ),
        (
            "bridgepoint-hub",
            &["serve", "--config", &wrong, "--state", &state, "--lang", "en"],
            78,
            &[&wrong, "langage", "language", "3"],
        ),
        (
            "bridgepoint-hub",
            &["serve", "--config", &missing, "--state", &state],
            78,
            &[&missing],
        ),
        ("bridgepoint-sim", &[], 64, &[]),
        ("bridgepoint-sim", &["room"], 64, &[]),
        ("bridgepoint-sim", &["room", &wrong], 78, &[&wrong]),
        ("bridgepoint-sim", &["room", &missing], 78, &[&missing]),
    ];
    for (program, args, code, named) in cases {
        let output = run(Command::new(built(program)?)
            .args(*args)
            .env_remove("BRIDGEPOINT_STATE"))?;
        assert_eq!(
            output.code, *code,
            "{program} {args:?}: {}{}",
            output.stdout, output.stderr
        );
        assert_eq!(output.stdout, "", "{program} {args:?}");
        assert!(!output.stderr.is_empty(), "{program} {args:?}");
        for word in *named {
            assert!(
                output.stderr.contains(word),
                "{program} {args:?} does not name {word}: {}",
                output.stderr
            );
        }
    }
    Ok(())
}

#[test]
fn a_wrong_configuration_is_78_and_names_the_place() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let room = "[room]\nid = \"bai-chay\"\norg = \"quang-ninh\"\nname = \"x\"\n";
    let codec = "[codec]\ndriver = \"cisco\"\naddress = \"tcp://127.0.0.1:9\"\n";
    // What is written, and what standard error has to name besides the file; ":N" is the line.
    let cases: &[(String, &[&str])] = &[
        (String::new(), &["room"]),
        ("[room\n".into(), &[":1"]),
        (
            format!("{room}langage = \"vi\"\n"),
            &[":5", "langage", "did you mean \"language\""],
        ),
        (
            format!("{room}[codek]\n"),
            &[":5", "codek", "did you mean \"codec\""],
        ),
        (
            format!("{room}{codec}pasword_file = \"/x\"\n"),
            &[":8", "pasword_file", "did you mean \"password_file\""],
        ),
        (format!("{room}{codec}password = \"x\"\n"), &[":8", "password"]),
        (
            format!("{room}{codec}[codec.expect]\ndisplay = 2\n"),
            &[":9", "display", "did you mean \"displays\""],
        ),
        (
            format!("{room}{codec}[codec.expect]\ndisplays = \"two\"\n"),
            &[":9", "[codec.expect]", "two"],
        ),
        (
            format!("{room}{codec}[codec.expect]\nip = \"10.0.0\"\n"),
            &[":9", "10.0.0"],
        ),
        (room.replace("bai-chay", "Bãi Cháy"), &[":2", "Bãi Cháy"]),
        (room.replace("bai-chay", "x"), &[":2"]),
        (room.replace("org = \"quang-ninh\"\n", ""), &["org"]),
        (
            format!("{room}profile = \"quang-nin\"\n"),
            &[":5", "quang-nin", "quang-ninh"],
        ),
        (
            format!("{room}profile = \"missing.toml\"\n"),
            &[":5", "missing.toml"],
        ),
        (format!("{room}must_have = [\"codek\"]\n"), &[":5", "codek"]),
        (format!("{room}language = \"fr\"\n"), &[":5", "fr"]),
        (
            format!("{room}{}", codec.replace("cisco", "cisko")),
            &[":6", "cisko", "cisco"],
        ),
        (
            format!(
                "{room}{}",
                codec.replace("tcp://127.0.0.1:9", "tpc://127.0.0.1:9")
            ),
            &[":7", "tpc"],
        ),
        (
            format!("{room}{}", codec.replace(":9", ":99999")),
            &[":7", "99999"],
        ),
        (
            format!(
                "{room}[[microphone]]\nid = \"a\"\nsource = \"file:/a.wav#0\"\n[[microphone]]\nid = \"a\"\nsource = \"file:/b.wav#0\"\n"
            ),
            &["microphone", "\"a\""],
        ),
        (
            format!("{room}[[microphone]]\nid = \"A b\"\nsource = \"file:/a.wav#0\"\n"),
            &[":6", "A b"],
        ),
        (
            format!(
                "{room}[[camera]]\nid = \"c\"\naddress = \"visca+udp://h:1\"\npresets = [{{ number = 300 }}]\n"
            ),
            &[":8"],
        ),
        (
            format!("{room}[ups]\naddress = \"nut://h/room\"\nfeeds = [\"codek\"]\n"),
            &[":7", "codek", "codec"],
        ),
        (format!("{room}[[contact]]\nrole = \"boss\"\n"), &[":6", "boss"]),
        (
            format!("{room}[hub]\nbroker = \"mqtt://10.1.0.2:1883\"\n"),
            &[":6", "allow_plain"],
        ),
        (
            format!("{room}[hub]\nbroker = \"mqtts://10.1.0.2:8883\"\n"),
            &[":6", "ca_file"],
        ),
        (
            format!("{room}[hub]\nbroker = \"http://10.1.0.2\"\n"),
            &[":6", "http"],
        ),
        (
            format!("{room}[page]\nlisten = \"0.0.0.0:8095\"\n"),
            &[":6", "pin_file"],
        ),
        (format!("{room}[page]\nlisten = \"here\"\n"), &[":6", "here"]),
        (format!("{room}name = \"twice\"\n"), &[":5"]),
        (format!("{room}area = \"{}\n", '\u{1b}'), &[":5"]),
    ];
    let mut wrong = Vec::new();
    for (text, named) in cases {
        let agent = agent(&dir, text)?;
        let output = agent.run(&["config", "check", "--lang", "en"])?;
        assert_eq!(output.code, 78, "{text}\n{}{}", output.stdout, output.stderr);
        assert_eq!(output.stdout, "", "{text}");
        let file = agent.config().display().to_string();
        assert!(
            output.stderr.contains(&file),
            "the file is not named: {}",
            output.stderr
        );
        assert!(!output.stderr.contains('\u{1b}'), "{:?}", output.stderr);
        for word in *named {
            let found = match word.strip_prefix(':') {
                Some(line) => {
                    output.stderr.contains(&format!("{file}:{line}"))
                        || output.stderr.contains(&format!("line {line}"))
                }
                None => output.stderr.contains(word),
            };
            if !found {
                wrong.push(format!("{text}\ndoes not name {word}: {}", output.stderr));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn every_command_that_needs_the_configuration_refuses_a_wrong_one() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let agent = agent(
        &dir,
        &format!("{}\n[spaeker]\nsink = \"alsa:default\"\n", good_config()),
    )?;
    let commands: &[&[&str]] = &[
        &["check"],
        &["check", "--json"],
        &["run"],
        &["status"],
        &["status", "--json"],
        &["enrol"],
        &["config", "check"],
        &["baseline", "accept", "--allowed-by", "Bà Hà"],
    ];
    for command in commands {
        let output = agent.run(command)?;
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (78, ""),
            "{command:?}: {}",
            output.stderr
        );
        assert!(
            output.stderr.contains("did you mean \"speaker\""),
            "{command:?}: {}",
            output.stderr
        );
    }
    fs::remove_file(agent.config())?;
    for command in commands {
        let output = agent.run(command)?;
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (78, ""),
            "{command:?}: {}",
            output.stderr
        );
        assert!(
            output.stderr.contains(&agent.config().display().to_string()),
            "{command:?}: {}",
            output.stderr
        );
    }
    assert!(!agent.state().exists(), "nothing was begun");
    Ok(())
}

#[test]
fn a_hub_that_nobody_configured_cannot_be_asked() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let agent = agent(&dir, &good_config())?;
    let output = agent.run(&["enrol"])?;
    assert_eq!(
        (output.code, output.stdout.as_str()),
        (78, ""),
        "{}",
        output.stderr
    );
    assert!(output.stderr.contains("[hub]"), "{}", output.stderr);
    Ok(())
}
