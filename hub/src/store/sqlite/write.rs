//! The changes.

use bridgepoint_protocol::claims::Report;
use bridgepoint_protocol::envelope::Kid;
use bridgepoint_protocol::name::RoomAddress;
use rusqlite::{Connection, Result, params};

use super::read::{self, signed};
use crate::fleet::measured_ms;
use crate::ingest::{Body, Entry, Reason};
use crate::keyring::RoomKey;
use crate::store::{ChainRow, Expected, MAX_FORKS, PresenceRow};

fn room_id(c: &Connection, at: &RoomAddress) -> Result<i64> {
    if let Some(id) = read::room_id(c, at)? {
        return Ok(id);
    }
    c.prepare_cached("INSERT INTO room (org, room) VALUES (?1, ?2)")?
        .execute([at.org.as_str(), at.room.as_str()])?;
    Ok(c.last_insert_rowid())
}

pub(super) fn put_key(c: &Connection, key: &RoomKey) -> Result<()> {
    let room = room_id(c, &key.at)?;
    let contacts = serde_json::to_string(&key.contacts)
        .map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    c.prepare_cached(
        "INSERT INTO room_key (room_id, kid, x, state, chain, name, area, contacts, enrolment, first_ms, last_ms, decided_ms,
             first_seq, end_seq, former)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
         ON CONFLICT (room_id, kid) DO UPDATE SET state = excluded.state, chain = excluded.chain, name = excluded.name,
             area = excluded.area, contacts = excluded.contacts, enrolment = excluded.enrolment,
             last_ms = excluded.last_ms, decided_ms = excluded.decided_ms, first_seq = excluded.first_seq,
             end_seq = excluded.end_seq, former = excluded.former",
    )?
    .execute(params![
        room,
        key.kid.as_str(),
        key.key.jwk().x,
        key.state.word(),
        key.chain,
        key.name,
        key.area,
        contacts,
        String::from(key.enrolment),
        key.first_ms,
        key.last_ms,
        key.decided_ms,
        signed(key.from),
        key.end.map(signed),
        key.former.as_ref().map(Kid::as_str),
    ])?;
    Ok(())
}

pub(super) fn add_entry(
    c: &Connection,
    entry: &Entry,
    received_ms: i64,
    made_after_ms: Option<i64>,
) -> Result<i64> {
    let room = room_id(c, &entry.at)?;
    let seq = signed(entry.link.seq);
    c.prepare_cached(
        "INSERT INTO entry (room_id, chain, seq, hash, prev, kind, iat, received_ms, made_after_ms, jws, kid)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        room,
        entry.chain,
        seq,
        String::from(entry.link.hash),
        String::from(entry.link.prev),
        entry.body.kind().typ(),
        entry.iat,
        received_ms,
        made_after_ms,
        entry.jws,
        entry.kid.as_str(),
    ])?;
    let id = c.last_insert_rowid();
    match &entry.body {
        Body::Report(report) => add_run(c, id, room, entry.chain, report, received_ms)?,
        Body::Gap(gap) => {
            if let Some(numbers) = gap.declared() {
                c.prepare_cached(
                    "INSERT OR IGNORE INTO gap (room_id, chain, first, last) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![
                    room,
                    entry.chain,
                    signed(*numbers.start()),
                    signed(*numbers.end())
                ])?;
            }
        }
        Body::Event(_) | Body::Attest(_) => {}
    }
    extend_chain(c, room, entry.chain, entry.link.seq, &entry.body)?;
    c.prepare_cached("UPDATE room SET last_entry_ms = MAX(?2, COALESCE(last_entry_ms, 0)) WHERE id = ?1")?
        .execute(params![room, received_ms])?;
    Ok(id)
}

