//! The programs of `docs/verify` over a book that has everything in it: receipts, a key that hands over, a declared gap. They
//! take it whole, and refuse what was changed at the line where the protocol's own walk refuses it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use bridgepoint_protocol::claims::Enrol;
use bridgepoint_protocol::envelope::{EntryHash, Kind, SigningKey, seal};
use bridgepoint_protocol::logbook::{Keys, verify};
use bridgepoint_protocol::rotation;
use bridgepoint_tests::rig::built;
use bridgepoint_tests::rig::process::{Output, run};
use bridgepoint_tests::rig::room::with_another;
use serde_json::{Value, json};

use crate::packages::Packages;

/// A box that writes, and the hub that receipts each entry.
struct Book {
    key: SigningKey,
    hub: SigningKey,
    lines: Vec<String>,
    head: (u64, EntryHash),
    witness: Value,
}

fn made() -> Result<SigningKey> {
    Ok(SigningKey::from_pkcs8(&SigningKey::generate(
        &ring::rand::SystemRandom::new(),
    )?)?)
}

impl Book {
    fn new() -> Result<Self> {
        Ok(Self {
            key: made()?,
            hub: made()?,
            lines: vec![],
            head: (0, EntryHash::ZERO),
            witness: Value::Null,
        })
    }

    fn entry(&mut self, kind: Kind, seq: u64, more: Value) -> Result<()> {
        let (_, prev) = self.head;
        let mut claims = json!({
            "v": 1, "org": "quang-ninh", "room": "bai-chay", "boot": "b", "seq": seq, "prev": prev, "nonce": null,
            "witness": self.witness, "iat": 1_764_060_000, "mono_ms": 5, "clk": "ntp",
        });
        let (Value::Object(all), Value::Object(more)) = (&mut claims, more) else {
            anyhow::bail!("claims are an object");
        };
        all.extend(more);
        let sealed = seal(&self.key, kind, &claims)?;
        self.head = (seq, sealed.hash);
        self.lines.push(sealed.jws);
        let (seq, hash) = self.head;
        let receipt = json!({"v": 1, "org": "quang-ninh", "room": "bai-chay", "iat": 0, "seq": seq, "hash": hash, "received_ms": 7});
        self.lines.push(seal(&self.hub, Kind::Receipt, &receipt)?.jws);
        self.witness = json!({"seq": seq, "hash": hash});
        Ok(())
    }

    fn report(&mut self) -> Result<()> {
        self.entry(Kind::Report, self.head.0 + 1, json!({"verdict": "ready"}))
    }

    /// Hands over to a new key, and returns the former one.
    fn hand_over(&mut self) -> Result<SigningKey> {
        let next = made()?;
        let enrol = Enrol {
            v: 1,
            org: "quang-ninh".parse()?,
            room: "bai-chay".parse()?,
            iat: 0,
            jwk: next.verifying().jwk(),
            former: None,
            name: "UBND phường Bãi Cháy".into(),
            area: None,
            contacts: vec![],
        };
        let proof = rotation::proof(&next, self.key.kid(), enrol)?;
        let params = rotation::params(&next.verifying(), &proof);
        let event = json!({"kind": rotation::KEY_EVENT, "code": rotation::ROTATED, "params": params, "started_ms": 0});
        self.entry(Kind::Event, self.head.0 + 1, event)?;
        Ok(std::mem::replace(&mut self.key, next))
    }

    fn gap(&mut self, lost: u64) -> Result<()> {
        let from = self.head.0 + 1;
        let to = self.head.0 + lost;
        self.entry(
            Kind::Gap,
            to + 1,
            json!({"from": from, "to": to, "reason": "disk-full"}),
        )
    }
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/verify")
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| path.display().to_string())
}

/// Nine entries: reports, a hand-over, a gap of three; with the former key, its public half and the hub's in files.
fn nine(dir: &Path) -> Result<(Book, SigningKey)> {
    let mut book = Book::new()?;
    for _ in 0..3 {
        book.report()?;
    }
    let former = book.hand_over()?;
    for _ in 0..2 {
        book.report()?;
    }
    book.gap(3)?;
    for _ in 0..2 {
        book.report()?;
    }
    for (name, key) in [
        ("box.jwk", &former),
        ("next.jwk", &book.key),
        ("hub.jwk", &book.hub),
    ] {
        write(&dir.join(name), &serde_json::to_string(&key.verifying().jwk())?)?;
    }
    Ok((book, former))
}

