//! Runs one target over files, and over seeded changes of them: what `make fuzz` has found is looked at with this, and
//! the test of the corpus starts it once a target.
//!
//! The process limits itself: memory by `RLIMIT_DATA`, time by `RLIMIT_CPU`. What does not hold is a panic that names
//! the input.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bridgepoint_parsers::mutate::{Random, changed};
use bridgepoint_parsers::{MAX_INPUT, TARGETS, Target, probe_of, seeds, target_of};
use rustix::process::{Resource, Rlimit, setrlimit};

/// A parser has to do with less, whatever comes (the whole process, stack and libraries' own data included).
const MEMORY: u64 = 64 << 20;

const USAGE: &str = "usage: bridgepoint-parsers TARGET [--changes N] FILE|FOLDER…
       bridgepoint-parsers --list
       bridgepoint-parsers --seeds        writes the first inputs of the corpus anew

--changes N    after the files, N seeded changes of them, shared out evenly
--cpu SECONDS  the processor time that all of it may take (60)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(said) => {
            // A reader that is gone needs no answer.
            let _gone = writeln!(io::stdout(), "{said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            let _gone = writeln!(io::stderr(), "{why}");
            ExitCode::from(64)
        }
    }
}

fn run(arguments: &[String]) -> Result<String, String> {
    let mut files = Vec::new();
    let (mut target, mut changes, mut cpu) = (None, 0, 60);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut number = || -> Result<u64, String> {
            let given = rest
                .next()
                .ok_or_else(|| format!("{argument} needs a number\n{USAGE}"))?;
            given
                .parse()
                .map_err(|_| format!("{argument}: \"{given}\" is no number\n{USAGE}"))
        };
        match argument.as_str() {
            "--list" => {
                let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
                return Ok(names.join("\n"));
            }
            "--seeds" => return write_seeds(),
            "--changes" => changes = number()?,
            "--cpu" => cpu = number()?,
            word if target.is_none() => target = Some(word.to_owned()),
            path => files.push(PathBuf::from(path)),
        }
    }
    let name = target.ok_or(USAGE)?;
    let target = target_of(&name)
        .or_else(|| probe_of(&name))
        .ok_or_else(|| format!("there is no target \"{name}\"; --list names them\n{USAGE}"))?;
    let inputs = read(&files)?;
    if inputs.is_empty() {
        return Err(format!("no file to run {name} over\n{USAGE}"));
    }
    limit(Resource::Data, MEMORY)?;
    limit(Resource::Cpu, cpu)?;
    let made = replay(target, &inputs, changes);
    Ok(format!(
        "{name}: {} inputs and {made} changes of them hold",
        inputs.len()
    ))
}

fn limit(what: Resource, most: u64) -> Result<(), String> {
    let most = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    setrlimit(what, most).map_err(|error| format!("this process cannot be limited: {error}"))
}

/// Runs the inputs, then changes of them, the same ones each time.
fn replay(target: Target, inputs: &[(PathBuf, Vec<u8>)], changes: u64) -> u64 {
    for (path, bytes) in inputs {
        held(target, bytes, || path.display().to_string());
    }
    let mut random = Random::new(0x0B12_D6E9_0147);
    let mut others = inputs.iter().cycle().skip(1);
    for (number, (path, bytes)) in (0..changes).zip(inputs.iter().cycle()) {
        let other = others.next().map_or(&[][..], |(_, other)| other);
        let input = changed(bytes, other, MAX_INPUT, &mut random);
        held(target, &input, || {
            let shown = input.escape_ascii();
            format!("change {number} of {}: b\"{shown}\"", path.display())
        });
    }
    changes
}

/// Runs one input; while a panic unwinds, says which.
fn held(target: Target, bytes: &[u8], name: impl Fn() -> String) {
    struct Says<F: Fn() -> String>(F);
    impl<F: Fn() -> String> Drop for Says<F> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let _gone = writeln!(io::stderr(), "the input: {}", (self.0)());
            }
        }
    }
    let says = Says(name);
    (target.run)(bytes);
    drop(says);
}

/// Reads files, and the files of folders, in the order of their names.
fn read(paths: &[PathBuf]) -> Result<Vec<(PathBuf, Vec<u8>)>, String> {
    let wrong = |path: &Path, error: io::Error| format!("{} cannot be read: {error}", path.display());
    let mut inputs = Vec::new();
    for path in paths {
        if path.is_dir() {
            let listed = fs::read_dir(path).map_err(|error| wrong(path, error))?;
            let mut within = Vec::new();
            for entry in listed {
                within.push(entry.map_err(|error| wrong(path, error))?.path());
            }
            within.sort();
            inputs.extend(read(&within)?);
        } else {
            inputs.push((path.clone(), fs::read(path).map_err(|error| wrong(path, error))?));
        }
    }
    Ok(inputs)
}

fn write_seeds() -> Result<String, String> {
    let seeds = seeds::all().map_err(|error| format!("the fixtures cannot be read: {error}"))?;
    for seed in &seeds {
        let folder = seeds::corpus().join(seed.target);
        let written = fs::create_dir_all(&folder)
            .and_then(|()| fs::write(folder.join(format!("seed-{}", seed.name)), &seed.bytes));
        written.map_err(|error| format!("{} cannot be written: {error}", folder.display()))?;
    }
    Ok(format!("{} inputs are written", seeds.len()))
}
