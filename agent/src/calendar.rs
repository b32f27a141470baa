//! The room's meetings, as the province has planned and signed them: verified, kept as they came, read again.
//!
//! What is kept is the envelope itself (`plan.jws`), verified anew when it is loaded: with another hub key pinned
//! since then it is void. A lower revision is refused, so that nobody who stores old messages can bring an old
//! plan back.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bridgepoint_protocol::claims::{Contact, Meeting, Plan};
use bridgepoint_protocol::envelope::{Kid, Kind, OpenError, VerifyingKey, open};
use bridgepoint_protocol::name::RoomAddress;

use crate::state::{self, StateDir};

const FILE: &str = "plan.jws";

/// The plan that is followed, or none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calendar {
    held: Option<Held>,
}

#[derive(Debug, Clone)]
struct Held {
    plan: Arc<Plan>,
    kid: Kid,
}

/// What became of a plan that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is followed from now on.
    New,
    /// It was known.
    Known,
    /// A newer one is followed: the revision of that.
    Older(u64),
}

/// Why a plan is not followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    /// No hub key is pinned, or it is signed by another.
    #[error("the plan of meetings is not signed by the province's pinned key: {0}")]
    NotSigned(#[from] OpenError),
    /// It is for another room.
    #[error("the plan of meetings is for {0}, not for this room")]
    OtherRoom(String),
    /// It cannot be kept.
    #[error("the plan of meetings cannot be kept in {0} ({1}); it is followed until the box is restarted")]
    Io(PathBuf, io::Error),
}

impl Calendar {
    /// Reads the kept plan. One that is damaged, foreign or void is none, and that is told: the broker has it still.
    pub(crate) fn load(state: &StateDir, hub: Option<&VerifyingKey>, room: &RoomAddress) -> Self {
        let path = state.join(FILE);
        let jws = match std::fs::read(&path) {
            Ok(jws) => jws,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::default(),
            Err(error) => {
                tracing::error!(file = %path.display(), %error, "the kept plan of meetings cannot be read");
                return Self::default();
            }
        };
        match verified(&jws, hub, room) {
            Ok(held) => Self { held: Some(held) },
            Err(why) => {
                tracing::warn!(file = %path.display(), %why, "the kept plan of meetings is not followed");
                Self::default()
            }
        }
    }

    /// Takes a plan that came, keeps it, and gives what became of it and the plan itself.
    ///
    /// # Errors
    /// [`PlanError`]; after [`PlanError::Io`] it is followed all the same.
    pub(crate) fn take(
        &mut self,
        jws: &[u8],
        hub: Option<&VerifyingKey>,
        room: &RoomAddress,
        state: &StateDir,
    ) -> Result<Taken, PlanError> {
        let new = verified(jws, hub, room)?;
        if let Some(held) = self.of(hub) {
            if new.plan.rev < held.plan.rev {
                return Ok(Taken::Older(held.plan.rev));
            }
            if same(&new.plan, &held.plan) {
                return Ok(Taken::Known);
            }
            // Two contents under one revision: the one that was issued later.
            if new.plan.rev == held.plan.rev && new.plan.issued_ms <= held.plan.issued_ms {
                return Ok(Taken::Older(held.plan.rev));
            }
        }
        self.held = Some(new);
        let path = state.join(FILE);
        state::replace(&path, jws).map_err(|error| PlanError::Io(path, error))?;
        Ok(Taken::New)
    }

    /// The plan, as long as `hub` is the key that signed it.
    pub(crate) fn plan(&self, hub: Option<&VerifyingKey>) -> Option<Arc<Plan>> {
        self.of(hub).map(|held| Arc::clone(&held.plan))
    }

    fn of(&self, hub: Option<&VerifyingKey>) -> Option<&Held> {
        self.held
            .as_ref()
            .filter(|held| hub.is_some_and(|hub| hub.kid() == held.kid))
    }
}

/// The meetings of a plan; none without one.
pub(crate) fn meetings(plan: Option<&Arc<Plan>>) -> &[Meeting] {
    plan.map_or(&[], |plan| &plan.meetings)
}

/// Whom to ring: the room's own, then those of the plan.
pub(crate) fn contacts(own: &[Contact], plan: Option<&Arc<Plan>>) -> Vec<Contact> {
    let planned = plan.map_or(&[][..], |plan| &plan.contacts);
    own.iter().chain(planned).cloned().collect()
}

fn verified(jws: &[u8], hub: Option<&VerifyingKey>, room: &RoomAddress) -> Result<Held, PlanError> {
    let opened = open(jws, &[Kind::Plan], |kid| {
        hub.filter(|key| key.kid() == *kid).copied()
    })?;
    let plan: Plan = opened.claims()?;
    if plan.org != room.org || plan.room != room.room {
        return Err(PlanError::OtherRoom(format!("{}/{}", plan.org, plan.room)));
    }
    Ok(Held {
        plan: Arc::new(plan),
        kid: opened.kid,
    })
}

/// Whether two plans say the same; the challenge may differ.
fn same(a: &Plan, b: &Plan) -> bool {
    let bare = |plan: &Plan| Plan {
        iat: 0,
        issued_ms: 0,
        nonce: None,
        ..plan.clone()
    };
    bare(a) == bare(b)
}
