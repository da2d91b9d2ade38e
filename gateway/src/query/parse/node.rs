//! One value of the body and the place it stands at: what every part of the parser reads from.

use std::ops::RangeInclusive;

use crate::{
    problem::Code,
    query::{
        Json, QueryError,
        pointer::{Step, render},
        suggest::{hint, list, quote},
    },
    value::Number,
};

/// A value and its place. Places are chained on the stack and become a pointer only when something is wrong.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    pub(super) json: &'a Json,
    place: Place<'a>,
}

#[derive(Clone, Copy)]
struct Place<'a>(Option<(&'a Place<'a>, Step<'a>)>);

impl<'a> Node<'a> {
    pub(super) fn root(json: &'a Json) -> Self {
        Self { json, place: Place(None) }
    }

    fn child<'b>(&'b self, step: Step<'b>, json: &'b Json) -> Node<'b> {
        Node { json, place: Place(Some((&self.place, step))) }
    }

    pub(super) fn pointer(&self) -> String {
        let mut steps = Vec::new();
        let mut place = &self.place;
        while let Place(Some((parent, step))) = place {
            steps.push(*step);
            place = parent;
        }
        render(steps.into_iter().rev())
    }

    pub(super) fn error(&self, code: Code, detail: impl Into<String>) -> QueryError {
        QueryError::new(code, self.pointer(), detail)
    }

    pub(super) fn wrong_type(&self, expected: &str) -> QueryError {
        self.error(Code::WrongType, format!("expected {expected}, found {}", self.found()))
    }

    /// What kind of value stands here, for messages.
    pub(super) fn found(&self) -> &'static str {
        match self.json {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(Number::Integer(_)) => "an integer",
            Json::Number(Number::Float(_)) => "a number",
            Json::String(_) => "a string",
            Json::Array(_) => "an array",
            Json::Object(_) => "an object",
        }
    }

    pub(super) fn string(&self) -> Result<&'a str, QueryError> {
        match self.json {
            Json::String(text) => Ok(text),
            _ => Err(self.wrong_type("a string")),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, QueryError> {
        match self.json {
            Json::Bool(value) => Ok(*value),
            _ => Err(self.wrong_type("true or false")),
        }
    }

    pub(super) fn number(&self) -> Result<Number, QueryError> {
        match self.json {
            Json::Number(value) => Ok(*value),
            _ => Err(self.wrong_type("a number")),
        }
    }

    /// An integer of a range. `10.0` is one.
    pub(super) fn integer(&self, range: RangeInclusive<u64>) -> Result<u64, QueryError> {
        let number = match self.json {
            Json::Number(Number::Float(value)) if value.fract() != 0.0 => return Err(self.wrong_type("an integer")),
            Json::Number(number) => *number,
            _ => return Err(self.wrong_type("an integer")),
        };
        let value = match number {
            Number::Integer(value) => u64::try_from(value).ok(),
            Number::Float(_) => None,
        };
        value.filter(|value| range.contains(value)).ok_or_else(|| {
            self.error(Code::OutOfRange, format!("expected an integer from {} to {}", range.start(), range.end()))
        })
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, QueryError> {
        let names = || words.iter().map(|(name, _)| *name);
        let Json::String(text) = self.json else {
            return Err(self.wrong_type(&list(names())));
        };
        words.iter().find(|(name, _)| name == text).map(|(_, value)| *value).ok_or_else(|| {
            let detail = format!("expected {}, found {}{}", list(names()), quote(text), hint(text, names()));
            self.error(Code::WrongType, detail)
        })
    }

    /// The elements of an array of at most `max`.
    pub(super) fn elements(&self, max: u32) -> Result<Elements<'_>, QueryError> {
        let Json::Array(elements) = self.json else {
            return Err(self.wrong_type("an array"));
        };
        if elements.len() > max as usize {
            let detail = format!("expected at most {max} elements, found {}", elements.len());
            return Err(self.error(Code::OutOfRange, detail));
        }
        Ok(Elements { node: self, elements })
    }

    /// As [`Self::elements`], and at least one.
    pub(super) fn some_elements(&self, max: u32) -> Result<Elements<'_>, QueryError> {
        match self.json {
            Json::Array(elements) if elements.is_empty() => {
                Err(self.error(Code::OutOfRange, format!("expected 1 to {max} elements, found none")))
            }
            _ => self.elements(max),
        }
    }

    /// The members of an object, in the body's order, whatever their names.
    pub(super) fn members(&self) -> Result<impl Iterator<Item = (&str, Node<'_>)>, QueryError> {
        let Json::Object(members) = self.json else {
            return Err(self.wrong_type("an object"));
        };
        Ok(members.iter().map(|(key, value)| (key.as_str(), self.child(Step::Key(key), value))))
    }

    /// The fields of an object that may have these.
    pub(super) fn fields(&self, known: &'static [&'static str]) -> Result<Fields<'_>, QueryError> {
        for (key, member) in self.members()? {
            if !known.contains(&key) {
                let names = known.iter().copied();
                let detail = match hint(key, names.clone()) {
                    none if none.is_empty() => format!("no such field; there are {}", known.join(", ")),
                    some => format!("no such field{some}"),
                };
                return Err(member.error(Code::UnknownField, detail));
            }
        }
        Ok(Fields { node: self })
    }
}

/// The elements of an array.
pub(super) struct Elements<'a> {
    node: &'a Node<'a>,
    elements: &'a [Json],
}

impl<'a> Elements<'a> {
    pub(super) fn len(&self) -> usize {
        self.elements.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Node<'a>> + use<'a> {
        let node = self.node;
        self.elements.iter().enumerate().map(move |(index, json)| node.child(Step::Index(index), json))
    }
}

/// The fields of an object. One that is `null` is as if it were not there.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    node: &'a Node<'a>,
}

impl<'a> Fields<'a> {
    pub(super) fn get(&self, name: &'static str) -> Option<Node<'a>> {
        match self.node.json.get(name) {
            None | Some(Json::Null) => None,
            Some(json) => Some(self.node.child(Step::Key(name), json)),
        }
    }

    pub(super) fn require(&self, name: &'static str) -> Result<Node<'a>, QueryError> {
        self.get(name).ok_or_else(|| self.missing(&format!("`{name}` is missing")))
    }

    /// An error of the object: it lacks a field.
    pub(super) fn missing(&self, detail: &str) -> QueryError {
        self.node.error(Code::MissingField, detail)
    }

    pub(super) fn boolean(&self, name: &'static str, default: bool) -> Result<bool, QueryError> {
        self.get(name).map_or(Ok(default), |node| node.boolean())
    }

    pub(super) fn integer(
        &self,
        name: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> Result<u64, QueryError> {
        let default = default.clamp(*range.start(), *range.end());
        self.get(name).map_or(Ok(default), |node| node.integer(range))
    }

    pub(super) fn word<T: Copy + Default>(&self, name: &'static str, words: &[(&str, T)]) -> Result<T, QueryError> {
        self.get(name).map_or(Ok(T::default()), |node| node.word(words))
    }
}
