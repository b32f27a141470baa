//! What the hub does with reports, on one core: verified, kept on disk and receipted, beside the bare arithmetic of
//! the signatures on the same letters in the same moments.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bridgepoint_hub::board::Board;
use bridgepoint_hub::challenge::Challenger;
use bridgepoint_hub::desk::{Desk, Letter, Publish};
use bridgepoint_hub::key;
use bridgepoint_hub::keyring::{KeyState, RoomKey};
use bridgepoint_hub::store::Store as _;
use bridgepoint_hub::store::sqlite::SqliteStore;
use bridgepoint_protocol::claims::Report;
use bridgepoint_protocol::envelope::{EntryHash, Kind, SigningKey, VerifyingKey, open, peek, seal};
use bridgepoint_protocol::name::{Name, RoomAddress};
use bridgepoint_tests::scenario::Stage;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

use crate::measure::{many, now, quotient};
use crate::table::{Row, time};

/// Letters that are kept in one commit, as the hub's clerk takes them when many wait.
const GROUP: usize = 64;

/// Rooms, and reports of each: an hour in which a whole province rehearses, and more.
const ROOMS: usize = 192;
const REPORTS: usize = 12;

/// Findings of the report that the aim is meant for: a room with a codec, a camera, a microphone and a UPS.
const FINDINGS: usize = 30;

/// Databases that are filled, of which the middle one counts.
const TAKES: usize = 5;

/// A room that reports.
struct Room {
    at: RoomAddress,
    key: SigningKey,
    prev: EntryHash,
}

/// A letter and what a bare verification needs of it.
struct Posted {
    letter: Letter,
    public: Vec<u8>,
    signature: Vec<u8>,
    signed: usize,
}

/// Times of one database that was filled.
#[derive(Debug, Clone, Copy, Default)]
struct Filled {
    desk: Duration,
    desk_cpu: Duration,
    verify: Duration,
    verify_cpu: Duration,
    sign: Duration,
}

/// The rows of the hub: a report of usual size, and the whole report of the room on the stage.
pub(crate) fn receipted(stage: &Stage, dir: &Path) -> Result<Vec<Row>> {
    let example = stage.agent.lines()?.swap_remove(0);
    let whole: Report = peek(example.as_bytes())?.claims()?;
    let mut usual = whole.clone();
    usual.findings.truncate(FINDINGS);
    let mut rows = Vec::new();
    for (example, judged) in [(usual, true), (whole, false)] {
        let place = dir.join(example.findings.len().to_string());
        // A thread of its own, since it stays on one core for ever.
        rows.extend(std::thread::scope(|scope| {
            scope
                .spawn(|| of_size(&example, judged, &place))
                .join()
                .unwrap_or_else(|_| Err(anyhow::anyhow!("the desk gave up")))
        })?);
    }
    Ok(rows)
}

fn of_size(example: &Report, judged: bool, dir: &Path) -> Result<Vec<Row>> {
    on_one_core()?;
    let (rooms, letters) = post(example)?;
    let size = letters.iter().map(|p| p.letter.payload.len()).sum::<usize>() / letters.len();
    let mut taken = (0..TAKES)
        .map(|take| fill(&dir.join(take.to_string()), &rooms, &letters))
        .collect::<Result<Vec<Filled>>>()?;
    taken.sort_by_key(|f| f.desk);
    let Filled {
        desk,
        desk_cpu,
        verify,
        verify_cpu,
        sign,
    } = taken[TAKES / 2];
    let each = u32::try_from(letters.len())?;
    let shown = |took: Duration| format!("{:.0} /s", f64::from(each) / took.as_secs_f64());
    eprintln!(
        "  each report: desk {} (on the processor {}), verification {} ({}), signature {}",
        time(desk / each),
        time(desk_cpu / each),
        time(verify / each),
        time(verify_cpu / each),
        time(sign / each)
    );
    let what = format!(
        "hub, one core: reports of {} findings, {:.1} KiB",
        example.findings.len(),
        kib(size)
    );
    let share = quotient(verify, desk);
    let row = Row::new(format!("{what}: verified, stored, receipted"), shown(desk))
        .beside(format!("bare ring verification {}", shown(verify)), share);
    Ok(vec![
        if judged { row.at_least(share, 0.6, "") } else { row },
        Row::new(
            "  the same, beside the signatures that it has to make too",
            shown(desk),
        )
        .beside(
            format!("bare verification and signature {}", shown(verify + sign)),
            quotient(verify + sign, desk),
        ),
        Row::new("  the same, time on the processor alone", shown(desk_cpu)).beside(
            format!("bare ring verification {}", shown(verify_cpu)),
            quotient(verify_cpu, desk_cpu),
        ),
    ])
}

