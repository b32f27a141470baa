//! A small disk of its own (tmpfs) that can be filled from outside. Mounting needs root: elsewhere it is left out, and that is
//! told.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::process::run;

/// Its size, KiB.
const SIZE_KIB: u64 = 24 * 1024;

/// A mounted disk; gone when it is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts one at `at`, which is made. `None` where this user may not.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn mount(at: &Path) -> Result<Option<Self>> {
        fs::create_dir_all(at)?;
        let options = format!("size={SIZE_KIB}k,mode=0700");
        let mounted = run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(at))?;
        if mounted.code != 0 {
            super::skipped(&format!(
                "a disk that is really full (mount: {})",
                mounted.stderr.trim()
            ));
            return Ok(None);
        }
        Ok(Some(Self { at: at.to_owned() }))
    }

    /// Fills it until `left` bytes are free, to the page.
    ///
    /// # Errors
    /// When something else than a full disk stands in the way.
    pub fn fill(&self, left: u64) -> Result<()> {
        let mut filler = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.filler())?;
        let page = [0; 4096];
        loop {
            match filler.write(&page) {
                Ok(4096) => {}
                Ok(_) => break,
                Err(e) if e.kind() == std::io::ErrorKind::StorageFull => break,
                Err(e) => return Err(e).context("the filler"),
            }
        }
        let size = filler.metadata()?.len();
        filler.set_len(size.saturating_sub(left))?;
        Ok(())
    }

    /// There is room again.
    ///
    /// # Errors
    /// When the filler cannot be removed.
    pub fn make_room(&self) -> Result<()> {
        fs::remove_file(self.filler()).context("the filler")
    }

    fn filler(&self) -> PathBuf {
        self.at.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a program that hangs must not keep it.
        let _unmounted = run(Command::new("umount").arg("-l").arg(&self.at));
    }
}
