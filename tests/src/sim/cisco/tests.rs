//! The codec through plain sockets: exact sessions, several at once, and every fault of the wire.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::journal::Kind;
use crate::sim::clock::{Clock, Hand};
use crate::sim::{Room, Spec};

const BANNER: &str = concat!(
    "Welcome to room\r\n",
    "Cisco Codec Release ce 9.15.17.4 0000000 2022-12-16\r\n",
    "SW Release Date: 2022-12-16 00:00:00, matchbox\r\n",
    "*r Login successful\r\n",
    "\r\n",
    "OK\r\n",
    "\r\n",
    "Last login from 10.0.0.9 at 2026-01-01 07:00:00\r\n",
);

async fn room(keys: &str) -> (Room, Hand) {
    let (clock, hand) = Clock::manual();
    let spec = Spec::parse(&format!("[room]\n[codec]\nkind = \"cisco\"\n{keys}\n")).unwrap();
    (Room::start_at(spec, clock).await.unwrap(), hand)
}

fn address(room: &Room) -> String {
    room.addresses()["codec"]
        .rsplit(['/', '@'])
        .next()
        .unwrap()
        .to_owned()
}

async fn connect(room: &Room) -> TcpStream {
    TcpStream::connect(address(room)).await.unwrap()
}

/// Everything that comes until the codec closes.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    bytes
}

/// Sends everything at once and returns all that comes until the codec closes.
async fn session(room: &Room, lines: &str) -> String {
    let mut stream = connect(room).await;
    stream.write_all(lines.as_bytes()).await.unwrap();
    String::from_utf8(rest(&mut stream).await).unwrap()
}

async fn exactly(stream: &mut TcpStream, expected: &str) {
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), expected);
}

#[tokio::test]
async fn a_session_is_exact_and_leaves_no_violation() {
    let (room, _hand) = room("").await;
    let mut stream = connect(&room).await;
    exactly(&mut stream, BANNER).await;
    stream.write_all(b"echo off\r\n").await.unwrap();
    exactly(&mut stream, "echo off\r\n\r\nOK\r\n").await;
    stream
        .write_all(b"xStatus Audio Microphones | resultId=\"m\"\r\n")
        .await
        .unwrap();
    exactly(
        &mut stream,
        concat!(
            "*s Audio Microphones MusicMode: Off\r\n",
            "*s Audio Microphones Mute: Off\r\n",
            "*s Audio Microphones NoiseRemoval: Off\r\n",
            "** resultId: \"m\"\r\n",
            "** end\r\n",
            "\r\n",
            "OK\r\n",
        ),
    )
    .await;
    stream.write_all(b"bye\r\n").await.unwrap();
    assert_eq!(rest(&mut stream).await, b"");
    let received: Vec<u8> = room
        .journal()
        .iter()
        .flat_map(|entry| entry.bytes.clone())
        .collect();
    assert_eq!(
        received,
        b"echo off\r\nxStatus Audio Microphones | resultId=\"m\"\r\nbye\r\n"
    );
    assert_eq!(room.violations(), []);
}

#[tokio::test]
async fn values_of_the_room_file_are_answered() {
    let (room, _hand) =
        room("[codec.status]\n\"Network 1 IPv4 Address\" = \"10.9.9.9\"\n\"Audio Volume\" = 70").await;
    let lines = "xStatus Network 1 IPv4 Address\r\nxStatus Audio Volume\r\nbye\r\n";
    let wire = session(&room, lines).await;
    assert!(
        wire.contains("\r\n*s Network 1 IPv4 Address: \"10.9.9.9\"\r\n"),
        "{wire}"
    );
    assert!(wire.contains("\r\n*s Audio Volume: 70\r\n"), "{wire}");
}

#[tokio::test]
async fn several_connections_are_independent() {
    let (room, _hand) = room("").await;
    let (mut one, mut other) = (connect(&room).await, connect(&room).await);
    exactly(&mut one, BANNER).await;
    exactly(&mut other, BANNER).await;
    one.write_all(b"echo off\rxStatus Sta").await.unwrap();
    exactly(&mut one, "echo off\r\n\r\nOK\r\n").await;
    other.write_all(b"xStatus Call\r").await.unwrap();
    exactly(&mut other, "xStatus Call\r\n** end\r\n\r\nOK\r\n").await;
    one.write_all(b"ndby\r").await.unwrap();
    exactly(&mut one, "*s Standby State: Off\r\n** end\r\n\r\nOK\r\n").await;
    let mut numbers: Vec<u64> = room.journal().iter().map(|entry| entry.connection).collect();
    numbers.dedup();
    assert_eq!(numbers.len(), 3, "{numbers:?}");
    assert_eq!(room.violations(), []);
}

