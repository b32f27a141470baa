//! The figures of one sound channel, computed from its samples: pure, and bounded by construction.
//!
//! Samples go in one by one and are forgotten; what stays is sums, one small record for each 50 ms window,
//! and a run length. Nothing that could be played back can be made from them (R27).
//!
//! A full-scale sine has 0 dBFS peak and -3.01 dBFS root mean square: the convention of GStreamer's `level`
//! and of `sox stat`. The figures serve R16 (hiss, overload, a dead microphone) and R17 (comparison with the
//! reference figures). Integers are scaled by their full range, so 16-bit full scale upwards is 0.99997.

use crate::reading::SoundReading;

/// From here on a sample counts as standing at full scale. Below 16-bit 32767/32768, above 32764/32768.
pub const FULL_SCALE: f32 = 0.9999;

/// Shortest run of full-scale samples of one sign that is clipping and not a lone peak.
const CLIP_RUN: u64 = 3;

/// Length of the windows among which the noise floor is looked for, milliseconds.
const WINDOW_MS: u64 = 50;

/// Collects one channel and gives its [`SoundReading`].
///
/// What is no number becomes silence and what is beyond full scale becomes full scale: converters cannot
/// give either, damaged files can, and no figure may be infinite or undefined because of one.
#[derive(Debug, Clone)]
pub struct Figures {
    rate: u32,
    limit: u64,
    window_len: u64,
    /// The first sample. Sums are of differences from it: that keeps a small noise on a large DC exact,
    /// and gives exactly zero for a constant.
    origin: f64,
    total: Sums,
    peak: f32,
    constant: bool,
    clipped: u64,
    run: Run,
    window: Window,
    windows: Vec<Window>,
}

impl Figures {
    /// Figures for `rate` samples per second, of at most `limit_ms` milliseconds; more is not taken.
    ///
    /// A rate of 0 is taken as 1, so that nothing divides by zero.
    pub fn new(rate: u32, limit_ms: u64) -> Self {
        let rate = rate.max(1);
        Self {
            rate,
            limit: u64::from(rate).saturating_mul(limit_ms) / 1000,
            window_len: (u64::from(rate) * WINDOW_MS / 1000).max(1),
            origin: 0.0,
            total: Sums::default(),
            peak: 0.0,
            constant: true,
            clipped: 0,
            run: Run::default(),
            window: Window::default(),
            windows: Vec::new(),
        }
    }

    /// Takes one sample, -1.0 to 1.0. Does nothing once [`full`](Self::full).
    pub fn add(&mut self, sample: f32) {
        if self.full() {
            return;
        }
        let sample = if sample.is_nan() {
            0.0
        } else {
            sample.clamp(-1.0, 1.0)
        };
        if self.total.count == 0 {
            self.origin = f64::from(sample);
        }
        let offset = f64::from(sample) - self.origin;
        self.total.add(offset);
        self.peak = self.peak.max(sample.abs());
        self.constant &= offset == 0.0;
        self.clipped += self.run.add(sample);
        self.window.add(offset);
        if self.window.sums.count == self.window_len {
            self.windows.push(std::mem::take(&mut self.window));
        }
    }

    /// True when as much was taken as was asked for.
    pub fn full(&self) -> bool {
        self.total.count >= self.limit
    }

    /// The figures of what was taken; `None` when nothing was.
    pub fn reading(&self) -> Option<SoundReading> {
        let samples = self.total.count;
        if samples == 0 {
            return None;
        }
        let mean = self.total.mean();
        Some(SoundReading {
            duration_ms: samples.saturating_mul(1000) / u64::from(self.rate),
            samples,
            rms_dbfs: if self.constant {
                None
            } else {
                power_dbfs(self.total.power_around(mean))
            },
            peak_dbfs: power_dbfs(f64::from(self.peak).powi(2)),
            floor_dbfs: self.floor(mean),
            dc: (self.origin + mean).clamp(-1.0, 1.0),
            constant: self.constant,
            clipped: self.clipped as f64 / samples as f64,
        })
    }

