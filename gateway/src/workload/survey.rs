//! What is in the data: who may be an answer, which values there are, and where edges lead.

use std::cmp::Ordering;

use roaring::RoaringBitmap;
use serde_json::Value;

use super::{adjacency::Adjacency, json};
use crate::{
    backend::embedded::{Column, Parts},
    catalog::CollectionSchema,
    query::Direction,
    reference::Asked,
    value::AttributeType,
};

/// What is in the data.
pub(super) struct Survey<'a> {
    pub(super) schema: &'a CollectionSchema,
    pub(super) parts: &'a Parts,
    /// Rows that may be answers.
    pub(super) entities: RoaringBitmap,
    /// Rows with a usable vector, one list a space.
    pub(super) ranked: Vec<Vec<u32>>,
    /// Attributes that have values.
    pub(super) fields: Vec<Field<'a>>,
    /// One an edge type.
    pub(super) edges: Vec<Adjacency<'a>>,
}

/// The values of one attribute over the entities.
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) attribute: u16,
    pub(super) kind: AttributeType,
    pub(super) values: Values<'a>,
}

impl Field<'_> {
    /// How often conditions are drawn on it. Nobody asks for whole texts often.
    pub(super) fn weight(&self) -> f64 {
        if self.kind == AttributeType::Text { 0.1 } else { 1.0 }
    }
}

/// Values in the form that conditions are drawn from.
pub(super) enum Values<'a> {
    /// Words, one or several a row: which rows have each.
    Words { column: &'a Column, rows: Vec<RoaringBitmap> },
    /// Numbers and instants: rows by value.
    Ordered { column: &'a Column, order: Vec<u32>, is_timestamp: bool },
    /// Flags: rows that are true, and rows that are false.
    Flags { yes: RoaringBitmap, no: RoaringBitmap },
}

impl<'a> Survey<'a> {
    pub(super) fn new(schema: &'a CollectionSchema, parts: &'a Parts) -> Self {
        let asked = Asked { schema, parts, tenant: None };
        let usable = |space: u16, vectors: &crate::backend::embedded::Vectors| -> Vec<u32> {
            vectors.rows.iter().copied().filter(|row| asked.usable_vector(space, *row).is_some()).collect()
        };
        let ranked: Vec<Vec<u32>> = (0_u16..).zip(&parts.vectors).map(|(space, v)| usable(space, v)).collect();
        let entities = if ranked.is_empty() {
            (0..parts.ids.len() as u32).collect()
        } else {
            ranked.iter().flatten().copied().collect()
        };
        let fields = (0_u16..)
            .zip(schema.attributes.iter().zip(&parts.columns))
            .filter_map(|(attribute, (schema, column))| {
                let values = Values::new(column, schema.kind, &entities)?;
                Some(Field { name: &schema.name, attribute, kind: schema.kind, values })
            })
            .collect();
        Self { schema, parts, entities, ranked, fields, edges: parts.edges.iter().map(Adjacency::new).collect() }
    }

    /// Steps that lead away from a node.
    pub(super) fn degree(&self, node: u32, edges: &[u16], direction: Direction) -> usize {
        edges.iter().map(|edge| self.edges[*edge as usize].degree(node, direction)).sum()
    }

    /// Where those steps lead.
    pub(super) fn steps(&self, node: u32, edges: &[u16], direction: Direction) -> Vec<u32> {
        edges.iter().flat_map(|edge| self.edges[*edge as usize].steps(node, direction)).collect()
    }

    /// Entities reached from these nodes, themselves left out.
    pub(super) fn reach(&self, anchors: &[u32], edges: &[u16], direction: Direction, hops: u8) -> RoaringBitmap {
        let mut seen: RoaringBitmap = anchors.iter().copied().collect();
        let mut frontier = anchors.to_vec();
        for _ in 0..hops {
            let mut next = Vec::new();
            for node in frontier {
                for edge in edges {
                    next.extend(self.edges[*edge as usize].steps(node, direction).filter(|to| seen.insert(*to)));
                }
            }
            frontier = next;
        }
        for anchor in anchors {
            seen.remove(*anchor);
        }
        seen & &self.entities
    }
}

impl<'a> Values<'a> {
    fn new(column: &'a Column, kind: AttributeType, entities: &RoaringBitmap) -> Option<Self> {
        let values = match column {
            Column::Text { dictionary, present, .. } | Column::Keywords { dictionary, present, .. } => {
                let mut rows = vec![RoaringBitmap::new(); dictionary.len()];
                for row in &(present & entities) {
                    for code in words_at(column, row) {
                        rows[*code as usize].insert(row);
                    }
                }
                if rows.iter().all(RoaringBitmap::is_empty) {
                    return None;
                }
                Self::Words { column, rows }
            }
            Column::Integer { present, .. } | Column::Float { present, .. } => {
                let is_timestamp = kind == AttributeType::Timestamp;
                let mut order: Vec<u32> = (present & entities).iter().collect();
                order.retain(|row| spelled(column, *row, is_timestamp).is_some());
                order.sort_by(|a, b| compare(column, *a, *b));
                if order.is_empty() {
                    return None;
                }
                Self::Ordered { column, order, is_timestamp }
            }
            Column::Boolean { truths, present } => {
                let present = present & entities;
                if present.is_empty() {
                    return None;
                }
                Self::Flags { yes: &present & truths, no: present - truths }
            }
        };
        Some(values)
    }
}

/// The codes of the words at a row; none where the value is missing.
pub(super) fn words_at(column: &Column, row: u32) -> &[u32] {
    let at = row as usize;
    match column {
        Column::Text { codes, present, .. } if present.contains(row) => &codes[at..=at],
        Column::Keywords { offsets, codes, present, .. } if present.contains(row) => {
            &codes[offsets[at] as usize..offsets[at + 1] as usize]
        }
        _ => &[],
    }
}

/// The word with a code.
pub(super) fn word(column: &Column, code: u32) -> &str {
    match column {
        Column::Text { dictionary, .. } | Column::Keywords { dictionary, .. } => &dictionary[code as usize],
        _ => unreachable!("a column without a dictionary has no codes"),
    }
}

/// A number or instant as a body spells it; `None` for what JSON cannot.
pub(super) fn spelled(column: &Column, row: u32, is_timestamp: bool) -> Option<Value> {
    match column {
        Column::Integer { values, .. } if is_timestamp => json::timestamp(values[row as usize]),
        Column::Integer { values, .. } => Some(values[row as usize].into()),
        Column::Float { values, .. } => Some(serde_json::Number::from_f64(values[row as usize])?.into()),
        _ => None,
    }
}

/// The order of two rows by their numbers.
pub(super) fn compare(column: &Column, a: u32, b: u32) -> Ordering {
    let (a, b) = (a as usize, b as usize);
    match column {
        Column::Integer { values, .. } => values[a].cmp(&values[b]),
        Column::Float { values, .. } => values[a].partial_cmp(&values[b]).expect("columns hold no NaN"),
        _ => Ordering::Equal,
    }
}
