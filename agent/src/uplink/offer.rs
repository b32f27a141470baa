//! What is offered to the hub, and in which order: the enrolment until it is taken on this connection, then the outbox, behind
//! it what the hub asked for again. What is not taken is set aside and holds nothing up.

use bridgepoint_protocol::envelope::{Kind, Sealed, seal};
use bridgepoint_protocol::text::Lang;
use bridgepoint_protocol::topic::RoomTopic;

use super::mqtt::{Put, Session, Tag};
use super::{Driver, Why, reason};
use crate::clock;
use crate::station::Station;

impl Driver {
    /// Offers what is due: the enrolment until it is taken on this connection; then, if the hub has ever taken it, the
    /// outbox; and behind it what the hub asked for again.
    pub(super) fn offer(&mut self, session: &mut Session) {
        let now = clock::instant();
        let enrolled = self.enrolled();
        if self.delivery.enrolling().due(now) {
            self.offer_enrolment(session, enrolled);
        }
        if !enrolled {
            return;
        }
        self.offer_trial(session, now);
        let due = {
            let book = self.station.book();
            self.delivery
                .due(book.live(), book.outbox(), |seq| book.is_waiting(seq), now)
        };
        for seq in due {
            let read = self.station.book().outgoing(seq);
            let outgoing = match read {
                Ok(Some(outgoing)) => outgoing,
                Ok(None) => continue,
                Err(error) => {
                    tracing::error!(%error, "an entry cannot be read back");
                    self.set_aside(seq, Why::Unreadable);
                    // What cannot be read just now is not missing.
                    if error.is_damage()
                        && let Err(error) = self.station.declare_missing(seq, seq)
                    {
                        tracing::error!(%error, seq, "it could not be declared missing");
                    }
                    continue;
                }
            };
            let topic = self.topic(topic_of(outgoing.kind));
            match session.publish(Tag::Entry(seq), &topic, false, outgoing.jws) {
                Put::Done => self.delivery.sent(seq, now),
                Put::Busy => return,
                Put::TooLarge => self.set_aside(seq, Why::Broker(reason::TOO_LARGE)),
            }
        }
        while let Some((seq, kind, jws)) = self.resend.next() {
            let (seq, topic) = (*seq, self.topic(topic_of(*kind)));
            if self.station.book().is_waiting(seq) {
                self.resend.skip();
                continue;
            }
            match session.publish(Tag::Again(seq), &topic, false, jws.clone()) {
                Put::Done => self.resend.sent(),
                Put::Busy => break,
                Put::TooLarge => self.resend.skip(),
            }
        }
        let station = &self.station;
        self.resend
            .read_on(|| (station.logbook_dir(), station.book().own()));
    }

    fn offer_enrolment(&mut self, session: &mut Session, enrolled: bool) {
        if !self.subscribed {
            self.subscribe(session);
        }
        let sealed = match self.enrolment() {
            Ok(sealed) => sealed,
            Err(why) => {
                tracing::error!(%why, "the enrolment cannot be made");
                return;
            }
        };
        let put = session.publish(Tag::Enrol, &self.topic(RoomTopic::Enrol), false, sealed.jws);
        if put == Put::TooLarge {
            tracing::error!("the broker does not take messages of the size of an enrolment");
        }
        if put != Put::Busy {
            self.delivery.enrolling().sent(clock::instant(), enrolled);
        }
    }

    /// Sets an entry aside and tells it.
    pub(super) fn set_aside(&mut self, seq: u64, why: Why) {
        self.delivery.refused(seq, why, clock::instant());
        tracing::error!(
            entry = seq,
            why = why.said(Lang::En),
            "an entry is not taken; it stays in the logbook and is tried again later, the others go on"
        );
        self.tell.send_replace(self.standing());
    }

    fn enrolment(&mut self) -> Result<Sealed, String> {
        if let Some(sealed) = &self.enrolment {
            return Ok(sealed.clone());
        }
        let sealed = enrolment(&self.station)?;
        self.enrolment = Some(sealed.clone());
        Ok(sealed)
    }
}

/// The topic of an entry.
fn topic_of(kind: Kind) -> RoomTopic {
    if kind == Kind::Report {
        RoomTopic::Report
    } else {
        RoomTopic::Event
    }
}

/// A box's request to be trusted, signed with the key that it asks for.
fn enrolment(station: &Station) -> Result<Sealed, String> {
    seal(&station.key(), Kind::Enrol, &station.enrol_claims()).map_err(|e| e.to_string())
}
