//! Cisco xAPI in terminal mode: TC, CE and RoomOS, over any byte stream.
//!
//! The session logs in where it is asked to, switches the echo off, asks a fixed list of `xStatus`
//! questions one at a time and says `bye`. Each question carries a `resultId`, so that what else the
//! unit says meanwhile (feedback, banners, echoes, late answers) is not taken for its answer.
//!
//! * `query`: everything that can be sent. `xConfiguration`, `xCommand` and free text are not in it.
//! * `line`: one line of output, as a value.
//! * `block`: the lines that answer one question.
//! * `login`: prompts and credentials.
//! * `talk`: the conversation.
//! * `parts`: from answers to the reading.

mod block;
mod line;
mod login;
mod parts;
mod query;
mod talk;

pub use query::{Query, SESSION_LINES, Tag};
pub use talk::Talk;
