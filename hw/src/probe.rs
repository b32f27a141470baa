//! The acts: one asynchronous function a kind of device, from address to reading.
//!
//! Each opens the link that the address names, has the dialect's conversation driven over it and gives
//! the reading. All end at the edge's deadline, whatever the device does.

use std::fmt;
use std::time::Duration;

use crate::address::{CameraAddress, CodecAddress, DeviceAddress, SerialCamera, UpsAddress};
use crate::dialect::camera::visca::CameraId;
use crate::dialect::camera::{self, CameraJob, Framing};
use crate::dialect::codec::{CodecDriver, cisco};
use crate::dialect::ups::nut;
use crate::link::{self, Edge, converse};
use crate::reading::{Answer, CameraReading, CodecReading, ProbeError, UpsReading};

/// A secret that does not show itself: printing it gives `***` (R38).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `secret`.
    #[must_use]
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// The secret itself, to be sent and nothing else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Who logs in to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The password; may be empty where the device has none.
    pub password: Secret,
}

/// Asks a codec everything of [`CodecReading`].
///
/// # Errors
/// [`ProbeError::NotSupported`] for a driver or an address scheme that is not built yet, else why the
/// whole device could not be asked; a part that could not be asked is an error in its place.
pub async fn codec(
    driver: CodecDriver,
    address: &CodecAddress,
    login: Option<&Login>,
    edge: &Edge,
) -> Answer<CodecReading> {
    match (driver, address) {
        (CodecDriver::Cisco, CodecAddress::Tcp { endpoint, .. }) => {
            let link = link::tcp(endpoint, edge).await?;
            converse(link, cisco::Talk::new(login.cloned(), (edge.clock)()), edge).await
        }
        (CodecDriver::Cisco, CodecAddress::Serial { port, .. }) => {
            let link = link::serial(port, edge).await?;
            converse(link, cisco::Talk::new(login.cloned(), (edge.clock)()), edge).await
        }
        (
            CodecDriver::Cisco
            | CodecDriver::Poly
            | CodecDriver::Huawei
            | CodecDriver::Yealink
            | CodecDriver::Sip,
            _,
        ) => Err(ProbeError::NotSupported),
    }
}

/// Asks a camera who and where it is, has it visit the job's presets and puts it back.
///
/// # Errors
/// [`ProbeError::NotSupported`] for an address scheme that is not built yet, else why the whole camera
/// could not be asked.
pub async fn camera(address: &CameraAddress, job: &CameraJob, edge: &Edge) -> Answer<CameraReading> {
    // Bare packets in datagrams have a port of their own.
    const BARE_UDP_PORT: u16 = 1259;
    let mut number = CameraId::ONE;
    let (link, framing) = match address {
        CameraAddress::ViscaUdp(endpoint) if endpoint.port() == BARE_UDP_PORT => {
            (link::udp(endpoint, edge).await?, Framing::Packets)
        }
        CameraAddress::ViscaUdp(endpoint) => (link::udp(endpoint, edge).await?, Framing::Ip),
        CameraAddress::ViscaTcp(endpoint) => (link::tcp(endpoint, edge).await?, Framing::Packets),
        CameraAddress::ViscaSerial(SerialCamera { port, id }) => {
            // The address was parsed: its number is one of the line's.
            number = CameraId::new(*id).ok_or(ProbeError::NotSupported)?;
            (link::serial(port, edge).await?, Framing::Chain)
        }
        CameraAddress::Codec { .. } | CameraAddress::Onvif { .. } | CameraAddress::PelcoSerial(_) => {
            return Err(ProbeError::NotSupported);
        }
    };
    let talk = camera::Talk::new(framing, number, job.clone(), (edge.clock)(), edge.deadline);
    converse(link, talk, edge).await
}

/// Reads a UPS. What `none` means is the caller's business: here it is [`ProbeError::NotPresent`].
///
/// # Errors
/// [`ProbeError::NotSupported`] for an address scheme that is not built yet, else why it could not be read.
pub async fn ups(address: &UpsAddress, edge: &Edge) -> Answer<UpsReading> {
    match address {
        UpsAddress::Nut { endpoint, ups } => {
            let link = link::tcp(endpoint, edge).await?;
            converse(link, nut::Talk::new(ups.clone(), (edge.clock)()), edge).await
        }
        UpsAddress::None => Err(ProbeError::NotPresent),
        UpsAddress::Megatec(_) | UpsAddress::Apcupsd(_) | UpsAddress::Snmp(_) => {
            Err(ProbeError::NotSupported)
        }
    }
}

/// Asks whether anything answers at the address; gives how long a TCP connection took.
///
/// # Errors
/// [`ProbeError::NotSupported`] for a scheme that is not built yet, [`ProbeError::NoAnswer`] when it does
/// not accept the connection.
pub async fn device(address: &DeviceAddress, edge: &Edge) -> Answer<Duration> {
    match address {
        DeviceAddress::Tcp(endpoint) => link::connect_time(endpoint, edge).await,
        DeviceAddress::Icmp { .. }
        | DeviceAddress::Pjlink(_)
        | DeviceAddress::Http { .. }
        | DeviceAddress::Https { .. } => Err(ProbeError::NotSupported),
    }
}

#[cfg(test)]
mod tests;
