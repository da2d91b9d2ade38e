//! Filters as text, from their normal form.

use std::collections::BTreeMap;

use super::Text;
use crate::{
    catalog::CollectionSchema,
    query::{Field, Filter, instant},
    value::{AttributeType, Literal, Number},
};

pub(super) fn print(out: &mut Text, filter: &Filter, schema: &CollectionSchema) {
    match filter {
        Filter::Everything => {
            out.raw("{}");
        }
        Filter::Nothing => {
            out.raw("{\"$or\":[]}");
        }
        Filter::Not(inner) => negation(out, inner, schema),
        Filter::And(parts) => conjunction(out, parts, schema),
        Filter::Or(parts) => {
            out.raw("{\"$or\":[");
            out.separated(parts, |out, part| print(out, part, schema));
            out.raw("]}");
        }
        Filter::In(field, values) => under(out, *field, schema, |out| match values.as_slice() {
            [value] => literal(out, value),
            values => operator(out, "$in", |out| literals(out, values)),
        }),
        Filter::Compare(field, comparison, operand) => under(out, *field, schema, |out| {
            operator(out, comparison.as_str(), |out| literal(out, operand));
        }),
        Filter::Exists(field) => under(out, *field, schema, |out| {
            out.raw("{\"$exists\":true}");
        }),
    }
}

fn negation(out: &mut Text, inner: &Filter, schema: &CollectionSchema) {
    match inner {
        Filter::In(field, values) => under(out, *field, schema, |out| match values.as_slice() {
            [value] => operator(out, "$ne", |out| literal(out, value)),
            values => operator(out, "$nin", |out| literals(out, values)),
        }),
        Filter::Exists(field) => under(out, *field, schema, |out| {
            out.raw("{\"$exists\":false}");
        }),
        inner => operator(out, "$not", |out| print(out, inner, schema)),
    }
}

/// Elements that a list must contain print as `$all`, everything else as `$and`.
fn conjunction(out: &mut Text, parts: &[Filter], schema: &CollectionSchema) {
    let (lists, others) = required_elements(parts, schema);
    let print_list = |out: &mut Text, list: &RequiredElements<'_>| {
        under(out, list.field, schema, |out| operator(out, "$all", |out| literals(out, list.elements.iter().copied())));
    };
    if let ([only], []) = (lists.as_slice(), others.as_slice()) {
        return print_list(out, only);
    }
    out.raw("{\"$and\":[");
    out.separated(&lists, &print_list);
    if !lists.is_empty() && !others.is_empty() {
        out.raw(",");
    }
    out.separated(others, |out, part| print(out, part, schema));
    out.raw("]}");
}

/// Elements that one list attribute must contain: one `$all`.
pub(in crate::query) struct RequiredElements<'a> {
    field: Field,
    elements: Vec<&'a Literal>,
}

/// Splits the parts of a conjunction into `$all`s, none longer than a list may be, and the rest.
pub(in crate::query) fn required_elements<'a>(
    parts: &'a [Filter],
    schema: &CollectionSchema,
) -> (Vec<RequiredElements<'a>>, Vec<&'a Filter>) {
    let mut elements: BTreeMap<Field, Vec<&Literal>> = BTreeMap::new();
    let mut others = Vec::new();
    for part in parts {
        match part {
            Filter::In(field, values) if values.len() == 1 && is_list(*field, schema) => {
                elements.entry(*field).or_default().push(&values[0]);
            }
            other => others.push(other),
        }
    }
    let longest = schema.limits.max_list.max(1) as usize;
    let lists = elements.into_iter().flat_map(|(field, elements)| {
        let chunks: Vec<_> = elements.chunks(longest).map(<[_]>::to_vec).collect();
        chunks.into_iter().map(move |elements| RequiredElements { field, elements })
    });
    (lists.collect(), others)
}

fn is_list(field: Field, schema: &CollectionSchema) -> bool {
    match field {
        Field::Id => false,
        Field::Attribute(index) => schema.attributes[usize::from(index)].kind == AttributeType::Keywords,
    }
}

/// `{"field":…}`
fn under(out: &mut Text, field: Field, schema: &CollectionSchema, print: impl FnOnce(&mut Text)) {
    let name = match field {
        Field::Id => "id",
        Field::Attribute(index) => &*schema.attributes[usize::from(index)].name,
    };
    out.raw("{").string(name).raw(":");
    print(out);
    out.raw("}");
}

/// `{"$operator":…}`
fn operator(out: &mut Text, name: &str, print: impl FnOnce(&mut Text)) {
    out.raw("{\"").raw(name).raw("\":");
    print(out);
    out.raw("}");
}

fn literals<'a>(out: &mut Text, values: impl IntoIterator<Item = &'a Literal>) {
    out.raw("[");
    out.separated(values, literal);
    out.raw("]");
}

fn literal(out: &mut Text, literal: &Literal) {
    match literal {
        Literal::Text(text) => {
            out.string(text);
        }
        Literal::Number(Number::Integer(value)) => {
            out.integer(*value);
        }
        Literal::Number(Number::Float(value)) => out.double(*value),
        Literal::Boolean(value) => {
            out.boolean(*value);
        }
        Literal::Timestamp(micros) => {
            out.string(&instant::print(*micros));
        }
        Literal::Id(id) => {
            out.string(&id.to_string());
        }
    }
}
