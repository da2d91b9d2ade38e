//! `vector`: what ranks the answer.

use std::{cmp::Ordering, sync::Arc};

use super::{
    literal::entity_id,
    node::{Fields, Node},
};
use crate::{
    catalog::{CollectionSchema, Metric, VectorSchema},
    problem::Code,
    query::{
        QueryError, VectorClause, VectorInput, VectorTerm,
        suggest::{hint, list, quote},
    },
};

/// The vector that a query means when it names none.
const DEFAULT_NAME: &str = "default";

const INPUTS: [&str; 4] = ["values", "like", "text", "combine"];

pub(super) fn clause(node: &Node<'_>, schema: &CollectionSchema) -> Result<VectorClause, QueryError> {
    let fields = node.fields(&["name", "values", "like", "text", "combine"])?;
    let space = space(node, fields, schema)?;
    let name = one_of(node, fields, &INPUTS)?;
    let input = match fields.get("combine") {
        Some(combine) => VectorInput::Combine(combined(&combine, schema, space)?),
        None => VectorInput::Single(term(fields, name, schema, space)?),
    };
    Ok(VectorClause { space, input })
}

/// The named vector, or `default`, or the only one there is.
fn space(node: &Node<'_>, fields: Fields<'_>, schema: &CollectionSchema) -> Result<u16, QueryError> {
    let names = || schema.vectors.iter().map(|vector| &*vector.name);
    if schema.vectors.is_empty() {
        return Err(node.error(Code::UnknownVector, "the collection has no vectors"));
    }
    if let Some(node) = fields.get("name") {
        let name = node.string()?;
        return schema.vector(name).ok_or_else(|| {
            let detail = format!("the collection has no vector {}{}", quote(name), hint(name, names()));
            node.error(Code::UnknownVector, detail)
        });
    }
    match (schema.vector(DEFAULT_NAME), schema.vectors.len()) {
        (Some(space), _) => Ok(space),
        (None, 1) => Ok(0),
        (None, _) => Err(fields.missing(&format!("`name` is missing: expected {}", list(names())))),
    }
}

/// The name of the one input that is there.
fn one_of(node: &Node<'_>, fields: Fields<'_>, inputs: &[&'static str]) -> Result<&'static str, QueryError> {
    let mut present = inputs.iter().copied().filter(|name| fields.get(name).is_some());
    match (present.next(), present.next()) {
        (Some(name), None) => Ok(name),
        (None, _) => Err(fields.missing(&format!("one of {} is missing", inputs.join(", ")))),
        (Some(_), Some(_)) => {
            Err(node.error(Code::WrongType, format!("expected exactly one of {}, found several", inputs.join(", "))))
        }
    }
}

fn combined(node: &Node<'_>, schema: &CollectionSchema, space: u16) -> Result<Vec<(VectorTerm, f64)>, QueryError> {
    let mut terms = Vec::new();
    for element in node.some_elements(schema.limits.max_combine)?.iter() {
        let fields = element.fields(&["values", "like", "text", "weight"])?;
        let name = one_of(&element, fields, &INPUTS[..3])?;
        let weight = match fields.get("weight") {
            None => 1.0,
            Some(node) => match node.number()?.to_f64() {
                0.0 => return Err(node.error(Code::OutOfRange, "expected a weight other than 0: leave the input out")),
                weight => weight,
            },
        };
        terms.push((term(fields, name, schema, space)?, weight));
    }
    // Equal inputs stay apart: adding their weights first could round differently.
    terms.sort_by(|(a, v), (b, w)| compare(a, b).then_with(|| v.total_cmp(w)));
    Ok(terms)
}

fn term(
    fields: Fields<'_>,
    name: &'static str,
    schema: &CollectionSchema,
    space: u16,
) -> Result<VectorTerm, QueryError> {
    let node = fields.require(name)?;
    match name {
        "values" => values(&node, &schema.vectors[usize::from(space)]).map(VectorTerm::Values),
        "like" => entity_id(&node, schema.id_type).map(VectorTerm::Like),
        _ => text(&node, schema).map(VectorTerm::Text),
    }
}

fn values(node: &Node<'_>, vector: &VectorSchema) -> Result<Arc<[f32]>, QueryError> {
    let elements = node.elements(u32::MAX)?;
    if elements.len() != vector.dimensions {
        let detail = format!("expected {} components, found {}", vector.dimensions, elements.len());
        return Err(node.error(Code::WrongDimension, detail));
    }
    let mut values = Vec::with_capacity(elements.len());
    for element in elements.iter() {
        let value = element.number()?.to_f64() as f32;
        if !value.is_finite() {
            return Err(element.error(Code::NotFinite, "expected a number in the range of a 32-bit float"));
        }
        // A tiny negative number rounds to −0, which is 0.
        values.push(value + 0.0);
    }
    if vector.metric == Metric::Cosine && values.iter().all(|value| *value == 0.0) {
        return Err(node.error(Code::ZeroVector, "expected a component other than 0: similarity is cosine"));
    }
    Ok(values.into())
}

fn text(node: &Node<'_>, schema: &CollectionSchema) -> Result<Arc<str>, QueryError> {
    let text = node.string()?;
    if schema.embedding_version.is_none() {
        return Err(node.error(Code::EmbedderNotConfigured, "the collection has no embedder: send `values` instead"));
    }
    let max = schema.limits.max_text_bytes;
    if text.len() > max as usize {
        let detail = format!("expected at most {max} bytes of text, found {}", text.len());
        return Err(node.error(Code::OutOfRange, detail));
    }
    Ok(text.into())
}

/// The canonical order of inputs: vectors by their components, then ids, then texts.
fn compare(a: &VectorTerm, b: &VectorTerm) -> Ordering {
    let rank = |term: &VectorTerm| match term {
        VectorTerm::Values(_) => 0,
        VectorTerm::Like(_) => 1,
        VectorTerm::Text(_) => 2,
    };
    match (a, b) {
        (VectorTerm::Values(a), VectorTerm::Values(b)) => {
            let components = a.iter().zip(b.iter()).map(|(x, y)| x.total_cmp(y));
            components.fold(Ordering::Equal, Ordering::then)
        }
        (VectorTerm::Like(a), VectorTerm::Like(b)) => a.cmp(b),
        (VectorTerm::Text(a), VectorTerm::Text(b)) => a.cmp(b),
        _ => rank(a).cmp(&rank(b)),
    }
}
