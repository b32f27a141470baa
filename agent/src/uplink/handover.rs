//! Keys that hand over, on the line: the next key of this box is tried at the hub before it signs, and a person's word on
//! the command line has the enrolment, or the hub's key, asked for anew.

use std::time::{Duration, Instant};

use bridgepoint_protocol::claims::Receipt;
use bridgepoint_protocol::envelope::Kid;
use bridgepoint_protocol::topic::RoomTopic;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::mqtt::{Put, Session, Tag};
use super::{Driver, Nudge, Standing, Uplink};
use crate::clock;

/// The shortest wait before what is due is looked at again: a client whose queue is full takes a moment.
const SHORTEST: Duration = Duration::from_millis(200);

/// How the box and the hub stand to each other, as `enrol` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Enrolment {
    /// The box's key.
    pub(crate) own: Kid,
    /// The hub's, where it is known.
    pub(crate) hub: Option<Kid>,
    /// How delivery stands.
    pub(crate) standing: Standing,
}

impl Uplink {
    /// Sends the enrolment now instead of at its time; `afresh` when another key of the hub may be taken, so that what it
    /// shows is to be heard again. Returns when that was begun, or there is no connection.
    pub(crate) async fn enrol_anew(&self, afresh: bool) {
        let (begun, told) = oneshot::channel();
        let _ended = self.nudge.send(Nudge::Enrol { afresh, begun });
        let _no_connection = told.await;
    }

    /// Waits until the hub has said something about this box's key, for `patience` at most. Gives how delivery stands.
    pub(crate) async fn settled(&self, patience: Duration) -> Standing {
        let mut standing = self.standing.clone();
        let settled = standing.wait_for(|standing| {
            matches!(
                standing,
                Standing::Online
                    | Standing::StrangeHub { .. }
                    | Standing::Refused { .. }
                    | Standing::TurnedAway { .. }
            )
        });
        // Dropped at once: what `wait_for` gives keeps the uplink from telling anything new.
        drop(tokio::time::timeout(patience, settled).await);
        self.standing.borrow().clone()
    }
}

impl Driver {
    /// Offers the next key's enrolment, when its time has come.
    pub(super) fn offer_trial(&mut self, session: &mut Session, now: Instant) {
        let Some(sealed) = self.station.trial() else {
            return;
        };
        if self.trial.due(now)
            && session.publish(Tag::Enrol, &self.topic(RoomTopic::Enrol), false, sealed.jws) != Put::Busy
        {
            self.trial.sent(now, false);
        }
    }

    /// How long until something may be due.
    pub(super) fn next_due(&self) -> Duration {
        let now = clock::instant();
        let due = self.delivery.next_due(now, self.enrolled());
        match self.station.trial() {
            Some(_) => self
                .trial
                .left(now)
                .map_or(due, |left| due.min(left.max(SHORTEST))),
            None => due,
        }
    }

    /// Takes the hub's receipt for the next key's enrolment: that key signs from now on. False when it is for another.
    pub(super) fn trial_taken(&mut self, receipt: &Receipt) -> bool {
        match self.station.trial_taken(receipt.hash) {
            None => false,
            Some(Ok(())) => {
                // The next one that is sent is the new key's.
                self.enrolment = None;
                self.tell.send_replace(Standing::Online);
                true
            }
            Some(Err(error)) => {
                tracing::error!(%error, "the next key cannot be put in its place; the box keeps the one that it has and tries again");
                true
            }
        }
    }

    /// A person has asked for the enrolment.
    pub(super) fn enrol_anew(&mut self, session: &mut Session, afresh: bool) {
        if afresh {
            self.tell.send_replace(if self.enrolled() {
                Standing::Connecting
            } else {
                Standing::NotApproved
            });
            // The broker shows what it has kept to whoever subscribes again: the hub's key.
            self.subscribe(session);
        }
        self.delivery
            .enrolling()
            .again_after(clock::instant(), Duration::ZERO);
        self.offer(session);
    }
}
