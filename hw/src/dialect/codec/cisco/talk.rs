//! The conversation: greeting, login, echo off, one question after the other, bye.
//!
//! A question that is not answered in [`QUERY_WAIT`] costs its own part of the reading; after
//! [`UNANSWERED_MAX`] in a row the unit is given up, so that a wedged one is not waited for seventeen
//! times. What was learnt by then stays learnt.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::super::super::Conversation;
use super::super::super::lines::{Line, Lines};
use super::line::{LINE_CAP_BYTES, Said, Status, read};
use super::login::{Gate, Step};
use super::parts;
use super::query::{BYE, ECHO_OFF, EMPTY_LINE, Query, Tag};
use crate::probe::Login;
use crate::reading::{Answer, CodecReading, ProbeError};

/// A console that says nothing for so long is ready, or has no prompt.
const QUIET: Duration = Duration::from_millis(500);
/// The same where somebody is to be logged in: the prompt may be slow.
const QUIET_LOGIN: Duration = Duration::from_secs(2);
/// However much a console has to say first.
const GREETING_MAX: Duration = Duration::from_secs(5);
/// For the reply to a name, a password, or `echo off`.
const REPLY_WAIT: Duration = Duration::from_secs(3);
/// For the complete answer to one question.
const QUERY_WAIT: Duration = Duration::from_secs(3);
/// Questions without an answer, in a row, after which the rest are not asked.
const UNANSWERED_MAX: u32 = 3;
/// Lines in one answer; the largest subtree asked for has some hundred.
const ANSWER_LINES_MAX: usize = 2000;

/// One talk with a Cisco codec.
#[derive(Debug)]
pub struct Talk {
    started: Instant,
    gate: Gate,
    phase: Phase,
    lines: Lines,
    outbox: VecDeque<Vec<u8>>,
    to_ask: VecDeque<Query>,
    tags: u32,
    pending: Option<Pending>,
    unanswered: u32,
    answers: BTreeMap<Query, Answer<Vec<Status>>>,
    heard: Heard,
    /// Why it ended before all was asked.
    ended: Option<ProbeError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Waiting for a banner or a prompt, until it has been quiet.
    Greeting { quiet: Instant, nudged: bool },
    /// A credential was sent.
    LoggingIn { until: Instant },
    /// `echo off` was sent.
    Settling { until: Instant },
    /// Questions.
    Asking,
    /// Nothing more to ask.
    Over,
}

/// A question that waits for its answer.
#[derive(Debug)]
struct Pending {
    query: Query,
    tag: Tag,
    until: Instant,
    lines: Vec<Status>,
    line_tag: Option<String>,
    unknown: bool,
    /// A line came that answers nothing.
    noise: bool,
    /// A line of the answer may have been lost.
    damaged: bool,
}

/// What has come at all, for the reason when nothing comes of it.
#[derive(Debug, Default)]
struct Heard {
    bytes: bool,
    /// A line that only this kind of unit says.
    own: bool,
    /// A whole line that is no part of the language.
    text: bool,
}

impl Talk {
    /// Begins at `now`; `login` is used when the console asks for it.
    #[must_use]
    pub fn new(login: Option<Login>, now: Instant) -> Self {
        let gate = Gate::new(login);
        let quiet = now + if gate.has_login() { QUIET_LOGIN } else { QUIET };
        Self {
            started: now,
            gate,
            phase: Phase::Greeting { quiet, nudged: false },
            lines: Lines::new(LINE_CAP_BYTES),
            outbox: VecDeque::new(),
            to_ask: Query::asked_first().collect(),
            tags: 0,
            pending: None,
            unanswered: 0,
            answers: BTreeMap::new(),
            heard: Heard::default(),
            ended: None,
        }
    }

