//! The box's handshake and close as a state machine: bytes and `now` in, bytes out.
//!
//! HELLO until a TOKEN comes, OPEN until a GRANT or a refusal comes, then the test, then CLOSE until a SUMMARY comes. What
//! is not answered is sent again, first after 200 ms, then after twice the time, at most every second. Each half has an
//! absolute deadline. `now_ms` is any clock that never goes back.
//!
//! Whoever drives it owns the socket, has connected it to the reflector (so that nobody else is heard), gives RTP packets
//! to [`super::wire::rtp::parse_reply`] and everything else to [`Client::receive`].

use super::wire::WireError;
use super::wire::control::{Answer, Grant, Reason, Refusal, Request, Summary, Token, Wish};

/// First pause before a request is sent again, ms.
const FIRST_PAUSE_MS: u64 = 200;

/// Longest pause, ms.
const LONGEST_PAUSE_MS: u64 = 1000;

/// Where the handshake stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Asking for the test.
    Asking,
    /// The test may be sent: at most what the grant says.
    Granted(Grant),
    /// The reflector says no.
    Refused(Refusal),
    /// The test is over, its summary is being asked for.
    Closing(Grant),
    /// The summary is there.
    Closed(Grant, Summary),
    /// A deadline has passed. `grant` is there when the test was granted and only its summary is missing.
    Silent {
        /// The test that was granted.
        grant: Option<Grant>,
    },
}

/// The box's side.
#[derive(Debug)]
pub struct Client {
    nonce: u64,
    wish: Wish,
    token: Option<Token>,
    state: State,
    sent: u32,
    due_ms: u64,
    pause_ms: u64,
    deadline_ms: u64,
}

impl Client {
    /// Begins to ask. `nonce` is random and new for each test; asking ends at `deadline_ms`.
    ///
    /// # Errors
    /// [`WireError::Wish`] for a wish without rate or duration, or with packets that hold no stamp.
    pub fn new(wish: Wish, nonce: u64, now_ms: u64, deadline_ms: u64) -> Result<Self, WireError> {
        wish.check()?;
        Ok(Self {
            nonce,
            wish,
            token: None,
            state: State::Asking,
            sent: 0,
            due_ms: now_ms,
            pause_ms: FIRST_PAUSE_MS,
            deadline_ms,
        })
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// When [`Client::transmit`] has to be called next; `None` when there is nothing to wait for.
    #[must_use]
    pub fn due_ms(&self) -> Option<u64> {
        matches!(self.state, State::Asking | State::Closing(_)).then(|| self.due_ms.min(self.deadline_ms))
    }

    /// What is to be sent now, if anything. A deadline that has passed shows here.
    pub fn transmit(&mut self, now_ms: u64) -> Option<Vec<u8>> {
        self.expire(now_ms);
        let request = match self.state {
            State::Asking => match self.token {
                None => Request::Hello {
                    nonce: self.nonce,
                    room: self.wish.room.clone(),
                },
                Some(token) => Request::Open {
                    nonce: self.nonce,
                    token,
                    wish: self.wish.clone(),
                },
            },
            State::Closing(grant) => Request::Close {
                nonce: self.nonce,
                session: grant.session,
                sent: self.sent,
            },
            State::Granted(_) | State::Refused(_) | State::Closed(..) | State::Silent { .. } => return None,
        };
        if now_ms < self.due_ms {
            return None;
        }
        self.due_ms = now_ms.saturating_add(self.pause_ms);
        self.pause_ms = (self.pause_ms * 2).min(LONGEST_PAUSE_MS);
        Some(request.emit())
    }

    /// Takes a datagram of the reflector. What is not an answer to this box's question is not looked at.
    ///
    /// # Errors
    /// [`WireError`] when it is no answer at all; nothing has changed then.
    pub fn receive(&mut self, now_ms: u64, datagram: &[u8]) -> Result<State, WireError> {
        self.expire(now_ms);
        let answer = Answer::parse(datagram)?;
        if answer.nonce() == self.nonce {
            self.hear(now_ms, answer);
        }
        Ok(self.state)
    }

    /// The test is over: asks for the summary until `deadline_ms`. Does nothing unless a test is granted.
    ///
    /// The last packets should have had time to arrive: what comes after the CLOSE is counted by nobody.
    pub fn close(&mut self, now_ms: u64, sent: u32, deadline_ms: u64) {
        if let State::Granted(grant) = self.state {
            self.state = State::Closing(grant);
            self.sent = sent;
            self.deadline_ms = deadline_ms;
            self.at_once(now_ms);
        }
    }

    fn hear(&mut self, now_ms: u64, answer: Answer) {
        match (self.state, answer) {
            (State::Asking, Answer::Token { token, .. }) if self.token.is_none() => {
                self.token = Some(token);
                self.at_once(now_ms);
            }
            (State::Asking, Answer::Grant { grant, .. })
                if self.token.is_some() && grant.kbps > 0 && grant.duration_ms > 0 =>
            {
                // Never more than was wished for, whatever the other side says.
                self.state = State::Granted(Grant {
                    kbps: grant.kbps.min(self.wish.kbps),
                    duration_ms: grant.duration_ms.min(self.wish.duration_ms),
                    ..grant
                });
            }
            // The reflector was started anew, or the answer took a minute: its next token is a good one. The pause goes
            // on growing, so that this cannot run in a fast circle.
            (State::Asking, Answer::Refused { refusal, .. }) if refusal.reason == Reason::BadToken => {
                self.token = None;
            }
            (State::Asking, Answer::Refused { refusal, .. }) => self.state = State::Refused(refusal),
            (State::Closing(grant), Answer::Summary { session, summary, .. }) if session == grant.session => {
                self.state = State::Closed(grant, summary);
            }
            _ => {}
        }
    }

    fn at_once(&mut self, now_ms: u64) {
        self.due_ms = now_ms;
        self.pause_ms = FIRST_PAUSE_MS;
    }

    fn expire(&mut self, now_ms: u64) {
        if now_ms < self.deadline_ms {
            return;
        }
        match self.state {
            State::Asking => self.state = State::Silent { grant: None },
            State::Closing(grant) => self.state = State::Silent { grant: Some(grant) },
            State::Granted(_) | State::Refused(_) | State::Closed(..) | State::Silent { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests;
