//! From the answers of a Cisco codec to the reading, part by part.
//!
//! Values stay the unit's own words where the reading says so; a word that a part needs and that is not
//! known makes that part `Garbled`, never a default.

use std::collections::BTreeMap;

use super::line::Status;
use super::query::Query;
use crate::reading::{
    Answer, Audio, Call, CallState, CodecCamera, CodecReading, Connector, Diagnostic, Display, H323,
    NetworkPort, Presentation, ProbeError, Registration, SipRegistration, Standby, Temperature, Unit,
};

/// The reading; what was not asked is `missing`.
pub(super) fn reading(answers: &BTreeMap<Query, Answer<Vec<Status>>>, missing: &ProbeError) -> CodecReading {
    let answers = Answers { answers, missing };
    let system = answers.of(Query::SystemUnit);
    CodecReading {
        unit: system.clone().map(unit),
        standby: answers.of(Query::Standby).and_then(standby),
        network: answers.of(Query::Network).map(network),
        registration: registration(answers.of(Query::SipRegistration), answers.of(Query::H323)),
        calls: calls(system.clone(), answers.of(Query::Call)),
        presentation: answers.of(Query::Presentation).and_then(presentation),
        audio: audio(
            answers.of(Query::Volume),
            answers.of(Query::VolumeMute),
            answers.of(Query::Microphones),
        ),
        inputs: answers.of(Query::AudioInputs).map(inputs),
        outputs: answers.of(Query::VideoOutputs).map(outputs),
        diagnostics: answers.of(Query::Diagnostics).map(diagnostics),
        temperature: system.and_then(temperature),
        cameras: answers.of(Query::Cameras).map(cameras),
    }
}

struct Answers<'a> {
    answers: &'a BTreeMap<Query, Answer<Vec<Status>>>,
    missing: &'a ProbeError,
}

impl<'a> Answers<'a> {
    /// The answer to a question, or to the one that took its place.
    fn of(&self, query: Query) -> Answer<Tree<'a>> {
        match (self.answers.get(&query), query.fallback()) {
            (Some(Err(ProbeError::NotSupported)), Some(fallback)) => self.of(fallback),
            (Some(answer), _) => answer.as_ref().map(|lines| Tree(lines)).map_err(Clone::clone),
            (None, _) => Err(self.missing.clone()),
        }
    }
}

/// The lines of one answer.
#[derive(Debug, Clone, Copy)]
struct Tree<'a>(&'a [Status]);

/// The lines of one numbered item, their paths from behind the number on.
type Item<'a> = Vec<(&'a [String], &'a str)>;

impl<'a> Tree<'a> {
    /// Lines whose path begins with `prefix`, with the rest of the path.
    fn under<'p>(self, prefix: &'p [&'p str]) -> impl Iterator<Item = (&'a [String], &'a str)> + 'p
    where
        'a: 'p,
    {
        self.0.iter().filter_map(move |status| {
            let (head, rest) = status.path.split_at_checked(prefix.len())?;
            same(head, prefix).then_some((rest, status.value.as_str()))
        })
    }

    fn value(self, path: &[&str]) -> Option<&'a str> {
        self.under(path)
            .find(|(rest, _)| rest.is_empty())
            .map(|(_, value)| value)
    }

    /// Numbered items under `prefix`: `prefix 1 …`, `prefix 2 …`.
    fn items(self, prefix: &[&str]) -> BTreeMap<u16, Item<'a>> {
        let mut items: BTreeMap<u16, Item<'a>> = BTreeMap::new();
        for (rest, value) in self.under(prefix) {
            if let Some((number, rest)) = rest.split_first()
                && let Ok(number) = number.parse()
            {
                items.entry(number).or_default().push((rest, value));
            }
        }
        items
    }

    /// Items that carry their kind before their number: `prefix HDMI 1 …`, in the unit's order.
    fn items_by_kind(self, prefix: &[&str]) -> Vec<(&'a str, u16, Item<'a>)> {
        let mut items: Vec<(&'a str, u16, Item<'a>)> = Vec::new();
        for (rest, value) in self.under(prefix) {
            let [kind, number, rest @ ..] = rest else { continue };
            let Ok(number) = number.parse() else { continue };
            match items
                .iter_mut()
                .find(|(have, n, _)| *have == kind.as_str() && *n == number)
            {
                Some((.., item)) => item.push((rest, value)),
                None => items.push((kind, number, vec![(rest, value)])),
            }
        }
        items
    }
}

