//! The one address each device has in the configuration.
//!
//! An address is parsed once, at the border, into an enum: what cannot be used is refused there, with
//! what was given, the forms that exist and the nearest known scheme. Displaying an address gives a
//! text that parses to the same address. A password never stands in an address: it comes by file.

mod camera;
mod codec;
mod device;
mod parts;
mod picture;
mod sound;
mod ups;

use std::fmt;

pub use camera::{CameraAddress, SerialCamera};
pub use codec::CodecAddress;
pub use device::DeviceAddress;
pub use parts::{Endpoint, Host, SerialPort};
pub use picture::PictureSource;
pub use sound::{CodecInput, CodecInputKind, SoundSource, SpeakerSink};
pub use ups::{UpsAddress, UpsName};

/// Why a text is not an address: what was given, what is wrong with it, which forms exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressError {
    what: &'static str,
    given: String,
    problem: String,
    nearest: Option<&'static str>,
    forms: &'static [&'static str],
}

impl AddressError {
    /// The nearest known scheme, when an unknown one was given.
    #[must_use]
    pub fn nearest(&self) -> Option<&'static str> {
        self.nearest
    }

    /// The forms that exist for this kind of address.
    #[must_use]
    pub fn forms(&self) -> &'static [&'static str] {
        self.forms
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} \"{}\": {}", self.what, self.given, self.problem)?;
        if let Some(nearest) = self.nearest {
            write!(f, " (did you mean \"{nearest}\"?)")?;
        }
        write!(f, "; write it as one of: {}", self.forms.join(" · "))
    }
}

impl std::error::Error for AddressError {}

/// What is common to all kinds of address: the name of the kind, its schemes and its forms.
struct Grammar {
    what: &'static str,
    schemes: &'static [&'static str],
    forms: &'static [&'static str],
}

impl Grammar {
    /// Splits `scheme:rest`; a scheme that is not of this kind is refused with the nearest one.
    fn split<'a>(&self, given: &'a str) -> Result<(&'static str, &'a str), AddressError> {
        if given.chars().any(char::is_control) {
            return Err(self.refuse(given, "it holds a control character"));
        }
        let Some((scheme, rest)) = given.split_once(':') else {
            let mut error = self.refuse(given, "there is no scheme (the word before the colon)");
            error.nearest = self.nearest(given);
            return Err(error);
        };
        if let Some(known) = self
            .schemes
            .iter()
            .find(|known| known.eq_ignore_ascii_case(scheme))
        {
            return Ok((known, rest));
        }
        let mut error = self.refuse(given, format!("unknown scheme \"{scheme}\""));
        error.nearest = self.nearest(scheme);
        Err(error)
    }

    /// An error about `given`, with a password in it blotted out.
    fn refuse(&self, given: &str, problem: impl Into<String>) -> AddressError {
        AddressError {
            what: self.what,
            given: parts::without_password(given),
            problem: problem.into(),
            nearest: None,
            forms: self.forms,
        }
    }

    fn nearest(&self, word: &str) -> Option<&'static str> {
        let word = word.to_ascii_lowercase();
        self.schemes
            .iter()
            .map(|known| (strsim::damerau_levenshtein(&word, known), *known))
            .min()
            .filter(|(distance, known)| *distance <= 2.max(known.len() / 3))
            .map(|(_, known)| known)
    }
}

