//! What the command line prints: results in the technician's words, with shapes beside colours.

use std::io::IsTerminal as _;
use std::sync::Arc;

use bridgepoint_protocol::check::{Group, Probe, row_of};
use bridgepoint_protocol::claims::{Finding, Meeting, Plan, Report, Status, Verdict};
use bridgepoint_protocol::envelope::Kid;
use bridgepoint_protocol::schedule;
use bridgepoint_protocol::text::{self, Contacts, Lang, Params};
use bridgepoint_protocol::verdict::{open_points, open_questions};

use crate::calendar;
use crate::config::Settings;
use crate::rotation;
use crate::run::Progress;
use crate::said::Said;

/// How text is dressed: colours on a terminal, none in a pipe.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dress {
    colour: bool,
}

impl Dress {
    /// For standard output.
    pub(crate) fn stdout() -> Self {
        Self {
            colour: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }

    /// For standard error.
    pub(crate) fn stderr() -> Self {
        Self {
            colour: std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn status(self, status: Status) -> String {
        let (shape, colour) = match status {
            Status::Pass => ("●", "32"),
            Status::Warn => ("▲", "33"),
            Status::Fail => ("■", "31"),
            Status::Unknown => ("?", "90"),
            Status::Skipped => ("–", "90"),
        };
        self.paint(colour, shape)
    }

    fn verdict(self, verdict: Verdict, text: &str) -> String {
        let (shape, colour) = match verdict {
            Verdict::Ready => ("●", "1;32"),
            Verdict::Degraded => ("▲", "1;33"),
            Verdict::NotReady => ("■", "1;31"),
            Verdict::Unknown => ("?", "1;37"),
        };
        self.paint(colour, &format!("{shape} {text}"))
    }
}

/// The next meeting, or the one that is on, in a line.
pub(crate) fn meeting(meeting: &Meeting, now_ms: i64, lang: Lang) -> String {
    let subject = serde_json::Value::from(meeting.subject.as_str());
    if meeting.start_ms <= now_ms {
        let until_ms = schedule::end(meeting.start_ms, meeting.length_min);
        let time = text::moment(lang, until_ms, now_ms);
        return text::ui(
            lang,
            "meeting-on",
            &params([("subject", subject), ("time", time.into())]),
        );
    }
    let time = text::moment(lang, meeting.start_ms, now_ms);
    // Minutes are whole: 90 minutes before, it is said so for a whole minute.
    let left_ms = (meeting.start_ms - now_ms).saturating_add(59_999) / 60_000 * 60_000;
    let said = params([
        ("subject", subject),
        ("time", time.into()),
        ("remaining_ms", left_ms.into()),
    ]);
    text::ui(lang, "next-meeting", &said)
}

/// Parameters from pairs.
pub(crate) fn params<const N: usize>(pairs: [(&str, serde_json::Value); N]) -> Params {
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// What lies around a report: whom to ring, and by when what is wrong has to be cleared.
#[derive(Debug, Clone)]
pub(crate) struct Around<'a> {
    /// The room.
    pub(crate) settings: &'a Settings,
    /// The province's plan for it.
    pub(crate) plan: Option<Arc<Plan>>,
    /// The wall clock, UTC milliseconds.
    pub(crate) now_ms: i64,
}

impl Around<'_> {
    fn deadline_ms(&self) -> Option<i64> {
        let meetings = calendar::meetings(self.plan.as_ref());
        crate::schedule::deadline_after(meetings, &self.settings.profile, self.now_ms)
    }
}

/// A report as a person reads it: the verdict, what is wrong first, then everything by group.
pub(crate) fn report(report: &Report, around: &Around<'_>, lang: Lang, dress: Dress) -> String {
    let settings = around.settings;
    let contacts = Contacts::new(&calendar::contacts(&settings.contacts, around.plan.as_ref()));
    let mut out = String::new();
    let verdict = report.claimed_verdict();
    out.push_str(&format!("{}\n", settings.name));
    out.push_str(&format!(
        "{}\n",
        dress.verdict(verdict, text::verdict(lang, verdict))
    ));
    out.push_str(&format!("{}\n", verdict_line(report, around, lang)));
    let mut wrong: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|f| matches!(f.status(), Status::Fail | Status::Warn) || (f.status() == Status::Unknown))
        .collect();
    wrong.sort_by_key(|f| (std::cmp::Reverse(f.status()), !f.required));
    if !wrong.is_empty() {
        out.push('\n');
    }
    for finding in wrong {
        let sentence = text::finding(lang, finding, &contacts);
        out.push_str(&format!(
            "{} {}\n",
            dress.status(finding.status()),
            text::headline(lang, finding, &contacts)
        ));
        if !sentence.act.is_empty() {
            out.push_str(&format!("  {}\n", sentence.act));
        }
    }
    out.push('\n');
    for group in Group::ALL {
        let of_group: Vec<&Finding> = report
            .findings
            .iter()
            .filter(|f| row_of(&f.check).is_some_and(|(row, _)| row.group == group))
            .collect();
        let heading = dress.paint("1", text::group(lang, group));
        // What the room does not have is one line a group, not one a check.
        let (absent, present): (Vec<&Finding>, Vec<&Finding>) = of_group
            .into_iter()
            .partition(|f| f.code == "not-configured" && f.status() == Status::Skipped);
        if let (Some(first), true) = (absent.first(), present.is_empty()) {
            let why = text::finding(lang, first, &contacts).label;
            out.push_str(&format!("{heading}\n  {} {why}\n", dress.status(Status::Skipped)));
        }
        if present.is_empty() {
            continue;
        }
        out.push_str(&format!("{heading}\n"));
        for finding in present {
            out.push_str(&format!("  {}\n", line(finding, lang, &contacts, dress)));
        }
    }
    out
}

/// The line below the verdict.
fn verdict_line(report: &Report, around: &Around<'_>, lang: Lang) -> String {
    let n = match report.claimed_verdict() {
        Verdict::Unknown => open_questions(&report.findings),
        Verdict::NotReady => report
            .findings
            .iter()
            .filter(|f| f.required && f.status() == Status::Fail)
            .count(),
        Verdict::Ready | Verdict::Degraded => open_points(&report.findings),
    };
    let time = text::clock_time(lang, report.finished_ms);
    let mut said = params([("n", n.into()), ("time", time.into())]);
    if let Some(at_ms) = around.deadline_ms() {
        said.insert("deadline".into(), text::moment(lang, at_ms, around.now_ms).into());
    }
    text::verdict_line(lang, report.claimed_verdict(), &said)
}

fn line(finding: &Finding, lang: Lang, contacts: &Contacts, dress: Dress) -> String {
    let label = text::check_label_with(lang, &finding.check, &finding.params);
    let mut line = format!("{} {label}", dress.status(finding.status()));
    if let Some(value) = finding.value {
        line.push_str(&format!(
            ": {}",
            text::amount(lang, value, finding.unit.as_deref())
        ));
    }
    if finding.code != "ok" {
        line.push_str(&format!(" – {}", text::finding(lang, finding, contacts).label));
    }
    line
}

/// One line a step while a check is made; `None` where there is nothing to say.
pub(crate) fn step(progress: &Progress, settings: &Settings, lang: Lang, dress: Dress) -> Option<String> {
    match progress {
        Progress::Begun { .. } => None,
        Progress::Started { probe, device } => Some(act(*probe, device.as_deref(), lang)),
        Progress::Finished {
            findings,
            done,
            total,
            ..
        } => {
            let contacts = Contacts::new(&settings.contacts);
            let mut lines: Vec<String> = findings
                .iter()
                .map(|f| format!("  {}", line(f, lang, &contacts, dress)))
                .collect();
            let counted = params([("done", (*done).into()), ("total", (*total).into())]);
            lines.push(dress.paint("90", &text::state_with(lang, "running", &counted)));
            Some(lines.join("\n"))
        }
    }
}

/// What is being done.
pub(crate) fn act(probe: Probe, device: Option<&str>, lang: Lang) -> String {
    text::probe_act(lang, probe, device)
}

/// The fingerprint, as it is read over a telephone.
pub(crate) fn fingerprint(lang: Lang, kid: &Kid) -> String {
    format!(
        "{}: {}",
        text::ui(lang, "fingerprint", &Params::new()),
        kid.fingerprint()
    )
}

/// That the key is another than the one that signed before, which has not handed over to it.
pub(crate) fn new_key(own: &Kid, lost: &Kid) -> Said {
    Said::new(rotation::NEW_KEY)
        .with("fingerprint", own.fingerprint())
        .with("former", lost.fingerprint())
}

/// What a configuration amounts to.
pub(crate) fn config_summary(settings: &Settings, file: &str) -> String {
    let lang = settings.lang;
    let plan = crate::plan::plan(settings, None);
    let mut out = text::ui(lang, "config-ok", &params([("file", file.into())]));
    out.push_str(&format!(
        "\n{} ({}), {} · {}",
        settings.name, settings.address, settings.profile.id.id, settings.profile.document
    ));
    for act in &plan.probes {
        let ids = act.checks.join(", ");
        out.push_str(&format!(
            "\n  {} → {ids}",
            if act.thing.is_empty() { "–" } else { &act.thing }
        ));
    }
    for (id, reason) in &plan.skipped {
        out.push_str(&format!("\n  – {id}: {reason}"));
    }
    out
}
