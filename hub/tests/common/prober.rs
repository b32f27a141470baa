//! A reflector that runs alone, and a box that tests its line over a real socket with the box's own state machine.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use bridgepoint_protocol::line::client::{Client, State};
use bridgepoint_protocol::line::estimate::{Back, Figures, Sent, Trial, figures};
use bridgepoint_protocol::line::wire::control::{Answer, Request, Summary, Wish};
use bridgepoint_protocol::line::wire::rtp::{self, Probe};
use bridgepoint_protocol::line::{OVERHEAD_V4, OVERHEAD_V6};

use super::{DEADLINE, hub_dir};

/// A reflector that runs alone.
pub struct Alone {
    child: Child,
    pub at: SocketAddr,
    pub said: String,
    _dir: tempfile::TempDir,
}

impl Alone {
    pub fn start(listen: &str, budget_kbps: u32) -> Self {
        let dir = hub_dir("listen = \"127.0.0.1:0\"");
        let mut child = Command::new(env!("CARGO_BIN_EXE_bridgepoint-hub"))
            .args([
                "reflector",
                "--listen",
                listen,
                "--budget-kbps",
                &budget_kbps.to_string(),
            ])
            .arg("--config")
            .arg(dir.path().join("hub.toml"))
            .env_remove("BRIDGEPOINT_STATE")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut said)
            .unwrap();
        let at = said.split(' ').find_map(|word| word.parse().ok()).unwrap();
        Self {
            child,
            at,
            said,
            _dir: dir,
        }
    }

    pub fn stop(mut self, signal: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap().code()
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A box: its socket and its clock.
pub struct Room {
    pub socket: UdpSocket,
    began: Instant,
    pub name: &'static str,
}

impl Room {
    pub fn at(reflector: SocketAddr, name: &'static str) -> Self {
        let here = if reflector.is_ipv4() {
            "127.0.0.1:0"
        } else {
            "[::1]:0"
        };
        Self::from(here, reflector, name)
    }

    pub fn from(here: &str, reflector: SocketAddr, name: &'static str) -> Self {
        let socket = UdpSocket::bind(here).unwrap();
        socket.connect(reflector).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self {
            socket,
            #[allow(clippy::disallowed_methods, reason = "the box's clock")]
            began: Instant::now(),
            name,
        }
    }

    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap()
    }

    pub fn now_ms(&self) -> u64 {
        self.now_ns() / 1_000_000
    }

    pub fn read(&self) -> Vec<u8> {
        let mut datagram = vec![0; 2000];
        let len = self.socket.recv(&mut datagram).unwrap();
        datagram.truncate(len);
        datagram
    }

    /// Asks until there is an answer. On loopback nothing is lost, so the answer is waited for and not asked for twice.
    pub fn ask(&self, kbps: u32) -> Client {
        let wish = Wish {
            room: self.name.parse().unwrap(),
            kbps,
            duration_ms: 3000,
            packet_bytes: 1400,
        };
        let mut client = Client::new(wish, 77, self.now_ms(), u64::MAX).unwrap();
        self.settle(&mut client);
        client
    }

    pub fn settle(&self, client: &mut Client) {
        while matches!(client.state(), State::Asking | State::Closing(_)) {
            let request = client
                .transmit(client.due_ms().unwrap().max(self.now_ms()))
                .unwrap();
            self.socket.send(&request).unwrap();
            client.receive(self.now_ms(), &self.read()).unwrap();
        }
    }

    /// Sends packets, each after the answer to the one before, and closes.
    pub fn test(&self, client: &mut Client, packets: u32) -> (Figures, Summary) {
        let State::Granted(grant) = client.state() else {
            panic!("{:?}", client.state())
        };
        let (mut sent, mut back) = (vec![], vec![]);
        for seq in 0..packets {
            let mut packet = rtp::emit_probe(
                Probe {
                    session: grant.session,
                    seq,
                    sent_ns: 0,
                },
                1000 + usize::try_from(seq % 200).unwrap(),
            );
            let sent_ns = self.now_ns();
            rtp::stamp(&mut packet, seq, sent_ns).unwrap();
            self.socket.send(&packet).unwrap();
            let bytes = u32::try_from(packet.len()).unwrap();
            sent.push(Sent { seq, sent_ns, bytes });
            let answer = self.read();
            assert_eq!(answer.len(), packet.len());
            let reply = rtp::parse_reply(&answer).unwrap();
            back.push(Back {
                seq: reply.seq,
                reflector_seq: reply.reflector_seq,
                reflector_rx_ns: reply.rx_ns,
                reflector_tx_ns: reply.tx_ns,
                arrived_ns: self.now_ns(),
            });
        }
        client.close(self.now_ms(), packets, u64::MAX);
        self.settle(client);
        let State::Closed(_, summary) = client.state() else {
            panic!("{:?}", client.state())
        };
        let overhead = if self.socket.local_addr().unwrap().is_ipv4() {
            OVERHEAD_V4
        } else {
            OVERHEAD_V6
        };
        let trial = Trial {
            sent: &sent,
            back: &back,
            summary: Some(&summary),
            wanted_kbps: 1,
            overhead,
            longest_gap_ms: f64::INFINITY,
        };
        (figures(&trial), summary)
    }

    /// Nothing is there: what is asked now is answered first.
    pub fn heard_nothing(&self) {
        let room = self.name.parse().unwrap();
        self.socket
            .send(&Request::Hello { nonce: 1234, room }.emit())
            .unwrap();
        assert_eq!(Answer::parse(&self.read()).unwrap().nonce(), 1234);
    }
}
