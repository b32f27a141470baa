//! Tests of the texts: the two locales against each other and the catalogue, exact sentences, the rules that
//! every Vietnamese sentence obeys, and any finding at all.

mod any;
mod findings;
mod locales;
mod rules;
mod sentences;

use crate::claims::{Contact, ContactRole, Finding, Status};
use crate::text::Params;

/// A finding with `code` for `check`, and nothing else.
fn finding(check: &str, code: &str) -> Finding {
    Finding {
        check: check.to_owned(),
        status: Status::Fail.into(),
        code: code.to_owned(),
        required: true,
        value: None,
        unit: None,
        low: None,
        high: None,
        base: None,
        params: Params::new(),
        rules: Vec::new(),
        at_ms: 0,
        ms: 0,
        carried_ms: None,
    }
}

/// 25/11/2026 07:30 in Việt Nam.
const MORNING: i64 = 1_795_566_600_000;

/// A finding with parameters.
fn with(check: &str, code: &str, json: serde_json::Value) -> Finding {
    Finding {
        params: params(json),
        ..finding(check, code)
    }
}

/// Parameters from JSON.
fn params(json: serde_json::Value) -> Params {
    serde_json::from_value(json).unwrap()
}

/// The contacts of a room in Hạ Long.
fn contacts() -> crate::text::Contacts {
    let contact = |role: ContactRole, name: &str, phone: &str| Contact {
        role: role.into(),
        name: Some(name.to_owned()),
        title: None,
        phone: Some(phone.to_owned()),
        email: None,
    };
    crate::text::Contacts::new(&[
        contact(ContactRole::Operator, "VNPT khu vực", "02033 825 547"),
        contact(
            ContactRole::OperatorEscalation,
            "Cục Bưu điện Trung ương",
            "080 12345",
        ),
        contact(ContactRole::Centre, "Tổ kỹ thuật", "02033 111 222"),
        contact(ContactRole::PowerCompany, "Điện lực Hạ Long", "1900 6769"),
        contact(ContactRole::Authority, "Sở KH&CN", "02033 999 888"),
    ])
}
