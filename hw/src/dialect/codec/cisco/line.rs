//! One line of xAPI terminal output, as a value. Pure.

/// The longest line that is kept. Descriptions of diagnostics are the longest, some hundred bytes.
pub(super) const LINE_CAP_BYTES: usize = 4096;

/// Words in a path; the deepest of the schema has nine.
const PATH_WORDS_MAX: usize = 16;

/// `*s path: value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    /// The path's words, indices among them.
    pub(super) path: Vec<String>,
    /// The value without its quotes.
    pub(super) value: String,
}

/// What one line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// A status.
    Status(Status),
    /// `** resultId: "…"`.
    Tag(String),
    /// `** end`.
    End,
    /// The unit does not know the path, or refuses the command; the block goes on.
    Unknown,
    /// `ERROR`: the same, and there is no block.
    Error,
    /// `*r Login successful`.
    LoggedIn,
    /// `OK`.
    Ok,
    /// Something of the grammar that answers no question: feedback, a ghost, a configuration, a help line.
    Aside,
    /// Nothing on it.
    Blank,
    /// The echo of a line that was sent.
    Echo,
    /// A line of the language that lost something on the way, or bytes that are no text.
    Torn,
    /// Any other text: a banner, a prompt, a message to everybody.
    Text,
}

/// Reads one line.
pub(super) fn read(line: &str) -> Said {
    let line = line.trim();
    if line.is_empty() {
        return Said::Blank;
    }
    if line == "OK" {
        return Said::Ok;
    }
    if line == "ERROR" {
        return Said::Error;
    }
    if line
        .chars()
        .any(|character| character == '\u{fffd}' || character.is_control() && character != '\t')
    {
        return Said::Torn;
    }
    // The race of an echo with `echo off` can leave a piece of the echo in front of the answer.
    let line = ["** ", "*s ", "*r "]
        .iter()
        .filter_map(|mark| line.find(mark))
        .min()
        .map_or(line, |at| {
            if line.starts_with('*') {
                line
            } else {
                line.get(at..).unwrap_or(line)
            }
        });
    if let Some(rest) = line.strip_prefix("** ") {
        return marker(rest.trim());
    }
    if let Some(rest) = line.strip_prefix("*s ") {
        return status(rest);
    }
    if let Some(rest) = line.strip_prefix("*r ") {
        return result(rest);
    }
    if line == "*r/end"
        || ["*e ", "*es ", "*c ", "*? ", "*h "]
            .iter()
            .any(|mark| line.starts_with(mark))
    {
        return Said::Aside;
    }
    if ["xstatus ", "echo off", "bye"]
        .iter()
        .any(|sent| starts_with_ignoring_case(line, sent))
    {
        return Said::Echo;
    }
    if line.starts_with('*') {
        Said::Torn
    } else {
        Said::Text
    }
}

fn marker(rest: &str) -> Said {
    if rest == "end" {
        return Said::End;
    }
    match rest.strip_prefix("resultId:") {
        Some(tag) => Said::Tag(unquoted(tag.trim())),
        None => Said::Aside,
    }
}

fn status(rest: &str) -> Said {
    // `*s Call 2 (ghost=True):` takes an item away; it was never part of an answer.
    if rest.contains("(ghost=") {
        return Said::Aside;
    }
    let Some((path, value)) = rest.split_once(':') else {
        return Said::Torn;
    };
    let path: Vec<String> = path.split_whitespace().map(str::to_owned).collect();
    let plain = |word: &String| {
        word.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte))
    };
    let value = value.trim();
    // A value whose quote does not end is half a line that met another one.
    let torn = value.starts_with('"') && (value.len() < 2 || !value.ends_with('"'));
    if path.is_empty() || path.len() > PATH_WORDS_MAX || torn || !path.iter().all(plain) {
        return Said::Torn;
    }
    Said::Status(Status {
        path,
        value: unquoted(value),
    })
}

/// The neighbours of the XPath line differ between releases; the line itself does not.
fn result(rest: &str) -> Said {
    if rest.starts_with("Login successful") {
        return Said::LoggedIn;
    }
    let words: Vec<&str> = rest.splitn(3, ' ').collect();
    match words.as_slice() {
        ["Status" | "Configuration" | "Result", "XPath:", ..] => Said::Unknown,
        [_, status, ..]
            if status.starts_with("(status=Error)") || status.starts_with("(status=ParameterError)") =>
        {
            Said::Unknown
        }
        _ => Said::Aside,
    }
}

fn unquoted(value: &str) -> String {
    let Some(inside) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inside.len());
    let mut characters = inside.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\\' && matches!(characters.peek(), Some('"' | '\\')) {
            text.extend(characters.next());
        } else {
            text.push(character);
        }
    }
    text
}

fn starts_with_ignoring_case(line: &str, start: &str) -> bool {
    line.get(..start.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn status(path: &str, value: &str) -> Said {
        Said::Status(Status {
            path: path.split(' ').map(str::to_owned).collect(),
            value: value.to_owned(),
        })
    }

    #[test]
    fn captured_lines() {
        for (line, said) in [
            ("*s Standby State: Off", status("Standby State", "Off")),
            ("*s Audio Volume: 50", status("Audio Volume", "50")),
            (
                "*s SystemUnit Software Version: \"ce9.2.2.3a892a1\"",
                status("SystemUnit Software Version", "ce9.2.2.3a892a1"),
            ),
            (
                "*s Network 1 Ethernet MacAddress: \"00:50:60:11:22:33\"",
                status("Network 1 Ethernet MacAddress", "00:50:60:11:22:33"),
            ),
            (
                r#"*s Call 1 DisplayName: "phòng \"A\"""#,
                status("Call 1 DisplayName", "phòng \"A\""),
            ),
            (
                "*s SystemUnit Notifications Notification 1 Text:",
                status("SystemUnit Notifications Notification 1 Text", ""),
            ),
            ("*s Call 2 (ghost=True):", Said::Aside),
            ("*e Audio Input Connectors Microphone 1 VuMeter: 12", Said::Aside),
            ("** end", Said::End),
            ("** resultId: \"bp7\"", Said::Tag("bp7".to_owned())),
            ("*r Login successful", Said::LoggedIn),
            (
                "*r Status XPath: \"Status/RoomAnalytics/PeopleCount/Current\"",
                Said::Unknown,
            ),
            ("*r Configuration XPath: \"Configuration/Audio\"", Said::Unknown),
            ("*r Status (status=Error): ", Said::Unknown),
            ("*r Result (status=Error): ", Said::Unknown),
            (
                "*r Status Reason: \"No match on address expression\"",
                Said::Aside,
            ),
            ("*r/end", Said::Aside),
            ("OK", Said::Ok),
            ("ERROR", Said::Error),
            ("", Said::Blank),
            ("xstatus call", Said::Echo),
            ("Welcome to Room", Said::Text),
            (
                "Last login from 10.228.101.226 at 2017-12-01 13:14:47",
                Said::Text,
            ),
            ("echo o*s Audio Volume: 50", status("Audio Volume", "50")),
            ("*s Call 1 DisplayName: \"tor", Said::Torn),
            ("*s Call 1 DisplayName: \"", Said::Torn),
            ("*s Audio Vol*s Audio Volume: 50", Said::Torn),
            ("*s Audio Volume", Said::Torn),
            ("*x", Said::Torn),
            ("\u{fffd}\u{fffd}", Said::Torn),
        ] {
            assert_eq!(read(line), said, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line(line in any::<String>()) {
            read(&line);
            read(&format!("*s {line}"));
            read(&format!("** {line}"));
            read(&format!("*r {line}"));
        }
    }
}
