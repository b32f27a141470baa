//! Whom a sentence tells the technician to ring (R6, R34, R46): names and numbers from the configuration and the
//! hub's plan, never from a text.

use std::collections::BTreeMap;

use super::figure::clean;
use super::template::{Kind, Value};
use super::{Lang, word};
use crate::claims::{Contact, ContactRole, Word};

/// Names and telephone numbers by what they are rung for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contacts {
    by_role: BTreeMap<ContactRole, Known>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Known {
    name: Option<String>,
    phone: Option<String>,
}

impl Contacts {
    /// From the room's own contacts and those of the plan, in this order of preference. Of several with the same
    /// role the first with a telephone number counts, since what people need is somebody to ring; a name never
    /// takes another's number.
    #[must_use]
    pub fn new<'a>(contacts: impl IntoIterator<Item = &'a Contact>) -> Self {
        let mut by_role: BTreeMap<ContactRole, Known> = BTreeMap::new();
        for contact in contacts {
            let Word::Known(role) = contact.role else { continue };
            let given = |text: &Option<String>| text.as_deref().map(clean).filter(|text| !text.is_empty());
            let known = Known {
                name: given(&contact.name).or_else(|| given(&contact.title)),
                phone: given(&contact.phone),
            };
            let better = by_role
                .get(&role)
                .is_none_or(|first| first.phone.is_none() && known.phone.is_some());
            if better {
                by_role.insert(role, known);
            }
        }
        Self { by_role }
    }

    /// The telephone number of a role.
    #[must_use]
    pub fn phone(&self, role: ContactRole) -> Option<&str> {
        self.by_role.get(&role)?.phone.as_deref()
    }

    /// The name of a role, its title where there is no name.
    #[must_use]
    pub fn name(&self, role: ContactRole) -> Option<&str> {
        self.by_role.get(&role)?.name.as_deref()
    }

    /// The value of a parameter that names somebody. A name falls back to a plain word, a number does not.
    pub(super) fn value(&self, lang: Lang, parameter: &str) -> Option<Value> {
        use ContactRole::{Authority, Centre, Operator, OperatorEscalation, PowerCompany};
        let (role, phone) = match parameter {
            "operator" => (Operator, false),
            "operator_phone" => (Operator, true),
            "centre" => (Centre, false),
            "centre_phone" => (Centre, true),
            "power" => (PowerCompany, false),
            "power_phone" => (PowerCompany, true),
            "authority" => (Authority, false),
            "authority_phone" => (Authority, true),
            "escalation" => (OperatorEscalation, false),
            "escalation_phone" => (OperatorEscalation, true),
            _ => return None,
        };
        let exact = |text: &str| Value {
            text: text.to_owned(),
            kind: Kind::Exact,
        };
        if phone {
            return self.phone(role).map(exact);
        }
        match self.name(role) {
            Some(name) => Some(exact(name)),
            None => word(lang, "contact", parameter).map(|text| Value {
                text: text.to_owned(),
                kind: Kind::Word,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(role: ContactRole, name: &str, phone: &str) -> Contact {
        let text = |t: &str| (!t.is_empty()).then(|| t.to_owned());
        Contact {
            role: role.into(),
            name: text(name),
            title: None,
            phone: text(phone),
            email: None,
        }
    }

    #[test]
    fn a_name_never_takes_anothers_number() {
        let contacts = Contacts::new(&[
            contact(ContactRole::Operator, "VNPT Hạ Long", ""),
            contact(ContactRole::Operator, "VNPT khu vực", "02033 825 547"),
            contact(ContactRole::Operator, "Viettel", "0900"),
        ]);
        assert_eq!(contacts.name(ContactRole::Operator), Some("VNPT khu vực"));
        assert_eq!(contacts.phone(ContactRole::Operator), Some("02033 825 547"));
    }

    #[test]
    fn a_role_without_anybody_has_a_plain_word_and_no_number() {
        let nobody = Contacts::default();
        assert_eq!(
            nobody.value(Lang::Vi, "operator").unwrap().text,
            "đơn vị vận hành"
        );
        assert_eq!(
            nobody.value(Lang::En, "authority").unwrap().text,
            "the department"
        );
        assert_eq!(nobody.value(Lang::Vi, "operator_phone"), None);
        assert_eq!(nobody.value(Lang::Vi, "operators"), None);
    }

    #[test]
    fn a_title_stands_in_for_a_name_and_foreign_roles_are_passed_over() {
        let mut centre = contact(ContactRole::Centre, " ", "0203");
        centre.title = Some("Tổng đài\ntrung tâm".to_owned());
        let mut foreign = contact(ContactRole::Centre, "x", "1");
        foreign.role = Word::Foreign("helpdesk".to_owned());
        let contacts = Contacts::new(&[foreign, centre]);
        assert_eq!(contacts.name(ContactRole::Centre), Some("Tổng đài trung tâm"));
    }
}
