//! Tests on real pseudo-terminals. Deadlines are short and real; what is looked at is how it ended.

use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::tcgetattr;
use tokio::net::unix::pipe;

use super::*;
use crate::dialect::Conversation;
use crate::link::converse;
use crate::link::testing::edge;

/// Long enough for a busy machine; nothing here waits for it.
const PLENTY: Duration = Duration::from_secs(30);
/// For what ends at its deadline.
const SHORT: Duration = Duration::from_millis(300);
const CAP: usize = 1 << 16;

/// The device's end of a pseudo-terminal.
struct Device {
    master: OwnedFd,
    from_box: pipe::Receiver,
    to_box: pipe::Sender,
    path: String,
}

impl Device {
    fn new() -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        rustix::io::ioctl_fionbio(&master, true).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        Self {
            // No pipes, but what waits for a pipe waits for any descriptor.
            from_box: pipe::Receiver::from_owned_fd_unchecked(master.try_clone().unwrap()).unwrap(),
            to_box: pipe::Sender::from_owned_fd_unchecked(master.try_clone().unwrap()).unwrap(),
            master,
            path,
        }
    }

    fn port(&self) -> SerialPort {
        match format!("serial:{}?baud=9600", self.path).parse() {
            Ok(crate::address::CodecAddress::Serial { port, .. }) => port,
            other => panic!("{other:?}"),
        }
    }

    /// The next bytes from the box; a port that nobody has open yet, or any more, brings none.
    async fn read(&self) -> Option<Vec<u8>> {
        let mut bytes = [0; 256];
        loop {
            self.from_box.readable().await.unwrap();
            match self.from_box.try_read(&mut bytes) {
                Ok(count) => return Some(bytes[..count].to_vec()),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
        }
    }

    /// Reads up to and with `end`.
    async fn read_to(&self, end: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        while !all.ends_with(end) {
            all.extend(self.read().await.expect("the port was closed"));
        }
        all
    }

    async fn write(&self, bytes: &[u8]) -> bool {
        let mut from = 0;
        while from < bytes.len() {
            self.to_box.writable().await.unwrap();
            match self.to_box.try_write(&bytes[from..]) {
                Ok(count) => from += count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
        }
        true
    }
}

/// Says its words, hears until `enough` bytes, says goodbye, and notes how it ended.
#[derive(Debug, Default)]
struct Talk {
    to_send: Vec<Vec<u8>>,
    heard: Vec<u8>,
    enough: usize,
    goodbye: Option<Vec<u8>>,
    why: Option<ProbeError>,
    over: bool,
}

impl Conversation for Talk {
    type Reading = Self;

    fn receive(&mut self, _now: Instant, bytes: &[u8]) {
        self.heard.extend(bytes);
        if self.heard.len() >= self.enough && !self.over {
            self.over = true;
            self.to_send.extend(self.goodbye.take());
        }
    }

    fn transmit(&mut self, _now: Instant) -> Option<Vec<u8>> {
        self.to_send.pop()
    }

    fn timeout(&self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn finished(&self) -> bool {
        self.over && self.to_send.is_empty()
    }

    fn interrupted(&mut self, _now: Instant, why: ProbeError) {
        self.over = true;
        self.why = Some(why);
    }

    fn conclude(self) -> Self {
        self
    }
}

fn asking(question: &[u8], enough: usize) -> Talk {
    Talk {
        to_send: vec![question.to_vec()],
        enough,
        ..Talk::default()
    }
}

fn timed_out(why: Option<&ProbeError>) -> bool {
    matches!(why, Some(ProbeError::TimedOut { .. }))
}

#[tokio::test]
async fn question_answer_and_goodbye_with_every_byte_as_it_is() {
    let device = Device::new();
    let (edge, _cancel) = edge(PLENTY, CAP);
    let link = serial(&device.port(), &edge).await.unwrap();
    let every_byte: Vec<u8> = (0..=255).collect();
    let talk = Talk {
        goodbye: Some(b"bye\r\n".to_vec()),
        ..asking(&every_byte, 256)
    };
    let answer = async {
        let asked = device.read_to(&[255]).await;
        assert!(device.write(&asked).await);
        (asked, device.read_to(b"bye\r\n").await)
    };
    let (done, (asked, goodbye)) = tokio::join!(converse(link, talk, &edge), answer);
    assert_eq!((asked, goodbye), (every_byte.clone(), b"bye\r\n".to_vec()));
    assert_eq!((done.heard, done.why), (every_byte, None));
}

#[tokio::test]
async fn the_address_gives_the_speed() {
    let device = Device::new();
    let (edge, _cancel) = edge(PLENTY, CAP);
    let _link = serial(&device.port(), &edge).await.unwrap();
    let settings = tcgetattr(&device.master).unwrap();
    assert_eq!((settings.output_speed(), settings.input_speed()), (9600, 9600));
}

/// What stood in the port from before is nobody's answer.
#[tokio::test]
async fn what_came_before_it_was_opened_is_thrown_away() {
    let device = Device::new();
    let (edge, _cancel) = edge(PLENTY, CAP);
    // Somebody has the port open, so that what comes is kept for whoever reads.
    let before = std::fs::File::open(&device.path).unwrap();
    let mut raw = tcgetattr(&before).unwrap();
    raw.make_raw();
    rustix::termios::tcsetattr(&before, rustix::termios::OptionalActions::Now, &raw).unwrap();
    assert!(device.write(b"old").await);
    let mut waiting = [rustix::event::PollFd::new(&before, rustix::event::PollFlags::IN)];
    assert_eq!(rustix::event::poll(&mut waiting, None), Ok(1));
    let link = serial(&device.port(), &edge).await.unwrap();
    let answer = async {
        device.read_to(b"?").await;
        device.write(b"new").await
    };
    let (done, _) = tokio::join!(converse(link, asking(b"?", 3), &edge), answer);
    assert_eq!(done.heard, b"new");
}

/// Opened in its own time: only the talk is short.
async fn opened(device: &Device) -> Link {
    let (plenty, _cancel) = edge(PLENTY, CAP);
    serial(&device.port(), &plenty).await.unwrap()
}

#[tokio::test]
async fn a_silent_device_ends_at_the_deadline() {
    let device = Device::new();
    let link = opened(&device).await;
    let (edge, _cancel) = edge(SHORT, CAP);
    let done = converse(link, asking(b"?", 1), &edge).await;
    assert!(timed_out(done.why.as_ref()), "{:?}", done.why);
}

#[tokio::test]
async fn a_device_that_drips_ends_at_the_deadline() {
    let device = Device::new();
    let link = opened(&device).await;
    let (edge, _cancel) = edge(SHORT, CAP);
    let drip = async {
        loop {
            device.write(b"x").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let done = tokio::select! {
        done = converse(link, asking(b"?", usize::MAX), &edge) => done,
        () = drip => unreachable!("it drips for ever"),
    };
    assert!(timed_out(done.why.as_ref()), "{:?}", done.why);
    assert!(!done.heard.is_empty());
}

/// Far more than all buffers on the way take: without an end of its own this would hang in a write.
#[tokio::test]
async fn a_device_that_never_reads_ends_at_the_deadline_and_the_port_is_free_again() {
    let device = Device::new();
    let path = line::real_path(&device.path).unwrap();
    let (plenty, _cancel) = edge(PLENTY, CAP);
    let (clock, at) = (plenty.clock, path.clone());
    // As a port is opened and used, but the deadline begins when it is open.
    let link = on_own_thread(&path, &plenty, move |program, opened| {
        let line = Line::open(&at, 9600).unwrap();
        opened.send(Ok(())).unwrap();
        pump::pump(&line, &program, clock, clock() + SHORT);
        line.close();
    });
    let link = link.await.unwrap();
    let (short, _cancel) = edge(SHORT, CAP);
    let done = converse(link, asking(&vec![b'x'; 1 << 20], 1), &short).await;
    assert!(timed_out(done.why.as_ref()), "{:?}", done.why);
    assert!(serial(&device.port(), &plenty).await.is_ok());
}

#[tokio::test]
async fn a_flood_ends_at_the_cap() {
    let device = Device::new();
    let (edge, _cancel) = edge(PLENTY, CAP);
    let link = serial(&device.port(), &edge).await.unwrap();
    let flood = async { while device.write(&[b'x'; 4096]).await {} };
    let done = tokio::select! {
        done = converse(link, asking(b"?", usize::MAX), &edge) => done,
        () = flood => panic!("the port closed first"),
    };
    assert_eq!(done.why, Some(ProbeError::Garbled));
    assert!(done.heard.len() <= CAP);
}

#[tokio::test]
async fn a_line_that_hangs_up_gives_what_it_had_said() {
    let device = Device::new();
    let (edge, _cancel) = edge(PLENTY, CAP);
    let link = serial(&device.port(), &edge).await.unwrap();
    let pull_out = async {
        device.read_to(b"?").await;
        drop(device);
    };
    let (done, ()) = tokio::join!(converse(link, asking(b"?", 1), &edge), pull_out);
    assert_eq!(done.why, Some(ProbeError::Closed));
}

#[tokio::test]
async fn stopped() {
    let device = Device::new();
    let (edge, cancel) = edge(PLENTY, CAP);
    let link = serial(&device.port(), &edge).await.unwrap();
    let stop = async {
        device.read_to(b"?").await;
        cancel.send(true).unwrap();
    };
    let (done, ()) = tokio::join!(converse(link, asking(b"?", 1), &edge), stop);
    assert_eq!(done.why, Some(ProbeError::Cancelled));
    assert!(matches!(
        serial(&device.port(), &edge).await,
        Err(ProbeError::Cancelled)
    ));
}

#[tokio::test]
async fn a_second_one_finds_it_busy_until_the_first_is_gone() {
    let device = Device::new();
    let (plenty, _cancel) = edge(PLENTY, CAP);
    let first = serial(&device.port(), &plenty).await.unwrap();
    let (short, _cancel) = edge(SHORT, CAP);
    assert!(matches!(
        serial(&device.port(), &short).await,
        Err(ProbeError::Busy)
    ));
    drop(first);
    assert!(serial(&device.port(), &plenty).await.is_ok());
}

/// Another process, by the lock that other programs of this trade take too.
#[tokio::test]
async fn another_process_has_it() {
    let device = Device::new();
    let mut other = Command::new("flock")
        .args([
            "--exclusive",
            "--nonblock",
            &device.path,
            "sh",
            "-c",
            "echo held; read -r _",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 5];
    std::io::Read::read_exact(other.stdout.as_mut().unwrap(), &mut said).unwrap();
    let (edge, _cancel) = edge(PLENTY, CAP);
    assert!(matches!(
        serial(&device.port(), &edge).await,
        Err(ProbeError::Busy)
    ));
    other.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert!(other.wait().unwrap().success());
    let _ours = serial(&device.port(), &edge).await.unwrap();
    let refused = Command::new("flock")
        .args(["--nonblock", &device.path, "true"])
        .status()
        .unwrap();
    assert_eq!(
        refused.code(),
        Some(1),
        "another process gets the port while it is ours"
    );
}

/// A program that knows nothing of locks, and is not the system's own administrator.
fn opens(path: &str) -> bool {
    let mut command = if rustix::process::geteuid().is_root() {
        let mut lesser = Command::new("setpriv");
        lesser.args(["--bounding-set=-sys_admin", "--inh-caps=-sys_admin", "sh"]);
        lesser
    } else {
        Command::new("sh")
    };
    command
        .args(["-c", r#": <>"$1""#, "sh", path])
        .stderr(Stdio::null());
    command.status().unwrap().success()
}

#[tokio::test]
async fn a_program_that_knows_no_locks_does_not_get_it_either() {
    let device = Device::new();
    let (edge, _cancel) = edge(PLENTY, CAP);
    // Held open, so that the line does not hang up when the last program closes it.
    let _held = std::fs::File::open(&device.path).unwrap();
    assert!(opens(&device.path));
    let link = serial(&device.port(), &edge).await.unwrap();
    assert!(!opens(&device.path), "two programs talk on one line");
    drop(link);
    drop(
        Claim::take(&line::real_path(&device.path).unwrap(), &edge)
            .await
            .unwrap(),
    );
    assert!(opens(&device.path), "nobody gets it any more");
}

#[tokio::test]
async fn what_is_no_serial_port() {
    let dir = tempfile::tempdir().unwrap();
    let (edge, _cancel) = edge(PLENTY, CAP);
    let file = dir.path().join("plain");
    std::fs::write(&file, "text").unwrap();
    for path in [dir.path().join("ttyUSB9"), file] {
        let Ok(crate::address::CodecAddress::Serial { port, .. }) =
            format!("serial:{}", path.display()).parse()
        else {
            panic!("address")
        };
        assert!(matches!(serial(&port, &edge).await, Err(ProbeError::NotPresent)));
    }
}

/// A call that does not come back costs its own probe, and the port stays taken until it does.
#[tokio::test]
async fn a_thread_that_hangs_is_left_behind_and_no_second_one_beside_it() {
    let device = Device::new();
    let path = line::real_path(&device.path).unwrap();
    let (short, _cancel) = edge(SHORT, CAP);
    let (let_go, hangs) = mpsc::channel::<()>();
    let opening = on_own_thread(&path, &short, move |_program, _opened| {
        let _ended = hangs.recv();
    });
    assert!(timed_out(opening.await.err().as_ref()));
    let (again, _cancel) = edge(SHORT, CAP);
    assert!(matches!(
        serial(&device.port(), &again).await,
        Err(ProbeError::Busy)
    ));
    drop(let_go);
    let (plenty, _cancel) = edge(PLENTY, CAP);
    assert!(serial(&device.port(), &plenty).await.is_ok());
}

/// One that hangs later, when the link is in use.
#[tokio::test]
async fn a_thread_that_hangs_in_the_middle_ends_at_the_deadline() {
    let device = Device::new();
    let path = line::real_path(&device.path).unwrap();
    let (plenty, _cancel) = edge(PLENTY, CAP);
    let (let_go, hangs) = mpsc::channel::<()>();
    let link = on_own_thread(&path, &plenty, move |program, opened| {
        opened.send(Ok(())).unwrap();
        let _ended = hangs.recv();
        drop(program);
    });
    let link = link.await.unwrap();
    let (short, _cancel) = edge(SHORT, CAP);
    let done = converse(link, asking(&vec![b'x'; 1 << 20], 1), &short).await;
    assert!(timed_out(done.why.as_ref()), "{:?}", done.why);
    let (again, _cancel) = edge(SHORT, CAP);
    assert!(matches!(
        serial(&device.port(), &again).await,
        Err(ProbeError::Busy)
    ));
    drop(let_go);
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Any bytes in any pieces, both ways at once: all arrive, in order, unchanged.
        #[test]
        fn any_bytes_both_ways(
            out in proptest::collection::vec(any::<u8>(), 1..20_000),
            back in proptest::collection::vec(any::<u8>(), 1..20_000),
            piece in 1_usize..3000,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let (asked, done) = runtime.block_on(async {
                let device = Device::new();
                let (edge, _cancel) = edge(PLENTY, 1 << 20);
                let link = serial(&device.port(), &edge).await.unwrap();
                let (all_heard, told) = oneshot::channel();
                let hear = async {
                    let mut asked = Vec::new();
                    while asked.len() < out.len() {
                        asked.extend(device.read().await.unwrap());
                    }
                    all_heard.send(()).unwrap();
                    asked
                };
                // The last byte ends the talk: it is said when all was heard.
                let (last, most) = back.split_last().unwrap();
                let say = async {
                    for piece in most.chunks(piece) {
                        assert!(device.write(piece).await);
                    }
                    told.await.unwrap();
                    assert!(device.write(&[*last]).await);
                };
                let (asked, (), done) = tokio::join!(hear, say, converse(link, asking(&out, back.len()), &edge));
                (asked, done)
            });
            prop_assert_eq!(asked, out);
            prop_assert_eq!(done.heard, back);
            prop_assert_eq!(done.why, None);
        }
    }
}
