//! A disk whose power can be cut: `tests/rigs/holdback.c`, built with the system's compiler and preloaded into a program.
//!
//! The program works in the live directory as in any. What has reached the disk is kept beside it:
//! * `ino/N`: what was synced of the file with inode N; none: the file's name is there, and nothing in it,
//! * `dir/N`: the names that were synced of the directory with inode N, a line each: `f` or `d`, inode, name,
//! * `pin/N`: a second name of the live file, so that no other file is given its number,
//! * `bad/N`: from where to where a failed sync has thrown the file's bytes away.
//!
//! [`Disk::cut`] makes the live directory what has reached the disk. A process that is only killed loses nothing: the live
//! directory stays. That is the difference between the two, and what `kill -9` alone can never show.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use bridgepoint_protocol::envelope::sha256_hex;

use super::process::succeed;

const SOURCE: &str = include_str!("../../rigs/holdback.c");

/// Where a program is to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// In place of its Nth operation on the disk; a write dies half-way, and so does a sync.
    Disk(u64),
    /// Before its Nth message to the network or to whoever reads its output.
    Net(u64),
}

/// Operations on the disk that fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    /// The first that fails, from 1.
    pub from: u64,
    /// How many.
    pub count: u64,
    /// The error: 5 is EIO, 28 is ENOSPC.
    pub errno: i32,
}

/// A directory on a disk whose power can be cut.
#[derive(Debug)]
pub struct Disk {
    live: PathBuf,
    durable: Option<PathBuf>,
}

impl Disk {
    /// The directory `live`, made where it is missing. With `durable`, what was not synced is lost in a [`cut`](Self::cut);
    /// without, everything that is written is there at once.
    ///
    /// # Errors
    /// When the directories cannot be made.
    pub fn new(live: &Path, durable: Option<&Path>) -> Result<Self> {
        make(live)?;
        // As the program sees it in /proc.
        let live = live.canonicalize()?;
        let disk = Self {
            live,
            durable: durable.map(Path::to_owned),
        };
        disk.settle()?;
        Ok(disk)
    }

    /// What a program needs in its environment to work on this disk.
    ///
    /// # Errors
    /// When the shim cannot be built.
    pub fn environment(
        &self,
        death: Option<Death>,
        failing: Option<Failing>,
    ) -> Result<Vec<(String, String)>> {
        let mut environment = vec![
            ("LD_PRELOAD".to_owned(), library()?.display().to_string()),
            ("HOLDBACK_LIVE".to_owned(), self.live.display().to_string()),
        ];
        if let Some(durable) = &self.durable {
            environment.push(("HOLDBACK_DURABLE".to_owned(), durable.display().to_string()));
        }
        if let Some(death) = death {
            let at = match death {
                Death::Disk(n) => format!("disk:{n}"),
                Death::Net(n) => format!("net:{n}"),
            };
            environment.push(("HOLDBACK_KILL".to_owned(), at));
        }
        if let Some(Failing { from, count, errno }) = failing {
            environment.push(("HOLDBACK_FAIL".to_owned(), format!("{from}:{count}:{errno}")));
        }
        Ok(environment)
    }

    /// The power goes and comes back: the live directory is what had reached the disk. No program may be working in it.
    ///
    /// # Errors
    /// When the files cannot be moved.
    pub fn cut(&self) -> Result<()> {
        let Some(durable) = &self.durable else {
            return Ok(());
        };
        let root = fs::metadata(&self.live)?.ino();
        let fresh = self.live.with_extension("after-cut");
        restore(durable, root, &fresh)?;
        fs::remove_dir_all(&self.live)?;
        fs::rename(&fresh, &self.live)?;
        self.settle()
    }

    /// Everything that is there now has reached the disk.
    fn settle(&self) -> Result<()> {
        let Some(durable) = &self.durable else {
            return Ok(());
        };
        if durable.exists() {
            fs::remove_dir_all(durable)?;
        }
        for part in ["ino", "dir", "pin", "bad"] {
            make(&durable.join(part))?;
        }
        adopt(durable, &self.live)
    }
}

/// The shim, built once into the folder of the running program.
///
/// # Errors
/// When the compiler is missing or refuses it.
pub fn library() -> Result<PathBuf> {
    let own = std::env::current_exe().context("the running program's own file")?;
    let folder = own.parent().context("its folder")?.join("holdback");
    let digest = sha256_hex(SOURCE.as_bytes());
    let name = digest.get(..16).unwrap_or(&digest);
    let library = folder.join(format!("{name}.so"));
    if !library.is_file() {
        make(&folder)?;
        // Several tests may build it at once: each in its own place, and the last one's name stays.
        let place = tempfile::tempdir_in(&folder)?;
        let (source, fresh) = (place.path().join("holdback.c"), place.path().join("holdback.so"));
        fs::write(&source, SOURCE)?;
        succeed(
            Command::new("cc")
                .args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
                .arg(&fresh)
                .arg(&source)
                .args(["-ldl", "-lpthread"]),
        )
        .context("tests/rigs/holdback.c (needs the Debian package build-essential)")?;
        fs::rename(&fresh, &library)?;
    }
    Ok(library)
}

