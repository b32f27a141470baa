//! Any finding, any parameters: a sentence comes out, bounded and without a hole.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{contacts, finding};
use crate::check::CATALOGUE;
use crate::claims::{Finding, Status, Verdict, Word};
use crate::text::locale::Locale;
use crate::text::{self, Contacts, Lang, Params};

/// Every parameter that a text knows, with and without `_ms`, and strange ones.
fn parameter_name() -> impl Strategy<Value = String> {
    let mut names: Vec<String> = vec!["waited_ms".to_owned(), String::new()];
    for text in Locale::check(Lang::Vi).unwrap().all().values() {
        for (name, _) in text.variants().iter().flat_map(|variant| variant.parameters()) {
            names.push(name.to_owned());
            names.push(format!("{name}_ms"));
        }
    }
    names.sort();
    names.dedup();
    prop_oneof![4 => proptest::sample::select(names), 1 => ".{0,12}"]
}

fn parameter_value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(|figure| json!(figure)),
        ".{0,200}".prop_map(Json::from),
        proptest::sample::select(vec![
            "chair",
            "up",
            "codec.reachable",
            "mic.chair.hum",
            "pass",
            "not-ready",
            "none"
        ])
        .prop_map(Json::from),
    ];
    prop_oneof![
        6 => leaf.clone(),
        1 => vec(leaf.clone(), 0..20).prop_map(Json::from),
        1 => btree_map(".{0,5}", leaf, 0..3).prop_map(|map| json!(map)),
    ]
}

fn any_params() -> impl Strategy<Value = Params> {
    btree_map(parameter_name(), parameter_value(), 0..8)
}

fn any_code() -> impl Strategy<Value = String> {
    let known: Vec<String> = Locale::check(Lang::Vi)
        .unwrap()
        .all()
        .keys()
        .filter_map(|path| {
            path.strip_prefix("code/")?
                .strip_suffix("/label")
                .map(str::to_owned)
        })
        .collect();
    prop_oneof![8 => proptest::sample::select(known), 1 => ".{0,200}"]
}

fn any_check() -> impl Strategy<Value = String> {
    let rows = (0..CATALOGUE.len(), "[a-z0-9-]{1,40}", any::<u16>())
        .prop_map(|(row, n, k)| CATALOGUE[row].id(Some(&n), Some(k)));
    prop_oneof![8 => rows, 1 => ".{0,200}"]
}

prop_compose! {
    fn any_finding()(
        check in any_check(),
        code in any_code(),
        status in prop_oneof![
            proptest::sample::select(Status::ALL).prop_map(Word::Known),
            ".{0,20}".prop_map(Word::Foreign),
        ],
        figures in [proptest::option::of(any::<f64>()), proptest::option::of(any::<f64>()),
                    proptest::option::of(any::<f64>()), proptest::option::of(any::<f64>())],
        unit in proptest::option::of(prop_oneof![Just("kbit/s".to_owned()), Just("ms".to_owned()), ".{0,200}"]),
        params in any_params(),
        carried_ms in proptest::option::of(any::<i64>()),
    ) -> Finding {
        let [value, low, high, base] = figures;
        Finding { status, value, low, high, base, unit, params, carried_ms, ..finding(&check, &code) }
    }
}

/// What may be said of it: bounded, no control characters, no hole, and braces only where a value brought them.
fn well_said(text: &str, foreign_braces: bool) -> Result<(), TestCaseError> {
    prop_assert!(
        text.chars().count() < 12_000,
        "{} characters",
        text.chars().count()
    );
    prop_assert!(!text.chars().any(char::is_control), "{:?}", text);
    prop_assert!(foreign_braces || !text.contains(['{', '}']), "{:?}", text);
    Ok(())
}

proptest! {
    #[test]
    fn any_finding_is_said(any in any_finding(), known in any::<bool>()) {
        let foreign = serde_json::to_string(&(&any.params, &any.code, &any.check)).unwrap();
        // The map's own braces are not those of its values.
        let braces = foreign.matches(['{', '}']).count() > 2;
        let contacts = if known { contacts() } else { Contacts::default() };
        for lang in Lang::ALL {
            let said = text::finding(lang, &any, &contacts);
            for text in [&said.label, &said.act, &text::headline(lang, &any, &contacts), &text::check_label(lang, &any.check)] {
                well_said(text, braces)?;
            }
            prop_assert!(!said.label.is_empty() || any.code.trim().is_empty());
        }
    }

    #[test]
    fn any_parameters_fit_any_text(params in any_params(), key in ".{0,200}") {
        let braces = serde_json::to_string(&(&params, &key)).unwrap().matches(['{', '}']).count() > 2;
        for lang in Lang::ALL {
            for verdict in Verdict::ALL {
                well_said(&text::verdict_line(lang, *verdict, &params), braces)?;
            }
            for path in Locale::of(lang).all().keys() {
                if let Some(key) = path.strip_prefix("ui/") {
                    well_said(&text::ui_with(lang, key, &params, &contacts()), braces)?;
                }
            }
            well_said(&text::ui(lang, &key, &params), braces)?;
            well_said(&text::state_with(lang, &key, &params), braces)?;
            well_said(&text::name(lang, &key), braces)?;
            let _ = text::question(lang, &key);
        }
    }
}
