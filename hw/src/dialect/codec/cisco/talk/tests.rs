//! Tests of the Cisco conversation, with time as an argument: what a transcript cannot show.

use proptest::prelude::*;

use super::*;
use crate::probe::Secret;
use crate::reading::{CallState, Standby};

#[allow(
    clippy::disallowed_methods,
    reason = "some instant to count from; only differences matter"
)]
fn start() -> Instant {
    Instant::now()
}

fn login() -> Login {
    Login {
        user: "probe".to_owned(),
        password: Secret::new("s3cret".to_owned()),
    }
}

/// A unit in simulated time: what it says to each line, at once.
fn run(
    mut talk: Talk,
    begin: Instant,
    within: Duration,
    mut unit: impl FnMut(&str) -> String,
) -> (Answer<CodecReading>, Vec<String>, Duration) {
    let deadline = begin + within;
    let mut now = begin;
    let mut sent = Vec::new();
    loop {
        while let Some(bytes) = talk.transmit(now) {
            let line = String::from_utf8(bytes).unwrap();
            now += Duration::from_millis(10);
            talk.receive(now, unit(line.trim_end()).as_bytes());
            sent.push(line);
            assert!(sent.len() < 100, "it asks for ever");
        }
        if talk.finished() {
            return (talk.conclude(), sent, now - begin);
        }
        now = talk.timeout().unwrap_or(deadline).max(now);
        if now >= deadline {
            talk.interrupted(deadline, ProbeError::TimedOut { waited_ms: 0 });
            return (talk.conclude(), sent, within);
        }
        talk.handle_timeout(now);
    }
}

/// The tag of a question.
fn tag(line: &str) -> &str {
    line.rsplit('"').nth(1).unwrap_or_default()
}

fn block(line: &str, lines: &str) -> String {
    format!("{lines}** resultId: \"{}\"\r\n** end\r\n\r\nOK\r\n", tag(line))
}

fn idle(line: &str) -> String {
    match line {
        "echo off" => "\r\nOK\r\n".to_owned(),
        _ if line.starts_with("xStatus Standby ") => block(line, "*s Standby State: Off\r\n"),
        _ if line.starts_with("xStatus ") => block(line, ""),
        _ => String::new(),
    }
}

const MINUTE: Duration = Duration::from_secs(60);

fn asked(
    login: Option<Login>,
    unit: impl FnMut(&str) -> String,
) -> (Answer<CodecReading>, Vec<String>, Duration) {
    let begin = start();
    run(Talk::new(login, begin), begin, MINUTE, unit)
}

