//! Why an envelope or a line of the logbook is not believed, in words (R31, R37).

use super::{Lang, Params, page_text};
use crate::envelope::OpenError;
use crate::logbook::LineError;

/// Why an envelope is refused, as a part of a sentence in lower case, e.g. for `{reason}`.
#[must_use]
pub fn refusal(lang: Lang, error: &OpenError) -> String {
    let (key, detail) = match error {
        OpenError::TooLarge { bytes } => return said(lang, "too-large", &[("bytes", (*bytes).to_string())]),
        OpenError::Malformed => ("malformed", None),
        OpenError::Header(why) => ("header", Some(why.clone())),
        OpenError::WrongKind { typ } => ("wrong-kind", Some(typ.clone())),
        OpenError::UnknownKey(kid) => ("unknown-key", Some(kid.to_string())),
        OpenError::Forged => ("forged", None),
        OpenError::BadKey => ("bad-key", None),
        OpenError::Version(version) => ("version", Some(version.to_string())),
        OpenError::Claims(why) => ("claims", Some(why.clone())),
    };
    match detail {
        Some(detail) => said(lang, key, &[("detail", detail)]),
        None => said(lang, key, &[]),
    }
}

/// Why a line of a logbook is refused, as a part of a sentence in lower case, e.g. for `{reason}`.
#[must_use]
pub fn line_fault(lang: Lang, error: &LineError) -> String {
    match error {
        LineError::Envelope(error) => refusal(lang, error),
        LineError::Sequence { expected, found } => said(
            lang,
            "sequence",
            &[("expected", expected.to_string()), ("found", found.to_string())],
        ),
        LineError::Prev { seq } => numbered(lang, "prev", *seq),
        LineError::FormerKey { seq } => numbered(lang, "former-key", *seq),
        LineError::ReceiptAlone { seq } => numbered(lang, "receipt-alone", *seq),
        LineError::ReceiptOther { seq } => numbered(lang, "receipt-other", *seq),
        LineError::WitnessGone { seq, named } => two(lang, "witness-gone", *seq, *named),
        LineError::WitnessOther { seq, named } => two(lang, "witness-other", *seq, *named),
        LineError::CutOff => said(lang, "cut-off", &[]),
    }
}

fn numbered(lang: Lang, key: &str, found: u64) -> String {
    said(lang, key, &[("found", found.to_string())])
}

fn two(lang: Lang, key: &str, found: u64, expected: u64) -> String {
    said(
        lang,
        key,
        &[("found", found.to_string()), ("expected", expected.to_string())],
    )
}

fn said(lang: Lang, key: &str, values: &[(&str, String)]) -> String {
    let params: Params = values
        .iter()
        .map(|(name, text)| ((*name).to_owned(), text.as_str().into()))
        .collect();
    page_text(lang, "reason", key, &params)
}
