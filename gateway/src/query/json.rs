//! Strict JSON: a tree of what a body says, or the place where it stops being JSON.
//!
//! serde_json reads the text; the visitors here add what RFC 8259 leaves open and a cache key cannot: no key twice, a
//! bound on nesting, numbers in one form per value. The path of an error is put together while it unwinds, so that a
//! good body pays nothing for it.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    fmt,
};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::{
    QueryError, plain,
    pointer::{Step, render},
};
use crate::{problem::Code, value::Number};

/// serde_json refuses deeper texts itself, with an error that says less.
const DEEPEST: u32 = 126;

/// What a body may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonLimits {
    /// How deep objects and arrays may be nested; 126 at most.
    pub max_depth: u32,
}

impl Default for JsonLimits {
    fn default() -> Self {
        Self { max_depth: 64 }
    }
}

/// A JSON text as a tree. Numbers have one form per value; members keep their order.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// Exact for integers of 64 bits, signed or not; otherwise the nearest double, always finite.
    Number(Number),
    /// A string, escapes resolved.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object; no key stands twice.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// A member of an object.
    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Self::Object(members) => members.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }
}

/// Why a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonErrorKind {
    /// It is not JSON, or a number in it is no finite double.
    Invalid,
    /// An object names a key twice.
    DuplicateKey,
    /// Objects and arrays are nested too deeply.
    TooDeep,
}

/// A body that cannot be read, and the place in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct JsonError {
    /// What is wrong.
    pub kind: JsonErrorKind,
    /// RFC 6901 pointer to the innermost value that had begun, or to the key that is there twice.
    pub pointer: String,
    /// What was expected, with line and column.
    pub detail: String,
}

impl JsonError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self.kind {
            JsonErrorKind::Invalid => Code::InvalidJson,
            JsonErrorKind::DuplicateKey => Code::DuplicateKey,
            JsonErrorKind::TooDeep => Code::TooDeep,
        }
    }
}

impl From<JsonError> for QueryError {
    fn from(error: JsonError) -> Self {
        Self { code: error.code(), pointer: error.pointer, detail: error.detail }
    }
}

/// Reads a whole body. Takes memory in proportion to it.
pub fn read(bytes: &[u8], limits: JsonLimits) -> Result<Json, JsonError> {
    match plain::read(bytes, limits.max_depth.min(DEEPEST)) {
        Some(json) => Ok(json),
        None => strict(bytes, limits),
    }
}

/// The same with words for what is wrong.
pub(super) fn strict(bytes: &[u8], limits: JsonLimits) -> Result<Json, JsonError> {
    let trace = Trace { kind: Cell::new(JsonErrorKind::Invalid), path: RefCell::default() };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let depth_left = limits.max_depth.min(DEEPEST);
    let value = Value { trace: &trace, depth_left, begun: &Cell::new(false) };
    value.deserialize(&mut reader).and_then(|json| reader.end().map(|()| json)).map_err(|error| JsonError {
        kind: trace.kind.get(),
        pointer: trace.pointer(),
        detail: error.to_string(),
    })
}

/// What an error on its way up learns about its place.
struct Trace {
    kind: Cell<JsonErrorKind>,
    /// Innermost step first.
    path: RefCell<Vec<OwnedStep>>,
}

enum OwnedStep {
    Key(String),
    Index(usize),
}

impl Trace {
    fn pointer(&self) -> String {
        render(self.path.borrow().iter().rev().map(|step| match step {
            OwnedStep::Key(key) => Step::Key(key),
            OwnedStep::Index(index) => Step::Index(*index),
        }))
    }
}

/// Reads one value.
#[derive(Clone, Copy)]
struct Value<'t> {
    trace: &'t Trace,
    /// How many more levels may open.
    depth_left: u32,
    /// Set once the value's first byte was there: an error before that belongs to what holds it.
    begun: &'t Cell<bool>,
}

