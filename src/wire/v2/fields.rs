//! What a caller gave: from a form or from JSON, the same afterwards.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::value::RawValue;

use super::FieldError;
use crate::chat::{KvList, UserData};
use crate::wire::json::{Scalar, list, list_has_nul, members, members_in_order, scalar};

const USER_DATA: &str = "userdata";
const ATTRIBUTES: &str = "eventattributes";
/// Members that are compared with each other faster than they are sorted.
const FEW: usize = 16;

/// The fields of a call. Names are found whatever their case; of a repeated field the last counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    values: BTreeMap<String, String>,
    nested: BTreeSet<String>,
    /// `userData`, or `userData[key]` of forms.
    pub user_data: UserData,
    /// `eventAttributes`; JSON only.
    pub attributes: KvList,
}

impl Fields {
    /// The fields of a form, in order.
    ///
    /// # Errors
    ///
    /// A name or value has a NUL in it.
    pub fn from_pairs(
        pairs: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, FieldError> {
        let mut fields = Self::default();
        for (name, value) in pairs {
            refuse_nul(&name, "a field name")?;
            fields.add(&name, value)?;
        }
        Ok(fields)
    }

    /// The fields of a JSON object. Objects and arrays that nobody asks for are ignored.
    ///
    /// # Errors
    ///
    /// It is no object, user data is nested, or there is a NUL somewhere.
    pub fn from_json(json: &str) -> Result<Self, FieldError> {
        let members = members_in_order(json)
            .ok_or_else(|| FieldError::malformed("a JSON object is needed"))?;
        let mut fields = Self::default();
        for (name, value) in last_of_each(members) {
            match scalar(value) {
                Scalar::Absent => {}
                Scalar::Text(text) => fields.add(&name, text)?,
                Scalar::Nested if name.eq_ignore_ascii_case(USER_DATA) => {
                    fields.add_user_data_of(value.get())?
                }
                Scalar::Nested if name.eq_ignore_ascii_case(ATTRIBUTES) => {
                    fields.attributes = list(value)
                        .map(without_system)
                        .filter(|list| !list_has_nul(list))
                        .ok_or_else(|| {
                            FieldError::malformed(
                                "eventAttributes has to be an object of strings and of objects",
                            )
                        })?;
                }
                Scalar::Nested => {
                    fields.nested.insert(name.to_ascii_lowercase());
                }
            }
        }
        if fields.values.contains_key(USER_DATA) {
            return Err(FieldError::malformed("userData has to be an object"));
        }
        Ok(fields)
    }

    /// A field's text, where it was given.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values
            .get(&name.to_ascii_lowercase())
            .map(String::as_str)
    }

    /// Takes a field's text out.
    ///
    /// # Errors
    ///
    /// It was given as an object or array.
    pub fn optional(&mut self, name: &str) -> Result<Option<String>, FieldError> {
        let lower = name.to_ascii_lowercase();
        if !self.nested.is_empty() && self.nested.contains(&lower) {
            return Err(FieldError::malformed(format!("{name} has to be a string")));
        }
        Ok(self.values.remove(&lower))
    }

    /// Takes the text of a field that has to be there.
    ///
    /// # Errors
    ///
    /// It is not, or is an object or array.
    pub fn required(&mut self, name: &str) -> Result<String, FieldError> {
        self.optional(name)?
            .ok_or_else(|| FieldError::malformed(format!("{name} is missing")))
    }

    /// Takes the text of a field that has to be there, and not blank.
    ///
    /// # Errors
    ///
    /// It is not, or is an object or array.
    pub fn filled(&mut self, name: &str) -> Result<String, FieldError> {
        let text = self.required(name)?;
        match text.trim().is_empty() {
            true => Err(FieldError::malformed(format!("{name} is missing"))),
            false => Ok(text),
        }
    }

