//! What a configuration may say, and what is told where it may not.

use super::*;

const SAMPLE: &str = include_str!("../../../packaging/etc/bridgepoint/room.toml");

fn error(text: &str) -> String {
    parse("room.toml", text).unwrap_err().to_string()
}

fn room(rest: &str) -> String {
    format!("[room]\nid = \"bai-chay\"\norg = \"quang-ninh\"\nname = \"Bãi Cháy\"\n{rest}")
}

#[test]
fn the_shipped_sample_is_valid_and_uses_every_table() {
    let settings = parse("room.toml", SAMPLE).unwrap();
    assert_eq!(settings.address.to_string(), "quang-ninh/bai-chay");
    assert!(settings.codec.is_some() && settings.ups.is_some() && settings.hub.is_some());
    assert!(settings.speaker);
    let line = settings.line.unwrap();
    assert_eq!(line.gateway.unwrap().name(), "10.0.0.1");
    assert_eq!(line.mcu.unwrap().to_string(), "10.1.0.9:1720");
    assert_eq!((line.reflector, line.rate_kbps), (None, Some(4096)));
    assert_eq!(
        (
            settings.cameras.len(),
            settings.microphones.len(),
            settings.devices.len()
        ),
        (1, 1, 1)
    );
    assert_eq!(settings.must_have, ["codec"]);
}

#[test]
fn only_the_room_is_needed() {
    let settings = parse("room.toml", &room("")).unwrap();
    assert!(settings.codec.is_none() && settings.hub.is_none());
    assert_eq!(settings.page.to_string(), "127.0.0.1:8095");
    assert_eq!(settings.profile.id.id, "quang-ninh");
}

#[test]
fn what_is_wrong_is_told_with_file_line_and_nearest_word() {
    let cases = [
        (
            room("nam = \"x\"\n"),
            "room.toml:5: [room]: unknown key \"nam\"; did you mean \"name\"?",
        ),
        (
            room("").replace("bai-chay", "Bãi Cháy"),
            "room.toml:2: [room]: \"Bãi Cháy\" is no name",
        ),
        (room("profile = \"quangninh\"\n"), "did you mean \"quang-ninh\""),
        (
            room("[codec]\ndriver = \"cysco\"\naddress = \"tcp://10.0.0.5:23\"\n"),
            "room.toml:6: [codec]: ",
        ),
        (
            room("[codec]\ndriver = \"cisco\"\naddress = \"tpc://10.0.0.5:23\"\n"),
            "room.toml:7: [codec]: ",
        ),
        (
            room("[codec]\ndriver = \"cisco\"\naddress = \"tcp://h:1\"\n[codec.expect]\nip = \"10.0.0\"\n"),
            "is no IP address",
        ),
        (
            room("[[camera]]\nid = \"Main\"\naddress = \"visca+udp://h\"\n"),
            "is no [[camera]] id",
        ),
        (
            room(
                "[[microphone]]\nid = \"a\"\nsource = \"file:x\"\n[[microphone]]\nid = \"a\"\nsource = \"file:y\"\n",
            ),
            "two [[microphone]] tables with the id \"a\"",
        ),
        (
            room("[[microphone]]\nid = \"a\"\nsource = \"codec:Microphone.1\"\n"),
            "no [codec] is configured",
        ),
        (
            room("[[camera]]\nid = \"a\"\naddress = \"visca+udp://h\"\npresets = [{ number = 95 }]\n"),
            "room.toml:8: [camera]: ",
        ),
        (
            room("[[camera]]\nid = \"a\"\naddress = \"visca+udp://h\"\npresets = [{ name = \"x\" }]\n"),
            "has no number",
        ),
        (
            room("[ups]\naddress = \"none\"\nfeeds = [\"codek\"]\n"),
            "did you mean \"codec\"",
        ),
        (room("[hub]\nbroker = \"mqtt://10.0.0.1:1883\"\n"), "allow_plain"),
        (room("[hub]\nbroker = \"mqtts://10.0.0.1\"\n"), "needs ca_file"),
        (
            room("[page]\nlisten = \"0.0.0.0:8095\"\n"),
            "tls_cert_file, tls_key_file and pin_file",
        ),
        (room("[page]\nlisten = \"8095\"\n"), "is no address:port"),
        (room("must_have = [\"kodek\"]\n"), "unknown word \"kodek\""),
        (room("language = \"fr\"\n"), "room.toml:5: [room]: "),
        (room("profile = \"/nowhere/x.toml\"\n"), "cannot be read"),
        ("x".into(), "room.toml:1: "),
    ];
    for (text, expected) in cases {
        let told = error(&text);
        assert!(told.contains(expected), "{told}\n  should say: {expected}");
    }
    let missing = load(Path::new("/nowhere/room.toml")).unwrap_err().to_string();
    assert!(
        missing.contains("/nowhere/room.toml") && missing.contains("--config"),
        "{missing}"
    );
}

#[test]
fn a_profile_of_ones_own_is_read_beside_the_configuration() {
    let root = tempfile::tempdir().unwrap();
    let own = bridgepoint_protocol::profile::BUILT_IN[0]
        .1
        .replace("id = \"quang-ninh\"", "id = \"own\"");
    std::fs::write(root.path().join("own.toml"), own).unwrap();
    let path = root.path().join("room.toml");
    std::fs::write(&path, room("profile = \"own.toml\"\n")).unwrap();
    assert_eq!(load(&path).unwrap().profile.id.id, "own");
}

#[test]
fn the_line_is_read_with_its_usual_ports_and_everything_in_it_may_be_absent() {
    let line = |rest: &str| parse("room.toml", &room(&format!("[line]\n{rest}"))).map(|s| s.line.unwrap());
    let bare = line("").unwrap();
    assert!(
        bare.gateway.is_none() && bare.mcu.is_none() && bare.reflector.is_none() && bare.rate_kbps.is_none()
    );
    let full =
        line("gateway = \"fe80::1\"\nmcu = \"[2001:db8::9]:5061\"\nreflector = \"do.tinh.vn\"\n").unwrap();
    assert_eq!(full.gateway.unwrap().name(), "fe80::1");
    assert_eq!(full.mcu.unwrap().to_string(), "[2001:db8::9]:5061");
    assert_eq!(full.reflector.unwrap().to_string(), "do.tinh.vn:9511");
    for (rest, told) in [
        (
            "gateway = \"10.0.0.1:80\"\n",
            "room.toml:6: [line]: gateway: \"10.0.0.1:80\" is no host",
        ),
        ("mcu = \"10.1.0.9:x\"\n", "the port is \"x\""),
        ("reflector = \"\"\n", "room.toml:6: [line]: reflector: "),
        ("rate_kbps = 12\n", "64 to 20000 kbit/s"),
        ("rate = 4096\n", "did you mean \"rate_kbps\"?"),
    ] {
        let error = line(rest).unwrap_err().to_string();
        assert!(error.contains(told), "{rest}: {error}");
    }
}