#[test]
fn asks_each_thing_once_and_says_goodbye() {
    let (reading, sent, took) = asked(None, idle);
    let reading = reading.unwrap();
    assert_eq!(reading.standby, Ok(Standby::Awake));
    assert_eq!(reading.diagnostics, Ok(Vec::new()));
    assert_eq!(reading.temperature, Err(ProbeError::NotSupported));
    assert_eq!(sent.first().map(String::as_str), Some(ECHO_OFF));
    assert_eq!(sent.last().map(String::as_str), Some(BYE));
    assert_eq!(sent.len(), 2 + Query::asked_first().count());
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn silence_is_no_answer_and_does_not_take_the_whole_time() {
    for login in [None, Some(login())] {
        let (reading, _, took) = asked(login, |_| String::new());
        assert!(matches!(reading, Err(ProbeError::NoAnswer { .. })), "{reading:?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}

#[test]
fn one_silent_question_costs_three_seconds_and_its_part() {
    let (reading, _, took) = asked(None, |line| {
        if line.starts_with("xStatus Network ") {
            String::new()
        } else {
            idle(line)
        }
    });
    let reading = reading.unwrap();
    assert_eq!(reading.network, Err(ProbeError::TimedOut { waited_ms: 3000 }));
    assert!(reading.standby.is_ok() && reading.cameras.is_ok());
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_unit_that_stops_answering_is_given_up() {
    let mut questions = 0;
    let (reading, sent, took) = asked(None, |line| {
        questions += usize::from(line.starts_with("xStatus "));
        if questions > 2 { String::new() } else { idle(line) }
    });
    let reading = reading.unwrap();
    assert_eq!(reading.standby, Ok(Standby::Awake));
    assert!(matches!(reading.network, Err(ProbeError::TimedOut { .. })));
    assert!(matches!(reading.cameras, Err(ProbeError::TimedOut { .. })));
    // echo off, five questions, bye.
    assert_eq!(
        (sent.len(), took < Duration::from_secs(12)),
        (7, true),
        "{took:?}"
    );
}

#[test]
fn drips_without_a_line_end_time_out() {
    let begin = start();
    let mut talk = Talk::new(None, begin);
    let mut now = begin;
    while now < begin + Duration::from_secs(10) {
        now += Duration::from_millis(200);
        talk.receive(now, b"x");
        if talk.timeout().is_some_and(|at| at <= now) {
            talk.handle_timeout(now);
        }
        while talk.transmit(now).is_some() {}
    }
    talk.interrupted(now, ProbeError::TimedOut { waited_ms: 0 });
    assert_eq!(talk.conclude(), Err(ProbeError::TimedOut { waited_ms: 10_000 }));
}

#[test]
fn output_without_end_is_bounded() {
    let begin = start();
    let mut talk = Talk::new(None, begin);
    talk.handle_timeout(begin + QUIET);
    talk.receive(begin + QUIET, b"OK\r\n");
    for number in 0..10 * super::super::block::ANSWER_LINES_MAX {
        talk.receive(
            begin + QUIET,
            format!("*s SystemUnit X {number}: 1\r\n").as_bytes(),
        );
    }
    assert!(talk.pending.as_ref().unwrap().0.len() <= super::super::block::ANSWER_LINES_MAX);
    talk.interrupted(begin + QUIET, ProbeError::Garbled);
    assert_eq!(talk.conclude(), Err(ProbeError::Garbled));
}

#[test]
fn another_program_behind_the_port_is_garbled() {
    for text in [
        "HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\u{0}\u{1}\u{2}\n",
    ] {
        let begin = start();
        let mut talk = Talk::new(None, begin);
        talk.receive(begin, text.as_bytes());
        talk.interrupted(begin, ProbeError::Closed);
        assert_eq!(talk.conclude(), Err(ProbeError::Garbled), "{text:?}");
    }
}

#[test]
fn closed_without_a_word_and_in_the_middle() {
    let begin = start();
    let mut talk = Talk::new(None, begin);
    talk.interrupted(begin, ProbeError::Closed);
    assert_eq!(talk.conclude(), Err(ProbeError::Closed));

    let mut talk = Talk::new(None, begin);
    talk.receive(begin, b"*r Login successful\r\n\r\nOK\r\n\r\nOK\r\n*s SystemUnit Uptime: 1\r\n** resultId: \"bp1\"\r\n** end\r\n*s Stand");
    talk.interrupted(begin, ProbeError::Closed);
    let reading = talk.conclude().unwrap();
    assert_eq!(reading.unit.unwrap().uptime_s, Some(1));
    assert_eq!(reading.standby, Err(ProbeError::Closed));
    assert_eq!(reading.cameras, Err(ProbeError::Closed));
}

#[test]
fn stopped_it_says_goodbye_and_nothing_else() {
    let begin = start();
    let mut talk = Talk::new(None, begin);
    talk.receive(begin, b"\r\nOK\r\n\r\nOK\r\n");
    assert_eq!(talk.transmit(begin), Some(ECHO_OFF.as_bytes().to_vec()));
    assert!(talk.transmit(begin).is_some());
    talk.interrupted(begin, ProbeError::Cancelled);
    assert_eq!(talk.transmit(begin), Some(BYE.as_bytes().to_vec()));
    assert!(talk.finished());
    assert_eq!(talk.conclude(), Err(ProbeError::Cancelled));
}

#[test]
fn the_console_asks_only_when_spoken_to() {
    let mut shell = false;
    let (reading, sent, _) = asked(Some(login()), |line| match line {
        "" if !shell => "\r\nlogin: ".to_owned(),
        "probe" => "Password: ".to_owned(),
        "s3cret" => {
            shell = true;
            "\r\n*r Login successful\r\n\r\nOK\r\n\r\n".to_owned()
        }
        _ if shell => idle(line),
        _ => "\r\nlogin: ".to_owned(),
    });
    assert!(reading.is_ok(), "{reading:?}");
    assert_eq!(
        sent[..4],
        ["\r\n", "probe\r\n", "s3cret\r\n", ECHO_OFF].map(str::to_owned)
    );
}

/// A prompt that is not seen may stand there: a question would be typed into it.
#[test]
fn a_console_that_wants_a_login_and_says_nothing_is_asked_nothing() {
    for said in ["", "\u{1}\u{fffd}\r\n"] {
        let begin = start();
        let talk = Talk::new(Some(login()), begin);
        let (reading, sent, took) = run(talk, begin, MINUTE, |_| said.to_owned());
        let why = reading.unwrap_err();
        let silent = matches!(why, ProbeError::NoAnswer { .. });
        assert!(
            if said.is_empty() {
                silent
            } else {
                why == ProbeError::Garbled
            },
            "{why}"
        );
        assert_eq!(sent, ["\r\n", "echo off\r\n"]);
        assert!(took < Duration::from_secs(10));
    }
}

/// `echo off` was taken for a name: the password is not given for it.
#[test]
fn a_late_prompt_does_not_get_the_password_for_another_name() {
    let mut state = "late";
    let (reading, sent, _) = asked(Some(login()), |line| match (state, line) {
        ("late", "\r\n" | "") => String::new(),
        ("late", "echo off") => {
            state = "prompt";
            "login: echo off\r\nPassword: ".to_owned()
        }
        ("prompt", "") => "\r\nLogin incorrect\r\nlogin: ".to_owned(),
        ("prompt", "probe") => "Password: ".to_owned(),
        ("prompt", "s3cret") => {
            state = "shell";
            "\r\n*r Login successful\r\n\r\nOK\r\n".to_owned()
        }
        ("shell", line) => idle(line),
        _ => String::new(),
    });
    assert!(reading.is_ok(), "{reading:?} {sent:?}");
    assert_eq!(
        sent.iter().filter(|line| line.as_str() == "s3cret\r\n").count(),
        1
    );
}

/// The words of a call never look like a prompt once the unit has spoken.
#[test]
fn a_name_that_looks_like_a_prompt_is_a_name() {
    let (reading, sent, _) = asked(Some(login()), |line| match line {
        "" => "\r\nOK\r\n".to_owned(),
        _ if line.starts_with("xStatus Call ") => block(
            line,
            "*s Call 1 DisplayName: \"login: Password: \"\r\n*s Call 1 Status: Ringing\r\n",
        ),
        _ => idle(line),
    });
    let CallState {
        in_progress, calls, ..
    } = reading.unwrap().calls.unwrap();
    assert_eq!(
        (in_progress, calls[0].remote.as_deref()),
        (1, Some("login: Password:"))
    );
    assert!(
        !sent
            .iter()
            .any(|line| line.contains("s3cret") || line.contains("probe"))
    );
}

proptest! {
    /// Any bytes in any pieces at any time: it ends, and what it sends is in the list.
    #[test]
    fn any_bytes_at_any_time(
        with_login in any::<bool>(),
        pieces in proptest::collection::vec((piece(), 0_u64..2500), 0..60),
    ) {
        let begin = start();
        let mut now = begin;
        let mut talk = Talk::new(with_login.then(login), begin);
        let mut sent = Vec::new();
        for (bytes, wait) in &pieces {
            let until = now + Duration::from_millis(*wait);
            while let Some(at) = talk.timeout().filter(|at| *at <= until) {
                now = at.max(now);
                talk.handle_timeout(now);
                sent.extend(std::iter::from_fn(|| talk.transmit(now)));
                prop_assert!(sent.len() < 500, "it goes on for ever");
            }
            now = until;
            talk.receive(now, bytes);
            sent.extend(std::iter::from_fn(|| talk.transmit(now)));
        }
        talk.interrupted(now, ProbeError::TimedOut { waited_ms: 0 });
        sent.extend(std::iter::from_fn(|| talk.transmit(now)));
        prop_assert!(talk.finished());
        for bytes in sent {
            let line = String::from_utf8(bytes).unwrap();
            let session = [ECHO_OFF, BYE, EMPTY_LINE, "probe\r\n", "s3cret\r\n"].contains(&line.as_str());
            let question = Query::ALL.iter().any(|query| {
                line.starts_with(&format!("xStatus {} | resultId=\"bp", query.path().join(" ")))
            });
            prop_assert!(session || question, "{}", line);
        }
        let _ = talk.conclude();
    }

    /// However an answer is cut into pieces, it reads the same.
    #[test]
    fn any_split(cuts in proptest::collection::vec(1_usize..40, 1..60)) {
        let text = "*r Login successful\r\n\r\nOK\r\n\r\nLast login from 10.0.0.1\r\n\r\nOK\r\n\
                    *s SystemUnit ProductId: \"Codec\"\r\n*e Standby State: Off\r\n*s SystemUnit Uptime: 77\r\n\
                    ** resultId: \"bp1\"\r\n** end\r\n\r\nOK\r\n*s Standby State: Halfwake\r\n** resultId: \"bp2\"\r\n** end\r\n";
        let begin = start();
        let mut talk = Talk::new(None, begin);
        let mut rest = text.as_bytes();
        for cut in cuts.iter().cycle() {
            let (head, tail) = rest.split_at((*cut).min(rest.len()));
            talk.receive(begin, head);
            rest = tail;
            if rest.is_empty() {
                break;
            }
        }
        talk.interrupted(begin, ProbeError::Closed);
        let reading = talk.conclude().unwrap();
        let unit = reading.unit.unwrap();
        prop_assert_eq!((unit.product.as_deref(), unit.uptime_s), (Some("Codec"), Some(77)));
        prop_assert_eq!(reading.standby, Ok(Standby::Halfwake));
    }
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    let likely = [
        "login: ",
        "Password: ",
        "Login incorrect\r\n",
        "*r Login successful\r\n",
        "OK\r\n",
        "ERROR\r\n",
        "** end\r\n",
        "** resultId: \"bp1\"\r\n",
        "** resultId: \"bp2\"\r\n",
        "*s Standby State: Off\r\n",
        "*s Call 1 Status: Connected\r\n",
        "*r Status XPath: \"Status/SystemUnit\"\r\n",
        "*r Status (status=Error):\r\n",
        "*e x\r\n",
        "\r\n",
    ];
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..80),
        proptest::sample::select(likely.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        Just(b"*s Standby State: Off\r\n** resultId: \"bp1\"\r\n** end\r\n\r\nOK\r\n".to_vec()),
    ]
}
