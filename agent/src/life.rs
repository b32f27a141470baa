//! Signs of life: each part of the daemon answers when it is asked, and the service manager is told that all is well
//! only when all of them have answered. One that hangs stops the feeding, and the service manager starts anew.
//!
//! Asked, not told unasked: a box at rest wakes for it twice in a watchdog's time and no oftener. [`Watchdog`] is the
//! pure part; a [`Pulse`] is what a part of the daemon holds.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

/// A part of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Follows the meeting's clock.
    Clock,
    /// Answers the command line.
    Socket,
    /// The technician's page.
    Page,
    /// Delivers to the province.
    Uplink,
}

/// Who has answered, and when to ask again.
#[derive(Debug)]
pub(crate) struct Watchdog {
    parts: Vec<Part>,
    period: Duration,
    question: u64,
    asked_at: Option<Instant>,
    silent: Vec<Part>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing yet.
    Wait,
    /// Ask everybody this question.
    Ask(u64),
    /// These have not answered for a whole period; nobody is asked before they do.
    Silent(Vec<Part>),
}

impl Watchdog {
    /// Over `parts`, that are asked once a `period`.
    pub(crate) fn new(parts: &[Part], period: Duration) -> Self {
        Self {
            parts: parts.to_vec(),
            period,
            question: 0,
            asked_at: None,
            silent: vec![],
        }
    }

    /// How long there is nothing to do.
    pub(crate) fn rest(&self, now: Instant) -> Duration {
        self.asked_at.map_or(Duration::ZERO, |asked| {
            self.period.saturating_sub(now.saturating_duration_since(asked))
        })
    }

    /// The rest is over.
    pub(crate) fn wake(&mut self, now: Instant) -> Step {
        if self.rest(now) > Duration::ZERO {
            return Step::Wait;
        }
        self.asked_at = Some(now);
        if !self.silent.is_empty() {
            return Step::Silent(self.silent.clone());
        }
        self.question += 1;
        self.silent.clone_from(&self.parts);
        Step::Ask(self.question)
    }

    /// A part has answered a question. True when it was the last: all of them live.
    pub(crate) fn heard(&mut self, part: Part, question: u64) -> bool {
        if question != self.question || self.silent.is_empty() {
            return false;
        }
        self.silent.retain(|silent| *silent != part);
        self.silent.is_empty()
    }
}

/// What a part of the daemon answers with.
#[derive(Debug)]
pub(crate) struct Pulse {
    part: Part,
    asked: watch::Receiver<u64>,
    answers: mpsc::UnboundedSender<(Part, u64)>,
}

/// The asking end.
#[derive(Debug)]
pub(crate) struct Asker {
    questions: watch::Sender<u64>,
    answers: mpsc::UnboundedReceiver<(Part, u64)>,
    answer: mpsc::UnboundedSender<(Part, u64)>,
}

impl Asker {
    /// Nobody is asked yet.
    pub(crate) fn new() -> Self {
        let (answer, answers) = mpsc::unbounded_channel();
        Self {
            questions: watch::channel(0).0,
            answers,
            answer,
        }
    }

    /// A part's pulse.
    pub(crate) fn pulse(&self, part: Part) -> Pulse {
        Pulse {
            part,
            asked: self.questions.subscribe(),
            answers: self.answer.clone(),
        }
    }

    /// Asks all who hold a pulse, and calls `all_well` each time when all `parts` have answered; never ends.
    pub(crate) async fn keep_asking(
        mut self,
        parts: &[Part],
        period: Duration,
        now: fn() -> Instant,
        all_well: impl Fn(),
    ) {
        let mut watchdog = Watchdog::new(parts, period);
        loop {
            tokio::select! {
                () = tokio::time::sleep(watchdog.rest(now())) => match watchdog.wake(now()) {
                    Step::Ask(question) => {
                        self.questions.send_replace(question);
                    }
                    Step::Silent(parts) => {
                        tracing::error!(?parts, "a part of this program does not answer; the service manager is not told that all is well");
                    }
                    Step::Wait => {}
                },
                Some((part, question)) = self.answers.recv() => {
                    if watchdog.heard(part, question) {
                        all_well();
                    }
                }
            }
        }
    }
}

