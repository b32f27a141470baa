//! Who may come in, over real connections: a browser that was led here by a foreign page, a client that is slow
//! or says nothing, a stranger without the page's token.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bridgepoint_hw::media::Program;
use bridgepoint_protocol::claims::Attest;
use bridgepoint_protocol::envelope::Kind;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::front::Front;
use crate::life::{Part, Pulse};
use crate::page::{LIMITS, Limits, accept, http};
use crate::state::StateDir;
use crate::station::Station;

/// The end of every wait here: nothing is expected to take that long.
const END: Duration = Duration::from_secs(60);

const ROOM: &str =
    "[room]\nid = \"bai-chay\"\norg = \"quang-ninh\"\nname = \"UBND phường Bãi Cháy\"\nmust_have = []\n";

struct Served {
    at: SocketAddr,
    front: Arc<Front>,
    task: JoinHandle<()>,
    _dir: TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(limits: Limits) -> Served {
    let dir = tempfile::tempdir().unwrap();
    let settings = crate::config::parse("room.toml", ROOM).unwrap();
    let media = Program {
        path: "/nowhere".into(),
        args: vec![],
        env: vec![],
    };
    let station = Station::open(settings, StateDir::new(dir.path().join("state")), media).unwrap();
    let front = Front::new(station, None);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let routes = http::routes(Arc::clone(&front), at).unwrap();
    let task = tokio::spawn(accept(listener, routes, limits, Pulse::unasked(Part::Page)));
    Served {
        at,
        front,
        task,
        _dir: dir,
    }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

impl Served {
    async fn send(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.at).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        tokio::time::timeout(END, stream.read_to_end(&mut bytes))
            .await
            .unwrap()
            .unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer: {text}"));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap();
        Answer {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// A GET by this page's own address.
    async fn get(&self, path: &str) -> Answer {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            self.at
        ))
        .await
    }

    async fn token(&self) -> String {
        let page = self.get("/").await.body;
        let (_, rest) = page.split_once("name=\"token\" content=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        self.send(&format!("{request}\r\n{body}")).await
    }

    /// A change as the page itself sends it.
    async fn change(&self, path: &str, body: &Value) -> Answer {
        let (host, token) = (self.at.to_string(), self.token().await);
        let origin = format!("http://{host}");
        let headers = [
            ("host", host.as_str()),
            ("origin", origin.as_str()),
            ("content-type", "application/json"),
            ("x-bridgepoint-token", token.as_str()),
        ];
        self.post(path, &headers, &body.to_string()).await
    }

    fn entries(&self) -> usize {
        crate::logbook::list(&self.front.station.logbook_dir())
            .unwrap()
            .entries
            .len()
    }

    async fn idle_after(&self, entries: usize) {
        let mut now = self.front.watch();
        let done = now.wait_for(|now| now.running.is_none() && self.entries() >= entries);
        tokio::time::timeout(END, done).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn only_its_own_names_are_answered() {
    let page = serve(LIMITS).await;
    let port = page.at.port();
    let own = ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"].map(|name| format!("host: {name}:{port}\r\n"));
    for host in own {
        let answer = page
            .send(&format!("GET / HTTP/1.1\r\n{host}connection: close\r\n\r\n"))
            .await;
        assert_eq!(answer.status, 200, "{host}");
    }
    let strange = [
        String::new(),
        format!("host: rebound.example:{port}\r\n"),
        format!("host: 127.0.0.1.rebound.example:{port}\r\n"),
        "host: 127.0.0.1\r\n".to_owned(),
        "host: 127.0.0.1:1\r\n".to_owned(),
        format!("host: x@127.0.0.1:{port}\r\n"),
        format!("host: 127.0.0.1:{port}\r\nhost: rebound.example\r\n"),
    ];
    for host in strange {
        for path in ["/", "/api/status", "/api/events", "/nothing"] {
            let answer = page
                .send(&format!("GET {path} HTTP/1.1\r\n{host}connection: close\r\n\r\n"))
                .await;
            assert_eq!(answer.status, 421, "{host} {path}");
            assert!(!answer.body.contains("Bãi Cháy"));
        }
    }
    let absolute = format!(
        "GET http://rebound.example/ HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n"
    );
    assert_eq!(page.send(&absolute).await.status, 421);
}

/// The answer's status, the request's headers and its body.
type Wrong<'a> = (u16, Vec<(&'a str, &'a str)>, &'a str);

#[tokio::test]
async fn nothing_changes_without_origin_token_and_json() {
    let page = serve(LIMITS).await;
    let (host, token) = (page.at.to_string(), page.token().await);
    let own = format!("http://{host}");
    let (json, all) = (("content-type", "application/json"), "{\"only\":null}");
    let host = ("host", host.as_str());
    let with_token = ("x-bridgepoint-token", token.as_str());
    let wrong: Vec<Wrong<'_>> = vec![
        (403, vec![host, json], all),
        (403, vec![host, json, ("x-bridgepoint-token", "")], all),
        (
            403,
            vec![
                host,
                json,
                (
                    "x-bridgepoint-token",
                    "0123456789abcdef0123456789abcdef0123456789abcdef",
                ),
            ],
            all,
        ),
        (
            403,
            vec![host, json, with_token, ("origin", "http://elsewhere.example")],
            all,
        ),
        (403, vec![host, json, with_token, ("origin", "null")], all),
        (
            403,
            vec![host, json, with_token, ("origin", "https://127.0.0.1")],
            all,
        ),
        (
            403,
            vec![
                host,
                json,
                with_token,
                ("origin", &own),
                ("origin", "http://elsewhere.example"),
            ],
            all,
        ),
        (
            403,
            vec![host, json, with_token, ("sec-fetch-site", "cross-site")],
            all,
        ),
        (421, vec![("host", "elsewhere.example"), json, with_token], all),
        (415, vec![host, with_token], all),
        (415, vec![host, with_token, ("content-type", "text/plain")], all),
        (
            415,
            vec![
                host,
                with_token,
                ("content-type", "application/x-www-form-urlencoded"),
            ],
            "only=",
        ),
        (400, vec![host, json, with_token], "{"),
        (400, vec![host, json, with_token], "{\"onyl\":null}"),
        (422, vec![host, json, with_token], "{\"only\":[]}"),
        (422, vec![host, json, with_token], "{\"only\":[\"host.dikc\"]}"),
    ];
    for (status, headers, body) in wrong {
        for path in ["/api/check", "/api/baseline"] {
            let answer = page.post(path, &headers, body).await;
            let expected = if path == "/api/baseline" && status == 422 {
                400
            } else {
                status
            };
            assert_eq!(
                answer.status, expected,
                "{path} {headers:?} {body}: {}",
                answer.body
            );
            assert!(answer.json()["error"].as_str().is_some_and(|why| !why.is_empty()));
        }
    }
    for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        for path in ["/api/check", "/api/baseline"] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
                page.at
            );
            assert_eq!(page.send(&request).await.status, 405, "{method} {path}");
        }
    }
    assert_eq!(page.entries(), 0, "nothing was written");
    assert!(page.front.watch().borrow().running.is_none());
}

