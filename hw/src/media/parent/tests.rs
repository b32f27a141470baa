//! The media child's parent against children that answer, fail, flood and hang: shell scripts stand for the child.
//!
//! That a child and all it started are dead is seen by a named pipe that they hold open, not by waiting.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, OFlags, fcntl_setfl, mknodat};

use super::super::border::SoundInput;
use super::*;
use crate::link::testing::edge;

const LONG: Duration = Duration::from_secs(30);
const FIGURES: &str = r#"{"sound":{"duration_ms":1,"samples":48,"rms_dbfs":-30.0,"peak_dbfs":-20.0,"floor_dbfs":null,"dc":0.0,"constant":false,"clipped":0.0}}"#;

fn request() -> SoundRequest {
    SoundRequest {
        source: SoundInput::File("a.wav".into()),
        channel: 0,
        duration_ms: 1000,
    }
}

fn shell(script: &str) -> Program {
    Program {
        path: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        env: Vec::new(),
    }
}

async fn run(script: &str) -> Answer<SoundReading> {
    let (edge, _stop) = edge(LONG, 0);
    measure_sound(&shell(script), &request(), &edge).await
}

/// A named pipe that every process of a script holds open: its end is the end of all of them.
struct Alive {
    dir: tempfile::TempDir,
    reader: File,
}

