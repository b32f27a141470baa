//! An open serial port: exclusive, raw, and never blocking.
//!
//! The crate `serialport` holds the port and knows its settings, but every transfer of it can block. So the
//! bytes go over a second descriptor of the same port, opened so that no call on it waits. Nothing here
//! drains: what has not left is thrown away before closing, since closing would wait for it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serialport::{ClearBuffer, ErrorKind, SerialPort as _, TTYPort};

use crate::reading::{Answer, ProbeError};

/// One open port.
pub(super) struct Line {
    // Gone first: it takes the exclusive use away, then the other descriptor closes the port.
    port: TTYPort,
    bytes: OwnedFd,
}

impl Line {
    /// Opens the port for nobody else and throws away what had come.
    ///
    /// # Errors
    /// As for [`super::serial`].
    pub(super) fn open(path: &Path, baud: u32) -> Answer<Self> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let bytes = rustix::fs::open(path, flags, Mode::empty()).map_err(|why| not_opened(path, why))?;
        if !rustix::termios::isatty(&bytes) {
            return Err(not_opened(path, Errno::NOTTY));
        }
        // 8 bits, no parity, one stop bit, no flow control and exclusive use are what it does unasked.
        let port = serialport::new(path.to_string_lossy(), baud)
            .open_native()
            .map_err(|why| match why.kind() {
                // Its word for both kinds of lock.
                ErrorKind::NoDevice => not_opened(path, Errno::BUSY),
                _ => {
                    tracing::warn!(port = %path.display(), baud, error = %why, "the serial port does not take its settings; another converter may");
                    ProbeError::NotPresent
                }
            })?;
        let line = Self { port, bytes };
        line.forget(ClearBuffer::All);
        Ok(line)
    }

    /// The descriptor that the bytes go over; no call on it waits.
    pub(super) fn bytes(&self) -> BorrowedFd<'_> {
        self.bytes.as_fd()
    }

    /// Bytes that were written and have not left the box yet. A port that cannot tell has none.
    pub(super) fn unsent_bytes(&self) -> u32 {
        self.port.bytes_to_write().unwrap_or(0)
    }

    /// Throws away what has not left and what was not read, and closes.
    pub(super) fn close(self) {
        // Where all has left there is nothing to throw away, and the other side may still be taking it.
        self.forget(if self.unsent_bytes() == 0 {
            ClearBuffer::Input
        } else {
            ClearBuffer::All
        });
    }

    fn forget(&self, which: ClearBuffer) {
        // A port that is gone has nothing to be thrown away.
        let _gone: serialport::Result<()> = self.port.clear(which);
    }
}

/// The device file itself, whatever link leads to it: one port has one name.
///
/// # Errors
/// As for [`Line::open`].
pub(super) fn real_path(device: &str) -> Answer<PathBuf> {
    std::fs::canonicalize(device).map_err(|error| {
        let why = Errno::from_io_error(&error).unwrap_or(Errno::IO);
        not_opened(Path::new(device), why)
    })
}

/// Why a port is not open, said once for who looks after the box.
fn not_opened(path: &Path, why: Errno) -> ProbeError {
    let port = path.display();
    match why {
        Errno::BUSY => {
            tracing::warn!(%port, "another program has the serial port open; end it (fuser -v shows which)");
            ProbeError::Busy
        }
        Errno::ACCESS | Errno::PERM => {
            tracing::warn!(%port, "this user may not open the serial port; add it to the group dialout and start again");
            ProbeError::Refused
        }
        Errno::NOENT | Errno::NOTDIR | Errno::NODEV | Errno::NXIO => {
            tracing::warn!(%port, "there is no such serial port; plug its converter in, or correct the address (ls -l /dev/bridgepoint)");
            ProbeError::NotPresent
        }
        other => {
            tracing::warn!(%port, error = %other, "this cannot be opened as a serial port; correct the address, or plug its converter in again");
            ProbeError::NotPresent
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_sends_the_technician_somewhere_else() {
        for (why, said) in [
            (Errno::NOENT, ProbeError::NotPresent),
            (Errno::NXIO, ProbeError::NotPresent),
            (Errno::NOTTY, ProbeError::NotPresent),
            (Errno::IO, ProbeError::NotPresent),
            (Errno::ACCESS, ProbeError::Refused),
            (Errno::PERM, ProbeError::Refused),
            (Errno::BUSY, ProbeError::Busy),
        ] {
            assert_eq!(not_opened(Path::new("/dev/ttyUSB0"), why), said, "{why}");
        }
    }
}