fn same(have: &[String], want: &[&str]) -> bool {
    have.len() == want.len()
        && have
            .iter()
            .zip(want)
            .all(|(have, want)| have.eq_ignore_ascii_case(want))
}

fn get<'a>(item: &Item<'a>, path: &[&str]) -> Option<&'a str> {
    item.iter()
        .find(|(rest, _)| same(rest, path))
        .map(|(_, value)| *value)
}

/// The text, unless it is empty.
fn text(value: Option<&str>) -> Option<String> {
    value
        .map(str::trim)
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
}

fn get_text(item: &Item<'_>, path: &[&str]) -> Option<String> {
    text(get(item, path))
}

/// `True`/`On`/`Connected` and their opposites; any other word is not known.
fn truth(value: Option<&str>) -> Option<bool> {
    match value?.to_ascii_lowercase().as_str() {
        "true" | "on" | "connected" => Some(true),
        "false" | "off" | "notconnected" => Some(false),
        _ => None,
    }
}

fn unit(tree: Tree<'_>) -> Unit {
    let value = |path: &[&str]| text(tree.value(path));
    Unit {
        product: value(&["SystemUnit", "ProductId"]),
        software: value(&["SystemUnit", "Software", "Version"]),
        serial: value(&["SystemUnit", "Hardware", "Module", "SerialNumber"]),
        uptime_s: tree
            .value(&["SystemUnit", "Uptime"])
            .and_then(|value| value.parse().ok()),
    }
}

/// `Standby State`: `Off` is awake. TC writes `Standby Active: On|Off`, older ones `State: On|Off`.
fn standby(tree: Tree<'_>) -> Answer<Standby> {
    let word = tree
        .value(&["Standby", "State"])
        .or_else(|| tree.value(&["Standby", "Active"]));
    match word {
        None => Err(ProbeError::NotSupported),
        Some("Off") => Ok(Standby::Awake),
        Some("Halfwake") => Ok(Standby::Halfwake),
        Some("EnteringStandby") => Ok(Standby::Entering),
        Some("Standby" | "On") => Ok(Standby::Asleep),
        Some(_) => Err(ProbeError::Garbled),
    }
}

fn network(tree: Tree<'_>) -> Vec<NetworkPort> {
    let items = tree.items(&["Network"]);
    items
        .iter()
        .map(|(id, item)| NetworkPort {
            id: *id,
            address: get_text(item, &["IPv4", "Address"]),
            gateway: get_text(item, &["IPv4", "Gateway"]),
            mask: get_text(item, &["IPv4", "SubnetMask"]),
            mac: get_text(item, &["Ethernet", "MacAddress"]),
            speed: get_text(item, &["Ethernet", "Speed"]),
        })
        .collect()
}

/// Both halves must be known: a SIP answer that is missing must not look like "no SIP".
fn registration(sip: Answer<Tree<'_>>, h323: Answer<Tree<'_>>) -> Answer<Registration> {
    let sip = known(sip)?;
    let h323 = known(h323)?;
    if sip.is_none() && h323.is_none() {
        return Err(ProbeError::NotSupported);
    }
    Ok(Registration {
        sip: sip.map(sip_registrations).unwrap_or_default(),
        h323: h323.and_then(gatekeeper),
    })
}

/// A path that the unit does not have is known to be absent.
fn known<T>(answer: Answer<T>) -> Answer<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(ProbeError::NotSupported) => Ok(None),
        Err(why) => Err(why),
    }
}

