//! Anything else that must answer: R19.

use bridgepoint_hw::reading::{Answer, ProbeError};
use bridgepoint_protocol::check::Places;

use super::{Judged, name, unanswered};

pub(super) fn judge(places: &Places, answer: &Answer<f64>) -> Judged {
    match answer {
        Ok(ms) => Judged::pass().value(*ms, "ms"),
        Err(ProbeError::NoAnswer { .. }) => Judged::fail("device.no-answer"),
        Err(why) => unanswered(why),
    }
    .param("name", name(places))
}
