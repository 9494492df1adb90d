//! Lenient parsing of a server's JSON: as lenient as Go's clients, with which servers are tested.
//!
//! A field that is missing, null or of another type than in RFC 8555 counts as missing. The reader of an object decides
//! whether the field is required. Nothing is buffered: unknown fields are skipped by the parser.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A field, if it is present with the right type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Field<T>(pub(super) Option<T>);

impl<T> Default for Field<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl Field<String> {
    /// The text. An empty text counts as missing.
    pub(super) fn text(self) -> Option<String> {
        self.0.filter(|text| !text.is_empty())
    }
}

impl<T> Field<Vec<T>> {
    /// The elements with the right type.
    pub(super) fn list(self) -> Vec<T> {
        self.0.unwrap_or_default()
    }
}

/// A type that is parsed from those JSON values that fit.
pub(super) trait Lenient: Sized {
    /// Parses a text.
    fn from_text(_: &str) -> Option<Self> {
        None
    }

    /// Parses a boolean.
    fn from_flag(_: bool) -> Option<Self> {
        None
    }

    /// Parses a whole number.
    fn from_number(_: u64) -> Option<Self> {
        None
    }

    /// Parses a list, and reads it to its end.
    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    /// Parses an object, and reads it to its end.
    fn from_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Option<Self>, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

impl Lenient for String {
    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Lenient for bool {
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_flag(flag: bool) -> Option<Self> {
        Some(flag)
    }
}

/// An HTTP status.
impl Lenient for u16 {
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_number(number: u64) -> Option<Self> {
        Self::try_from(number).ok()
    }
}

impl Lenient for jiff::Timestamp {
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl<T: Lenient> Lenient for Vec<T> {
    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        let mut elements = Self::new();
        while let Some(Field(element)) = list.next_element()? {
            elements.extend(element);
        }
        Ok(Some(elements))
    }
}

/// The names of an object's fields, without their values.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Names(pub(super) Vec<String>);

impl Lenient for Names {
    fn from_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Option<Self>, A::Error> {
        let mut names = Vec::new();
        while let Some((name, IgnoredAny)) = object.next_entry()? {
            names.push(name);
        }
        Ok(Some(Self(names)))
    }
}

/// Makes structs of lenient fields lenient themselves.
macro_rules! lenient_objects {
    ($($object:ty),+ $(,)?) => {$(
        impl $crate::acme::json::Lenient for $object {
            fn from_object<'de, A: serde::de::MapAccess<'de>>(object: A) -> Result<Option<Self>, A::Error> {
                serde::Deserialize::deserialize(serde::de::value::MapAccessDeserializer::new(object)).map(Some)
            }
        }
    )+};
}
pub(super) use lenient_objects;

impl<'de, T: Lenient> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader(PhantomData)).map(Self)
    }
}

struct Reader<T>(PhantomData<T>);

impl<'de, T: Lenient> Visitor<'de> for Reader<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(T::from_flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(T::from_number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(T::from_text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        T::from_list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        T::from_object(object)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Object {
        text: Field<String>,
        flag: Field<bool>,
        status: Field<u16>,
        list: Field<Vec<String>>,
        inner: Field<Inner>,
        names: Field<Names>,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Inner {
        text: Field<String>,
    }
    lenient_objects!(Object, Inner);

    #[test]
    fn a_field_of_another_type_is_as_if_it_were_not_there() {
        let values = [
            json!(null),
            json!(1.5),
            json!(-1),
            json!([[], {}]),
            json!({"a": [1]}),
            json!("ä"),
            json!(true),
            json!(70_000),
        ];
        for value in values {
            let object = json!({"text": value, "flag": value, "status": value, "list": value, "inner": value, "names": value, "more": value});
            let read: Object = serde_json::from_value(object).unwrap();
            assert_eq!(read.text.0.is_some(), value.is_string());
            assert_eq!(read.flag.0.is_some(), value.is_boolean());
            assert_eq!(read.status.0, None);
            assert_eq!(read.list.list(), [""; 0]);
            assert_eq!(read.inner.0.is_some(), value.is_object());
            assert_eq!(read.names.0.is_some(), value.is_object());
        }
    }

    #[test]
    fn what_is_of_its_type_is_read_and_strange_elements_are_left_out() {
        let text = r#"{"text": "a", "flag": "true", "status": "403", "list": ["b", null, 1, "c"], "inner": {"text": "d"}, "names": {"e": {}}}"#;
        let read: Object = serde_json::from_str(text).unwrap();
        assert_eq!(
            (read.text.text(), read.flag.0, read.status.0),
            (Some("a".into()), Some(true), Some(403))
        );
        assert_eq!(read.list.list(), ["b", "c"]);
        assert_eq!(read.inner.0.and_then(|inner| inner.text.text()), Some("d".into()));
        assert_eq!(read.names.0, Some(Names(vec!["e".into()])));
    }

    #[test]
    fn a_text_that_breaks_off_is_an_error() {
        for text in [
            r#"{"text": "#,
            r#"{"list": ["a""#,
            r#"{"inner": {"text": }}"#,
            r#"{"more": [}"#,
        ] {
            assert!(serde_json::from_str::<Object>(text).is_err(), "{text}");
        }
    }
}
