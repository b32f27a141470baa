//! Parsers that do what no parser may: a run over one of them has to fail, or the limits are none.

/// A little more than a whole process may take, bytes.
const TOO_MUCH: usize = 65 << 20;

/// Takes too much memory.
pub(crate) fn memory(data: &[u8]) {
    let much = vec![data.first().copied().unwrap_or(1); TOO_MUCH];
    assert_eq!(std::hint::black_box(much).len(), TOO_MUCH);
}

/// Does not hold.
pub(crate) fn panics(data: &[u8]) {
    assert!(data.len() == usize::MAX, "this probe never holds");
}

/// Comes to no end.
pub(crate) fn spins(data: &[u8]) {
    let mut turns = 0_u64;
    while std::hint::black_box(data).len() != usize::MAX {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}
