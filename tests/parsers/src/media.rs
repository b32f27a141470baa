//! What a media child is asked and what it answers: one request, one line of numbers.

use bridgepoint_hw::media::SoundRequest;
use bridgepoint_hw::media::border::{
    ANSWER_CAP, REQUEST_CAP, Work, parse_reply, parse_request, write_reply, write_request,
};
use bridgepoint_hw::media::figures::Figures;

/// Both directions, over the same bytes.
pub(crate) fn border(data: &[u8]) {
    match parse_request(data) {
        Ok(asked) => {
            assert!(data.len() <= REQUEST_CAP);
            let parent = asked.parent;
            match asked.work::<SoundRequest>() {
                Ok(work) => {
                    assert_eq!(work.check(), Ok(()));
                    let written = write_request(parent, &work).expect("it came as text");
                    let again = parse_request(&written).expect("what was written is read");
                    assert_eq!((again.parent, again.work()), (parent, Ok(work)));
                }
                Err(refusal) => one_line(&refusal.detail),
            }
        }
        Err(refusal) => one_line(&refusal.detail),
    }
    match parse_reply::<SoundRequest>(data) {
        Ok(reply) => {
            assert!(data.len() <= ANSWER_CAP);
            match &reply {
                Ok(figures) => assert!(SoundRequest::plausible(figures)),
                Err(refusal) => one_line(&refusal.detail),
            }
            let written = write_reply::<SoundRequest>(&reply).expect("numbers and text");
            let again = parse_reply::<SoundRequest>(&written).expect("what was written is read");
            assert_eq!(again.is_ok(), reply.is_ok());
        }
        Err(why) => assert!(why.len() <= 2 * ANSWER_CAP, "a refusal of {} bytes", why.len()),
    }
}

fn one_line(detail: &str) {
    assert!(
        detail.chars().count() <= 400 && !detail.chars().any(char::is_control),
        "{detail:?}"
    );
}

/// Samples as a damaged file gives them: the first byte is the rate in hundreds, the rest are samples of 32 bits.
pub(crate) fn figures(data: &[u8]) {
    let Some((rate, samples)) = data.split_first() else {
        return;
    };
    let mut figures = Figures::new(u32::from(*rate) * 100, 2_000);
    for sample in samples.chunks_exact(4) {
        figures.add(f32::from_le_bytes([sample[0], sample[1], sample[2], sample[3]]));
    }
    match figures.reading() {
        Some(reading) => assert!(SoundRequest::plausible(&reading), "{reading:?}"),
        None => assert!(
            samples.len() < 4 || figures.full(),
            "samples went in and nothing comes out"
        ),
    }
}