fn add_run(c: &Connection, id: i64, room: i64, chain: u32, report: &Report, received_ms: i64) -> Result<()> {
    let scope = report.scope.as_ref().map(serde_json::to_string).transpose();
    let scope = scope.map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    c.prepare_cached(
        "INSERT INTO run (entry_id, room_id, chain, seq, run, started_ms, finished_ms, received_ms, verdict, claimed,
             scope, trigger, checkpoint, meeting, measured_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?
    .execute(params![
        id,
        room,
        chain,
        signed(report.link.seq),
        report.run,
        report.started_ms,
        report.finished_ms,
        received_ms,
        report.recomputed_verdict().word(),
        word(&report.verdict),
        scope,
        word(&report.trigger.kind),
        report.trigger.checkpoint,
        report.trigger.meeting,
        measured_ms(report, received_ms),
    ])?;
    Ok(())
}

/// A word of the wire as it is written, also one that this version does not know.
fn word(word: &impl serde::Serialize) -> String {
    serde_json::to_value(word)
        .ok()
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// Keeps the chain's summary without walking over the chain: a backlog of ten thousand entries is not to cost
/// the square of that.
fn extend_chain(c: &Connection, room: i64, chain: u32, seq: u64, body: &Body) -> Result<()> {
    let open_numbers = |from: u64, to: u64| -> Result<u64> {
        // What follows on the last one leaves nothing open, which is so nearly always.
        if from > to {
            return Ok(0);
        }
        Ok(read::open_numbers(from, to, &read::declared(c, room, chain)?))
    };
    let row = match read::chain_row(c, room, chain)? {
        None => ChainRow {
            chain,
            first: seq,
            last: seq,
            held: 1,
            missing: 0,
        },
        Some(row) => {
            let missing = if seq > row.last {
                row.missing + open_numbers(row.last + 1, seq - 1)?
            } else if seq < row.first {
                row.missing + open_numbers(seq + 1, row.first - 1)?
            } else {
                row.missing.saturating_sub(open_numbers(seq, seq)?)
            };
            ChainRow {
                first: row.first.min(seq),
                last: row.last.max(seq),
                held: row.held + 1,
                missing,
                ..row
            }
        }
    };
    let missing = match body {
        // What it declares changes what counts as missing; this is rare.
        Body::Gap(_) => read::missing(c, room, chain, usize::MAX)?
            .iter()
            .map(|r| r.end() - r.start() + 1)
            .sum(),
        _ => row.missing,
    };
    c.prepare_cached(
        "INSERT OR REPLACE INTO chain (room_id, chain, first, last, held, missing) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![room, chain, signed(row.first), signed(row.last), signed(row.held), signed(missing)])?;
    Ok(())
}

pub(super) fn add_fork(c: &Connection, entry: &Entry, received_ms: i64) -> Result<()> {
    let room = room_id(c, &entry.at)?;
    if read::forks(c, room, entry.chain)? >= MAX_FORKS {
        return Ok(());
    }
    c.prepare_cached(
        "INSERT OR IGNORE INTO fork (room_id, chain, seq, hash, received_ms, jws) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![room, entry.chain, signed(entry.link.seq), String::from(entry.link.hash), received_ms, entry.jws])?;
    Ok(())
}

pub(super) fn count(c: &Connection, at: Option<&RoomAddress>, why: Reason, now_ms: i64) -> Result<()> {
    let room = at
        .map(|at| read::room_id(c, at))
        .transpose()?
        .flatten()
        .unwrap_or(0);
    c.prepare_cached(
        "INSERT INTO refused (room_id, why, n, last_ms) VALUES (?1, ?2, 1, ?3)
         ON CONFLICT (room_id, why) DO UPDATE SET n = n + 1, last_ms = excluded.last_ms",
    )?
    .execute(params![room, why.word(), now_ms])?;
    Ok(())
}

pub(super) fn put_expected(c: &Connection, expected: &Expected) -> Result<()> {
    c.prepare_cached(
        "INSERT INTO expected (org, room, fingerprint, name, added_ms) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (org, room) DO UPDATE SET fingerprint = excluded.fingerprint, name = excluded.name,
             added_ms = excluded.added_ms",
    )?
    .execute(params![
        expected.at.org.as_str(),
        expected.at.room.as_str(),
        expected.fingerprint.as_str(),
        expected.name,
        expected.added_ms,
    ])?;
    Ok(())
}

pub(super) fn drop_expected(c: &Connection, at: &RoomAddress) -> Result<()> {
    c.prepare_cached("DELETE FROM expected WHERE org = ?1 AND room = ?2")?
        .execute([at.org.as_str(), at.room.as_str()])?;
    Ok(())
}

pub(super) fn put_presence(c: &Connection, at: &RoomAddress, presence: &PresenceRow) -> Result<()> {
    let Some(room) = read::room_id(c, at)? else {
        return Ok(());
    };
    c.prepare_cached(
        "INSERT OR REPLACE INTO presence (room_id, state, ts_ms, session, agent, since_ms, heard_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        room,
        word(&presence.state),
        presence.ts_ms,
        signed(presence.session),
        presence.agent,
        presence.since_ms,
        presence.heard_ms,
    ])?;
    Ok(())
}

pub(super) fn put_standing(
    c: &Connection,
    at: &RoomAddress,
    verdict: Option<&str>,
    since_ms: i64,
) -> Result<()> {
    c.prepare_cached("UPDATE room SET verdict = ?3, verdict_ms = ?4 WHERE org = ?1 AND room = ?2")?
        .execute(params![at.org.as_str(), at.room.as_str(), verdict, since_ms])?;
    Ok(())
}
