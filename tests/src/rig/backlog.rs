//! A logbook as it is after a long time away: reports at a fixed pace and events between them, signed with the box's own key
//! by the wire's own rules, made in a moment.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use bridgepoint_protocol::WIRE_VERSION;
use bridgepoint_protocol::claims::{Event, Report};
use bridgepoint_protocol::envelope::{EntryHash, Kind, SigningKey, seal};
use bridgepoint_protocol::logbook::{Line, read_unverified};

/// A report in this many milliseconds.
pub const PACE_MS: i64 = 600_000;

/// An event comes after so many reports.
const REPORTS_FOR_AN_EVENT: u64 = 9;

/// Appends `reports` reports like `example`, and events, to the logbook in `state`; the last one is as old as a pace at
/// `now_ms` (UTC milliseconds). Nobody else may write there. Gives how many entries the logbook then has.
///
/// # Errors
/// When there is no key, or the logbook cannot be read or written.
pub fn append(state: &Path, example: &Report, reports: u64, now_ms: i64) -> Result<u64> {
    let document = fs::read(state.join("key.pk8")).context("the box's key")?;
    let key = SigningKey::from_pkcs8(&document)?;
    let dir = state.join("logbook");
    fs::create_dir_all(&dir)?;
    let (mut seq, mut prev, mut month) = end(&dir)?;
    let mut text = String::new();
    let first_ms = now_ms - i64::try_from(reports)? * PACE_MS;
    for number in 0..reports {
        let at_ms = first_ms + i64::try_from(number)? * PACE_MS;
        let of_this = month_of(at_ms)?;
        if of_this > month {
            write(&dir, &month, &text)?;
            text.clear();
            month = of_this;
        }
        let mut report = example.clone();
        report.run = format!("{}-{number}", example.run);
        (report.started_ms, report.finished_ms) = (at_ms - 5000, at_ms);
        let mut link = example.link.clone();
        link.iat = at_ms.div_euclid(1000);
        link.witness = None;
        (link.seq, link.prev) = (seq + 1, prev);
        report.link = link.clone();
        let sealed = seal(&key, Kind::Report, &report)?;
        (seq, prev) = (seq + 1, sealed.hash);
        text.push_str(&sealed.jws);
        text.push('\n');
        if number % REPORTS_FOR_AN_EVENT == 0 {
            (link.seq, link.prev) = (seq + 1, prev);
            let event = Event {
                v: WIRE_VERSION,
                org: report.org.clone(),
                room: report.room.clone(),
                link,
                kind: "power".into(),
                code: "power.on-battery".into(),
                params: std::collections::BTreeMap::new(),
                meeting: None,
                incident: None,
                started_ms: at_ms,
                ended_ms: Some(at_ms),
            };
            let sealed = seal(&key, Kind::Event, &event)?;
            (seq, prev) = (seq + 1, sealed.hash);
            text.push_str(&sealed.jws);
            text.push('\n');
        }
    }
    write(&dir, &month, &text)?;
    Ok(seq)
}

/// The last entry's number and hash, and the newest month.
fn end(dir: &Path) -> Result<(u64, EntryHash, String)> {
    let (mut seq, mut prev, mut month) = (0, EntryHash::ZERO, String::new());
    let mut files: Vec<_> = fs::read_dir(dir)?
        .map(|file| Ok(file?.path()))
        .collect::<Result<_>>()?;
    files.sort();
    for file in files {
        let name = file.file_stem().map(|name| name.to_string_lossy().into_owned());
        month = name.context("a month's name")?;
        for line in fs::read_to_string(&file)?.lines() {
            if let Ok(Line::Entry(entry)) = read_unverified(line.as_bytes()) {
                (seq, prev) = (entry.seq, entry.hash);
            }
        }
    }
    Ok((seq, prev, month))
}

fn write(dir: &Path, month: &str, text: &str) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let path = dir.join(format!("{month}.log"));
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(text.as_bytes())?;
    Ok(file.sync_all()?)
}

/// The month of a moment in UTC, `YYYY-MM`.
fn month_of(at_ms: i64) -> Result<String> {
    let moment = jiff::Timestamp::from_millisecond(at_ms).map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok(moment.to_string().chars().take(7).collect())
}
