//! What comes down from the broker: the hub's key, receipts, commands, refusals. Nothing of it is believed
//! before its signature was verified with the pinned key.

use std::time::Duration;

use bridgepoint_protocol::claims::{Command, CommandKind, Presence, PresenceState, Receipt};
use bridgepoint_protocol::envelope::{Kind, open};
use bridgepoint_protocol::topic::{HubTopic, RoomTopic, Topic};

use super::mqtt::{Session, Tag};
use super::{Driver, Standing};
use crate::calendar::{PlanError, Taken};
use crate::clock;
use crate::logbook;
use crate::pin::Shown;

impl Driver {
    /// A message has come.
    pub(super) fn hear(&mut self, session: &mut Session, topic: &str, payload: &[u8]) {
        match topic.parse() {
            Ok(Topic::Hub(_, HubTopic::Key)) => self.hub_key(payload),
            Ok(Topic::Hub(_, HubTopic::State)) => self.hub_state(payload),
            Ok(Topic::Room(_, RoomTopic::Receipt)) => self.receipt(session, payload),
            Ok(Topic::Room(_, RoomTopic::Command)) => self.command(session, payload),
            Ok(Topic::Room(_, RoomTopic::Plan)) => self.plan(session, payload),
            _ => {}
        }
    }

    fn hub_key(&mut self, payload: &[u8]) {
        if payload.is_empty() {
            return;
        }
        let shown = self.station.pin().shown(payload, self.configured_key.as_deref());
        match shown {
            Shown::Known if self.enrolled() => {
                self.tell.send_replace(Standing::Online);
            }
            Shown::Known => {}
            Shown::Pinned => {
                let pin = self.station.pin().clone();
                if let Some(key) = pin.verifying() {
                    tracing::warn!(fingerprint = %key.kid().fingerprint(), "the province's key was seen for the first time and is trusted from now on");
                }
                if let Err(error) = pin.save(&self.station.state) {
                    tracing::error!(%error, "the province's key could not be kept");
                }
                // A plan that another key had signed is void.
                self.station.plan_changed();
                self.delivery.enrol_again_after(clock::instant(), Duration::ZERO);
            }
            Shown::HandedOver { former, key } => {
                tracing::warn!(fingerprint = %key.fingerprint(), former = %former.fingerprint(), "the province's key has handed over to its next one, which is trusted from now on");
                let pin = self.station.pin().clone();
                if let Err(error) = pin.save(&self.station.state) {
                    tracing::error!(%error, "the province's next key could not be kept; it is followed again after a restart");
                }
                if self.enrolled() {
                    self.tell.send_replace(Standing::Online);
                }
            }
            Shown::Strange(kid) => {
                tracing::error!(fingerprint = %kid.fingerprint(), "the province shows another key than before; compare its fingerprint by telephone, then run \"bridgepoint-agent enrol --accept-hub\"");
                self.tell.send_replace(Standing::StrangeHub { kid });
            }
            Shown::Unreadable => tracing::warn!("what the province shows as its key is none"),
        }
    }

    /// The hub has come back: it may have missed what was sent while it was away.
    fn hub_state(&mut self, payload: &[u8]) {
        let online = serde_json::from_slice::<Presence>(payload)
            .is_ok_and(|presence| presence.state.or(PresenceState::Lost) == PresenceState::Online);
        if online {
            self.delivery.connected();
            self.trial.connected();
        }
    }

    fn receipt(&mut self, session: &mut Session, payload: &[u8]) {
        let Some(receipt) = self.signed_by_hub::<Receipt>(payload, Kind::Receipt) else {
            return;
        };
        if receipt.org != self.station.settings.address.org
            || receipt.room != self.station.settings.address.room
        {
            tracing::warn!("a receipt for another room came here; ignored");
            return;
        }
        match receipt.seq {
            None => self.enrolment_taken(session, &receipt),
            Some(seq) => {
                let kept = self.station.receipt(&String::from_utf8_lossy(payload), &receipt);
                match kept {
                    Ok(_) => {
                        self.delivery.receipted(seq);
                        self.tell.send_replace(Standing::Online);
                    }
                    // The entry stays in the outbox and is receipted again.
                    Err(error) => tracing::error!(%error, "a receipt could not be kept"),
                }
            }
        }
    }

