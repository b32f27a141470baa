//! What it costs to verify a whole logbook, entries with the hub's receipt beside each, beside the bare arithmetic of the
//! signatures of the same lines in the same moments.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bridgepoint_protocol::claims::{Receipt, Report, Witness};
use bridgepoint_protocol::envelope::{EntryHash, Kind, SigningKey, peek, seal};
use bridgepoint_protocol::logbook::{Keys, Walk};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, UnparsedPublicKey};

use crate::measure::{now, quotient};
use crate::table::{Row, time};

/// Entries: a room that is checked every five minutes for a year.
const ENTRIES: usize = 100_000;

/// Entries that are verified both ways before the next ones are made.
const GROUP: usize = 500;

/// Length of an entry's line, bytes, about.
const LINE: usize = 1_700;

/// A line, and what a bare verification needs of it.
struct Signed {
    line: String,
    signed: usize,
    signature: Vec<u8>,
    by_hub: bool,
}

/// A box that writes, and the hub.
struct Book {
    key: SigningKey,
    hub: SigningKey,
    report: Report,
}

/// The row: `example` is a signed report, of which as much is taken as makes a line of the usual length.
pub(crate) fn whole(example: &[u8]) -> Result<Row> {
    let mut book = Book {
        key: made()?,
        hub: made()?,
        report: peek(example)?.claims()?,
    };
    book.fit()?;
    let agent = [book.key.verifying()];
    let hub = [book.hub.verifying()];
    let keys = Keys {
        agent: &agent,
        hub: &hub,
    };
    let bare_key = |key: &SigningKey| -> Result<UnparsedPublicKey<Vec<u8>>> {
        let raw = URL_SAFE_NO_PAD.decode(key.verifying().jwk().x)?;
        Ok(UnparsedPublicKey::new(&ED25519, raw))
    };
    let (box_key, hub_key) = (bare_key(&book.key)?, bare_key(&book.hub)?);
    let mut walk = Walk::default();
    let (mut walked, mut bare, mut bytes) = (Duration::ZERO, Duration::ZERO, 0);
    for _ in 0..ENTRIES / GROUP {
        let lines = book.write(GROUP)?;
        bytes += lines.iter().map(|signed| signed.line.len()).sum::<usize>();
        let began = now();
        for signed in &lines {
            let key = if signed.by_hub { &hub_key } else { &box_key };
            let text = signed.line.as_bytes().get(..signed.signed).unwrap_or_default();
            key.verify(black_box(text), &signed.signature)
                .map_err(|e| anyhow::anyhow!("{e}"))?;
        }
        let between = now();
        for signed in &lines {
            black_box(walk.step(black_box(signed.line.as_bytes()), keys)?);
        }
        bare += between - began;
        walked += now() - between;
    }
    let all = ENTRIES as u64;
    ensure!((walk.entries, walk.receipts) == (all, all), "{walk:?}");
    let quotient = quotient(walked, bare);
    let beside = format!(
        "bare ring verification of the same {} signatures {}",
        2 * ENTRIES,
        time(bare)
    );
    eprintln!("  {:.0} MB of lines", bytes as f64 / 1e6);
    Ok(Row::new(
        format!("a logbook of {ENTRIES} entries with receipts verified"),
        time(walked),
    )
    .beside(beside, quotient)
    .at_most(quotient, 1.3, ""))
}

fn made() -> Result<SigningKey> {
    Ok(SigningKey::from_pkcs8(&SigningKey::generate(
        &SystemRandom::new(),
    )?)?)
}

impl Book {
    /// Begins a book of which each line is about as long as it should be.
    fn fit(&mut self) -> Result<()> {
        self.report.link.seq = 0;
        self.report.link.prev = EntryHash::ZERO;
        self.report.link.witness = None;
        let examples = std::mem::take(&mut self.report.findings);
        for finding in examples.iter().cycle().take(100) {
            self.report.findings.push(finding.clone());
            if seal(&self.key, Kind::Report, &self.report)?.jws.len() >= LINE {
                break;
            }
        }
        Ok(())
    }

    fn write(&mut self, entries: usize) -> Result<Vec<Signed>> {
        let mut lines = Vec::with_capacity(2 * entries);
        for _ in 0..entries {
            self.report.link.seq += 1;
            let (seq, sealed) = (self.report.link.seq, seal(&self.key, Kind::Report, &self.report)?);
            let receipt = Receipt {
                v: self.report.v,
                org: self.report.org.clone(),
                room: self.report.room.clone(),
                iat: self.report.link.iat,
                seq: Some(seq),
                hash: sealed.hash,
                received_ms: self.report.finished_ms,
                nonce: None,
            };
            lines.push(Signed::of(sealed.jws, false)?);
            lines.push(Signed::of(seal(&self.hub, Kind::Receipt, &receipt)?.jws, true)?);
            self.report.link.prev = sealed.hash;
            self.report.link.witness = Some(Witness {
                seq,
                hash: sealed.hash,
            });
        }
        Ok(lines)
    }
}

impl Signed {
    fn of(line: String, by_hub: bool) -> Result<Self> {
        let (signed, signature) = line.rsplit_once('.').context("an envelope")?;
        Ok(Self {
            signed: signed.len(),
            signature: URL_SAFE_NO_PAD.decode(signature)?,
            by_hub,
            line,
        })
    }
}
