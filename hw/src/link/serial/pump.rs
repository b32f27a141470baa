//! What the thread of a serial port does: bytes from the socket to the line and back, until either ends.
//!
//! It sleeps in `poll` and wakes when there is something to do; each direction holds one buffer, and what
//! does not fit waits where it is. It ends when the program drops its end, when the line hangs up, or a
//! moment after the deadline, whatever the device does.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::line::Line;

/// Bytes held in each direction.
const BUFFER_BYTES: usize = 4096;

/// How long the last words may take to leave once the program has ended the talk.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Between two looks at whether the last words have left.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The program ends at its deadline by itself; this is for one that does not.
const AFTER_DEADLINE: Duration = Duration::from_secs(1);

/// Carries bytes both ways until it is over.
pub(super) fn pump(line: &Line, program: &UnixStream, clock: fn() -> Instant, deadline: Instant) {
    let mut pump = Pump {
        line: End::of(line.bytes()),
        program: End::of(program.as_fd()),
        to_line: Buffer::new(),
        to_program: Buffer::new(),
    };
    let mut end = deadline + AFTER_DEADLINE;
    let mut ending = false;
    loop {
        let now = clock();
        if pump.program.is_over() && !ending {
            ending = true;
            end = deadline.min(now + LAST_WORDS);
        }
        if now >= end || pump.is_over() {
            break;
        }
        if !pump.turn(end.saturating_duration_since(now)) {
            return;
        }
    }
    // Closing throws away what has not left, so it gets the time that it may have.
    while pump.line.open && line.unsent_bytes() > 0 && clock() < end {
        let _nothing_is_awaited = poll(&mut [], timeout(LOOK_EVERY).as_ref());
    }
}

struct Pump<'a> {
    line: End<'a>,
    program: End<'a>,
    to_line: Buffer,
    to_program: Buffer,
}

/// One side: the line, or the program.
struct End<'a> {
    fd: BorrowedFd<'a>,
    /// Bytes may still come from it.
    open: bool,
    /// Nobody is there any more who could take bytes.
    gone: bool,
}

impl<'a> End<'a> {
    fn of(fd: BorrowedFd<'a>) -> Self {
        Self {
            fd,
            open: true,
            gone: false,
        }
    }

    fn is_over(&self) -> bool {
        !self.open || self.gone
    }

    /// What is waited for on this side: room for `out`, bytes for `back`.
    fn wants(&self, back: &Buffer, out: &Buffer) -> PollFlags {
        let mut wants = PollFlags::empty();
        if self.open && back.is_empty() {
            wants |= PollFlags::IN;
        }
        if !self.gone && !out.is_empty() {
            wants |= PollFlags::OUT;
        }
        wants
    }

    /// Moves what can be moved.
    fn serve(&mut self, happened: PollFlags, back: &mut Buffer, out: &mut Buffer) {
        let broken = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        if happened.intersects(PollFlags::IN | broken) && self.open && back.is_empty() {
            self.open = back.fill(self.fd);
        }
        if happened.intersects(PollFlags::OUT) && !out.is_empty() && !out.drain(self.fd) {
            self.gone = true;
        }
        if happened.intersects(broken) {
            self.gone = true;
        }
    }
}

impl Pump<'_> {
    /// One side has ended, and the other has what was meant for it.
    fn is_over(&self) -> bool {
        let hung_up = !self.line.open && (self.to_program.is_empty() || self.program.gone);
        let talked_out = !self.program.open && (self.to_line.is_empty() || self.line.is_over());
        hung_up || talked_out
    }

    /// Waits for one thing to happen, at most `at_most`, and serves it. False when waiting is impossible.
    fn turn(&mut self, at_most: Duration) -> bool {
        let line_wants = self.line.wants(&self.to_program, &self.to_line);
        let program_wants = self.program.wants(&self.to_line, &self.to_program);
        let mut waited = Vec::with_capacity(2);
        // A side that nothing is wanted of is left out: one that has hung up would wake us for ever.
        if !line_wants.is_empty() {
            waited.push(PollFd::from_borrowed_fd(self.line.fd, line_wants));
        }
        // The program's end is always of interest, until it is known.
        if !program_wants.is_empty() || !self.program.gone {
            waited.push(PollFd::from_borrowed_fd(self.program.fd, program_wants));
        }
        match poll(&mut waited, timeout(at_most).as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return true,
            Err(_) => return false,
        }
        let mut happened = waited.iter().map(PollFd::revents);
        let line = if line_wants.is_empty() {
            None
        } else {
            happened.next()
        };
        let program = happened.next();
        self.line.serve(
            line.unwrap_or(PollFlags::empty()),
            &mut self.to_program,
            &mut self.to_line,
        );
        self.program.serve(
            program.unwrap_or(PollFlags::empty()),
            &mut self.to_line,
            &mut self.to_program,
        );
        true
    }
}

/// Bytes on their way: read once, then written until none are left.
struct Buffer {
    bytes: [u8; BUFFER_BYTES],
    from: usize,
    to: usize,
}

impl Buffer {
    fn new() -> Self {
        Self {
            bytes: [0; BUFFER_BYTES],
            from: 0,
            to: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.from >= self.to
    }

    /// Reads what is there. False when nothing will come any more.
    fn fill(&mut self, fd: BorrowedFd<'_>) -> bool {
        (self.from, self.to) = (0, 0);
        match rustix::io::read(fd, &mut self.bytes) {
            Ok(0) => false,
            Ok(count) => {
                self.to = count;
                true
            }
            Err(Errno::AGAIN | Errno::INTR) => true,
            Err(_) => false,
        }
    }

    /// Writes what is taken. False when nothing will be taken any more.
    fn drain(&mut self, fd: BorrowedFd<'_>) -> bool {
        match rustix::io::write(fd, self.bytes.get(self.from..self.to).unwrap_or_default()) {
            Ok(count) => {
                self.from += count;
                true
            }
            Err(Errno::AGAIN | Errno::INTR) => true,
            Err(_) => false,
        }
    }
}

fn timeout(at_most: Duration) -> Option<Timespec> {
    Timespec::try_from(at_most).ok()
}
