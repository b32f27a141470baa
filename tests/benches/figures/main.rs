//! The figures (`make bench`): what things cost here, each beside something that the same machine needs anyhow, so that
//! the quotient says something on another machine too. Printed in one table, never judged.
//!
//! * [`check`]: a whole healthy check ÷ the longest chain of probes; a room in which everything hangs.
//! * [`idle`]: memory and wakeups of an agent that waits, beside other programs that wait.
//! * [`hub`]: reports verified, stored and receipted on one core, beside the bare signature checks.
//! * [`verify`]: a whole logbook verified, beside the bare signature checks.
//! * [`append`]: an entry kept in the logbook, beside the bare write and sync of its bytes.
//! * [`drain`]: thirty days of reports handed over, and the memory that it takes.
//! * [`media`]: a child process for each sound, beside the start of `true`.
//!
//! Words on the command line choose among these; without one it is all of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)] // a test program

mod append;
mod check;
mod drain;
mod hub;
mod idle;
mod measure;
mod media;
mod table;
mod verify;

/// The logbook as the agent has it, with what it stands on. `append` measures it in this process.
#[path = "../../../agent/src"]
#[allow(dead_code, unused_imports)] // the agent uses more of it
mod agent {
    pub(crate) mod disk;
    pub(crate) mod key;
    pub(crate) mod logbook;
    pub(crate) mod said;
    pub(crate) mod state;
}

use agent::{disk, key, logbook, said, state};
use anyhow::{Result, ensure};
use bridgepoint_tests::scenario::{Line, Setting, Stage};
use table::Row;

/// What can be chosen.
const PARTS: [&str; 8] = [
    "check", "wedged", "idle", "hub", "append", "verify", "media", "drain",
];

fn main() -> Result<()> {
    // cargo adds an option of its own.
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    for word in &wanted {
        ensure!(
            PARTS.contains(&word.as_str()),
            "there are no figures of \"{word}\"; there are: {}",
            PARTS.join(", ")
        );
    }
    let wants = |part: &str| wanted.is_empty() || wanted.iter().any(|word| word == part);
    let dir = tempfile::tempdir()?;
    let with_line = Setting {
        line: Some(Line::default()),
        ..Setting::default()
    };
    let stage = Stage::set(&dir.path().join("stage"), &with_line)?;
    let mut rows: Vec<Row> = Vec::new();
    if wants("check") {
        eprintln!("a whole check of a healthy room ...");
        rows.push(check::healthy(&stage)?);
    }
    if wants("wedged") {
        eprintln!("a whole check of rooms in which everything hangs ...");
        rows.push(check::wedged(&dir.path().join("wedged"))?);
    }
    if wants("idle") {
        eprintln!("an agent that waits ...");
        rows.extend(idle::idle(dir.path())?);
    }
    if wants("hub") {
        eprintln!("reports at the hub ...");
        stage.agent.check(&[])?;
        rows.extend(hub::receipted(&stage, &dir.path().join("hub"))?);
        rows.extend(hub::envelopes(&stage)?);
    }
    if wants("append") {
        eprintln!("entries of the logbook ...");
        rows.extend(append::appended(&stage)?);
    }
    if wants("drain") {
        eprintln!("a box that comes back after thirty days ...");
        rows.extend(drain::drained(&dir.path().join("drain"))?);
    }
    if wants("media") {
        eprintln!("a process for each sound ...");
        rows.extend(media::starts(&stage, dir.path())?);
    }
    if wants("verify") {
        eprintln!("a whole logbook ...");
        rows.push(verify::whole(
            include_bytes!("../../fixtures/reports/v1/report.jws").trim_ascii(),
        )?);
    }
    table::print(&rows);
    Ok(())
}