    fn take(&mut self, now: Instant, line: &Line) {
        let said = match line {
            Line::Text(text) if text.trim() == "Login incorrect" => {
                if self.gate.incorrect() && !self.heard.own {
                    self.give_up(ProbeError::Refused);
                }
                return;
            }
            Line::Text(text) => read(text),
            Line::TooLong => Said::Torn,
        };
        match said {
            Said::Text | Said::Torn => {
                self.heard.text = true;
                if let Some(pending) = &mut self.pending {
                    pending.noise = true;
                    pending.damaged |= said == Said::Torn;
                }
            }
            Said::Blank | Said::Echo => {}
            _ => self.heard.own = true,
        }
        match self.phase {
            Phase::Greeting { .. } | Phase::LoggingIn { .. } if said == Said::Ok => self.settle(now),
            Phase::Settling { .. } if said == Said::Ok => self.ask_next(now),
            Phase::Asking => self.collect(now, said),
            _ => {}
        }
    }

    fn settle(&mut self, now: Instant) {
        self.outbox.push_back(ECHO_OFF.as_bytes().to_vec());
        self.phase = Phase::Settling {
            until: now + REPLY_WAIT,
        };
    }

    fn ask_next(&mut self, now: Instant) {
        let Some(query) = self.to_ask.pop_front() else {
            self.pending = None;
            self.outbox.push_back(BYE.as_bytes().to_vec());
            self.phase = Phase::Over;
            return;
        };
        self.tags += 1;
        let tag = Tag(self.tags);
        self.outbox.push_back(query.emit(tag));
        self.phase = Phase::Asking;
        self.pending = Some(Pending {
            query,
            tag,
            until: now + QUERY_WAIT,
            lines: Vec::new(),
            line_tag: None,
            unknown: false,
            noise: false,
            damaged: false,
        });
    }

    /// One line while a question waits.
    fn collect(&mut self, now: Instant, said: Said) {
        let Some(pending) = &mut self.pending else { return };
        match said {
            Said::Status(status) if begins_with(&status.path, pending.query.path()) => {
                if pending.lines.len() < ANSWER_LINES_MAX {
                    pending.lines.push(status);
                } else {
                    pending.damaged = true;
                }
            }
            Said::Tag(tag) => pending.line_tag = Some(tag),
            Said::Unknown => pending.unknown = true,
            Said::Error => {
                pending.unknown = true;
                self.answered(now);
            }
            Said::End => match pending.line_tag.take() {
                Some(tag) if tag == pending.tag.to_string() => self.answered(now),
                // The late answer to an earlier question: nothing of it belongs to this one.
                Some(_) => {
                    pending.lines.clear();
                    pending.unknown = false;
                }
                // Old software does not tag a refusal. An untagged block without one is feedback, which
                // may have cut our answer in two: what came before it is kept.
                None if pending.unknown => self.answered(now),
                None => {}
            },
            // Commands that are not known end without `** end`.
            Said::Ok if pending.unknown && pending.line_tag.is_none() => self.answered(now),
            _ => {}
        }
    }

    fn answered(&mut self, now: Instant) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        self.unanswered = 0;
        let answer = if pending.unknown {
            if let Some(fallback) = pending.query.fallback() {
                self.to_ask.push_front(fallback);
            }
            Err(ProbeError::NotSupported)
        } else if pending.damaged {
            Err(ProbeError::Garbled)
        } else {
            Ok(pending.lines)
        };
        self.answers.insert(pending.query, answer);
        self.ask_next(now);
    }

    fn unanswered(&mut self, now: Instant) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        let why = if pending.damaged {
            ProbeError::Garbled
        } else {
            ProbeError::TimedOut {
                waited_ms: milliseconds(QUERY_WAIT),
            }
        };
        self.answers.insert(pending.query, Err(why.clone()));
        self.unanswered += 1;
        if self.unanswered >= UNANSWERED_MAX {
            self.ended = Some(why);
            self.to_ask.clear();
        }
        self.ask_next(now);
    }

    /// Ends without another word.
    fn give_up(&mut self, why: ProbeError) {
        self.outbox.clear();
        self.to_ask.clear();
        self.pending = None;
        self.ended = Some(why);
        self.phase = Phase::Over;
    }

    fn look_for_prompt(&mut self, now: Instant) {
        // Once the unit has spoken its language, `login:` at the end of a piece is no prompt.
        if self.heard.own || self.phase == Phase::Over {
            return;
        }
        match self.gate.prompted(self.lines.partial()) {
            None => {}
            Some(Step::Refused) => self.give_up(ProbeError::Refused),
            Some(Step::Send(bytes)) => {
                self.lines.forget_partial();
                self.outbox.push_back(bytes);
                // A question that ran into the prompt is asked again behind it.
                if let Some(pending) = self.pending.take() {
                    self.to_ask.push_front(pending.query);
                }
                self.phase = Phase::LoggingIn {
                    until: now + REPLY_WAIT,
                };
            }
        }
    }

    /// Why nothing at all was learnt.
    fn whole_failure(&self) -> ProbeError {
        let ended = self.ended.clone().unwrap_or(ProbeError::Cancelled);
        match ended {
            ProbeError::TimedOut { waited_ms } if !self.heard.bytes => ProbeError::NoAnswer { waited_ms },
            ProbeError::TimedOut { .. } | ProbeError::Closed if self.heard.text && !self.heard.own => {
                ProbeError::Garbled
            }
            ended => ended,
        }
    }
}

