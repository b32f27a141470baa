//! `bridgepoint-rig`: the rigs that kill, cut the power, fill the disk and turn the clock while the real programs work
//! (`make rig-crash`, `rig-power` and so on). Each prints its seed first and one line of figures last, and ends with 1 when
//! something that was acknowledged is lost, doubled or changed. The same seed does the same again.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use bridgepoint_tests::rig::drain::{Drain, THIRTY_DAYS};
use bridgepoint_tests::rig::kill::{Kind, Rig};
use bridgepoint_tests::rig::network::Net;
use bridgepoint_tests::rig::tally::Tally;
use bridgepoint_tests::rig::{mutant, wall_ms};
use clap::{Parser, Subcommand};

/// Kill the programs, cut the power, fill the disk, turn the clock; and see that nothing acknowledged is lost.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    rig: Which,
}

#[derive(Subcommand)]
enum Which {
    /// SIGKILL at seeded moments: what was written stays written.
    Crash(Options),
    /// The same, and what was not synced is lost, as in a power cut.
    Power(Options),
    /// A disk that is full or answers with errors, then has room again.
    Full(Options),
    /// Kills while the wall clock jumps: 1970, a year either way, back and forth.
    Clock(Options),
    /// A bad line, a broker and a hub that fall, and a logbook that grows meanwhile.
    Net {
        /// How many faults.
        #[arg(long, default_value_t = 70)]
        rounds: u64,
        /// The seed of a run that is to be repeated [default: a new one]
        #[arg(long)]
        seed: Option<u64>,
        /// Reports that wait when it begins.
        #[arg(long, default_value_t = 400)]
        backlog: u64,
        /// Tell each round.
        #[arg(long)]
        verbose: bool,
    },
    /// A box that was away for thirty days comes back, through a broker that is killed again and again.
    Drain {
        /// Reports that it has kept.
        #[arg(long, default_value_t = THIRTY_DAYS)]
        reports: u64,
        /// The seed of a run that is to be repeated [default: a new one]
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Builds the agent with one line spoilt after the other: the rigs have to find each.
    Mutants {
        /// Only those whose name contains this.
        only: Option<String>,
    },
}

#[derive(clap::Args)]
struct Options {
    /// How many kills.
    #[arg(long, default_value_t = 1000)]
    kills: u64,
    /// The seed of a run that is to be repeated [default: a new one]
    #[arg(long)]
    seed: Option<u64>,
    /// Another build of the agent.
    #[arg(long)]
    agent: Option<PathBuf>,
    /// Tell each step.
    #[arg(long)]
    verbose: bool,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _printed = error.print();
            return ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    let ended = match arguments.rig {
        Which::Crash(options) => rig(Kind::Crash, options),
        Which::Power(options) => rig(Kind::Power, options),
        Which::Full(options) => rig(Kind::Full, options),
        Which::Clock(options) => rig(Kind::Clock, options),
        Which::Net {
            rounds,
            seed,
            backlog,
            verbose,
        } => net(rounds, seed, backlog, verbose),
        Which::Drain { reports, seed } => drain(reports, seed),
        Which::Mutants { only } => mutant::all(only.as_deref()),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bridgepoint-rig: {error:#}");
            ExitCode::from(70)
        }
    }
}

fn net(rounds: u64, seed: Option<u64>, backlog: u64, verbose: bool) -> Result<bool> {
    let seed = seed.unwrap_or_else(|| wall_ms().unsigned_abs() % 1_000_000);
    println!("rig-net: seed {seed}, {rounds} rounds");
    let rig = Net {
        seed,
        rounds,
        backlog,
        longest_ms: 3000,
        verbose,
    };
    let (tally, wrong) = rig.run()?;
    if let Some(wrong) = &wrong {
        eprintln!("{wrong:#}");
    }
    println!("{tally}");
    Ok(wrong.is_none() && tally.holds())
}

fn drain(reports: u64, seed: Option<u64>) -> Result<bool> {
    let seed = seed.unwrap_or_else(|| wall_ms().unsigned_abs() % 1_000_000);
    println!("rig-drain: seed {seed}, {reports} reports");
    let dir = tempfile::tempdir()?;
    let rig = Drain {
        seed,
        reports,
        kills: true,
        burst: 100_000,
    };
    let (drained, wrong) = rig.look(dir.path())?;
    if let Some(wrong) = &wrong {
        eprintln!("{wrong:#}");
    }
    println!("{}", drained.tally);
    Ok(wrong.is_none() && drained.tally.holds())
}

fn rig(kind: Kind, options: Options) -> Result<bool> {
    let seed = options
        .seed
        .unwrap_or_else(|| wall_ms().unsigned_abs() % 1_000_000);
    println!("rig-{}: seed {seed}, {} kills", kind.word(), options.kills);
    let rig = Rig {
        kind,
        seed,
        kills: options.kills,
        agent: options.agent,
        verbose: options.verbose,
    };
    let (tally, wrong): (Tally, Option<anyhow::Error>) = rig.run()?;
    if let Some(wrong) = &wrong {
        eprintln!("{wrong:#}");
    }
    println!("{tally}");
    Ok(wrong.is_none() && tally.holds())
}
