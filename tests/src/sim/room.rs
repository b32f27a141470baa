//! The running room: its devices' addresses, their faults, and the journal of what they received.
//!
//! Dropping it ends every task, closes every port and removes its temporary directory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::task::JoinSet;

use super::cisco::{self, Codec};
use super::clock::Clock;
use super::faults::{Fault, Row};
use super::sound::{Microphone, Server};
use super::spec::{Spec, Through};
use super::ups::{self, Ups};
use super::visca::{self, CameraFault, Position, Setting, ViscaCamera};
use crate::allowed::{self, Violation};
use crate::journal::{Entry, Journal};

/// The sound server's key among the addresses: what a program has to have as `PULSE_SERVER` to hear the microphones.
const SOUND_SERVER: &str = "sound.server";

/// Why a room could not be started, or a fault not be switched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoomError {
    /// A key of the description is at fault, or an address or file that it names cannot be used.
    #[error("{0}")]
    Start(String),
    /// There is no such device.
    #[error("there is no device {device:?}; there are: {devices}")]
    NoDevice {
        /// What was asked for.
        device: String,
        /// The devices there are.
        devices: String,
    },
    /// The device has no such fault, or could not do it.
    #[error("{device}: {why}")]
    Fault {
        /// The device.
        device: String,
        /// What went wrong, with the names there are.
        why: String,
    },
}

/// A simulated room that runs.
#[derive(Debug)]
pub struct Room {
    inside: Arc<Inside>,
    tasks: JoinSet<()>,
    // Held for its end: it removes the directory.
    _directory: Option<TempDir>,
}

/// What the control port shares with the room.
#[derive(Debug)]
pub(crate) struct Inside {
    devices: BTreeMap<String, Device>,
    addresses: BTreeMap<String, String>,
    journal: Journal,
    clock: Clock,
}

#[derive(Debug)]
enum Device {
    Codec(Arc<Codec>),
    Camera(Arc<ViscaCamera>),
    Microphone(Microphone),
    Ups(Ups),
}

impl Room {
    /// Starts a room on the system's clock. Everything listens when this returns.
    ///
    /// # Errors
    /// [`RoomError::Start`] with the key, address or file that is at fault.
    pub async fn start(spec: Spec) -> Result<Self, RoomError> {
        Self::start_at(spec, Clock::system()).await
    }

