use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Serialize;
use serde_json::value::RawValue;

use super::*;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shape<'a> {
    plain_text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<u8>,
    nothing: Option<u8>,
    numbers: (u64, i64, u8),
    truth: bool,
    letter: char,
    unit: Unit,
    new: [New; 3],
    list: &'a [String],
    map: &'a BTreeMap<String, String>,
    numbered: BTreeMap<i32, u8>,
    raw: &'a RawValue,
}

#[derive(Serialize)]
enum Unit {
    One,
}

#[derive(Serialize)]
enum New {
    Of(u64),
    Both(u8, u8),
    Named { a: u8 },
}

fn as_serde_does<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap()
}

fn ours<T: Serialize>(value: &T) -> String {
    String::from_utf8(to_vec(value).unwrap()).unwrap()
}

proptest! {
    #[test]
    fn every_text_is_written_as_serde_json_writes_it(text in any::<String>(), more in "[ -~\u{0}-\u{1f}\"\\\\]{0,80}") {
        prop_assert_eq!(ours(&text), as_serde_does(&text));
        prop_assert_eq!(ours(&more), as_serde_does(&more));
    }

    #[test]
    fn every_shape_is_written_as_serde_json_writes_it(
        text in any::<String>(),
        numbers in any::<(u64, i64, u8)>(),
        letter in any::<char>(),
        list in prop::collection::vec(any::<String>(), 0..3),
        map in prop::collection::btree_map(any::<String>(), any::<String>(), 0..3),
    ) {
        let raw = RawValue::from_string(r#"{"as":  ["it", 1e400, "is\u0000"]}"#.to_owned()).unwrap();
        let shape = Shape {
            plain_text: &text,
            absent: None,
            nothing: None,
            numbers,
            truth: true,
            letter,
            unit: Unit::One,
            new: [New::Of(numbers.0), New::Both(1, 2), New::Named { a: 3 }],
            list: &list,
            map: &map,
            numbered: BTreeMap::from([(-1, 2), (30, 4)]),
            raw: &raw,
        };
        prop_assert_eq!(ours(&shape), as_serde_does(&shape));
    }
}

#[test]
fn what_is_formatted_is_escaped() {
    struct Shown;
    impl Serialize for Shown {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(&format_args!("{}-\"{}\"", 1, '\n'))
        }
    }
    assert_eq!(ours(&Shown), as_serde_does(&Shown));
}

#[test]
fn what_is_in_none_of_our_shapes_is_an_error() {
    assert!(to_vec(&1.5).is_err());
    assert!(to_vec(&BTreeMap::from([(true, 2)])).is_err());
}
