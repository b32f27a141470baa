//! The questions.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use bridgepoint_protocol::chain::{Link, Neighbours, follows};
use bridgepoint_protocol::claims::{Contact, Gap, PresenceState, Report};
use bridgepoint_protocol::envelope::{EntryHash, Jwk, Kid, Kind, VerifyingKey, peek};
use bridgepoint_protocol::name::{Name, RoomAddress};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::fresh::Fresh;
use crate::keyring::{Fingerprint, KeyState, RoomKey};
use crate::store::{ChainRow, Count, Expected, HeldEntry, Kept, PastRun, PresenceRow, Run};

/// Joins a run's entry with the key that signed it.
pub(super) const SIGNER: &str =
    "LEFT JOIN room_key AS signer ON signer.room_id = entry.room_id AND signer.kid = entry.kid";

/// Of what a key has signed, what it may sign: what is held beyond stays as evidence and is shown as nothing more.
pub(super) const BELIEVED: &str = "(signer.end_seq IS NULL OR run.seq < signer.end_seq)";

/// The database counts in signed numbers; what is larger than they are is written as the largest.
pub(super) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Gaps that are looked at when it is asked whether a revoked key's entries are still to come.
const GAPS: usize = 64;

/// Scoped runs after a full one that are looked at; a full run makes the ones before it irrelevant.
const MAX_SCOPED: usize = 200;

pub(super) fn room_id(c: &Connection, at: &RoomAddress) -> Result<Option<i64>> {
    c.prepare_cached("SELECT id FROM room WHERE org = ?1 AND room = ?2")?
        .query_row([at.org.as_str(), at.room.as_str()], |row| row.get(0))
        .optional()
}

pub(super) fn rooms(c: &Connection) -> Result<Vec<RoomAddress>> {
    c.prepare_cached("SELECT org, room FROM room ORDER BY org, room")?
        .query_map([], |row| address(row, 0))?
        .collect()
}

const KEY_COLUMNS: &str = "SELECT org, room, kid, x, state, chain, name, area, contacts, enrolment, first_ms, last_ms, \
                           decided_ms, first_seq, end_seq, former, \
                           room_id FROM room_key JOIN room ON room.id = room_id";

pub(super) fn keys(c: &Connection) -> Result<Vec<RoomKey>> {
    let mut statement = c.prepare_cached(&format!("{KEY_COLUMNS} ORDER BY room_id, first_ms, kid"))?;
    let rows = statement.query_map([], |row| Ok((row.get(16)?, key(row)?)))?;
    let rows: Vec<(i64, RoomKey)> = rows.collect::<Result<_>>()?;
    rows.into_iter()
        .map(|(room, key)| with_awaited(c, room, key))
        .collect()
}

/// As [`keys`], of one room.
pub(super) fn keys_at(c: &Connection, at: &RoomAddress) -> Result<Vec<RoomKey>> {
    let Some(room) = room_id(c, at)? else {
        return Ok(vec![]);
    };
    let keys = keys_of(c, room)?;
    keys.into_iter().map(|key| with_awaited(c, room, key)).collect()
}

fn keys_of(c: &Connection, room: i64) -> Result<Vec<RoomKey>> {
    c.prepare_cached(&format!(
        "{KEY_COLUMNS} WHERE room_id = ?1 ORDER BY first_ms, kid"
    ))?
    .query_map([room], key)?
    .collect()
}

