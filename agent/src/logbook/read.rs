//! Reading the logbook without writing in it: listing, and verification of every line.

use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use bridgepoint_protocol::claims::{Event, Report};
use bridgepoint_protocol::envelope::{Kid, Kind, Unopened, VerifyingKey, peek};
use bridgepoint_protocol::logbook::{Keys, Line, LineError, Walk, read_unverified};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::lines::Lines;
use super::missing::Whole;
use super::own::Own;
use crate::disk::{Disk as _, RealDisk};
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
    match RealDisk.list(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => Ok(months_among(listed?)),
    }
}

/// Those of these files that are months of a logbook, oldest first.
pub(super) fn months_among(files: Vec<PathBuf>) -> Vec<(String, PathBuf)> {
    let mut months = Vec::new();
    for path in files {
        let month = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(".log"));
        if let Some(month) = month.filter(|month| is_month(month)) {
            months.push((month.to_owned(), path.clone()));
        }
    }
    months.sort();
    months
}

fn is_month(text: &str) -> bool {
    text.len() == 7
        && text
            .bytes()
            .enumerate()
            .all(|(at, b)| if at == 4 { b == b'-' } else { b.is_ascii_digit() })
}

/// Verifies the whole logbook: every signature, every number, every link, over all months; of a book that is written in
/// meanwhile what was whole at one moment.
///
/// # Errors
/// [`BookBroken`] with the exact file and line.
pub(crate) fn verify(
    dir: &Path,
    (agent, hub): (&[VerifyingKey], &[VerifyingKey]),
    whole: Option<&Whole>,
) -> Result<Walk, BookBroken> {
    walk_to(dir, (agent, hub), whole).map_err(|fault| BookBroken {
        why: match &fault.why {
            Ok(why) => why.to_string(),
            Err(error) => format!("it cannot be read ({error})"),
        },
        file: fault.file.display().to_string(),
        line: fault.line,
    })
}

/// Where a logbook does not hold.
#[derive(Debug)]
pub(crate) struct Fault {
    /// The file.
    pub(crate) file: PathBuf,
    /// The line, from 1; 0 is the file as a whole.
    pub(crate) line: u64,
    /// What is wrong with the line, or why the file cannot be read.
    pub(crate) why: Result<LineError, io::Error>,
}

/// As [`verify`], for those who say the fault in words.
///
/// # Errors
/// [`Fault`] with the exact file and line.
pub(crate) fn walk(dir: &Path, agent: &[VerifyingKey], hub: &[VerifyingKey]) -> Result<Walk, Fault> {
    walk_to(dir, (agent, hub), None)
}

fn walk_to(
    dir: &Path,
    (agent, hub): (&[VerifyingKey], &[VerifyingKey]),
    up_to: Option<&Whole>,
) -> Result<Walk, Fault> {
    let unreadable = |file: &Path, error: io::Error| Fault {
        file: file.to_owned(),
        line: 0,
        why: Err(error),
    };
    let mut walk = Walk::default();
    for (month, path) in months(dir).map_err(|e| unreadable(dir, e))? {
        if up_to.is_some_and(|up_to| month > up_to.month) {
            break;
        }
        let length = up_to
            .filter(|up_to| month == up_to.month)
            .map(|up_to| up_to.length);
        let mut lines = Lines::open(&RealDisk, &path).map_err(|e| unreadable(&path, e))?;
        let mut number = 0;
        while let Some(line) = lines.next() {
            if length.is_some_and(|length| line.offset >= length) {
                break;
            }
            number += 1;
            // On the box's own disk a line without its end was never told to anybody, even when it is whole.
            let whole = line.ended.then_some(line.text).ok_or(LineError::CutOff);
            let stepped = whole
                .and_then(|whole| walk.step(whole, Keys { agent, hub }))
                .map_err(|why| Fault {
                    file: path.clone(),
                    line: number,
                    why: Ok(why),
                });
            // A place that the disk does not give is told with what the disk said.
            if let Some(error) = lines.failed.take() {
                return Err(unreadable(&path, error));
            }
            stepped?;
        }
    }
    Ok(walk)
}

/// What could be read of a logbook, and where it is damaged, if it is.
#[derive(Debug, Default)]
pub(crate) struct ListedBook {
    /// Every entry that can be read, oldest first, with its receipt's time.
    pub(crate) entries: Vec<Listed>,
    /// The first line that cannot.
    pub(crate) broken: Option<BookBroken>,
}

