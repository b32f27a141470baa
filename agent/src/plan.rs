//! What a run will do: settings and scope → the probes to make, each with its checks, its deadline and what
//! it takes of the room; and the findings that need no probe. Pure.

use std::collections::BTreeMap;

use bridgepoint_hw::address::{
    CameraAddress, CodecAddress, DeviceAddress, SerialPort, SoundSource, UpsAddress,
};
use bridgepoint_hw::dialect::codec::CodecDriver;
use bridgepoint_protocol::check::{self, CATALOGUE, Group, Probe, Take};
use bridgepoint_protocol::claims::Scope;

use crate::config::Settings;

/// A run's plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The acts.
    pub(crate) probes: Vec<Act>,
    /// Checks that no act feeds, with the reason.
    pub(crate) skipped: Vec<(String, &'static str)>,
}

/// One act: one conversation with one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Act {
    /// What kind.
    pub(crate) probe: Probe,
    /// Which device, where there can be several.
    pub(crate) device: Option<String>,
    /// The checks that it feeds and that are wanted; may be empty when another act needs its answer.
    pub(crate) checks: Vec<String>,
    /// How long it may take, milliseconds.
    pub(crate) deadline_ms: u64,
    /// What it takes of the room.
    pub(crate) takes: Vec<Take>,
    /// The physical thing that it talks to: two acts on one thing come after each other.
    pub(crate) thing: String,
    /// It moves or sounds: not in a call (R28), so it waits to know whether there is one.
    pub(crate) active: bool,
}

/// Plans a run.
pub(crate) fn plan(settings: &Settings, scope: Option<&Scope>) -> Plan {
    let wanted = |id: &str| scope.is_none_or(|scope| scope.holds(id));
    let mut plan = Plan {
        probes: vec![],
        skipped: vec![],
    };
    for row in CATALOGUE {
        for id in ids(settings, row) {
            if !wanted(&id) {
                continue;
            }
            match why_not(settings, row, &id) {
                Some(reason) => plan.skipped.push((id, reason)),
                None => plan.feed(settings, row, id),
            }
        }
    }
    let active = plan.probes.iter().any(|act| act.active);
    if active && settings.codec.is_some() && !plan.probes.iter().any(|act| act.probe == Probe::Codec) {
        plan.probes.push(Act::of(settings, Probe::Codec, None));
    }
    plan
}

impl Plan {
    fn feed(&mut self, settings: &Settings, row: &check::Check, id: String) {
        let device = row.places(&id).and_then(|places| places.n);
        let known = self
            .probes
            .iter()
            .position(|act| act.probe == row.probe && act.device == device);
        let at = known.unwrap_or_else(|| {
            self.probes.push(Act::of(settings, row.probe, device));
            self.probes.len() - 1
        });
        if let Some(act) = self.probes.get_mut(at) {
            act.active |= row.pattern == "camera.N.preset.K" || row.probe == Probe::Loop;
            act.checks.push(id);
        }
    }
}

impl Act {
    fn of(settings: &Settings, probe: Probe, device: Option<String>) -> Self {
        Self {
            thing: thing(settings, probe, device.as_deref()),
            probe,
            device,
            checks: vec![],
            deadline_ms: probe.deadline_ms(),
            takes: probe.takes().to_vec(),
            active: false,
        }
    }
}

/// The ids that a row stands for in this room. A device that is not configured still has its group's rows
/// when the room must have it, so that the report says what is missing.
fn ids(settings: &Settings, row: &check::Check) -> Vec<String> {
    let one = |id: &str| vec![row.id(Some(id), None)];
    match row.group {
        Group::Camera => settings
            .cameras
            .iter()
            .flat_map(|camera| match row.pattern {
                "camera.N.preset.K" => camera
                    .presets
                    .iter()
                    .map(|(k, _)| row.id(Some(&camera.id), Some(u16::from(k.get()))))
                    .collect(),
                _ => one(&camera.id),
            })
            .collect(),
        Group::Microphone => settings.microphones.iter().flat_map(|m| one(&m.id)).collect(),
        Group::Device => settings.devices.iter().flat_map(|(id, _)| one(id)).collect(),
        // The call is watched during a meeting; what a person says is asked, not probed.
        Group::Call | Group::Room => vec![],
        _ => vec![row.pattern.to_owned()],
    }
}

