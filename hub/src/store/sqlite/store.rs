//! The SQLite store as a [`Store`].

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use bridgepoint_protocol::chain::{Link, Neighbours};
use bridgepoint_protocol::envelope::{Kid, Kind};
use bridgepoint_protocol::name::{Name, RoomAddress};

use super::{SqliteStore, meetings, read, write};
use crate::ingest::{Body, Entry, Reason};
use crate::keyring::RoomKey;
use crate::meeting::Meeting;
use crate::store::{
    ChainRow, Count, Expected, HeldEntry, Kept, PastRun, PlanRow, PresenceRow, Store, StoreError,
};

impl Store for SqliteStore {
    fn begin(&mut self) -> Result<(), StoreError> {
        self.connection
            .execute_batch("BEGIN IMMEDIATE")
            .map_err(|e| self.error(&e))
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let done = self
            .connection
            .execute_batch("COMMIT")
            .map_err(|e| self.error(&e));
        self.fresh.clear();
        if done.is_err() {
            self.rollback();
        }
        done
    }

    fn rollback(&mut self) {
        self.fresh.clear();
        if !self.connection.is_autocommit() {
            // A rollback fails only when there is nothing left to roll back.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    fn change_mark(&self) -> Result<i64, StoreError> {
        self.connection
            .pragma_query_value(None, "data_version", |row| row.get(0))
            .map_err(|e| self.error(&e))
    }

    fn keys(&self) -> Result<Vec<RoomKey>, StoreError> {
        read::keys(&self.connection).map_err(|e| self.error(&e))
    }

    fn keys_of(&self, at: &RoomAddress) -> Result<Vec<RoomKey>, StoreError> {
        read::keys_at(&self.connection, at).map_err(|e| self.error(&e))
    }

    fn put_key(&mut self, key: &RoomKey) -> Result<(), StoreError> {
        write::put_key(&self.connection, key).map_err(|e| self.error(&e))
    }

    fn expected(&self) -> Result<Vec<Expected>, StoreError> {
        read::expected(&self.connection).map_err(|e| self.error(&e))
    }

    fn put_expected(&mut self, expected: &Expected) -> Result<(), StoreError> {
        write::put_expected(&self.connection, expected).map_err(|e| self.error(&e))
    }

    fn drop_expected(&mut self, at: &RoomAddress) -> Result<(), StoreError> {
        write::drop_expected(&self.connection, at).map_err(|e| self.error(&e))
    }

    fn chain(&self, at: &RoomAddress, chain: u32) -> Result<Option<ChainRow>, StoreError> {
        let look = || match read::room_id(&self.connection, at)? {
            Some(room) => read::chain_row(&self.connection, room, chain),
            None => Ok(None),
        };
        look().map_err(|e| self.error(&e))
    }

    fn held_from(&self, at: &RoomAddress, kid: &Kid, from: u64) -> Result<u64, StoreError> {
        read::held_from(&self.connection, at, kid, from).map_err(|e| self.error(&e))
    }

    fn neighbours(
        &self,
        at: &RoomAddress,
        chain: u32,
        link: &Link,
        before: u64,
    ) -> Result<Neighbours, StoreError> {
        read::neighbours(&self.connection, at, chain, link, before).map_err(|e| self.error(&e))
    }

    fn received_ms(&self, at: &RoomAddress, chain: u32, seq: u64) -> Result<Option<i64>, StoreError> {
        read::received_ms(&self.connection, at, chain, seq).map_err(|e| self.error(&e))
    }

    fn presence(&self, at: &RoomAddress) -> Result<Option<Option<PresenceRow>>, StoreError> {
        let look = || match read::room_id(&self.connection, at)? {
            Some(room) => read::presence(&self.connection, room).map(Some),
            None => Ok(None),
        };
        look().map_err(|e| self.error(&e))
    }

    fn forks(&self, at: &RoomAddress, chain: u32) -> Result<u32, StoreError> {
        let look = || match read::room_id(&self.connection, at)? {
            Some(room) => read::forks(&self.connection, room, chain),
            None => Ok(0),
        };
        look().map_err(|e| self.error(&e))
    }

    fn add_entry(
        &mut self,
        entry: &Entry,
        received_ms: i64,
        made_after_ms: Option<i64>,
    ) -> Result<(), StoreError> {
        let id = write::add_entry(&self.connection, entry, received_ms, made_after_ms)
            .map_err(|e| self.error(&e))?;
        // Outside of a transaction nobody would say when it is to be forgotten.
        if let Body::Report(report) = &entry.body
            && !self.connection.is_autocommit()
        {
            self.fresh.add(id, report);
        }
        Ok(())
    }

    fn add_fork(&mut self, entry: &Entry, received_ms: i64) -> Result<(), StoreError> {
        write::add_fork(&self.connection, entry, received_ms).map_err(|e| self.error(&e))
    }

    fn count(&mut self, at: Option<&RoomAddress>, why: Reason, now_ms: i64) -> Result<(), StoreError> {
        write::count(&self.connection, at, why, now_ms).map_err(|e| self.error(&e))
    }

    fn put_presence(&mut self, at: &RoomAddress, presence: &PresenceRow) -> Result<(), StoreError> {
        write::put_presence(&self.connection, at, presence).map_err(|e| self.error(&e))
    }

    fn put_standing(
        &mut self,
        at: &RoomAddress,
        verdict: Option<&str>,
        since_ms: i64,
    ) -> Result<(), StoreError> {
        write::put_standing(&self.connection, at, verdict, since_ms).map_err(|e| self.error(&e))
    }

    fn rooms(&self) -> Result<Vec<RoomAddress>, StoreError> {
        read::rooms(&self.connection).map_err(|e| self.error(&e))
    }

    fn kept(&self, at: &RoomAddress) -> Result<Option<Kept>, StoreError> {
        read::kept(&self.connection, &self.fresh, at).map_err(|e| self.error(&e))
    }

    fn missing(
        &self,
        at: &RoomAddress,
        chain: u32,
        limit: usize,
    ) -> Result<Vec<RangeInclusive<u64>>, StoreError> {
        let look = || match read::room_id(&self.connection, at)? {
            Some(room) => read::missing(&self.connection, room, chain, limit),
            None => Ok(vec![]),
        };
        look().map_err(|e| self.error(&e))
    }

    fn history(&self, at: &RoomAddress, limit: usize) -> Result<Vec<PastRun>, StoreError> {
        read::history(&self.connection, at, limit).map_err(|e| self.error(&e))
    }

    fn entries(&self, at: &RoomAddress, kinds: &[Kind], limit: usize) -> Result<Vec<HeldEntry>, StoreError> {
        read::entries(&self.connection, at, kinds, limit).map_err(|e| self.error(&e))
    }

    fn refused_elsewhere(&self) -> Result<BTreeMap<String, Count>, StoreError> {
        read::refused(&self.connection, 0).map_err(|e| self.error(&e))
    }

    fn meetings(&self, ending_after_ms: i64) -> Result<Vec<Meeting>, StoreError> {
        meetings::all(&self.connection, ending_after_ms).map_err(|e| self.error(&e))
    }

    fn meeting(&self, id: &Name) -> Result<Option<Meeting>, StoreError> {
        meetings::one(&self.connection, id).map_err(|e| self.error(&e))
    }

    fn put_meeting(&mut self, meeting: &Meeting) -> Result<(), StoreError> {
        meetings::put(&self.connection, meeting).map_err(|e| self.error(&e))
    }

    fn plans(&self) -> Result<BTreeMap<RoomAddress, PlanRow>, StoreError> {
        meetings::plans(&self.connection).map_err(|e| self.error(&e))
    }

    fn put_plan(&mut self, at: &RoomAddress, plan: &PlanRow) -> Result<(), StoreError> {
        meetings::put_plan(&self.connection, at, plan).map_err(|e| self.error(&e))
    }
}
