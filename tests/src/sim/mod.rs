//! A whole simulated room: codec, cameras, microphones, UPS, with faults switched while it runs.
//!
//! * [`spec`]: the file that describes a room. * [`room`]: the running room, for programs and tests.
//! * [`control`]: the control port, text lines. * [`cisco`], [`visca`], [`sound`], [`ups`]: the devices.
//! * [`faults`]: switches. * [`clock`]: time, which a test may move by hand. * [`random`]: seeded noise.
//!
//! The devices are written from the protocol facts alone and share no code with the drivers.

pub mod cisco;
pub mod clock;
pub mod control;
mod door;
pub mod faults;
mod jack;
pub mod random;
pub mod room;
pub mod sound;
pub mod spec;
pub mod ups;
pub mod visca;

pub use room::{Room, RoomError};
pub use spec::Spec;