fn key(row: &Row<'_>) -> Result<RoomKey> {
    let jwk = Jwk {
        kty: "OKP".into(),
        crv: "Ed25519".into(),
        x: row.get(3)?,
    };
    let state: String = row.get(4)?;
    let contacts: String = row.get(8)?;
    Ok(RoomKey {
        at: address(row, 0)?,
        kid: Kid::new(row.get::<_, String>(2)?),
        key: VerifyingKey::from_jwk(&jwk).map_err(|e| damaged(3, e.to_string()))?,
        state: KeyState::ALL
            .into_iter()
            .find(|s| s.word() == state)
            .ok_or_else(|| damaged(4, state))?,
        chain: row.get(5)?,
        name: row.get(6)?,
        area: row.get(7)?,
        contacts: serde_json::from_str::<Vec<Contact>>(&contacts).map_err(|e| damaged(8, e.to_string()))?,
        enrolment: hash(row, 9)?,
        first_ms: row.get(10)?,
        last_ms: row.get(11)?,
        decided_ms: row.get(12)?,
        from: row.get(13)?,
        end: row.get(14)?,
        former: row.get::<_, Option<String>>(15)?.map(Kid::new),
        awaited: false,
    })
}

/// The same key, with whether entries that it may have signed are still to come, which only matters when it was revoked.
fn with_awaited(c: &Connection, room: i64, key: RoomKey) -> Result<RoomKey> {
    let (KeyState::Revoked, Some(end)) = (key.state, key.end) else {
        return Ok(key);
    };
    let Some(row) = chain_row(c, room, key.chain)? else {
        return Ok(key);
    };
    let ahead = row.last.saturating_add(1) < end;
    let awaited = ahead
        || missing(c, room, key.chain, GAPS)?
            .iter()
            .any(|gap| *gap.start() < end && key.from <= *gap.end());
    Ok(RoomKey { awaited, ..key })
}

pub(super) fn expected(c: &Connection) -> Result<Vec<Expected>> {
    c.prepare_cached("SELECT org, room, fingerprint, name, added_ms FROM expected ORDER BY org, room")?
        .query_map([], |row| {
            Ok(Expected {
                at: address(row, 0)?,
                fingerprint: Fingerprint::kept(row.get(2)?),
                name: row.get(3)?,
                added_ms: row.get(4)?,
            })
        })?
        .collect()
}

pub(super) fn held_from(c: &Connection, at: &RoomAddress, kid: &Kid, from: u64) -> Result<u64> {
    c.prepare_cached(
        "SELECT COUNT(*) FROM entry JOIN room ON room.id = room_id WHERE org = ?1 AND room = ?2 AND kid = ?3 AND seq >= ?4",
    )?
    .query_row(
        params![at.org.as_str(), at.room.as_str(), kid.as_str(), signed(from)],
        |row| row.get(0),
    )
}

pub(super) fn neighbours(
    c: &Connection,
    at: &RoomAddress,
    chain: u32,
    link: &Link,
    before: u64,
) -> Result<Neighbours> {
    let Some(room) = room_id(c, at)? else {
        return Ok(Neighbours::default());
    };
    let held = |seq: u64| {
        c.prepare_cached("SELECT hash FROM entry WHERE room_id = ?1 AND chain = ?2 AND seq = ?3")?
            .query_row(params![room, chain, signed(seq)], |row| hash(row, 0))
            .optional()
    };
    let below = c
        .prepare_cached("SELECT MAX(seq) FROM entry WHERE room_id = ?1 AND chain = ?2 AND seq < ?3")?
        .query_row(params![room, chain, signed(link.seq)], |row| row.get(0))?;
    Ok(Neighbours {
        same: held(link.seq)?,
        before: held(before)?,
        after_prev: after_prev(c, room, chain, link)?,
        below,
    })
}

/// `prev` of what is held and follows `link`: the next entry, unless it is a gap entry that looks past this number, and the
/// gap entries that declare from the next number on. Of several one that names another entry.
fn after_prev(c: &Connection, room: i64, chain: u32, link: &Link) -> Result<Option<EntryHash>> {
    let mut statement = c.prepare_cached(
        "SELECT seq, prev, kind, jws FROM entry WHERE room_id = ?1 AND chain = ?2 AND seq = ?3 + 1
         UNION ALL
         SELECT entry.seq, prev, kind, jws FROM gap JOIN entry ON entry.room_id = gap.room_id
             AND entry.chain = gap.chain AND entry.seq = gap.last + 1
         WHERE gap.room_id = ?1 AND gap.chain = ?2 AND gap.first = ?3 + 1 AND kind = ?4",
    )?;
    let mut rows = statement.query(params![room, chain, signed(link.seq), Kind::Gap.typ()])?;
    let mut found = None;
    while let Some(row) = rows.next()? {
        let kind: String = row.get(2)?;
        let declared = if kind == Kind::Gap.typ() {
            claims::<Gap>(row, 3)?.declared()
        } else {
            None
        };
        if follows(row.get(0)?, declared.as_ref()) != link.seq {
            continue;
        }
        let prev = hash(row, 1)?;
        if prev != link.hash {
            return Ok(Some(prev));
        }
        found = Some(prev);
    }
    Ok(found)
}

