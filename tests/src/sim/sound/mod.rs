//! Microphones of the simulated room: what each hears is made here and seeded, and stands in a WAV file or is played
//! through a sound server.
//!
//! A fault rewrites the file, or plays another sound. Levels are root mean square in dBFS (a full-scale sine has -3.01).

mod pulse;
mod synth;
mod wav;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use super::faults::{Switches, faults};
use super::spec;

pub(crate) use self::pulse::Server;
pub use self::synth::samples;
pub use self::wav::RATE;
pub(crate) use self::wav::replace;

/// What a microphone can hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sound {
    /// Somebody speaks, with pauses: -26 dBFS over a floor of -65.
    Speech,
    /// Nobody speaks: the floor of -65 alone.
    QuietRoom,
    /// Speech over a hiss of -35.
    Noisy,
    /// Speech over mains hum: 50 Hz at -32 with its harmonics.
    Hum,
    /// A quiet room with feedback: 2.1 kHz that grows from -46 to -6.
    Howl,
    /// Speech far too loud: cut off at full scale.
    Clipped,
    /// Digital silence.
    Dead,
    /// A constant, and nothing else.
    Dc,
}

faults! {
    /// Faults of a microphone. When several are on, the first in this list is heard.
    MicrophoneFault {
        Dead "dead" "Digital silence.",
        Dc "dc" "A constant, and nothing else.",
        Clipped "clipped" "Speech cut off at full scale.",
        Howl "howl" "Feedback: a growing tone of 2.1 kHz.",
        Hum "hum" "Mains hum under the speech.",
        Noisy "noisy" "Hiss under the speech.",
        Quiet "quiet" "Nobody speaks.",
    }
}

impl MicrophoneFault {
    fn sound(self) -> Sound {
        match self {
            Self::Dead => Sound::Dead,
            Self::Dc => Sound::Dc,
            Self::Clipped => Sound::Clipped,
            Self::Howl => Sound::Howl,
            Self::Hum => Sound::Hum,
            Self::Noisy => Sound::Noisy,
            Self::Quiet => Sound::QuietRoom,
        }
    }
}

/// A microphone of the running room.
#[derive(Debug)]
pub(crate) struct Microphone {
    device: String,
    way: Way,
    healthy: Sound,
    seed: u64,
    switches: Switches<MicrophoneFault>,
}

/// How its sound is heard.
#[derive(Debug)]
enum Way {
    File(PathBuf),
    Pulse {
        server: Arc<Server>,
        sink: String,
        player: Mutex<Option<pulse::Player>>,
    },
}

impl Microphone {
    /// Writes its first file into `directory`, or begins to play its sound on `server`.
    ///
    /// # Errors
    /// A sentence that names the key or the file that is at fault.
    pub(crate) fn open(
        spec: &spec::Microphone,
        room: &spec::RoomTable,
        directory: &Path,
        server: Option<&Arc<Server>>,
    ) -> Result<Self, String> {
        let switches = Switches::new(&spec.faults)
            .map_err(|why| format!("[[microphone]] {}: faults: {why}", spec.id))?;
        let way = match (spec.through, server) {
            (spec::Through::Pulse, Some(server)) => Way::Pulse {
                server: Arc::clone(server),
                sink: spec.id.clone(),
                player: Mutex::default(),
            },
            (spec::Through::Pulse, None) => {
                return Err(format!("[[microphone]] {}: there is no sound server", spec.id));
            }
            (spec::Through::File, _) => Way::File(directory.join(format!("{}.wav", spec.id))),
        };
        let microphone = Self {
            device: format!("mic.{}", spec.id),
            way,
            healthy: spec.sound,
            seed: room.seed,
            switches,
        };
        microphone.sound()?;
        Ok(microphone)
    }

    /// `mic.<id>`
    pub(crate) fn device(&self) -> &str {
        &self.device
    }

    /// Its source as a room's configuration writes it.
    pub(crate) fn address(&self) -> String {
        match &self.way {
            Way::File(path) => format!("file:{}", path.display()),
            Way::Pulse { sink, .. } => format!("pulse:{sink}.monitor"),
        }
    }

    /// Its switches, to be read.
    pub(crate) fn switches(&self) -> &Switches<MicrophoneFault> {
        &self.switches
    }

    /// Switches a fault; what is heard is another when this returns.
    ///
    /// # Errors
    /// When the file cannot be written, or the sound not be played.
    pub(crate) fn switch(&self, fault: MicrophoneFault, on: bool) -> Result<(), String> {
        if self.switches.set(fault, on) {
            self.sound()
        } else {
            Ok(())
        }
    }

    fn sound(&self) -> Result<(), String> {
        let sound = self
            .switches
            .now()
            .first()
            .map_or(self.healthy, |fault| fault.sound());
        let samples = samples(sound, self.seed, &self.device);
        match &self.way {
            Way::File(path) => wav::write(path, &samples)
                .map_err(|why| format!("cannot write the sound file {}: {why}", path.display())),
            Way::Pulse { server, sink, player } => {
                let mut player = player.lock().unwrap_or_else(PoisonError::into_inner);
                // The one before first: two at once would be heard mixed.
                *player = None;
                *player = Some(server.play(sink, wav::raw(&samples))?);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::spec::Spec;

    #[test]
    fn a_fault_rewrites_the_file_and_its_end_restores_it() {
        let directory = tempfile::tempdir().unwrap();
        let spec = Spec::parse("[room]\n[[microphone]]\nid = \"chair\"\nsound = \"quiet-room\"\n").unwrap();
        let microphone = Microphone::open(&spec.microphones[0], &spec.room, directory.path(), None).unwrap();
        let path = directory.path().join("chair.wav");
        assert_eq!(microphone.address(), format!("file:{}", path.display()));
        let healthy = std::fs::read(&path).unwrap();
        microphone.switch(MicrophoneFault::Dead, true).unwrap();
        let dead = std::fs::read(&path).unwrap();
        assert!(dead[44..].iter().all(|byte| *byte == 0));
        // Dead stays the first of two.
        microphone.switch(MicrophoneFault::Noisy, true).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), dead);
        microphone.switch(MicrophoneFault::Noisy, false).unwrap();
        microphone.switch(MicrophoneFault::Dead, false).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), healthy);
    }
}
