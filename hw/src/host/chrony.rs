//! One question to chronyd, the time daemon: is the clock synchronised?
//!
//! The question is `tracking` of chronyd's own monitoring protocol, version 6, as `chronyc tracking` asks it:
//! one datagram to the loopback address, one back. It reads and changes nothing; the protocol's other requests
//! are not here. All numbers are big-endian; a request is as long as its answer.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use crate::reading::{Answer, ProbeError};

/// The port chronyd takes questions on.
pub(super) const PORT: u16 = 323;

/// How long is waited for the answer. It comes from the same box, in less than a millisecond.
const WAIT: Duration = Duration::from_millis(300);

/// Length of the answer to `tracking`, and so of the question.
const LENGTH: usize = 104;

const VERSION: u8 = 6;
const REQUEST: u8 = 1;
const REPLY: u8 = 2;
/// `REQ_TRACKING`.
const ASK_TRACKING: u16 = 33;
/// `RPY_TRACKING`.
const TELL_TRACKING: u16 = 5;
/// Anything serves: the socket is connected and asks once.
const SEQUENCE: u32 = 0x6272_6467;

/// Asks a chronyd whether the clock is synchronised with another one over the network.
pub(super) fn synchronised(chronyd: SocketAddr) -> Answer<bool> {
    let no_answer = ProbeError::NoAnswer { waited_ms: 0 };
    let socket = UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0)).map_err(|_| no_answer.clone())?;
    socket
        .set_read_timeout(Some(WAIT))
        .map_err(|_| no_answer.clone())?;
    socket
        .connect(chronyd)
        .and_then(|()| socket.send(&question()))
        .map_err(|_| no_answer.clone())?;
    let mut answer = [0; 512];
    // One datagram: the socket takes none from anybody else.
    let length = socket.recv(&mut answer).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => ProbeError::NoAnswer {
            waited_ms: WAIT.as_millis().try_into().unwrap_or(u64::MAX),
        },
        _ => no_answer,
    })?;
    read(answer.get(..length).unwrap_or_default())
}

fn question() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let head = [VERSION, REQUEST, 0, 0]
        .into_iter()
        .chain(ASK_TRACKING.to_be_bytes())
        .chain([0, 0])
        .chain(SEQUENCE.to_be_bytes());
    bytes.iter_mut().zip(head).for_each(|(byte, value)| *byte = value);
    bytes
}

