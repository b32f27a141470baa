//! A box that comes back after thirty days: how fast it hands over what it has kept, and how much memory that takes; beside it,
//! what the hub's limit for one room leaves of that.

use std::path::Path;

use anyhow::Result;
use bridgepoint_tests::rig::drain::{Drain, THIRTY_DAYS};

use crate::table::{Row, time};

/// What the hub takes at once of one room where its configuration says nothing.
const BURST: u32 = 600;

/// Reports with which that limit is met for half a minute.
const BEYOND: u64 = 565;

/// The rows.
pub(crate) fn drained(dir: &Path) -> Result<Vec<Row>> {
    let drain = |name: &str, reports, burst| {
        Drain {
            seed: 1,
            reports,
            kills: false,
            burst,
        }
        .run(&dir.join(name))
    };
    let all = drain("all", THIRTY_DAYS, 100_000)?;
    let limited = drain("limited", BEYOND, BURST)?;
    let kib = all.bytes as f64 / all.entries as f64 / 1024.0;
    let rate = all.entries as f64 / all.took.as_secs_f64();
    let rate_limited = limited.entries as f64 / limited.took.as_secs_f64();
    let rest = all.entries.saturating_sub(u64::from(BURST));
    Ok(vec![
        Row::new(
            format!(
                "30 days away: {} entries of {kib:.1} KiB, burst = 100000",
                all.entries
            ),
            format!("{rate:.0} /s"),
        )
        .beside(
            format!(
                "{} entries, burst = 600 then 1/s: {rate_limited:.1} /s",
                limited.entries
            ),
            rate / rate_limited,
        ),
        Row::new("  the whole of it", time(all.took))
            .note(format!("with burst = 600 about {} min", rest / 60)),
        Row::new(
            "  most memory of the box meanwhile",
            format!("{:.1} MB", all.peak_kb as f64 / 1024.0),
        )
        .note(format!(
            "with {} entries {:.1} MB",
            limited.entries,
            limited.peak_kb as f64 / 1024.0
        )),
    ])
}