/// `SIP Registration n …`, on TC `SIP Profile n Registration m …`.
fn sip_registrations(tree: Tree<'_>) -> Vec<SipRegistration> {
    let mut items: Vec<Item<'_>> = tree.items(&["SIP", "Registration"]).into_values().collect();
    if items.is_empty() {
        for profile in tree.items(&["SIP", "Profile"]).into_values() {
            let mut registrations: BTreeMap<&str, Item<'_>> = BTreeMap::new();
            for (rest, value) in profile {
                if let [word, number, rest @ ..] = rest
                    && word.eq_ignore_ascii_case("Registration")
                {
                    registrations.entry(number).or_default().push((rest, value));
                }
            }
            items.extend(registrations.into_values());
        }
    }
    items
        .iter()
        .filter_map(|item| {
            let status = get_text(item, &["Status"])?;
            Some(SipRegistration {
                registered: status == "Registered",
                status,
                uri: get_text(item, &["URI"]),
                reason: get_text(item, &["Reason"]),
            })
        })
        .collect()
}

fn gatekeeper(tree: Tree<'_>) -> Option<H323> {
    let status = text(tree.value(&["H323", "Gatekeeper", "Status"]));
    let mode = truth_of_mode(tree.value(&["H323", "Mode", "Status"]));
    if status.is_none() && mode.is_none() {
        return None;
    }
    let status = status.unwrap_or_default();
    Some(H323 {
        // A gatekeeper's state without a mode line is that of software that has no mode.
        enabled: mode.unwrap_or(true),
        registered: matches!(status.as_str(), "Registered" | "Authenticated"),
        status,
    })
}

fn truth_of_mode(value: Option<&str>) -> Option<bool> {
    match value? {
        "Enabled" | "On" => Some(true),
        "Disabled" | "Off" => Some(false),
        _ => None,
    }
}

/// Counts come from the unit's state, details from the calls; where one is missing the other serves. A
/// call that one of them shows is never lost.
fn calls(system: Answer<Tree<'_>>, listed: Answer<Tree<'_>>) -> Answer<CallState> {
    let count = |tree: Tree<'_>, word| {
        tree.value(&["SystemUnit", "State", word])
            .and_then(|value| value.parse().ok())
    };
    let counts: Option<[u32; 3]> = system.ok().and_then(|tree| {
        Some([
            count(tree, "NumberOfActiveCalls")?,
            count(tree, "NumberOfInProgressCalls")?,
            count(tree, "NumberOfSuspendedCalls")?,
        ])
    });
    let listed = match (listed, counts) {
        (Ok(tree), _) => call_list(tree),
        (Err(_), Some(_)) => Vec::new(),
        (Err(why), None) => return Err(why),
    };
    let mut state = CallState::default();
    for call in &listed {
        match call.status.as_str() {
            "Connected" | "Preserved" | "RemotePreserved" => state.active += 1,
            "OnHold" => state.suspended += 1,
            "Idle" | "Disconnecting" => {}
            _ => state.in_progress += 1,
        }
    }
    if let Some([active, in_progress, suspended]) = counts {
        state.active = state.active.max(active);
        state.in_progress = state.in_progress.max(in_progress);
        state.suspended = state.suspended.max(suspended);
    }
    state.calls = listed;
    Ok(state)
}

fn call_list(tree: Tree<'_>) -> Vec<Call> {
    let items = tree.items(&["Call"]);
    items
        .iter()
        .map(|(id, item)| Call {
            id: u32::from(*id),
            status: get_text(item, &["Status"]).unwrap_or_default(),
            remote: get_text(item, &["RemoteNumber"]).or_else(|| get_text(item, &["DisplayName"])),
            direction: get_text(item, &["Direction"]),
            protocol: get_text(item, &["Protocol"]),
        })
        .collect()
}

/// A local source on the screen counts as sending: the room shows something that the plan may not have.
fn presentation(tree: Tree<'_>) -> Answer<Presentation> {
    let local = tree.items(&["Conference", "Presentation", "LocalInstance"]);
    let shown = local
        .values()
        .any(|item| get(item, &["SendingMode"]).is_some_and(|mode| mode != "Off"));
    match tree.value(&["Conference", "Presentation", "Mode"]) {
        _ if shown => Ok(Presentation::Sending),
        Some("Sending") => Ok(Presentation::Sending),
        Some("Receiving") => Ok(Presentation::Receiving),
        Some("Off") => Ok(Presentation::Off),
        Some(_) => Err(ProbeError::Garbled),
        None => Err(ProbeError::NotSupported),
    }
}

