//! From a filter to a predicate: literals become codes, rows and ranges of the column's own type.

use std::{cmp::Ordering, ops::Range};

use super::{Leaf, Node, bounds};
use crate::{
    backend::embedded::{Column, Dataset},
    query::{Comparison, Field, Filter},
    value::{AttributeType, EntityId, Literal, Number},
};

pub(super) fn compile(data: &Dataset, filter: &Filter) -> Node {
    match filter {
        Filter::Everything | Filter::Exists(Field::Id) => Node::Everything,
        Filter::In(Field::Id, values) => {
            let row = |value: &Literal| if let Literal::Id(id) = value { data.ordinal(id) } else { None };
            listed(values.iter().filter_map(row), Leaf::Rows)
        }
        Filter::In(Field::Attribute(index), values) => one_of(data, *index, values),
        Filter::Compare(Field::Id, comparison, Literal::Id(operand)) => {
            let rows = ordered_range(data.ids(), *comparison, |id: &EntityId| id.cmp(operand));
            if rows.is_empty() { Node::Nothing } else { Node::Leaf(Leaf::RowRange(rows)) }
        }
        Filter::Nothing | Filter::Compare(Field::Id, ..) => Node::Nothing,
        Filter::Compare(Field::Attribute(index), comparison, operand) => compare(data, *index, *comparison, operand),
        Filter::Exists(Field::Attribute(index)) => Node::Leaf(Leaf::Present(*index)),
        Filter::Not(inner) => Node::Not(Box::new(compile(data, inner))),
        Filter::And(parts) => Node::And(parts.iter().map(|part| compile(data, part)).collect()),
        Filter::Or(parts) => Node::Or(parts.iter().map(|part| compile(data, part)).collect()),
    }
}

fn one_of(data: &Dataset, index: u16, values: &[Literal]) -> Node {
    let kind = data.schema().attributes[usize::from(index)].kind;
    match data.column(index) {
        Column::Text { dictionary, .. } | Column::Keywords { dictionary, .. } => {
            let code = |value: &Literal| match value {
                Literal::Text(text) => dictionary.binary_search(text).ok().map(|code| code as u32),
                _ => None,
            };
            let leaf = if kind == AttributeType::Keywords { Leaf::Elements } else { Leaf::Codes };
            listed(values.iter().filter_map(code), |codes| leaf(index, codes))
        }
        Column::Integer { .. } => {
            let integer = |value: &Literal| match value {
                Literal::Timestamp(time) if kind == AttributeType::Timestamp => Some(*time),
                Literal::Number(number) if kind == AttributeType::Integer => bounds::integer(*number),
                _ => None,
            };
            listed(values.iter().filter_map(integer), |values| Leaf::Integers(index, values))
        }
        Column::Float { .. } => {
            let float = |value: &Literal| if let Literal::Number(n) = value { bounds::float(*n) } else { None };
            let mut floats: Vec<f64> = values.iter().filter_map(float).collect();
            floats.sort_by(f64::total_cmp);
            floats.dedup();
            if floats.is_empty() { Node::Nothing } else { Node::Leaf(Leaf::Floats(index, floats)) }
        }
        Column::Boolean { .. } => boolean(index, |value| values.contains(&Literal::Boolean(value))),
    }
}

fn compare(data: &Dataset, index: u16, comparison: Comparison, operand: &Literal) -> Node {
    let kind = data.schema().attributes[usize::from(index)].kind;
    let leaf = match (data.column(index), operand) {
        (Column::Text { dictionary, .. }, Literal::Text(operand)) => {
            let codes = ordered_range(dictionary, comparison, |text| text.as_bytes().cmp(operand.as_bytes()));
            (!codes.is_empty()).then_some(Leaf::CodeRange(index, codes))
        }
        (Column::Integer { .. }, Literal::Timestamp(time)) if kind == AttributeType::Timestamp => {
            bounds::integers(comparison, Number::Integer(i128::from(*time)))
                .map(|(first, last)| Leaf::IntegerRange(index, first, last))
        }
        (Column::Integer { .. }, Literal::Number(number)) if kind == AttributeType::Integer => {
            bounds::integers(comparison, *number).map(|(first, last)| Leaf::IntegerRange(index, first, last))
        }
        (Column::Float { .. }, Literal::Number(number)) => {
            bounds::floats(comparison, *number).map(|(least, greatest)| Leaf::FloatRange(index, least, greatest))
        }
        (Column::Boolean { .. }, Literal::Boolean(operand)) => {
            return boolean(index, |value| comparison.accepts(value.cmp(operand)));
        }
        _ => None,
    };
    leaf.map_or(Node::Nothing, Node::Leaf)
}

fn boolean(index: u16, accepts: impl Fn(bool) -> bool) -> Node {
    match (accepts(false), accepts(true)) {
        (false, false) => Node::Nothing,
        (true, true) => Node::Leaf(Leaf::Present(index)),
        (_, value) => Node::Leaf(Leaf::Boolean(index, value)),
    }
}

fn listed<T: Ord>(values: impl Iterator<Item = T>, leaf: impl FnOnce(Vec<T>) -> Leaf) -> Node {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.dedup();
    if values.is_empty() { Node::Nothing } else { Node::Leaf(leaf(values)) }
}

/// The places in an ascending list whose values compare like this with an operand.
fn ordered_range<T>(sorted: &[T], comparison: Comparison, order: impl Fn(&T) -> Ordering) -> Range<u32> {
    let below = sorted.partition_point(|value| order(value).is_lt()) as u32;
    let not_above = sorted.partition_point(|value| order(value).is_le()) as u32;
    let end = sorted.len() as u32;
    match comparison {
        Comparison::Less => 0..below,
        Comparison::LessOrEqual => 0..not_above,
        Comparison::Greater => not_above..end,
        Comparison::GreaterOrEqual => below..end,
    }
}
