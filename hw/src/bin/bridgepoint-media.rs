//! The media child as a program of its own: for the tests of this crate, and for trying one source by hand.
//!
//! The agent does not use it and it is not installed: the agent re-executes itself with its hidden `media`
//! subcommand, which runs the same function.
//!
//! `echo '{"sound":{"source":{"file":"a.wav"},"channel":0,"duration_ms":1000}}' | bridgepoint-media`

use std::process::ExitCode;

use bridgepoint_hw::media::SoundRequest;
use bridgepoint_hw::media::child::{Answered, serve};

fn main() -> ExitCode {
    serve(|asked| Answered::of::<SoundRequest>(&Err(asked.unknown())))
}