    fn enrolment_taken(&mut self, session: &mut Session, receipt: &Receipt) {
        if self.trial_taken(receipt) {
            return;
        }
        if self
            .enrolment
            .as_ref()
            .is_none_or(|sealed| sealed.hash != receipt.hash)
        {
            return;
        }
        let pin = {
            let mut pin = self.station.pin();
            pin.enrolled = Some(self.station.key().kid().clone());
            pin.clone()
        };
        if let Err(error) = pin.save(&self.station.state) {
            tracing::error!(%error, "the province's approval could not be kept; it is asked for again after a restart");
        }
        if let Some(nonce) = &receipt.nonce {
            self.station.book().challenge(nonce.clone());
        }
        tracing::info!("the province has taken this box's key");
        self.delivery.connected();
        self.tell.send_replace(Standing::Online);
        self.publish_readiness(session);
    }

    /// The plan of meetings. An empty message is the broker's word that there is none any more, not the province's.
    fn plan(&mut self, session: &mut Session, payload: &[u8]) {
        if payload.is_empty() {
            return;
        }
        match self.station.take_plan(payload) {
            Ok(Taken::New) => {
                tracing::info!("the province has sent a new plan of meetings");
                // Until when the last result stands depends on it.
                self.publish_readiness(session);
            }
            Ok(Taken::Known) => {}
            Ok(Taken::Older(rev)) => {
                tracing::warn!(rev, "an older plan of meetings came and is refused");
            }
            Err(error @ PlanError::Io(..)) => {
                tracing::error!(%error, "a plan of meetings cannot be kept");
                self.publish_readiness(session);
            }
            Err(error) => tracing::warn!(%error, "a plan of meetings was ignored"),
        }
    }

    fn command(&mut self, session: &mut Session, payload: &[u8]) {
        let Some(command) = self.signed_by_hub::<Command>(payload, Kind::Command) else {
            return;
        };
        if command.exp_ms < clock::wall_ms() {
            tracing::warn!(id = %command.id, "a command of the province came too late; ignored");
            return;
        }
        match command.kind.or(CommandKind::LineSlot) {
            CommandKind::Resend => {
                let (from, to) = (command.from.unwrap_or(1), command.to.unwrap_or(u64::MAX));
                self.resend(session, from, to);
            }
            CommandKind::Check | CommandKind::LineSlot => {
                tracing::info!(id = %command.id, "the province asks for something that this version does not do");
            }
        }
    }

    /// Entries that the hub is missing, as many as go at once; it asks again for the rest.
    fn resend(&mut self, session: &mut Session, from: u64, to: u64) {
        let entries = match logbook::texts(&self.station.logbook_dir(), from, to) {
            Ok(entries) => entries,
            Err(error) => {
                tracing::error!(%error, "the entries that the province misses cannot be read");
                return;
            }
        };
        let entries = self.with_gaps(entries, from, to);
        for (seq, kind, jws) in entries {
            let topic = if kind == Kind::Report {
                RoomTopic::Report
            } else {
                RoomTopic::Event
            };
            if !session.publish(Tag::Entry(seq), &self.topic(topic), false, jws) {
                return;
            }
        }
    }

    /// Entries that cannot be read back are declared missing; what already declares them is sent with the others.
    fn with_gaps(
        &self,
        mut entries: Vec<(u64, Kind, String)>,
        from: u64,
        to: u64,
    ) -> Vec<(u64, Kind, String)> {
        let there = entries.iter().map(|(seq, ..)| *seq);
        let head = self.station.book().head().map_or(0, |(seq, _)| seq);
        for (first, last) in logbook::absent(from.max(1), to.min(head), there.collect::<Vec<_>>()) {
            match self.station.declare_missing(first, last) {
                Ok(Some(gap)) if entries.iter().all(|(seq, ..)| *seq != gap) => {
                    let gap = logbook::texts(&self.station.logbook_dir(), gap, gap);
                    entries.extend(gap.unwrap_or_default());
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, first, last, "entries that cannot be read could not be declared missing");
                    break;
                }
            }
        }
        entries
    }

    pub(super) fn refused(&mut self, tag: Tag, reason: &str) {
        // Before the hub has opened the room's topics everything but the enrolment is refused: no news.
        if !self.enrolled() && tag != Tag::Enrol {
            return;
        }
        tracing::error!(what = ?tag, reason, "the broker refuses what this box sends");
        self.tell.send_replace(Standing::Refused {
            reason: reason.to_owned(),
        });
    }

    /// Opens what the hub has signed; anything else is told and ignored.
    fn signed_by_hub<T: serde::de::DeserializeOwned>(&self, payload: &[u8], kind: Kind) -> Option<T> {
        let hub = self.station.pin().verifying();
        let opened =
            open(payload, &[kind], |kid| hub.filter(|key| key.kid() == *kid)).and_then(|o| o.claims());
        opened
            .map_err(|why| tracing::warn!(%why, "a message that the province did not sign was ignored"))
            .ok()
    }
}
