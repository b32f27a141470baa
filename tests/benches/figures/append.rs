//! What it costs to keep an entry: signed, written and durable in the logbook, beside the bare write and sync of the same
//! bytes, on the same disk, in turns.
//!
//! The logbook is the agent's own source, compiled into this program: the agent has no command that only appends.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;
use bridgepoint_protocol::claims::ClockState;
use bridgepoint_protocol::envelope::{Kind, SigningKey};
use bridgepoint_protocol::name::RoomAddress;
use bridgepoint_tests::scenario::Stage;
use ring::rand::SystemRandom;

use crate::logbook::{Logbook, Stamp};
use crate::measure::{now, quotient};
use crate::state::StateDir;
use crate::table::{Row, time};

/// Entries of which the middle one and the hundredth slowest count.
const TIMES: u64 = 1_000;

/// The report of a whole check, appended again and again.
pub(crate) fn appended(stage: &Stage) -> Result<Vec<Row>> {
    let mut report = stage.agent.check(&[])?.report;
    // Below target: a directory for temporary files may be in memory.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let key = SigningKey::from_pkcs8(&SigningKey::generate(&SystemRandom::new())?)?;
    let room = RoomAddress {
        org: report.org.clone(),
        room: report.room.clone(),
    };
    let mut book = Logbook::open(&StateDir::new(dir.path().to_owned()), room, &key.verifying())?;
    let mut bare = OpenOptions::new()
        .create_new(true)
        .append(true)
        .open(dir.path().join("bare"))?;
    let (mut kept, mut written, mut length) = (Vec::new(), Vec::new(), 0);
    for at in 0..TIMES {
        let stamp = Stamp {
            wall_ms: report.started_ms + i64::try_from(at)?,
            mono_ms: at,
            boot: report.link.boot.clone(),
            clock: ClockState::Ntp,
        };
        let began = now();
        let (_, sealed) = book.append(&key, Kind::Report, &stamp, |link| {
            report.link = link;
            &report
        })?;
        kept.push(now() - began);
        let mut line = sealed.jws.into_bytes();
        line.push(b'\n');
        length = line.len();
        let began = now();
        bare.write_all(&line)?;
        bare.sync_data()?;
        written.push(now() - began);
    }
    fs::remove_dir_all(dir.path())?;
    kept.sort();
    written.sort();
    let row = |what: &str, part: usize| {
        let of = |all: &[Duration]| all[all.len() * part / 100];
        let (kept, written) = (of(&kept), of(&written));
        Row::new(format!("an entry of {length} bytes kept, {what}"), time(kept)).beside(
            format!("write and fdatasync {}", time(written)),
            quotient(kept, written),
        )
    };
    Ok(vec![row("the middle one", 50), row("1 in 100 takes longer", 99)])
}
