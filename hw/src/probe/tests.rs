//! Tests of the acts over real sockets of this machine, with small devices on the other end.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::*;
use crate::dialect::camera::PresetNumber;
use crate::dialect::camera::visca_ip::{Frame, Kind};
use crate::link::testing::edge;
use crate::reading::{ReturnedBy, Standby};

/// Long enough for a busy machine; nothing here waits for it.
const PLENTY: Duration = Duration::from_secs(30);
const CAP: usize = 1 << 20;

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

async fn caller(listener: TcpListener) -> TcpStream {
    listener.accept().await.unwrap().0
}

#[test]
fn a_secret_does_not_show_itself() {
    let login = Login {
        user: "probe".to_owned(),
        password: Secret::new("hunter2".to_owned()),
    };
    let shown = format!("{login:?} {login:#?}");
    assert!(shown.contains("***") && !shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn what_is_not_built_is_not_supported() {
    let (edge, _cancel) = edge(PLENTY, CAP);
    for address in ["telnet://h", "ssh://h", "https://h", "sip:h"] {
        let address = address.parse().unwrap();
        assert_eq!(
            codec(CodecDriver::Cisco, &address, None, &edge).await,
            Err(ProbeError::NotSupported)
        );
    }
    let tcp = "tcp://127.0.0.1:1".parse().unwrap();
    for driver in [
        CodecDriver::Poly,
        CodecDriver::Huawei,
        CodecDriver::Yealink,
        CodecDriver::Sip,
    ] {
        assert_eq!(
            codec(driver, &tcp, None, &edge).await,
            Err(ProbeError::NotSupported)
        );
    }
    let job = CameraJob::visiting(Vec::new());
    for address in ["codec:1", "onvif://h", "pelco+serial:/dev/ttyUSB1"] {
        assert_eq!(
            camera(&address.parse().unwrap(), &job, &edge).await,
            Err(ProbeError::NotSupported)
        );
    }
    for address in ["megatec:/dev/ttyUSB2", "apcupsd://h", "snmp://h"] {
        assert_eq!(
            ups(&address.parse().unwrap(), &edge).await,
            Err(ProbeError::NotSupported)
        );
    }
    assert_eq!(ups(&UpsAddress::None, &edge).await, Err(ProbeError::NotPresent));
    for address in ["icmp:h", "pjlink://h", "http://h", "https://h"] {
        assert_eq!(
            device(&address.parse().unwrap(), &edge).await,
            Err(ProbeError::NotSupported)
        );
    }
}

#[tokio::test]
async fn a_codec_on_a_console_that_asks_who_is_there() {
    let (listener, at) = listen().await;
    let unit = async {
        let (read, mut write) = caller(listener).await.into_split();
        let mut lines = BufReader::new(read).lines();
        write.write_all(b"\r\nlogin: ").await.unwrap();
        let mut heard = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            let answer = match line.as_str() {
                "probe" => "Password: ".to_owned(),
                "s3cret" => "\r\n*r Login successful\r\n\r\nOK\r\n".to_owned(),
                "bye" => break,
                _ => {
                    let tag = line.rsplit('"').nth(1).unwrap_or_default();
                    let status = if line.contains(" Standby ") {
                        "*s Standby State: Off\r\n"
                    } else {
                        ""
                    };
                    format!("{status}** resultId: \"{tag}\"\r\n** end\r\n\r\nOK\r\n")
                }
            };
            heard.push(line);
            write.write_all(answer.as_bytes()).await.unwrap();
        }
        heard
    };
    let (edge, _cancel) = edge(PLENTY, CAP);
    let login = Login {
        user: "probe".to_owned(),
        password: Secret::new("s3cret".to_owned()),
    };
    let address = format!("tcp://{at}").parse().unwrap();
    let (reading, heard) = tokio::join!(codec(CodecDriver::Cisco, &address, Some(&login), &edge), unit);
    assert_eq!(reading.unwrap().standby, Ok(Standby::Awake));
    assert_eq!(heard[..3], ["probe", "s3cret", "echo off"].map(str::to_owned));
}

#[tokio::test]
async fn a_ups_and_its_goodbye() {
    let (listener, at) = listen().await;
    let server = async {
        let mut stream = caller(listener).await;
        let mut question = [0; 14];
        stream.read_exact(&mut question).await.unwrap();
        let list = b"BEGIN LIST VAR room\nVAR room ups.status \"OL CHRG\"\nEND LIST VAR room\n";
        stream.write_all(list).await.unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        (String::from_utf8(question.to_vec()).unwrap(), rest)
    };
    let (edge, _cancel) = edge(PLENTY, CAP);
    let address = format!("nut://{at}/room").parse().unwrap();
    let (reading, heard) = tokio::join!(ups(&address, &edge), server);
    assert_eq!(reading.unwrap().status, ["OL", "CHRG"]);
    assert_eq!(heard, ("LIST VAR room\n".to_owned(), "LOGOUT\n".to_owned()));
}

#[tokio::test]
async fn a_port_that_takes_the_call_and_says_nothing() {
    let (listener, at) = listen().await;
    let (edge, _cancel) = edge(Duration::from_millis(200), CAP);
    let address = format!("nut://{at}/room").parse().unwrap();
    let (reading, _stream) = tokio::join!(ups(&address, &edge), caller(listener));
    assert!(
        matches!(reading, Err(ProbeError::NoAnswer { waited_ms }) if waited_ms >= 200),
        "{reading:?}"
    );
}

#[tokio::test]
async fn a_port_that_hangs_up() {
    let (listener, at) = listen().await;
    let (edge, _cancel) = edge(PLENTY, CAP);
    let address = format!("tcp://{at}").parse().unwrap();
    let hang_up = async { drop(caller(listener).await) };
    let (reading, ()) = tokio::join!(codec(CodecDriver::Cisco, &address, None, &edge), hang_up);
    assert_eq!(reading, Err(ProbeError::Closed));
}

#[tokio::test]
async fn a_device_that_answers() {
    let (listener, at) = listen().await;
    let (edge, _cancel) = edge(PLENTY, CAP);
    assert!(
        device(&format!("tcp://{at}").parse().unwrap(), &edge)
            .await
            .is_ok()
    );
    drop(listener);
    let closed = device(&format!("tcp://{at}").parse().unwrap(), &edge).await;
    assert!(matches!(closed, Err(ProbeError::NoAnswer { .. })), "{closed:?}");
}

/// What a camera that stands at preset 1 once that is recalled says to one packet.
fn camera_says(packet: &[u8], at_preset: &mut bool) -> Vec<Vec<u8>> {
    match packet {
        [0x81, 0x09, 0x00, 0x02, ..] => vec![vec![0x90, 0x50, 0, 1, 5, 0x13, 3, 0, 2, 0xFF]],
        [0x81, 0x09, 0x04, 0x00, ..] => vec![vec![0x90, 0x50, 2, 0xFF]],
        [0x81, 0x09, 0x06, 0x12, ..] => {
            let n = u8::from(*at_preset);
            vec![vec![0x90, 0x50, 0, n, 0, 0, 0, 0, n, 0, 0xFF]]
        }
        [0x81, 0x09, 0x04, 0x47, ..] => vec![vec![0x90, 0x50, 0, 0, 0, 0, 0xFF]],
        [0x81, 0x01, 0x04, 0x3F, 0x02, 1, 0xFF] => {
            *at_preset = true;
            vec![vec![0x90, 0x41, 0xFF], vec![0x90, 0x51, 0xFF]]
        }
        [0x81, 0x01, ..] => {
            *at_preset = false;
            vec![vec![0x90, 0x41, 0xFF], vec![0x90, 0x51, 0xFF]]
        }
        _ => vec![vec![0x90, 0x60, 0x02, 0xFF]],
    }
}

fn one_preset() -> CameraJob {
    CameraJob::visiting(vec![PresetNumber::try_from(1).unwrap()])
}

/// The camera answers from another port than it was asked at, and somebody else's datagrams come too.
#[tokio::test]
async fn a_camera_that_answers_from_another_port() {
    let asked = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let answering = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let stranger = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let address = format!("visca+udp://{}", asked.local_addr().unwrap())
        .parse()
        .unwrap();
    let device = async {
        let mut at_preset = false;
        let mut buffer = [0; 64];
        loop {
            let (count, from) = asked.recv_from(&mut buffer).await.unwrap();
            let frame = Frame::parse(&buffer[..count]).unwrap();
            let standby = Frame {
                kind: Kind::Reply,
                sequence: frame.sequence,
                payload: vec![0x90, 0x50, 3, 0xFF],
            };
            stranger.send_to(&standby.emit(), from).await.unwrap();
            if frame.kind == Kind::Control {
                let reply = Frame {
                    kind: Kind::ControlReply,
                    sequence: frame.sequence,
                    payload: vec![1],
                };
                answering.send_to(&reply.emit(), from).await.unwrap();
                continue;
            }
            for payload in camera_says(&frame.payload, &mut at_preset) {
                let reply = Frame {
                    kind: Kind::Reply,
                    sequence: frame.sequence,
                    payload,
                };
                answering.send_to(&reply.emit(), from).await.unwrap();
            }
        }
    };
    let (edge, _cancel) = edge(PLENTY, CAP);
    let job = one_preset();
    let reading = tokio::select! {
        reading = camera(&address, &job, &edge) => reading.unwrap(),
        never = device => never,
    };
    assert_eq!(reading.power_on, Ok(true));
    assert!(reading.presets[0].outcome.as_ref().unwrap().completed);
    let back = reading.returned.unwrap().unwrap();
    assert_eq!((back.by, back.at_found), (ReturnedBy::FoundPosition, true));
}

#[tokio::test]
async fn a_camera_on_a_stream() {
    let (listener, at) = listen().await;
    let device = async {
        let mut stream = caller(listener).await;
        let mut at_preset = false;
        let mut packet = Vec::new();
        while let Ok(byte) = stream.read_u8().await {
            packet.push(byte);
            if byte == 0xFF {
                let said = camera_says(&packet, &mut at_preset).concat();
                stream.write_all(&said).await.unwrap();
                packet.clear();
            }
        }
        at_preset
    };
    let (edge, _cancel) = edge(PLENTY, CAP);
    let address = format!("visca+tcp://{at}").parse().unwrap();
    let job = one_preset();
    let (reading, left_at_preset) = tokio::join!(camera(&address, &job, &edge), device);
    assert!(reading.unwrap().returned.unwrap().unwrap().at_found);
    assert!(!left_at_preset);
}

/// A port that nobody listens on: off and away look the same.
#[tokio::test]
async fn no_camera() {
    let free = UdpSocket::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let (edge, _cancel) = edge(Duration::from_millis(200), CAP);
    let address = format!("visca+udp://{free}").parse().unwrap();
    let reading = camera(&address, &one_preset(), &edge).await;
    assert!(matches!(reading, Err(ProbeError::NoAnswer { .. })), "{reading:?}");
}

/// A camera's number and the codec's console, each over a pseudo-terminal: the arm, the framing, the address.
mod over_serial_lines {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use tokio::net::unix::pipe;

    use super::*;

    /// The device's end, as a stream, and its path.
    fn line() -> (impl AsyncReadExt + AsyncWriteExt + Unpin, String) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        rustix::io::ioctl_fionbio(&master, true).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let write = pipe::Sender::from_owned_fd_unchecked(master.try_clone().unwrap()).unwrap();
        let read = pipe::Receiver::from_owned_fd_unchecked(master).unwrap();
        (tokio::io::join(read, write), path)
    }

    #[tokio::test]
    async fn the_third_camera_of_a_chain() {
        let (mut stream, path) = line();
        let device = async {
            let mut at_preset = false;
            let mut packet = Vec::new();
            loop {
                packet.push(stream.read_u8().await.unwrap());
                if packet.ends_with(&[0xFF]) {
                    assert_eq!(packet[0], 0x83, "another camera is addressed");
                    packet[0] = 0x81;
                    for mut said in camera_says(&packet, &mut at_preset) {
                        // The camera before it in the chain speaks as well.
                        stream.write_all(&[0xA0, 0x50, 0x03, 0xFF]).await.unwrap();
                        said[0] = 0xB0;
                        stream.write_all(&said).await.unwrap();
                    }
                    packet.clear();
                }
            }
        };
        let (edge, _cancel) = edge(PLENTY, CAP);
        let address = format!("visca+serial:{path}?baud=9600&id=3").parse().unwrap();
        let job = one_preset();
        let reading = tokio::select! {
            reading = camera(&address, &job, &edge) => reading.unwrap(),
            () = device => unreachable!("it answers for ever"),
        };
        assert_eq!(reading.power_on, Ok(true));
        assert!(reading.returned.unwrap().unwrap().at_found);
    }

    #[tokio::test]
    async fn a_codec_whose_console_was_left_at_its_prompt() {
        let (stream, path) = line();
        let unit = async {
            let (read, mut write) = tokio::io::split(stream);
            let mut lines = BufReader::new(read).lines();
            let mut heard = Vec::new();
            while let Some(line) = lines.next_line().await.unwrap() {
                let answer = match line.as_str() {
                    "" => "\r\nlogin: ".to_owned(),
                    "probe" => "probe\r\nPassword: ".to_owned(),
                    "s3cret" => "\r\n*r Login successful\r\n\r\nOK\r\n".to_owned(),
                    _ => {
                        let tag = line.rsplit('"').nth(1).unwrap_or_default();
                        format!("{line}\r\n** resultId: \"{tag}\"\r\n** end\r\n\r\nOK\r\n")
                    }
                };
                let over = line == "bye";
                heard.push(line);
                if over {
                    break;
                }
                write.write_all(answer.as_bytes()).await.unwrap();
            }
            heard
        };
        let (edge, _cancel) = edge(PLENTY, CAP);
        let login = Login {
            user: "probe".to_owned(),
            password: Secret::new("s3cret".to_owned()),
        };
        let address = format!("serial:{path}?baud=115200&user=probe").parse().unwrap();
        let (reading, heard) = tokio::join!(codec(CodecDriver::Cisco, &address, Some(&login), &edge), unit);
        assert!(reading.is_ok(), "{reading:?}");
        assert_eq!(heard[..4], ["", "probe", "s3cret", "echo off"].map(str::to_owned));
        assert_eq!(heard.last().map(String::as_str), Some("bye"));
    }
}