fn make(dir: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| dir.display().to_string())
}

/// Notes a directory's names and contents as having reached the disk.
fn adopt(durable: &Path, dir: &Path) -> Result<()> {
    let mut names = String::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let (meta, name) = (fs::symlink_metadata(&path)?, path.file_name().unwrap_or_default());
        let number = meta.ino();
        let kind = if meta.is_dir() {
            adopt(durable, &path)?;
            'd'
        } else if meta.is_file() {
            let number = number.to_string();
            fs::hard_link(&path, durable.join("pin").join(&number))?;
            fs::copy(&path, durable.join("ino").join(&number))?;
            'f'
        } else {
            // A socket: it goes with the process.
            continue;
        };
        writeln!(names, "{kind} {number} {}", name.display())?;
    }
    let number = fs::metadata(dir)?.ino().to_string();
    fs::write(durable.join("dir").join(number), names)?;
    Ok(())
}

/// Builds at `to` what had reached the disk of the directory with this inode.
fn restore(durable: &Path, number: u64, to: &Path) -> Result<()> {
    make(to)?;
    // A directory that was never synced has no names on the disk.
    let names = fs::read_to_string(durable.join("dir").join(number.to_string())).unwrap_or_default();
    for line in names.lines() {
        let mut parts = line.splitn(3, ' ');
        let (Some(kind), Some(number), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            anyhow::bail!("the shim wrote a line that is none: {line}");
        };
        if kind == "d" {
            restore(durable, number.parse()?, &to.join(name))?;
            continue;
        }
        let bytes = fs::read(durable.join("ino").join(number)).unwrap_or_default();
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(to.join(name))?;
        std::io::Write::write_all(&mut file, &bytes)?;
    }
    Ok(())
}

