//! Cameras over real streams: whose packets are whose, and every fault of the line.

use std::fs::{File, OpenOptions};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::journal::Kind;
use crate::sim::clock::{Clock, Hand};
use crate::sim::{Room, Spec};

const TWO: &str = "[room]\n\
    [[camera]]\nid = \"front\"\ntransport = \"serial\"\nline = \"hall\"\n\
    presets = [{ number = 1, pan = 1000, tilt = 0 }]\n\
    [[camera]]\nid = \"back\"\ntransport = \"serial\"\nline = \"hall\"\naddress = 2\n\
    found = { pan = 5, tilt = 6, zoom = 7 }\n";
const ONE: &str = "[room]\n[[camera]]\nid = \"main\"\ntransport = \"tcp\"\n";

async fn room(text: &str) -> (Room, Hand) {
    let (clock, hand) = Clock::manual();
    (
        Room::start_at(Spec::parse(text).unwrap(), clock).await.unwrap(),
        hand,
    )
}

/// A program on the line, as any other would open it.
fn open(room: &Room, device: &str) -> impl AsyncRead + AsyncWrite + Unpin + use<> {
    let address = room.addresses()[device].strip_prefix("visca+serial:").unwrap();
    let path = address.split('?').next().unwrap();
    let file: File = OpenOptions::new().read(true).write(true).open(path).unwrap();
    rustix::io::ioctl_fionbio(&file, true).unwrap();
    let write = tokio::net::unix::pipe::Sender::from_owned_fd_unchecked(file.try_clone().unwrap().into());
    let read = tokio::net::unix::pipe::Receiver::from_owned_fd_unchecked(file.into());
    tokio::io::join(read.unwrap(), write.unwrap())
}

async fn call(room: &Room) -> TcpStream {
    let address = room.addresses()["camera.main"]
        .strip_prefix("visca+tcp://")
        .unwrap();
    TcpStream::connect(address).await.unwrap()
}

async fn packet(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut packet = Vec::new();
    while packet.last() != Some(&0xFF) {
        packet.push(stream.read_u8().await.unwrap());
    }
    packet
}

async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), bytes: &[u8]) -> Vec<u8> {
    stream.write_all(bytes).await.unwrap();
    packet(stream).await
}

#[tokio::test]
async fn each_camera_of_a_line_answers_with_its_own_number() {
    let (room, hand) = room(TWO).await;
    assert!(room.addresses()["camera.front"].ends_with("line-hall.tty?baud=9600&id=1"));
    assert!(room.addresses()["camera.back"].ends_with("line-hall.tty?baud=9600&id=2"));
    let mut line = open(&room, "camera.back");
    assert_eq!(
        ask(&mut line, &[0x82, 0x09, 0x06, 0x12, 0xFF]).await,
        [0xA0, 0x50, 0, 0, 0, 5, 0, 0, 0, 6, 0xFF]
    );
    assert_eq!(
        ask(&mut line, &[0x81, 0x09, 0x04, 0x47, 0xFF]).await,
        [0x90, 0x50, 0, 0, 0, 0, 0xFF]
    );
    // Nobody has number 3, and nobody answers to all; the next one is answered.
    line.write_all(&[0x83, 0x09, 0x04, 0x00, 0xFF, 0x88, 0x30, 0x01, 0xFF])
        .await
        .unwrap();
    assert_eq!(
        ask(&mut line, &[0x81, 0x01, 0x04, 0x3F, 0x02, 0x01, 0xFF]).await,
        [0x90, 0x41, 0xFF]
    );
    hand.advance(Duration::from_secs(1));
    assert_eq!(packet(&mut line).await, [0x90, 0x51, 0xFF]);
    assert_eq!(room.position("camera.front").unwrap().pan, 1000);
    assert_eq!(room.position("camera.back").unwrap().pan, 5);
    // Every byte is in the journal; the broadcast is no business of a check's.
    let journal = room.journal();
    let all: Vec<u8> = journal
        .iter()
        .filter(|entry| entry.kind == Kind::Received && entry.device == "camera.front")
        .flat_map(|entry| entry.bytes.clone())
        .collect();
    assert_eq!(all.len(), 5 + 5 + 5 + 4 + 7);
    let violations = room.violations();
    let sent: Vec<&str> = violations
        .iter()
        .map(|violation| violation.sent.as_str())
        .collect();
    assert_eq!(sent, ["88 30 01 FF"]);
}

#[tokio::test]
async fn a_camera_on_tcp_answers_one_client_after_the_other() {
    let (room, _hand) = room(ONE).await;
    for _ in 0..2 {
        let mut client = call(&room).await;
        assert_eq!(
            ask(&mut client, &[0x81, 0x09, 0x04, 0x00, 0xFF]).await,
            [0x90, 0x50, 0x02, 0xFF]
        );
    }
    let numbers: Vec<u64> = room.journal().iter().map(|entry| entry.connection).collect();
    assert_eq!(numbers, [1, 2]);
}

