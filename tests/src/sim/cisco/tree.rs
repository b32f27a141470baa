//! The codec's status tree: paths with values, and how a query picks from it.
//!
//! A path is a row of words and list numbers (`Network 1 IPv4 Address`). Leaves are kept in the order
//! in which codecs print them: words by the alphabet, numbers by size. A query names the start of a
//! path, in any case of letters, and may leave list numbers out (`Call Protocol` is every call's).

use std::collections::BTreeMap;
use std::fmt;

/// The tree that a Codec Pro with software CE 9.15 would show, one leaf a line as on the wire.
const CODEC_PRO: &str = include_str!("codec-pro.status");

/// Lists that are often empty. They are known all the same: asked for without a number they answer
/// nothing, while an unknown path is an error.
const MAYBE_EMPTY: [&[&str]; 5] = [
    &["Call"],
    &["Conference", "Call"],
    &["Conference", "Presentation", "LocalInstance"],
    &["Diagnostics", "Message"],
    &["MediaChannels", "Call"],
];

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// A member of a list, from 1.
    Number(u32),
    /// A name.
    Word(String),
}

/// A whole path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path(Vec<Step>);

/// What a query found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// The leaves, as they stand after `*s `.
    Leaves(Vec<String>),
    /// The unit has no such path, or no such member.
    NoMatch,
}

/// The leaves with their values as written on the wire (strings with their quotes).
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    leaves: BTreeMap<Path, String>,
}

impl Path {
    /// Reads a path of words and numbers parted by spaces.
    ///
    /// # Errors
    /// Says what in `text` is neither.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let steps = text
            .split_ascii_whitespace()
            .map(|step| {
                if let Ok(number) = step.parse::<u32>() {
                    return Ok(Step::Number(number));
                }
                if step.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                    return Ok(Step::Word(step.to_owned()));
                }
                Err(format!(
                    "{step:?} in the status path {text:?} is neither a word nor a number"
                ))
            })
            .collect::<Result<Vec<Step>, String>>()?;
        Ok(Self(steps))
    }

    /// Its steps, in order.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The path as error lines write it after `Status/`: `Network[1]/IPv4`.
    pub(crate) fn as_xpath(&self) -> String {
        let mut xpath = String::new();
        for step in &self.0 {
            match step {
                Step::Number(number) => xpath.push_str(&format!("[{number}]")),
                Step::Word(word) => {
                    if !xpath.is_empty() {
                        xpath.push('/');
                    }
                    xpath.push_str(word);
                }
            }
        }
        xpath
    }

    /// Whether this query covers the leaf or list `path`: each step of the query is found in order,
    /// where numbers of the path may be skipped but words may not.
    fn covers(&self, path: &[Step]) -> bool {
        let mut rest = path.iter();
        self.0.iter().all(|wanted| match wanted {
            Step::Number(number) => rest.next() == Some(&Step::Number(*number)),
            Step::Word(word) => rest
                .find(|step| matches!(step, Step::Word(_)))
                .is_some_and(|step| matches!(step, Step::Word(found) if found.eq_ignore_ascii_case(word))),
        })
    }

    /// Whether this query asks for the list `words` or something in it, without a number.
    fn asks_for_list(&self, words: &[&str]) -> bool {
        let no_number = self.0.iter().all(|step| matches!(step, Step::Word(_)));
        no_number
            && self
                .0
                .iter()
                .zip(words)
                .all(|(step, word)| matches!(step, Step::Word(asked) if asked.eq_ignore_ascii_case(word)))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(" ")?;
            }
            match step {
                Step::Number(number) => write!(f, "{number}")?,
                Step::Word(word) => f.write_str(word)?,
            }
        }
        Ok(())
    }
}

impl Tree {
    /// A healthy Codec Pro.
    ///
    /// # Errors
    /// Names the line of the table that is not `path: value`.
    pub(crate) fn codec_pro() -> Result<Self, String> {
        let mut tree = Self {
            leaves: BTreeMap::new(),
        };
        for line in CODEC_PRO.lines() {
            let (path, value) = line
                .split_once(": ")
                .ok_or_else(|| format!("no value in the line {line:?}"))?;
            tree.leaves.insert(Path::parse(path)?, value.to_owned());
        }
        Ok(tree)
    }

    /// Sets a leaf to a bare value: a number or one of the unit's literals.
    pub(crate) fn literal(&mut self, path: &str, value: impl fmt::Display) {
        self.put(path, value.to_string());
    }

    /// Sets a leaf to a string, which is quoted on the wire.
    pub(crate) fn text(&mut self, path: &str, value: &str) {
        self.put(path, format!("\"{value}\""));
    }

    /// Sets a leaf in the form that it has already; a new one becomes a literal when it is one word.
    ///
    /// # Errors
    /// When `path` is none, or `value` cannot stand on one line between quotes.
    pub(crate) fn set(&mut self, path: &str, value: &str) -> Result<(), String> {
        if value.contains('"') || value.chars().any(char::is_control) {
            return Err(format!(
                "the value {value:?} of the status {path:?} has quotes or control characters"
            ));
        }
        let parsed = Path::parse(path)?;
        let quoted = match self.leaves.get(&parsed) {
            Some(present) => present.starts_with('"'),
            None => {
                value.is_empty()
                    || !value
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            }
        };
        let written = if quoted {
            format!("\"{value}\"")
        } else {
            value.to_owned()
        };
        self.leaves.insert(parsed, written);
        Ok(())
    }

