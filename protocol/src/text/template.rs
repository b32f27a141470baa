//! One text of a locale with its parameters: `"UPS giữ được {value} phút"`.
//!
//! Parsed once, when the locale is read; values are put in afterwards and never read as templates, so that a
//! device's name with braces in it stays a name. A group in parentheses that has a parameter without a value
//! is left out whole, so that a missing telephone number leaves no `()` behind.

/// What stands for one parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    /// The text.
    pub(super) text: String,
    /// How it takes its place in a sentence.
    pub(super) kind: Kind,
}

/// How a value takes its place in a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Exactly as it is: a number, a name, a device's words.
    Exact,
    /// Our own word, in lower case: gets a capital where a sentence begins.
    Word,
    /// Our own heading, with a capital: loses it inside a sentence.
    Heading,
}

/// One text, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Parameter(String),
    /// Parentheses with at least one parameter in them, with the space before.
    Group(Vec<Self>),
}

/// The parameter that a sentence can do without anywhere: it goes with the space before it.
const OPTIONAL: &str = "name";

impl Template {
    /// Takes `source` apart. Anything that is not `{word}` is text.
    pub(super) fn parse(source: &str) -> Self {
        Self {
            parts: parts(source, true),
        }
    }

    /// The text with its values, or `None` when a parameter outside parentheses has none.
    pub(super) fn fill(&self, value: &dyn Fn(&str) -> Option<Value>) -> Option<String> {
        let mut out = Output::default();
        fill(&self.parts, value, &mut out).then_some(out.text)
    }

    /// The text with its values, and `…` for a parameter without one: what is left when no variant fits.
    pub(super) fn fill_anyway(&self, value: &dyn Fn(&str) -> Option<Value>) -> String {
        let mut out = Output::default();
        let blank = |name: &str| {
            value(name).or_else(|| {
                (name != OPTIONAL).then(|| Value {
                    text: "…".to_owned(),
                    kind: Kind::Exact,
                })
            })
        };
        fill(&self.parts, &blank, &mut out);
        out.text
    }
}

/// Reads parts until the end of `source`; parentheses are looked for on the outermost level only.
fn parts(source: &str, groups: bool) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        if let Some((name, after)) = parameter(rest) {
            flush(&mut text, &mut parts);
            parts.push(Part::Parameter(name.to_owned()));
            rest = after;
            continue;
        }
        if first == '('
            && groups
            && let Some(end) = rest.find(')')
            && let (Some(inner), Some(after)) = (rest.get(..=end), rest.get(end + 1..))
        {
            let mut inside = self::parts(inner, false);
            if inside.iter().any(|part| matches!(part, Part::Parameter(_))) {
                if text.ends_with(' ') {
                    text.pop();
                    inside.insert(0, Part::Text(" ".to_owned()));
                }
                flush(&mut text, &mut parts);
                parts.push(Part::Group(inside));
            } else {
                text.push_str(inner);
            }
            rest = after;
            continue;
        }
        text.push(first);
        rest = rest.get(first.len_utf8()..).unwrap_or("");
    }
    flush(&mut text, &mut parts);
    parts
}

fn flush(text: &mut String, parts: &mut Vec<Part>) {
    if !text.is_empty() {
        parts.push(Part::Text(std::mem::take(text)));
    }
}

/// `{word}` at the beginning of `rest`, and what comes after it.
fn parameter(rest: &str) -> Option<(&str, &str)> {
    let (name, after) = rest.strip_prefix('{')?.split_once('}')?;
    let well_formed = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    well_formed.then_some((name, after))
}

#[derive(Default)]
struct Output {
    text: String,
    /// A parameter at the beginning was left out: what comes now begins the sentence.
    cut_before: bool,
}

impl Output {
    fn at_start(&self) -> bool {
        self.text.is_empty() || self.text.ends_with(". ")
    }

    fn text(&mut self, text: &str) {
        if self.cut_before && self.at_start() {
            self.text.push_str(&capitalised(text.trim_start()));
        } else {
            self.text.push_str(text);
        }
        self.cut_before = false;
    }

    fn value(&mut self, value: &Value) {
        let text = match (value.kind, self.at_start()) {
            (Kind::Word, true) => capitalised(&value.text),
            (Kind::Heading, false) => lowered(&value.text),
            _ => value.text.clone(),
        };
        self.text.push_str(&text);
        self.cut_before = false;
    }

    fn leave_out(&mut self) {
        if self.at_start() {
            self.cut_before = true;
        } else if self.text.ends_with(' ') {
            self.text.pop();
        }
    }
}

