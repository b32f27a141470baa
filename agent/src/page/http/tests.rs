//! What a page sends with a change: any bytes are read or refused, and never more of them than are allowed.

use proptest::prelude::*;

use super::*;

/// What becomes of a body.
fn sent<T: DeserializeOwned>(bytes: Vec<u8>) -> Result<T, StatusCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let heard = runtime.block_on(read(Body::from(bytes)));
    heard.map_err(|refused| refused.status())
}

#[test]
fn a_body_is_read_up_to_its_cap() {
    let padded = |bytes: usize| format!("{{\"only\":null{}}}", " ".repeat(bytes - 13)).into_bytes();
    assert!(sent::<Asked>(padded(BODY)).is_ok());
    assert_eq!(
        sent::<Asked>(padded(BODY + 1)).err(),
        Some(StatusCode::PAYLOAD_TOO_LARGE)
    );
    assert_eq!(
        sent::<Asked>(b"{\"all\":1}".to_vec()).err(),
        Some(StatusCode::BAD_REQUEST)
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for status in [sent::<Asked>(bytes.clone()).err(), sent::<Acceptance>(bytes).err()].into_iter().flatten() {
            prop_assert_eq!(status, StatusCode::BAD_REQUEST);
        }
    }

    #[test]
    fn near_misses_of_a_change_are_read_or_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = b"{\"by\":\"Tr\xE1\xBB\xB1c ban\",\"allowed_by\":\"Nam\"}".to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(Acceptance { by, allowed_by }) = sent::<Acceptance>(bytes) {
            for named in [person(&by), person(&allowed_by)].into_iter().flatten() {
                prop_assert!(!named.is_empty() && !named.chars().any(char::is_control));
            }
        }
    }

    #[test]
    fn a_name_is_some_letters_on_one_line_or_nobody(given in any::<String>()) {
        if let Some(named) = person(&given) {
            prop_assert!(named.chars().count() <= NAME_LENGTH && !named.chars().any(char::is_control));
        }
    }
}
