//! Configuration in three steps: the file's bytes → [`written`] (one struct a table) → [`Settings`] (valid).
//! The rest of the program sees [`Settings`] only.

mod broker;
mod settings;
mod written;

pub(crate) use broker::{Broker, Transport};
pub(crate) use settings::{Camera, Codec, Hub, Line, Microphone, Settings, TlsFiles};
pub(crate) use written::Registration;

use std::path::Path;

use bridgepoint_protocol::written::WrittenError;

/// Reads and checks a configuration file.
///
/// # Errors
/// [`WrittenError`] with file, line, key and the nearest known key; the program then ends with 78.
pub(crate) fn load(path: &Path) -> Result<Settings, WrittenError> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|e| {
        WrittenError::whole(
            &name,
            format!("the configuration cannot be read ({e}); name another with --config"),
        )
    })?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|e| WrittenError::whole(&name, format!("not UTF-8 text (at byte {})", e.valid_up_to())))?;
    parse(&name, text)
}

/// Checks configuration text; `name` is the file's name in messages and the base of relative profile paths.
///
/// # Errors
/// As [`load`].
pub(crate) fn parse(name: &str, text: &str) -> Result<Settings, WrittenError> {
    settings::check(name, text, bridgepoint_protocol::written::read(name, text)?)
}

#[cfg(test)]
mod tests;
