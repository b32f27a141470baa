//! Tests of the pages: what is asked for, who may ask, what a hostile name does; over a real socket.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::json::Wanted;
use super::*;
use crate::agenda::Agenda;
use crate::fleet::{fleet, standing};
use crate::keyring::KeyState;
use crate::sample::{Box, NOW};
use crate::store::{Decision, Store as _, decide};

/// A page over a store with some rooms.
async fn served(rooms: &[&str], name: &str) -> (tempfile::TempDir, String, Arc<Board>) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hub.db");
    let mut store = SqliteStore::open(&file).unwrap();
    let board = Arc::new(Board::default());
    for at in rooms {
        let it = Box::new(at);
        let mut row = it.row(KeyState::Pending);
        row.name = name.to_owned();
        store.put_key(&row).unwrap();
        decide(&mut store, &it.at, it.key.kid(), Decision::Approve, NOW).unwrap();
        board.put([standing(&store.kept(&it.at).unwrap().unwrap())]);
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    tokio::spawn(serve(
        listener,
        Page {
            board: board.clone(),
            store: file,
            lang: Lang::En,
            clock: || NOW,
        },
    ));
    (dir, at, board)
}

async fn get(at: &str, path: &str, host: &str) -> (u16, String, String) {
    let mut socket = TcpStream::connect(at).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        head.to_lowercase(),
        body.to_owned(),
    )
}