    /// The 10th percentile (nearest rank) of the windows' root mean square around the capture's own mean.
    ///
    /// Around the capture's mean and not each window's, because a window may end in the middle of a period
    /// of 50 Hz hum. A window of equal samples is silence: its distance from the mean is no sound. Only
    /// whole windows count, unless the capture is shorter than one.
    fn floor(&self, mean: f64) -> Option<f64> {
        let mut powers: Vec<f64> = if self.windows.is_empty() {
            vec![self.window.power_around(mean)]
        } else {
            self.windows
                .iter()
                .map(|window| window.power_around(mean))
                .collect()
        };
        let rank = powers.len().div_ceil(10).saturating_sub(1);
        powers.sort_by(f64::total_cmp);
        powers.get(rank).copied().and_then(power_dbfs)
    }
}

/// Mean power (full-scale square wave = 1.0) as dBFS; `None` for no power at all.
fn power_dbfs(power: f64) -> Option<f64> {
    (power > 0.0)
        .then(|| 10.0 * power.log10())
        .filter(|level| level.is_finite())
}

/// Count, sum and sum of squares.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: u64,
    sum: f64,
    squares: f64,
}

impl Sums {
    fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.squares += value * value;
    }

    fn mean(&self) -> f64 {
        if self.count == 0 {
            0.0
        } else {
            self.sum / self.count as f64
        }
    }

    /// Mean square distance from `centre`; rounding may not make it negative.
    fn power_around(&self, centre: f64) -> f64 {
        if self.count == 0 {
            return 0.0;
        }
        let count = self.count as f64;
        ((self.squares - 2.0 * centre * self.sum) / count + centre * centre).max(0.0)
    }
}

/// One 50 ms window.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    sums: Sums,
    first: f64,
    varied: bool,
}

impl Window {
    fn add(&mut self, value: f64) {
        if self.sums.count == 0 {
            self.first = value;
        }
        self.varied |= value != self.first;
        self.sums.add(value);
    }

    fn power_around(&self, centre: f64) -> f64 {
        if self.varied {
            self.sums.power_around(centre)
        } else {
            0.0
        }
    }
}

/// The run of full-scale samples of one sign that is going on.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    length: u64,
    positive: bool,
}