/// Appends `parts`; false when one outside parentheses has no value.
fn fill(parts: &[Part], value: &dyn Fn(&str) -> Option<Value>, out: &mut Output) -> bool {
    for part in parts {
        match part {
            Part::Text(text) => out.text(text),
            Part::Parameter(name) => match value(name) {
                Some(value) => out.value(&value),
                None if name == OPTIONAL => out.leave_out(),
                None => return false,
            },
            Part::Group(inside) => {
                let known = inside.iter().all(|part| match part {
                    Part::Parameter(name) => value(name).is_some(),
                    Part::Text(_) | Part::Group(_) => true,
                });
                if known {
                    fill(inside, value, out);
                }
            }
        }
    }
    true
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// In lower case at the beginning, unless the first word is an abbreviation.
pub(super) fn lowered(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else {
        return String::new();
    };
    if chars.clone().next().is_some_and(char::is_uppercase) {
        return text.to_owned();
    }
    first.to_lowercase().chain(chars).collect()
}

#[cfg(test)]
impl Template {
    /// The names of all its parameters, and whether each stands outside parentheses.
    pub(super) fn parameters(&self) -> Vec<(&str, bool)> {
        fn walk<'a>(parts: &'a [Part], bare: bool, found: &mut Vec<(&'a str, bool)>) {
            for part in parts {
                match part {
                    Part::Text(_) => {}
                    Part::Parameter(name) => found.push((name, bare)),
                    Part::Group(inside) => walk(inside, false, found),
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.parts, true, &mut found);
        found
    }

    /// Whether it can be left out anywhere.
    pub(super) fn is_optional(name: &str) -> bool {
        name == OPTIONAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(name: &'static str, text: &'static str, kind: Kind) -> impl Fn(&str) -> Option<Value> {
        move |asked| {
            (asked == name).then(|| Value {
                text: text.to_owned(),
                kind,
            })
        }
    }

    fn fill(source: &str, value: &dyn Fn(&str) -> Option<Value>) -> Option<String> {
        Template::parse(source).fill(value)
    }

    #[test]
    fn a_group_goes_with_its_parameter_and_a_plain_one_stays() {
        let nothing = |_: &str| None;
        assert_eq!(fill("Gọi trung tâm ({p}).", &nothing).unwrap(), "Gọi trung tâm.");
        assert_eq!(fill("({p}) Gọi", &nothing).unwrap(), " Gọi");
        assert_eq!(
            fill("số sê-ri (khác) {p}", &one("p", "7", Kind::Exact)).unwrap(),
            "số sê-ri (khác) 7"
        );
        assert_eq!(
            fill("a ({p}, {q}) b", &one("p", "1", Kind::Exact)).unwrap(),
            "a b"
        );
        assert_eq!(fill("a ({p} b", &one("p", "1", Kind::Exact)).unwrap(), "a (1 b");
    }

    #[test]
    fn a_bare_parameter_without_a_value_means_no_text() {
        assert_eq!(fill("còn {n} mục", &|_| None), None);
        assert_eq!(Template::parse("còn {n} mục").fill_anyway(&|_| None), "còn … mục");
    }

    #[test]
    fn a_missing_name_leaves_no_hole() {
        assert_eq!(
            fill("Micro {name} bị hú, rít", &|_| None).unwrap(),
            "Micro bị hú, rít"
        );
        assert_eq!(fill("{name} không trả lời", &|_| None).unwrap(), "Không trả lời");
        assert_eq!(
            fill("Bật nguồn {name}, cắm lại dây.", &|_| None).unwrap(),
            "Bật nguồn, cắm lại dây."
        );
    }

    #[test]
    fn words_and_headings_fit_their_place() {
        assert_eq!(
            fill("{d} không cắm", &one("d", "màn hình", Kind::Word)).unwrap(),
            "Màn hình không cắm"
        );
        assert_eq!(
            fill("chuyển {d}", &one("d", "màn hình", Kind::Word)).unwrap(),
            "chuyển màn hình"
        );
        assert_eq!(
            fill("Xong. {d} tắt", &one("d", "đèn", Kind::Word)).unwrap(),
            "Xong. Đèn tắt"
        );
        assert_eq!(
            fill("vì {d}", &one("d", "Điện lưới", Kind::Heading)).unwrap(),
            "vì điện lưới"
        );
        assert_eq!(fill("vì {d}", &one("d", "UPS", Kind::Heading)).unwrap(), "vì UPS");
        assert_eq!(fill("{d} x", &one("d", "tên", Kind::Exact)).unwrap(), "tên x");
    }

    #[test]
    fn what_is_no_parameter_is_text() {
        for text in ["{", "}", "{}", "{a b}", "a { b", "{{x", "())", "((", "{á}"] {
            assert_eq!(fill(text, &|_| None).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_value_is_never_read_as_a_template() {
        assert_eq!(fill("{a}", &one("a", "{a} (b)", Kind::Exact)).unwrap(), "{a} (b)");
    }

    proptest! {
        #[test]
        fn any_source_is_taken_and_filled(source in "[(){}a-z ếộ.]{0,40}", value in ".{0,20}") {
            let template = Template::parse(&source);
            let values = |_: &str| Some(Value { text: value.clone(), kind: Kind::Word });
            prop_assert!(template.fill(&values).is_some());
            let _ = template.fill_anyway(&|_| None);
        }

        #[test]
        fn a_source_without_parameters_comes_back_as_it_is(source in "[()a-z ếộ.]{0,40}") {
            prop_assert_eq!(fill(&source, &|_| None).unwrap(), source);
        }
    }
}
