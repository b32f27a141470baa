//! The line over real sockets: it carries both ways, its faults show, and the MCU's port writes down what came.

use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::*;
use crate::sim::spec::Spec;

const PLENTY: Duration = Duration::from_secs(20);

async fn line(spec: &str) -> (Arc<Line>, Journal, JoinSet<()>) {
    let spec = Spec::parse(&format!("[room]\n[line]\n{spec}")).unwrap();
    let clock = Clock::system();
    let journal = Journal::new(clock.clone());
    let line = Line::open(&spec.line.unwrap(), &spec.room, clock, journal.clone())
        .await
        .unwrap();
    let line = Arc::new(line);
    let mut tasks = JoinSet::new();
    tasks.spawn(Arc::clone(&line).serve());
    (line, journal, tasks)
}

/// What stands behind the line: says everything back.
async fn mirror(tasks: &mut JoinSet<()>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    tasks.spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            socket.send_to(&buffer[..length], from).await.unwrap();
        }
    });
    at
}

#[tokio::test]
async fn it_carries_both_ways_and_each_box_hears_its_own_answers() {
    let mut mirrors = JoinSet::new();
    let upstream = mirror(&mut mirrors).await;
    let (line, _journal, _tasks) = line(&format!("upstream = \"{upstream}\"\n")).await;
    // More than there is room for at once: the first ones have gone.
    for n in 0..=u8::try_from(BOXES).unwrap() {
        let one = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        one.connect(line.address).await.unwrap();
        one.send(&[n; 100]).await.unwrap();
        let mut heard = [0; 2048];
        let length = timeout(PLENTY, one.recv(&mut heard)).await.unwrap().unwrap();
        assert_eq!(heard[..length], [n; 100]);
    }
}

#[tokio::test]
async fn what_was_dead_carries_again() {
    let mut mirrors = JoinSet::new();
    let upstream = mirror(&mut mirrors).await;
    let (line, _journal, _tasks) = line(&format!("upstream = \"{upstream}\"\nfaults = [\"dead\"]\n")).await;
    assert!(line.switches().now().contains(&LineFault::Dead));
    line.switch(LineFault::Dead, false).unwrap();
    let one = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    one.connect(line.address).await.unwrap();
    one.send(b"well").await.unwrap();
    let mut heard = [0; 16];
    let length = timeout(PLENTY, one.recv(&mut heard)).await.unwrap().unwrap();
    assert_eq!(&heard[..length], b"well");
}

#[tokio::test]
async fn the_mcu_writes_down_that_nothing_came_and_that_something_came() {
    let (line, journal, tasks) = line("").await;
    let at = line.mcu.address();
    drop(TcpStream::connect(at).await.unwrap());
    let mut chatty = TcpStream::connect(at).await.unwrap();
    chatty.write_all(b"SETUP").await.unwrap();
    drop(chatty);
    timeout(PLENTY, async {
        while journal.entries().len() < 3 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let notes: Vec<String> = journal
        .entries()
        .iter()
        .filter(|entry| entry.kind == Kind::Note)
        .map(|entry| String::from_utf8_lossy(&entry.bytes).into_owned())
        .collect();
    assert!(
        notes.contains(&"a connection to the MCU ended after 0 bytes".to_owned()),
        "{notes:?}"
    );
    let violations = crate::allowed::violations(&journal.entries());
    assert_eq!(violations.len(), 1, "{violations:?}");
    assert_eq!(violations[0].sent, "SETUP");
    line.switch(LineFault::McuShut, true).unwrap();
    assert!(TcpStream::connect(at).await.is_err());
    line.switch(LineFault::McuShut, false).unwrap();
    assert!(TcpStream::connect(at).await.is_ok());
    drop(tasks);
}
