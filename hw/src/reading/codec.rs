//! What a conferencing appliance tells about itself, without a vendor's name in it.

use super::Answer;

/// One pass over a codec. Each part is asked separately, so each can be missing separately.
#[derive(Debug, Clone, PartialEq)]
pub struct CodecReading {
    /// Product, software, serial number, uptime.
    pub unit: Answer<Unit>,
    /// Awake or asleep.
    pub standby: Answer<Standby>,
    /// Network ports with their addresses.
    pub network: Answer<Vec<NetworkPort>>,
    /// SIP and H.323 registration.
    pub registration: Answer<Registration>,
    /// Calls now.
    pub calls: Answer<CallState>,
    /// Content sharing now.
    pub presentation: Answer<Presentation>,
    /// Volume and mute.
    pub audio: Answer<Audio>,
    /// Microphone and other audio input connectors.
    pub inputs: Answer<Vec<Connector>>,
    /// Video output connectors.
    pub outputs: Answer<Vec<Display>>,
    /// The codec's own warnings.
    pub diagnostics: Answer<Vec<Diagnostic>>,
    /// Temperature.
    pub temperature: Answer<Temperature>,
    /// Cameras that the codec sees.
    pub cameras: Answer<Vec<CodecCamera>>,
}

/// Which unit it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unit {
    /// Product name, e.g. `Cisco Codec Pro`.
    pub product: Option<String>,
    /// Software version, as the unit writes it.
    pub software: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Seconds since start.
    pub uptime_s: Option<u64>,
}

/// Standby state. `Awake` is what Cisco calls `Standby State: Off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standby {
    /// On and usable.
    Awake,
    /// Screen half awake, somebody must touch it.
    Halfwake,
    /// About to sleep.
    Entering,
    /// Asleep.
    Asleep,
}

/// One network port.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkPort {
    /// Port number, from 1.
    pub id: u16,
    /// IPv4 address.
    pub address: Option<String>,
    /// Gateway.
    pub gateway: Option<String>,
    /// Subnet mask.
    pub mask: Option<String>,
    /// MAC address.
    pub mac: Option<String>,
    /// Ethernet speed as the unit writes it, e.g. `1000full`.
    pub speed: Option<String>,
}

/// Registration with the call control.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registration {
    /// SIP registrations, in the unit's order.
    pub sip: Vec<SipRegistration>,
    /// H.323 gatekeeper, absent where the unit has no H.323.
    pub h323: Option<H323>,
}

/// One SIP registration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SipRegistration {
    /// True when the unit says `Registered`.
    pub registered: bool,
    /// The unit's own word.
    pub status: String,
    /// The URI.
    pub uri: Option<String>,
    /// Why not, as the unit writes it.
    pub reason: Option<String>,
}

/// H.323 gatekeeper registration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct H323 {
    /// False when H.323 is disabled on the unit.
    pub enabled: bool,
    /// True when the unit says `Registered` or `Authenticated`.
    pub registered: bool,
    /// The unit's own word for the gatekeeper's state.
    pub status: String,
}

/// Calls at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallState {
    /// Connected calls.
    pub active: u32,
    /// Calls being set up.
    pub in_progress: u32,
    /// Calls on hold.
    pub suspended: u32,
    /// Details, where the unit gives them.
    pub calls: Vec<Call>,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Call {
    /// The unit's call id.
    pub id: u32,
    /// The unit's word, e.g. `Connected`.
    pub status: String,
    /// The far end's number or name.
    pub remote: Option<String>,
    /// `Incoming` or `Outgoing`, as the unit writes it.
    pub direction: Option<String>,
    /// `h323`, `sip`, as the unit writes it.
    pub protocol: Option<String>,
}

/// Content sharing at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presentation {
    /// None.
    Off,
    /// Content comes from the far end.
    Receiving,
    /// This room sends content, or shows a local source.
    Sending,
}

/// Volume and mute.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audio {
    /// Loudspeaker volume, 0 to 100 %.
    pub volume_percent: Option<u8>,
    /// Loudspeaker muted.
    pub volume_muted: Option<bool>,
    /// Microphones muted.
    pub microphones_muted: Option<bool>,
}

/// One audio input connector.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connector {
    /// Connector number, from 1.
    pub id: u16,
    /// `Microphone`, `HDMI`, `Line`, `Ethernet`, as the unit writes it.
    pub kind: String,
    /// Whether something is plugged in; `None` where the unit does not know.
    pub connected: Option<bool>,
    /// Whether this connector is muted.
    pub muted: Option<bool>,
}

/// One video output connector.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Display {
    /// Connector number, from 1.
    pub id: u16,
    /// Whether a screen is seen on it.
    pub connected: Option<bool>,
    /// The screen's name, as it gave it to the unit.
    pub name: Option<String>,
    /// The monitor role that the unit gives it.
    pub role: Option<String>,
}

/// One of the unit's own warnings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnostic {
    /// `Critical`, `Error`, `Warning` or `Info`, as the unit writes it.
    pub level: String,
    /// The unit's type word, e.g. `ECReferenceDelay`.
    pub kind: String,
    /// The unit's sentence.
    pub description: String,
}

/// Temperature as the unit judges it; few units give degrees.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Temperature {
    /// `Normal`, `High`, `Critical`, as the unit writes it.
    pub status: Option<String>,
    /// Degrees Celsius.
    pub celsius: Option<f64>,
}

/// One camera that the codec sees.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CodecCamera {
    /// Camera number, from 1.
    pub id: u16,
    /// Whether it is connected.
    pub connected: Option<bool>,
    /// Model.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
}