/// Opening an envelope, and reading a report, against the mathematics alone.
pub(crate) fn envelopes(stage: &Stage) -> Result<Vec<Row>> {
    let jwk = stage.agent.run(&["key", "show", "--json"])?.stdout;
    let key = VerifyingKey::from_jwk(&serde_json::from_str(&jwk)?)?;
    let jws = stage.agent.lines()?.swap_remove(0);
    let (signed, signature) = jws.rsplit_once('.').context("an envelope")?;
    let signature = URL_SAFE_NO_PAD.decode(signature)?;
    let bare_key = UnparsedPublicKey::new(&ED25519, URL_SAFE_NO_PAD.decode(key.jwk().x)?);
    let known = |kid: &_| (*kid == key.kid()).then_some(key);

    let bare = many(|| bare_key.verify(black_box(signed.as_bytes()), &signature).unwrap());
    let opened = many(|| {
        black_box(open(black_box(jws.as_bytes()), &[Kind::Report], known).unwrap());
    });
    let report = many(|| {
        let opened = open(black_box(jws.as_bytes()), &[Kind::Report], known).unwrap();
        black_box(opened.claims::<Report>().unwrap());
    });
    let beside = format!(
        "bare ring verification of {:.1} KiB {}",
        kib(jws.len()),
        time(bare)
    );
    Ok(vec![
        Row::new("envelope opened (header, key, signature)", time(opened))
            .beside(&beside, quotient(opened, bare)),
        Row::new("report opened and read", time(report)).beside(&beside, quotient(report, bare)),
    ])
}

/// Fills a new database, group by group; before each group its letters are verified bare and as many receipts signed
/// bare, so that all of it meets the same machine.
fn fill(dir: &Path, rooms: &[Room], letters: &[Posted]) -> Result<Filled> {
    std::fs::create_dir_all(dir)?;
    let (hub, _made) = key::read_or_make(dir).map_err(|e| anyhow::anyhow!("{e:?}"))?;
    let public = hub.verifying();
    let mut store = SqliteStore::open(&dir.join("hub.db"))?;
    for room in rooms {
        store.put_key(&row(room))?;
    }
    let challenger = Challenger::new(&SystemRandom::new()).context("random numbers")?;
    let org: Name = "quang-ninh".parse()?;
    let mut desk = Desk::open(store, hub, challenger, vec![org], Arc::new(Board::default()))?;
    let signer = Ed25519KeyPair::from_pkcs8(&SigningKey::generate(&SystemRandom::new())?)
        .map_err(|e| anyhow::anyhow!("{e}"))?;
    let mut receipt = vec![b'x'; 400];

    let (mut filled, mut receipts) = (Filled::default(), 0);
    for group in letters.chunks(GROUP) {
        let (began, began_cpu) = (now(), cpu_time());
        for posted in group {
            let signed = posted.letter.payload.get(..posted.signed).unwrap_or_default();
            UnparsedPublicKey::new(&ED25519, &posted.public)
                .verify(black_box(signed), &posted.signature)
                .map_err(|e| anyhow::anyhow!("{e}"))?;
        }
        let verified = now();
        filled.verify_cpu += cpu_time() - began_cpu;
        for _ in group {
            receipt[0] = black_box(signer.sign(black_box(&receipt))).as_ref()[0];
        }
        let signed = now();
        let group: Vec<Letter> = group.iter().map(|posted| posted.letter.clone()).collect();
        let (taking, cpu) = (now(), cpu_time());
        let answer = desk.take(&group, NOW_MS)?;
        filled.desk_cpu += cpu_time() - cpu;
        filled.desk += now() - taking;
        filled.verify += verified - began;
        filled.sign += signed - verified;
        receipts += answer.publish.iter().filter(|p| is_receipt(p, public)).count();
    }
    ensure!(
        receipts == letters.len(),
        "{receipts} receipts for {} reports",
        letters.len()
    );
    drop(desk);
    // What was receipted is there for whoever opens the file next.
    let store = SqliteStore::open(&dir.join("hub.db"))?;
    for room in rooms {
        let held = store.kept(&room.at)?.and_then(|kept| kept.chain);
        let held = held.map_or(0, |chain| chain.held - chain.missing);
        ensure!(held == REPORTS as u64, "{}: {held} entries are there", room.at);
    }
    Ok(filled)
}