/// Every entry that can be read, oldest first, with its receipt's time. Signatures are not verified here.
///
/// # Errors
/// [`BookBroken`] when there is nothing to read from.
pub(crate) fn list(dir: &Path) -> Result<ListedBook, BookBroken> {
    let mut book = ListedBook::default();
    each_line(&all(dir)?, |read| match read {
        Ok((Line::Entry(entry), _)) => book.entries.push(Listed {
            seq: entry.seq,
            kind: entry.kind,
            at_ms: entry.iat.saturating_mul(1000),
            received_ms: None,
            payload: entry.payload,
        }),
        Ok((Line::Receipt(receipt), _)) => {
            if let Some(entry) = book
                .entries
                .iter_mut()
                .rev()
                .find(|entry| Some(entry.seq) == receipt.seq)
            {
                entry.received_ms = Some(receipt.received_ms);
            }
        }
        Err(damage) => {
            book.broken.get_or_insert(damage);
        }
    });
    Ok(book)
}

/// A report of the logbook, or a place where one may have stood.
#[derive(Debug)]
pub(crate) enum Found {
    /// A report.
    Report(Box<Report>),
    /// A line, or a whole month, that cannot be read. It was told in the log.
    Damage,
}

/// Hands over every report of the newest two months, oldest first, without verifying any. What the meeting's clock asks
/// for lies within days; two, because a month may have begun a minute ago.
///
/// # Errors
/// [`BookBroken`] when there is nothing to read from.
pub(crate) fn each_report(dir: &Path, mut take: impl FnMut(Found)) -> Result<(), BookBroken> {
    let months = all(dir)?;
    let newest = months.get(months.len().saturating_sub(2)..).unwrap_or_default();
    each_line(newest, |read| match read {
        Ok((line, _)) => {
            if let Some(report) = report_of(&line) {
                take(Found::Report(Box::new(report)));
            }
        }
        Err(damage) => {
            tell(&damage);
            take(Found::Damage);
        }
    });
    Ok(())
}

/// The runs that were made for a meeting, oldest first, of the newest two months. None that is older than a damaged place:
/// what stood there may have been a run that failed, and what passed before it no longer counts.
///
/// # Errors
/// [`BookBroken`] when there is nothing to read from.
pub(crate) fn runs_for(dir: &Path, meeting: &str) -> Result<Vec<Report>, BookBroken> {
    let mut runs = Vec::new();
    each_report(dir, |found| match found {
        Found::Report(report) if report.trigger.meeting.as_deref() == Some(meeting) => runs.push(*report),
        Found::Report(_) => {}
        Found::Damage => runs.clear(),
    })?;
    Ok(runs)
}

/// The newest full run in a logbook. Reads from the newest month back, and no further than where it stands.
///
/// # Errors
/// [`BookBroken`] when there is nothing to read from.
pub(crate) fn last_full_report(dir: &Path) -> Result<Option<Report>, BookBroken> {
    for month in all(dir)?.iter().rev() {
        let mut newest = None;
        each_line(std::slice::from_ref(month), |read| match read {
            Ok((line, _)) => {
                if let Some(report) = report_of(&line).filter(|report| report.scope.is_none()) {
                    newest = Some(report);
                }
            }
            Err(damage) => tell(&damage),
        });
        if newest.is_some() {
            return Ok(newest);
        }
    }
    Ok(None)
}

/// Entries as they stand in the logbook.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    /// Their numbers, kinds and envelopes, oldest first.
    pub(crate) found: Vec<(u64, Kind, String)>,
    /// Where to go on, when it was more than was wanted at once.
    pub(crate) rest: Option<RangeInclusive<u64>>,
}

/// The texts of the entries in `range`, up to `bytes` of them and at least one. One that cannot be read, or that the box's
/// `own` keys have not signed so, is left out and told in the log.
///
/// # Errors
/// [`BookBroken`] when a file cannot be opened: what is in it is not known then.
pub(crate) fn texts(
    dir: &Path,
    own: &Own,
    range: RangeInclusive<u64>,
    bytes: usize,
) -> Result<Texts, BookBroken> {
    let (mut texts, mut taken) = (Texts::default(), 0);
    let mut unopened = None;
    each_line(&all(dir)?, |read| match read {
        Ok((Line::Entry(entry), text)) if range.contains(&entry.seq) && texts.rest.is_none() => {
            if let Err(why) = own.read(text) {
                tracing::error!(entry = entry.seq, %why, "an entry of the logbook was changed and is not sent");
                return;
            }
            if taken > 0 && taken + text.len() > bytes {
                texts.rest = Some(entry.seq..=*range.end());
                return;
            }
            taken += text.len();
            let text = String::from_utf8_lossy(text).into_owned();
            texts.found.push((entry.seq, entry.kind, text));
        }
        Ok(_) => {}
        Err(damage) if damage.line == 0 => unopened = Some(damage),
        Err(damage) => tell(&damage),
    });
    unopened.map_or(Ok(texts), Err)
}

