//! What comes down from the broker: the hub's key, receipts, commands, refusals. Nothing of it is believed
//! before its signature was verified with the pinned key.

use std::ops::RangeInclusive;
use std::time::Duration;

use bridgepoint_protocol::claims::{Command, CommandKind, Presence, PresenceState, Receipt};
use bridgepoint_protocol::envelope::{Kind, open};
use bridgepoint_protocol::topic::{HubTopic, RoomTopic, Topic};

use super::mqtt::{Session, Tag};
use super::resend::Covered;
use super::{Driver, Reason, Standing, Why};
use crate::calendar::{PlanError, Taken};
use crate::clock;
use crate::logbook::{self, Logbook};
use crate::pin::Shown;

impl Driver {
    /// A message has come.
    pub(super) fn hear(&mut self, session: &mut Session, topic: &str, payload: &[u8], retained: bool) {
        match topic.parse() {
            Ok(Topic::Hub(_, HubTopic::Key)) => self.hub_key(payload),
            Ok(Topic::Hub(_, HubTopic::State)) => self.hub_state(payload, retained),
            Ok(Topic::Room(_, RoomTopic::Receipt)) => self.receipt(session, payload),
            Ok(Topic::Room(_, RoomTopic::Command)) => self.command(payload),
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
            Shown::Known if self.enrolled() => self.online(),
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
                let now = clock::instant();
                self.delivery.enrolling().again_after(now, Duration::ZERO);
            }
            Shown::HandedOver { former, key } => {
                tracing::warn!(fingerprint = %key.fingerprint(), former = %former.fingerprint(), "the province's key has handed over to its next one, which is trusted from now on");
                let pin = self.station.pin().clone();
                if let Err(error) = pin.save(&self.station.state) {
                    tracing::error!(%error, "the province's next key could not be kept; it is followed again after a restart");
                }
                if self.enrolled() {
                    self.online();
                }
            }
            Shown::Strange(kid) => {
                tracing::error!(fingerprint = %kid.fingerprint(), "the province shows another key than before; compare its fingerprint by telephone, then run \"bridgepoint-agent enrol --accept-hub\"");
                self.tell.send_replace(Standing::StrangeHub { kid });
            }
            Shown::Unreadable => tracing::warn!("what the province shows as its key is none"),
        }
    }

    /// The hub has come back: it may have missed what was sent while it was away. What the broker had kept from before
    /// is no news: what was sent after it was asked for, the hub has heard.
    fn hub_state(&mut self, payload: &[u8], retained: bool) {
        let online = serde_json::from_slice::<Presence>(payload)
            .is_ok_and(|presence| presence.state.or(PresenceState::Lost) == PresenceState::Online);
        if online && !retained {
            self.delivery.connected();
            self.trial.begin();
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
        self.answered = true;
        match receipt.seq {
            None => self.enrolment_taken(session, &receipt),
            Some(seq) => {
                let kept = self.station.receipt(&String::from_utf8_lossy(payload), &receipt);
                match kept {
                    Ok(_) => {
                        self.delivery.receipted(seq);
                        // With a gap entry goes what it declares.
                        let book = self.station.book();
                        self.delivery.only(|seq| book.is_waiting(seq));
                        drop(book);
                        self.online();
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
        if let Some(nonce) = &receipt.nonce {
            self.station.book().challenge(nonce.clone());
        }
        if !self.enrolled() {
            let pin = {
                let mut pin = self.station.pin();
                pin.enrolled = Some(self.station.key().kid().clone());
                pin.clone()
            };
            if let Err(error) = pin.save(&self.station.state) {
                tracing::error!(%error, "the province's approval could not be kept; it is asked for again after a restart");
            }
            tracing::info!("the province has taken this box's key");
            self.delivery.connected();
            self.publish_readiness(session);
        }
        self.delivery.enrolling().taken();
        self.online();
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

    fn command(&mut self, payload: &[u8]) {
        let Some(command) = self.signed_by_hub::<Command>(payload, Kind::Command) else {
            return;
        };
        let address = &self.station.settings.address;
        if command.org != address.org || command.room != address.room {
            tracing::warn!("a command for another room came here; ignored");
            return;
        }
        if let Err(why) = self.obeyed.take(&command.id, command.exp_ms, clock::wall_ms()) {
            tracing::warn!(id = format_args!("{:.64}", command.id), %why, "a command of the province is not obeyed");
            return;
        }
        match command.kind.or(CommandKind::LineSlot) {
            CommandKind::Resend => {
                let (from, to) = (command.from.unwrap_or(1), command.to.unwrap_or(u64::MAX));
                let missed = missed(&self.station.book(), from, to);
                if !self.resend.ask(missed) {
                    tracing::warn!(
                        from,
                        to,
                        "the province asks for more than can wait; it has to ask again"
                    );
                }
            }
            CommandKind::Check | CommandKind::LineSlot => {
                tracing::info!(id = %command.id, "the province asks for something that this version does not do");
            }
        }
    }

    /// What of a range that the hub asked for cannot be read back is declared missing. A new declaration goes with the
    /// outbox; one that stood there before is sent again.
    pub(super) fn declare_gaps(&mut self, read: &Covered) {
        let (from, to) = (*read.range.start(), *read.range.end());
        for (first, last) in logbook::absent(from.max(1), to, read.there.clone()) {
            match self.station.declare_missing(first, last) {
                Ok(Some(gap)) if !self.station.book().is_waiting(gap) => {
                    let _asked = self.resend.ask(gap..=gap);
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, first, last, "entries that cannot be read could not be declared missing");
                    break;
                }
            }
        }
    }

    /// The broker refuses a message. One entry holds nothing up.
    pub(super) fn refused(&mut self, tag: Tag, reason: Reason) {
        match tag {
            Tag::Entry(seq) => return self.set_aside(seq, Why::Broker(reason.0)),
            Tag::Again(_) => self.resend.answered(),
            Tag::Enrol | Tag::Status => {}
        }
        // Before the hub has opened the room's topics everything but the enrolment is refused: no news.
        if !self.enrolled() && tag != Tag::Enrol {
            return;
        }
        tracing::error!(what = ?tag, %reason, "the broker refuses what this box sends");
        self.tell.send_replace(Standing::Refused {
            why: Why::Broker(reason.0),
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

/// What of a range that the hub asks for is to be read. What waits in the outbox comes by itself: the hub often asks while
/// it is on its way. What is written from now on is not read with it, and must not seem to be missing then.
fn missed(book: &Logbook, from: u64, to: u64) -> RangeInclusive<u64> {
    let newest = book.head().map_or(0, |(seq, _)| seq);
    let (mut first, mut last) = (from, to.min(newest));
    while first <= last && book.is_waiting(first) {
        first += 1;
    }
    while first < last && book.is_waiting(last) {
        last -= 1;
    }
    first..=last
}

#[cfg(test)]
mod tests {
    use bridgepoint_hw::media::Program;
    use bridgepoint_protocol::WIRE_VERSION;

    use super::*;
    use crate::state::StateDir;
    use crate::station::Station;

    #[test]
    fn what_is_asked_for_ends_where_the_logbook_ended_when_it_was_asked() {
        let dir = tempfile::tempdir().unwrap();
        let settings = crate::config::parse(
            "room.toml",
            "[room]\nid = \"bai-chay\"\norg = \"quang-ninh\"\nname = \"x\"\n",
        )
        .unwrap();
        let media = Program {
            path: "/nowhere".into(),
            args: vec![],
            env: vec![],
        };
        let station = Station::open(settings, StateDir::new(dir.path().to_owned()), media).unwrap();
        assert!(
            missed(&station.book(), 1, u64::MAX).is_empty(),
            "nothing was ever written"
        );
        for _ in 0..4 {
            let (seq, sealed) = station.note("test", "ok", [].into()).unwrap();
            let receipt = Receipt {
                v: WIRE_VERSION,
                org: station.settings.address.org.clone(),
                room: station.settings.address.room.clone(),
                iat: 0,
                seq: Some(seq),
                hash: sealed.hash,
                received_ms: 0,
                nonce: None,
            };
            assert!(station.receipt("a receipt", &receipt).unwrap());
        }
        assert_eq!(missed(&station.book(), 1, u64::MAX), 1..=4);
        assert_eq!(missed(&station.book(), 2, 9), 2..=4);
        station.note("test", "ok", [].into()).unwrap();
        assert_eq!(
            missed(&station.book(), 1, u64::MAX),
            1..=4,
            "the newest one waits and comes by itself"
        );
    }
}