#[tokio::test]
async fn a_login_is_asked_for_and_is_no_violation() {
    let (room, _hand) = room("user = \"probe\"\npassword = \"s3cret\"").await;
    assert!(room.addresses()["codec"].starts_with("tcp://probe@127.0.0.1:"));
    let wire = session(&room, "probe\r\ns3cret\r\necho off\r\nbye\r\n").await;
    assert_eq!(
        wire,
        format!("login: probe\r\nPassword: \r\n{BANNER}echo off\r\n\r\nOK\r\n")
    );
    let prompts = room
        .journal()
        .iter()
        .filter(|entry| entry.kind == Kind::Prompt)
        .count();
    assert_eq!(prompts, 2);
    assert_eq!(room.violations(), []);
}

#[tokio::test]
async fn a_command_is_refused_and_found_in_the_journal() {
    let (room, _hand) = room("").await;
    let wire = session(&room, "echo off\r\nxCommand Standby Deactivate\r\nbye\r\n").await;
    assert!(
        wire.ends_with("*r Result XPath: \"/Standby/Deactivate\"\r\n** end\r\n"),
        "{wire}"
    );
    let sent: Vec<String> = room
        .violations()
        .into_iter()
        .map(|violation| violation.sent)
        .collect();
    assert_eq!(sent, ["xCommand Standby Deactivate"]);
    let notes: Vec<Vec<u8>> = room
        .journal()
        .into_iter()
        .filter(|entry| entry.kind == Kind::Note)
        .map(|entry| entry.bytes)
        .collect();
    assert_eq!(notes, [b"refused: xCommand Standby Deactivate".to_vec()]);
}

#[tokio::test]
async fn a_state_fault_is_seen_by_the_next_query_of_an_open_connection() {
    let (room, _hand) = room("").await;
    let mut stream = connect(&room).await;
    exactly(&mut stream, BANNER).await;
    stream.write_all(b"echo off\r").await.unwrap();
    exactly(&mut stream, "echo off\r\n\r\nOK\r\n").await;
    for (on, state) in [(true, "Standby"), (false, "Off")] {
        room.fault("codec", "standby", on).unwrap();
        stream.write_all(b"xStatus Standby\r").await.unwrap();
        exactly(
            &mut stream,
            &format!("*s Standby State: {state}\r\n** end\r\n\r\nOK\r\n"),
        )
        .await;
    }
}

#[tokio::test]
async fn silent_accepts_and_says_nothing() {
    let (room, _hand) = room("faults = [\"silent\"]").await;
    assert_eq!(session(&room, "xStatus Call\r\nbye\r\n").await, "");
    assert_eq!(room.journal().len(), 1);
}

#[tokio::test]
async fn refuse_closes_the_port_and_cuts_what_is_open() {
    let (room, _hand) = room("").await;
    let mut open = connect(&room).await;
    exactly(&mut open, BANNER).await;
    room.fault("codec", "refuse", true).unwrap();
    assert_eq!(rest(&mut open).await, b"");
    let refused = TcpStream::connect(address(&room)).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    room.fault("codec", "refuse", false).unwrap();
    exactly(&mut connect(&room).await, BANNER).await;
}

#[tokio::test]
async fn drip_is_one_byte_for_each_second() {
    let (room, hand) = room("faults = [\"drip\"]").await;
    let mut stream = connect(&room).await;
    for (second, byte) in BANNER.chars().take(5).enumerate() {
        exactly(&mut stream, &byte.to_string()).await;
        let mut early = [0_u8; 1];
        assert!(
            stream.try_read(&mut early).is_err(),
            "a byte came before second {second} was over"
        );
        hand.advance(std::time::Duration::from_secs(1));
    }
}