    /// Starts a room on a given clock.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_at(spec: Spec, clock: Clock) -> Result<Self, RoomError> {
        let (path, directory) = directory(&spec).map_err(RoomError::Start)?;
        let journal = Journal::new(clock.clone());
        let mut devices = BTreeMap::new();
        let mut tasks = JoinSet::new();
        if let Some(codec) = &spec.codec {
            let codec = Codec::open(codec, &spec.room, &path, clock.clone(), journal.clone());
            let codec = Arc::new(codec.map_err(RoomError::Start)?);
            tasks.spawn(Arc::clone(&codec).serve());
            devices.insert(cisco::DEVICE.to_owned(), Device::Codec(codec));
        }
        let setting = Setting {
            room: &spec.room,
            dir: &path,
            clock: clock.clone(),
            journal: journal.clone(),
        };
        let (cameras, servers) = visca::open(&spec.cameras, &setting)
            .await
            .map_err(RoomError::Start)?;
        for server in servers {
            tasks.spawn(server.serve());
        }
        for camera in cameras {
            devices.insert(camera.device().to_owned(), Device::Camera(camera));
        }
        let server = sound_server(&spec, &path).map_err(RoomError::Start)?;
        for microphone in &spec.microphones {
            let microphone =
                Microphone::open(microphone, &spec.room, &path, server.as_ref()).map_err(RoomError::Start)?;
            devices.insert(microphone.device().to_owned(), Device::Microphone(microphone));
        }
        if let Some(ups) = &spec.ups {
            devices.insert(
                ups::DEVICE.to_owned(),
                Device::Ups(Ups::open(ups, &path).map_err(RoomError::Start)?),
            );
        }
        let mut addresses: BTreeMap<String, String> = devices
            .iter()
            .map(|(name, device)| device.address(name))
            .collect();
        addresses.extend(server.map(|server| (SOUND_SERVER.to_owned(), server.address().to_owned())));
        let inside = Arc::new(Inside {
            devices,
            addresses,
            journal,
            clock,
        });
        Ok(Self {
            inside,
            tasks,
            _directory: directory,
        })
    }

    /// Where each device is, keyed by `codec`, `camera.<id>`, `mic.<id>`, `ups.dev_file`, `sound.server`.
    #[must_use]
    pub fn addresses(&self) -> &BTreeMap<String, String> {
        self.inside.addresses()
    }

    /// Switches a fault of a device. It is in effect when this returns.
    ///
    /// # Errors
    /// When there is no such device or fault (the error lists those there are), or it cannot be done.
    pub fn fault(&self, device: &str, fault: &str, on: bool) -> Result<(), RoomError> {
        self.inside.fault(device, fault, on)
    }

    /// The faults of each device.
    #[must_use]
    pub fn faults(&self) -> BTreeMap<String, Vec<Row>> {
        self.inside.faults()
    }

    /// Everything that the devices received so far.
    #[must_use]
    pub fn journal(&self) -> Vec<Entry> {
        self.inside.journal()
    }

    /// What was sent to the devices beyond the reviewed list.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        allowed::violations(&self.journal())
    }

    /// Where a camera stands now; `None` when there is no such camera. `device` is `camera.<id>`.
    #[must_use]
    pub fn position(&self, device: &str) -> Option<Position> {
        self.inside.position(device)
    }

    /// Ends every task and waits until they have ended: all ports are closed when this returns.
    pub async fn close(mut self) {
        self.tasks.shutdown().await;
    }

    pub(crate) fn inside(&self) -> &Arc<Inside> {
        &self.inside
    }
}

impl Inside {
    pub(crate) fn addresses(&self) -> &BTreeMap<String, String> {
        &self.addresses
    }

    pub(crate) fn journal(&self) -> Vec<Entry> {
        self.journal.entries()
    }

    pub(crate) fn faults(&self) -> BTreeMap<String, Vec<Row>> {
        self.devices
            .iter()
            .map(|(name, device)| (name.clone(), device.rows()))
            .collect()
    }

    pub(crate) fn position(&self, device: &str) -> Option<Position> {
        match self.devices.get(device)? {
            Device::Camera(camera) => Some(camera.position(self.clock.elapsed())),
            _ => None,
        }
    }

    pub(crate) fn device(&self, device: &str) -> Result<(), RoomError> {
        self.find(device).map(drop)
    }

    pub(crate) fn fault(&self, device: &str, fault: &str, on: bool) -> Result<(), RoomError> {
        let switched = match self.find(device)? {
            Device::Codec(codec) => Fault::named(fault).and_then(|fault| codec.switch(fault, on)),
            Device::Camera(camera) => CameraFault::named(fault).and_then(|fault| camera.switch(fault, on)),
            Device::Microphone(microphone) => {
                Fault::named(fault).and_then(|fault| microphone.switch(fault, on))
            }
            Device::Ups(ups) => Fault::named(fault).and_then(|fault| ups.switch(fault, on)),
        };
        switched.map_err(|why| RoomError::Fault {
            device: device.to_owned(),
            why,
        })
    }

    fn find(&self, device: &str) -> Result<&Device, RoomError> {
        self.devices.get(device).ok_or_else(|| RoomError::NoDevice {
            device: device.to_owned(),
            devices: self.devices.keys().cloned().collect::<Vec<_>>().join(", "),
        })
    }
}

impl Device {
    fn address(&self, name: &str) -> (String, String) {
        match self {
            Self::Codec(codec) => (name.to_owned(), codec.address()),
            Self::Camera(camera) => (name.to_owned(), camera.address()),
            Self::Microphone(microphone) => (name.to_owned(), microphone.address()),
            // Not an address: what serves the file is the real upsd.
            Self::Ups(ups) => (format!("{name}.dev_file"), ups.path().display().to_string()),
        }
    }

