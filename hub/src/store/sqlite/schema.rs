//! The tables, and the steps from one version of them to the next.

use rusqlite::{Connection, TransactionBehavior};

/// The version that this program writes.
pub(super) const VERSION: usize = STEPS.len();

/// One step a version; a step that was released is never edited.
const STEPS: [&str; 3] = [
    "
CREATE TABLE room (
    id INTEGER PRIMARY KEY,
    org TEXT NOT NULL,
    room TEXT NOT NULL,
    verdict TEXT,
    verdict_ms INTEGER NOT NULL DEFAULT 0,
    last_entry_ms INTEGER,
    UNIQUE (org, room)
) STRICT;

-- One row for each key and each room that it asked for.
CREATE TABLE room_key (
    room_id INTEGER NOT NULL REFERENCES room (id),
    kid TEXT NOT NULL,
    x TEXT NOT NULL,
    state TEXT NOT NULL,
    chain INTEGER NOT NULL,
    name TEXT NOT NULL,
    area TEXT,
    contacts TEXT NOT NULL,
    enrolment TEXT NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    decided_ms INTEGER,
    PRIMARY KEY (room_id, kid)
) STRICT;

-- Two approved keys for one room, or one key approved for two rooms, cannot be written.
CREATE UNIQUE INDEX one_key_a_room ON room_key (room_id) WHERE state = 'approved';
CREATE UNIQUE INDEX one_room_a_key ON room_key (kid) WHERE state = 'approved';

-- Entries word for word.
CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    room_id INTEGER NOT NULL REFERENCES room (id),
    chain INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL,
    prev TEXT NOT NULL,
    kind TEXT NOT NULL,
    iat INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    made_after_ms INTEGER,
    jws TEXT NOT NULL,
    UNIQUE (room_id, chain, seq)
) STRICT;

-- Each chain in short, so that the board need not walk over it.
CREATE TABLE chain (
    room_id INTEGER NOT NULL REFERENCES room (id),
    chain INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    held INTEGER NOT NULL,
    missing INTEGER NOT NULL,
    PRIMARY KEY (room_id, chain)
) STRICT;

-- Numbers that a room has declared missing.
CREATE TABLE gap (
    room_id INTEGER NOT NULL REFERENCES room (id),
    chain INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (room_id, chain, first, last)
) STRICT;

CREATE TABLE run (
    entry_id INTEGER PRIMARY KEY REFERENCES entry (id),
    room_id INTEGER NOT NULL REFERENCES room (id),
    chain INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    run TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    finished_ms INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    claimed TEXT NOT NULL,
    scope TEXT,
    trigger TEXT NOT NULL,
    checkpoint TEXT,
    meeting TEXT
) STRICT;
CREATE UNIQUE INDEX run_of_room ON run (room_id, chain, seq);
CREATE UNIQUE INDEX full_run_of_room ON run (room_id, chain, seq) WHERE scope IS NULL;

-- Evidence of two histories.
CREATE TABLE fork (
    room_id INTEGER NOT NULL REFERENCES room (id),
    chain INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    jws TEXT NOT NULL,
    PRIMARY KEY (room_id, chain, hash)
) STRICT;

CREATE TABLE presence (
    room_id INTEGER PRIMARY KEY REFERENCES room (id),
    state TEXT NOT NULL,
    ts_ms INTEGER NOT NULL,
    session INTEGER NOT NULL,
    agent TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    heard_ms INTEGER
) STRICT;

-- What was refused; room 0 is none that is known.
CREATE TABLE refused (
    room_id INTEGER NOT NULL,
    why TEXT NOT NULL,
    n INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    PRIMARY KEY (room_id, why)
) STRICT, WITHOUT ROWID;
",
    "
CREATE TABLE meeting (
    id TEXT PRIMARY KEY,
    org TEXT NOT NULL,
    subject TEXT NOT NULL,
    -- Names as a JSON list; NULL is every room.
    rooms TEXT,
    chair TEXT,
    start_ms INTEGER NOT NULL,
    rehearsal_ms INTEGER,
    length_min INTEGER NOT NULL,
    urgent INTEGER NOT NULL,
    recording INTEGER NOT NULL,
    slides INTEGER NOT NULL,
    video INTEGER NOT NULL,
    rate_kbps INTEGER,
    created_ms INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    cancelled_ms INTEGER
) STRICT;
CREATE INDEX meeting_by_start ON meeting (start_ms);