pub(super) fn received_ms(c: &Connection, at: &RoomAddress, chain: u32, seq: u64) -> Result<Option<i64>> {
    c.prepare_cached(
        "SELECT received_ms FROM entry JOIN room ON room.id = room_id WHERE org = ?1 AND room = ?2 AND chain = ?3 AND seq = ?4",
    )?
    .query_row(params![at.org.as_str(), at.room.as_str(), chain, signed(seq)], |row| row.get(0))
    .optional()
}

/// The numbers that are missing and not declared missing, at most `limit` ranges.
pub(super) fn missing(
    c: &Connection,
    room: i64,
    chain: u32,
    limit: usize,
) -> Result<Vec<RangeInclusive<u64>>> {
    let declared = declared(c, room, chain)?;
    let mut statement = c.prepare_cached(
        "SELECT before + 1, seq - 1 FROM
             (SELECT seq, LAG(seq) OVER (ORDER BY seq) AS before FROM entry WHERE room_id = ?1 AND chain = ?2)
         WHERE seq > before + 1 ORDER BY seq",
    )?;
    let mut rows = statement.query(params![room, chain])?;
    let mut open = Vec::new();
    while let Some(row) = rows.next()?
        && open.len() < limit
    {
        undeclared(row.get(0)?, row.get(1)?, &declared, &mut open);
    }
    open.truncate(limit);
    Ok(open)
}

