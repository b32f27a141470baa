//! Seeded pseudo-random numbers (SplitMix64): the same seed gives the same garbage and the same noise.
//!
//! Not for secrets. A simulator that misbehaves must misbehave the same way each time, or a failed
//! test could not be looked at again.

/// A seeded source of numbers.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A source that starts from `seed` and `label`, so that two devices with one seed differ.
    #[must_use]
    pub fn new(seed: u64, label: &str) -> Self {
        // FNV-1a over the label.
        let state = label.bytes().fold(seed ^ 0xCBF2_9CE4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        });
        Self { state }
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0.0 up to but not including 1.0.
    pub fn unit(&mut self) -> f64 {
        // 53 bits are what an f64 holds exactly.
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number between `low` and `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A normally distributed number of mean 0 and deviation 1 (sum of twelve uniform ones).
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// `count` random bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next_u64().to_le_bytes()[0]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_label_give_the_same_numbers() {
        let draw = |seed, label| Random::new(seed, label).bytes(16);
        assert_eq!(draw(1, "codec"), draw(1, "codec"));
        assert_ne!(draw(1, "codec"), draw(2, "codec"));
        assert_ne!(draw(1, "codec"), draw(1, "camera.main"));
    }

    #[test]
    fn the_normal_numbers_have_mean_zero_and_deviation_one() {
        let mut random = Random::new(7, "normal");
        let drawn: Vec<f64> = (0..20_000).map(|_| random.normal()).collect();
        let mean = drawn.iter().sum::<f64>() / 20_000.0;
        let variance = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.05, "variance {variance}");
    }
}
