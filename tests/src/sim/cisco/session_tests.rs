//! The codec's terminal, byte for byte, against the exchanges that public captures show.

use proptest::prelude::*;

use super::super::condition::condition;
use super::*;

struct Bench {
    session: Session,
    tree: Tree,
    faults: BTreeSet<CodecFault>,
}

impl Bench {
    fn new(login: Option<(&str, &str)>, faults: &[CodecFault]) -> Self {
        let login = login.map(|(user, password)| Login {
            user: user.into(),
            password: password.into(),
        });
        let faults = faults.iter().copied().collect();
        let tree = condition(&Tree::codec_pro().unwrap(), &faults, std::time::Duration::ZERO);
        Self {
            session: Session::new(login),
            tree,
            faults,
        }
    }

    fn greet(&mut self) -> Vec<Act> {
        self.session.greet(&Unit {
            tree: &self.tree,
            faults: &self.faults,
            name: "room",
        })
    }

    fn send(&mut self, text: &str) -> Vec<Act> {
        self.session.receive(
            text.as_bytes(),
            &Unit {
                tree: &self.tree,
                faults: &self.faults,
                name: "room",
            },
        )
    }

    /// All that goes over the wire in answer to `text`.
    fn wire(&mut self, text: &str) -> String {
        let mut wire = Vec::new();
        for act in self.send(text) {
            match act {
                Act::Reply(bytes) | Act::Echo(bytes) => wire.extend(bytes),
                Act::Prompt(prompt) => wire.extend(prompt.as_bytes()),
                Act::Note(_) | Act::Close => {}
            }
        }
        String::from_utf8(wire).unwrap()
    }
}

#[test]
fn the_banner_says_last_login_after_the_ok() {
    let mut bench = Bench::new(None, &[]);
    let banner = concat!(
        "Welcome to room\r\n",
        "Cisco Codec Release ce 9.15.17.4 0000000 2022-12-16\r\n",
        "SW Release Date: 2022-12-16 00:00:00, matchbox\r\n",
        "*r Login successful\r\n",
        "\r\n",
        "OK\r\n",
        "\r\n",
        "Last login from 10.0.0.9 at 2026-01-01 07:00:00\r\n",
    );
    assert_eq!(bench.greet(), [Act::Reply(banner.into())]);
}

#[test]
fn the_exchange_of_the_state_query_is_exact() {
    let mut bench = Bench::new(None, &[]);
    bench.wire("echo off\r");
    assert_eq!(
        bench.wire("xStatus SystemUnit State | resultId=\"a1\"\r\n"),
        concat!(
            "*s SystemUnit State NumberOfActiveCalls: 0\r\n",
            "*s SystemUnit State NumberOfInProgressCalls: 0\r\n",
            "*s SystemUnit State NumberOfSuspendedCalls: 0\r\n",
            "*s SystemUnit State Subsystem Application: Initialized\r\n",
            "*s SystemUnit State System: Initialized\r\n",
            "** resultId: \"a1\"\r\n",
            "** end\r\n",
            "\r\n",
            "OK\r\n",
        )
    );
}

#[test]
fn with_echo_on_the_first_line_is_the_command() {
    let mut bench = Bench::new(None, &[]);
    assert_eq!(
        bench.wire("xstatus call\r\n"),
        "xstatus call\r\n** end\r\n\r\nOK\r\n"
    );
    // The reply to switching it off is itself still echoed.
    assert_eq!(bench.wire("echo off\r\n"), "echo off\r\n\r\nOK\r\n");
    assert_eq!(bench.wire("xstatus call\r\n"), "** end\r\n\r\nOK\r\n");
    assert_eq!(bench.wire("xPreferences outputmode terminal\n"), "\r\nOK\r\n");
}

#[test]
fn strings_are_quoted_and_literals_bare() {
    let mut bench = Bench::new(None, &[]);
    bench.wire("echo off\r\n");
    assert_eq!(
        bench.wire("xStatus Standby\r"),
        "*s Standby State: Off\r\n** end\r\n\r\nOK\r\n"
    );
    assert_eq!(
        bench.wire("xStatus SystemUnit Software Version\r"),
        "*s SystemUnit Software Version: \"ce9.15.17.4.0000000\"\r\n** end\r\n\r\nOK\r\n"
    );
}

#[test]
fn an_unknown_path_is_named_as_an_address_expression() {
    let mut bench = Bench::new(None, &[]);
    bench.wire("echo off\r\n");
    assert_eq!(
        bench.wire("xStatus Camera 1 Position | resultId=\"7\"\r\n"),
        concat!(
            "*r Status (status=Error): \r\n",
            "*r Status Reason: \"No match on address expression\"\r\n",
            "*r Status XPath: \"Status/Camera[1]/Position\"\r\n",
            "** resultId: \"7\"\r\n",
            "** end\r\n",
            "\r\n",
            "OK\r\n",
        )
    );
    assert!(
        bench
            .wire("xConfiguration SIP ListenPort\r\n")
            .contains("*r Configuration XPath: \"Configuration/SIP/ListenPort\"\r\n")
    );
}

#[test]
fn commands_are_refused_and_noted() {
    let mut bench = Bench::new(None, &[]);
    bench.wire("echo off\r\n");
    let acts = bench.send("xCommand Standby Deactivate | resultId=\"9\"\r\n");
    let reply = concat!(
        "\r\n",
        "OK\r\n",
        "*r Result (status=Error): \r\n",
        "*r Result Reason: \"Unknown command\"\r\n",
        "*r Result XPath: \"/Standby/Deactivate\"\r\n",
        "** resultId: \"9\"\r\n",
        "** end\r\n",
    );
    assert_eq!(
        acts,
        [
            Act::Note("refused: xCommand Standby Deactivate".to_owned()),
            Act::Reply(reply.into())
        ]
    );
    assert_eq!(bench.wire("frobnicate\r\n"), "ERROR\r\n");
}

