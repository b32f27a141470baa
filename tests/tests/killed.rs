//! A few kills and power cuts with every change; `make rig-crash`, `rig-power`, `rig-full` and `rig-clock` do many more, and
//! `make rig-mutants` shows that they find what they are there to find.

use anyhow::{Result, ensure};
use bridgepoint_tests::rig::kill::{Kind, Rig};

/// A rig with few kills has to do them all, and to find everything in its place.
fn holds(kind: Kind, kills: u64) -> Result<()> {
    let rig = Rig {
        kind,
        seed: 20_261_122,
        kills,
        agent: None,
        verbose: false,
    };
    let (tally, wrong) = rig.run()?;
    println!("{tally}");
    wrong.map_or(Ok(()), Err)?;
    ensure!(
        tally.holds() && tally.kills >= kills && tally.acknowledged > 0,
        "{tally}"
    );
    Ok(())
}

#[test]
fn what_was_acknowledged_survives_kills() -> Result<()> {
    holds(Kind::Crash, 13)
}

#[test]
fn what_was_acknowledged_survives_power_cuts() -> Result<()> {
    holds(Kind::Power, 12)
}

#[test]
fn a_failing_disk_stops_no_check_and_breaks_no_chain() -> Result<()> {
    holds(Kind::Full, 6)
}
