//! What the page reads: how every room stands now, and how the hub itself does. Written by the desk and the uplinks,
//! read by many; no lock is held while anything waits.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use bridgepoint_protocol::name::{Name, RoomAddress};
use tokio::sync::broadcast;

use crate::agenda::Agenda;
use crate::fleet::Standing;
use crate::say::Sentence;

/// Changes that a slow reader may be behind; one that is more behind is told to read everything again.
const CHANGES: usize = 1024;

/// The board.
#[derive(Debug)]
pub struct Board {
    rooms: RwLock<BTreeMap<RoomAddress, Arc<Standing>>>,
    health: RwLock<Health>,
    agenda: RwLock<Arc<Agenda>>,
    changes: broadcast::Sender<Change>,
}

/// What has changed on the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A room.
    Room(RoomAddress),
    /// The meetings, and with them any room.
    Meetings,
}

/// How the hub itself does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether the connection to the broker stands, by organisation.
    pub broker: BTreeMap<Name, bool>,
    /// How often that connection was made; a broker that was away may have forgotten what it kept.
    pub joined: BTreeMap<Name, u64>,
    /// What is wrong with the store, if anything is.
    pub store: Option<Sentence>,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            rooms: RwLock::default(),
            health: RwLock::default(),
            agenda: RwLock::default(),
            changes: broadcast::channel(CHANGES).0,
        }
    }
}

impl Board {
    /// All rooms.
    #[must_use]
    pub fn rooms(&self) -> Vec<Arc<Standing>> {
        self.rooms
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    /// One room.
    #[must_use]
    pub fn room(&self, at: &RoomAddress) -> Option<Arc<Standing>> {
        self.rooms
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(at)
            .cloned()
    }

    /// Puts rooms on the board and tells who listens.
    pub fn put(&self, rooms: impl IntoIterator<Item = Standing>) {
        let mut changed = Vec::new();
        {
            let mut board = self.rooms.write().unwrap_or_else(PoisonError::into_inner);
            for standing in rooms {
                let at = RoomAddress::from(&standing);
                changed.push(at.clone());
                board.insert(at, Arc::new(standing));
            }
        }
        for at in changed {
            // Nobody listening is no fault.
            let _ = self.changes.send(Change::Room(at));
        }
    }

    /// The meetings.
    #[must_use]
    pub fn agenda(&self) -> Arc<Agenda> {
        self.agenda.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts meetings on the board and tells who listens.
    pub fn put_meetings(&self, agenda: Agenda) {
        *self.agenda.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(agenda);
        let _ = self.changes.send(Change::Meetings);
    }

    /// Listens for what changes.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// How many listen.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.changes.receiver_count()
    }

    /// How the hub does.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes how the hub does.
    pub fn note(&self, change: impl FnOnce(&mut Health)) {
        change(&mut self.health.write().unwrap_or_else(PoisonError::into_inner));
    }
}
