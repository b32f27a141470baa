//! Collects the answer to one question out of everything that the unit says meanwhile. Pure.
//!
//! A block ends with `** end`; the line before it carries the tag of the question. What stands in a
//! block of another tag is a late answer to an earlier question; a block without a tag is feedback,
//! which may also cut our answer in two.

use super::line::{Said, Status};
use super::query::{Query, Tag};
use crate::reading::{Answer, ProbeError};

/// Lines in one answer; the largest subtree asked for has some hundred.
pub(super) const ANSWER_LINES_MAX: usize = 2000;

/// The answer that is coming.
#[derive(Debug)]
pub(super) struct Block {
    query: Query,
    tag: Tag,
    lines: Vec<Status>,
    line_tag: Option<String>,
    unknown: bool,
    noise: bool,
    damaged: bool,
}

impl Block {
    pub(super) fn new(query: Query, tag: Tag) -> Self {
        Self {
            query,
            tag,
            lines: Vec::new(),
            line_tag: None,
            unknown: false,
            noise: false,
            damaged: false,
        }
    }

    pub(super) fn query(&self) -> Query {
        self.query
    }

    /// True when lines came that answer nothing, or that were torn.
    pub(super) fn is_noisy(&self) -> bool {
        self.noise || self.damaged
    }

    /// Takes one line; gives the answer when it is whole.
    ///
    /// [`ProbeError::NotSupported`] when the unit does not know the path, [`ProbeError::Garbled`] when a
    /// line of it may have been lost.
    pub(super) fn take(&mut self, said: Said) -> Option<Answer<Vec<Status>>> {
        match said {
            Said::Status(status) if begins_with(&status.path, self.query.path()) => {
                if self.lines.len() < ANSWER_LINES_MAX {
                    self.lines.push(status);
                } else {
                    self.damaged = true;
                }
            }
            Said::Tag(tag) => self.line_tag = Some(tag),
            Said::Unknown => self.unknown = true,
            Said::Torn => self.damaged = true,
            Said::Text => self.noise = true,
            Said::Error => return Some(Err(ProbeError::NotSupported)),
            Said::End => match self.line_tag.take() {
                Some(tag) if tag == self.tag.to_string() => return Some(self.whole()),
                Some(_) => {
                    self.lines.clear();
                    self.unknown = false;
                }
                // Old software does not tag a refusal.
                None if self.unknown => return Some(self.whole()),
                None => {}
            },
            // A command that is not known ends without `** end`.
            Said::Ok if self.unknown && self.line_tag.is_none() => return Some(self.whole()),
            Said::Status(_) | Said::LoggedIn | Said::Ok | Said::Aside | Said::Blank | Said::Echo => {}
        }
        None
    }

    fn whole(&mut self) -> Answer<Vec<Status>> {
        if self.unknown {
            Err(ProbeError::NotSupported)
        } else if self.damaged {
            Err(ProbeError::Garbled)
        } else {
            Ok(std::mem::take(&mut self.lines))
        }
    }

    /// How many lines are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }
}

/// Whether a path begins with these words; their case differs between releases.
fn begins_with(path: &[String], words: &[&str]) -> bool {
    path.len() >= words.len()
        && path
            .iter()
            .zip(words)
            .all(|(have, want)| have.eq_ignore_ascii_case(want))
}

#[cfg(test)]
mod tests {
    use super::super::line::read;
    use super::*;

    /// What comes of these lines, for the question about volume with the tag bp3.
    fn answer(lines: &[&str]) -> Option<Answer<usize>> {
        let mut block = Block::new(Query::Volume, Tag(3));
        lines
            .iter()
            .find_map(|line| block.take(read(line)))
            .map(|answer| answer.map(|lines| lines.len()))
    }

    const OURS: [&str; 2] = ["** resultId: \"bp3\"", "** end"];

    #[test]
    fn the_answer_is_what_carries_the_tag() {
        assert_eq!(
            answer(&[&["*s Audio Volume: 50"], &OURS[..]].concat()),
            Some(Ok(1))
        );
        assert_eq!(answer(&OURS), Some(Ok(0)));
        assert_eq!(answer(&["*s Audio Volume: 50", "** end", "", "OK"]), None);
    }

    #[test]
    fn late_answers_and_feedback_are_not_ours() {
        let late = ["*s Audio Volume: 1", "** resultId: \"bp2\"", "** end", "", "OK"];
        assert_eq!(
            answer(&[&late[..], &["*s Audio Volume: 50"], &OURS].concat()),
            Some(Ok(1))
        );
        let refused = [
            "*r Status XPath: \"x\"",
            "** resultId: \"bp2\"",
            "** end",
            "",
            "OK",
        ];
        assert_eq!(answer(&[&refused[..], &OURS].concat()), Some(Ok(0)));
        let feedback = ["*s Standby State: Off", "** end", "*e Audio Volume: 9"];
        assert_eq!(
            answer(&[&["*s Audio Volume: 50"], &feedback[..], &OURS].concat()),
            Some(Ok(1))
        );
    }

    #[test]
    fn refusals() {
        let path = "*r Status XPath: \"Status/Audio/Volume\"";
        assert_eq!(
            answer(&[&[path], &OURS[..]].concat()),
            Some(Err(ProbeError::NotSupported))
        );
        assert_eq!(answer(&[path, "** end"]), Some(Err(ProbeError::NotSupported)));
        assert_eq!(
            answer(&["*r Result (status=Error):", "OK"]),
            Some(Err(ProbeError::NotSupported))
        );
        assert_eq!(answer(&["ERROR"]), Some(Err(ProbeError::NotSupported)));
    }

    #[test]
    fn a_torn_line_makes_it_garbled_and_a_message_does_not() {
        assert_eq!(
            answer(&[&["*s Audio Vol\u{fffd}"], &OURS[..]].concat()),
            Some(Err(ProbeError::Garbled))
        );
        let message = "The system is going down for maintenance";
        assert_eq!(
            answer(&[&[message, "*s Audio Volume: 50"], &OURS[..]].concat()),
            Some(Ok(1))
        );
    }
}
