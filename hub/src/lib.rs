//! The province's side: verifies, receipts, stores and shows what the rooms report.
//!
//! The way of the data: MQTT ─ [`ingest`] → report ─ [`store`] → rows ─ [`fleet`] → room state ─ [`page`] → reader.
//! [`desk`] is where one letter after the other is taken in and answered; [`serve`] joins it to the broker, the
//! clock and the page. [`keyring`], [`ingest`], [`bucket`], [`challenge`], [`agenda`] and [`fleet`] are pure.

pub mod agenda;
pub mod board;
pub mod broker;
pub mod bucket;
pub mod challenge;
pub mod cli;
pub mod clock;
pub mod config;
pub mod csv;
pub mod desk;
pub mod detail;
pub mod file;
pub mod fleet;
pub mod ingest;
pub mod key;
pub mod keyring;
pub mod meeting;
pub mod meetings;
pub mod page;
pub mod proof;
pub mod reflector;
pub mod rooms;
#[cfg(test)]
mod sample;
pub mod say;
pub mod serve;
pub mod store;
pub mod unseen;
pub mod uplink;
