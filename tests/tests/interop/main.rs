//! Other people's programs check ours, each as it is published.
//!
//! * `logbook`: `PyJWT` and jose verify reports, logbooks with the hub's receipts and the frozen examples of the wire, and
//!   refuse what was changed.
//! * `offline`: the programs of `docs/verify`, over books with everything in them.
//! * `camera` and `codec`: a camera client and the codec vendor's own client drive the simulated devices.
//! * `dashboard`: mosquitto and its clients carry `readiness`; the documented Telegraf configuration reads it.
//! * `packages`: where they come from.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)] // a test file

mod camera;
mod codec;
mod dashboard;
mod logbook;
mod offline;
mod packages;