impl Pulse {
    /// Waits until it is asked, and answers. For a branch of the part's own loop: where that loop hangs, nothing
    /// answers. Nothing is lost when the wait is dropped.
    pub(crate) async fn beat(&mut self) {
        if self.asked.changed().await.is_err() {
            // Nobody will ask any more.
            return std::future::pending().await;
        }
        let question = *self.asked.borrow_and_update();
        let _asker_gone = self.answers.send((self.part, question));
    }

    /// One that is never asked.
    #[cfg(test)]
    pub(crate) fn unasked(part: Part) -> Self {
        Asker::new().pulse(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const PERIOD: Duration = Duration::from_secs(60);
    const ALL: [Part; 3] = [Part::Clock, Part::Socket, Part::Page];

    #[test]
    fn all_that_answer_are_well_once_a_period() {
        let mut now = clock::instant();
        let mut watchdog = Watchdog::new(&ALL, PERIOD);
        for question in 1..4 {
            assert_eq!(watchdog.rest(now), Duration::ZERO);
            assert_eq!(watchdog.wake(now), Step::Ask(question));
            assert_eq!(watchdog.rest(now), PERIOD);
            assert!(!watchdog.heard(Part::Page, question));
            assert!(
                !watchdog.heard(Part::Page, question),
                "one part does not answer for two"
            );
            assert!(!watchdog.heard(Part::Clock, question));
            assert!(watchdog.heard(Part::Socket, question));
            assert!(!watchdog.heard(Part::Socket, question), "fed once");
            assert_eq!(watchdog.wake(now + PERIOD / 2), Step::Wait);
            now += PERIOD;
        }
    }

    #[test]
    fn one_that_is_silent_stops_the_feeding_until_it_answers() {
        let mut now = clock::instant();
        let mut watchdog = Watchdog::new(&ALL, PERIOD);
        assert_eq!(watchdog.wake(now), Step::Ask(1));
        assert!(!watchdog.heard(Part::Clock, 1));
        assert!(!watchdog.heard(Part::Page, 1));
        for _ in 0..5 {
            now += PERIOD;
            assert_eq!(watchdog.wake(now), Step::Silent(vec![Part::Socket]));
            assert!(
                !watchdog.heard(Part::Clock, 1),
                "the others cannot stand in for it"
            );
            assert!(!watchdog.heard(Part::Page, 1));
        }
        assert!(watchdog.heard(Part::Socket, 1), "late is not dead");
        now += PERIOD;
        assert_eq!(watchdog.wake(now), Step::Ask(2));
        assert!(!watchdog.heard(Part::Socket, 1), "an old answer is none");
    }

    #[tokio::test]
    async fn a_pulse_answers_when_it_is_asked_and_a_dropped_wait_loses_nothing() {
        let mut asker = Asker::new();
        let mut pulse = asker.pulse(Part::Uplink);
        let unasked = tokio::select! {
            biased;
            () = pulse.beat() => false,
            () = std::future::ready(()) => true,
        };
        assert!(unasked);
        asker.questions.send_replace(7);
        pulse.beat().await;
        assert_eq!(asker.answers.recv().await, Some((Part::Uplink, 7)));
    }

    #[tokio::test]
    async fn whoever_hangs_is_waited_for() {
        let asker = Asker::new();
        let (mut well, mut hung) = (asker.pulse(Part::Clock), asker.pulse(Part::Page));
        let (fed, mut feeding) = mpsc::unbounded_channel();
        let asking = tokio::spawn(async move {
            let parts = [Part::Clock, Part::Page];
            asker
                .keep_asking(&parts, Duration::from_millis(1), clock::instant, || {
                    let _end = fed.send(());
                })
                .await;
        });
        well.beat().await;
        assert!(feeding.try_recv().is_err(), "one of two is not all");
        hung.beat().await;
        assert_eq!(feeding.recv().await, Some(()));
        asking.abort();
    }
}