/// What every kind of address gets besides `FromStr` and `Display`: serde as its text.
macro_rules! serde_as_text {
    ($($kind:ty),+) => {$(
        impl TryFrom<String> for $kind {
            type Error = $crate::address::AddressError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$kind> for String {
            fn from(address: $kind) -> Self {
                address.to_string()
            }
        }
    )+};
}
serde_as_text!(
    CodecAddress,
    CameraAddress,
    SoundSource,
    SpeakerSink,
    PictureSource,
    UpsAddress,
    DeviceAddress
);

#[cfg(test)]
mod tests {
    use super::*;

    /// Every address of the documented sample configuration, with the text it displays as.
    #[test]
    fn sample_configuration_parses() {
        fn round<A>(given: &str, shown: &str)
        where
            A: std::str::FromStr<Err = AddressError> + fmt::Display + PartialEq + fmt::Debug,
        {
            let address: A = given.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(address.to_string(), shown);
            assert_eq!(shown.parse::<A>().as_ref(), Ok(&address));
        }
        round::<CodecAddress>("ssh://probe@10.0.0.5", "ssh://probe@10.0.0.5:22");
        round::<CodecAddress>(
            "serial:/dev/ttyUSB0?baud=115200&user=probe",
            "serial:/dev/ttyUSB0?baud=115200&user=probe",
        );
        round::<CodecAddress>("serial:/dev/ttyUSB0", "serial:/dev/ttyUSB0?baud=115200");
        round::<CodecAddress>("tcp://10.0.0.5:4001", "tcp://10.0.0.5:4001");
        round::<CodecAddress>("tcp://probe@[fe80::1]:4001", "tcp://probe@[fe80::1]:4001");
        round::<CodecAddress>("telnet://admin@codec.lan", "telnet://admin@codec.lan:23");
        round::<CodecAddress>("https://probe@10.0.0.5", "https://probe@10.0.0.5:443");
        round::<CodecAddress>("sip:10.0.0.5", "sip:10.0.0.5:5060");
        round::<CameraAddress>(
            "visca+serial:/dev/ttyUSB1?baud=9600&id=1",
            "visca+serial:/dev/ttyUSB1?baud=9600&id=1",
        );
        round::<CameraAddress>("visca+udp://10.0.0.7", "visca+udp://10.0.0.7:52381");
        round::<CameraAddress>("visca+tcp://10.0.0.7", "visca+tcp://10.0.0.7:5678");
        round::<CameraAddress>("codec:1", "codec:1");
        round::<CameraAddress>("onvif://probe@10.0.0.7", "onvif://probe@10.0.0.7:80");
        round::<CameraAddress>(
            "pelco+serial:/dev/ttyUSB1",
            "pelco+serial:/dev/ttyUSB1?baud=2400&id=1",
        );
        round::<PictureSource>("v4l2:/dev/video0", "v4l2:/dev/video0");
        round::<PictureSource>(
            "rtsp://probe@10.0.0.7/1/h264?x=1",
            "rtsp://probe@10.0.0.7:554/1/h264?x=1",
        );
        round::<PictureSource>("test:smpte", "test:smpte");
        round::<PictureSource>("file:/srv/a b.mkv", "file:/srv/a b.mkv");
        round::<SoundSource>("alsa:hw:1,0#0", "alsa:hw:1,0#0");
        round::<SoundSource>("alsa:hw:1,0", "alsa:hw:1,0#0");
        round::<SoundSource>("pulse:room.monitor#3", "pulse:room.monitor#3");
        round::<SoundSource>("codec:Microphone.1", "codec:Microphone.1");
        round::<SoundSource>("file:/srv/a#b.wav", "file:/srv/a#b.wav#0");
        round::<SoundSource>("file:/srv/a#b.wav#2", "file:/srv/a#b.wav#2");
        round::<SpeakerSink>("alsa:hw:1,0", "alsa:hw:1,0");
        round::<SpeakerSink>("pulse:room", "pulse:room");
        round::<UpsAddress>("nut://127.0.0.1:3493/room", "nut://127.0.0.1:3493/room");
        round::<UpsAddress>("nut://127.0.0.1/room", "nut://127.0.0.1:3493/room");
        round::<UpsAddress>("megatec:/dev/ttyUSB2", "megatec:/dev/ttyUSB2?baud=2400");
        round::<UpsAddress>("apcupsd://h", "apcupsd://h:3551");
        round::<UpsAddress>("snmp://h", "snmp://h:161");
        round::<UpsAddress>("none", "none");
        round::<DeviceAddress>("tcp://10.0.0.20:4352", "tcp://10.0.0.20:4352");
        round::<DeviceAddress>("icmp:10.0.0.20", "icmp:10.0.0.20");
        round::<DeviceAddress>("icmp://10.0.0.20", "icmp:10.0.0.20");
        round::<DeviceAddress>("pjlink://10.0.0.20", "pjlink://10.0.0.20:4352");
        round::<DeviceAddress>("http://10.0.0.20/status", "http://10.0.0.20:80/status");
        round::<DeviceAddress>("https://10.0.0.20", "https://10.0.0.20:443/");
    }

    #[test]
    fn errors_say_what_was_given_which_forms_exist_and_the_nearest_scheme() {
        let error = "shh://probe@10.0.0.5".parse::<CodecAddress>().unwrap_err();
        assert_eq!(error.nearest(), Some("ssh"));
        let text = error.to_string();
        for part in [
            "shh://probe@10.0.0.5",
            "unknown scheme \"shh\"",
            "did you mean \"ssh\"",
            "telnet://",
        ] {
            assert!(text.contains(part), "{text}");
        }
        let error = "visca-udp://10.0.0.7".parse::<CameraAddress>().unwrap_err();
        assert_eq!(error.nearest(), Some("visca+udp"));
        assert_eq!(
            "/dev/video0".parse::<PictureSource>().unwrap_err().nearest(),
            None
        );
        assert_eq!("nut".parse::<UpsAddress>().unwrap_err().nearest(), Some("nut"));
    }

    #[test]
    fn passwords_are_refused_and_not_repeated() {
        for given in ["ssh://probe:hunter2@10.0.0.5", "https://probe:hunter2@10.0.0.5"] {
            let text = given.parse::<CodecAddress>().unwrap_err().to_string();
            assert!(text.contains("password") && !text.contains("hunter2"), "{text}");
        }
        let text = "rtsp://u:hunter2@10.0.0.7/1"
            .parse::<PictureSource>()
            .unwrap_err()
            .to_string();
        assert!(text.contains("password") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn out_of_bounds_is_refused() {
        fn refused<A: std::str::FromStr<Err = AddressError>>(given: &str, why: &str) {
            let Err(error) = given.parse::<A>() else {
                panic!("{given} was accepted")
            };
            assert!(error.to_string().contains(why), "{error}");
        }
        refused::<CodecAddress>("ssh://10.0.0.5:0", "port");
        refused::<CodecAddress>("ssh://10.0.0.5:65536", "port");
        refused::<CodecAddress>("ssh://", "host");
        refused::<CodecAddress>("ssh://a b", "host");
        refused::<CodecAddress>("ssh://[::1", "]");
        refused::<CodecAddress>("ssh://10.0.0.5/x", "path");
        refused::<CodecAddress>("tcp://10.0.0.5", "port");
        refused::<CodecAddress>("serial:/dev/ttyUSB0?baud=12345", "baud");
        refused::<CodecAddress>("serial:/dev/ttyUSB0?speed=9600", "speed");
        refused::<CodecAddress>("serial:/dev/ttyUSB0?baud=9600&baud=9600", "twice");
        refused::<CodecAddress>("serial:", "device");
        refused::<CameraAddress>("visca+serial:/dev/ttyUSB0?id=8", "1 to 7");
        refused::<CameraAddress>("visca+serial:/dev/ttyUSB0?id=0", "1 to 7");
        refused::<CameraAddress>("codec:0", "1 to 16");
        refused::<SoundSource>("alsa:hw:1,0#64", "0 to 63");
        refused::<SoundSource>("alsa:hw 1", "character");
        refused::<SoundSource>("codec:Microphone.0", "1 to 32");
        refused::<SoundSource>("codec:Kazoo.1", "Microphone");
        refused::<UpsAddress>("nut://127.0.0.1", "name");
        refused::<UpsAddress>("nut://127.0.0.1/a b", "name");
        refused::<UpsAddress>("nut://127.0.0.1/a\r\nFSD a", "control");
        refused::<PictureSource>("test:a!b", "pattern");
        refused::<DeviceAddress>("http://h/a b", "path");
    }

    mod properties {
        use super::super::*;
        use proptest::prelude::*;

        fn check<A>(text: &str) -> Result<(), TestCaseError>
        where
            A: std::str::FromStr<Err = AddressError> + fmt::Display + PartialEq + fmt::Debug,
        {
            if let Ok(address) = text.parse::<A>() {
                let shown = address.to_string();
                let again = shown.parse::<A>();
                prop_assert_eq!(again.as_ref(), Ok(&address), "{} -> {}", text, shown);
            }
            Ok(())
        }

        fn check_all(text: &str) -> Result<(), TestCaseError> {
            check::<CodecAddress>(text)?;
            check::<CameraAddress>(text)?;
            check::<SoundSource>(text)?;
            check::<SpeakerSink>(text)?;
            check::<PictureSource>(text)?;
            check::<UpsAddress>(text)?;
            check::<DeviceAddress>(text)
        }

        fn scheme() -> impl Strategy<Value = &'static str> {
            proptest::sample::select(vec![
                "serial",
                "tcp",
                "telnet",
                "ssh",
                "https",
                "http",
                "sip",
                "visca+serial",
                "visca+udp",
                "visca+tcp",
                "codec",
                "onvif",
                "pelco+serial",
                "alsa",
                "pulse",
                "file",
                "v4l2",
                "rtsp",
                "test",
                "nut",
                "megatec",
                "apcupsd",
                "snmp",
                "none",
                "icmp",
                "pjlink",
            ])
        }

        proptest! {
            #[test]
            fn any_text_is_refused_or_round_trips(text in any::<String>()) {
                check_all(&text)?;
            }

            #[test]
            fn likely_text_is_refused_or_round_trips(
                scheme in scheme(),
                place in "(//)?([a-z]{1,3}@)?[a-zA-Z0-9./\\[\\]:#,]{0,20}(:[0-9]{1,6})?(/[a-z#?&=]{0,6})?",
                settings in "(\\?(baud|id|user)=[0-9a-z]{1,6})?(&(baud|id|user)=[0-9a-z]{1,6})?(#[0-9]{0,3})?",
            ) {
                check_all(&format!("{scheme}:{place}{settings}"))?;
            }

            #[test]
            fn endpoints_round_trip(
                user in proptest::option::of("[a-z][a-z0-9._-]{0,12}"),
                host in "([a-z][a-z0-9-]{0,8}[a-z0-9]\\.){0,2}[a-z][a-z0-9]{0,8}|[0-9]{1,2}\\.[0-9]{1,2}\\.[0-9]{1,2}\\.[0-9]{1,2}|\\[fe80::[1-9a-f][0-9a-f]{0,3}\\]",
                port in 1u16..,
            ) {
                let user = user.map(|user| format!("{user}@")).unwrap_or_default();
                let text = format!("tcp://{user}{host}:{port}");
                let address: CodecAddress = text.parse().expect("a proper address");
                prop_assert_eq!(address.to_string(), text);
            }
        }
    }
}
