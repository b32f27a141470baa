//! Languages in which a UPS is asked. One file each; all give a [`crate::reading::UpsReading`].

pub mod nut;
