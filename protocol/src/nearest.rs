//! The nearest known word to one that is not known: one rule for all messages about wrong input.

/// The word of `known` that is most like `given`, if any is like it at all.
#[must_use]
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|word| (strsim::jaro_winkler(given, word), word))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_misspelt_word_finds_its_neighbour_and_a_strange_one_finds_none() {
        assert_eq!(nearest("adress", ["address", "driver"]), Some("address"));
        assert_eq!(nearest("zzz", ["address", "driver"]), None);
        assert_eq!(nearest("", ["address"]), None);
    }
}
