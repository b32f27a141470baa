//! Findings in words, ready to be drawn: what is wrong, worst first, and the parts of the signal path with every
//! check. Plain values that can be written as JSON as well.

use serde::Serialize;

use super::Sign;
use crate::board::{missing_kinds, rank, waited_for, worst_first};
use crate::check::{Group, row_of};
use crate::claims::{ContactRole, Finding, Status};
use crate::text::{self, Contacts, Lang, Params};

/// Who reads, and when.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// In which language.
    pub lang: Lang,
    /// Whom sentences tell to ring.
    pub contacts: &'a Contacts,
    /// Now, UTC milliseconds.
    pub now_ms: i64,
}

/// Something that has to be attended to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The check; empty for a kind of device that is missing altogether.
    pub check: String,
    /// How it stands.
    pub sign: Sign,
    /// The sign's word.
    pub word: String,
    /// The fact.
    pub headline: String,
    /// What to do; may be empty.
    pub act: String,
    /// Whom to ring.
    pub ring: Option<Ring>,
    /// What a re-test of this would ask; `None` where none is possible.
    pub again: Option<Again>,
}

/// Somebody to ring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ring {
    /// Who.
    pub who: Option<String>,
    /// The number as it is written.
    pub phone: String,
    /// True when the act names the number already.
    pub in_act: bool,
}

/// What a re-test asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Again {
    /// These checks, by id or prefix.
    Only(Vec<String>),
    /// Everything.
    Whole,
}

/// A part of the signal path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Its word in ids.
    pub group: &'static str,
    /// Its name.
    pub label: &'static str,
    /// Its worst check's sign.
    pub sign: Sign,
    /// The sign's word.
    pub word: String,
    /// Its checks.
    pub lines: Vec<Line>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Its id.
    pub check: String,
    /// How it stands.
    pub sign: Sign,
    /// The sign's word.
    pub word: String,
    /// Its name.
    pub label: String,
    /// What was found, where there is more to say than the sign.
    pub says: Option<String>,
    /// What was measured.
    pub value: Option<String>,
    /// The passing range.
    pub limit: Option<String>,
    /// The accepted rehearsal's figure.
    pub base: Option<String>,
    /// When.
    pub time: Option<String>,
}

/// What has to be attended to, worst first: kinds that must be there and are not, then findings by their rank.
#[must_use]
pub fn problems(reader: Reader<'_>, findings: &[Finding], must_have: &[String]) -> Vec<Problem> {
    let missing = missing_kinds(findings, must_have)
        .into_iter()
        .map(|kind| missing_kind(reader, kind));
    let found = worst_first(findings)
        .into_iter()
        .map(|finding| problem(reader, finding, findings));
    let mut all: Vec<Problem> = found.collect();
    // A missing kind makes the verdict unknown: it stands behind the faults and before what is merely odd.
    let at = all.iter().position(|p| p.sign != Sign::Fail).unwrap_or(all.len());
    all.splice(at..at, missing);
    all
}

/// One finding that has to be attended to; `findings` are all of the room's.
#[must_use]
pub fn problem(reader: Reader<'_>, finding: &Finding, findings: &[Finding]) -> Problem {
    let Reader { lang, contacts, .. } = reader;
    let said = text::finding(lang, finding, contacts);
    let sign = Sign::from(finding.status());
    Problem {
        check: text::clean(&finding.check),
        sign,
        word: sign.word(lang),
        headline: text::headline(lang, finding, contacts),
        ring: ring(contacts, &finding.check, &said.act),
        act: said.act,
        again: again(finding, findings),
    }
}

/// The parts of the signal path, in its order, each with its checks in the order given.
#[must_use]
pub fn parts(reader: Reader<'_>, findings: &[Finding]) -> Vec<Part> {
    let lines = findings
        .iter()
        .filter_map(|f| Some((row_of(&f.check)?.0.group, rank(f), line(reader, f))))
        .collect();
    gather(reader.lang, lines)
}