    /// The leaves that `query` covers; an empty query is the whole tree.
    pub(crate) fn find(&self, query: &Path) -> Found {
        let leaves: Vec<String> = self
            .leaves
            .iter()
            .filter(|(leaf, _)| query.covers(&leaf.0))
            .map(|(leaf, value)| format!("{leaf}: {value}"))
            .collect();
        if leaves.is_empty() && !MAYBE_EMPTY.iter().any(|list| query.asks_for_list(list)) {
            return Found::NoMatch;
        }
        Found::Leaves(leaves)
    }

    fn put(&mut self, path: &str, written: String) {
        // Paths here are literals of this crate; one that is wrong is caught by the tests of the faults.
        if let Ok(parsed) = Path::parse(path) {
            self.leaves.insert(parsed, written);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(tree: &Tree, query: &str) -> Found {
        tree.find(&Path::parse(query).unwrap())
    }

    fn leaves(tree: &Tree, query: &str) -> Vec<String> {
        match find(tree, query) {
            Found::Leaves(leaves) => leaves,
            Found::NoMatch => panic!("no match for {query}"),
        }
    }

    #[test]
    fn the_table_is_whole_and_each_leaf_is_itself_found() {
        let tree = Tree::codec_pro().unwrap();
        assert_eq!(
            tree.leaves.len(),
            CODEC_PRO.lines().count(),
            "a path stands twice"
        );
        assert_eq!(leaves(&tree, "").len(), tree.leaves.len());
        for line in CODEC_PRO.lines() {
            let (path, _) = line.split_once(": ").unwrap();
            assert_eq!(leaves(&tree, path), [line]);
        }
    }

    #[test]
    fn a_subtree_comes_whole_in_the_order_of_the_alphabet() {
        let tree = Tree::codec_pro().unwrap();
        assert_eq!(
            leaves(&tree, "Network 1 IPv4"),
            [
                "Network 1 IPv4 Address: \"10.0.0.5\"",
                "Network 1 IPv4 Gateway: \"10.0.0.1\"",
                "Network 1 IPv4 SubnetMask: \"255.255.255.0\"",
            ]
        );
    }

    #[test]
    fn list_numbers_sort_by_size() {
        let mut tree = Tree::codec_pro().unwrap();
        tree.literal("Video Input Connector 10 Connected", "False");
        let connected: Vec<String> = leaves(&tree, "Video Input Connector")
            .into_iter()
            .filter(|l| l.contains(" Connected"))
            .collect();
        assert_eq!(
            connected,
            [
                "Video Input Connector 1 Connected: True",
                "Video Input Connector 2 Connected: False",
                "Video Input Connector 10 Connected: False",
            ]
        );
    }

    #[test]
    fn case_does_not_matter_and_numbers_may_be_left_out() {
        let tree = Tree::codec_pro().unwrap();
        assert_eq!(leaves(&tree, "audio volume"), ["Audio Volume: 50"]);
        assert_eq!(
            leaves(&tree, "Audio Input Connectors Microphone ConnectionStatus"),
            [
                "Audio Input Connectors Microphone 1 ConnectionStatus: Connected",
                "Audio Input Connectors Microphone 2 ConnectionStatus: Connected",
                "Audio Input Connectors Microphone 3 ConnectionStatus: NotConnected",
            ]
        );
    }

    #[test]
    fn empty_lists_are_known_and_unknown_paths_are_not() {
        let tree = Tree::codec_pro().unwrap();
        for list in [
            "Call",
            "call status",
            "Diagnostics",
            "Diagnostics Message",
            "MediaChannels",
        ] {
            assert_eq!(find(&tree, list), Found::Leaves(Vec::new()), "{list}");
        }
        for none in [
            "Call 1",
            "Calls",
            "Camera 1",
            "Network 2",
            "Standby Active",
            "RoomAnalytics Nothing",
            "1",
        ] {
            assert_eq!(find(&tree, none), Found::NoMatch, "{none}");
        }
    }

    #[test]
    fn a_path_is_written_as_an_address_expression() {
        let path = Path::parse("Conference Presentation LocalInstance 1 Source").unwrap();
        assert_eq!(path.as_xpath(), "Conference/Presentation/LocalInstance[1]/Source");
    }

    #[test]
    fn a_value_set_keeps_the_form_of_the_leaf() {
        let mut tree = Tree::codec_pro().unwrap();
        tree.set("Network 1 IPv4 Address", "10.9.9.9").unwrap();
        tree.set("Audio Volume", "70").unwrap();
        tree.set("Standby Level", "None").unwrap();
        assert_eq!(
            leaves(&tree, "Network 1 IPv4 Address"),
            ["Network 1 IPv4 Address: \"10.9.9.9\""]
        );
        assert_eq!(leaves(&tree, "Audio Volume"), ["Audio Volume: 70"]);
        assert_eq!(leaves(&tree, "Standby Level"), ["Standby Level: None"]);
        assert!(tree.set("Audio Volume", "5\r\n** end").is_err());
        assert!(tree.set("Audio/Volume", "5").is_err());
    }
}