#[tokio::test]
async fn a_mistyped_check_is_named_with_the_nearest() {
    let page = serve(LIMITS).await;
    let answer = page.change("/api/check", &json!({ "only": ["host.dikc"] })).await;
    assert_eq!(
        answer.json()["error"],
        "\"host.dikc\" is no check of this room; did you mean \"host.disk\"?"
    );
}

#[tokio::test]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let page = serve(LIMITS).await;
    let foreign = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answers = [
        page.get("/").await,
        page.get("/api/status").await,
        page.get("/nothing").await,
        page.send(foreign).await,
    ];
    for answer in &answers {
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let nonce = |answer: &Answer| {
        let policy = answer.header("content-security-policy").unwrap();
        policy
            .split("script-src 'nonce-")
            .nth(1)
            .unwrap()
            .split('\'')
            .next()
            .unwrap()
            .to_owned()
    };
    let again = page.get("/").await;
    assert_ne!(nonce(&answers[0]), nonce(&again), "each page has its own");
    assert_eq!(
        again
            .body
            .matches(&format!("nonce=\"{}\"", nonce(&again)))
            .count(),
        2
    );
    assert_eq!(page.token().await, page.token().await);
    assert_ne!(
        page.token().await,
        serve(LIMITS).await.token().await,
        "each start has its own"
    );
}

#[tokio::test]
async fn a_check_from_the_page_is_made_shown_and_kept() {
    let page = serve(LIMITS).await;
    let before = page.get("/?lang=en").await.body;
    assert!(
        before.contains("<html lang=\"en\">") && !before.contains("UPS is"),
        "{before}"
    );
    let answer = page.change("/api/check", &json!({ "only": null })).await;
    assert_eq!((answer.status, &answer.json()["joined"]), (202, &json!(false)));
    page.idle_after(1).await;
    let status = page.get("/api/status").await.json();
    assert_eq!(status["report"]["trigger"]["kind"], "manual");
    assert_eq!(status["head"]["fresh"], true);
    let held = status["report"]["findings"].as_array().unwrap().len();
    let shown: usize = status["path"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["lines"].as_array().unwrap().len())
        .sum();
    assert_eq!(shown, held, "every finding has its line");
    assert!(
        page.get("/")
            .await
            .body
            .contains(status["head"]["label"].as_str().unwrap())
    );

    let again = page.change("/api/check", &json!({ "only": ["host.disk"] })).await;
    assert_eq!(again.status, 202);
    page.idle_after(2).await;
    let after = page.get("/api/status").await.json();
    assert_eq!(
        after["report"]["run"], status["report"]["run"],
        "the last full run stays the base"
    );
    let disk = |status: &Value| {
        let lines = status["path"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|p| p["lines"].as_array().unwrap().clone());
        lines.into_iter().find(|l| l["check"] == "host.disk").unwrap()["sign"].clone()
    };
    assert_eq!(disk(&after), disk(&status));
}

