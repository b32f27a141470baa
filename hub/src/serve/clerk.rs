//! The desk's thread: takes letters in groups, hands out what the desk answers.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bridgepoint_protocol::name::{Name, RoomAddress};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};

use crate::board::Board;
use crate::desk::{Answer, Desk, Input, Letter, Publish};
use crate::say::{Trouble, both};
use crate::store::{Store, StoreError};

/// Letters that are kept in one commit.
const GROUP: usize = 64;

/// Where the desk's messages go, by organisation.
pub(super) type Outboxes = HashMap<Name, mpsc::Sender<Publish>>;

/// Starts the thread. It ends when nobody can hand in letters any more; the receiver then hears it.
pub(super) fn open<S: Store + Send + 'static>(
    desk: Desk<S>,
    inbox: mpsc::Receiver<Input>,
    outboxes: Outboxes,
    access: watch::Sender<BTreeSet<RoomAddress>>,
    board: Arc<Board>,
) -> Result<oneshot::Receiver<()>, Trouble> {
    let (ended, has_ended) = oneshot::channel::<()>();
    let clerk = Clerk {
        desk,
        outboxes,
        access,
        board,
    };
    std::thread::Builder::new()
        .name("desk".into())
        .spawn(move || {
            // Dropped when the thread ends, however it ends.
            let _ended = ended;
            clerk.attend(inbox);
        })
        .map_err(|e| {
            Trouble::internal(both(
                format!("Không khởi động được: {e}."),
                format!("The desk cannot be started: {e}."),
            ))
        })?;
    Ok(has_ended)
}

struct Clerk<S> {
    desk: Desk<S>,
    outboxes: Outboxes,
    access: watch::Sender<BTreeSet<RoomAddress>>,
    board: Arc<Board>,
}

impl<S: Store> Clerk<S> {
    fn attend(mut self, mut inbox: mpsc::Receiver<Input>) {
        let mut group = Vec::new();
        while let Some(first) = inbox.blocking_recv() {
            let mut next = Some(first);
            let mut tick = None;
            // What has come meanwhile shares the commit.
            while let Some(input) = next.take() {
                match input {
                    Input::Letter(letter) => group.push(letter),
                    Input::Tick(now_ms) => tick = Some(now_ms),
                }
                if group.len() < GROUP {
                    next = inbox.try_recv().ok();
                }
            }
            self.take(&group);
            group.clear();
            if let Some(now_ms) = tick {
                let done = self.desk.tick(now_ms);
                self.hand_out(done, false);
            }
        }
    }

    fn take(&mut self, group: &[Letter]) {
        let Some(last) = group.last() else { return };
        let done = self.desk.take(group, last.received_ms);
        // One letter that cannot be kept is not to take others with it.
        if done.is_err() && group.len() > 1 {
            for letter in group {
                let done = self.desk.take(std::slice::from_ref(letter), letter.received_ms);
                self.hand_out(done, true);
            }
        } else {
            self.hand_out(done, true);
        }
    }

    /// `written` is true when the database has taken something, which shows that it works.
    fn hand_out(&mut self, done: Result<Answer, StoreError>, written: bool) {
        let answer = match done {
            Ok(answer) => answer,
            Err(e) => return self.store_fails(&e),
        };
        if written && self.board.health().store.is_some() {
            tracing::info!("the database works again");
            self.board.note(|health| health.store = None);
        }
        if let Some(rooms) = answer.access {
            let _ = self.access.send(rooms);
        }
        for message in answer.publish {
            let Some(outbox) = self.outboxes.get(&message.org) else {
                continue;
            };
            // A full outbox means that the broker does not take anything: the room asks again, and a plan is told
            // again.
            if let Err(TrySendError::Full(message) | TrySendError::Closed(message)) = outbox.try_send(message)
            {
                tracing::warn!(
                    topic = message.topic,
                    "a message to a room is dropped: the broker takes nothing"
                );
                self.desk.not_sent(&message);
            }
        }
        if let Some(e) = answer.trouble {
            self.store_fails(&e);
        }
    }

    fn store_fails(&self, e: &StoreError) {
        let said = e.said();
        if self.board.health().store.as_ref() != Some(&said) {
            tracing::error!(error = %e, "{said}");
            self.board.note(|health| health.store = Some(said));
        }
    }
}
