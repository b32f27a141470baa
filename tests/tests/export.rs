//! `logbook export`: one file and its keys, verified by somebody who has nothing else of the box.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)] // a test file

use std::fs;

use anyhow::Result;
use bridgepoint_tests::rig::process::run;
use bridgepoint_tests::rig::room::Room;

#[test]
fn an_export_holds_without_the_box_and_is_never_written_over() -> Result<()> {
    let room = Room::new()?;
    for _ in 0..2 {
        room.agent.check(&["--only", "codec"])?;
    }
    let out = room.dir.path().join("trial.log");
    let name = out.display().to_string();
    let export = room.agent.run(&["logbook", "export", "--out", &name])?;
    assert_eq!(export.code, 0, "{}", export.stderr);
    assert!(
        export.stdout.contains("entries 1 to 2, 2 in all"),
        "{}",
        export.stdout
    );
    let text = fs::read_to_string(&out)?;
    assert_eq!(text.lines().collect::<Vec<_>>(), room.agent.lines()?);
    // The same head as the box's own verification prints.
    let own = room.agent.run(&["logbook", "verify"])?;
    assert_eq!(own.stdout.lines().last(), export.stdout.lines().last());

    // Somebody else, with the keys beside the file and a state directory of their own.
    let keys = format!("{name}.keys.json");
    let elsewhere = |file: &str| {
        let mut command = room.agent.command(&[])?;
        let program = command.get_program().to_owned();
        command = std::process::Command::new(program);
        command.args(["verify", file, "--key", &keys, "--lang", "en", "--state"]);
        run(command.arg(room.dir.path().join("nobody")))
    };
    let verified = elsewhere(&name)?;
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
    let changed = room.dir.path().join("changed.log");
    let (first, second) = text.split_once('\n').unwrap();
    fs::write(&changed, format!("{second}{first}\n"))?;
    assert_eq!(elsewhere(&changed.display().to_string())?.code, 1);

    let again = room.agent.run(&["logbook", "export", "--out", &name])?;
    assert_eq!(again.code, 64);
    assert!(again.stderr.contains("not written over"), "{}", again.stderr);
    assert_eq!(fs::read_to_string(&out)?, text);

    for (days, wanted) in [
        (["--to", "2001-01-01"], "no entry of these days"),
        (["--from", "1st"], "--from"),
    ] {
        let other = room.dir.path().join("other.log").display().to_string();
        let output = room
            .agent
            .run(&["logbook", "export", "--out", &other, days[0], days[1]])?;
        assert_eq!(output.code, 64, "{}", output.stderr);
        assert!(output.stderr.contains(wanted), "{}", output.stderr);
    }
    Ok(())
}