/// The ranges that a room has declared missing, sorted by their first number.
pub(super) fn declared(c: &Connection, room: i64, chain: u32) -> Result<Vec<(u64, u64)>> {
    c.prepare_cached("SELECT first, last FROM gap WHERE room_id = ?1 AND chain = ?2 ORDER BY first, last")?
        .query_map(params![room, chain], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// How many numbers of `from..=to` are in none of the declared ranges.
pub(super) fn open_numbers(from: u64, to: u64, declared: &[(u64, u64)]) -> u64 {
    let mut open = Vec::new();
    undeclared(from, to, declared, &mut open);
    open.iter().map(|r| r.end() - r.start() + 1).sum()
}

/// What of `from..=to` is in none of the declared ranges (sorted by their first number).
fn undeclared(mut from: u64, to: u64, declared: &[(u64, u64)], open: &mut Vec<RangeInclusive<u64>>) {
    for &(first, last) in declared {
        if from > to || first > to {
            break;
        }
        if last < from {
            continue;
        }
        if first > from {
            open.push(from..=first - 1);
        }
        from = last.saturating_add(1);
    }
    if from <= to {
        open.push(from..=to);
    }
}

pub(super) fn kept(c: &Connection, fresh: &Fresh, at: &RoomAddress) -> Result<Option<Kept>> {
    let found = c
        .prepare_cached(
            "SELECT id, verdict, verdict_ms, last_entry_ms FROM room WHERE org = ?1 AND room = ?2",
        )?
        .query_row([at.org.as_str(), at.room.as_str()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((room, verdict, verdict_ms, last_entry_ms)) = found else {
        return Ok(None);
    };
    let keys = keys_of(c, room)?;
    // The board shows the chain of the key that is trusted; of a room whose key was revoked, the newest one.
    let approved = keys.iter().find(|k| k.state == KeyState::Approved);
    let chain = approved.map_or_else(|| keys.iter().map(|k| k.chain).max().unwrap_or(0), |k| k.chain);
    let full = runs(
        c,
        fresh,
        room,
        chain,
        "scope IS NULL ORDER BY run.seq DESC LIMIT 1",
        0,
    )?
    .pop();
    let after = full.as_ref().map_or(0, |run| run.seq);
    let mut scoped = runs(
        c,
        fresh,
        room,
        chain,
        &format!("scope IS NOT NULL AND run.seq > ?3 ORDER BY run.seq DESC LIMIT {MAX_SCOPED}"),
        after,
    )?;
    scoped.reverse();
    Ok(Some(Kept {
        at: at.clone(),
        keys,
        presence: presence(c, room)?,
        chain: chain_row(c, room, chain)?,
        forks: forks(c, room, chain)?,
        refused: refused(c, room)?,
        full,
        scoped,
        checked: super::meetings::checked(c, room, chain)?,
        verdict,
        verdict_ms,
        last_entry_ms,
    }))
}

/// Runs with their reports. `which` is one of the two conditions in [`kept`].
fn runs(c: &Connection, fresh: &Fresh, room: i64, chain: u32, which: &str, after: u64) -> Result<Vec<Run>> {
    c.prepare_cached(&format!(
        "SELECT run.seq, run.received_ms, jws, entry.id FROM run JOIN entry ON entry.id = entry_id {SIGNER}
         WHERE run.room_id = ?1 AND run.chain = ?2 AND ?3 >= 0 AND {BELIEVED} AND {which}"
    ))?
    .query_map(params![room, chain, signed(after)], |row| {
        Ok(Run {
            seq: row.get(0)?,
            received_ms: row.get(1)?,
            report: match fresh.of(row.get(3)?) {
                Some(report) => report,
                None => Arc::new(claims::<Report>(row, 2)?),
            },
        })
    })?
    .collect()
}

/// The claims of a stored entry. Its signature was verified before it was stored.
fn claims<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T> {
    let jws: String = row.get(column)?;
    peek(jws.as_bytes())
        .and_then(|opened| opened.claims())
        .map_err(|e| damaged(column, e.to_string()))
}

pub(super) fn chain_row(c: &Connection, room: i64, chain: u32) -> Result<Option<ChainRow>> {
    c.prepare_cached("SELECT first, last, held, missing FROM chain WHERE room_id = ?1 AND chain = ?2")?
        .query_row(params![room, chain], |row| {
            Ok(ChainRow {
                chain,
                first: row.get(0)?,
                last: row.get(1)?,
                held: row.get(2)?,
                missing: row.get(3)?,
            })
        })
        .optional()
}

pub(super) fn presence(c: &Connection, room: i64) -> Result<Option<PresenceRow>> {
    c.prepare_cached(
        "SELECT state, ts_ms, session, agent, since_ms, heard_ms FROM presence WHERE room_id = ?1",
    )?
    .query_row([room], |row| {
        let word: String = row.get(0)?;
        let state: PresenceState =
            serde_json::from_value(serde_json::Value::String(word)).map_err(|e| damaged(0, e.to_string()))?;
        Ok(PresenceRow {
            state,
            ts_ms: row.get(1)?,
            session: row.get(2)?,
            agent: row.get(3)?,
            since_ms: row.get(4)?,
            heard_ms: row.get(5)?,
        })
    })
    .optional()
}

pub(super) fn forks(c: &Connection, room: i64, chain: u32) -> Result<u32> {
    c.prepare_cached("SELECT COUNT(*) FROM fork WHERE room_id = ?1 AND chain = ?2")?
        .query_row(params![room, chain], |row| row.get(0))
}

pub(super) fn refused(c: &Connection, room: i64) -> Result<BTreeMap<String, Count>> {
    c.prepare_cached("SELECT why, n, last_ms FROM refused WHERE room_id = ?1")?
        .query_map([room], |row| {
            Ok((
                row.get(0)?,
                Count {
                    n: row.get(1)?,
                    last_ms: row.get(2)?,
                },
            ))
        })?
        .collect()
}

pub(super) fn history(c: &Connection, at: &RoomAddress, limit: usize) -> Result<Vec<PastRun>> {
    let Some(room) = room_id(c, at)? else {
        return Ok(vec![]);
    };
    c.prepare_cached(
        &format!("SELECT run.chain, run.seq, run, started_ms, finished_ms, run.received_ms, verdict, claimed, scope, trigger,
             checkpoint, meeting, made_after_ms, {BELIEVED}
         FROM run JOIN entry ON entry.id = entry_id {SIGNER} WHERE run.room_id = ?1
         ORDER BY run.chain DESC, run.seq DESC LIMIT ?2"),
    )?
    .query_map(params![room, limit], |row| {
        let (verdict, claimed): (String, String) = (row.get(6)?, row.get(7)?);
        let scope: Option<String> = row.get(8)?;
        Ok(PastRun {
            chain: row.get(0)?,
            seq: row.get(1)?,
            run: row.get(2)?,
            started_ms: row.get(3)?,
            finished_ms: row.get(4)?,
            received_ms: row.get(5)?,
            claimed: (claimed != verdict).then_some(claimed),
            verdict,
            scope: scope.map(|s| serde_json::from_str(&s)).transpose().map_err(|e| damaged(8, e.to_string()))?,
            trigger: row.get(9)?,
            checkpoint: row.get(10)?,
            meeting: row.get(11)?,
            made_after_ms: row.get(12)?,
            believed: row.get(13)?,
        })
    })?
    .collect()
}

pub(super) fn entries(
    c: &Connection,
    at: &RoomAddress,
    kinds: &[Kind],
    limit: usize,
) -> Result<Vec<HeldEntry>> {
    let Some(room) = room_id(c, at)? else {
        return Ok(vec![]);
    };
    let list: Vec<&str> = kinds.iter().map(|k| k.typ()).collect();
    let list = serde_json::to_string(&list).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    c.prepare_cached(
        "SELECT chain, seq, kind, hash, received_ms, jws FROM entry
         WHERE room_id = ?1 AND kind IN (SELECT value FROM json_each(?2)) ORDER BY chain DESC, seq DESC LIMIT ?3",
    )?
    .query_map(params![room, list, limit], |row| {
        let typ: String = row.get(2)?;
        Ok(HeldEntry {
            chain: row.get(0)?,
            seq: row.get(1)?,
            kind: Kind::NUMBERED.into_iter().find(|k| k.typ() == typ).ok_or_else(|| damaged(2, typ))?,
            hash: hash(row, 3)?,
            received_ms: row.get(4)?,
            jws: row.get(5)?,
        })
    })?
    .collect()
}

pub(super) fn address(row: &Row<'_>, column: usize) -> Result<RoomAddress> {
    let name = |column| Name::new(&row.get::<_, String>(column)?).map_err(|e| damaged(column, e.to_string()));
    Ok(RoomAddress {
        org: name(column)?,
        room: name(column + 1)?,
    })
}

fn hash(row: &Row<'_>, column: usize) -> Result<EntryHash> {
    EntryHash::try_from(row.get::<_, String>(column)?).map_err(|e| damaged(column, e))
}

/// A value that this program cannot have written.
pub(super) fn damaged(column: usize, detail: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, detail.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_gaps_are_taken_out_of_what_is_missing() {
        let open = |from, to, declared: &[(u64, u64)]| {
            let mut open = vec![];
            undeclared(from, to, declared, &mut open);
            open
        };
        assert_eq!(open(5, 9, &[]), [5..=9]);
        assert_eq!(open(5, 9, &[(5, 9)]), []);
        assert_eq!(open(5, 9, &[(1, 4), (6, 7), (20, 30)]), [5..=5, 8..=9]);
        assert_eq!(open(5, 9, &[(1, 6), (6, 8)]), [9..=9]);
        assert_eq!(open(5, 9, &[(0, u64::MAX)]), []);
    }
}
