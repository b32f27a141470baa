//! Where a camera stands and how it moves: positions computed from elapsed time.
//!
//! Pan, tilt and zoom each run at constant speed towards their target, all at once, so a position can
//! be asked for at any moment and no task has to move anything.

use std::time::Duration;

use serde::Deserialize;

use crate::sim::spec::Speed;

/// A position in the camera's own counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Position {
    /// Pan, right positive.
    pub pan: i32,
    /// Tilt, up positive.
    pub tilt: i32,
    /// Zoom, from wide.
    pub zoom: i32,
}

/// One axis.
#[derive(Debug, Clone, Copy)]
struct Axis {
    from: i32,
    to: i32,
    since: Duration,
    counts_per_s: u32,
}

impl Axis {
    fn standing(at: i32) -> Self {
        Self {
            from: at,
            to: at,
            since: Duration::ZERO,
            counts_per_s: 1,
        }
    }

    fn drive(&mut self, to: i32, now: Duration, counts_per_s: u32) {
        *self = Self {
            from: self.at(now),
            to,
            since: now,
            counts_per_s: counts_per_s.max(1),
        };
    }

    fn at(&self, now: Duration) -> i32 {
        let gone = now.saturating_sub(self.since).as_secs_f64() * f64::from(self.counts_per_s);
        let whole = f64::from(self.to) - f64::from(self.from);
        if gone >= whole.abs() {
            return self.to;
        }
        // Within i32: it lies between two of them.
        (f64::from(self.from) + gone.copysign(whole)).round() as i32
    }

    fn arrives(&self) -> Duration {
        let way = f64::from(self.to.abs_diff(self.from));
        self.since
            .saturating_add(Duration::from_secs_f64(way / f64::from(self.counts_per_s)))
    }
}

/// The three axes of a camera.
#[derive(Debug, Clone)]
pub(crate) struct Motion {
    pan: Axis,
    tilt: Axis,
    zoom: Axis,
    speed: Speed,
}

impl Motion {
    /// A camera that stands still.
    pub(crate) fn standing(at: Position, speed: Speed) -> Self {
        Self {
            pan: Axis::standing(at.pan),
            tilt: Axis::standing(at.tilt),
            zoom: Axis::standing(at.zoom),
            speed,
        }
    }

    /// Where it is.
    pub(crate) fn at(&self, now: Duration) -> Position {
        Position {
            pan: self.pan.at(now),
            tilt: self.tilt.at(now),
            zoom: self.zoom.at(now),
        }
    }

    /// Drives pan and tilt from where they are now, at the speed divided by `slower`.
    pub(crate) fn drive_pan_tilt(&mut self, pan: i32, tilt: i32, now: Duration, slower: u32) {
        self.pan.drive(pan, now, self.speed.pan / slower.max(1));
        self.tilt.drive(tilt, now, self.speed.tilt / slower.max(1));
    }

    /// Drives the zoom.
    pub(crate) fn drive_zoom(&mut self, zoom: i32, now: Duration, slower: u32) {
        self.zoom.drive(zoom, now, self.speed.zoom / slower.max(1));
    }

    /// Stops all axes where they are.
    pub(crate) fn stop(&mut self, now: Duration) {
        *self = Self::standing(self.at(now), self.speed);
    }

    /// When pan and tilt have both arrived.
    pub(crate) fn pan_tilt_arrives(&self) -> Duration {
        self.pan.arrives().max(self.tilt.arrives())
    }

    /// When the zoom has arrived.
    pub(crate) fn zoom_arrives(&self) -> Duration {
        self.zoom.arrives()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEED: Speed = Speed {
        pan: 1000,
        tilt: 500,
        zoom: 2000,
    };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn each_axis_runs_at_its_speed_and_stops_at_its_target() {
        let mut motion = Motion::standing(Position::default(), SPEED);
        motion.drive_pan_tilt(1000, -1000, ms(100), 1);
        motion.drive_zoom(1000, ms(100), 1);
        assert_eq!(motion.at(ms(100)), Position::default());
        assert_eq!(
            motion.at(ms(600)),
            Position {
                pan: 500,
                tilt: -250,
                zoom: 1000
            }
        );
        assert_eq!(
            motion.at(ms(1100)),
            Position {
                pan: 1000,
                tilt: -500,
                zoom: 1000
            }
        );
        assert_eq!(
            motion.at(ms(9000)),
            Position {
                pan: 1000,
                tilt: -1000,
                zoom: 1000
            }
        );
        assert_eq!(motion.pan_tilt_arrives(), ms(2100));
        assert_eq!(motion.zoom_arrives(), ms(600));
    }

    #[test]
    fn a_new_target_starts_from_where_it_is() {
        let mut motion = Motion::standing(Position::default(), SPEED);
        motion.drive_pan_tilt(1000, 0, ms(0), 1);
        motion.drive_pan_tilt(0, 0, ms(400), 1);
        assert_eq!(motion.at(ms(600)).pan, 200);
        assert_eq!(motion.pan_tilt_arrives(), ms(800));
        motion.stop(ms(600));
        assert_eq!(motion.at(ms(5000)).pan, 200);
    }

    #[test]
    fn a_slow_motor_takes_as_many_times_longer() {
        let mut motion = Motion::standing(Position::default(), SPEED);
        motion.drive_pan_tilt(1000, 0, ms(0), 10);
        assert_eq!(motion.pan_tilt_arrives(), ms(10_000));
    }
}
