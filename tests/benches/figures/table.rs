//! One table: what was measured, beside what, the quotient of the two, the aim and whether it is reached.
//!
//! Printed, never judged: the program ends the same way whatever the figures are.

use std::time::Duration;

/// A figure.
pub(crate) struct Row {
    what: String,
    figure: String,
    beside: String,
    quotient: Option<f64>,
    aim: Option<(String, bool)>,
}

impl Row {
    /// What was measured, and the figure with its unit.
    pub(crate) fn new(what: impl Into<String>, figure: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            figure: figure.into(),
            beside: String::new(),
            quotient: None,
            aim: None,
        }
    }

    /// What stands beside it, and the quotient.
    pub(crate) fn beside(mut self, beside: impl Into<String>, quotient: f64) -> Self {
        self.beside = beside.into();
        self.quotient = Some(quotient);
        self
    }

    /// What is to be known of it, where nothing stands beside it.
    pub(crate) fn note(mut self, note: String) -> Self {
        self.beside = note;
        self
    }

    /// The figure is to be at most this.
    pub(crate) fn at_most(mut self, judged: f64, limit: f64, unit: &str) -> Self {
        self.aim = Some((format!("<= {limit}{unit}"), judged <= limit));
        self
    }

    /// The figure is to be at least this.
    pub(crate) fn at_least(mut self, judged: f64, limit: f64, unit: &str) -> Self {
        self.aim = Some((format!(">= {limit}{unit}"), judged >= limit));
        self
    }
}

/// Prints the table.
pub(crate) fn print(rows: &[Row]) {
    let cells: Vec<[String; 6]> = rows.iter().map(cells).collect();
    let head = ["what", "figure", "beside", "quotient", "aim", ""].map(str::to_owned);
    let mut widths = [0; 6];
    for row in cells.iter().chain([&head]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in [&head].into_iter().chain(&cells) {
        let line: Vec<String> = row
            .iter()
            .zip(widths)
            .enumerate()
            .map(|(column, (cell, width))| match column {
                1 | 3 => format!("{cell:>width$}"),
                _ => format!("{cell:<width$}"),
            })
            .collect();
        println!("{}", line.join("  ").trim_end());
    }
}

fn cells(row: &Row) -> [String; 6] {
    let (aim, reached) = match &row.aim {
        None => (String::new(), ""),
        Some((aim, true)) => (aim.clone(), "reached"),
        Some((aim, false)) => (aim.clone(), "NOT reached"),
    };
    [
        row.what.clone(),
        row.figure.clone(),
        row.beside.clone(),
        row.quotient.map_or_else(String::new, |q| format!("{q:.2}")),
        aim,
        reached.to_owned(),
    ]
}

/// A time with three digits that mean something.
pub(crate) fn time(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if seconds >= 1.0 {
        format!("{seconds:.2} s")
    } else if seconds >= 0.001 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format!("{:.1} us", seconds * 1e6)
    }
}