/// Parts from lines with their groups and ranks ([`rank`]).
#[must_use]
pub fn gather(lang: Lang, lines: Vec<(Group, Option<u8>, Line)>) -> Vec<Part> {
    let mut parts: Vec<(Part, Option<u8>)> = Vec::new();
    for group in Group::ALL {
        let empty = Part {
            group: group.word(),
            label: text::group(lang, group),
            sign: Sign::Skipped,
            word: String::new(),
            lines: vec![],
        };
        parts.push((empty, None));
    }
    for (group, rank, line) in lines {
        let Some((part, worst)) = parts.iter_mut().find(|(part, _)| part.group == group.word()) else {
            continue;
        };
        let worse = match (rank, *worst) {
            (Some(new), Some(old)) => new < old,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => strength(line.sign) > strength(part.sign),
        };
        if worse {
            // A required check that was not asked counts as unknown, and its part shows that.
            part.sign = if rank.is_some() && line.sign == Sign::Skipped {
                Sign::Unknown
            } else {
                line.sign
            };
            *worst = rank;
        }
        part.lines.push(line);
    }
    let with_word = |(mut part, _): (Part, Option<u8>)| {
        part.word = part.sign.word(lang);
        part.lines = by_device(part.lines);
        part
    };
    parts
        .into_iter()
        .filter(|(part, _)| !part.lines.is_empty())
        .map(with_word)
        .collect()
}

/// One check's line.
#[must_use]
pub fn line(reader: Reader<'_>, finding: &Finding) -> Line {
    let Reader {
        lang,
        contacts,
        now_ms,
    } = reader;
    let sign = Sign::from(finding.status());
    let unit = finding.unit.as_deref();
    let says = (finding.code != "ok").then(|| text::finding(lang, finding, contacts).label);
    let carried = finding
        .carried_ms
        .map(|ms| text::ui(lang, "carried", &with("time", &text::moment(lang, ms, now_ms))));
    Line {
        check: text::clean(&finding.check),
        sign,
        word: sign.word(lang),
        label: text::check_label_with(lang, &finding.check, &finding.params),
        says: match (says, carried) {
            (Some(says), Some(carried)) => Some(format!("{says}. {carried}")),
            (says, carried) => says.or(carried),
        },
        value: finding.value.map(|value| text::amount(lang, value, unit)),
        limit: limit(lang, finding),
        base: finding.base.map(|base| text::amount(lang, base, unit)),
        time: (finding.status() != Status::Skipped).then(|| text::moment(lang, finding.at_ms, now_ms)),
    }
}

/// A check without a finding: not asked yet, or being asked.
#[must_use]
pub fn blank(lang: Lang, check: &str, sign: Sign) -> Line {
    Line {
        check: text::clean(check),
        sign,
        word: sign.word(lang),
        label: text::check_label(lang, check),
        says: None,
        value: None,
        limit: None,
        base: None,
        time: None,
    }
}

/// What a re-test of all of `problems` asks; `None` when there is nothing that could be asked.
#[must_use]
pub fn again_all(problems: &[Problem]) -> Option<Again> {
    let mut all: Vec<String> = Vec::new();
    let mut whole = false;
    for again in problems.iter().filter_map(|p| p.again.as_ref()) {
        match again {
            Again::Whole => whole = true,
            Again::Only(parts) => {
                for part in parts {
                    if !all.contains(part) {
                        all.push(part.clone());
                    }
                }
            }
        }
    }
    match (all.is_empty(), whole) {
        (false, _) => Some(Again::Only(all)),
        (true, true) => Some(Again::Whole),
        (true, false) => None,
    }
}