#[test]
fn the_programs_of_the_documents_follow_keys_gaps_and_what_entries_commit_to() -> Result<()> {
    let Some(packages) = Packages::fetched()? else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let (mut book, former) = nine(dir.path())?;
    let keys = [dir.path().join("box.jwk"), dir.path().join("hub.jwk")];
    let agent = [former.verifying()];
    let hub = [book.hub.verifying()];
    let told = |lines: &[String]| -> Result<Vec<(i32, String)>> {
        let file = dir.path().join("2026-11.log");
        write(&file, &(lines.join("\n") + "\n"))?;
        let python = packages.bare_python(&docs().join("verify_logbook.py"));
        let node = packages.bare_node(&docs().join("verify_logbook.mjs"));
        [python, node]
            .into_iter()
            .map(|mut program| {
                let Output { code, stdout, stderr } = run(program.args(&keys).arg(&file))?;
                Ok((code, stdout + &stderr))
            })
            .collect()
    };
    let ours = |lines: &[String]| {
        verify(
            (lines.join("\n") + "\n").as_bytes(),
            Keys {
                agent: &agent,
                hub: &hub,
            },
            None,
        )
    };
    ensure!(ours(&book.lines)?.entries == 9);
    for (code, said) in told(&book.lines)? {
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("9 entries, 9 receipts; head 12 "), "{said}");
        assert!(said.contains("without a receipt: none"), "{said}");
    }

    let changed = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = book.lines.clone();
        change(&mut lines);
        lines
    };
    let mut damaged = vec![
        changed(&|lines| lines[4] = with_another(&lines[4], lines[4].len() / 2)),
        changed(&|lines| drop(lines.remove(5))), // a receipt to which the next entry commits
        changed(&|lines| drop(lines.drain(2..4))), // an entry and its receipt
        changed(&|lines| drop(lines.drain(6..8))), // the hand-over
        changed(&|lines| drop(lines.drain(12..14))), // the gap entry
        changed(&|lines| lines.swap(14, 15)),
        changed(&|lines| lines[16] = lines[14].clone()),
    ];
    // Of two keys that one has named the later word counts: the first signs nothing.
    let kept = (book.lines.clone(), book.head, book.witness.clone());
    let own = book.hand_over()?;
    let tried = std::mem::replace(&mut book.key, own);
    book.hand_over()?;
    let next = std::mem::replace(&mut book.key, tried);
    let named = (book.lines.clone(), book.head, book.witness.clone());
    book.report()?;
    damaged.push(book.lines.clone());
    (book.lines, book.head, book.witness) = named;
    book.key = next;
    book.report()?;
    ensure!(ours(&book.lines)?.entries == 12);
    for (code, said) in told(&book.lines)? {
        assert_eq!(code, 0, "{said}");
    }
    (book.lines, book.head, book.witness) = kept;
    // Somebody who has the former key goes on.
    book.key = former;
    book.report()?;
    damaged.push(book.lines.clone());
    for (number, lines) in damaged.iter().enumerate() {
        let Err(broken) = ours(lines) else {
            anyhow::bail!("{number} is not refused");
        };
        for (code, said) in told(lines)? {
            assert_eq!(code, 1, "{number}: {broken}: {said}");
            let place = format!("2026-11.log:{}: ", broken.line);
            assert!(said.contains(&place), "{number}: {broken}: {said}");
        }
    }
    Ok(())
}