#[tokio::test]
async fn only_this_machine_is_answered_and_a_browser_is_told_what_it_may_do() {
    let (_dir, at, _) = served(&["abc/one"], "One").await;
    for host in [
        "localhost",
        "LOCALHOST:8090",
        "127.0.0.1",
        "127.0.0.1:1",
        "[::1]:8090",
        "[::1]",
    ] {
        assert_eq!(get(&at, "/", host).await.0, 200, "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:80",
        "10.0.0.1",
        "",
        "[::1",
        "::1",
    ] {
        let (status, head, body) = get(&at, "/", host).await;
        assert_eq!(status, 421, "{host}");
        assert!(!body.contains("One") && head.contains("nosniff"));
    }
    for path in ["/", "/api/v1/rooms", "/healthz", "/nothing", "/rooms/abc/one"] {
        let head = get(&at, path, "localhost").await.1;
        assert!(head.contains("x-content-type-options: nosniff"), "{path}");
        assert!(
            head.contains("frame-ancestors 'none'") && head.contains("default-src 'none'"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn rooms_and_what_is_no_room() {
    let (_dir, at, _) = served(&["abc/one", "abc/two", "xyz/one"], "One").await;
    let (status, _, body) = get(&at, "/api/v1/rooms?org=abc&limit=1", "localhost").await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (
            status,
            &answer["total"],
            answer["rooms"].as_array().unwrap().len()
        ),
        (200, &2.into(), 1)
    );
    let (status, _, body) = get(&at, "/api/v1/rooms/abc/one", "localhost").await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &answer["room"], &answer["keys"][0]["state"]),
        (200, &"one".into(), &"approved".into())
    );
    for (path, status) in [
        ("/api/v1/rooms/abc/three", 404),
        ("/api/v1/rooms/abc/..%2f..", 404),
        ("/rooms/abc/a", 404),
        ("/api/v1/rooms?limit=x", 400),
        ("/api/v1/rooms?nonsense=1", 400),
        ("/nothing", 404),
    ] {
        assert_eq!(get(&at, path, "localhost").await.0, status, "{path}");
    }
}

#[tokio::test]
async fn a_hostile_name_stays_text() {
    let (_dir, at, _) = served(&["abc/one"], "<script>alert('x')</script>\"&").await;
    for path in ["/", "/rooms/abc/one", "/?lang=vi", "/rooms/abc/one?lang=vi"] {
        let (status, _, body) = get(&at, path, "localhost").await;
        assert_eq!(status, 200, "{path}");
        assert!(!body.contains("<script>alert"), "{path}: {body}");
        assert!(body.contains("&lt;script&gt;alert"), "{path}: {body}");
    }
}

#[tokio::test]
async fn health_is_bad_until_the_broker_is_there_and_when_the_store_fails() {
    let (_dir, at, board) = served(&[], "One").await;
    assert_eq!(get(&at, "/healthz", "localhost").await.0, 503);
    board.note(|health| {
        health.broker.insert("abc".parse().unwrap(), true);
    });
    assert_eq!(get(&at, "/healthz", "localhost").await.0, 200);
    board.note(|health| health.store = Some(crate::say::both("đầy", "full")));
    let (status, _, body) = get(&at, "/healthz", "localhost").await;
    assert!(status == 503 && body.contains("\"store\":\"full\""), "{body}");
}

#[tokio::test]
async fn changes_are_told_and_listeners_are_bounded() {
    let (_dir, at, board) = served(&["abc/one"], "One").await;
    let mut sockets = vec![];
    for _ in 0..64 {
        let mut socket = TcpStream::connect(&at).await.unwrap();
        socket
            .write_all(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut head = [0; 12];
        socket.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
        sockets.push(socket);
    }
    assert_eq!(get(&at, "/api/events", "localhost").await.0, 503);
    let row = board.rooms()[0].as_ref().clone();
    board.put([row]);
    let mut text = String::new();
    let mut bytes = [0; 1024];
    while !text.contains("event: room\ndata: abc/one\n\n") {
        let n = sockets[0].read(&mut bytes).await.unwrap();
        assert_ne!(n, 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&bytes[..n]));
    }
}

#[test]
fn what_is_wanted() {
    let rooms = |names: &[(&str, &str)]| {
        let rows = names.iter().map(|(at, name)| {
            let it = Box::new(at);
            let mut row = it.row(KeyState::Approved);
            row.name = (*name).to_owned();
            row.area = Some(format!("area of {}", it.at.room));
            let dir = tempfile::tempdir().unwrap();
            let mut store = SqliteStore::open(&dir.path().join("hub.db")).unwrap();
            store.put_key(&row).unwrap();
            Arc::new(standing(&store.kept(&it.at).unwrap().unwrap()))
        });
        fleet(rows.collect::<Vec<_>>(), &Agenda::default(), NOW)
    };
    let all = rooms(&[
        ("abc/bai-chay", "Phường Bãi Cháy"),
        ("abc/hong-gai", "Phường Hồng Gai"),
        ("xyz/mong-cai", "Móng Cái"),
    ]);
    let seen = |wanted: Wanted| {
        let answer = wanted.of(all.clone(), NOW);
        (
            answer.total,
            answer
                .rooms
                .iter()
                .map(|r| r.standing.room.to_string())
                .collect::<Vec<_>>(),
        )
    };
    let text = |t: &str| Some(t.to_owned());
    assert_eq!(seen(Wanted::default()).0, 3);
    assert_eq!(
        seen(Wanted {
            q: text(" BÃI "),
            ..Wanted::default()
        })
        .1,
        ["bai-chay"]
    );
    assert_eq!(
        seen(Wanted {
            q: text("gai"),
            ..Wanted::default()
        })
        .1,
        ["hong-gai"]
    );
    assert_eq!(
        seen(Wanted {
            org: text("xyz"),
            ..Wanted::default()
        })
        .1,
        ["mong-cai"]
    );
    assert_eq!(
        seen(Wanted {
            area: text("area of hong-gai"),
            ..Wanted::default()
        })
        .0,
        1
    );
    assert_eq!(
        seen(Wanted {
            view: text("ready,unknown"),
            ..Wanted::default()
        })
        .0,
        3
    );
    assert_eq!(
        seen(Wanted {
            view: text("ready"),
            ..Wanted::default()
        })
        .0,
        0
    );
    assert_eq!(
        seen(Wanted {
            offset: Some(2),
            limit: Some(5),
            ..Wanted::default()
        })
        .1,
        ["mong-cai"]
    );
    assert_eq!(
        seen(Wanted {
            offset: Some(usize::MAX),
            ..Wanted::default()
        }),
        (3, vec![])
    );
    assert_eq!(
        Wanted {
            limit: Some(usize::MAX),
            ..Wanted::default()
        }
        .bounded()
        .limit,
        Some(json::MAX_PAGE)
    );
    let counts = Wanted {
        org: text("abc"),
        view: text("ready"),
        ..Wanted::default()
    }
    .of(all.clone(), NOW)
    .counts;
    assert_eq!(
        (counts["unknown"], counts["ready"]),
        (2, 0),
        "numbers that are filters count before the filter"
    );
}
