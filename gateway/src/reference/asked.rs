//! Who asks about which data, and which rows that lets through.

use super::similarity;
use crate::{
    backend::embedded::{Column, Parts},
    catalog::{CollectionSchema, Metric},
    query::{Filter, NodeRef},
    value::{AttributeType, AttributeValue, EntityId},
};

/// A data set, what its columns mean, and for whom it is asked.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Names and types.
    pub schema: &'a CollectionSchema,
    /// The data.
    pub parts: &'a Parts,
    /// The tenant that the caller is bound to.
    pub tenant: Option<&'a str>,
}

impl Asked<'_> {
    /// The value of an attribute (an index into the schema) at a row.
    pub fn value(&self, row: u32, attribute: u16) -> AttributeValue {
        let at = row as usize;
        let kind = self.schema.attributes[attribute as usize].kind;
        match &self.parts.columns[attribute as usize] {
            Column::Text { dictionary, codes, present } if present.contains(row) => {
                AttributeValue::Text(dictionary[codes[at] as usize].clone())
            }
            Column::Integer { values, present } if present.contains(row) => match kind {
                AttributeType::Timestamp => AttributeValue::Timestamp(values[at]),
                _ => AttributeValue::Integer(values[at]),
            },
            Column::Float { values, present } if present.contains(row) => AttributeValue::Float(values[at]),
            Column::Boolean { truths, present } if present.contains(row) => {
                AttributeValue::Boolean(truths.contains(row))
            }
            Column::Keywords { dictionary, offsets, codes, present } if present.contains(row) => {
                let own = &codes[offsets[at] as usize..offsets[at + 1] as usize];
                AttributeValue::Keywords(own.iter().map(|code| dictionary[*code as usize].clone()).collect())
            }
            _ => AttributeValue::Null,
        }
    }

    /// The stored vector of a row in a space; `None` where it is missing, or all zero under cosine.
    pub fn usable_vector(&self, space: u16, row: u32) -> Option<&[f32]> {
        let VectorOf { dimensions, metric } = self.space(space);
        let vectors = &self.parts.vectors[space as usize];
        let at = vectors.rows.binary_search(&row).ok()?;
        let vector = &vectors.values[at * dimensions..(at + 1) * dimensions];
        let has_direction = vector.iter().any(|component| *component != 0.0);
        (has_direction || metric != Metric::Cosine).then_some(vector)
    }

    /// The row of an id.
    pub(super) fn row(&self, id: &EntityId) -> Option<u32> {
        self.parts.ids.binary_search(id).ok().map(|row| row as u32)
    }

    /// The row of a node that the caller's walks may touch.
    pub(super) fn node(&self, node: &NodeRef) -> Option<u32> {
        let entity_label = self.schema.graph.as_ref()?.entity_label;
        let row = self.row(&node.id)?;
        (node.label == entity_label && self.may_walk(row)).then_some(row)
    }

    /// Whether the row's data belongs to the caller.
    pub(super) fn is_own(&self, row: u32) -> bool {
        match (self.tenant, self.schema.tenant_attribute) {
            (Some(tenant), Some(attribute)) => {
                matches!(self.value(row, attribute), AttributeValue::Text(owner) if *owner == *tenant)
            }
            _ => true,
        }
    }

    /// Whether the caller's walks may touch the node: it is the caller's own, or it belongs to nobody.
    pub(super) fn may_walk(&self, row: u32) -> bool {
        let belongs_to_nobody =
            self.schema.tenant_attribute.is_some_and(|attribute| self.value(row, attribute) == AttributeValue::Null);
        belongs_to_nobody || self.is_own(row)
    }

    /// Whether the row is an entity that may be ranked in `space` (without one: that has any usable vector, where the
    /// collection has vectors at all).
    pub(super) fn is_entity(&self, row: u32, space: Option<u16>) -> bool {
        let spaces = self.parts.vectors.len() as u16;
        match space {
            Some(space) => self.usable_vector(space, row).is_some(),
            None => spaces == 0 || (0..spaces).any(|space| self.usable_vector(space, row).is_some()),
        }
    }

    /// All entities that pass, best first: by score and then id, or without a query vector by id.
    pub(super) fn ranked(
        &self,
        filter: &Filter,
        ranking: Option<&(u16, Vec<f32>)>,
        excluded: &[EntityId],
    ) -> Vec<(u32, f64)> {
        let mut found = Vec::new();
        for (row, id) in (0_u32..).zip(&self.parts.ids) {
            let passes = self.is_entity(row, ranking.map(|(space, _)| *space))
                && self.is_own(row)
                && !excluded.contains(id)
                && filter.matches(id, &|attribute| self.value(row, attribute));
            if passes {
                let score = ranking.map_or(0.0, |(space, vector)| {
                    let stored = self.usable_vector(*space, row).expect("checked by is_entity");
                    similarity(self.space(*space).metric, vector, stored)
                });
                found.push((row, score));
            }
        }
        // Rows are in the order of ids, and the sort is stable.
        found.sort_by(|(_, a), (_, b)| b.partial_cmp(a).expect("scores are numbers"));
        found
    }

    pub(super) fn space(&self, space: u16) -> VectorOf {
        let schema = &self.schema.vectors[space as usize];
        VectorOf { dimensions: schema.dimensions, metric: schema.metric }
    }
}

/// What a score in a space depends on.
pub(super) struct VectorOf {
    pub(super) dimensions: usize,
    pub(super) metric: Metric,
}
