//! Faults as switches: each kind of device has a closed set of them, with a name and a sentence each.
//!
//! A switch takes effect at once: what the device answers after `switch` returned is answered with
//! the new set. Connections that are open see the change too.

use std::collections::BTreeSet;

use serde::Serialize;
use tokio::sync::watch;

/// A closed set of faults of one kind of device.
pub trait Fault: Copy + Ord + Send + Sync + 'static {
    /// All of them, in the order they are listed.
    const ALL: &'static [Self];
    /// The name on the control port and in the room's file.
    fn name(self) -> &'static str;
    /// What the device does when it is on.
    fn what(self) -> &'static str;

    /// The fault called `name`.
    ///
    /// # Errors
    /// The sentence says which names there are.
    fn named(name: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .copied()
            .find(|fault| fault.name() == name)
            .ok_or_else(|| {
                let names: Vec<&str> = Self::ALL.iter().map(|fault| fault.name()).collect();
                format!("there is no fault {name:?} here; there are: {}", names.join(", "))
            })
    }
}

/// Declares the faults of one kind of device: enum, names and sentences in one table.
macro_rules! faults {
    ($(#[$meta:meta])* $set:ident { $($variant:ident $name:literal $what:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $set {
            $(#[doc = $what] $variant,)+
        }

        impl $crate::sim::faults::Fault for $set {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            fn what(self) -> &'static str {
                match self { $(Self::$variant => $what,)+ }
            }
        }
    };
}
pub(crate) use faults;

/// One row of the list of faults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The fault's name.
    pub fault: &'static str,
    /// Whether it is on.
    pub on: bool,
    /// What the device does then.
    pub what: &'static str,
}

/// The switches of one device.
#[derive(Debug)]
pub(crate) struct Switches<F> {
    on: watch::Sender<BTreeSet<F>>,
}

impl<F: Fault> Switches<F> {
    /// Switches with these faults on from the start.
    ///
    /// # Errors
    /// An unknown name, with the names there are.
    pub(crate) fn new(names: &[String]) -> Result<Self, String> {
        let on = names
            .iter()
            .map(|name| F::named(name))
            .collect::<Result<BTreeSet<F>, String>>()?;
        Ok(Self {
            on: watch::Sender::new(on),
        })
    }

    /// Switches one fault. Returns whether that changed anything.
    pub(crate) fn set(&self, fault: F, on: bool) -> bool {
        self.on
            .send_if_modified(|set| if on { set.insert(fault) } else { set.remove(&fault) })
    }

    /// Those that are on.
    pub(crate) fn now(&self) -> BTreeSet<F> {
        self.on.borrow().clone()
    }

    /// Tells of each change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<BTreeSet<F>> {
        self.on.subscribe()
    }

    /// The whole table.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let on = self.now();
        F::ALL
            .iter()
            .map(|fault| Row {
                fault: fault.name(),
                on: on.contains(fault),
                what: fault.what(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    faults! {
        /// For this test.
        #[allow(unreachable_pub, reason = "the table is made for devices, which are public")]
        Lamp {
            Dark "dark" "Gives no light.",
            Flicker "flicker" "Goes on and off.",
        }
    }

    #[test]
    fn switching_reports_changes_and_lists_the_table() {
        let switches = Switches::<Lamp>::new(&["flicker".to_owned()]).unwrap();
        let mut seen = switches.subscribe();
        assert!(switches.set(Lamp::Dark, true));
        assert!(!switches.set(Lamp::Dark, true));
        assert!(seen.has_changed().unwrap());
        assert_eq!(
            *seen.borrow_and_update(),
            BTreeSet::from([Lamp::Dark, Lamp::Flicker])
        );
        assert!(switches.set(Lamp::Flicker, false));
        let rows: Vec<(&str, bool)> = switches.rows().iter().map(|row| (row.fault, row.on)).collect();
        assert_eq!(rows, [("dark", true), ("flicker", false)]);
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_names_there_are() {
        let refused = Switches::<Lamp>::new(&["darkness".to_owned()]).unwrap_err();
        assert_eq!(
            refused,
            "there is no fault \"darkness\" here; there are: dark, flicker"
        );
    }
}
