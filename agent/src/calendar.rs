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
    /// Whether it is on the disk.
    kept: bool,
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
    /// Reads the kept plan; `hub` are the keys that it may be signed with. One that is damaged, foreign or void is none, and that is told: the broker has it still.
    pub(crate) fn load(state: &StateDir, hub: &[VerifyingKey], room: &RoomAddress) -> Self {
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
            Ok(held) => Self {
                held: Some(Held { kept: true, ..held }),
            },
            Err(why) => {
                tracing::warn!(file = %path.display(), %why, "the kept plan of meetings is not followed");
                Self::default()
            }
        }
    }

    /// Takes a plan that came, keeps it, and gives what became of it. `hub` are the keys that the plan which is held may be
    /// signed with; what comes is signed with the first of them, the pinned one.
    ///
    /// # Errors
    /// [`PlanError`]; after [`PlanError::Io`] it is followed all the same.
    pub(crate) fn take(
        &mut self,
        jws: &[u8],
        hub: &[VerifyingKey],
        room: &RoomAddress,
        state: &StateDir,
    ) -> Result<Taken, PlanError> {
        let path = state.join(FILE);
        let keep = || state::replace(&path, jws).map_err(|error| PlanError::Io(path.clone(), error));
        let pinned = hub.get(..1).unwrap_or_default();
        let new = verified(jws, pinned, room)?;
        if let Some(held) = self.of(hub) {
            if new.plan.rev < held.plan.rev {
                return Ok(Taken::Older(held.plan.rev));
            }
            if same(&new.plan, &held.plan) {
                // One that could not be kept when it came is kept now, or that is told again. And one that the hub has
                // signed anew with its next key takes the old one's place: that key will not be asked for ever.
                if !held.kept || held.kid != new.kid {
                    keep()?;
                    self.held = Some(Held { kept: true, ..new });
                }
                return Ok(Taken::Known);
            }
            // Two contents under one revision: the one that was issued later.
            if new.plan.rev == held.plan.rev && new.plan.issued_ms <= held.plan.issued_ms {
                return Ok(Taken::Older(held.plan.rev));
            }
        }
        let kept = keep();
        self.held = Some(Held {
            kept: kept.is_ok(),
            ..new
        });
        kept.map(|()| Taken::New)
    }

    /// The plan, as long as one of the keys `hub` is the one that signed it.
    pub(crate) fn plan(&self, hub: &[VerifyingKey]) -> Option<Arc<Plan>> {
        self.of(hub).map(|held| Arc::clone(&held.plan))
    }

    fn of(&self, hub: &[VerifyingKey]) -> Option<&Held> {
        let held = self.held.as_ref()?;
        hub.iter().any(|key| key.kid() == held.kid).then_some(held)
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

fn verified(jws: &[u8], hub: &[VerifyingKey], room: &RoomAddress) -> Result<Held, PlanError> {
    let opened = open(jws, &[Kind::Plan], |kid| {
        hub.iter().find(|key| key.kid() == *kid).copied()
    })?;
    let plan: Plan = opened.claims()?;
    if plan.org != room.org || plan.room != room.room {
        return Err(PlanError::OtherRoom(format!("{}/{}", plan.org, plan.room)));
    }
    Ok(Held {
        plan: Arc::new(plan),
        kid: opened.kid,
        kept: false,
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

#[cfg(test)]
mod tests {
    use super::*;
    use bridgepoint_protocol::envelope::{SigningKey, seal};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    struct Hub {
        key: SigningKey,
        dir: tempfile::TempDir,
        room: RoomAddress,
    }

    impl Hub {
        fn new() -> Self {
            let random = ring::rand::SystemRandom::new();
            Self {
                key: SigningKey::from_pkcs8(&SigningKey::generate(&random).unwrap()).unwrap(),
                dir: tempfile::tempdir().unwrap(),
                room: crate::config::parse(
                    "room.toml",
                    "[room]\nid = \"bai-chay\"\norg = \"quang-ninh\"\nname = \"x\"\n",
                )
                .unwrap()
                .address,
            }
        }

        fn state(&self) -> StateDir {
            StateDir::new(self.dir.path().to_owned())
        }

        fn plan(&self, changes: &Value) -> Vec<u8> {
            let mut claims = json!({
                "v": 1, "org": "quang-ninh", "room": "bai-chay", "iat": 0, "rev": 5, "issued_ms": 1_000,
                "reflector": "10.1.0.2:9511", "nonce": "n-1",
                "contacts": [{ "role": "operator", "name": "VNPT", "phone": "0203" }],
                "meetings": [{
                    "id": "m-1", "subject": "Giao ban", "start_ms": 9_000_000, "length_min": 120, "kind": "planned"
                }]
            });
            for (key, value) in changes.as_object().unwrap() {
                claims[key] = value.clone();
            }
            seal(&self.key, Kind::Plan, &claims).unwrap().jws.into_bytes()
        }

        fn take(&self, calendar: &mut Calendar, jws: &[u8]) -> Result<Taken, PlanError> {
            calendar.take(jws, &[self.key.verifying()], &self.room, &self.state())
        }

        fn load(&self) -> Calendar {
            Calendar::load(&self.state(), &[self.key.verifying()], &self.room)
        }

        fn rev(&self, calendar: &Calendar) -> Option<u64> {
            calendar.plan(&[self.key.verifying()]).map(|plan| plan.rev)
        }
    }

    #[test]
    fn a_plan_is_followed_and_survives_a_restart() {
        let hub = Hub::new();
        let mut calendar = hub.load();
        assert_eq!(hub.rev(&calendar), None);
        let jws = hub.plan(&json!({}));
        assert_eq!(hub.take(&mut calendar, &jws).unwrap(), Taken::New);
        let again = hub.load();
        let plan = again.plan(&[hub.key.verifying()]).unwrap();
        assert_eq!(meetings(Some(&plan))[0].id, "m-1");
        assert_eq!(
            std::fs::read(hub.dir.path().join(FILE)).unwrap(),
            jws,
            "as it came"
        );
        let own = [Contact {
            name: Some("Trực".into()),
            ..plan.contacts[0].clone()
        }];
        let names: Vec<_> = contacts(&own, Some(&plan)).into_iter().map(|c| c.name).collect();
        assert_eq!(
            names,
            [Some("Trực".into()), Some("VNPT".into())],
            "the room's own first"
        );
    }

    #[test]
    fn an_older_plan_is_refused_also_after_a_restart() {
        let hub = Hub::new();
        let mut calendar = hub.load();
        let old = hub.plan(&json!({ "rev": 4, "meetings": [] }));
        assert_eq!(hub.take(&mut calendar, &old).unwrap(), Taken::New);
        assert_eq!(
            hub.take(&mut calendar, &hub.plan(&json!({}))).unwrap(),
            Taken::New
        );
        for mut calendar in [calendar, hub.load()] {
            assert_eq!(hub.take(&mut calendar, &old).unwrap(), Taken::Older(5));
            assert_eq!(hub.rev(&calendar), Some(5));
            let same = hub.plan(&json!({ "iat": 9, "issued_ms": 9_000, "nonce": "n-2" }));
            assert_eq!(hub.take(&mut calendar, &same).unwrap(), Taken::Known);
            let earlier = hub.plan(&json!({ "issued_ms": 900, "meetings": [] }));
            assert_eq!(hub.take(&mut calendar, &earlier).unwrap(), Taken::Older(5));
            let later = hub.plan(&json!({ "issued_ms": 1_001, "meetings": [] }));
            assert_eq!(hub.take(&mut calendar.clone(), &later).unwrap(), Taken::New);
            hub.take(&mut Calendar::default(), &hub.plan(&json!({}))).unwrap();
        }
    }

    #[test]
    fn what_the_pinned_key_has_not_signed_for_this_room_is_refused() {
        let (hub, other) = (Hub::new(), Hub::new());
        let mut calendar = hub.load();
        let jws = hub.plan(&json!({}));
        hub.take(&mut calendar, &jws).unwrap();
        let newer = json!({ "rev": 9, "meetings": [] });
        assert!(matches!(
            hub.take(&mut calendar, &other.plan(&newer)),
            Err(PlanError::NotSigned(OpenError::UnknownKey(_)))
        ));
        let mut bent = hub.plan(&newer);
        let at = bent.iter().position(|b| *b == b'.').unwrap() + 9;
        bent[at] ^= 1;
        assert!(matches!(
            hub.take(&mut calendar, &bent),
            Err(PlanError::NotSigned(_))
        ));
        for foreign in [
            json!({ "rev": 9, "room": "ha-lam" }),
            json!({ "rev": 9, "org": "lao-cai" }),
        ] {
            assert!(matches!(
                hub.take(&mut calendar, &hub.plan(&foreign)),
                Err(PlanError::OtherRoom(_))
            ));
        }
        let receipt = seal(&hub.key, Kind::Receipt, &json!({ "v": 1 })).unwrap();
        assert!(hub.take(&mut calendar, receipt.jws.as_bytes()).is_err());
        assert_eq!(hub.rev(&calendar), Some(5));
        assert_eq!(hub.rev(&hub.load()), Some(5));
    }

    #[test]
    fn another_hub_key_makes_the_kept_plan_void() {
        let (hub, new) = (Hub::new(), Hub::new());
        let mut calendar = hub.load();
        hub.take(&mut calendar, &hub.plan(&json!({}))).unwrap();
        let new_key = new.key.verifying();
        assert!(calendar.plan(&[new_key]).is_none());
        assert!(calendar.plan(&[]).is_none());
        assert!(
            Calendar::load(&hub.state(), &[new_key], &hub.room)
                .plan(&[new_key])
                .is_none()
        );
        // The new province counts its revisions anew.
        let first = new.plan(&json!({ "rev": 1 }));
        let taken = calendar.take(&first, &[new_key], &hub.room, &hub.state());
        assert_eq!(taken.unwrap(), Taken::New);
        assert_eq!(calendar.plan(&[new_key]).unwrap().rev, 1);
    }

    #[test]
    fn a_plan_holds_until_the_next_keys_own_comes() {
        let (former, new) = (Hub::new(), Hub::new());
        let mut calendar = former.load();
        former.take(&mut calendar, &former.plan(&json!({}))).unwrap();
        // The hub's key has handed over: the pinned one first, then the one before it.
        let keys = [new.key.verifying(), former.key.verifying()];
        let state = former.state();
        for calendar in [&calendar, &Calendar::load(&state, &keys, &former.room)] {
            assert_eq!(calendar.plan(&keys).unwrap().rev, 5);
        }
        let mut take = |jws: &[u8]| calendar.take(jws, &keys, &former.room, &state);
        let late = former.plan(&json!({ "rev": 9 }));
        assert!(
            matches!(take(&late), Err(PlanError::NotSigned(_))),
            "the former key plans nothing more"
        );
        let older = new.plan(&json!({ "rev": 4 }));
        assert_eq!(take(&older).unwrap(), Taken::Older(5));
        // The same plan, signed anew: it stands there in the former one's place.
        let same = new.plan(&json!({ "nonce": "n-2" }));
        assert_eq!(take(&same).unwrap(), Taken::Known);
        assert_eq!(std::fs::read(former.dir.path().join(FILE)).unwrap(), same);
        assert_eq!(calendar.plan(&keys[..1]).unwrap().rev, 5);
    }

    #[test]
    fn a_damaged_file_is_no_plan() {
        let hub = Hub::new();
        for damaged in [&b""[..], b"\xff\xfe", b"a.b.c"] {
            std::fs::write(hub.dir.path().join(FILE), damaged).unwrap();
            assert_eq!(hub.rev(&hub.load()), None);
        }
    }

    #[test]
    fn a_plan_that_cannot_be_kept_is_followed_and_told() {
        let hub = Hub::new();
        let nowhere = StateDir::new(hub.dir.path().join("not-there"));
        let mut calendar = Calendar::default();
        let key = hub.key.verifying();
        let taken = calendar.take(&hub.plan(&json!({})), &[key], &hub.room, &nowhere);
        assert!(matches!(taken, Err(PlanError::Io(..))));
        assert_eq!(hub.rev(&calendar), Some(5));
        // The broker brings it again at each connection: as long as it is not on the disk it is written again.
        let again = calendar.take(&hub.plan(&json!({})), &[key], &hub.room, &nowhere);
        assert!(matches!(again, Err(PlanError::Io(..))));
        let again = hub.plan(&json!({ "nonce": "n-2" }));
        assert_eq!(hub.take(&mut calendar, &again).unwrap(), Taken::Known);
        assert_eq!(std::fs::read(hub.dir.path().join(FILE)).unwrap(), again);
        assert_eq!(hub.rev(&hub.load()), Some(5));
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_plan(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let hub = Hub::new();
            let mut calendar = Calendar::default();
            prop_assert!(hub.take(&mut calendar, &bytes).is_err());
            prop_assert_eq!(hub.rev(&calendar), None);
        }
    }
}
