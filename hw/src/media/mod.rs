//! GStreamer, always in a child process; only numbers come back (R27).
//!
//! The program re-executes itself as a hidden subcommand that runs [`child::serve`]. The agent's side is
//! [`ask`] (and [`measure_sound`] by it): it starts one child for one measurement, hands it one request, takes
//! one line of numbers, and has it dead and reaped when it returns. A crash, leak or hang in a plug-in stays in the
//! child, and the agent itself never initialises GStreamer, so its idle memory stays small.
//!
//! * [`border`]: what crosses: request, reply, their caps and parsers (pure).
//! * [`figures`]: samples to figures (pure).
//! * [`child`]: the child's main function; `source`, `capture` and `samples` are its pipeline for sound.
//! * [`rtp`]: a stream of RTP packets shaped like a call, paced by GStreamer; for the child only.

pub mod border;
pub mod child;
pub mod figures;
pub mod rtp;

mod capture;
mod parent;
mod samples;
mod source;

pub use border::{SoundInput, SoundRequest, Work};
pub use parent::{Program, ask, measure_sound};
