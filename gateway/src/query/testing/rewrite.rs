//! Other spellings of a query: every rewrite that `docs/query-language.md` promises, at random.

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::{
    catalog::CollectionSchema,
    query::{Json, JsonLimits, read_json},
    value::{AttributeType, IdType, Number},
};

/// A body that means the same as a canonical text.
pub(crate) fn rewrite(canonical: &str, schema: &CollectionSchema, seed: u64) -> String {
    let body = read_json(canonical.as_bytes(), JsonLimits::default()).expect("a canonical text is JSON");
    let mut rewriter = Rewriter { rng: StdRng::seed_from_u64(seed), schema };
    let body = rewriter.query(body);
    let mut text = String::new();
    rewriter.write(&body, &mut text);
    text
}

type Members = Vec<(String, Json)>;

struct Rewriter<'a> {
    rng: StdRng,
    schema: &'a CollectionSchema,
}

fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    Json::Object(members.map(|(key, value)| (key.to_owned(), value)).into())
}

fn members(json: Json) -> Members {
    match json {
        Json::Object(members) => members,
        other => panic!("expected an object, found {other:?}"),
    }
}

fn elements(json: Json) -> Vec<Json> {
    match json {
        Json::Array(elements) => elements,
        other => panic!("expected an array, found {other:?}"),
    }
}

fn strings(names: impl IntoIterator<Item = impl AsRef<str>>) -> Json {
    Json::Array(names.into_iter().map(|name| Json::String(name.as_ref().to_owned())).collect())
}

fn integer(value: i128) -> Json {
    Json::Number(Number::Integer(value))
}