-- What each room was told last; its revision only grows.
CREATE TABLE plan (
    room_id INTEGER PRIMARY KEY REFERENCES room (id),
    rev INTEGER NOT NULL,
    content TEXT NOT NULL
) STRICT;

-- By the hub's clock, as far as it can be believed; NULL in runs of the first version.
ALTER TABLE run ADD COLUMN measured_ms INTEGER;
CREATE INDEX full_run_for_meeting ON run (room_id, chain, seq) WHERE scope IS NULL AND meeting IS NOT NULL;
",
    "
-- The numbers that a key may sign: from first_seq on, and none from end_seq on. former handed over to it.
ALTER TABLE room_key ADD COLUMN first_seq INTEGER NOT NULL DEFAULT 1;
ALTER TABLE room_key ADD COLUMN end_seq INTEGER;
ALTER TABLE room_key ADD COLUMN former TEXT;
CREATE UNIQUE INDEX one_room_a_next_key ON room_key (kid) WHERE state IN ('approved', 'next');

-- Who signed. Up to here a chain had one key.
ALTER TABLE entry ADD COLUMN kid TEXT;
UPDATE entry SET kid = (SELECT room_key.kid FROM room_key
    WHERE room_key.room_id = entry.room_id AND room_key.chain = entry.chain);

-- Keys that an operator has approved before they asked.
CREATE TABLE expected (
    org TEXT NOT NULL,
    room TEXT NOT NULL,
    fingerprint TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    added_ms INTEGER NOT NULL,
    PRIMARY KEY (org, room)
) STRICT;
",
];

/// Brings the tables up to date; the inner error is a version that is newer than this program.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<Result<(), usize>> {
    let version = |c: &Connection| c.pragma_query_value(None, "user_version", |row| row.get::<_, usize>(0));
    if version(connection)? == VERSION {
        return Ok(Ok(()));
    }
    // Two programs that open a new file at once: the second waits here and then finds it done.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    if found > VERSION {
        return Ok(Err(found));
    }
    for step in STEPS.iter().skip(found) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_the_first_version_keeps_what_is_in_it() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(STEPS[0]).unwrap();
        connection
            .execute_batch(
                "INSERT INTO room (id, org, room) VALUES (1, 'abc', 'one');
                 INSERT INTO entry VALUES (1, 1, 1, 1, 'h', 'p', 'bp-report+jws', 0, 9, NULL, 'j');
                 INSERT INTO entry VALUES (2, 1, 7, 1, 'h', 'p', 'bp-report+jws', 0, 9, NULL, 'j');
                 INSERT INTO room_key VALUES (1, 'k', 'x', 'approved', 1, '', NULL, '[]', 'e', 0, 0, 0);
                 INSERT INTO run VALUES (1, 1, 1, 1, 'r', 5, 7, 9, 'ready', 'ready', NULL, 'schedule', 'T-90', 'm');
                 PRAGMA user_version = 1;",
            )
            .unwrap();
        migrate(&mut connection).unwrap().unwrap();
        let checked = super::super::meetings::checked(&connection, 1, 1).unwrap();
        assert_eq!((checked[0].meeting.as_str(), checked[0].measured_ms), ("m", 7));
        let entry = |id: i64| {
            connection
                .query_row("SELECT kid FROM entry WHERE id = ?1", [id], |row| {
                    row.get::<_, Option<String>>(0)
                })
                .unwrap()
        };
        assert_eq!(
            (entry(1).as_deref(), entry(2)),
            (Some("k"), None),
            "a chain's key signed it; whose key has gone on with another chain is not known"
        );
        let key = connection.query_row("SELECT first_seq, end_seq, former FROM room_key", [], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, Option<i64>>(1)?,
                row.get::<_, Option<String>>(2)?,
            ))
        });
        assert_eq!(key.unwrap(), (1, None, None), "as far as it ever could");
        assert_eq!(migrate(&mut connection).unwrap(), Ok(()), "done once");
        connection.pragma_update(None, "user_version", 99).unwrap();
        assert_eq!(migrate(&mut connection).unwrap(), Err(99));
    }
}
