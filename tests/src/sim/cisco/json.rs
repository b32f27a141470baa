//! The codec's answers in JSON, as its API gives them after `xPreferences outputmode json`.
//!
//! Each answer is one object with the tag as `ResultId`, over several lines and without any frame around it; no
//! `** end`, no `OK`. Values are strings in a `Value`, members of a list are objects with an `id`.

use serde_json::{Map, Value, json};

use super::command::Ask;
use super::tree::{Found, Path, Step, Tree};

/// What the unit answers to a question; `None` when it says nothing.
pub(super) fn answer(ask: &Ask, tag: Option<&str>, tree: &Tree) -> Option<Value> {
    let body = match ask {
        Ask::Nothing | Ask::Bye | Ask::Echo(_) | Ask::TerminalMode | Ask::JsonMode => return None,
        Ask::Status(path) => match tree.find(path) {
            Found::Leaves(leaves) => ("Status", nested(&leaves)),
            Found::NoMatch => refusal(
                "Status",
                "No match on address expression",
                &format!("Status/{}", path.as_xpath()),
            ),
        },
        Ask::ReadConfiguration(path) => refusal(
            "Configuration",
            "No match on address expression",
            &format!("Configuration/{}", path.as_xpath()),
        ),
        Ask::Forbidden(what) => refusal("Result", "Unknown command", &format!("/{what}")),
        Ask::Unknown => refusal("Result", "Unknown command", "/"),
    };
    let mut object = Map::new();
    object.extend(tag.map(|tag| ("ResultId".to_owned(), Value::from(tag))));
    object.insert(body.0.to_owned(), body.1);
    Some(Value::Object(object))
}

/// An event that nobody asked for; `leaves` as they stand after `*e `.
pub(super) fn event(leaves: &[String]) -> Value {
    json!({ "Event": nested(leaves) })
}

/// An answer as it goes over the wire.
pub(super) fn written(answer: &Value) -> Vec<u8> {
    let text = serde_json::to_string_pretty(answer).unwrap_or_default();
    let mut bytes = text.replace('\n', "\r\n").into_bytes();
    bytes.extend_from_slice(b"\r\n");
    bytes
}

fn refusal(of: &str, reason: &str, xpath: &str) -> (&'static str, Value) {
    let why = json!({ "status": "Error", "Reason": { "Value": reason }, "XPath": { "Value": xpath } });
    ("CommandResponse", json!({ of: why }))
}

/// Leaves (`Network 1 IPv4 Address: "10.0.0.5"`) as one object.
fn nested(leaves: &[String]) -> Value {
    let mut root = json!({});
    for leaf in leaves {
        if let Some((path, value)) = leaf.split_once(": ")
            && let Ok(path) = Path::parse(path)
            && let Some(place) = place(&mut root, path.steps())
        {
            place.insert("Value".to_owned(), Value::from(value.trim_matches('"')));
        }
    }
    root
}

/// The object at the end of a path, made where it is missing; `None` when a name would be a list and an object at once.
fn place<'a>(root: &'a mut Value, steps: &[Step]) -> Option<&'a mut Map<String, Value>> {
    let mut at = root;
    let mut steps = steps.iter().peekable();
    while let Some(step) = steps.next() {
        at = match step {
            Step::Word(word) => {
                let list = matches!(steps.peek(), Some(Step::Number(_)));
                at.as_object_mut()?
                    .entry(word.clone())
                    .or_insert_with(|| if list { json!([]) } else { json!({}) })
            }
            Step::Number(number) => {
                let (members, id) = (at.as_array_mut()?, Value::from(number.to_string()));
                let known = members.iter().position(|member| member.get("id") == Some(&id));
                let index = known.unwrap_or(members.len());
                if known.is_none() {
                    members.push(json!({ "id": id }));
                }
                members.get_mut(index)?
            }
        };
    }
    at.as_object_mut()
}

#[cfg(test)]
mod tests {
    use super::super::command::Command;
    use super::*;

    fn answered(line: &str) -> Option<Value> {
        let command = Command::parse(line);
        answer(
            &command.ask,
            command.result_id.as_deref(),
            &Tree::codec_pro().unwrap(),
        )
    }

    #[test]
    fn reading_gives_the_objects_that_captures_show() {
        assert_eq!(
            answered("xStatus Audio Volume | resultId=\"1\""),
            Some(json!({ "ResultId": "1", "Status": { "Audio": { "Volume": { "Value": "50" } } } }))
        );
        assert_eq!(
            answered("xStatus Network 1 IPv4 Address"),
            Some(
                json!({ "Status": { "Network": [{ "id": "1", "IPv4": { "Address": { "Value": "10.0.0.5" } } }] } })
            )
        );
        assert_eq!(
            answered("xStatus Call | resultId=\"2\""),
            Some(json!({ "ResultId": "2", "Status": {} }))
        );
    }

    #[test]
    fn what_is_not_there_is_an_error_object() {
        let why = json!({ "status": "Error", "Reason": { "Value": "No match on address expression" },
            "XPath": { "Value": "Status/Network[2]/IPv4" } });
        assert_eq!(
            answered("xStatus Network 2 IPv4 | resultId=\"5\""),
            Some(json!({ "ResultId": "5", "CommandResponse": { "Status": why } }))
        );
        assert_eq!(answered("xPreferences outputmode json"), None);
    }

    #[test]
    fn a_name_that_is_a_list_and_an_object_at_once_stays_what_it_was() {
        let leaves = ["A 1 B: 1", "A C: 2", "A 2 B: \"x\""].map(str::to_owned);
        let members = json!([{ "id": "1", "B": { "Value": "1" } }, { "id": "2", "B": { "Value": "x" } }]);
        assert_eq!(nested(&leaves), json!({ "A": members }));
    }
}
