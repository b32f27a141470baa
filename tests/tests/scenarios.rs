//! Every scenario of `tests/scenarios/`, one test each.

#![allow(clippy::unwrap_used, missing_docs)] // a test file

use bridgepoint_tests::scenario;

macro_rules! scenarios {
    ($($test:ident $name:literal;)*) => {
        $(#[test] fn $test() -> anyhow::Result<()> { scenario::play($name) })*

        #[test]
        fn every_scenario_is_played() {
            assert_eq!(scenario::names().unwrap(), [$($name),*]);
        }
    };
}

scenarios! {
    healthy "01-healthy";
    codec_silent "02-codec-silent";
    codec_drips "03-codec-drips";
    codec_standby "04-codec-standby";
    display_missing "05-display-missing";
    preset_never_completes "06-preset-never-completes";
    microphone_dead "07-microphone-dead";
    on_battery "08-on-battery";
    upsd_driver_killed "09-upsd-driver-killed";
    upsd_stale "10-upsd-stale";
    hub_away "11-hub-away";
    hub_there "12-hub-there";
    in_call "13-in-call";
    codec_floods "14-codec-floods";
    codec_garbage "15-codec-garbage";
    camera_loses_datagrams "16-camera-loses-datagrams";
    preset_elsewhere "17-preset-elsewhere";
    microphone_noisy "18-microphone-noisy";
    sound_server "19-sound-server";
}