impl<'t> Value<'t> {
    fn inner<'s>(&self, begun: &'s Cell<bool>) -> Value<'s>
    where
        't: 's,
    {
        begun.set(false);
        Value { trace: self.trace, depth_left: self.depth_left - 1, begun }
    }

    fn open<E: serde::de::Error>(&self) -> Result<(), E> {
        if self.depth_left == 0 {
            self.trace.kind.set(JsonErrorKind::TooDeep);
            return Err(E::custom("objects and arrays are nested too deeply"));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        self.begun.set(true);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(Number::Integer(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(Number::Integer(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(Number::from_f64(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        self.open()?;
        let begun = Cell::new(false);
        let mut elements = Vec::new();
        loop {
            match access.next_element_seed(self.inner(&begun)) {
                Ok(Some(element)) => elements.push(element),
                Ok(None) => return Ok(Json::Array(elements)),
                Err(error) => {
                    if begun.get() {
                        self.trace.path.borrow_mut().push(OwnedStep::Index(elements.len()));
                    }
                    return Err(error);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        self.open()?;
        let begun = Cell::new(false);
        let mut keys = Keys::default();
        let mut members: Vec<(String, Json)> = Vec::new();
        while let Some(key) = access.next_key::<String>()? {
            if keys.repeats(&key, &members) {
                self.trace.kind.set(JsonErrorKind::DuplicateKey);
                self.trace.path.borrow_mut().push(OwnedStep::Key(key));
                return Err(A::Error::custom("the object has this key already"));
            }
            match access.next_value_seed(self.inner(&begun)) {
                Ok(value) => members.push((key, value)),
                Err(error) => {
                    if begun.get() {
                        self.trace.path.borrow_mut().push(OwnedStep::Key(key));
                    }
                    return Err(error);
                }
            }
        }
        Ok(Json::Object(members))
    }
}

/// Tells whether a key was there before. A few are compared one by one; for many, a set keeps the whole linear.
#[derive(Default)]
struct Keys {
    seen: HashSet<String>,
}

impl Keys {
    const FEW: usize = 16;

    fn repeats(&mut self, key: &str, members: &[(String, Json)]) -> bool {
        if members.len() < Self::FEW {
            return members.iter().any(|(name, _)| name == key);
        }
        if self.seen.is_empty() {
            self.seen.extend(members.iter().map(|(name, _)| name.clone()));
        }
        !self.seen.insert(key.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_and_pointer(body: &str) -> (JsonErrorKind, String) {
        let error = read(body.as_bytes(), JsonLimits::default()).expect_err(body);
        (error.kind, error.pointer)
    }

    #[test]
    fn depth_is_bounded_just_there() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(nested(64).as_bytes(), JsonLimits::default()).is_ok());
        assert_eq!(kind_and_pointer(&nested(65)).0, JsonErrorKind::TooDeep);
        assert!(read(nested(2).as_bytes(), JsonLimits { max_depth: 2 }).is_ok());
        assert!(read(nested(3).as_bytes(), JsonLimits { max_depth: 2 }).is_err());
        let bomb = "[".repeat(1 << 20);
        let error = read(bomb.as_bytes(), JsonLimits { max_depth: u32::MAX }).expect_err("the bomb");
        assert_eq!(error.kind, JsonErrorKind::TooDeep);
    }

    #[test]
    fn a_repeated_key_is_found_among_any_number_of_keys() {
        for count in [1, 2, Keys::FEW - 1, Keys::FEW, Keys::FEW + 1, 1_000] {
            let members: Vec<_> = (0..count).map(|index| format!(r#""k{index}":{index}"#)).collect();
            assert!(read(format!("{{{}}}", members.join(",")).as_bytes(), JsonLimits::default()).is_ok(), "{count}");
            for repeated in [0, count / 2, count - 1] {
                let body = format!(r#"{{{},"k{repeated}":0}}"#, members.join(","));
                assert_eq!(kind_and_pointer(&body), (JsonErrorKind::DuplicateKey, format!("/k{repeated}")));
            }
        }
    }

    #[test]
    fn a_body_cut_anywhere_is_refused_and_never_more_than_its_path_is_named() {
        let body = r#"{"a":[1,{"b":"c\u00e9"},null],"d":{"e":-1.5e3}}"#;
        assert!(read(body.as_bytes(), JsonLimits::default()).is_ok());
        let places = ["", "/a", "/a/0", "/a/1", "/a/1/b", "/a/2", "/d", "/d/e"];
        for end in 0..body.len() {
            let (kind, pointer) = kind_and_pointer(&body[..end]);
            assert_eq!(kind, JsonErrorKind::Invalid, "{}", &body[..end]);
            assert!(places.contains(&pointer.as_str()), "{pointer} in {}", &body[..end]);
        }
    }

    #[test]
    fn errors_name_line_and_column() {
        let error = read(b"{\n  \"a\": nulL\n}", JsonLimits::default()).expect_err("cut");
        assert_eq!((error.pointer.as_str(), error.detail.as_str()), ("/a", "expected ident at line 2 column 11"));
    }

    #[test]
    fn a_number_has_one_form() {
        let number = |text: &str| match read(text.as_bytes(), JsonLimits::default()) {
            Ok(Json::Number(number)) => number,
            other => panic!("{other:?}"),
        };
        assert!(matches!(number("-0.0"), Number::Integer(0)));
        assert!(matches!(number("1e2"), Number::Integer(100)));
        assert!(matches!(number("18446744073709551615"), Number::Integer(18_446_744_073_709_551_615)));
        assert!(matches!(number("9007199254740993"), Number::Integer(9_007_199_254_740_993)));
        assert!(matches!(number("1e-400"), Number::Integer(0)));
    }
}
