//! What the project tests itself with, kept away from what it ships.
//!
//! * [`sim`]: a whole simulated room (codec, cameras, microphones, UPS) with faults that are switched
//!   on and off while it runs; the program `bridgepoint-sim` is a thin edge around it.
//! * [`journal`]: every byte that a simulated device received.
//! * [`allowed`]: the reviewed list of everything that the agent may send, and what in a journal
//!   goes beyond it (rules R24 to R28).
//! * [`secrets`]: a private key in whatever was written, in any form.
//!
//! Nothing here uses the drivers under test: the simulators are written from the protocol facts, so
//! that one mistake cannot stand on both sides and hide itself.

pub mod allowed;
pub mod journal;
pub mod rig;
pub mod scenario;
pub mod secrets;
pub mod sim;
