//! A serial line that can be plugged in and pulled out while the room runs: a pseudo-terminal under a name
//! that stays.
//!
//! The name is a symbolic link in the room's directory. Pulling out takes effect before the call returns: the
//! name is gone, as `/dev/ttyUSB0` is when its converter is unplugged; the line itself hangs up when its
//! [`Line`] is dropped. There is no speed here: any is as good as another.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use tokio::io::{AsyncRead, AsyncWrite, Join, ReadBuf, join};
use tokio::net::unix::pipe;
use tokio::sync::Notify;

/// Where a line is plugged in.
#[derive(Debug)]
pub(crate) struct Jack {
    name: PathBuf,
    plugged: Mutex<Option<Ends>>,
    told: Notify,
}

/// The device's end of a line that nobody serves yet.
#[derive(Debug)]
struct Ends {
    device: OwnedFd,
    // Held open: without it the line would hang up whenever the last program closes it.
    program: OwnedFd,
}

impl Jack {
    /// A line plugged in at `name`.
    ///
    /// # Errors
    /// When there is no pseudo-terminal left, or the name cannot be given.
    pub(crate) fn plugged_in(name: &Path) -> io::Result<Self> {
        let jack = Self {
            name: name.to_owned(),
            plugged: Mutex::new(None),
            told: Notify::new(),
        };
        jack.plug_in()?;
        Ok(jack)
    }

    /// The name that a program opens.
    pub(crate) fn name(&self) -> &Path {
        &self.name
    }

    /// Plugs a new line in at the same name.
    ///
    /// # Errors
    /// As for [`Self::plugged_in`].
    pub(crate) fn plug_in(&self) -> io::Result<()> {
        let device = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&device, true)?;
        grantpt(&device)?;
        unlockpt(&device)?;
        let path = ptsname(&device, Vec::new())?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let program = rustix::fs::open(path.as_c_str(), flags, Mode::empty())?;
        // A terminal would echo what the device says, and read Ctrl-C out of it.
        let mut settings = tcgetattr(&program)?;
        settings.make_raw();
        tcsetattr(&program, OptionalActions::Now, &settings)?;
        let beside = self.name.with_extension("new");
        let _none_left: io::Result<()> = std::fs::remove_file(&beside);
        symlink(Path::new(&*path.to_string_lossy()), &beside)?;
        std::fs::rename(&beside, &self.name)?;
        *self.plugged() = Some(Ends { device, program });
        self.told.notify_one();
        Ok(())
    }

    /// Pulls it out. A line that is served is the business of who serves it.
    pub(crate) fn pull_out(&self) {
        let _gone_already: io::Result<()> = std::fs::remove_file(&self.name);
        *self.plugged() = None;
    }

    /// The line that was plugged in last; waits for one. Cancel safe.
    ///
    /// # Errors
    /// When the runtime cannot watch it.
    pub(crate) async fn line(&self) -> io::Result<Line> {
        loop {
            let plugged = self.plugged().take();
            if let Some(Ends { device, program }) = plugged {
                // No pipes, but what waits for a pipe waits for any descriptor.
                let write = pipe::Sender::from_owned_fd_unchecked(device.try_clone()?)?;
                let read = pipe::Receiver::from_owned_fd_unchecked(device)?;
                return Ok(Line {
                    device: join(read, write),
                    _program: program,
                });
            }
            self.told.notified().await;
        }
    }

    fn plugged(&self) -> MutexGuard<'_, Option<Ends>> {
        self.plugged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Jack {
    fn drop(&mut self) {
        self.pull_out();
    }
}

/// The device's end of a line. Dropping it hangs up.
#[derive(Debug)]
pub(crate) struct Line {
    device: Join<pipe::Receiver, pipe::Sender>,
    _program: OwnedFd,
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.device).poll_read(context, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.device).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.device).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.device).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::{Read as _, Write as _};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_line_carries_every_byte_and_hangs_up_when_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let jack = Jack::plugged_in(&dir.path().join("codec.tty")).unwrap();
        let mut line = jack.line().await.unwrap();
        let mut program = OpenOptions::new()
            .read(true)
            .write(true)
            .open(jack.name())
            .unwrap();
        let every: Vec<u8> = (0..=255).collect();
        program.write_all(&every).unwrap();
        let mut got = [0; 256];
        line.read_exact(&mut got).await.unwrap();
        assert_eq!(got[..], every);
        line.write_all(&every).await.unwrap();
        program.read_exact(&mut got).unwrap();
        assert_eq!(got[..], every);
        drop(line);
        assert!(matches!(program.read(&mut got), Ok(0) | Err(_)));
    }

    #[tokio::test]
    async fn pulled_out_it_has_no_name_and_plugged_in_again_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let jack = Jack::plugged_in(&dir.path().join("codec.tty")).unwrap();
        jack.pull_out();
        assert!(std::fs::symlink_metadata(jack.name()).is_err());
        jack.plug_in().unwrap();
        assert!(OpenOptions::new().read(true).open(jack.name()).is_ok());
        assert!(jack.line().await.is_ok());
        let name = jack.name().to_owned();
        drop(jack);
        assert!(std::fs::symlink_metadata(name).is_err());
    }
}
