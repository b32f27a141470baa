//! Meetings, what rooms were told of them, and which runs were made for them.

use std::collections::{BTreeMap, BTreeSet};

use bridgepoint_protocol::name::{Name, RoomAddress};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::read::{self, BELIEVED, SIGNER, damaged, signed};
use crate::meeting::Meeting;
use crate::store::{Checked, PlanRow};

/// Runs for meetings that are looked at; a meeting has a handful of checkpoints.
const RUNS: usize = 64;

const COLUMNS: &str = "SELECT id, org, subject, rooms, chair, start_ms, rehearsal_ms, length_min, urgent, recording, \
                       slides, video, rate_kbps, created_ms, changed_ms, cancelled_ms FROM meeting";

pub(super) fn all(c: &Connection, ending_after_ms: i64) -> Result<Vec<Meeting>> {
    let mut statement = c.prepare_cached(&format!(
        "{COLUMNS} WHERE start_ms + length_min * 60000 > ?1 ORDER BY start_ms, id"
    ))?;
    let mut rows = statement.query([ending_after_ms])?;
    let mut meetings = Vec::new();
    while let Some(row) = rows.next()? {
        match meeting(row) {
            Ok(meeting) => meetings.push(meeting),
            // One that is damaged is not to keep rooms from hearing of the others.
            Err(e) => {
                let id: String = row.get(0).unwrap_or_default();
                tracing::error!(id, error = %e, "a meeting in the database is damaged and left out; add it anew");
            }
        }
    }
    Ok(meetings)
}

pub(super) fn one(c: &Connection, id: &Name) -> Result<Option<Meeting>> {
    c.prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?
        .query_row([id.as_str()], meeting)
        .optional()
}

pub(super) fn put(c: &Connection, meeting: &Meeting) -> Result<()> {
    let rooms = meeting.rooms.as_ref().map(serde_json::to_string).transpose();
    let rooms = rooms.map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    c.prepare_cached(
        "INSERT OR REPLACE INTO meeting (id, org, subject, rooms, chair, start_ms, rehearsal_ms, length_min, urgent,
             recording, slides, video, rate_kbps, created_ms, changed_ms, cancelled_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?
    .execute(params![
        meeting.id.as_str(),
        meeting.org.as_str(),
        meeting.subject,
        rooms,
        meeting.chair.as_ref().map(Name::as_str),
        meeting.start_ms,
        meeting.rehearsal_ms,
        meeting.length_min,
        meeting.urgent,
        meeting.recording,
        meeting.slides,
        meeting.video,
        meeting.rate_kbps,
        meeting.created_ms,
        meeting.changed_ms,
        meeting.cancelled_ms,
    ])?;
    Ok(())
}

pub(super) fn plans(c: &Connection) -> Result<BTreeMap<RoomAddress, PlanRow>> {
    c.prepare_cached("SELECT org, room, rev, content FROM plan JOIN room ON room.id = room_id")?
        .query_map([], |row| {
            let (rev, content) = (row.get(2)?, row.get(3)?);
            Ok((read::address(row, 0)?, PlanRow { rev, content }))
        })?
        .collect()
}

pub(super) fn put_plan(c: &Connection, at: &RoomAddress, plan: &PlanRow) -> Result<()> {
    c.prepare_cached(
        "INSERT INTO plan (room_id, rev, content) SELECT id, ?3, ?4 FROM room WHERE org = ?1 AND room = ?2
         ON CONFLICT (room_id) DO UPDATE SET rev = MAX(rev, excluded.rev), content = excluded.content",
    )?
    .execute(params![
        at.org.as_str(),
        at.room.as_str(),
        signed(plan.rev),
        plan.content
    ])?;
    Ok(())
}

/// The newest full run of a chain for each of the newest meetings.
pub(super) fn checked(c: &Connection, room: i64, chain: u32) -> Result<Vec<Checked>> {
    let mut statement = c.prepare_cached(&format!(
        "SELECT meeting, checkpoint, COALESCE(measured_ms, MIN(run.received_ms, finished_ms)), verdict
         FROM run JOIN entry ON entry.id = entry_id {SIGNER}
         WHERE run.room_id = ?1 AND run.chain = ?2 AND {BELIEVED} AND scope IS NULL AND meeting IS NOT NULL
         ORDER BY run.seq DESC LIMIT ?3"
    ))?;
    let rows = statement.query_map(params![room, chain, RUNS], |row| {
        Ok(Checked {
            meeting: row.get(0)?,
            checkpoint: row.get(1)?,
            measured_ms: row.get(2)?,
            verdict: row.get(3)?,
        })
    })?;
    let mut newest: Vec<Checked> = Vec::new();
    for run in rows {
        let run = run?;
        if newest.iter().all(|other| other.meeting != run.meeting) {
            newest.push(run);
        }
    }
    Ok(newest)
}

fn meeting(row: &Row<'_>) -> Result<Meeting> {
    let name = |column: usize, text: &str| Name::new(text).map_err(|e| damaged(column, e.to_string()));
    let (id, org): (String, String) = (row.get(0)?, row.get(1)?);
    let (rooms, chair): (Option<String>, Option<String>) = (row.get(3)?, row.get(4)?);
    let rooms: Option<BTreeSet<Name>> = rooms
        .map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(|e| damaged(3, e.to_string()))?;
    Ok(Meeting {
        id: name(0, &id)?,
        org: name(1, &org)?,
        subject: row.get(2)?,
        rooms,
        chair: chair.map(|text| name(4, &text)).transpose()?,
        start_ms: row.get(5)?,
        rehearsal_ms: row.get(6)?,
        length_min: row.get(7)?,
        urgent: row.get(8)?,
        recording: row.get(9)?,
        slides: row.get(10)?,
        video: row.get(11)?,
        rate_kbps: row.get(12)?,
        created_ms: row.get(13)?,
        changed_ms: row.get(14)?,
        cancelled_ms: row.get(15)?,
    })
}