#[test]
fn bye_closes_and_nothing_after_it_is_read() {
    let mut bench = Bench::new(None, &[]);
    bench.wire("echo off\r\n");
    assert_eq!(bench.send("bye\r\nxStatus Call\r\n"), [Act::Close]);
}

#[test]
fn a_login_is_asked_checked_and_not_echoed() {
    let mut bench = Bench::new(Some(("probe", "s3cret")), &[]);
    assert_eq!(bench.greet(), [Act::Prompt("login: ")]);
    assert_eq!(bench.wire("probe\r\n"), "probe\r\nPassword: ");
    assert_eq!(bench.wire("wrong\r\n"), "\r\nLogin incorrect\r\nlogin: ");
    assert_eq!(bench.wire("probe\r\n"), "probe\r\nPassword: ");
    assert!(bench.wire("s3cret\r\n").starts_with("\r\nWelcome to room\r\n"));
    assert_eq!(
        bench.wire("xStatus Call\r\n"),
        "xStatus Call\r\n** end\r\n\r\nOK\r\n"
    );
}

#[test]
fn a_unit_that_refuses_logins_asks_even_where_none_is_set() {
    let mut bench = Bench::new(None, &[CodecFault::LoginRefused]);
    assert_eq!(bench.greet(), [Act::Prompt("login: ")]);
    assert_eq!(
        bench.wire("a\r\nb\r\n"),
        "a\r\nPassword: \r\nLogin incorrect\r\nlogin: "
    );
}

#[test]
fn events_stand_between_the_lines_of_a_reply() {
    let mut bench = Bench::new(None, &[CodecFault::Feedback]);
    bench.wire("echo off\r\n");
    assert_eq!(
        bench.wire("xStatus Standby\r\n"),
        concat!(
            "*s Standby State: Off\r\n",
            "*e UserInterface Presentation ExternalSource Selected SourceIdentifier: \"1\"\r\n",
            "** end\r\n",
            "\r\n",
            "*e Audio Input Connectors Microphone 1 VuMeter: 12\r\n",
            "** end\r\n",
            "OK\r\n",
        )
    );
}

#[test]
fn a_line_beyond_the_cap_is_an_error_and_the_next_one_is_read() {
    let mut bench = Bench::new(None, &[]);
    bench.wire("echo off\r\n");
    let long = format!("xStatus {}\r\n", "A".repeat(2 * LINE_CAP));
    assert_eq!(bench.wire(&long), "ERROR\r\n");
    assert_eq!(bench.wire("xStatus Call\r\n"), "** end\r\n\r\nOK\r\n");
}

#[test]
fn json_is_a_session_of_objects_and_nothing_else() {
    let mut bench = Bench::new(None, &[]);
    bench.wire("echo off\n");
    assert_eq!(bench.wire("xpreferences outputmode json\n"), "");
    assert_eq!(
        bench
            .wire("xStatus Audio Volume | resultId=\"1\"\n")
            .replace("\r\n", ""),
        r#"{  "ResultId": "1",  "Status": {    "Audio": {      "Volume": {        "Value": "50"      }    }  }}"#
    );
    let acts = bench.send("xCommand Dial Number: 1 | resultId=\"2\"\n");
    assert!(matches!(acts.first(), Some(Act::Note(note)) if note == "refused: xCommand Dial Number: 1"));
    assert_eq!(bench.wire("xPreferences outputmode terminal\n"), "\r\nOK\r\n");
    assert!(
        bench
            .wire("xStatus Audio Volume\n")
            .starts_with("*s Audio Volume: 50\r\n")
    );
}

proptest! {
    #[test]
    fn any_bytes_in_any_split_are_answered_alike(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        cut in 0_usize..300,
    ) {
        let mut whole = Bench::new(Some(("u", "p")), &[]);
        let mut split = Bench::new(Some(("u", "p")), &[]);
        let run = |bench: &mut Bench, chunks: &[&[u8]]| {
            let mut acts = bench.greet();
            for chunk in chunks {
                let unit = Unit { tree: &bench.tree, faults: &bench.faults, name: "room" };
                acts.extend(bench.session.receive(chunk, &unit));
            }
            prop_assert!(bench.session.line.len() <= LINE_CAP);
            Ok(acts)
        };
        let (head, tail) = bytes.split_at(cut.min(bytes.len()));
        prop_assert_eq!(run(&mut whole, &[&bytes])?, run(&mut split, &[head, tail])?);
    }

    #[test]
    fn any_line_in_the_shell_gets_a_reply_that_ends_in_a_line_end(line in "[ -~]{1,80}") {
        let mut bench = Bench::new(None, &[]);
        bench.wire("echo off\r\n");
        let wire = bench.wire(&format!("{line}\r\n"));
        let silent = matches!(Command::parse(&line).ask, Ask::Nothing | Ask::Bye);
        prop_assert!(silent || wire.ends_with("\r\n"), "{line:?} got {wire:?}");
    }

    #[test]
    fn any_line_in_json_gets_one_object(line in "[ -~]{1,80}") {
        let mut bench = Bench::new(None, &[]);
        bench.wire("echo off\r\nxPreferences outputmode json\r\n");
        let wire = bench.wire(&format!("{line}\r\n"));
        if json::answer(&Command::parse(&line).ask, None, &bench.tree).is_some() {
            let object: serde_json::Value = serde_json::from_str(&wire).unwrap();
            prop_assert!(object.is_object(), "{line:?} got {wire:?}");
        }
    }
}