    /// Takes a position: a whole number, as a number or as a string.
    ///
    /// # Errors
    ///
    /// It is something else.
    pub fn position(&mut self, name: &str) -> Result<Option<u64>, FieldError> {
        let Some(text) = self.optional(name)? else {
            return Ok(None);
        };
        let text = text.trim();
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(position) if digits => Ok(Some(position)),
            _ => Err(FieldError::malformed(format!(
                "{name} has to be a whole number"
            ))),
        }
    }

    fn add(&mut self, name: &str, value: String) -> Result<(), FieldError> {
        if let Some(key) = user_data_key(name) {
            return self.add_user_data(key.to_owned(), value);
        }
        refuse_nul(&value, name)?;
        self.values.insert(name.to_ascii_lowercase(), value);
        Ok(())
    }

    fn add_user_data_of(&mut self, json: &str) -> Result<(), FieldError> {
        let members =
            members(json).ok_or_else(|| FieldError::malformed("userData has to be an object"))?;
        for (key, value) in members {
            match scalar(value) {
                Scalar::Absent => {}
                Scalar::Text(text) => self.add_user_data(key, text)?,
                Scalar::Nested => {
                    return Err(FieldError::malformed(
                        "values of userData have to be strings",
                    ));
                }
            }
        }
        Ok(())
    }

    fn add_user_data(&mut self, key: String, value: String) -> Result<(), FieldError> {
        refuse_nul(&key, "a key of userData")?;
        refuse_nul(&value, "a value of userData")?;
        if key.is_empty() {
            return Err(FieldError::malformed("a key of userData is empty"));
        }
        self.user_data.insert(key, value);
        Ok(())
    }
}

/// The members whose name does not come again, in their order. The keys of user data are compared with their case.
fn last_of_each(members: Vec<(String, &RawValue)>) -> Vec<(String, &RawValue)> {
    // Two names that are not alike without their case are not alike with it.
    let alike = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    let differ = members.len() <= FEW
        && (1..members.len()).all(|at| {
            members[..at]
                .iter()
                .all(|(name, _)| !alike(name, &members[at].0))
        });
    if differ {
        return members;
    }
    let mut seen = HashSet::new();
    let mut last: Vec<_> = members
        .into_iter()
        .rev()
        .filter(|(name, _)| seen.insert(canonical(name)))
        .collect();
    last.reverse();
    last
}

/// A name as it is compared with others.
fn canonical(name: &str) -> String {
    match user_data_key(name) {
        Some(key) => format!("{USER_DATA}[{key}]"),
        None => name.to_ascii_lowercase(),
    }
}

/// The key in `userData[key]`.
fn user_data_key(name: &str) -> Option<&str> {
    let (head, rest) = name.split_at_checked(USER_DATA.len())?;
    let key = rest.strip_prefix('[')?.strip_suffix(']')?;
    head.eq_ignore_ascii_case(USER_DATA).then_some(key)
}

/// Senders say nothing in the server's name.
fn without_system(mut list: KvList) -> KvList {
    list.0.remove("GCTI_SYSTEM");
    list
}

