//! What the killing rigs do next: drawn from the seed, and from nothing else.

use super::holdback::{Death, Failing};
use super::kill::Kind;
use crate::sim::random::Random;

/// The operation on the disk by which a check makes its entry durable: its sync in the logbook, after the session's file. Deaths
/// have to come around it.
pub const CHECK_KEEPS: u64 = 10;

/// One step of a rig.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A check by hand, that may die at a place and whose disk may fail.
    Check {
        /// Where it dies.
        death: Option<Death>,
        /// What of its disk fails.
        failing: Option<Failing>,
        /// Whether the power goes with it, or after it.
        cut: bool,
    },
    /// A check by hand that is killed from outside.
    Killed {
        /// When, milliseconds after its start.
        after_ms: u64,
        /// Whether the power goes with it.
        cut: bool,
    },
    /// The daemon, asked for some checks.
    Daemon {
        /// Where it dies; else it is killed after the checks.
        death: Option<Death>,
        /// What of its disk fails.
        failing: Option<Failing>,
        /// How many it is asked for at most.
        checks: u64,
        /// Whether the power goes with it.
        cut: bool,
    },
    /// A check that is killed in the middle, then a daemon that takes to the hub what it finds, then a power cut: what the
    /// first has not made durable, the second must, before it tells anybody.
    Left {
        /// Where the check dies.
        death: Death,
        /// Where the daemon dies: best before it writes down that the hub has it.
        daemon: Death,
        /// How long the daemon lives else, milliseconds.
        life_ms: u64,
    },
    /// The key is handed over to the next one.
    Rotate {
        /// Where it dies.
        death: Death,
        /// Whether the power goes with it.
        cut: bool,
    },
    /// Checks on a disk that has only this many bytes left.
    Full {
        /// Bytes.
        left: u64,
        /// Whether the daemon makes them.
        daemon: bool,
    },
    /// Hub and broker fall.
    Fall,
}

/// The seed at work.
#[derive(Debug)]
pub struct Chance(Random);

impl Chance {
    /// What is drawn for this label.
    #[must_use]
    pub fn new(seed: u64, label: &str) -> Self {
        Self(Random::new(seed, label))
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end.max(1)
    }

    /// A place to die: within the first `disk` operations on the disk, or before something leaves the program.
    pub fn death(&mut self, disk: u64) -> Death {
        match self.below(4) {
            0 => Death::Net(1 + self.below(12)),
            _ => Death::Disk(1 + self.below(disk)),
        }
    }

    /// Whether the power goes, too. Often enough not: what a killed program left unsynced is then the next one's.
    pub fn cut(&mut self) -> bool {
        self.below(4) > 0
    }

    /// The next step of a rig.
    pub fn step(&mut self, kind: Kind, rotates: bool) -> Step {
        let cut = self.cut();
        if kind == Kind::Full {
            return match self.below(10) {
                0..4 => Step::Full {
                    left: self.below(9) * 700,
                    daemon: self.below(3) == 0,
                },
                4 => Step::Check {
                    death: Some(self.death(CHECK_KEEPS + 2)),
                    failing: None,
                    cut,
                },
                5 | 6 => Step::Daemon {
                    death: None,
                    failing: Some(self.failing(20)),
                    checks: 1 + self.below(4),
                    cut,
                },
                _ => Step::Check {
                    death: None,
                    failing: Some(self.failing(CHECK_KEEPS + 2)),
                    cut,
                },
            };
        }
        match self.below(20) {
            0..10 => Step::Check {
                death: Some(self.death(CHECK_KEEPS + 6)),
                failing: None,
                cut,
            },
            10..13 => Step::Killed {
                after_ms: self.below(60),
                cut,
            },
            13..16 => Step::Daemon {
                death: self.daemons_death(),
                failing: None,
                checks: 1 + self.below(4),
                cut,
            },
            16 => Step::Left {
                death: Death::Disk(CHECK_KEEPS - 1 + self.below(3)),
                daemon: Death::Disk(CHECK_KEEPS - 4 + self.below(8)),
                life_ms: 600 + self.below(600),
            },
            17 if rotates => Step::Rotate {
                death: self.death(12),
                cut,
            },
            _ => Step::Check {
                death: None,
                failing: None,
                cut,
            },
        }
    }

    fn daemons_death(&mut self) -> Option<Death> {
        match self.below(4) {
            0 => None,
            1 => Some(Death::Net(1 + self.below(40))),
            _ => Some(Death::Disk(1 + self.below(CHECK_KEEPS + 10))),
        }
    }

    /// A failure that begins within the first `disk` operations.
    fn failing(&mut self, disk: u64) -> Failing {
        Failing {
            from: 1 + self.below(disk),
            count: [1, 2, 1000].get(self.below(3) as usize).copied().unwrap_or(1),
            errno: if self.below(2) == 0 { 5 } else { 28 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_does_the_same_and_every_step_comes() {
        for kind in [Kind::Crash, Kind::Full] {
            let draw = |seed| {
                let mut chance = Chance::new(seed, "rig-1");
                (0..200).map(|_| chance.step(kind, true)).collect::<Vec<_>>()
            };
            assert_eq!(draw(1), draw(1));
            assert_ne!(draw(1), draw(2));
            let came = |is: fn(&Step) -> bool| draw(1).iter().any(is);
            assert!(came(|step| matches!(step, Step::Check { .. })));
            let of_kills = kind == Kind::Crash;
            assert!(came(|step| matches!(step, Step::Daemon { .. })));
            let fails = |step: &Step| matches!(step, Step::Daemon { failing: Some(_), .. });
            assert_eq!(came(fails), !of_kills);
            assert_eq!(came(|step| matches!(step, Step::Killed { .. })), of_kills);
            assert_eq!(came(|step| matches!(step, Step::Left { .. })), of_kills);
            assert_eq!(came(|step| matches!(step, Step::Rotate { .. })), of_kills);
            assert_eq!(
                came(|step| matches!(step, Step::Full { daemon: false, .. })),
                !of_kills
            );
            assert_eq!(
                came(|step| matches!(step, Step::Full { daemon: true, .. })),
                !of_kills
            );
        }
    }
}
