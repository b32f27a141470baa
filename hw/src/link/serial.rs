//! Opens a link over a serial port: one thread of the operating system for each open port.
//!
//! Calls on a serial port can hang for ever: in a driver, in a converter that was pulled out, on a device
//! that does not read. So no task ever touches a port. Its thread does, and passes bytes through a pair of
//! sockets whose other end is the [`Link`]. A thread that hangs is left behind; the port then counts as
//! in use until it has come back, so that no second one can hang beside it.
//!
//! * `held`: which ports have a thread. * `line`: the open port. * `pump`: the thread's work.

mod held;
mod line;
mod pump;

use std::os::unix::net::UnixStream;
use std::path::Path;

use tokio::sync::oneshot;

use self::held::Claim;
use self::line::Line;
use super::drive::stopped;
use super::{Edge, Link};
use crate::address::SerialPort;
use crate::reading::{Answer, ProbeError};

/// Opens a serial port for nobody else, with the address's speed, 8 bits, no parity, one stop bit and no
/// flow control.
///
/// What had come before is thrown away. The port is closed again soon after the link is dropped.
///
/// # Errors
/// [`ProbeError::NotPresent`] when there is no such device file or it is no serial port,
/// [`ProbeError::Refused`] when this user may not open it, [`ProbeError::Busy`] when somebody else has it
/// open or an earlier thread of this program hangs on it, [`ProbeError::TimedOut`] when opening does not end
/// by the deadline, [`ProbeError::Cancelled`] when stopped.
pub async fn serial(port: &SerialPort, edge: &Edge) -> Answer<Link> {
    let path = line::real_path(port.device())?;
    let baud = port.baud();
    let (clock, deadline) = (edge.clock, edge.deadline);
    let device = path.clone();
    on_own_thread(&path, edge, move |program, opened| {
        match Line::open(&device, baud) {
            Ok(line) => {
                if opened.send(Ok(())).is_ok() {
                    pump::pump(&line, &program, clock, deadline);
                }
                line.close();
            }
            // Nobody waits any more: then nobody wants to know why.
            Err(why) => drop(opened.send(Err(why))),
        }
    })
    .await
}

/// Has `work` done on a thread that holds the port at `path` for as long as it runs. The link is the other
/// end of the socket that `work` gets; it is handed out when `work` says that the port is open.
async fn on_own_thread(
    path: &Path,
    edge: &Edge,
    work: impl FnOnce(UnixStream, oneshot::Sender<Answer<()>>) + Send + 'static,
) -> Answer<Link> {
    let started = (edge.clock)();
    let claim = Claim::take(path, edge).await?;
    let none_left = |error: std::io::Error| {
        tracing::error!(port = %path.display(), %error, "no thread and sockets for a serial port; close other programs");
        ProbeError::Busy
    };
    let (ours, theirs) = UnixStream::pair().map_err(none_left)?;
    ours.set_nonblocking(true).map_err(none_left)?;
    theirs.set_nonblocking(true).map_err(none_left)?;
    let ours = tokio::net::UnixStream::from_std(ours).map_err(none_left)?;
    let (tell, told) = oneshot::channel();
    // The thread is never joined: it may hang. It gives the port back by itself, last of all.
    let _left_alone = std::thread::Builder::new()
        .name("serial".to_owned())
        .spawn(move || {
            let _until_the_end = claim;
            work(theirs, tell);
        })
        .map_err(none_left)?;
    tokio::select! {
        biased;
        () = stopped(edge.cancel.clone()) => Err(ProbeError::Cancelled),
        opened = told => opened.unwrap_or(Err(ProbeError::Closed)).map(|()| Link::stream(Box::new(ours))),
        () = tokio::time::sleep(edge.remaining()) => {
            let waited = (edge.clock)().saturating_duration_since(started).as_millis();
            tracing::warn!(port = %path.display(), "opening the serial port hangs; unplug its converter and plug it in again");
            Err(ProbeError::TimedOut { waited_ms: u64::try_from(waited).unwrap_or(u64::MAX) })
        }
    }
}

#[cfg(test)]
mod tests;
