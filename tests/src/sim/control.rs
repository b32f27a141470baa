//! The control port of a room: text lines over TCP, made for `nc` and for test rigs.
//!
//! Each request is one line; each reply ends with a line `OK` or `ERROR <why>`. It listens on loopback
//! only, for whoever reaches it can change what the devices say.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::room::{Inside, Room};
use crate::allowed;

/// The longest request.
const LINE_CAP: usize = 4096;

/// Clients at once.
const CLIENTS: usize = 16;

const HELP: &str = "\
faults                 list devices and their faults, as JSON
on DEVICE FAULT        switch a fault on
off DEVICE FAULT       switch a fault off
journal [DEVICE]       what the devices received, one JSON object a line
violations             what was sent beyond the reviewed list, one JSON object a line
addresses              where the devices are, as JSON
position DEVICE        where a camera stands, as JSON
help                   this list
quit                   end the simulation";

/// A control port that is open.
#[derive(Debug)]
pub struct Control {
    address: SocketAddr,
    quit: watch::Receiver<bool>,
    // Held for its end: dropping it ends the task.
    _task: JoinSet<()>,
}

impl Control {
    /// Opens the control port of `room` at `listen`; port 0 takes any.
    ///
    /// # Errors
    /// A sentence, when `listen` is not on loopback or cannot be used.
    pub async fn open(room: &Room, listen: SocketAddr) -> Result<Self, String> {
        if !listen.ip().is_loopback() {
            return Err(format!(
                "--control {listen}: the control port listens on loopback only; use 127.0.0.1"
            ));
        }
        let cannot = |why: io::Error| format!("--control {listen}: cannot listen there: {why}");
        let listener = TcpListener::bind(listen).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let (asked, quit) = watch::channel(false);
        let mut task = JoinSet::new();
        task.spawn(serve(listener, Arc::clone(room.inside()), asked));
        Ok(Self {
            address,
            quit,
            _task: task,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until a client sent `quit`.
    pub async fn quit(&self) {
        if self.quit.clone().wait_for(|quit| *quit).await.is_err() {
            // The task that would tell is gone: nobody can ask any more.
            std::future::pending::<()>().await;
        }
    }
}

async fn serve(listener: TcpListener, inside: Arc<Inside>, quit: watch::Sender<bool>) {
    let quit = Arc::new(quit);
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if clients.len() < CLIENTS => {
                let Ok((stream, _peer)) = accepted else { continue };
                let (inside, quit) = (Arc::clone(&inside), Arc::clone(&quit));
                clients.spawn(async move {
                    // A client that goes away in the middle is no fault of the room's.
                    let _ended: io::Result<()> = converse(stream, &inside, &quit).await;
                });
            }
            Some(_ended) = clients.join_next(), if !clients.is_empty() => {}
        }
    }
}

async fn converse(mut stream: TcpStream, inside: &Inside, quit: &watch::Sender<bool>) -> io::Result<()> {
    let mut line = Vec::new();
    let mut received = [0_u8; 1024];
    loop {
        let count = stream.read(&mut received).await?;
        let Some(bytes) = received.get(..count).filter(|bytes| !bytes.is_empty()) else {
            return Ok(());
        };
        for &byte in bytes {
            if byte != b'\n' {
                if line.len() >= LINE_CAP {
                    stream.write_all(b"ERROR the line is too long\n").await?;
                    return Ok(());
                }
                line.push(byte);
                continue;
            }
            let request = String::from_utf8_lossy(&std::mem::take(&mut line))
                .trim()
                .to_owned();
            let words: Vec<&str> = request.split_ascii_whitespace().collect();
            stream.write_all(reply(&words, inside).as_bytes()).await?;
            if words == ["quit"] {
                quit.send_replace(true);
                return Ok(());
            }
        }
    }
}

/// The whole reply to a request, last line and all.
fn reply(words: &[&str], inside: &Inside) -> String {
    match carry_out(words, inside) {
        Ok(lines) if lines.is_empty() => "OK\n".to_owned(),
        Ok(lines) => format!("{lines}\nOK\n"),
        Err(why) => format!("ERROR {}\n", why.replace('\n', " ")),
    }
}

fn carry_out(words: &[&str], inside: &Inside) -> Result<String, String> {
    match words {
        ["on", device, fault] => switch(inside, device, fault, true),
        ["off", device, fault] => switch(inside, device, fault, false),
        ["faults"] => json(&inside.faults()),
        ["addresses"] => json(inside.addresses()),
        ["journal"] => Ok(journal(inside, |_| true)),
        ["journal", device] => {
            inside.device(device).map_err(|why| why.to_string())?;
            Ok(journal(inside, |of| of == *device || of == "journal"))
        }
        ["violations"] => {
            let violations = allowed::violations(&inside.journal());
            let lines = violations.iter().map(json).collect::<Result<Vec<_>, _>>()?;
            Ok(lines.join("\n"))
        }
        ["position", device] => {
            let at = inside
                .position(device)
                .ok_or_else(|| format!("there is no camera {device:?}"))?;
            Ok(format!(
                "{{\"pan\":{},\"tilt\":{},\"zoom\":{}}}",
                at.pan, at.tilt, at.zoom
            ))
        }
        ["help"] => Ok(HELP.to_owned()),
        ["quit"] => Ok(String::new()),
        [] => Err("an empty line; try help".to_owned()),
        _ => Err(format!("cannot understand {:?}; try help", words.join(" "))),
    }
}

fn switch(inside: &Inside, device: &str, fault: &str, on: bool) -> Result<String, String> {
    inside.fault(device, fault, on).map_err(|why| why.to_string())?;
    Ok(String::new())
}

fn journal(inside: &Inside, of: impl Fn(&str) -> bool) -> String {
    let entries = inside.journal();
    let lines: Vec<String> = entries
        .iter()
        .filter(|entry| of(&entry.device))
        .map(crate::journal::Entry::to_json)
        .collect();
    lines.join("\n")
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, String> {
    serde_json::to_string(value).map_err(|why| format!("cannot write the answer as JSON: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::spec::Spec;

    struct Client(TcpStream);

    impl Client {
        /// Sends lines and returns everything up to as many last lines.
        async fn ask(&mut self, request: &str) -> String {
            self.0.write_all(format!("{request}\n").as_bytes()).await.unwrap();
            let mut reply = Vec::new();
            let mut byte = [0_u8; 1];
            loop {
                self.0.read_exact(&mut byte).await.unwrap();
                reply.push(byte[0]);
                let text = String::from_utf8_lossy(&reply);
                let last = text.strip_suffix('\n').and_then(|text| text.lines().last());
                if last.is_some_and(|last| last == "OK" || last.starts_with("ERROR ")) {
                    return text.into_owned();
                }
            }
        }
    }

    async fn open(spec: &str) -> (Room, Control, Client) {
        let room = Room::start(Spec::parse(spec).unwrap()).await.unwrap();
        let control = Control::open(&room, "127.0.0.1:0".parse().unwrap())
            .await
            .unwrap();
        let client = Client(TcpStream::connect(control.address()).await.unwrap());
        (room, control, client)
    }

    #[tokio::test]
    async fn a_session_switches_lists_and_ends() {
        let (room, control, mut client) = open("[room]\n[codec]\nkind = \"cisco\"\n[ups]\n").await;
        assert_eq!(client.ask("on codec standby").await, "OK\n");
        let faults = client.ask("faults").await;
        assert!(
            faults.contains(r#"{"fault":"standby","on":true,"what":"Asleep."}"#),
            "{faults}"
        );
        assert_eq!(client.ask("off codec standby\r").await, "OK\n");
        assert!(!client.ask("faults").await.contains(r#""on":true"#));
        assert_eq!(
            client.ask("on ups hot").await,
            "ERROR ups: there is no fault \"hot\" here; there are: on-battery, low-battery, overload, replace-battery\n"
        );
        assert_eq!(
            client.ask("on lamp dark").await,
            "ERROR there is no device \"lamp\"; there are: codec, ups\n"
        );
        assert_eq!(
            client.ask("dance").await,
            "ERROR cannot understand \"dance\"; try help\n"
        );
        assert!(client.ask("help").await.contains("\nviolations "));
        let addresses = client.ask("addresses").await;
        assert!(addresses.contains(&room.addresses()["codec"]), "{addresses}");
        assert_eq!(client.ask("quit").await, "OK\n");
        control.quit().await;
    }

    #[tokio::test]
    async fn the_journal_and_the_violations_are_lines_of_json() {
        let (room, _control, mut client) = open("[room]\n[codec]\nkind = \"cisco\"\n[ups]\n").await;
        let address = room.addresses()["codec"]
            .strip_prefix("tcp://")
            .unwrap()
            .to_owned();
        let mut codec = TcpStream::connect(address).await.unwrap();
        codec
            .write_all(b"xCommand Dial Number: 1\r\nbye\r\n")
            .await
            .unwrap();
        let mut all = Vec::new();
        codec.read_to_end(&mut all).await.unwrap();
        let journal = client.ask("journal codec").await;
        assert!(
            journal.contains(r#""text":"xCommand Dial Number: 1\\r\\nbye\\r\\n"}"#),
            "{journal}"
        );
        assert!(journal.contains(r#""kind":"note""#), "{journal}");
        let violations = client.ask("violations").await;
        assert!(violations.contains("xCommand Dial Number: 1"), "{violations}");
        assert_eq!(client.ask("journal ups").await, "OK\n");
        assert_eq!(
            client.ask("journal lamp").await,
            "ERROR there is no device \"lamp\"; there are: codec, ups\n"
        );
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut_off() {
        let (_room, _control, mut client) = open("[room]\n").await;
        client.0.write_all(&vec![b'x'; LINE_CAP + 1]).await.unwrap();
        let mut reply = String::new();
        client.0.read_to_string(&mut reply).await.unwrap();
        assert_eq!(reply, "ERROR the line is too long\n");
    }

    #[tokio::test]
    async fn only_loopback_will_do() {
        let room = Room::start(Spec::parse("[room]\n").unwrap()).await.unwrap();
        let why = Control::open(&room, "0.0.0.0:0".parse().unwrap())
            .await
            .unwrap_err();
        assert_eq!(
            why,
            "--control 0.0.0.0:0: the control port listens on loopback only; use 127.0.0.1"
        );
    }
}