#[tokio::test]
async fn what_is_too_long_for_a_packet_is_none() {
    let (room, _hand) = room(ONE).await;
    let mut client = call(&room).await;
    let mut bytes = vec![0x81; 40];
    bytes.extend([0xFF, 0x81, 0x09, 0x04, 0x00, 0xFF]);
    assert_eq!(ask(&mut client, &bytes).await, [0x90, 0x50, 0x02, 0xFF]);
}

#[tokio::test]
async fn it_hangs_up_and_can_be_called_again() {
    let (room, _hand) = room(ONE).await;
    room.fault("camera.main", "hangup", true).unwrap();
    let mut client = call(&room).await;
    client.write_all(&[0x81]).await.unwrap();
    assert!(matches!(client.read(&mut [0; 8]).await, Ok(0) | Err(_)));
    room.fault("camera.main", "hangup", false).unwrap();
    let mut client = call(&room).await;
    assert_eq!(
        ask(&mut client, &[0x81, 0x09, 0x04, 0x00, 0xFF]).await,
        [0x90, 0x50, 0x02, 0xFF]
    );
}

#[tokio::test]
async fn a_serial_line_hangs_up_and_is_plugged_in_again_under_its_name() {
    let (room, _hand) = room(TWO).await;
    room.fault("camera.back", "hangup", true).unwrap();
    let mut line = open(&room, "camera.back");
    line.write_all(&[0x82]).await.unwrap();
    assert!(matches!(line.read(&mut [0; 8]).await, Ok(0) | Err(_)));
    room.fault("camera.back", "hangup", false).unwrap();
    // Until the new line is there the name leads to the old one, which is cut.
    let answer = loop {
        let mut line = open_if(&room, "camera.back").await;
        if let Some(line) = &mut line
            && line.write_all(&[0x82, 0x09, 0x04, 0x00, 0xFF]).await.is_ok()
        {
            let mut answer = [0; 4];
            if line.read_exact(&mut answer).await.is_ok() {
                break answer;
            }
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(answer, [0xA0, 0x50, 0x02, 0xFF]);
}

async fn open_if(room: &Room, device: &str) -> Option<impl AsyncRead + AsyncWrite + Unpin + use<>> {
    let address = room.addresses()[device].strip_prefix("visca+serial:").unwrap();
    let path = address.split('?').next().unwrap();
    OpenOptions::new().read(true).write(true).open(path).ok()?;
    Some(open(room, device))
}

#[tokio::test]
async fn it_drips_a_byte_a_second() {
    let (room, hand) = room(ONE).await;
    room.fault("camera.main", "drip", true).unwrap();
    let mut client = call(&room).await;
    client.write_all(&[0x81, 0x09, 0x04, 0x00, 0xFF]).await.unwrap();
    // The first at once, the clock stands still: no second one can come.
    assert_eq!(client.read_u8().await.unwrap(), 0x90);
    let mut next = [0; 8];
    assert!(client.try_read(&mut next).is_err());
    for expected in [0x50, 0x02, 0xFF] {
        hand.advance(Duration::from_secs(1));
        assert_eq!(client.read_u8().await.unwrap(), expected);
    }
}

#[tokio::test]
async fn it_floods_once_it_was_spoken_to_and_stops_when_it_is_told() {
    let (room, _hand) = room(ONE).await;
    room.fault("camera.main", "flood", true).unwrap();
    let mut client = call(&room).await;
    client.write_all(&[0x81, 0x09, 0x04, 0x00, 0xFF]).await.unwrap();
    let mut much = vec![0; 100_000];
    client.read_exact(&mut much).await.unwrap();
    assert!(much.chunks(4).all(|packet| packet == [0x90, 0x50, 0x00, 0xFF]));
}

#[tokio::test]
async fn it_never_reads() {
    let (room, _hand) = room(TWO).await;
    room.fault("camera.front", "unread", true).unwrap();
    let line = room.addresses()["camera.front"]
        .strip_prefix("visca+serial:")
        .unwrap();
    let path = line.split('?').next().unwrap();
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    rustix::io::ioctl_fionbio(&file, true).unwrap();
    // As much as the line takes; it would be endless if anybody read.
    let mut taken = 0;
    while let Ok(count) = rustix::io::write(&file, &[0x81; 512]) {
        taken += count;
        tokio::task::yield_now().await;
        assert!(taken < 1 << 20, "somebody reads");
    }
    assert!(room.journal().is_empty());
}

#[tokio::test]
async fn datagrams_have_no_faults_of_streams() {
    let (room, _hand) = room("[room]\n[[camera]]\nid = \"main\"\n").await;
    let why = room.fault("camera.main", "hangup", true).unwrap_err().to_string();
    assert!(why.contains("transport = \"tcp\" or \"serial\""), "{why}");
    assert!(
        room.faults()["camera.main"]
            .iter()
            .all(|row| row.fault != "hangup")
    );
    let text = "[room]\n[[camera]]\nid = \"main\"\nfaults = [\"drip\"]\n";
    assert!(Room::start(Spec::parse(text).unwrap()).await.is_err());
}
