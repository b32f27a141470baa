//! The rig: real programs on free loopback ports with temporary state, ended by id when it is dropped.
//!
//! * [`process`]: one program, its lines, its end.
//! * [`sim`]: a simulated room (`bridgepoint-sim`) and its control port.
//! * [`nut`]: the real `upsd` with the `dummy-ups` driver.
//! * [`hub`] and [`agent`]: the programs under test, driven as a user drives them.
//! * [`reflector`]: the line test's other end alone.
//! * [`room`]: a room and a province made of these, as most tests need them.
//! * [`plan`]: plans of meetings, signed.
//! * [`holdback`]: a disk whose power can be cut.
//! * [`kill`], with [`ledger`] and [`tally`]: the rigs that kill, what was acknowledged in them, what they count.
//! * [`mutant`]: the agent with a line spoilt, which they have to find.
//! * [`proxy`]: a bad line between a box and its broker; [`network`]: the rig that works over it;
//!   [`backlog`] and [`drain`]: a long time away, and coming back.
//! * [`played`]: a hub that the test plays itself, message by message.
//! * [`mqtt`] and [`http`]: other programs' view of the broker and of the pages.
//!
//! Nothing here waits by sleeping: each wait is for a line, a file or an answer, with a deadline.

pub mod agent;
pub mod backlog;
pub mod chance;
pub mod clock_jump;
pub mod drain;
pub mod holdback;
pub mod http;
pub mod hub;
pub mod kill;
pub mod ledger;
pub mod mqtt;
pub mod mutant;
pub mod network;
pub mod nut;
pub mod plan;
pub mod played;
pub mod process;
pub mod proxy;
pub mod reflector;
pub mod room;
pub mod sim;
pub mod small_disk;
pub mod tally;

use std::io::{self, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};

/// Whatever is waited for comes within this, or the rig says what did not come.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A program of this workspace, as `make build` leaves it beside the running one.
///
/// # Errors
/// When it was not built.
pub fn built(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("the running program's own file")?;
    // A test stands in target/debug/deps, a program in target/debug.
    let found = own
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.with_context(|| format!("{name} is not built; run: cargo build --workspace --bins"))
}

/// A program of Debian's, in its usual places.
///
/// # Errors
/// When it is not installed.
pub fn installed(name: &str, places: &[&str]) -> Result<PathBuf> {
    let found = places
        .iter()
        .map(|place| PathBuf::from(place).join(name))
        .find(|path| path.is_file());
    found.with_context(|| {
        format!(
            "{name} is not installed; see packaging/apt/ (looked in {})",
            places.join(", ")
        )
    })
}

/// A loopback port that nobody listens on at this moment.
///
/// # Errors
/// When the system gives none.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Asks again and again until `done` gives something. Each question has to be a real one (a connection, a
/// file, an answer): this adds no pause of its own beyond giving up the processor.
///
/// # Errors
/// When it does not come within `patience`; `what` says what was waited for.
pub fn until<T>(what: &str, patience: Duration, mut done: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let began = now();
    loop {
        if let Some(found) = done()? {
            return Ok(found);
        }
        if now().duration_since(began) > patience {
            bail!("{what} did not come within {} s", patience.as_secs());
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// Says on standard error what was left out and why, also from within a test: what `eprintln` says there nobody sees when
/// the test passes.
pub fn skipped(what: &str) {
    let _nobody_reads_it = writeln!(io::stderr(), "SKIPPED: {what}");
}

/// The wall clock, UTC milliseconds: to plan a meeting that is soon.
#[must_use]
#[allow(clippy::disallowed_methods)] // this is the rig's clock
pub fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The rig's clock: for its own patience, never for what is tested.
#[allow(clippy::disallowed_methods)] // this is the rig's clock
fn now() -> Instant {
    Instant::now()
}