/// A moment that lies after the reports', UTC milliseconds.
const NOW_MS: i64 = 1_795_000_000_000;

fn is_receipt(message: &Publish, hub: VerifyingKey) -> bool {
    message.topic.ends_with("/receipt")
        && open(message.payload.as_bytes(), &[Kind::Receipt], |kid| {
            (*kid == hub.kid()).then_some(hub)
        })
        .is_ok()
}

/// Every room's reports, in the order in which a province sends them: one of each room, then the next.
fn post(example: &Report) -> Result<(Vec<Room>, Vec<Posted>)> {
    let mut rooms = (0..ROOMS).map(Room::new).collect::<Result<Vec<_>>>()?;
    let mut letters = Vec::new();
    for seq in 1..=REPORTS {
        for room in &mut rooms {
            letters.push(room.reports(example, seq as u64)?);
        }
    }
    Ok((rooms, letters))
}

impl Room {
    fn new(number: usize) -> Result<Self> {
        let made = SigningKey::generate(&SystemRandom::new())?;
        Ok(Self {
            at: format!("quang-ninh/room-{number:03}").parse()?,
            key: SigningKey::from_pkcs8(&made)?,
            prev: EntryHash::ZERO,
        })
    }

    fn reports(&mut self, example: &Report, seq: u64) -> Result<Posted> {
        let mut report = example.clone();
        report.room = self.at.room.clone();
        report.link.seq = seq;
        report.link.prev = self.prev;
        report.run = format!("{}-{seq}", self.at.room);
        let sealed = seal(&self.key, Kind::Report, &report)?;
        self.prev = sealed.hash;
        let (signed, signature) = sealed.jws.rsplit_once('.').context("an envelope")?;
        Ok(Posted {
            public: URL_SAFE_NO_PAD.decode(self.key.verifying().jwk().x)?,
            signature: URL_SAFE_NO_PAD.decode(signature)?,
            signed: signed.len(),
            letter: Letter {
                topic: format!("bp/1/{}/report", self.at),
                payload: sealed.jws.into_bytes(),
                retained: false,
                received_ms: NOW_MS,
            },
        })
    }
}

fn row(room: &Room) -> RoomKey {
    RoomKey {
        at: room.at.clone(),
        kid: room.key.kid().clone(),
        key: room.key.verifying(),
        state: KeyState::Approved,
        chain: 1,
        from: 1,
        end: None,
        former: None,
        awaited: false,
        name: "UBND phường Bãi Cháy".into(),
        area: Some("Hạ Long".into()),
        contacts: vec![],
        enrolment: EntryHash::ZERO,
        first_ms: NOW_MS,
        last_ms: NOW_MS,
        decided_ms: Some(NOW_MS),
    }
}

/// This thread stays on the first core that it may use.
fn on_one_core() -> Result<()> {
    let may = sched_getaffinity(None)?;
    let first = (0..CpuSet::MAX_CPU)
        .find(|core| may.is_set(*core))
        .context("a core")?;
    let mut one = CpuSet::new();
    one.set(first);
    Ok(sched_setaffinity(None, &one)?)
}

/// This thread's time on a processor.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

fn kib(bytes: usize) -> f64 {
    bytes as f64 / 1024.0
}