    fn rows(&self) -> Vec<Row> {
        match self {
            Self::Codec(codec) => codec.switches().rows(),
            Self::Camera(camera) => camera.rows(),
            Self::Microphone(microphone) => microphone.switches().rows(),
            Self::Ups(ups) => ups.switches().rows(),
        }
    }
}

/// The sound server that the room's microphones need, if any does.
fn sound_server(spec: &Spec, directory: &std::path::Path) -> Result<Option<Arc<Server>>, String> {
    let played = spec.microphones.iter().filter(|m| m.through == Through::Pulse);
    let sinks: Vec<&str> = played.map(|microphone| microphone.id.as_str()).collect();
    if sinks.is_empty() {
        return Ok(None);
    }
    Server::start(directory, &sinks).map(|server| Some(Arc::new(server)))
}

/// The room's directory: the one that is named, made if need be, or a temporary one.
fn directory(spec: &Spec) -> Result<(PathBuf, Option<TempDir>), String> {
    if let Some(named) = &spec.room.dir {
        let cannot = |why| format!("[room] dir = {:?}: cannot use it: {why}", named.display());
        std::fs::create_dir_all(named).map_err(cannot)?;
        return Ok((std::path::absolute(named).map_err(cannot)?, None));
    }
    let made = tempfile::Builder::new()
        .prefix("bridgepoint-sim-")
        .tempdir()
        .map_err(|why| format!("cannot make a temporary directory: {why}; name one as [room] dir"))?;
    Ok((made.path().to_owned(), Some(made)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::spec::EXAMPLE;

    #[tokio::test]
    async fn the_example_room_gives_every_device_an_address() {
        let room = Room::start(Spec::parse(EXAMPLE).unwrap()).await.unwrap();
        let addresses = room.addresses();
        let keys: Vec<&str> = addresses.keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            ["camera.main", "codec", "mic.chair", "mic.left", "ups.dev_file"]
        );
        assert!(addresses["codec"].starts_with("tcp://127.0.0.1:"));
        assert!(addresses["camera.main"].starts_with("visca+udp://127.0.0.1:"));
        let sound = addresses["mic.chair"].strip_prefix("file:").unwrap().to_owned();
        assert!(PathBuf::from(&sound).is_file() && PathBuf::from(&addresses["ups.dev_file"]).is_file());
        drop(room);
        assert!(!PathBuf::from(&sound).exists(), "the temporary directory stays");
    }

    #[tokio::test]
    async fn what_is_not_there_is_named_with_what_is() {
        let room = Room::start(Spec::parse("[room]\n[ups]\n").unwrap())
            .await
            .unwrap();
        assert_eq!(
            room.fault("codec", "silent", true).unwrap_err().to_string(),
            "there is no device \"codec\"; there are: ups"
        );
        assert_eq!(
            room.fault("ups", "silent", true).unwrap_err().to_string(),
            "ups: there is no fault \"silent\" here; there are: on-battery, low-battery, overload, replace-battery"
        );
    }

    #[tokio::test]
    async fn a_room_that_cannot_start_says_which_key() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = taken.local_addr().unwrap();
        let text = format!("[room]\n[codec]\nkind = \"cisco\"\nlisten = \"{at}\"\n");
        let why = Room::start(Spec::parse(&text).unwrap())
            .await
            .unwrap_err()
            .to_string();
        assert!(
            why.starts_with(&format!("[codec] listen = \"{at}\": cannot listen there:")),
            "{why}"
        );
        let why = Room::start(Spec::parse("[room]\n[ups]\nfaults = [\"hot\"]\n").unwrap())
            .await
            .unwrap_err();
        assert!(
            why.to_string()
                .starts_with("[ups] faults: there is no fault \"hot\""),
            "{why}"
        );
    }
}