/// What is in a directory, by name: to compare two states of a disk.
///
/// # Errors
/// When it cannot be read.
pub fn contents(dir: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(contents(&path)?);
        } else if path.is_file() {
            let bytes = fs::read(&path)?;
            found.insert(path, bytes);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::process::run;

    /// A shell's line on a disk: `$1` is the live directory. Gives its exit code.
    fn on(disk: &Disk, line: &str, death: Option<Death>, failing: Option<Failing>) -> i32 {
        let mut command = Command::new("sh");
        command.args(["-c", line, "sh"]).arg(&disk.live);
        command.envs(disk.environment(death, failing).unwrap());
        run(&mut command).unwrap().code
    }

    fn disk() -> (tempfile::TempDir, Disk) {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new(&dir.path().join("live"), Some(&dir.path().join("durable"))).unwrap();
        (dir, disk)
    }

    fn names(disk: &Disk) -> Vec<(String, String)> {
        let name = |path: PathBuf| path.strip_prefix(&disk.live).unwrap().display().to_string();
        contents(&disk.live)
            .unwrap()
            .into_iter()
            .map(|(path, bytes)| (name(path), String::from_utf8(bytes).unwrap()))
            .collect()
    }

    fn pair(name: &str, text: &str) -> (String, String) {
        (name.to_owned(), text.to_owned())
    }

    #[test]
    fn what_was_not_synced_is_lost_with_the_power_and_only_then() {
        let (_dir, disk) = disk();
        // dd writes as it is told and syncs only with conv=fsync; sync syncs the directory that it is given.
        let wrote = "echo kept | dd of=$1/a conv=fsync status=none && sync $1 && echo lost | dd of=$1/b status=none && \
                     printf more | dd of=$1/a conv=notrunc oflag=append status=none";
        assert_eq!(on(&disk, wrote, None, None), 0);
        let before = names(&disk);
        assert_eq!(before, [pair("a", "kept\nmore"), pair("b", "lost\n")]);
        disk.cut().unwrap();
        assert_eq!(names(&disk), [pair("a", "kept\n")]);
    }

    #[test]
    fn a_name_reaches_the_disk_only_with_its_directory() {
        let (_dir, disk) = disk();
        let wrote = "echo new | dd of=$1/a conv=fsync status=none";
        assert_eq!(on(&disk, wrote, None, None), 0);
        disk.cut().unwrap();
        assert_eq!(names(&disk), [], "its bytes were synced, its name was not");
        let wrote = "echo old | dd of=$1/a conv=fsync status=none && sync $1 && \
                     echo new | dd of=$1/b conv=fsync status=none && mv $1/b $1/a";
        assert_eq!(on(&disk, wrote, None, None), 0);
        disk.cut().unwrap();
        assert_eq!(names(&disk), [pair("a", "old\n")]);
        let wrote = "echo new | dd of=$1/b conv=fsync status=none && mv $1/b $1/a && sync $1";
        assert_eq!(on(&disk, wrote, None, None), 0);
        disk.cut().unwrap();
        assert_eq!(names(&disk), [pair("a", "new\n")]);
        let wrote = "mkdir $1/d && echo x | dd of=$1/d/x conv=fsync status=none && sync $1/d";
        assert_eq!(on(&disk, wrote, None, None), 0);
        disk.cut().unwrap();
        assert_eq!(
            names(&disk),
            [pair("a", "new\n")],
            "the directory's own name was not synced"
        );
    }

    #[test]
    fn a_sync_that_is_cut_leaves_half_of_what_was_new() {
        let (_dir, disk) = disk();
        let first = "printf 0123 | dd of=$1/a conv=fsync status=none && sync $1";
        assert_eq!(on(&disk, first, None, None), 0);
        // A write and its sync: it dies in the sync.
        let wrote = "printf 456789 | dd of=$1/a conv=notrunc,fsync oflag=append status=none; true";
        assert_eq!(on(&disk, wrote, Some(Death::Disk(2)), None), 0);
        assert_eq!(names(&disk), [pair("a", "0123456789")], "written, but not synced");
        disk.cut().unwrap();
        assert_eq!(names(&disk), [pair("a", "0123456")]);
        // And in the write.
        assert_eq!(on(&disk, wrote, Some(Death::Disk(1)), None), 0);
        assert_eq!(names(&disk), [pair("a", "0123456456")]);
    }

    #[test]
    fn what_a_failed_sync_should_have_written_is_lost_whatever_the_next_one_says() {
        let (_dir, disk) = disk();
        let wrote = "printf 0123 | dd of=$1/a conv=fsync status=none && sync $1 && \
                     printf 4567 | dd of=$1/a conv=notrunc oflag=append status=none";
        assert_eq!(on(&disk, wrote, None, None), 0);
        let eio = Failing {
            from: 1,
            count: 1,
            errno: 5,
        };
        assert_ne!(on(&disk, "exec sync $1/a", None, Some(eio)), 0, "it is told");
        assert_eq!(on(&disk, "exec sync $1/a", None, None), 0);
        assert_eq!(names(&disk), [pair("a", "01234567")]);
        disk.cut().unwrap();
        assert_eq!(names(&disk), [pair("a", "0123\0\0\0\0")]);
    }

    #[test]
    fn a_full_disk_takes_half_and_then_refuses() {
        let (_dir, disk) = disk();
        let full = Failing {
            from: 2,
            count: 9,
            errno: 28,
        };
        let wrote = "exec dd if=/dev/zero of=$1/a bs=8 count=1 status=none";
        assert_ne!(on(&disk, wrote, None, Some(full)), 0);
        assert_eq!(names(&disk), [pair("a", "\0\0\0\0")]);
    }

    /// Deaths are ordered by number: they are to hit what a check does to keep its entry.
    #[test]
    fn a_check_keeps_its_entry_where_the_deaths_are_drawn() {
        let dir = tempfile::tempdir().unwrap();
        let config = crate::rig::agent::small_room("rig-1", "tcp://127.0.0.1:9", Some("mqtt://127.0.0.1:9"));
        let agent = crate::rig::agent::Agent::new(dir.path(), &config).unwrap();
        let disk = Disk::new(agent.state(), None).unwrap();
        let note = dir.path().join("note");
        for _ in 0..2 {
            let _of_the_one_before = fs::remove_file(&note);
            let mut command = agent.command(&["check", "--only", "host", "--json"]).unwrap();
            command.envs(disk.environment(None, None).unwrap());
            run(command.env("HOLDBACK_NOTE", &note)).unwrap();
        }
        let noted = fs::read_to_string(&note).unwrap();
        // The entry's own sync is the last one of a month's file. Its number moves by some: the session of the delivery is kept
        // at the same time.
        let of_a_month = |line: &&str| {
            line.contains(" sync ") && Path::new(line).extension().is_some_and(|kind| kind == "log")
        };
        let last = noted.lines().rfind(of_a_month).unwrap_or_default();
        let number: u64 = last.split(' ').next().unwrap_or_default().parse().unwrap_or(0);
        let keeps = crate::rig::chance::CHECK_KEEPS;
        assert!(
            (keeps - 3..=keeps + 2).contains(&number),
            "CHECK_KEEPS of chance.rs is to be counted anew:\n{noted}"
        );
    }
}