impl Rewriter<'_> {
    fn chance(&mut self, one_in: u32) -> bool {
        self.rng.random_range(0..one_in) == 0
    }

    fn pick<T>(&mut self, mut choices: Vec<T>) -> T {
        let index = self.rng.random_range(0..choices.len());
        choices.swap_remove(index)
    }

    /// Defaults may be left out or be null; members may stand in any order.
    fn thin(&mut self, mut members: Members, defaults: &[(&str, Json)]) -> Json {
        members.retain_mut(|(key, value)| {
            if !defaults.iter().any(|(name, default)| key == name && value == default) {
                return true;
            }
            match self.rng.random_range(0..3) {
                0 => true,
                1 => {
                    *value = Json::Null;
                    true
                }
                _ => false,
            }
        });
        members.shuffle(&mut self.rng);
        Json::Object(members)
    }

    /// Another order, and some elements again, up to a length.
    fn repeat(&mut self, list: Json, most: u32) -> Json {
        let mut list = elements(list);
        while !list.is_empty() && list.len() < most as usize && self.chance(2) {
            list.push(list[self.rng.random_range(0..list.len())].clone());
        }
        list.shuffle(&mut self.rng);
        Json::Array(list)
    }

    fn query(&mut self, body: Json) -> Json {
        let all = strings(self.schema.attributes.iter().map(|attribute| &attribute.name));
        let include_defaults =
            [("scores", Json::Bool(true)), ("paths", Json::Bool(false)), ("vectors", Json::Bool(false))];
        let defaults = [
            ("vector", Json::Null),
            ("filter", object([])),
            ("within", Json::Null),
            ("expand", Json::Null),
            ("limit", integer(10)),
            ("offset", integer(0)),
            ("score_threshold", Json::Null),
            ("exact", Json::Bool(false)),
            ("select", all),
            ("include", object(include_defaults.clone())),
        ];
        let mut body = members(body);
        body.retain(|(key, value)| !(self.rng.random() && defaults.contains(&(key.as_str(), value.clone()))));
        for (key, value) in &mut body {
            let old = std::mem::replace(value, Json::Null);
            *value = match (key.as_str(), old) {
                ("vector", old @ Json::Object(_)) => self.vector(old),
                ("filter", old) => self.filter(old),
                ("within", old @ Json::Object(_)) => self.within(old),
                ("expand", old @ Json::Object(_)) => self.walk(old, &[("per_item", integer(10))]),
                ("select", old) => self.repeat(old, 40),
                ("include", old) => self.thin(members(old), &include_defaults),
                (_, old) => old,
            };
        }
        body.push(("options".to_owned(), self.thin(Members::new(), &[])));
        self.thin(body, &defaults)
    }

    fn vector(&mut self, vector: Json) -> Json {
        let mut vector = members(vector);
        for (key, value) in &mut vector {
            if key == "combine" {
                let mut terms = elements(std::mem::replace(value, Json::Null));
                for term in &mut terms {
                    let mut inner = members(std::mem::replace(term, Json::Null));
                    inner.iter_mut().for_each(|(key, value)| self.like(key, value));
                    *term = self.thin(inner, &[("weight", integer(1))]);
                }
                terms.shuffle(&mut self.rng);
                *value = Json::Array(terms);
            }
            self.like(key, value);
        }
        if self.chance(3) && !vector.iter().any(|(key, _)| key == "text") {
            vector.push(("text".to_owned(), Json::Null));
        }
        self.thin(vector, &[("name", Json::String("default".to_owned()))])
    }

    fn like(&mut self, key: &str, value: &mut Json) {
        if key == "like" {
            self.id(value);
        }
    }

    /// An id may be an integer where ids are.
    fn id(&mut self, value: &mut Json) {
        if let (IdType::Integer, Json::String(digits)) = (self.schema.id_type, &*value)
            && self.rng.random()
        {
            *value = integer(digits.parse().expect("an integer id"));
        } else if let (IdType::Uuid, Json::String(hyphenated)) = (self.schema.id_type, &*value)
            && self.rng.random()
        {
            *value = Json::String(hyphenated.replace('-', "").to_uppercase());
        }
    }

    fn within(&mut self, within: Json) -> Json {
        let mut within = members(within);
        let mut seeds = false;
        for (key, value) in within.iter_mut().filter(|(key, _)| key == "from") {
            let old = std::mem::replace(value, Json::Null);
            seeds = matches!(old, Json::Object(_));
            *value = match (key.as_str(), old) {
                (_, list @ Json::Array(_)) => {
                    let list = elements(list).into_iter().map(|anchor| self.anchor(anchor)).collect();
                    self.repeat(Json::Array(list), self.schema.limits.max_anchors)
                }
                (_, nearest) => {
                    let mut nearest = members(nearest);
                    for (key, value) in &mut nearest {
                        let old = std::mem::replace(value, Json::Null);
                        *value = match key.as_str() {
                            "vector" => self.vector(old),
                            "filter" => self.filter(old),
                            _ => old,
                        };
                    }
                    self.thin(nearest, &[("filter", object([]))])
                }
            };
        }
        self.walk(Json::Object(within), &[("include_anchors", Json::Bool(seeds))])
    }

    fn anchor(&mut self, anchor: Json) -> Json {
        let mut anchor = members(anchor);
        anchor.iter_mut().filter(|(key, _)| key == "id").for_each(|(_, value)| self.id(value));
        let single = self.schema.graph.as_ref().is_some_and(|graph| graph.labels.len() == 1);
        match self.rng.random_range(0..3) {
            0 if single => anchor.into_iter().find(|(key, _)| key == "id").expect("an anchor has an id").1,
            1 if single => Json::Object(anchor.into_iter().filter(|(key, _)| key == "id").collect()),
            _ => self.thin(anchor, &[]),
        }
    }

    fn walk(&mut self, walk: Json, more: &[(&str, Json)]) -> Json {
        let graph = self.schema.graph.as_ref().expect("a graph");
        let all = strings(&graph.edges);
        let mut defaults =
            vec![("edges", all.clone()), ("direction", Json::String("out".to_owned())), ("hops", integer(1))];
        defaults.extend_from_slice(more);
        let mut walk = members(self.thin(members(walk), &defaults));
        for (_, value) in walk.iter_mut().filter(|(key, value)| key == "edges" && *value != Json::Null) {
            *value = self.repeat(std::mem::replace(value, Json::Null), 20);
        }
        Json::Object(walk)
    }

    fn filter(&mut self, filter: Json) -> Json {
        let filter = self.filter_inside(members(filter));
        match self.rng.random_range(0..14) {
            0 => object([("$and", Json::Array(vec![filter]))]),
            1 => object([("$or", Json::Array(vec![filter]))]),
            2 => object([("$not", object([("$not", filter)]))]),
            3 => object([("$and", Json::Array(vec![object([]), filter.clone(), filter]))]),
            4 => object([("$or", Json::Array(vec![filter.clone(), object([("$or", Json::Array(vec![]))]), filter]))]),
            _ => filter,
        }
    }

    /// Canonical filters have one member or none.
    fn filter_inside(&mut self, mut filter: Members) -> Json {
        let Some((key, value)) = filter.pop() else {
            let name = self.schema.attributes[0].name.to_string();
            return self.pick(vec![
                object([]),
                object([("$and", Json::Array(vec![]))]),
                object([(&name, object([]))]),
                object([(&name, object([("$nin", Json::Array(vec![]))]))]),
                object([("id", object([("$exists", Json::Bool(true))]))]),
            ]);
        };
        match key.as_str() {
            "$and" => {
                let parts = elements(value).into_iter().map(|part| self.filter(part)).collect();
                self.conjunction(parts)
            }
            "$or" if value == Json::Array(vec![]) => self.pick(vec![
                object([("$or", Json::Array(vec![]))]),
                object([("id", object([("$in", Json::Array(vec![]))]))]),
                object([("$not", object([]))]),
            ]),
            "$or" => {
                let mut parts: Vec<_> = elements(value).into_iter().map(|part| self.filter(part)).collect();
                if self.chance(3) {
                    let rest = parts.split_off(parts.len() / 2);
                    parts.push(object([("$or", Json::Array(rest))]));
                }
                let parts = self.repeat(Json::Array(parts), 8);
                object([("$or", parts)])
            }
            "$not" => object([("$not", self.filter(value))]),
            name => self.condition(name, value),
        }
    }

    /// `$and` of parts, nested, or with parts merged into one object where their keys differ.
    fn conjunction(&mut self, mut parts: Vec<Json>) -> Json {
        parts.shuffle(&mut self.rng);
        if self.rng.random() {
            let mut merged: Members = Vec::new();
            let mut rest = Vec::new();
            for part in parts {
                match part {
                    Json::Object(part) if part.iter().all(|(key, _)| merged.iter().all(|(other, _)| key != other)) => {
                        merged.extend(part);
                    }
                    other => rest.push(other),
                }
            }
            if rest.is_empty() {
                return Json::Object(merged);
            }
            rest.push(Json::Object(merged));
            parts = rest;
        }
        if parts.len() > 1 && self.chance(3) {
            let rest = parts.split_off(parts.len() / 2);
            parts.push(object([("$and", Json::Array(rest))]));
        }
        let parts = self.repeat(Json::Array(parts), 8);
        object([("$and", parts)])
    }

    fn condition(&mut self, name: &str, condition: Json) -> Json {
        let kind = match name {
            "id" => None,
            name => Some(self.schema.attributes[usize::from(self.schema.attribute(name).expect("known"))].kind),
        };
        let is_list = kind == Some(AttributeType::Keywords);
        let one = |operator: &str, operand: Json| object([(name, object([(operator, operand)]))]);
        let not = |operator: &str, operand: Json| object([("$not", object([(operator, operand)]))]);
        let Json::Object(mut condition) = condition else {
            let value = self.operand(condition, kind);
            let list = Json::Array(vec![value.clone()]);
            let mut choices = vec![object([(name, value.clone())]), one("$eq", value), one("$in", list.clone())];
            if is_list {
                choices.extend([one("$any", list.clone()), one("$all", list)]);
            }
            return self.pick(choices);
        };
        let (operator, operand) = condition.pop().expect("canonical conditions have one operator");
        let operand = match operand {
            Json::Array(list) => {
                let list = list.into_iter().map(|value| self.operand(value, kind)).collect();
                self.repeat(Json::Array(list), self.schema.limits.max_list)
            }
            Json::Object(inner) => Json::Object(inner),
            scalar => self.operand(scalar, kind),
        };
        let choices = match operator.as_str() {
            "$in" if is_list => vec![one("$in", operand.clone()), one("$any", operand)],
            "$ne" => vec![
                one("$ne", operand.clone()),
                one("$nin", Json::Array(vec![operand.clone()])),
                object([(name, not("$eq", operand.clone()))]),
                object([("$not", one("$eq", operand.clone()))]),
                object([("$not", object([(name, operand)]))]),
            ],
            "$nin" => vec![
                one("$nin", operand.clone()),
                object([(name, not("$in", operand.clone()))]),
                object([("$not", one("$in", operand))]),
            ],
            "$exists" if operand == Json::Bool(false) => {
                vec![one("$exists", operand), object([(name, not("$exists", Json::Bool(true)))])]
            }
            "$all" => {
                let each = elements(operand.clone()).into_iter().map(|value| object([(name, value)])).collect();
                vec![one("$all", operand), object([("$and", Json::Array(each))])]
            }
            "$not" => vec![one("$not", operand.clone()), object([("$not", object([(name, operand)]))])],
            _ => vec![one(&operator, operand)],
        };
        self.pick(choices)
    }

    /// Another spelling of a literal.
    fn operand(&mut self, mut value: Json, kind: Option<AttributeType>) -> Json {
        match (kind, &value) {
            (None, _) => self.id(&mut value),
            (Some(AttributeType::Timestamp), Json::String(text)) => {
                let offset = self.pick(vec!["Z", "z", "+00:00", "-00:00"]);
                value = Json::String(text.replace('Z', offset));
            }
            _ => {}
        }
        value
    }

    /// JSON text with random white space, escapes and spellings of numbers.
    fn write(&mut self, json: &Json, out: &mut String) {
        self.space(out);
        match json {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Number(Number::Integer(value)) => {
                let exact = value.unsigned_abs() < 1 << 53;
                match self.rng.random_range(0..4) {
                    0 if exact => out.push_str(&format!("{value}.0")),
                    1 if exact && *value != 0 => out.push_str(&format!("{value}0e-1")),
                    2 if *value == 0 => out.push_str("-0"),
                    _ => out.push_str(&value.to_string()),
                }
            }
            Json::Number(Number::Float(value)) => match self.rng.random() {
                true => out.push_str(&format!("{value:e}")),
                false => out.push_str(&serde_json::to_string(value).expect("a finite number")),
            },
            Json::String(text) => self.string(text, out),
            Json::Array(list) => {
                out.push('[');
                for (index, element) in list.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    self.write(element, out);
                }
                self.space(out);
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    self.space(out);
                    self.string(key, out);
                    self.space(out);
                    out.push(':');
                    self.write(value, out);
                }
                self.space(out);
                out.push('}');
            }
        }
        self.space(out);
    }

    fn space(&mut self, out: &mut String) {
        if self.chance(6) {
            out.push_str(self.pick(vec![" ", "\n", "\t", "\r\n"]));
        }
    }

    fn string(&mut self, text: &str, out: &mut String) {
        if self.chance(4) {
            let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            out.push_str(&format!("\"{escaped}\""));
        } else {
            out.push_str(&serde_json::to_string(text).expect("a string"));
        }
    }
}