impl Alive {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alive");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let nonblock = i32::try_from(OFlags::NONBLOCK.bits()).unwrap();
        let reader = OpenOptions::new()
            .read(true)
            .custom_flags(nonblock)
            .open(path)
            .unwrap();
        fcntl_setfl(&reader, OFlags::empty()).unwrap();
        Self { dir, reader }
    }

    /// A script that says that it runs, and hangs with two processes.
    fn script(&self) -> String {
        format!(
            "exec 3>{}; echo started >&3; sleep 600 & sleep 600",
            self.path().display()
        )
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("alive")
    }

    /// Waits for the script's first word.
    async fn started(&mut self) {
        let path = self.path();
        let mut reader = self.reader.try_clone().unwrap();
        let word = tokio::task::spawn_blocking(move || {
            // Held open for writing meanwhile, so that reading waits for the script to come.
            let _writer = OpenOptions::new().write(true).open(path).unwrap();
            let mut word = [0; 8];
            reader.read_exact(&mut word).unwrap();
            word
        });
        assert_eq!(&word.await.unwrap(), b"started\n");
    }

    /// Waits until nobody holds it open any more.
    async fn ended(mut self) {
        let (tell, told) = tokio::sync::oneshot::channel();
        // Not a task of the runtime, which would wait for it for ever when the test fails.
        std::thread::spawn(move || tell.send(self.reader.read_to_end(&mut Vec::new())));
        timeout(LONG, told)
            .await
            .expect("a process of the child's is still alive")
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn figures_come_back() {
    let reading = run(&format!("cat >/dev/null; echo '{FIGURES}'")).await.unwrap();
    assert_eq!(
        (reading.samples, reading.rms_dbfs, reading.floor_dbfs),
        (48, Some(-30.0), None)
    );
}

#[tokio::test]
async fn the_child_gets_the_request_its_parents_number_and_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program {
        env: vec![
            ("OUT".into(), dir.path().join("got").into()),
            ("GST_REGISTRY".into(), "/r".into()),
        ],
        ..shell(r#"{ cat; echo; echo "$PPID $GST_REGISTRY $LC_ALL"; } >"$OUT""#)
    };
    let (edge, _stop) = edge(LONG, 0);
    assert_eq!(
        measure_sound(&program, &request(), &edge).await,
        Err(ProbeError::Garbled)
    );
    let got = std::fs::read_to_string(dir.path().join("got")).unwrap();
    let (line, rest) = got.split_once('\n').unwrap();
    let own = i32::try_from(std::process::id()).unwrap();
    let asked = border::parse_request(line.as_bytes()).unwrap();
    assert_eq!(asked.parent, i32::try_from(std::process::id()).ok());
    assert_eq!(asked.work(), Ok(request()));
    assert_eq!(rest, format!("{own} /r C\n"));
}

#[tokio::test]
async fn a_reason_comes_back_and_the_parents_clock_tells_the_waiting() {
    let error = |kind: &str| {
        format!(r#"echo '{{"error":{{"kind":"{kind}","waited_ms":123456,"detail":"x"}}}}'; exit 1"#)
    };
    assert_eq!(run(&error("not-present")).await, Err(ProbeError::NotPresent));
    assert_eq!(run(&error("busy")).await, Err(ProbeError::Busy));
    let Err(ProbeError::NoAnswer { waited_ms }) = run(&error("no-answer")).await else {
        panic!()
    };
    assert_ne!(waited_ms, 123_456);
}

#[tokio::test]
async fn a_child_that_fails_is_garbled_however_it_fails() {
    for script in [
        "exit 0",
        "exit 101",
        "kill -SEGV $$",
        "echo hello",
        "echo '{\"sound\":{}}'",
        "head -c 100 /dev/urandom",
        "head -c 100000000 /dev/zero",
        "yes",
        "yes | head -c 1000000 >&2; exit 3",
        "exec <&-; exec >&-; exit 0",
    ] {
        assert_eq!(run(script).await, Err(ProbeError::Garbled), "{script}");
    }
    let missing = Program {
        path: "/nonexistent/agent".into(),
        args: Vec::new(),
        env: Vec::new(),
    };
    let (edge, _stop) = edge(LONG, 0);
    assert_eq!(
        measure_sound(&missing, &request(), &edge).await,
        Err(ProbeError::Garbled)
    );
}

#[tokio::test]
async fn a_wedged_child_is_killed_at_the_deadline_with_all_that_it_started() {
    let alive = Alive::new();
    let (edge, _stop) = edge(Duration::from_millis(300), 0);
    let answer = measure_sound(&shell(&alive.script()), &request(), &edge).await;
    assert!(matches!(answer, Err(ProbeError::TimedOut { .. })), "{answer:?}");
    alive.ended().await;
}

#[tokio::test]
async fn a_child_that_answers_and_then_hangs_is_killed_and_its_answer_kept() {
    let alive = Alive::new();
    let (edge, _stop) = edge(LONG, 0);
    let program = shell(&format!("echo '{FIGURES}'; {}", alive.script()));
    assert_eq!(
        measure_sound(&program, &request(), &edge).await.unwrap().samples,
        48
    );
    alive.ended().await;
}

#[tokio::test]
async fn stop_kills_the_child() {
    let mut alive = Alive::new();
    let (edge, stop) = edge(LONG, 0);
    let program = shell(&alive.script());
    let task = tokio::spawn(async move { measure_sound(&program, &request(), &edge).await });
    alive.started().await;
    stop.send(true).unwrap();
    assert_eq!(task.await.unwrap(), Err(ProbeError::Cancelled));
    alive.ended().await;
}

#[tokio::test]
async fn a_dropped_measurement_kills_the_child() {
    let mut alive = Alive::new();
    let (edge, _stop) = edge(LONG, 0);
    let program = shell(&alive.script());
    let task = tokio::spawn(async move { measure_sound(&program, &request(), &edge).await });
    alive.started().await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    alive.ended().await;
}

#[tokio::test]
async fn nobody_left_to_say_stop_is_no_stop() {
    let (edge, stop) = edge(LONG, 0);
    drop(stop);
    let program = shell(&format!("cat >/dev/null; echo '{FIGURES}'"));
    assert!(measure_sound(&program, &request(), &edge).await.is_ok());
}

#[tokio::test]
async fn nothing_is_started_after_the_deadline_a_stop_or_for_a_request_out_of_range() {
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("started");
    let program = shell(&format!("touch {}", trace.display()));
    let (late, _stop) = edge(Duration::ZERO, 0);
    assert_eq!(
        measure_sound(&program, &request(), &late).await,
        Err(ProbeError::TimedOut { waited_ms: 0 })
    );
    let (stopped, stop) = edge(LONG, 0);
    stop.send(true).unwrap();
    assert_eq!(
        measure_sound(&program, &request(), &stopped).await,
        Err(ProbeError::Cancelled)
    );
    let (edge, _stop) = edge(LONG, 0);
    let long = SoundRequest {
        duration_ms: border::DURATION_CAP_MS + 1,
        ..request()
    };
    assert_eq!(
        measure_sound(&program, &long, &edge).await,
        Err(ProbeError::Garbled)
    );
    assert!(!Path::new(&trace).exists());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn lines_are_read_however_they_are_split_and_never_kept_beyond_the_cap(
        bytes in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..20_000),
        newlines in any::<bool>(),
        sizes in prop::collection::vec(1usize..5_000, 1..40),
    ) {
        let bytes: Vec<u8> = bytes.into_iter().filter(|byte| newlines || *byte != b'\n').collect();
        let mut stream = pieces(&bytes, &sizes);
        let line = block_on(read_line(&mut stream)).unwrap();
        let wanted = bytes.split(|byte| *byte == b'\n').next().unwrap();
        prop_assert!(wanted.starts_with(&line));
        prop_assert!(line == wanted || line.len() > ANSWER_CAP);
        prop_assert!(line.len() <= ANSWER_CAP + 1024);

        let mut kept = Vec::new();
        block_on(drain(&mut Some(pieces(&bytes, &sizes)), &mut kept));
        prop_assert_eq!(&kept, &bytes[..bytes.len().min(STDERR_CAP)]);
    }
}

/// A stream that gives its bytes in pieces of these sizes, again and again from the first.
fn pieces(bytes: &[u8], sizes: &[usize]) -> impl AsyncRead + Unpin {
    let mut sizes = sizes.iter().copied().cycle();
    let mut rest = bytes.to_vec();
    let mut whole: Box<dyn AsyncRead + Unpin> = Box::new(std::io::Cursor::new(Vec::new()));
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(1).min(rest.len());
        let later = rest.split_off(size);
        whole = Box::new(whole.chain(std::io::Cursor::new(rest)));
        rest = later;
    }
    whole
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}
