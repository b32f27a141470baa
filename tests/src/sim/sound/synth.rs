//! The sounds themselves, computed: nothing is recorded and no other program is needed.
//!
//! Speech here is what a level meter, a noise-floor estimate and a speech detector find in speech:
//! voiced bursts with a moving pitch and formants, syllable by syllable, words parted by pauses.

use std::f64::consts::TAU;

use super::Sound;
use super::wav::RATE;
use crate::sim::random::Random;

/// Length of every sound, seconds.
const SECONDS: u32 = 5;

/// Harmonics of a voice.
const HARMONICS: u32 = 24;

/// One microphone's samples of `sound`; full scale is 1.0. `label` parts microphones with one seed.
#[must_use]
pub fn samples(sound: Sound, seed: u64, label: &str) -> Vec<f64> {
    let mut random = Random::new(seed, label);
    match sound {
        Sound::Speech => add(speech(&mut random, -26.0), &hiss(&mut random, -65.0)),
        Sound::QuietRoom => hiss(&mut random, -65.0),
        Sound::Noisy => add(speech(&mut random, -26.0), &hiss(&mut random, -35.0)),
        Sound::Hum => {
            let speech = add(speech(&mut random, -26.0), &hiss(&mut random, -65.0));
            let harmonics = [
                (50.0, -32.0),
                (100.0, -40.0),
                (150.0, -36.0),
                (250.0, -44.0),
                (350.0, -48.0),
            ];
            harmonics
                .iter()
                .fold(speech, |sum, &(hertz, dbfs)| add(sum, &tone(hertz, dbfs, dbfs)))
        }
        Sound::Howl => add(hiss(&mut random, -65.0), &tone(2100.0, -46.0, -6.0)),
        Sound::Clipped => {
            // The gain that overloads it lifts its floor too.
            let loud = add(speech(&mut random, 0.0), &hiss(&mut random, -45.0));
            loud.into_iter().map(|sample| sample.clamp(-1.0, 1.0)).collect()
        }
        Sound::Dead => vec![0.0; length()],
        Sound::Dc => vec![0.05; length()],
    }
}

fn length() -> usize {
    usize::try_from(SECONDS * RATE).unwrap_or(0)
}

/// White noise of this level.
fn hiss(random: &mut Random, dbfs: f64) -> Vec<f64> {
    let deviation = amplitude(dbfs);
    (0..length()).map(|_| random.normal() * deviation).collect()
}

/// A sine whose level goes evenly from one level to the other.
fn tone(hertz: f64, from_dbfs: f64, to_dbfs: f64) -> Vec<f64> {
    let length = length();
    (0..length)
        .map(|place| {
            let place = place as f64;
            let level = from_dbfs + (to_dbfs - from_dbfs) * place / length as f64;
            std::f64::consts::SQRT_2 * amplitude(level) * (TAU * hertz * place / f64::from(RATE)).sin()
        })
        .collect()
}

/// A voice of this level over the whole length, pauses included.
fn speech(random: &mut Random, dbfs: f64) -> Vec<f64> {
    let mut voice = Vec::with_capacity(length());
    while voice.len() < length() {
        for _ in 0..syllables_of_a_word(random) {
            syllable(random, &mut voice);
            pause(random, 0.02, 0.06, &mut voice);
        }
        pause(random, 0.25, 0.55, &mut voice);
    }
    voice.truncate(length());
    scaled(voice, dbfs)
}

fn syllables_of_a_word(random: &mut Random) -> u64 {
    2 + random.next_u64() % 4
}

/// A vowel: a gliding pitch, its harmonics shaped by two formants, soft at both ends.
fn syllable(random: &mut Random, voice: &mut Vec<f64>) {
    let samples = (random.between(0.12, 0.25) * f64::from(RATE)) as u32;
    let (pitch, glide) = (random.between(105.0, 165.0), random.between(-20.0, 20.0));
    let formants = [
        (random.between(300.0, 800.0), 1.0),
        (random.between(900.0, 2300.0), 0.45),
    ];
    let loudness = random.between(0.6, 1.0);
    let weights: Vec<f64> = (1..=HARMONICS)
        .map(|harmonic| {
            let hertz = pitch * f64::from(harmonic);
            let shape: f64 = formants
                .iter()
                .map(|(at, gain)| gain / (1.0 + ((hertz - at) / 130.0).powi(2)))
                .sum();
            shape + 0.03
        })
        .collect();
    let mut phase = 0.0_f64;
    for place in 0..samples {
        let through = f64::from(place) / f64::from(samples);
        phase = (phase + (pitch + glide * through) / f64::from(RATE)).fract();
        let envelope = (through * std::f64::consts::PI).sin().sqrt();
        let sum: f64 = weights
            .iter()
            .zip(1_u32..)
            .map(|(weight, harmonic)| weight * (TAU * phase * f64::from(harmonic)).sin())
            .sum();
        voice.push(loudness * envelope * sum);
    }
}