fn refuse_nul(text: &str, what: &str) -> Result<(), FieldError> {
    match text.contains('\0') {
        true => Err(FieldError::malformed(format!("{what} contains a NUL"))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &[(&str, &str)]) -> Result<Fields, FieldError> {
        Fields::from_pairs(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
    }

    #[test]
    fn forms_and_json_say_the_same() {
        let form = form(&[
            ("Subject", "a"),
            ("subject", "Help"),
            ("userData[order]", "7"),
        ])
        .unwrap();
        let json = r#"{"subject":"a","subject":"Help","userData":{"order":7,"gone":null}}"#;
        assert_eq!(Fields::from_json(json).unwrap(), form);
        assert_eq!(form.text("subject"), Some("Help"));
    }

    /// The order of the alphabet decided, in which capitals come first: `{"subject":"a","Subject":"b"}` was `a`.
    #[test]
    fn of_a_repeated_member_the_last_in_the_document_counts() {
        for (json, subject) in [
            (r#"{"subject":"a","Subject":"b"}"#, Some("b")),
            (r#"{"Subject":"a","subject":"b"}"#, Some("b")),
            (r#"{"subject":"a","SUBJECT":null}"#, None),
            (r#"{"subject":{},"Subject":"b"}"#, Some("b")),
        ] {
            let mut fields = Fields::from_json(json).unwrap();
            assert_eq!(fields.optional("subject").unwrap().as_deref(), subject);
        }
        let json = r#"{"userdata":{"a":1,"b":1,"b":2},"userData[c]":1,"UserData":{"a":3,"A":4},"userData[C]":2}"#;
        let fields = Fields::from_json(json).unwrap();
        let expected = [("A", "4"), ("C", "2"), ("a", "3"), ("c", "1")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(fields.user_data, UserData::from(expected));
        let nested = r#"{"message":"a","Message":[]}"#;
        assert!(
            Fields::from_json(nested)
                .unwrap()
                .optional("message")
                .is_err()
        );
    }

    #[test]
    fn the_names_of_forms_are_good_in_json_too() {
        let fields = Fields::from_json(r#"{"userData[order]":7,"userData":{"size":"L"}}"#).unwrap();
        assert_eq!(
            (&*fields.user_data["order"], &*fields.user_data["size"]),
            ("7", "L")
        );
    }

    #[test]
    fn nested_user_data_is_refused() {
        for json in [
            r#"{"userData":{"a":{}}}"#,
            r#"{"userData":{"a":[1]}}"#,
            r#"{"userData":"a"}"#,
            r#"{"userData":[]}"#,
            r"[]",
        ] {
            assert_eq!(Fields::from_json(json).unwrap_err().code, 400, "{json}");
        }
    }

    #[test]
    fn a_nul_is_refused_wherever_it_is() {
        assert!(form(&[("message", "a\0b")]).is_err());
        assert!(form(&[("userData[a\0]", "b")]).is_err());
        assert!(Fields::from_json(r#"{"userData":{"a":"\u0000"}}"#).is_err());
        assert!(Fields::from_json(r#"{"eventAttributes":{"a":"\u0000"}}"#).is_err());
        assert!(form(&[("message", "a\tb\u{1}")]).is_ok());
    }

    #[test]
    fn what_nobody_asks_for_may_be_anything() {
        let mut fields = Fields::from_json(r#"{"auth":{"username":"u"},"message":{}}"#).unwrap();
        let error = fields.optional("message").unwrap_err();
        assert_eq!(error.advice, "message has to be a string");
    }

    #[test]
    fn positions_are_whole_numbers_of_either_kind() {
        for (json, position) in [
            (r#"{"p":7}"#, Some(7)),
            (r#"{"p":"7"}"#, Some(7)),
            (r"{}", None),
        ] {
            let mut fields = Fields::from_json(json).unwrap();
            assert_eq!(fields.position("p"), Ok(position), "{json}");
        }
        for json in [
            r#"{"p":-1}"#,
            r#"{"p":1.5}"#,
            r#"{"p":"+1"}"#,
            r#"{"p":""}"#,
            r#"{"p":99999999999999999999}"#,
        ] {
            let mut fields = Fields::from_json(json).unwrap();
            assert!(fields.position("p").is_err(), "{json}");
        }
    }

    #[test]
    fn nobody_speaks_in_the_servers_name() {
        let json = r#"{"eventAttributes":{"GCTI_SYSTEM":{"quit-reason-code":"5"},
            "general-properties":{"related-event-id":"4"}}}"#;
        let attributes = Fields::from_json(json).unwrap().attributes;
        assert_eq!(attributes.0.len(), 1);
        assert_eq!(
            attributes.text(&["general-properties", "related-event-id"]),
            Some("4")
        );
    }
}
