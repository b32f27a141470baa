//! What a rig counts, and the one line that it ends with: the seed with which everything can be done again, what was done to
//! the programs, and what came of what they had acknowledged.

use std::fmt;
use std::time::Instant;

use super::ledger::Wrong;
use super::now;

/// What a rig has done and found.
#[derive(Debug, Clone)]
pub struct Tally {
    rig: &'static str,
    seed: u64,
    began: Instant,
    /// How often a program was killed, or its connection, its power or its disk was taken away.
    pub kills: u64,
    /// Entries that were said to be kept: printed, seen at the hub, or receipted.
    pub acknowledged: u64,
    /// Those of them that are not there any more, or are not what they were.
    pub lost: u64,
    /// Those that are there twice.
    pub doubled: u64,
    /// Places where the chain does not hold, whatever was acknowledged.
    pub broken: u64,
    /// Half-written last lines that were found after a kill.
    pub torn: u64,
    /// What else this rig counts, e.g. `("refused by the disk", 12)`.
    pub besides: Vec<(&'static str, u64)>,
}

impl Tally {
    /// A rig begins.
    #[must_use]
    pub fn begin(rig: &'static str, seed: u64) -> Self {
        Self {
            rig,
            seed,
            began: now(),
            kills: 0,
            acknowledged: 0,
            lost: 0,
            doubled: 0,
            broken: 0,
            torn: 0,
            besides: vec![],
        }
    }

    /// Counts something that only this rig knows.
    pub fn count(&mut self, what: &'static str) {
        self.count_many(what, 1);
    }

    /// Counts several.
    pub fn count_many(&mut self, what: &'static str, more: u64) {
        match self.besides.iter_mut().find(|(known, _)| *known == what) {
            Some((_, count)) => *count += more,
            None => self.besides.push((what, more)),
        }
    }

    /// Counts what is wrong.
    pub fn take(&mut self, wrong: &[Wrong]) {
        for each in wrong {
            match each {
                Wrong::Lost(_) => self.lost += 1,
                Wrong::Doubled(_) => self.doubled += 1,
                Wrong::Broken(_) => self.broken += 1,
            }
        }
    }

    /// Adds what another has counted.
    pub fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.broken += other.broken;
        self.torn += other.torn;
        for (what, count) in &other.besides {
            self.count_many(what, *count);
        }
    }

    /// Whether everything that was acknowledged is there, once, and the chain holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.broken == 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "rig-{}: seed {}, {} kills, {} acknowledged, {} lost, {} doubled, {} broken, {} torn tails repaired",
            self.rig,
            self.seed,
            self.kills,
            self.acknowledged,
            self.lost,
            self.doubled,
            self.broken,
            self.torn
        )?;
        for (what, count) in &self.besides {
            write!(f, ", {count} {what}")?;
        }
        write!(f, ", {:.1} s", now().duration_since(self.began).as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_the_seed_and_what_is_missing() {
        let mut tally = Tally::begin("crash", 7);
        tally.kills = 3;
        tally.count("hubs killed");
        tally.count("hubs killed");
        let line = tally.to_string();
        assert!(
            line.starts_with("rig-crash: seed 7, 3 kills, 0 acknowledged, 0 lost, 0 doubled, 0 broken"),
            "{line}"
        );
        assert!(line.contains(", 2 hubs killed, "), "{line}");
        assert!(tally.holds());
        tally.broken = 1;
        let mut all = Tally::begin("crash", 7);
        all.add(&tally);
        assert!(!all.holds());
    }
}
