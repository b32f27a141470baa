//! Where a camera's picture comes from: `v4l2:` `rtsp:` `test:` `file:`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::parts::{Authority, UserText, device};
use super::{AddressError, Endpoint, Grammar};

/// The source of a picture.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PictureSource {
    /// `v4l2:/dev/video0`: a capture device of this box.
    V4l2 {
        /// Path of the device file.
        device: String,
    },
    /// `rtsp://[user@]host[:554]/path`: a network camera.
    Rtsp {
        /// Who logs in.
        user: Option<String>,
        /// Where it is.
        endpoint: Endpoint,
        /// The stream's path, from the first slash on; may be empty.
        path: String,
    },
    /// `test:PATTERN`: a generated picture, for trying things out.
    Test {
        /// The pattern's name, small letters, digits and hyphens.
        pattern: String,
    },
    /// `file:PATH`: a recording, for trying things out.
    File {
        /// Its path.
        path: String,
    },
}

const GRAMMAR: Grammar = Grammar {
    what: "picture source",
    schemes: &["v4l2", "rtsp", "test", "file"],
    forms: &[
        "v4l2:/dev/video0",
        "rtsp://USER@HOST/PATH",
        "test:PATTERN",
        "file:PATH",
    ],
};

impl FromStr for PictureSource {
    type Err = AddressError;

    fn from_str(given: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = GRAMMAR.split(given)?;
        parse(scheme, rest).map_err(|problem| GRAMMAR.refuse(given, problem))
    }
}

fn parse(scheme: &str, rest: &str) -> Result<PictureSource, String> {
    Ok(match scheme {
        "v4l2" => PictureSource::V4l2 {
            device: device(rest)?,
        },
        "rtsp" => {
            let at = Authority::parse(rest, Some(554))?;
            if !at.path.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err("the path must be printable ASCII without blanks".to_owned());
            }
            PictureSource::Rtsp {
                user: at.user,
                endpoint: at.endpoint,
                path: at.path,
            }
        }
        "test" => {
            let fits = (1..=40).contains(&rest.len())
                && rest
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
            if !fits {
                return Err(format!(
                    "the pattern \"{rest}\" must be small letters, digits and hyphens"
                ));
            }
            PictureSource::Test {
                pattern: rest.to_owned(),
            }
        }
        _ if rest.is_empty() => return Err("the file's path is missing".to_owned()),
        _ => PictureSource::File {
            path: rest.to_owned(),
        },
    })
}

impl fmt::Display for PictureSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4l2 { device } => write!(f, "v4l2:{device}"),
            Self::Rtsp { user, endpoint, path } => {
                write!(f, "rtsp://{}{endpoint}{path}", UserText(user.as_ref()))
            }
            Self::Test { pattern } => write!(f, "test:{pattern}"),
            Self::File { path } => write!(f, "file:{path}"),
        }
    }
}