fn audio(volume: Answer<Tree<'_>>, mute: Answer<Tree<'_>>, microphones: Answer<Tree<'_>>) -> Answer<Audio> {
    if let (Err(why), Err(_), Err(_)) = (&volume, &mute, &microphones) {
        return Err(why.clone());
    }
    let percent = |tree: Tree<'_>| {
        tree.value(&["Audio", "Volume"])
            .and_then(|value| value.parse().ok())
    };
    Ok(Audio {
        volume_percent: volume
            .ok()
            .and_then(percent)
            .filter(|percent: &u8| *percent <= 100),
        volume_muted: mute
            .ok()
            .and_then(|tree| truth(tree.value(&["Audio", "VolumeMute"]))),
        microphones_muted: microphones
            .ok()
            .and_then(|tree| truth(tree.value(&["Audio", "Microphones", "Mute"]))),
    })
}

fn inputs(tree: Tree<'_>) -> Vec<Connector> {
    tree.items_by_kind(&["Audio", "Input", "Connectors"])
        .into_iter()
        .map(|(kind, id, item)| Connector {
            id,
            kind: kind.to_owned(),
            connected: truth(get(&item, &["ConnectionStatus"])),
            muted: truth(get(&item, &["Mute"])),
        })
        .collect()
}

/// `Video Output Connector n …`; TC names sockets by kind (`HDMI 1`, `DVI 1`), which are then counted
/// in the unit's order.
fn outputs(tree: Tree<'_>) -> Vec<Display> {
    let display = |id: u16, item: &Item<'_>| Display {
        id,
        connected: truth(get(item, &["Connected"])),
        name: get_text(item, &["ConnectedDevice", "Name"]),
        role: get_text(item, &["MonitorRole"]),
    };
    let connectors = tree.items(&["Video", "Output", "Connector"]);
    if !connectors.is_empty() {
        return connectors.iter().map(|(id, item)| display(*id, item)).collect();
    }
    tree.items_by_kind(&["Video", "Output"])
        .iter()
        .filter(|(.., item)| get(item, &["Connected"]).is_some())
        .zip(1..)
        .map(|((.., item), id)| display(id, item))
        .collect()
}

fn diagnostics(tree: Tree<'_>) -> Vec<Diagnostic> {
    let items = tree.items(&["Diagnostics", "Message"]);
    let word = |item: &Item<'_>, name| get_text(item, &[name]).unwrap_or_default();
    items
        .values()
        .map(|item| Diagnostic {
            level: word(item, "Level"),
            kind: word(item, "Type"),
            description: word(item, "Description"),
        })
        .collect()
}

/// CE and RoomOS judge (`Monitoring Temperature Status`), TC gives degrees (`Hardware Temperature`).
fn temperature(tree: Tree<'_>) -> Answer<Temperature> {
    let status = text(tree.value(&["SystemUnit", "Hardware", "Monitoring", "Temperature", "Status"]))
        .filter(|status| status != "Unknown");
    let celsius = tree
        .value(&["SystemUnit", "Hardware", "Temperature"])
        .and_then(|value| value.parse::<f64>().ok())
        .filter(|celsius| (-40.0..=150.0).contains(celsius));
    if status.is_none() && celsius.is_none() {
        return Err(ProbeError::NotSupported);
    }
    Ok(Temperature { status, celsius })
}

/// `Cameras Camera n …`, on TC `Camera n …`.
fn cameras(tree: Tree<'_>) -> Vec<CodecCamera> {
    let mut items = tree.items(&["Cameras", "Camera"]);
    if items.is_empty() {
        items = tree.items(&["Camera"]);
    }
    items
        .iter()
        .map(|(id, item)| CodecCamera {
            id: *id,
            connected: truth(get(item, &["Connected"])),
            model: get_text(item, &["Model"]),
            serial: get_text(item, &["SerialNumber"]),
        })
        .collect()
}