/// Why a check is not made at all, as the code of a skip.
fn why_not(settings: &Settings, row: &check::Check, id: &str) -> Option<&'static str> {
    let places = row.places(id).unwrap_or_default();
    let built = match row.group {
        Group::Codec => {
            let Some(codec) = &settings.codec else {
                return Some("not-configured");
            };
            let spoken = codec.driver == CodecDriver::Cisco
                && matches!(
                    codec.address,
                    CodecAddress::Tcp { .. } | CodecAddress::Serial { .. }
                );
            // Muting is judged where the profile says so, in or near the formal session (R23).
            if row.pattern == "codec.muted" {
                return Some("not-selected");
            }
            spoken && row.pattern != "codec.parameters"
        }
        Group::Camera => {
            let camera = settings
                .cameras
                .iter()
                .find(|c| Some(&c.id) == places.n.as_ref())?;
            if row.pattern == "camera.N.picture" {
                if camera.picture.is_none() {
                    return Some("not-configured");
                }
                false
            } else {
                matches!(
                    camera.address,
                    CameraAddress::ViscaUdp { .. }
                        | CameraAddress::ViscaTcp(_)
                        | CameraAddress::ViscaSerial(_)
                )
            }
        }
        Group::Microphone => {
            let microphone = settings
                .microphones
                .iter()
                .find(|m| Some(&m.id) == places.n.as_ref())?;
            !matches!(microphone.source, SoundSource::Codec(_))
                && !matches!(row.pattern, "mic.N.level" | "mic.N.hum" | "mic.N.howl")
        }
        Group::Power => match &settings.ups {
            None => return Some("not-configured"),
            Some(ups) => matches!(ups.address, UpsAddress::Nut { .. } | UpsAddress::None),
        },
        Group::Speaker if !settings.speaker => return Some("not-configured"),
        Group::Line if !settings.line => return Some("not-configured"),
        Group::Speaker | Group::Line => false,
        Group::Device => {
            let device = settings
                .devices
                .iter()
                .find(|(d, _)| Some(d) == places.n.as_ref())?;
            matches!(device.1, DeviceAddress::Tcp { .. })
        }
        Group::Host | Group::Baseline => true,
        Group::Call | Group::Room => return Some("not-configured"),
    };
    (!built).then_some("not-supported")
}

/// What an act physically talks to.
fn thing(settings: &Settings, probe: Probe, device: Option<&str>) -> String {
    let named = |table: &str| format!("{table} {}", device.unwrap_or_default());
    match probe {
        Probe::Camera => settings
            .cameras
            .iter()
            .find(|c| Some(c.id.as_str()) == device)
            .map_or_else(
                || named("camera"),
                |c| match &c.address {
                    CameraAddress::ViscaSerial(camera) | CameraAddress::PelcoSerial(camera) => {
                        serial_line(&camera.port)
                    }
                    other => other.to_string(),
                },
            ),
        Probe::Microphone => settings
            .microphones
            .iter()
            .find(|m| Some(m.id.as_str()) == device)
            // Channels of one capture device share it: the device, without the channel, is the thing.
            .map_or_else(
                || named("mic"),
                |m| {
                    m.source
                        .to_string()
                        .split('#')
                        .next()
                        .unwrap_or_default()
                        .to_owned()
                },
            ),
        Probe::Codec => match settings.codec.as_ref().map(|codec| &codec.address) {
            Some(CodecAddress::Serial { port, .. }) => serial_line(port),
            _ => "codec".into(),
        },
        other => format!("{other:?} {}", device.unwrap_or_default()),
    }
}

/// Whatever stands on one serial line talks on it one after the other.
fn serial_line(port: &SerialPort) -> String {
    format!("serial {}", port.device())
}

/// How many checks of each kind a plan feeds: for the progress line.
pub(crate) fn total_checks(plan: &Plan) -> usize {
    plan.probes.iter().map(|act| act.checks.len()).sum::<usize>() + plan.skipped.len()
}

/// Every check's id in this room that a scope holds, in the catalogue's order.
pub(crate) fn all_ids(settings: &Settings, scope: Option<&Scope>) -> Vec<String> {
    let all = CATALOGUE.iter().flat_map(|row| ids(settings, row));
    all.filter(|id| scope.is_none_or(|scope| scope.holds(id)))
        .collect()
}

/// Which of the ids that were asked for stand for nothing in this room, with the nearest that does.
pub(crate) fn strangers(settings: &Settings, asked: &[String]) -> BTreeMap<String, Option<String>> {
    let all = all_ids(settings, None);
    let groups = CATALOGUE.iter().map(|row| row.group.word());
    asked
        .iter()
        .filter(|part| !all.iter().any(|id| Scope(vec![(*part).clone()]).holds(id)))
        .map(|part| {
            let near = bridgepoint_protocol::nearest::nearest(
                part,
                all.iter().map(String::as_str).chain(groups.clone()),
            );
            (part.clone(), near.map(str::to_owned))
        })
        .collect()
}

#[cfg(test)]
mod tests;
