//! Holds the written tree against the schema: every unknown key, missing key and wrong value is reported, and what is left
//! after taking the faulty parts out always deserialises, so that the checks of meaning can go on.

use serde_json::{Map, Value as Json};

use super::{
    locations::Locations,
    path::KeyPath,
    problem::{ConfigProblem, Origin, ProblemKind},
    tree::{Entry, Node, Value},
};

/// What came of it.
pub(super) struct Shape {
    /// The configuration without its faulty parts.
    pub(super) sound: Json,
    /// Where everything was written. Elements of arrays have the index that they have in `sound`.
    pub(super) locations: Locations,
    pub(super) problems: Vec<ConfigProblem>,
}

/// Checks a tree against a root schema.
pub(super) fn check(root: &Node, schema: &Json) -> Shape {
    let mut walk = Walk { definitions: &schema["$defs"], locations: Locations::default(), problems: Vec::new() };
    let here = Here { path: KeyPath::default(), key: root.origin.clone() };
    walk.locations.insert(&here.path, &root.origin, &root.origin);
    let sound = walk.value(root, schema, &here).unwrap_or_else(|| Json::Object(Map::new()));
    Shape { sound, locations: walk.locations, problems: walk.problems }
}

struct Walk<'a> {
    definitions: &'a Json,
    locations: Locations,
    problems: Vec<ConfigProblem>,
}

/// Where the walk is.
struct Here {
    path: KeyPath,
    key: Origin,
}

impl<'a> Walk<'a> {
    /// The sound part of a value; `None` when nothing of it can be used.
    fn value(&mut self, node: &Node, schema: &'a Json, here: &Here) -> Option<Json> {
        let schema = self.resolve(schema);
        if let Some(choices) = schema["oneOf"].as_array() {
            return match choices.iter().all(|choice| choice["const"].is_string()) {
                true => self.word(node, choices, here),
                false => self.tagged(node, choices, here),
            };
        }
        match (schema["type"].as_str().unwrap_or_default(), &node.value) {
            ("object", Value::Table(entries)) => self.table(entries, schema, here),
            ("array", Value::Array(items)) => Some(self.array(items, &schema["items"], here)),
            ("boolean", Value::Boolean(truth)) => Some(Json::Bool(*truth)),
            ("integer", Value::Integer(integer)) => self.integer(i128::from(*integer), node, schema, here),
            ("integer", Value::HugeInteger(_)) => self.integer(i128::MAX, node, schema, here),
            ("number", Value::Float(number)) => self.number(*number, node, here),
            ("number", Value::Integer(number)) => self.number(*number as f64, node, here),
            ("string", value) => match (value, &node.raw) {
                (Value::String(text), _) => self.string(text, node, schema, here),
                (_, Some(raw)) => self.string(raw, node, schema, here),
                _ => self.wrong_type("string", node, here),
            },
            (expected, _) => self.wrong_type(expected, node, here),
        }
    }

    fn resolve(&self, schema: &'a Json) -> &'a Json {
        let mut schema = schema;
        while let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/$defs/")) {
            schema = &self.definitions[name];
        }
        schema
    }