/// An event of the logbook, and whose word it is.
#[derive(Debug, Clone)]
pub(crate) struct SignedEvent {
    /// Its number.
    pub(crate) seq: u64,
    /// The key that its envelope names.
    pub(crate) signer: Kid,
    /// What it says.
    pub(crate) event: Event,
    /// Whether a receipt for it stands here.
    pub(crate) received: bool,
}

/// The events of one kind, oldest first, without verifying any.
///
/// # Errors
/// [`BookBroken`] when there is nothing to read from.
pub(crate) fn events_of(dir: &Path, kind: &str) -> Result<Vec<SignedEvent>, BookBroken> {
    let mut found: Vec<SignedEvent> = Vec::new();
    each_line(&all(dir)?, |read| match read {
        Ok((Line::Entry(entry), text)) if entry.kind == Kind::Event => {
            let event: Option<Event> = serde_json::from_slice(&entry.payload).ok();
            let event = event.filter(|event| event.kind == kind);
            if let (Some(event), Ok(signed)) = (event, peek(text)) {
                found.push(SignedEvent {
                    seq: entry.seq,
                    signer: signed.kid,
                    event,
                    received: false,
                });
            }
        }
        Ok((Line::Receipt(receipt), _)) => {
            for event in &mut found {
                event.received |= Some(event.seq) == receipt.seq;
            }
        }
        Ok(_) => {}
        Err(damage) => tell(&damage),
    });
    Ok(found)
}

/// The key that the newest entry's envelope names, of those that are among the box's `own`: another is damage. Reads from
/// the newest month back, and no further than where one stands.
///
/// # Errors
/// [`BookBroken`] when there is nothing to read from.
pub(crate) fn newest_signer(dir: &Path, own: &Own) -> Result<Option<Kid>, BookBroken> {
    for month in all(dir)?.iter().rev() {
        let mut newest = None;
        each_line(std::slice::from_ref(month), |read| {
            if let Ok((Line::Entry(_), text)) = read
                && let Ok(signed) = Unopened::read(text)
                && own.may_have(signed.kid())
            {
                newest = Some(signed.kid().clone());
            }
        });
        if newest.is_some() {
            return Ok(newest);
        }
    }
    Ok(None)
}

fn report_of(line: &Line) -> Option<Report> {
    match line {
        Line::Entry(entry) if entry.kind == Kind::Report => serde_json::from_slice(&entry.payload).ok(),
        _ => None,
    }
}

fn tell(damage: &BookBroken) {
    tracing::error!(%damage, "a part of the logbook cannot be read and is passed over; run \"bridgepoint-agent logbook verify\" and tell the province");
}

/// The files of a logbook, oldest first.
fn all(dir: &Path) -> Result<Vec<PathBuf>, BookBroken> {
    let months = months(dir).map_err(|error| damage(dir, 0, error.to_string()))?;
    Ok(months.into_iter().map(|(_, path)| path).collect())
}

pub(super) fn damage(file: &Path, line: u64, why: String) -> BookBroken {
    BookBroken {
        file: file.display().to_string(),
        line,
        why,
    }
}

/// Hands over every line of these files with its text, in order, without verifying any; and each that cannot be read, as
/// line 0 a file that cannot be opened. What is being written just now is not looked at.
fn each_line(files: &[PathBuf], mut take: impl FnMut(Result<(Line, &[u8]), BookBroken>)) {
    for path in files {
        let mut lines = match Lines::open(&RealDisk, path) {
            Ok(lines) => lines,
            Err(error) => {
                take(Err(damage(path, 0, error.to_string())));
                continue;
            }
        };
        let mut number = 0;
        while let Some(line) = lines.next() {
            number += 1;
            if !line.text.is_empty() && !line.is_unfinished() {
                let read = read_unverified(line.text).map(|read| (read, line.text));
                take(read.map_err(|why| damage(path, number, why.to_string())));
            }
        }
    }
}