#[tokio::test]
async fn half_a_line_is_all_that_comes() {
    let (room, _hand) = room("faults = [\"half-line\"]").await;
    let wire = session(&room, "echo off\r\nxStatus Standby\r\nxStatus Call\r\nbye\r\n").await;
    assert_eq!(wire, format!("{BANNER}echo off\r\n\r\nOK\r\n*s Standby"));
}

#[tokio::test]
async fn garbage_comes_instead_of_banner_and_replies() {
    let (room, _hand) = room("faults = [\"garbage\"]").await;
    let mut stream = connect(&room).await;
    stream.write_all(b"xStatus Call\r\nbye\r\n").await.unwrap();
    let bytes = rest(&mut stream).await;
    assert_eq!(bytes.len(), 512);
    assert!(!bytes.windows(4).any(|four| four == b"*s A" || four == b"OK\r\n"));
}

#[tokio::test]
async fn a_flood_goes_on_as_long_as_somebody_reads() {
    let (room, _hand) = room("").await;
    let mut stream = connect(&room).await;
    exactly(&mut stream, BANNER).await;
    room.fault("codec", "flood", true).unwrap();
    stream.write_all(b"xStatus Call\r\n").await.unwrap();
    let mut bytes = vec![0; 4 * 1024 * 1024];
    stream.read_exact(&mut bytes).await.unwrap();
    assert!(!bytes.windows(6).any(|six| six == b"** end"));
    // What is sent meanwhile is received all the same.
    stream.write_all(b"xStatus Audio\r\n").await.unwrap();
    while room.journal().len() < 2 {
        stream.read_exact(&mut bytes).await.unwrap();
    }
}

#[tokio::test]
async fn disconnect_closes_after_so_many_bytes() {
    let (room, _hand) = room("disconnect_after = 100\nfaults = [\"disconnect\"]").await;
    let mut stream = connect(&room).await;
    assert_eq!(rest(&mut stream).await, BANNER.as_bytes()[..100]);
}

#[tokio::test]
async fn slow_takes_its_time_for_each_reply() {
    let (room, hand) = room("faults = [\"slow\"]").await;
    let mut stream = connect(&room).await;
    stream.write_all(b"xStatus Standby\r\nbye\r\n").await.unwrap();
    let (mut bytes, mut moved_ms) = (Vec::new(), 0);
    loop {
        let mut some = [0_u8; 1024];
        tokio::select! {
            biased;
            count = stream.read(&mut some) => match count.unwrap() {
                0 => break,
                count => bytes.extend_from_slice(&some[..count]),
            },
            () = tokio::task::yield_now() => {
                hand.advance(std::time::Duration::from_millis(1));
                moved_ms += 1;
            }
        }
    }
    assert!(bytes.ends_with(b"*s Standby State: Off\r\n** end\r\n\r\nOK\r\nbye\r\n"));
    // The banner and the reply: two replies.
    assert!(moved_ms >= 60, "{moved_ms} ms");
}

#[tokio::test]
async fn login_refused_refuses_everybody() {
    let (room, _hand) = room("user = \"probe\"\npassword = \"s3cret\"\nfaults = [\"login-refused\"]").await;
    let mut stream = connect(&room).await;
    stream.write_all(b"probe\r\ns3cret\r\n").await.unwrap();
    exactly(
        &mut stream,
        "login: probe\r\nPassword: \r\nLogin incorrect\r\nlogin: ",
    )
    .await;
}

#[tokio::test]
async fn feedback_stands_between_the_lines() {
    let (room, _hand) = room("faults = [\"feedback\"]").await;
    let wire = session(&room, "xStatus Network 1 IPv4\r\nbye\r\n").await;
    let lines: Vec<&str> = wire.strip_prefix(BANNER).unwrap().lines().collect();
    assert_eq!(lines[1], "*s Network 1 IPv4 Address: \"10.0.0.5\"");
    assert!(lines[2].starts_with("*e "), "{wire}");
    assert_eq!(lines[3], "*s Network 1 IPv4 Gateway: \"10.0.0.1\"");
    assert!(wire.ends_with("** end\r\nOK\r\nbye\r\n"), "{wire}");
}

mod over_a_serial_line {
    use std::fs::OpenOptions;

    use tokio::net::unix::pipe;

    use super::*;

    fn path(room: &Room) -> String {
        let address = room.addresses()["codec"].strip_prefix("serial:").unwrap();
        address.split('?').next().unwrap().to_owned()
    }