    fn table(&mut self, entries: &[Entry], schema: &'a Json, here: &Here) -> Option<Json> {
        let mut sound = Map::new();
        let mut usable = true;
        let named = schema["properties"].as_object();
        for entry in entries {
            let path = here.path.key(&entry.key);
            self.locations.insert(&path, &entry.origin, &entry.node.origin);
            let of_key = named.and_then(|named| named.get(&entry.key));
            let any = schema["additionalProperties"].as_object().map(|_| &schema["additionalProperties"]);
            let Some(of_value) = of_key.or(any) else {
                let names = named.into_iter().flat_map(Map::keys);
                self.unknown_key(entry, path, &names.map(String::as_str).collect::<Vec<_>>());
                continue;
            };
            let there = Here { path, key: entry.origin.clone() };
            match self.value(&entry.node, of_value, &there) {
                Some(value) => drop(sound.insert(entry.key.clone(), value)),
                None => usable &= !requires(schema, &entry.key),
            }
        }
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
            if !entries.iter().any(|entry| entry.key == required) {
                usable = false;
                self.report(ProblemKind::MissingKey, &here.key, here, format!("the key `{required}` is missing"));
            }
        }
        usable.then_some(Json::Object(sound))
    }

    fn array(&mut self, items: &[Node], schema: &'a Json, here: &Here) -> Json {
        let mut sound = Vec::new();
        for item in items {
            let there = Here { path: here.path.index(sound.len()), key: item.origin.clone() };
            self.locations.insert(&there.path, &item.origin, &item.origin);
            sound.extend(self.value(item, schema, &there));
        }
        Json::Array(sound)
    }

    fn word(&mut self, node: &Node, choices: &'a [Json], here: &Here) -> Option<Json> {
        let words: Vec<&str> = choices.iter().filter_map(|choice| choice["const"].as_str()).collect();
        let Value::String(text) = &node.value else { return self.wrong_type("string", node, here) };
        if words.contains(&text.as_str()) {
            return Some(Json::String(text.clone()));
        }
        let message = format!("expected {}, got `{text}`", one_of(&words));
        let problem = ConfigProblem::new(ProblemKind::WrongValue, node.origin.clone(), here.path.clone(), message);
        self.problems.push(problem.suggest_nearest(text, words));
        None
    }

    /// A table whose `kind` says which keys it has.
    fn tagged(&mut self, node: &Node, choices: &'a [Json], here: &Here) -> Option<Json> {
        let Value::Table(entries) = &node.value else { return self.wrong_type("object", node, here) };
        let kinds: Vec<&str> =
            choices.iter().filter_map(|choice| choice["properties"]["kind"]["const"].as_str()).collect();
        let Some(entry) = entries.iter().find(|entry| entry.key == "kind") else {
            let message = format!("the key `kind` is missing: {}", one_of(&kinds));
            self.report(ProblemKind::MissingKey, &here.key, here, message);
            return None;
        };
        let kind_path = here.path.key("kind");
        let Value::String(kind) = &entry.node.value else {
            return self.wrong_type("string", &entry.node, &Here { path: kind_path, key: entry.origin.clone() });
        };
        if let Some(at) = kinds.iter().position(|name| name == kind) {
            return self.table(entries, &choices[at], here);
        }
        let message = format!("the kind `{kind}` is not in this version, which has {}", one_of(&kinds));
        let problem = ConfigProblem::new(ProblemKind::Unsupported, entry.node.origin.clone(), kind_path, message);
        self.problems.push(problem.suggest_nearest(kind, kinds));
        None
    }

    fn integer(&mut self, value: i128, node: &Node, schema: &Json, here: &Here) -> Option<Json> {
        let bound = |name: &str| schema[name].as_i64().map(i128::from);
        let (low, high) = match schema["format"].as_str() {
            Some("uint8") => (0, i128::from(u8::MAX)),
            Some("uint16") => (0, i128::from(u16::MAX)),
            Some("uint32") => (0, i128::from(u32::MAX)),
            Some("uint" | "uint64") => (0, i128::from(i64::MAX)),
            _ => (i128::from(i64::MIN), i128::from(i64::MAX)),
        };
        let (low, high) = (bound("minimum").unwrap_or(low).max(low), bound("maximum").unwrap_or(high).min(high));
        if (low..=high).contains(&value) {
            return i64::try_from(value).ok().map(Json::from);
        }
        let written = match &node.value {
            Value::HugeInteger(text) => text.clone(),
            _ => value.to_string(),
        };
        let message = match high == i128::from(i64::MAX) {
            true => format!("must be at least {low}, got {written}"),
            false => format!("must be {low} to {high}, got {written}"),
        };
        self.report(ProblemKind::WrongValue, &node.origin, here, message);
        None
    }

    /// Whether it is in its range is a matter of meaning.
    fn number(&mut self, value: f64, node: &Node, here: &Here) -> Option<Json> {
        let number = serde_json::Number::from_f64(value).map(Json::Number);
        if number.is_none() {
            self.report(ProblemKind::WrongValue, &node.origin, here, format!("must be a finite number, got {value}"));
        }
        number
    }

    fn string(&mut self, text: &str, node: &Node, schema: &Json, here: &Here) -> Option<Json> {
        let message = if schema["format"] == "socket-address" && text.parse::<std::net::SocketAddr>().is_err() {
            format!("expected an address and a port like 127.0.0.1:7700 or [::1]:7700, got `{text}`")
        } else if schema["format"] == "sha256" && !is_sha256(text) {
            // The text is not shown: it may well be the token itself.
            "expected a SHA-256 digest, 64 hexadecimal digits, not the token itself".to_owned()
        } else {
            return Some(Json::String(text.into()));
        };
        self.report(ProblemKind::WrongValue, &node.origin, here, message);
        None
    }

    fn wrong_type(&mut self, expected: &str, node: &Node, here: &Here) -> Option<Json> {
        let expected = match expected {
            "object" => "a table",
            "array" => "an array",
            "integer" => "an integer",
            "boolean" => "true or false",
            "number" => "a number",
            _ => "a string",
        };
        let message = format!("expected {expected}, got {}", node.value.type_name());
        self.report(ProblemKind::WrongValue, &node.origin, here, message);
        None
    }

    fn unknown_key(&mut self, entry: &Entry, path: KeyPath, names: &[&str]) {
        let mut problem =
            ConfigProblem::new(ProblemKind::UnknownKey, entry.origin.clone(), path, "there is no such key here");
        problem = problem.suggest_nearest(&entry.key, names.iter().copied());
        if problem.suggestion.is_none() {
            problem = problem.suggest(format!("the keys here are {}", names.join(", ")));
        }
        self.problems.push(problem);
    }

    fn report(&mut self, kind: ProblemKind, origin: &Origin, here: &Here, message: impl Into<String>) {
        self.problems.push(ConfigProblem::new(kind, origin.clone(), here.path.clone(), message));
    }
}

/// Whether a text is a SHA-256 digest in hexadecimal.
pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn requires(schema: &Json, key: &str) -> bool {
    schema["required"].as_array().is_some_and(|keys| keys.iter().any(|required| required == key))
}

fn one_of(words: &[&str]) -> String {
    match words {
        [] => "nothing".into(),
        [only] => format!("`{only}`"),
        [first @ .., last] => format!("`{}` or `{last}`", first.join("`, `")),
    }
}
