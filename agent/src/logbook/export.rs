//! A part of the logbook in one file, for somebody who has neither the box nor its program: the exact lines, and beside it
//! the public keys that verify them.

use std::io;
use std::path::{Path, PathBuf};

use bridgepoint_protocol::envelope::{EntryHash, VerifyingKey};
use bridgepoint_protocol::logbook::{Line, read_unverified};
use serde_json::{Value, json};

use super::read::{self, BookBroken};
use crate::disk::{Disk as _, Opening, RealDisk};
use crate::said::{Said, Say};

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exported {
    /// How many entries.
    pub(crate) entries: u64,
    /// The first one's number.
    pub(crate) first: u64,
    /// The last one's number and hash.
    pub(crate) last: (u64, EntryHash),
    /// Lines that cannot be read; they are in the file as they are.
    pub(crate) damaged: u64,
    /// Where the keys are.
    pub(crate) keys: PathBuf,
}

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    /// There is such a file.
    #[error("{0} is there already and is not written over; name another file")]
    Exists(PathBuf),
    /// A file cannot be written.
    #[error("{0} cannot be written ({1}); name a file in a directory that can be written")]
    Io(PathBuf, io::Error),
    /// The logbook cannot be read.
    #[error(transparent)]
    Book(#[from] BookBroken),
    /// There is no entry of these days.
    #[error(
        "the logbook has no entry of these days; see which it has with \"bridgepoint-agent logbook list\""
    )]
    Empty,
}

impl Say for ExportError {
    fn said(&self) -> Said {
        match self {
            Self::Exists(file) => Said::new("error-export-exists").on(file),
            Self::Io(file, error) => Said::new("error-export").on(file).because(error),
            Self::Book(broken) => broken.said(),
            Self::Empty => Said::new("error-export-empty").run("logbook list"),
        }
    }
}

/// Which entries: from and before these moments, UTC milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Days {
    /// From then on.
    pub(crate) from_ms: Option<i64>,
    /// Before then.
    pub(crate) before_ms: Option<i64>,
}

impl Days {
    fn hold(self, at_ms: i64) -> bool {
        self.from_ms.is_none_or(|from_ms| from_ms <= at_ms)
            && self.before_ms.is_none_or(|before_ms| at_ms < before_ms)
    }
}

/// Writes the entries of these days to `out`, from the first to the last with all that stands between and the receipts
/// behind, and the keys to `out` with `.keys.json` at its end. Neither may be there yet.
///
/// # Errors
/// [`ExportError`]; then neither was written, or the one that could be was removed again.
pub(crate) fn export(
    dir: &Path,
    days: Days,
    out: &Path,
    (own, hub): (&[VerifyingKey], &[VerifyingKey]),
) -> Result<Exported, ExportError> {
    let (lines, mut exported) = chosen(dir, days)?;
    let mut name = out.as_os_str().to_owned();
    name.push(".keys.json");
    exported.keys = PathBuf::from(name);
    let set = keys(own, hub).to_string();
    write(out, &lines)?;
    if let Err(error) = write(&exported.keys, format!("{set}\n").as_bytes()) {
        // Half an export would be in the way of the next one.
        let _ours = RealDisk.remove(out);
        return Err(error);
    }
    Ok(exported)
}

/// The lines, and what is in them.
fn chosen(dir: &Path, days: Days) -> Result<(Vec<u8>, Exported), ExportError> {
    let (mut lines, mut since) = (Vec::new(), Vec::new());
    let mut first = None;
    let mut last = None;
    let (mut entries, mut damaged) = ((0, 0), (0, 0));
    let months = read::months(dir).map_err(|error| read::damage(dir, 0, error.to_string()))?;
    for (_, path) in months {
        let text = RealDisk
            .read(&path)
            .map_err(|error| read::damage(&path, 0, error.to_string()))?;
        for line in text.split_inclusive(|b| *b == b'\n') {
            let Some(body) = line.strip_suffix(b"\n") else {
                continue;
            };
            let read = read_unverified(body);
            let in_days = match &read {
                Ok(Line::Entry(entry)) => Some((entry, days.hold(entry.iat.saturating_mul(1000)))),
                _ => None,
            };
            match in_days {
                Some((entry, true)) => {
                    first.get_or_insert(entry.seq);
                    last = Some((entry.seq, entry.hash));
                    // What stood between belongs to the chain, whatever its clock said.
                    lines.append(&mut since);
                    lines.extend_from_slice(line);
                    entries = (entries.1 + 1, entries.1 + 1);
                    damaged.0 = damaged.1;
                }
                _ if first.is_none() => {}
                Some((_, false)) => {
                    since.extend_from_slice(line);
                    entries.1 += 1;
                }
                None => {
                    damaged.1 += u64::from(read.is_err());
                    if since.is_empty() {
                        lines.extend_from_slice(line);
                        damaged.0 = damaged.1;
                    } else {
                        since.extend_from_slice(line);
                    }
                }
            }
        }
    }
    match (first, last) {
        (Some(first), Some(last)) => Ok((
            lines,
            Exported {
                entries: entries.0,
                first,
                last,
                damaged: damaged.0,
                keys: PathBuf::new(),
            },
        )),
        _ => Err(ExportError::Empty),
    }
}

/// The keys as a JWK set (RFC 7517); `of` says whose each is.
fn keys(own: &[VerifyingKey], hub: &[VerifyingKey]) -> Value {
    let one = |key: &VerifyingKey, of: &str| {
        let mut jwk = serde_json::to_value(key.jwk()).unwrap_or_default();
        if let Some(members) = jwk.as_object_mut() {
            members.insert("kid".into(), json!(key.kid()));
            members.insert("alg".into(), json!("EdDSA"));
            members.insert("use".into(), json!("sig"));
            members.insert("of".into(), json!(of));
        }
        jwk
    };
    let own = own.iter().map(|key| one(key, "box"));
    let hub = hub.iter().map(|key| one(key, "hub"));
    json!({ "keys": own.chain(hub).collect::<Vec<_>>() })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ExportError> {
    let fault = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => ExportError::Exists(path.to_owned()),
        _ => ExportError::Io(path.to_owned(), error),
    };
    let mut file = RealDisk.open(path, Opening::New).map_err(fault)?;
    let written = file.append(bytes).and_then(|()| file.sync());
    written.map_err(|error| {
        let _half = RealDisk.remove(path);
        fault(error)
    })
}
