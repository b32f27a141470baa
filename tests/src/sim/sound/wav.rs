//! WAV files: 48 kHz, 16 bit, one channel, written whole and then renamed into place, so that nobody
//! ever reads half of one.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Samples a second.
pub const RATE: u32 = 48_000;

/// Writes `samples` (full scale is 1.0; beyond it is clipped) to `path`.
///
/// # Errors
/// Of the file system; the file that was there before is then still whole.
pub(crate) fn write(path: &Path, samples: &[f64]) -> io::Result<()> {
    replace(path, &bytes(samples))
}

/// Replaces a file by another content, in one step.
///
/// # Errors
/// Of the file system.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    // Another user's driver may be the one who reads it.
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(directory)?;
    file.write_all(content)?;
    file.persist(path).map_err(|failed| failed.error)?;
    Ok(())
}

/// The samples alone: 16 bit, little-endian.
pub(crate) fn raw(samples: &[f64]) -> Vec<u8> {
    // `as` saturates, which is what a converter does at full scale.
    let value = |sample: &f64| (sample * 32_768.0).round() as i16;
    samples
        .iter()
        .flat_map(|sample| value(sample).to_le_bytes())
        .collect()
}

/// A whole WAV file.
fn bytes(samples: &[f64]) -> Vec<u8> {
    let data_length = u32::try_from(samples.len().saturating_mul(2)).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(samples.len().saturating_mul(2).saturating_add(44));
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&data_length.saturating_add(36).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt ");
    bytes.extend_from_slice(&16_u32.to_le_bytes());
    bytes.extend_from_slice(&1_u16.to_le_bytes());
    bytes.extend_from_slice(&1_u16.to_le_bytes());
    bytes.extend_from_slice(&RATE.to_le_bytes());
    bytes.extend_from_slice(&(RATE * 2).to_le_bytes());
    bytes.extend_from_slice(&2_u16.to_le_bytes());
    bytes.extend_from_slice(&16_u16.to_le_bytes());
    bytes.extend_from_slice(b"data");
    bytes.extend_from_slice(&data_length.to_le_bytes());
    bytes.extend(raw(samples));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_that_of_a_plain_wave_file() {
        let file = bytes(&[0.0, 1.0, -1.0]);
        let head =
            b"RIFF\x2A\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\xBB\0\0\0\x77\x01\0\x02\0\x10\0data\x06\0\0\0";
        assert_eq!(file[..44], head[..]);
        assert_eq!(file[44..], [0x00, 0x00, 0xFF, 0x7F, 0x00, 0x80]);
    }

    #[test]
    fn replacing_leaves_one_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("chair.wav");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
