//! Tests of the configuration: the contract's sample, every refusal with its line, any text.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::say::Exit;

fn parse_text(text: &str) -> Result<Settings, Trouble> {
    parse(Path::new("/etc/bridgepoint/hub.toml"), text)
}

fn refused(text: &str) -> String {
    let trouble = parse_text(text).unwrap_err();
    assert_eq!(trouble.exit, Exit::Config);
    trouble.said.en
}

#[test]
fn the_smallest_configuration() {
    let settings = parse_text("[hub]\norgs = [\"quang-ninh\"]\n").unwrap();
    assert_eq!(settings.orgs, ["quang-ninh".parse().unwrap()]);
    assert_eq!(settings.lang, Lang::Vi);
    assert_eq!(
        settings.broker,
        Broker::Own {
            listen: "127.0.0.1:1883".parse().unwrap(),
            tls: None
        }
    );
    assert_eq!(settings.store, None);
    assert_eq!(settings.page, "127.0.0.1:8090".parse().unwrap());
    assert_eq!(settings.reflector, None);
}

#[test]
fn the_line_tests_other_end() {
    let of = |keys: &str| {
        let text = format!("[hub]\norgs = [\"abc\"]\n[reflector]\n{keys}");
        parse_text(&text).unwrap().reflector.unwrap()
    };
    assert_eq!(
        of(""),
        Reflector {
            listen: "0.0.0.0:9511".parse().unwrap(),
            advertise: None,
            budget_kbps: 100_000
        }
    );
    let own = of("listen = \"10.1.0.2:9600\"\nbudget_kbps = 5000\n");
    assert_eq!(
        (own.advertise.as_deref(), own.budget_kbps),
        (Some("10.1.0.2:9600"), 5000)
    );
    assert_eq!(of("listen = \"10.1.0.2:0\"\n").advertise, None, "not known yet");
    assert_eq!(
        of("listen = \"[::]:9511\"\nadvertise = \"do.tinh.vn:9511\"\n")
            .advertise
            .as_deref(),
        Some("do.tinh.vn:9511")
    );
}

#[test]
fn every_key_of_the_contract() {
    let settings = parse_text(
        r#"
        [hub]
        orgs = ["quang-ninh", "dien-bien"]
        language = "en"
        [broker]
        address = "own"
        listen = "0.0.0.0:8883"
        ca_file = "ca.pem"
        cert_file = "/etc/ssl/hub.pem"
        key_file = "/etc/ssl/hub.key"
        [store]
        url = "sqlite:/var/lib/bridgepoint-hub/hub.db"
        [page]
        listen = "[::1]:8090"
        [reflector]
        listen = "0.0.0.0:9511"
        advertise = "10.1.0.2:9511"
        budget_kbps = 100000
        "#,
    )
    .unwrap();
    assert_eq!(settings.lang, Lang::En);
    assert_eq!(
        settings.reflector,
        Some(Reflector {
            listen: "0.0.0.0:9511".parse().unwrap(),
            advertise: Some("10.1.0.2:9511".into()),
            budget_kbps: 100_000
        })
    );
    let Broker::Own {
        listen,
        tls: Some(tls),
    } = settings.broker
    else {
        panic!("own broker with TLS")
    };
    assert_eq!(listen.port(), 8883);
    assert_eq!(
        tls.ca,
        Path::new("/etc/bridgepoint/ca.pem"),
        "relative to the file"
    );
    assert_eq!(
        settings.store.as_deref(),
        Some(Path::new("/var/lib/bridgepoint-hub/hub.db"))
    );
}

/// What is shipped as a sample works as it is.
#[test]
fn the_shipped_sample() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/etc/bridgepoint/hub.toml");
    let settings = read(&file).unwrap();
    assert!(matches!(settings.broker, Broker::Own { tls: Some(_), .. }));
    // The keys that stand there as comments work as well.
    let text = std::fs::read_to_string(&file).unwrap();
    let commented = |line: &str| {
        line.strip_prefix("# ")
            .filter(|rest| rest.contains(" = ") || rest.starts_with('['))
            .unwrap_or(line)
            .to_owned()
    };
    let all: Vec<String> = text.lines().map(commented).collect();
    let all = parse(&file, &all.join("\n")).unwrap();
    assert_eq!(all.reflector.unwrap().advertise.as_deref(), Some("10.1.0.2:9511"));
}

