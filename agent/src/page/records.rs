//! What the page reads of the box's records: the last full run with the re-tests since, when the newest report
//! was received, and the accepted rehearsal. Read again only when something was written.

use std::sync::{Arc, Mutex, PoisonError};

use bridgepoint_protocol::board::{Board, merge};
use bridgepoint_protocol::claims::Report;
use bridgepoint_protocol::envelope::Kind;

use super::view::Newest;
use crate::baseline::Baseline;
use crate::logbook::BookBroken;
use crate::station::Station;

/// The box's records, as the page needs them.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// The last full run as it was signed.
    pub(super) full: Option<Report>,
    /// It with the re-tests since.
    pub(super) board: Option<Board>,
    /// The newest report.
    pub(super) newest: Option<Newest>,
    /// The accepted rehearsal.
    pub(super) baseline: Option<Baseline>,
    /// Entries that wait for the hub's receipt.
    pub(super) waiting: usize,
    /// Why the logbook cannot be read.
    pub(super) broken: Option<BookBroken>,
}

/// The records as they were when they were read last, and a report that could not be kept.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    read: Mutex<Option<(Mark, Arc<Records>)>>,
    unkept: Mutex<Option<Report>>,
}

/// Changes whenever something is written that the page shows.
type Mark = (Option<u64>, usize, Option<String>);

impl Shelf {
    /// The records. Reads files: not for a thread that others wait for.
    pub(super) fn records(&self, station: &Station) -> Arc<Records> {
        let unkept = self.unkept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (head, waiting) = {
            let book = station.book();
            (book.head().map(|(seq, _)| seq), book.waiting())
        };
        let mark = (head, waiting, unkept.as_ref().map(|report| report.run.clone()));
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, records)) = read.as_ref()
            && *known == mark
        {
            return Arc::clone(records);
        }
        let records = Arc::new(Records {
            waiting,
            ..Records::read(station, unkept)
        });
        *read = Some((mark, Arc::clone(&records)));
        records
    }

    /// A report that is not in the logbook (the disk is full): shown all the same, until a newer one is kept.
    pub(super) fn not_kept(&self, report: Report) {
        *self.unkept.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
    }
}

impl Records {
    fn read(station: &Station, unkept: Option<Report>) -> Self {
        let listed = match crate::logbook::list(&station.logbook_dir()) {
            Ok(listed) => listed,
            Err(broken) => {
                return Self {
                    broken: Some(broken),
                    ..Self::default()
                };
            }
        };
        let mut runs = Runs::default();
        for entry in listed
            .entries
            .into_iter()
            .filter(|entry| entry.kind == Kind::Report)
        {
            if let Ok(report) = serde_json::from_slice::<Report>(&entry.payload) {
                runs.take(report, entry.received_ms);
            }
        }
        if let Some(report) = unkept.filter(|report| report.finished_ms >= runs.newest_ms) {
            runs.take(report, None);
        }
        let Runs {
            full, later, newest, ..
        } = runs;
        let baseline = Baseline::load(&station.state).unwrap_or_else(|error| {
            tracing::error!(%error, "the accepted rehearsal cannot be shown");
            None
        });
        // One damaged line hides no result: the check of the logbook itself tells of it.
        let broken = listed.broken.filter(|_| full.is_none());
        Self {
            board: full.as_ref().map(|full| merge(full, &later)),
            full,
            newest,
            baseline,
            waiting: 0,
            broken,
        }
    }
}

/// The last full run and the re-tests since, from runs in their order.
#[derive(Default)]
struct Runs {
    full: Option<Report>,
    later: Vec<Report>,
    newest: Option<Newest>,
    newest_ms: i64,
}

impl Runs {
    fn take(&mut self, report: Report, received_ms: Option<i64>) {
        self.newest = Some(Newest {
            duty: report.duty.clone(),
            received_ms,
        });
        self.newest_ms = report.finished_ms;
        if report.scope.is_none() {
            self.full = Some(report);
            self.later.clear();
        } else {
            self.later.push(report);
        }
    }
}
