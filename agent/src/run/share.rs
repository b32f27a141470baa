//! Who waits for whom: the devices themselves, the air and the wire.
//!
//! Capturing, playing and moving share the air; loading and measuring share the wire. What only listens goes
//! together with others that only listen. The order of taking is always device, air, wire, so that no two
//! acts can wait for each other.

use std::collections::BTreeMap;
use std::sync::Arc;

use bridgepoint_protocol::check::Take;
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::plan::{Act, Plan};

/// What can be shared in one run.
#[derive(Clone)]
pub(super) struct Shares {
    things: Arc<BTreeMap<String, Arc<Mutex<()>>>>,
    air: Arc<RwLock<()>>,
    wire: Arc<RwLock<()>>,
}

/// What an act holds while it is made; given back when dropped.
pub(super) struct Held {
    _thing: Option<OwnedMutexGuard<()>>,
    _air: Option<Hold>,
    _wire: Option<Hold>,
}

/// One of the shared two, alone or with others.
enum Hold {
    Shared(#[allow(dead_code)] OwnedRwLockReadGuard<()>), // held for its lock
    Alone(#[allow(dead_code)] OwnedRwLockWriteGuard<()>), // held for its lock
}

impl Shares {
    pub(super) fn new(plan: &Plan) -> Self {
        let things = plan
            .probes
            .iter()
            .map(|act| (act.thing.clone(), Arc::default()))
            .collect();
        Self {
            things: Arc::new(things),
            air: Arc::default(),
            wire: Arc::default(),
        }
    }

    /// Waits until everything that `act` needs is free, and takes it.
    pub(super) async fn take(&self, act: &Act) -> Held {
        let thing = match self.things.get(&act.thing) {
            Some(thing) => Some(Arc::clone(thing).lock_owned().await),
            None => None,
        };
        let air = hold(&self.air, act, Take::AirShared, Take::AirAlone).await;
        let wire = hold(&self.wire, act, Take::WireShared, Take::WireAlone).await;
        Held {
            _thing: thing,
            _air: air,
            _wire: wire,
        }
    }
}

async fn hold(what: &Arc<RwLock<()>>, act: &Act, shared: Take, alone: Take) -> Option<Hold> {
    if act.takes.contains(&alone) {
        return Some(Hold::Alone(Arc::clone(what).write_owned().await));
    }
    if act.takes.contains(&shared) {
        return Some(Hold::Shared(Arc::clone(what).read_owned().await));
    }
    None
}