#[test]
fn a_broker_of_somebody_else() {
    let tls = "ca_file = \"a\"\ncert_file = \"b\"\nkey_file = \"c\"\n";
    let with =
        |broker: &str| parse_text(&format!("[hub]\norgs = [\"abc\"]\n[broker]\n{broker}")).map(|s| s.broker);
    let Broker::Remote { at, tls: Some(_) } =
        with(&format!("address = \"mqtts://10.1.0.2\"\n{tls}")).unwrap()
    else {
        panic!("remote with TLS")
    };
    assert_eq!(
        at,
        RemoteBroker {
            host: "10.1.0.2".into(),
            port: 8883,
            tls: true
        }
    );
    assert!(with("address = \"mqtt://127.0.0.1:1883\"\n").is_ok());
    assert!(
        with("address = \"mqtt://10.1.0.2:1883\"\n").is_err(),
        "plain beyond this machine"
    );
    assert!(
        with("address = \"mqtts://10.1.0.2\"\n").is_err(),
        "TLS without certificates"
    );
    assert!(with("address = \"mqtt://127.0.0.1\"\nlisten = \"127.0.0.1:1\"\n").is_err());
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (text, line, said) in [
        (
            "[hub]\norgs = [\"abc\"]\n[brokr]\n",
            3,
            "did you mean \"broker\"?",
        ),
        ("[hub]\norg = [\"abc\"]\n", 2, "did you mean \"orgs\"?"),
        ("[hub]\norgs = [\"abc\"]\nzzzz = 1\n", 3, "known: orgs, language"),
        ("[hub]\nlanguage = \"vi\"\n", 1, "missing field \"orgs\""),
        ("[hub]\norgs = []\n", 2, "orgs is empty"),
        ("[hub]\norgs = \"abc\"\n", 2, "invalid type"),
        ("[hub]\norgs = [1]\n", 2, "invalid type"),
        ("[hub]\norgs = [\"Quảng Ninh\"]\n", 2, "is no name"),
        ("[hub]\norgs = [\"abc\",\n\"abc\"]\n", 3, "twice"),
        ("hub = 3\n", 1, "invalid type"),
        (
            "[hub]\norgs = [\"abc\"]\nlanguage = \"fr\"\n",
            3,
            "use \"vi\" or \"en\"",
        ),
        (
            "[hub]\norgs = [\"abc\"]\n[broker]\nlisten = \"0.0.0.0:8883\"\n",
            4,
            "TLS is required",
        ),
        (
            "[hub]\norgs = [\"abc\"]\n[broker]\nlisten = \"8883\"\n",
            4,
            "no IP address and port",
        ),
        (
            "[hub]\norgs = [\"abc\"]\n[broker]\nca_file = \"x\"\n",
            3,
            "all three",
        ),
        (
            "[hub]\norgs = [\"abc\"]\n[broker]\naddress = \"http://x\"\n",
            4,
            "mqtts://host:port",
        ),
        (
            "[hub]\norgs = [\"abc\"]\n[store]\nurl = \"postgres://x\"\n",
            4,
            "SQLite only",
        ),
        (
            "[hub]\norgs = [\"abc\"]\n[store]\nurl = \"hub.db\"\n",
            4,
            "sqlite:/path/to/hub.db",
        ),
        (
            "[hub]\norgs = [\"abc\"]\n[page]\nlisten = \"0.0.0.0:80\"\n",
            4,
            "this machine only",
        ),
        (
            "[hub]\norgs = [\"abc\"]\n[page]\nusers_file = \"x\"\n",
            4,
            "no login yet",
        ),
        (
            "[hub]\norgs = [\"abc\"]\n[reflector]\nbudget_kbps = -1\n",
            4,
            "invalid value",
        ),
        (
            "[hub]\norgs = [\"abc\"]\n[reflector]\nbudget_kbps = 0\n",
            4,
            "more than 0",
        ),
        (
            "[hub]\norgs = [\"abc\"]\n[reflector]\nlisten = \"x\"\n",
            4,
            "no IP address and port",
        ),
        (
            "[hub]\norgs = [\"abc\"]\n[reflector]\nadvertise = \"x\"\n",
            4,
            "no host and port",
        ),
    ] {
        let told = refused(text);
        assert!(
            told.contains(&format!("/etc/bridgepoint/hub.toml:{line}: ")),
            "{text}\n{told}"
        );
        assert!(told.contains(said), "{text}\n{told}");
    }
    assert!(refused("").contains("missing field \"hub\""));
    assert!(refused("[hub\n").contains("hub.toml:1: "));
}

#[test]
fn a_file_that_is_not_there() {
    let trouble = read(Path::new("/nonexistent/hub.toml")).unwrap_err();
    assert_eq!(trouble.exit, Exit::Config);
    assert!(trouble.said.en.contains("--config"));
    assert_eq!(read_if_there(Path::new("/nonexistent/hub.toml")).unwrap(), None);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_panic(text in ".{0,300}") {
        let _ = parse_text(&text);
    }

    #[test]
    fn any_value_under_any_key(section in "hub|broker|store|page|reflector", key in "[a-z_]{1,12}", value in ".{0,40}") {
        let _ = parse_text(&format!("[{section}]\n{key} = {value}\n"));
    }
}