impl Conversation for Talk {
    type Reading = Answer<CodecReading>;

    fn receive(&mut self, now: Instant, bytes: &[u8]) {
        if self.phase == Phase::Over || bytes.is_empty() {
            return;
        }
        self.heard.bytes = true;
        if let Phase::Greeting { quiet, .. } = &mut self.phase {
            *quiet = (now + QUIET).max(*quiet).min(self.started + GREETING_MAX);
        }
        for byte in bytes {
            match self.lines.push(*byte) {
                Some(line) => self.take(now, &line),
                // A prompt ends in a colon, perhaps with a blank after it.
                None if matches!(byte, b':') => self.look_for_prompt(now),
                None => {}
            }
        }
    }

    fn transmit(&mut self, _now: Instant) -> Option<Vec<u8>> {
        self.outbox.pop_front()
    }

    fn timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Greeting { quiet, .. } => Some(quiet),
            Phase::LoggingIn { until } | Phase::Settling { until } => Some(until),
            Phase::Asking => self.pending.as_ref().map(|pending| pending.until),
            Phase::Over => None,
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.timeout().is_none_or(|at| at > now) {
            return;
        }
        match self.phase {
            Phase::Greeting { nudged: false, .. } if self.gate.has_login() && !self.heard.bytes => {
                self.outbox.push_back(EMPTY_LINE.as_bytes().to_vec());
                self.phase = Phase::Greeting {
                    quiet: now + QUIET,
                    nudged: true,
                };
            }
            Phase::Greeting { .. } | Phase::LoggingIn { .. } => self.settle(now),
            Phase::Settling { .. } => self.ask_next(now),
            Phase::Asking => self.unanswered(now),
            Phase::Over => {}
        }
    }

    fn finished(&self) -> bool {
        self.phase == Phase::Over && self.outbox.is_empty()
    }

    fn interrupted(&mut self, now: Instant, why: ProbeError) {
        if self.phase == Phase::Over {
            return;
        }
        let why = match why {
            ProbeError::TimedOut { .. } => ProbeError::TimedOut {
                waited_ms: milliseconds(now.saturating_duration_since(self.started)),
            },
            why => why,
        };
        let goodbye = why == ProbeError::Cancelled && self.heard.own;
        self.give_up(why);
        if goodbye {
            self.outbox.push_back(BYE.as_bytes().to_vec());
        }
    }

    fn conclude(self) -> Answer<CodecReading> {
        let answered = |answer: &Answer<Vec<Status>>| matches!(answer, Ok(_) | Err(ProbeError::NotSupported));
        if self.ended == Some(ProbeError::Refused) || !self.answers.values().any(answered) {
            return Err(self.whole_failure());
        }
        let missing = self.ended.unwrap_or(ProbeError::NotSupported);
        Ok(parts::reading(&self.answers, &missing))
    }
}

/// Whether a path begins with these words; their case differs between releases.
fn begins_with(path: &[String], words: &[&str]) -> bool {
    path.len() >= words.len()
        && path
            .iter()
            .zip(words)
            .all(|(have, want)| have.eq_ignore_ascii_case(want))
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
