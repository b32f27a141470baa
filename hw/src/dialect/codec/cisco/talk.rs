//! The conversation: greeting, login, echo off, one question after the other, bye.
//!
//! A question that is not answered in [`QUERY_WAIT`] costs its own part of the reading; after
//! [`UNANSWERED_MAX`] in a row the unit is given up, so that a wedged one is not waited for seventeen
//! times. What was learnt by then stays learnt.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::super::super::Conversation;
use super::super::super::lines::{Line, Lines};
use super::block::Block;
use super::line::{LINE_CAP_BYTES, Said, Status, read};
use super::login::{Gate, Step, is_prompt};
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
/// A prompt is answered when nothing has followed it for so long: it may be older than what was sent last.
const PROMPT_QUIET: Duration = Duration::from_millis(200);

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
    /// The question that waits for its answer, and until when.
    pending: Option<(Block, Instant)>,
    /// A prompt stands in the line that has begun; it is answered then.
    prompt: Option<Instant>,
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
            prompt: None,
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
            Said::Text | Said::Torn => self.heard.text = true,
            Said::Blank | Said::Echo => {}
            _ => self.heard.own = true,
        }
        match self.phase {
            Phase::Greeting { .. } | Phase::LoggingIn { .. } if said == Said::Ok => self.settle(now),
            Phase::Settling { .. } if said == Said::Ok => self.ask_next(now),
            Phase::Asking => {
                if let Some((block, _)) = &mut self.pending
                    && let Some(answer) = block.take(said)
                {
                    self.answered(now, answer);
                }
            }
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
        self.pending = Some((Block::new(query, tag), now + QUERY_WAIT));
    }

    fn answered(&mut self, now: Instant, answer: Answer<Vec<Status>>) {
        let Some((block, _)) = self.pending.take() else {
            return;
        };
        self.unanswered = 0;
        if answer == Err(ProbeError::NotSupported)
            && let Some(fallback) = block.query().fallback()
        {
            self.to_ask.push_front(fallback);
        }
        self.answers.insert(block.query(), answer);
        self.ask_next(now);
    }

    fn unanswered(&mut self, now: Instant) {
        let Some((block, _)) = self.pending.take() else {
            return;
        };
        let why = |waited| {
            if block.is_noisy() {
                ProbeError::Garbled
            } else {
                ProbeError::TimedOut {
                    waited_ms: milliseconds(waited),
                }
            }
        };
        self.answers.insert(block.query(), Err(why(QUERY_WAIT)));
        self.unanswered += 1;
        // Where nothing was ever heard, one silence is as good as three.
        if self.unanswered >= UNANSWERED_MAX || !self.heard.bytes {
            self.ended = Some(why(now.saturating_duration_since(self.started)));
            self.to_ask.clear();
        }
        self.ask_next(now);
    }

    /// Ends without another word.
    fn give_up(&mut self, why: ProbeError) {
        self.outbox.clear();
        self.to_ask.clear();
        self.pending = None;
        self.prompt = None;
        self.ended = Some(why);
        self.phase = Phase::Over;
    }

    /// Notes whether a prompt waits at the end of what has come.
    fn look_for_prompt(&mut self, now: Instant) {
        // Once the unit has spoken its language, `login:` at the end of a piece is no prompt.
        let waits = !self.heard.own && self.phase != Phase::Over && is_prompt(self.lines.partial());
        self.prompt = waits.then(|| now + PROMPT_QUIET);
    }

    fn answer_prompt(&mut self, now: Instant) {
        self.prompt = None;
        match self.gate.prompted(self.lines.partial()) {
            None => {}
            Some(Step::Refused) => self.give_up(ProbeError::Refused),
            Some(Step::Send(bytes)) => {
                self.lines.forget_partial();
                self.outbox.push_back(bytes);
                // A question that ran into the prompt is asked again behind it.
                if let Some((block, _)) = self.pending.take() {
                    self.to_ask.push_front(block.query());
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
            if let Some(line) = self.lines.push(*byte) {
                self.take(now, &line);
            }
        }
        self.look_for_prompt(now);
    }

    fn transmit(&mut self, _now: Instant) -> Option<Vec<u8>> {
        self.outbox.pop_front()
    }

    fn timeout(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Greeting { quiet, .. } => Some(quiet),
            Phase::LoggingIn { until } | Phase::Settling { until } => Some(until),
            Phase::Asking => self.pending.as_ref().map(|(_, until)| *until),
            Phase::Over => None,
        };
        // A prompt that waits comes first: what else is due is done behind it.
        self.prompt.or(phase)
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.timeout().is_none_or(|at| at > now) {
            return;
        }
        if self.prompt.is_some() {
            return self.answer_prompt(now);
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
            // Who is to log in and has heard nothing of the unit's own may stand at a prompt that cannot be seen:
            // there a question would be somebody's name.
            Phase::Settling { .. } if self.gate.has_login() && !self.heard.own => {
                let waited_ms = milliseconds(now.saturating_duration_since(self.started));
                self.give_up(ProbeError::TimedOut { waited_ms });
            }
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

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