/// Reads the answer: synchronised when the leap status is not "unsynchronised" and the reference is another
/// clock, not this box itself (`local` in chrony.conf).
fn read(answer: &[u8]) -> Answer<bool> {
    const UNSYNCHRONISED: u16 = 3;
    const NONE: u32 = 0;
    const OWN_CLOCK: u32 = 0x7f7f_0101;
    let short = |at: usize| {
        answer
            .get(at..)?
            .first_chunk()
            .map(|bytes| u16::from_be_bytes(*bytes))
    };
    let long = |at: usize| {
        answer
            .get(at..)?
            .first_chunk()
            .map(|bytes| u32::from_be_bytes(*bytes))
    };
    if answer.get(..2) != Some(&[VERSION, REPLY])
        || short(4) != Some(ASK_TRACKING)
        || long(16) != Some(SEQUENCE)
    {
        return Err(ProbeError::Garbled);
    }
    let (kind, status) = (short(6), short(8));
    if status != Some(0) {
        // 3 and up are refusals of the request as such: another version of the protocol, no permission.
        return Err(ProbeError::Refused);
    }
    match (kind, long(28), short(54)) {
        (Some(TELL_TRACKING), Some(reference), Some(leap)) if answer.len() >= LENGTH => {
            Ok(leap != UNSYNCHRONISED && reference != NONE && reference != OWN_CLOCK)
        }
        _ => Err(ProbeError::Garbled),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An answer as chronyd writes it.
    fn answer(reference: u32, leap: u16) -> Vec<u8> {
        let mut bytes = vec![0; LENGTH];
        bytes[..4].copy_from_slice(&[VERSION, REPLY, 0, 0]);
        bytes[4..6].copy_from_slice(&ASK_TRACKING.to_be_bytes());
        bytes[6..8].copy_from_slice(&TELL_TRACKING.to_be_bytes());
        bytes[16..20].copy_from_slice(&SEQUENCE.to_be_bytes());
        bytes[28..32].copy_from_slice(&reference.to_be_bytes());
        bytes[54..56].copy_from_slice(&leap.to_be_bytes());
        bytes
    }

    #[test]
    fn the_question_is_as_long_as_its_answer_and_asks_nothing_else() {
        let question = question();
        assert_eq!(question[..12], [6, 1, 0, 0, 0, 33, 0, 0, 0x62, 0x72, 0x64, 0x67]);
        assert!(question[12..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn answers_of_a_real_chronyd_are_read() {
        // Captured from chronyd 4.3: synchronised with a server; its own clock (`local stratum 5`); neither yet.
        let head = "0602000000210005000000000000000062726467000000000000000000000000";
        let server = "060200000021000500000000000000006272646700000000000000007f000001\
                      7f0000010000000000000000000000000001000000060000000000006b031506\
                      170f05c9dd722bf4cf0bcbead6f0ae18f70f3a4bef6275defc9f9bf5e0d88f70\
                      dcf78bd50281bf78";
        let own = "060200000021000500000000000000006272646700000000000000007f7f0101\
                   000000000000000000000000000000000000000000050000000000006b0314fd\
                   18d1e6e600000000000000000000000000000000000000000000000000000000\
                   0000000000000000";
        let neither = format!("{head}{}00000003{}", "0".repeat(40), "0".repeat(96));
        let bytes = |hex: &str| -> Vec<u8> {
            hex.as_bytes()
                .chunks(2)
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect()
        };
        assert_eq!(read(&bytes(server)), Ok(true));
        assert_eq!(read(&bytes(own)), Ok(false));
        assert_eq!(read(&bytes(&neither)), Ok(false));
        assert_eq!(bytes(&neither), answer(0, 3));
    }

    #[test]
    fn synchronised_means_with_another_clock() {
        assert_eq!(read(&answer(0x0a00_0001, 0)), Ok(true));
        assert_eq!(read(&answer(0x0a00_0001, 1)), Ok(true));
        assert_eq!(read(&answer(0, 3)), Ok(false));
        assert_eq!(read(&answer(0x0a00_0001, 3)), Ok(false));
        assert_eq!(read(&answer(0x7f7f_0101, 0)), Ok(false));
    }

    #[test]
    fn a_refusal_and_another_ones_answer_are_told_apart() {
        let mut refused = answer(0, 0);
        refused[8..10].copy_from_slice(&6u16.to_be_bytes());
        assert_eq!(read(&refused), Err(ProbeError::Refused));
        let mut other = answer(1, 0);
        other[19] ^= 1;
        assert_eq!(read(&other), Err(ProbeError::Garbled));
        assert_eq!(read(&answer(1, 0)[..100]), Err(ProbeError::Garbled));
        assert_eq!(read(&[]), Err(ProbeError::Garbled));
    }

    #[test]
    fn it_is_asked_over_a_real_socket() {
        let chronyd = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = chronyd.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let mut bytes = [0; 512];
            let (length, from) = chronyd.recv_from(&mut bytes).unwrap();
            chronyd.send_to(&answer(0x0a00_0001, 0), from).unwrap();
            bytes[..length].to_vec()
        });
        assert_eq!(synchronised(address), Ok(true));
        assert_eq!(server.join().unwrap(), question());
    }

    #[test]
    fn one_that_is_silent_is_no_answer() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let answer = synchronised(silent.local_addr().unwrap());
        assert_eq!(answer, Err(ProbeError::NoAnswer { waited_ms: 300 }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            at in 0..LENGTH, byte in any::<u8>(), cut in 0..=LENGTH,
        ) {
            prop_assert!(read(&bytes).is_err() || bytes.len() >= LENGTH);
            let mut near = answer(0x0a00_0001, 0);
            near[at] = byte;
            near.truncate(cut);
            prop_assert!(read(&near).is_err() || cut == LENGTH);
        }
    }
}