fn pause(random: &mut Random, shortest_s: f64, longest_s: f64, voice: &mut Vec<f64>) {
    let samples = (random.between(shortest_s, longest_s) * f64::from(RATE)) as usize;
    voice.extend(std::iter::repeat_n(0.0, samples));
}

/// Scales to this level over the whole length.
fn scaled(samples: Vec<f64>, dbfs: f64) -> Vec<f64> {
    let gain = amplitude(dbfs) / rms(&samples).max(f64::MIN_POSITIVE);
    samples.into_iter().map(|sample| sample * gain).collect()
}

fn add(samples: Vec<f64>, more: &[f64]) -> Vec<f64> {
    samples
        .into_iter()
        .zip(more)
        .map(|(one, other)| one + other)
        .collect()
}

fn amplitude(dbfs: f64) -> f64 {
    10.0_f64.powf(dbfs / 20.0)
}

fn rms(samples: &[f64]) -> f64 {
    (samples.iter().map(|sample| sample * sample).sum::<f64>() / samples.len().max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(samples: &[f64]) -> f64 {
        20.0 * rms(samples).log10()
    }

    /// The 10th percentile of the level of 50 ms windows.
    fn floor(samples: &[f64]) -> f64 {
        let mut levels: Vec<f64> = samples.chunks(2400).map(level).collect();
        levels.sort_by(f64::total_cmp);
        levels[levels.len() / 10]
    }

    fn near(figure: f64, expected: f64, within: f64) {
        assert!(
            (figure - expected).abs() <= within,
            "{figure} is not {expected} within {within}"
        );
    }

    fn heard(sound: Sound) -> Vec<f64> {
        samples(sound, 1, "mic.chair")
    }

    /// Level of one frequency (Goertzel).
    fn level_at(samples: &[f64], hertz: f64) -> f64 {
        let (mut re, mut im) = (0.0, 0.0);
        for (place, sample) in samples.iter().enumerate() {
            let angle = TAU * hertz * place as f64 / f64::from(RATE);
            re += sample * angle.cos();
            im += sample * angle.sin();
        }
        20.0 * (std::f64::consts::SQRT_2 * (re * re + im * im).sqrt() / samples.len() as f64).log10()
    }

    #[test]
    fn speech_has_its_level_its_floor_and_no_clipping_for_any_seed() {
        for seed in 1..=5 {
            let speech = samples(Sound::Speech, seed, "mic.chair");
            assert_eq!(speech.len(), 240_000);
            near(level(&speech), -26.0, 0.2);
            near(floor(&speech), -65.0, 1.5);
            assert!(speech.iter().all(|sample| sample.abs() < 0.5));
        }
    }

    #[test]
    fn the_same_seed_is_the_same_sound_and_each_microphone_has_its_own() {
        assert_eq!(heard(Sound::Speech), heard(Sound::Speech));
        assert_ne!(heard(Sound::Speech), samples(Sound::Speech, 1, "mic.left"));
    }

    #[test]
    fn a_quiet_room_is_its_floor() {
        let quiet = heard(Sound::QuietRoom);
        near(level(&quiet), -65.0, 0.2);
        near(floor(&quiet), -65.0, 0.5);
    }

    #[test]
    fn hiss_lifts_the_floor_and_not_the_speech() {
        let noisy = heard(Sound::Noisy);
        near(floor(&noisy), -35.0, 0.5);
        near(level(&noisy), -25.5, 0.3);
    }

    #[test]
    fn hum_stands_at_the_mains_and_its_harmonics() {
        let hum = heard(Sound::Hum);
        near(level_at(&hum, 50.0), -32.0, 0.5);
        near(level_at(&hum, 150.0), -36.0, 2.0);
        assert!(level_at(&heard(Sound::Speech), 50.0) < -60.0);
    }

    #[test]
    fn a_howl_grows_at_one_frequency() {
        let howl = heard(Sound::Howl);
        let (first, last) = (&howl[..48_000], &howl[192_000..]);
        assert!(level_at(last, 2100.0) > level_at(first, 2100.0) + 25.0);
        near(level(&howl[235_200..]), -6.4, 0.5);
        assert!(howl.iter().all(|sample| sample.abs() <= 1.0));
    }

    #[test]
    fn clipped_speech_stands_at_full_scale_for_a_good_part() {
        let clipped = heard(Sound::Clipped);
        let at_limit = clipped.iter().filter(|sample| sample.abs() >= 1.0).count();
        let share = at_limit as f64 / clipped.len() as f64;
        assert!((0.03..0.6).contains(&share), "{share} of the samples");
    }

    #[test]
    fn dead_and_dc_are_constant() {
        assert!(heard(Sound::Dead).iter().all(|sample| *sample == 0.0));
        assert!(heard(Sound::Dc).iter().all(|sample| *sample == 0.05));
    }
}
