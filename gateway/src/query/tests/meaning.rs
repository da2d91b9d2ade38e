//! A filter's normal form passes what its words say.

use std::cmp::Ordering;

use proptest::{collection::vec, prelude::*};

use crate::{
    catalog::CollectionSchema,
    query::{
        Filter, Json, JsonLimits, Query, instant, read_json,
        testing::{everything, filters, rewrite, understand},
    },
    value::{AttributeValue, EntityId, IdType, Number},
};

/// What the words say, read as plainly as possible.
fn passes(filter: &Json, id: &EntityId, values: &[AttributeValue], schema: &CollectionSchema) -> bool {
    let every = |list: &Json| elements(list).iter().all(|part| passes(part, id, values, schema));
    let some = |list: &Json| elements(list).iter().any(|part| passes(part, id, values, schema));
    members(filter).iter().all(|(key, operand)| match key.as_str() {
        "$and" => every(operand),
        "$or" => some(operand),
        "$not" => !passes(operand, id, values, schema),
        "id" => holds(operand, &Stored::Id(id)),
        name => holds(operand, &Stored::Attribute(&values[usize::from(schema.attribute(name).unwrap())])),
    })
}

enum Stored<'a> {
    Id(&'a EntityId),
    Attribute(&'a AttributeValue),
}

fn holds(condition: &Json, stored: &Stored<'_>) -> bool {
    let Json::Object(operators) = condition else {
        return equals(stored, condition);
    };
    operators.iter().all(|(operator, operand)| match operator.as_str() {
        "$eq" => equals(stored, operand),
        "$ne" => !equals(stored, operand),
        "$in" | "$any" => elements(operand).iter().any(|value| equals(stored, value)),
        "$nin" => !elements(operand).iter().any(|value| equals(stored, value)),
        "$all" => elements(operand).iter().all(|value| equals(stored, value)),
        "$lt" => compare(stored, operand).is_some_and(Ordering::is_lt),
        "$lte" => compare(stored, operand).is_some_and(Ordering::is_le),
        "$gt" => compare(stored, operand).is_some_and(Ordering::is_gt),
        "$gte" => compare(stored, operand).is_some_and(Ordering::is_ge),
        "$exists" => {
            let missing = matches!(stored, Stored::Attribute(AttributeValue::Null));
            *operand == Json::Bool(!missing)
        }
        "$not" => !holds(operand, stored),
        other => panic!("{other}"),
    })
}

fn equals(stored: &Stored<'_>, operand: &Json) -> bool {
    match (stored, operand) {
        (Stored::Attribute(AttributeValue::Keywords(list)), Json::String(text)) => {
            list.iter().any(|item| **item == **text)
        }
        _ => compare(stored, operand) == Some(Ordering::Equal),
    }
}

fn compare(stored: &Stored<'_>, operand: &Json) -> Option<Ordering> {
    match (stored, operand) {
        (Stored::Id(EntityId::Integer(id)), Json::String(text)) => Some(id.cmp(&text.parse().unwrap())),
        (Stored::Id(EntityId::Integer(id)), Json::Number(number)) => Some(Number::Integer((*id).into()).cmp(number)),
        (Stored::Attribute(AttributeValue::Text(value)), Json::String(text)) => {
            Some(value.as_bytes().cmp(text.as_bytes()))
        }
        (Stored::Attribute(AttributeValue::Integer(value)), Json::Number(n)) => {
            Some(Number::Integer((*value).into()).cmp(n))
        }
        (Stored::Attribute(AttributeValue::Float(value)), Json::Number(n)) => Some(Number::from_f64(*value).cmp(n)),
        (Stored::Attribute(AttributeValue::Boolean(value)), Json::Bool(other)) => Some(value.cmp(other)),
        (Stored::Attribute(AttributeValue::Timestamp(value)), Json::String(text)) => {
            Some(value.cmp(&instant::parse(text).unwrap()))
        }
        _ => None,
    }
}

fn elements(json: &Json) -> &[Json] {
    match json {
        Json::Array(elements) => elements,
        other => panic!("{other:?}"),
    }
}

fn members(json: &Json) -> &[(String, Json)] {
    match json {
        Json::Object(members) => members,
        other => panic!("{other:?}"),
    }
}

/// A stored value for each attribute of the schema, from the few that the filters like to ask for.
fn entities() -> impl Strategy<Value = (EntityId, Vec<AttributeValue>)> {
    use crate::value::AttributeType as T;
    let schema = everything(IdType::Integer);
    let values: Vec<_> = schema
        .attributes
        .iter()
        .map(|attribute| {
            let word = "[a-d]{1,2}";
            let value = match attribute.kind {
                T::Keyword | T::Text => word.prop_map(|text| AttributeValue::Text(text.into())).boxed(),
                T::Integer => (-4..4_i64).prop_map(AttributeValue::Integer).boxed(),
                T::Float => (-8..8).prop_map(|half| AttributeValue::Float(f64::from(half) / 2.0)).boxed(),
                T::Boolean => any::<bool>().prop_map(AttributeValue::Boolean).boxed(),
                T::Timestamp => any::<i64>().prop_map(AttributeValue::Timestamp).boxed(),
                T::Keywords => vec(word.prop_map(Into::into), 0..4).prop_map(AttributeValue::Keywords).boxed(),
            };
            prop_oneof![1 => Just(AttributeValue::Null), 3 => value]
        })
        .collect();
    ((-4..4_i64).prop_map(EntityId::Integer), values)
}

fn only(filter: Filter) -> Query {
    let schema = everything(IdType::Integer);
    let nothing = understand(br#"{"collection":"everything","select":[]}"#, &schema).unwrap().query;
    Query { filter, ..nothing }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_spelling_passes_what_its_words_say(
        filter in filters(&everything(IdType::Integer)),
        seed in any::<u64>(),
        entities in vec(entities(), 8),
    ) {
        let schema = everything(IdType::Integer);
        let body = rewrite(&only(filter).print(&schema), &schema, seed);
        let json = read_json(body.as_bytes(), JsonLimits::default()).unwrap();
        let words = json.get("filter").filter(|filter| **filter != Json::Null);
        let parsed = understand(body.as_bytes(), &schema).unwrap().query.filter;
        for (id, values) in &entities {
            let expected = words.is_none_or(|words| passes(words, id, values, &schema));
            let actual = parsed.matches(id, &|index| values[usize::from(index)].clone());
            prop_assert_eq!(actual, expected, "{} on {:?} {:?}", body, id, values);
        }
    }
}