/// Its whole device, and the devices of the checks that wait for it. What differs from the rehearsal is known from
/// the other findings of a run only, so it needs a whole one; what a person says is not measured at all.
fn again(finding: &Finding, findings: &[Finding]) -> Option<Again> {
    match row_of(&finding.check)?.0.group {
        Group::Baseline => return Some(Again::Whole),
        Group::Call | Group::Room => return None,
        _ => {}
    }
    let waiting = findings
        .iter()
        .filter(|f| waited_for(f) == Some(finding.check.as_str()));
    let mut parts: Vec<String> = Vec::new();
    for part in [finding]
        .into_iter()
        .chain(waiting)
        .filter_map(|f| device(&f.check))
    {
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    Some(Again::Only(parts))
}

/// `mic.chair` of `mic.chair.noise`, `line` of `line.loss`.
fn device(check: &str) -> Option<String> {
    let (row, places) = row_of(check)?;
    let group = row.group.word();
    Some(
        places
            .n
            .map_or_else(|| group.to_owned(), |n| format!("{group}.{n}")),
    )
}

fn missing_kind(reader: Reader<'_>, kind: &str) -> Problem {
    let Reader { lang, contacts, .. } = reader;
    let act = text::ui_with(lang, "kind-missing-act", &Params::new(), contacts);
    Problem {
        check: String::new(),
        sign: Sign::Unknown,
        word: Sign::Unknown.word(lang),
        headline: text::ui(lang, "kind-missing", &with("kind", kind)),
        ring: ring(contacts, kind, &act),
        act,
        again: None,
    }
}

/// The number that the act names; else the one for such a check: the centre for the call, the operator for what
/// it runs. What nobody is configured for has none.
fn ring(contacts: &Contacts, check: &str, act: &str) -> Option<Ring> {
    use ContactRole::{Authority, Centre, Operator, OperatorEscalation, PowerCompany};
    let ring = |role, in_act| {
        let phone = contacts.phone(role)?;
        Some(Ring {
            who: contacts.name(role).map(str::to_owned),
            phone: phone.to_owned(),
            in_act,
        })
    };
    let named = [Operator, PowerCompany, Centre, Authority, OperatorEscalation]
        .into_iter()
        .find(|role| contacts.phone(*role).is_some_and(|phone| act.contains(phone)));
    if let Some(role) = named {
        return ring(role, true);
    }
    let order = match check.split('.').next() {
        Some("call" | "room") => [Centre, Operator, Authority],
        Some("host") => [Authority, Operator, Centre],
        _ => [Operator, Authority, Centre],
    };
    order.into_iter().find_map(|role| ring(role, false))
}

fn limit(lang: Lang, finding: &Finding) -> Option<String> {
    let amount = |value| text::amount(lang, value, finding.unit.as_deref());
    match (finding.low, finding.high) {
        (Some(low), Some(high)) => {
            let mut both = with("low", &amount(low));
            both.insert("high".to_owned(), amount(high).into());
            Some(text::ui(lang, "limit-both", &both))
        }
        (Some(low), None) => Some(text::ui(lang, "limit-low", &with("limit", &amount(low)))),
        (None, Some(high)) => Some(text::ui(lang, "limit-high", &with("limit", &amount(high)))),
        (None, None) => None,
    }
}

/// The lines of one device together, devices in the order in which they come first.
fn by_device(lines: Vec<Line>) -> Vec<Line> {
    let mut devices: Vec<Option<String>> = Vec::new();
    let mut placed: Vec<(usize, Line)> = Vec::new();
    for line in lines {
        let device = device(&line.check);
        let at = devices
            .iter()
            .position(|known| *known == device)
            .unwrap_or_else(|| {
                devices.push(device);
                devices.len() - 1
            });
        placed.push((at, line));
    }
    placed.sort_by_key(|(at, _)| *at);
    placed.into_iter().map(|(_, line)| line).collect()
}

/// Of two signs that ask for nothing the one that says more.
fn strength(sign: Sign) -> u8 {
    match sign {
        Sign::Skipped => 0,
        Sign::None => 1,
        Sign::Pass => 2,
        Sign::Running => 3,
        Sign::Warn | Sign::Fail | Sign::Unknown => 4,
    }
}

fn with(key: &str, value: &str) -> Params {
    Params::from([(key.to_owned(), value.into())])
}
