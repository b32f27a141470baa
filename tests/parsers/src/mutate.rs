//! Changes an input, again and again, from a seed: the stable stand-in for a fuzzer. The same seed gives the same inputs
//! everywhere.

/// Bytes that stand at the edge of something.
const EDGES: [u8; 14] = [
    0, 1, 0x7F, 0x80, 0xFF, 0xFE, b'\r', b'\n', b'"', b'\\', b'{', b'[', b':', b'.',
];

/// Words that parsers stumble over.
const WORDS: [&[u8]; 10] = [
    b"18446744073709551615",
    b"-9223372036854775808",
    b"1e999",
    b"null",
    b"\xF0\x9F\x92\xA9",
    b"\xE2\x80\xAE",
    b"</script><script>",
    b"\xFE\x01",
    b"\xFF\xFF\xFF\xFF",
    b"[[[[[[[[[[[[[[[[",
];

/// A row of numbers from a seed (splitmix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 when that is 0.
    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

/// One to four changes of `input`; `other` is another input of which a piece may be taken. Never longer than `cap`.
#[must_use]
pub fn changed(input: &[u8], other: &[u8], cap: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(4) {
        change(&mut bytes, other, random);
        bytes.truncate(cap);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(bytes.len());
    let end = at + random.below(bytes.len().saturating_sub(at).min(64) + 1);
    match random.below(10) {
        0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
        1 if !bytes.is_empty() => bytes[at] = random.byte(),
        2 if !bytes.is_empty() => bytes[at] = EDGES[random.below(EDGES.len())],
        3 => drop(bytes.drain(at..end)),
        4 => {
            let piece = bytes[at..end].to_vec();
            bytes.splice(end..end, piece);
        }
        5 => {
            let word = WORDS[random.below(WORDS.len())];
            bytes.splice(at..end, word.iter().copied());
        }
        6 => {
            let from = random.below(other.len());
            let until = from + random.below(other.len().saturating_sub(from).min(128) + 1);
            bytes.splice(at..end, other[from..until].iter().copied());
        }
        7 => bytes.truncate(at),
        8 => {
            let byte = random.byte();
            bytes.insert(at, byte);
        }
        _ => {
            let to = random.below(bytes.len().saturating_sub(end - at) + 1);
            let piece: Vec<u8> = bytes.drain(at..end).collect();
            bytes.splice(to..to, piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_inputs_and_they_differ() {
        let run = |seed| {
            let mut random = Random::new(seed);
            let made: Vec<Vec<u8>> = (0..200)
                .map(|_| changed(b"one input of some length", b"another", 40, &mut random))
                .collect();
            made
        };
        assert_eq!(run(1), run(1));
        let made = run(1);
        assert!(made.iter().all(|input| input.len() <= 40));
        let different: std::collections::BTreeSet<_> = made.into_iter().collect();
        assert!(different.len() > 150, "{}", different.len());
        let mut random = Random::new(3);
        for _ in 0..200 {
            let _of_nothing = changed(b"", b"", 10, &mut random);
        }
    }
}
