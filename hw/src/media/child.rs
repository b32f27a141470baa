//! What the hidden `media` subcommand runs: one request, one line of numbers, and an end.
//!
//! The child ends with its parent (parent-death signal, and a look whether the parent was gone before), takes
//! no core file with it (its memory holds sound, R27), and writes nothing but its one line on standard output.
//! `GST_REGISTRY` is honoured by GStreamer itself; the agent points it into its state directory.
//!
//! By hand: `echo '{"sound":{"source":{"pulse":"default"},"channel":0,"duration_ms":1000}}' | PROGRAM media`

use std::io::{Read, Write};
use std::process::ExitCode;

use rustix::process::{
    DumpableBehavior, Pid, Resource, Rlimit, Signal, getppid, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};

use super::border::{Asked, REQUEST_CAP, Refusal, SoundRequest, Work, parse_request, write_reply};
use super::capture::Capture;
use crate::reading::{ProbeError, SoundReading};

/// The child's answer, ready to be written, and whether there are figures in it.
#[derive(Debug)]
pub struct Answered {
    line: Vec<u8>,
    figures: bool,
}

impl Answered {
    /// The answer to one kind of work.
    pub fn of<W: Work>(result: &Result<W::Figures, Refusal>) -> Self {
        match write_reply::<W>(result) {
            Ok(line) => Self {
                line,
                figures: result.is_ok(),
            },
            // Nothing readable on standard output is an answer too: the parent knows what to make of it.
            Err(_) => Self {
                line: Vec::new(),
                figures: false,
            },
        }
    }
}

/// Reads the request from standard input, does the work, and writes the reply to standard output.
///
/// Sound is measured here; any other kind of work is `more`'s, which has to answer [`Asked::unknown`] to what it
/// does not know. GStreamer is not started yet when `more` is called: see [`start_gstreamer`].
///
/// Exit code 0 with figures, 1 with an error or when there is nobody to tell. The caller returns it from
/// `main` and does nothing else in this process.
pub fn serve(more: impl FnOnce(Asked) -> Answered) -> ExitCode {
    let mut capture = None;
    let answered = match prepare().and_then(|()| read_request()) {
        Err(refusal) => Answered::of::<SoundRequest>(&Err(refusal)),
        Ok(asked) if asked.is::<SoundRequest>() => {
            let measured = asked.work().and_then(|request| measure(&request, &mut capture));
            Answered::of::<SoundRequest>(&measured)
        }
        Ok(asked) => more(asked),
    };
    // The answer goes out before the device is let go: closing is where sound drivers like to hang.
    let told = tell(answered.line);
    drop(capture);
    if told.is_ok() && answered.figures {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Starts GStreamer in this process.
///
/// # Errors
/// [`ProbeError::Garbled`] with its own words.
pub fn start_gstreamer() -> Result<(), Refusal> {
    gstreamer::init().map_err(|error| {
        Refusal::new(
            ProbeError::Garbled,
            &format!("GStreamer could not be started: {error}"),
        )
    })
}

/// Ties this process to its parent's life and forbids core files.
fn prepare() -> Result<(), Refusal> {
    let refuse = |what: &str, error: rustix::io::Errno| {
        Refusal::new(
            ProbeError::Garbled,
            &format!("the media child could not {what}: {error}"),
        )
    };
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| refuse("tie itself to its parent", error))?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).map_err(|error| refuse("forbid core files", error))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| refuse("forbid core files", error))
}

/// Reads standard input to its end, and sees that the one who wrote it is still there.
fn read_request() -> Result<Asked, Refusal> {
    let mut bytes = Vec::new();
    // One byte more than the cap, so that too long is seen as that and not as broken JSON.
    let cap = u64::try_from(REQUEST_CAP).unwrap_or(u64::MAX).saturating_add(1);
    std::io::stdin()
        .lock()
        .take(cap)
        .read_to_end(&mut bytes)
        .map_err(|error| {
            Refusal::new(
                ProbeError::Garbled,
                &format!("the request on standard input could not be read: {error}"),
            )
        })?;
    let request = parse_request(&bytes)?;
    if !asked_by(request.parent, getppid()) {
        return Err(Refusal::new(
            ProbeError::Cancelled,
            "the process that asked has ended",
        ));
    }
    Ok(request)
}

/// A parent that died before the death signal was set has left this process to another one.
fn asked_by(asker: Option<i32>, parent: Option<Pid>) -> bool {
    asker.is_none_or(|asker| parent.is_some_and(|parent| parent.as_raw_nonzero().get() == asker))
}

fn measure(request: &SoundRequest, slot: &mut Option<Capture>) -> Result<SoundReading, Refusal> {
    start_gstreamer()?;
    slot.insert(Capture::new(request)?).measure()
}

fn tell(mut line: Vec<u8>) -> std::io::Result<()> {
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_asker_is_the_parent_or_nobody_in_particular() {
        let parent = Pid::from_raw(42);
        assert!(asked_by(Some(42), parent));
        assert!(asked_by(None, parent));
        assert!(!asked_by(Some(42), Pid::from_raw(1)));
        assert!(!asked_by(Some(42), None));
    }
}