impl Run {
    /// Takes a sample and gives how many samples have become clipped by it: a run counts from its third
    /// sample on, and then with its first two.
    fn add(&mut self, sample: f32) -> u64 {
        if sample.abs() < FULL_SCALE {
            self.length = 0;
            return 0;
        }
        let positive = sample > 0.0;
        self.length = if self.length > 0 && positive == self.positive {
            self.length + 1
        } else {
            1
        };
        self.positive = positive;
        match self.length {
            0..CLIP_RUN => 0,
            CLIP_RUN => CLIP_RUN,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use proptest::prelude::*;

    use super::*;

    const RATE: u32 = 48_000;

    fn measure(samples: impl IntoIterator<Item = f32>) -> SoundReading {
        let mut figures = Figures::new(RATE, 60_000);
        samples.into_iter().for_each(|sample| figures.add(sample));
        figures.reading().unwrap()
    }

    fn sine(hertz: f64, peak_dbfs: f64, samples: u32) -> impl Iterator<Item = f32> {
        let amplitude = 10f64.powf(peak_dbfs / 20.0);
        (0..samples).map(move |n| (amplitude * (TAU * hertz * f64::from(n) / f64::from(RATE)).sin()) as f32)
    }

    /// White noise from a fixed congruential generator, uniform in ±amplitude.
    fn noise(amplitude: f32, samples: usize) -> impl Iterator<Item = f32> {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        std::iter::repeat_with(move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            amplitude * (((state >> 40) as f32 / (1u64 << 23) as f32) - 1.0)
        })
        .take(samples)
    }

    fn near(value: Option<f64>, wanted: f64, tolerance: f64) {
        let value = value.unwrap();
        assert!(
            (value - wanted).abs() <= tolerance,
            "{value} is not {wanted} ± {tolerance}"
        );
    }

    #[test]
    fn a_sine_of_minus_20_dbfs_peak_reads_minus_23_01() {
        let reading = measure(sine(1000.0, -20.0, RATE));
        near(reading.rms_dbfs, -23.01, 0.005);
        near(reading.peak_dbfs, -20.0, 0.005);
        near(reading.floor_dbfs, -23.01, 0.005);
        assert_eq!((reading.duration_ms, reading.samples), (1000, 48_000));
        assert!(reading.dc.abs() < 1e-6 && !reading.constant && reading.clipped == 0.0);
    }

    #[test]
    fn hum_reads_its_level_in_windows_that_end_inside_a_period() {
        let reading = measure(sine(50.0, -40.0, 2 * RATE));
        near(reading.rms_dbfs, -43.01, 0.005);
        near(reading.floor_dbfs, -43.01, 0.01);
    }

    #[test]
    fn a_full_scale_sine_touches_full_scale_and_is_not_called_clipped_beyond_that() {
        let reading = measure(sine(997.0, 0.0, RATE));
        near(reading.peak_dbfs, 0.0, 0.001);
        near(reading.rms_dbfs, -3.01, 0.005);
        assert!(reading.clipped < 0.02, "{}", reading.clipped);
    }

    #[test]
    fn silence_has_no_level_at_all() {
        let reading = measure(std::iter::repeat_n(0.0, 4_800));
        assert_eq!(
            (reading.rms_dbfs, reading.peak_dbfs, reading.floor_dbfs),
            (None, None, None)
        );
        assert!(reading.constant && reading.dc == 0.0 && reading.clipped == 0.0);
    }

    #[test]
    fn direct_current_is_constant_and_has_a_peak_but_no_rms() {
        let reading = measure(std::iter::repeat_n(0.1, 4_800));
        assert_eq!((reading.rms_dbfs, reading.floor_dbfs), (None, None));
        near(reading.peak_dbfs, -20.0, 0.001);
        assert!(reading.constant && (reading.dc - 0.1).abs() < 1e-6);
    }

    #[test]
    fn direct_current_does_not_hide_a_small_noise_nor_add_to_it() {
        let reading = measure(noise(1e-4, 96_000).map(|sample| sample + 0.5));
        // Uniform noise: peak / sqrt(3). Adding 0.5 rounds each sample to 2^-24, far below it.
        near(reading.rms_dbfs, -80.0 - 4.771, 0.05);
        near(reading.floor_dbfs, -80.0 - 4.771, 0.3);
        assert!((reading.dc - 0.5).abs() < 1e-5 && !reading.constant);
    }

    #[test]
    fn one_differing_bit_is_not_constant() {
        let mut samples = vec![0.25f32; 4_800];
        samples[4_000] = 0.25 + f32::EPSILON;
        let reading = measure(samples);
        assert!(!reading.constant);
        assert!(reading.rms_dbfs.is_some_and(|level| level < -150.0));
    }

    #[test]
    fn the_floor_is_that_of_the_pauses_not_of_the_speech() {
        let speech_with_pauses = (0..20).flat_map(|n| {
            let level = if n % 4 == 0 { -60.0 } else { -20.0 };
            sine(1000.0, level, RATE / 10)
        });
        let reading = measure(speech_with_pauses);
        near(reading.floor_dbfs, -63.01, 0.01);
        near(reading.rms_dbfs, -23.01 + 10.0 * 0.75f64.log10(), 0.01);
    }

    #[test]
    fn the_tenth_percentile_is_the_nearest_rank() {
        // Twenty windows, -21 to -40 dBFS peak: rank 2 of 20 from below is -39.
        let reading = measure((21..=40).flat_map(|level| sine(1000.0, -f64::from(level), RATE / 20)));
        near(reading.floor_dbfs, -42.01, 0.01);
    }

    #[test]
    fn a_gate_that_gives_digital_silence_in_pauses_leaves_no_floor() {
        let gated = (0..20).flat_map(|n| {
            let gain = if n % 4 == 0 { 0.0 } else { 1.0 };
            noise(0.1, 4_800).map(move |sample| sample * gain)
        });
        let reading = measure(gated);
        assert_eq!(reading.floor_dbfs, None);
        assert!(reading.rms_dbfs.is_some() && !reading.constant);
    }

    #[test]
    fn clipping_is_the_share_of_samples_in_runs_of_three_or_more_of_one_sign() {
        let run = |length: usize| std::iter::repeat_n(1.0f32, length).chain([0.0]);
        assert_eq!(measure(run(2)).clipped, 0.0);
        assert_eq!(measure(run(3)).clipped, 3.0 / 4.0);
        assert_eq!(measure(run(9)).clipped, 9.0 / 10.0);
        assert_eq!(measure(run(2).chain(run(4))).clipped, 4.0 / 8.0);
        assert_eq!(measure([1.0, 1.0, -1.0, -1.0]).clipped, 0.0);
        assert_eq!(measure([1.0, 1.0, 1.0, -1.0]).clipped, 3.0 / 4.0);
        assert_eq!(measure([32_767.0 / 32_768.0; 4]).clipped, 1.0);
        assert_eq!(measure([0.999; 4]).clipped, 0.0);
    }

    #[test]
    fn an_overdriven_sine_is_clipped_for_the_time_it_would_be_above_full_scale() {
        // +6.02 dB over full scale: above it for 1 - 2·asin(1/2)/π = 2/3 of the time.
        let reading = measure(sine(100.0, 6.0206, RATE));
        assert!((reading.clipped - 2.0 / 3.0).abs() < 0.01, "{}", reading.clipped);
        near(reading.peak_dbfs, 0.0, 1e-9);
    }

    #[test]
    fn no_more_is_taken_than_was_asked_for() {
        let mut figures = Figures::new(8_000, 100);
        assert!(!figures.full());
        noise(0.1, 100_000).for_each(|sample| figures.add(sample));
        assert!(figures.full());
        let reading = figures.reading().unwrap();
        assert_eq!((reading.samples, reading.duration_ms), (800, 100));
        assert_eq!(figures.windows.len(), 2);
    }

    #[test]
    fn a_capture_shorter_than_a_window_still_has_a_floor_and_none_has_no_reading() {
        near(measure(sine(1000.0, -20.0, 480)).floor_dbfs, -23.01, 0.01);
        assert_eq!(Figures::new(RATE, 1000).reading(), None);
        assert_eq!(Figures::new(0, 0).reading(), None);
    }

    proptest! {
        #[test]
        fn any_samples_give_finite_figures_within_their_ranges(
            bits in prop::collection::vec(any::<u32>(), 1..3_000),
            rate in 0u32..400_000,
        ) {
            let mut figures = Figures::new(rate, 1_000_000);
            bits.iter().for_each(|bits| figures.add(f32::from_bits(*bits)));
            let taken = (u64::from(rate.max(1)) * 1000).min(bits.len() as u64);
            let reading = figures.reading().unwrap();
            prop_assert_eq!(reading.samples, taken);
            for level in [reading.rms_dbfs, reading.peak_dbfs, reading.floor_dbfs].into_iter().flatten() {
                prop_assert!(level.is_finite() && level <= 1e-9, "{}", level);
            }
            prop_assert!((-1.0..=1.0).contains(&reading.dc));
            prop_assert!((0.0..=1.0).contains(&reading.clipped));
            prop_assert!(reading.rms_dbfs.is_none_or(|rms| Some(rms) <= reading.peak_dbfs.map(|peak| peak + 6.03)));
        }

        #[test]
        fn a_gain_moves_every_level_by_itself(db in -60.0f64..0.0) {
            let quiet = 10f32.powf(db as f32 / 20.0);
            let loud = measure(noise(0.5, 9_600));
            let soft = measure(noise(0.5, 9_600).map(|sample| sample * quiet));
            near(soft.rms_dbfs, loud.rms_dbfs.unwrap() + db, 0.001);
            near(soft.peak_dbfs, loud.peak_dbfs.unwrap() + db, 0.001);
            near(soft.floor_dbfs, loud.floor_dbfs.unwrap() + db, 0.001);
        }
    }
}