    /// A program on the line; none while the name leads nowhere.
    fn program(room: &Room) -> Option<tokio::io::Join<pipe::Receiver, pipe::Sender>> {
        let file = OpenOptions::new().read(true).write(true).open(path(room)).ok()?;
        rustix::io::ioctl_fionbio(&file, true).unwrap();
        let write = pipe::Sender::from_owned_fd_unchecked(file.try_clone().unwrap().into()).unwrap();
        let read = pipe::Receiver::from_owned_fd_unchecked(file.into()).unwrap();
        Some(tokio::io::join(read, write))
    }

    async fn hears(program: &mut tokio::io::Join<pipe::Receiver, pipe::Sender>, expected: &str) {
        let mut bytes = vec![0; expected.len()];
        program.read_exact(&mut bytes).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
    }

    #[tokio::test]
    async fn a_goodbye_ends_the_session_and_the_prompt_stands_again() {
        let (room, _hand) = room("transport = \"serial\"\nuser = \"probe\"\npassword = \"secret\"").await;
        assert!(room.addresses()["codec"].ends_with("codec.tty?baud=115200&user=probe"));
        let mut line = program(&room).unwrap();
        for _ in 0..2 {
            hears(&mut line, "login: ").await;
            line.write_all(b"probe\r\n").await.unwrap();
            hears(&mut line, "probe\r\nPassword: ").await;
            line.write_all(b"secret\r\n").await.unwrap();
            hears(&mut line, &format!("\r\n{BANNER}")).await;
            line.write_all(b"bye\r\n").await.unwrap();
            hears(&mut line, "bye\r\n").await;
        }
        hears(&mut line, "login: ").await;
        assert!(room.violations().is_empty());
        let sessions: Vec<u64> = room
            .journal()
            .iter()
            .filter(|entry| entry.kind == Kind::Prompt)
            .map(|entry| entry.connection)
            .collect();
        assert_eq!(sessions, [1, 1, 2, 2, 3]);
    }

    /// The program that left it does not end the session: a line does not tell.
    #[tokio::test]
    async fn a_session_goes_on_for_whoever_comes_next() {
        let (room, _hand) = room("transport = \"serial\"").await;
        let mut first = program(&room).unwrap();
        hears(&mut first, BANNER).await;
        first.write_all(b"echo off\r\n").await.unwrap();
        hears(&mut first, "echo off\r\n\r\nOK\r\n").await;
        drop(first);
        let mut second = program(&room).unwrap();
        second.write_all(b"echo off\r\n").await.unwrap();
        hears(&mut second, "\r\nOK\r\n").await;
    }

    #[tokio::test]
    async fn unplugged_it_is_gone_and_comes_back() {
        let (room, _hand) = room("transport = \"serial\"").await;
        let mut line = program(&room).unwrap();
        room.fault("codec", "refuse", true).unwrap();
        assert!(program(&room).is_none());
        let mut rest = [0; 4096];
        while matches!(line.read(&mut rest).await, Ok(count) if count > 0) {}
        room.fault("codec", "refuse", false).unwrap();
        hears(&mut program(&room).unwrap(), BANNER).await;
    }

    #[tokio::test]
    async fn it_hangs_up_at_the_first_byte_and_never_reads_when_told_so() {
        let (room, _hand) = room("transport = \"serial\"\nfaults = [\"hangup\"]").await;
        let mut line = program(&room).unwrap();
        line.write_all(b"x").await.unwrap();
        let mut rest = [0; 4096];
        while matches!(line.read(&mut rest).await, Ok(count) if count > 0) {}
        assert_eq!(
            room.journal()
                .iter()
                .filter(|entry| entry.kind == Kind::Received)
                .count(),
            1
        );
        room.fault("codec", "hangup", false).unwrap();
        room.fault("codec", "unread", true).unwrap();
        let mut line = loop {
            if let Some(mut line) = program(&room)
                && line.read_u8().await.is_ok()
            {
                break line;
            }
            tokio::task::yield_now().await;
        };
        line.write_all(b"xStatus Standby\r\n").await.unwrap();
        hears(&mut line, &BANNER[1..]).await;
        assert_eq!(
            room.journal()
                .iter()
                .filter(|entry| entry.kind == Kind::Received)
                .count(),
            1
        );
    }
}