#[test]
fn a_set_that_says_whose_its_keys_are_is_listened_to() -> Result<()> {
    let Some(packages) = Packages::fetched()? else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let (mut book, former) = nine(dir.path())?;
    let [set, unsaid, file] = ["set.json", "unsaid.json", "2026-11.log"].map(|name| dir.path().join(name));
    let one = |key: &SigningKey, of: Option<&str>| -> Result<Value> {
        let mut jwk = serde_json::to_value(key.verifying().jwk())?;
        if let Some(of) = of {
            jwk["of"] = json!(of);
        }
        Ok(jwk)
    };
    let whole = [
        one(&former, Some("box"))?,
        one(&book.key, Some("box"))?,
        one(&book.hub, Some("hub"))?,
    ];
    write(&set, &json!({ "keys": whole }).to_string())?;
    let all = [one(&former, None)?, one(&book.key, None)?, one(&book.hub, None)?];
    write(&unsaid, &json!({ "keys": all }).to_string())?;
    let told = |book: &Book, keys: &Path| -> Result<Vec<(i32, String)>> {
        write(&file, &(book.lines.join("\n") + "\n"))?;
        let mut programs = vec![
            packages.bare_python(&docs().join("verify_logbook.py")),
            packages.bare_node(&docs().join("verify_logbook.mjs")),
        ];
        for program in &mut programs {
            program.args([keys, keys]).arg(&file);
        }
        let mut ours = Command::new(built("bridgepoint-agent")?);
        ours.arg("verify").arg(&file).arg("--key").arg(keys);
        ours.args(["--lang", "en", "--state"])
            .arg(dir.path().join("nobody"));
        programs.push(ours);
        let told = |program: &mut Command| {
            let Output { code, stdout, stderr } = run(program)?;
            Ok((code, stdout + &stderr))
        };
        programs.iter_mut().map(told).collect()
    };
    for (code, said) in told(&book, &set)? {
        assert_eq!(code, 0, "{said}");
    }
    // Who could have signed what is not known here: the box's own receipts would pass.
    for (code, said) in told(&book, &unsaid)? {
        assert_eq!(code, 1, "{said}");
    }
    // The last receipt, by the box itself.
    let (seq, hash) = book.head;
    let receipt = json!({"v": 1, "org": "quang-ninh", "room": "bai-chay", "iat": 0, "seq": seq, "hash": hash, "received_ms": 7});
    for key in [&book.key, &former] {
        let forged = seal(key, Kind::Receipt, &receipt)?.jws;
        *book.lines.last_mut().context("a receipt")? = forged;
        for (code, said) in told(&book, &set)? {
            assert_eq!(code, 1, "{said}");
            assert!(said.contains(":18: ") || said.contains("line 18"), "{said}");
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs a JDK (Debian: openjdk-17-jdk-headless): cargo test -p bridgepoint-tests --test interop -- --ignored java"]
fn java_alone_verifies_reports_and_refuses_what_was_changed() -> Result<()> {
    let java = |files: &[&Path]| -> Result<Output> {
        let mut command = Command::new("java");
        run(command.arg(docs().join("VerifyEntry.java")).args(files))
            .context("java (Debian: openjdk-17-jdk-headless)")
    };
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/reports/v1");
    let keys = [examples.join("agent.jwk"), examples.join("hub.jwk")];
    for name in [
        "report", "event", "gap", "attest", "enrol", "receipt", "plan", "cmd",
    ] {
        let file = examples.join(format!("{name}.jws"));
        let told = java(&[&keys[0], &keys[1], &file])?;
        assert_eq!(told.code, 0, "{name}: {}{}", told.stdout, told.stderr);
        assert!(
            told.stdout.starts_with(&format!("bp-{name}+jws\t")),
            "{}",
            told.stdout
        );
    }
    let dir = tempfile::tempdir()?;
    let (book, _) = nine(dir.path())?;
    let [first, next, hub, file] =
        ["box.jwk", "next.jwk", "hub.jwk", "2026-11.log"].map(|name| dir.path().join(name));
    write(&file, &(book.lines.join("\n") + "\n"))?;
    let whole = java(&[&first, &next, &hub, &file])?;
    assert_eq!(whole.code, 0, "{}", whole.stderr);
    assert_eq!(whole.stdout.lines().count(), book.lines.len());
    let last = EntryHash::of(&book.lines[16]).to_string();
    assert!(whole.stdout.contains(&last), "the hash of the last entry");

    let report = fs::read_to_string(examples.join("report.jws"))?;
    let report = report.trim_end();
    let middles = [
        5,
        report.len() / 2,
        report.rfind('.').context("a signature")? + 10,
    ];
    let mut refused: Vec<String> = middles.iter().map(|at| with_another(report, *at)).collect();
    let (signed, signature) = report.rsplit_once('.').context("an envelope")?;
    refused.push(format!("{signed}."));
    refused.push(format!("{report}=="));
    refused.push(format!("{}.{signature}", signed.replace('.', "..")));
    for (number, text) in refused.iter().enumerate() {
        write(&file, &format!("{report}\n{text}\n"))?;
        let told = java(&[&keys[0], &file])?;
        assert_eq!(told.code, 1, "{number}: {}", told.stdout);
        assert!(
            told.stderr.contains("2026-11.log:2: "),
            "{number}: {}",
            told.stderr
        );
    }
    write(&file, report)?;
    assert_eq!(java(&[&keys[1], &file])?.code, 1, "with another's key");
    // A set that says whose its keys are: the box's word is no receipt.
    let marked = |of: &str| -> Result<PathBuf> {
        let mut jwk: Value = serde_json::from_str(&fs::read_to_string(&hub)?)?;
        jwk["of"] = json!(of);
        let path = dir.path().join(format!("{of}.json"));
        write(&path, &json!({ "keys": [jwk] }).to_string())?;
        Ok(path)
    };
    write(&file, &book.lines[1])?;
    assert_eq!(java(&[&marked("hub")?, &file])?.code, 0);
    assert_eq!(java(&[&marked("box")?, &file])?.code, 1, "a receipt by the box");
    Ok(())
}
