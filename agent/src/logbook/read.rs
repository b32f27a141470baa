//! Reading the logbook without writing in it: listing, and verification of every line.

use std::io;
use std::path::{Path, PathBuf};

use bridgepoint_protocol::claims::Report;
use bridgepoint_protocol::envelope::{Kind, VerifyingKey};
use bridgepoint_protocol::logbook::{Keys, Line, LineError, Walk, read_unverified};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::said::{Said, Say};

/// One line of `logbook list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its number.
    pub(crate) seq: u64,
    /// Its kind.
    pub(crate) kind: Kind,
    /// When it was signed, UTC milliseconds.
    pub(crate) at_ms: i64,
    /// When the hub received it, UTC milliseconds.
    pub(crate) received_ms: Option<i64>,
    /// The claims' exact bytes.
    pub(crate) payload: Vec<u8>,
}

/// Where a logbook is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}: {why}")]
pub(crate) struct BookBroken {
    /// The file.
    pub(crate) file: String,
    /// The line, from 1.
    pub(crate) line: u64,
    /// What is wrong.
    pub(crate) why: String,
}

impl Say for BookBroken {
    fn said(&self) -> Said {
        broken(&self.file, self.line, &self.why)
    }
}

/// What is told of a broken logbook; line 0 is the file as a whole.
pub(super) fn broken(file: &str, line: u64, why: &str) -> Said {
    let said = Said::new(if line == 0 {
        "error-logbook-unreadable"
    } else {
        "error-logbook-broken"
    });
    said.with("file", file)
        .with("line", line)
        .because(why)
        .run("logbook verify")
}

/// The month of a moment, `YYYY-MM`, in UTC: the same everywhere.
pub(crate) fn month_of(wall_ms: i64) -> String {
    let moment = Timestamp::from_millisecond(wall_ms)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_zoned(TimeZone::UTC);
    format!("{:04}-{:02}", moment.year(), moment.month())
}

/// The files of a logbook, oldest first, with their months.
pub(crate) fn months(dir: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut months = Vec::new();
    let entries = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(months),
        other => other?,
    };
    for entry in entries {
        let path = entry?.path();
        let month = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(".log"));
        if let Some(month) = month.filter(|month| is_month(month)) {
            months.push((month.to_owned(), path.clone()));
        }
    }
    months.sort();
    Ok(months)
}

fn is_month(text: &str) -> bool {
    text.len() == 7
        && text
            .bytes()
            .enumerate()
            .all(|(at, b)| if at == 4 { b == b'-' } else { b.is_ascii_digit() })
}

/// Verifies the whole logbook: every signature, every number, every link, over all months.
///
/// # Errors
/// [`BookBroken`] with the exact file and line.
pub(crate) fn verify(dir: &Path, agent: &[VerifyingKey], hub: &[VerifyingKey]) -> Result<Walk, BookBroken> {
    let unreadable = |file: &Path, error: io::Error| BookBroken {
        file: file.display().to_string(),
        line: 0,
        why: format!("it cannot be read ({error})"),
    };
    let mut walk = Walk::default();
    for (_, path) in months(dir).map_err(|e| unreadable(dir, e))? {
        let text = std::fs::read(&path).map_err(|e| unreadable(&path, e))?;
        let broken = |line: u64, why: String| BookBroken {
            file: path.display().to_string(),
            line,
            why,
        };
        for (number, line) in (1_u64..).zip(text.split_inclusive(|b| *b == b'\n')) {
            let whole = line.strip_suffix(b"\n").ok_or_else(|| {
                broken(
                    number,
                    "the line is cut off (a power cut while it was written)".into(),
                )
            })?;
            walk.step(whole, Keys { agent, hub })
                .map_err(|why: LineError| broken(number, why.to_string()))?;
        }
    }
    Ok(walk)
}

/// Every entry, oldest first, with its receipt's time. Signatures are not verified here.
///
/// # Errors
/// [`BookBroken`] at the first line that cannot be read.
pub(crate) fn list(dir: &Path) -> Result<Vec<Listed>, BookBroken> {
    let mut listed: Vec<Listed> = Vec::new();
    each_line(dir, |line, _| match line {
        Line::Entry(entry) => listed.push(Listed {
            seq: entry.seq,
            kind: entry.kind,
            at_ms: entry.iat.saturating_mul(1000),
            received_ms: None,
            payload: entry.payload,
        }),
        Line::Receipt(receipt) => {
            if let Some(entry) = listed
                .iter_mut()
                .rev()
                .find(|entry| Some(entry.seq) == receipt.seq)
            {
                entry.received_ms = Some(receipt.received_ms);
            }
        }
    })?;
    Ok(listed)
}

/// Hands over every report, oldest first, without verifying any.
///
/// # Errors
/// [`BookBroken`] at the first line that cannot be read.
pub(crate) fn each_report(dir: &Path, mut take: impl FnMut(Report)) -> Result<(), BookBroken> {
    each_line(dir, |line, _| {
        if let Line::Entry(entry) = line
            && entry.kind == Kind::Report
            && let Ok(report) = serde_json::from_slice(&entry.payload)
        {
            take(report);
        }
    })
}

/// The texts of entries `from` to `to`, oldest first: their numbers, kinds and envelopes.
///
/// # Errors
/// [`BookBroken`] at the first line that cannot be read.
pub(crate) fn texts(dir: &Path, from: u64, to: u64) -> Result<Vec<(u64, Kind, String)>, BookBroken> {
    let mut found = Vec::new();
    each_line(dir, |line, text| {
        if let Line::Entry(entry) = line
            && (from..=to).contains(&entry.seq)
        {
            found.push((entry.seq, entry.kind, String::from_utf8_lossy(text).into_owned()));
        }
    })?;
    Ok(found)
}

/// Hands over every line with its text, oldest first, without verifying any.
///
/// # Errors
/// [`BookBroken`] at the first line that cannot be read.
fn each_line(dir: &Path, mut take: impl FnMut(Line, &[u8])) -> Result<(), BookBroken> {
    let fault = |file: &Path, line: u64, why: String| BookBroken {
        file: file.display().to_string(),
        line,
        why,
    };
    for (_, path) in months(dir).map_err(|e| fault(dir, 0, e.to_string()))? {
        let text = std::fs::read(&path).map_err(|e| fault(&path, 0, e.to_string()))?;
        for (number, line) in (1_u64..).zip(text.split(|b| *b == b'\n')) {
            if !line.is_empty() {
                take(
                    read_unverified(line).map_err(|why| fault(&path, number, why.to_string()))?,
                    line,
                );
            }
        }
    }
    Ok(())
}