#[tokio::test]
async fn accepting_a_rehearsal_needs_a_run_and_two_names_and_is_in_the_logbook() {
    let page = serve(LIMITS).await;
    let names = json!({ "by": "Nguyễn Văn A", "allowed_by": "VNPT khu vực" });
    assert_eq!(
        page.change("/api/baseline", &names).await.status,
        409,
        "nothing was checked yet"
    );
    page.change("/api/check", &json!({})).await;
    page.idle_after(1).await;
    for bad in [
        json!({ "by": "A", "allowed_by": "  " }),
        json!({ "by": "", "allowed_by": "B" }),
    ] {
        assert_eq!(page.change("/api/baseline", &bad).await.status, 422);
    }
    assert_eq!(
        page.change(
            "/api/baseline",
            &json!({ "by": "x".repeat(101), "allowed_by": "B" })
        )
        .await
        .status,
        422
    );
    assert_eq!(page.entries(), 1);
    assert_eq!(page.change("/api/baseline", &names).await.status, 200);
    let listed = crate::logbook::list(&page.front.station.logbook_dir())
        .unwrap()
        .entries;
    assert_eq!(listed[1].kind, Kind::Attest);
    let attest: Attest = serde_json::from_slice(&listed[1].payload).unwrap();
    assert_eq!(
        (attest.by.as_str(), attest.allowed_by.as_deref()),
        ("Nguyễn Văn A", Some("VNPT khu vực"))
    );
    assert!(page.get("/").await.body.contains("người cho phép: VNPT khu vực"));
}

#[tokio::test]
async fn a_page_that_listens_hears_of_changes() {
    let page = serve(LIMITS).await;
    let mut stream = TcpStream::connect(page.at).await.unwrap();
    stream
        .write_all(format!("GET /api/events HTTP/1.1\r\nhost: {}\r\n\r\n", page.at).as_bytes())
        .await
        .unwrap();
    let mut heard = String::new();
    hear(&mut stream, &mut heard, "\"version\":0").await;
    assert!(
        heard.contains("content-type: text/event-stream") && heard.contains("event: changed"),
        "{heard}"
    );
    page.change("/api/check", &json!({ "only": ["host.disk"] })).await;
    page.idle_after(1).await;
    let last = page.front.watch().borrow().version;
    hear(&mut stream, &mut heard, &format!("\"version\":{last}")).await;
}

async fn hear(stream: &mut TcpStream, heard: &mut String, what: &str) {
    while !heard.contains(what) {
        let mut some = [0; 4096];
        let n = tokio::time::timeout(END, stream.read(&mut some))
            .await
            .unwrap()
            .unwrap();
        assert!(n > 0, "the stream ended: {heard}");
        heard.push_str(&String::from_utf8_lossy(&some[..n]));
    }
}

#[tokio::test]
async fn listeners_are_counted() {
    let page = serve(LIMITS).await;
    let mut streams = Vec::new();
    loop {
        let mut stream = TcpStream::connect(page.at).await.unwrap();
        stream
            .write_all(format!("GET /api/events HTTP/1.1\r\nhost: {}\r\n\r\n", page.at).as_bytes())
            .await
            .unwrap();
        let mut heard = String::new();
        hear(&mut stream, &mut heard, "\r\n\r\n").await;
        if heard.starts_with("HTTP/1.1 503 ") {
            break;
        }
        assert!(heard.starts_with("HTTP/1.1 200 "), "{heard}");
        streams.push(stream);
        assert!(streams.len() < LIMITS.connections, "never refused");
    }
    assert_eq!(
        page.get("/").await.status,
        200,
        "who only reads is served all the same"
    );
}

#[tokio::test]
async fn a_client_that_says_nothing_gives_its_place_back() {
    let limits = Limits {
        connections: 1,
        headers: Duration::from_millis(100),
        ..LIMITS
    };
    let page = serve(limits).await;
    for silent in [
        "",
        "GET / HTTP/1.1\r\nhost: 127",
        "POST /api/check HTTP/1.1\r\nx: ",
    ] {
        let mut stream = TcpStream::connect(page.at).await.unwrap();
        stream.write_all(silent.as_bytes()).await.unwrap();
        assert_eq!(
            page.get("/").await.status,
            200,
            "the only place was given back by {silent:?}"
        );
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let page = serve(LIMITS).await;
    let body = json!({ "only": ["x".repeat(17 * 1024)] });
    assert_eq!(page.change("/api/check", &body).await.status, 413);
    let long = format!(
        "GET /?x={} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        "x".repeat(20_000),
        page.at
    );
    assert!(matches!(page.send(&long).await.status, 414 | 431));
}

#[tokio::test]
async fn what_is_not_built_is_not_there() {
    let page = serve(LIMITS).await;
    for path in ["/api/attest", "/api/guided", "/api/record"] {
        assert_eq!(page.change(path, &json!({})).await.status, 404);
    }
}
