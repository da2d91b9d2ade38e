//! What must hold of [`Parts`] before a store is built from them.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::{Column, Edges, Parts, Vectors};
use crate::{
    catalog::CollectionSchema,
    value::{AttributeType, EntityId, IdType},
};

/// Why parts are no data set of a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartsError {
    /// Rows are numbered with 32 bits.
    #[error("{0} nodes are more than an embedded store can number")]
    TooManyRows(usize),
    /// The embedded graph has one label.
    #[error("an embedded graph has one node label, the schema has {0}")]
    Labels(usize),
    /// A part of the schema has no data, or data has no part of the schema.
    #[error("the schema has {expected} {what}, the data has {found}")]
    Count {
        /// What is counted.
        what: &'static str,
        /// In the schema.
        expected: usize,
        /// In the data.
        found: usize,
    },
    /// An id of another type than the schema's.
    #[error("the id of row {row} is no {expected} id")]
    IdType {
        /// Which.
        row: usize,
        /// The schema's type.
        expected: &'static str,
    },
    /// Ids that do not ascend.
    #[error("the id of row {row} is not greater than the one before")]
    IdOrder {
        /// The later of the two.
        row: usize,
    },
    /// A column that breaks a rule.
    #[error("attribute `{attribute}`: {rule}")]
    Column {
        /// Whose column.
        attribute: Arc<str>,
        /// What should hold.
        rule: &'static str,
    },
    /// Vectors that break a rule.
    #[error("vector `{vector}`: {rule}")]
    Vectors {
        /// Whose vectors.
        vector: Arc<str>,
        /// What should hold.
        rule: &'static str,
    },
    /// Edges that break a rule.
    #[error("edge type `{edge}`: {rule}")]
    Edges {
        /// Of which type.
        edge: Arc<str>,
        /// What should hold.
        rule: &'static str,
    },
}

impl Parts {
    /// Checks everything that a store relies on: that the parts are those of the schema, lengths, order and
    /// distinctness, codes and rows in range, no NaN. The first thing wrong is reported.
    pub fn validate(&self, schema: &CollectionSchema) -> Result<(), PartsError> {
        let rows = self.ids.len();
        if u32::try_from(rows).is_err() {
            return Err(PartsError::TooManyRows(rows));
        }
        validate_ids(&self.ids, schema.id_type)?;

        count("attributes", schema.attributes.len(), self.columns.len())?;
        for (attribute, column) in schema.attributes.iter().zip(&self.columns) {
            broken_rule(column, attribute.kind, rows)
                .map_or(Ok(()), |rule| Err(PartsError::Column { attribute: attribute.name.clone(), rule }))?;
        }

        count("vectors", schema.vectors.len(), self.vectors.len())?;
        for (vector, vectors) in schema.vectors.iter().zip(&self.vectors) {
            vectors
                .broken_rule(vector.dimensions, rows)
                .map_or(Ok(()), |rule| Err(PartsError::Vectors { vector: vector.name.clone(), rule }))?;
        }

        let names = schema.graph.as_ref().map_or(&[][..], |graph| &graph.edges);
        if let Some(graph) = schema.graph.as_ref().filter(|graph| graph.labels.len() != 1) {
            return Err(PartsError::Labels(graph.labels.len()));
        }
        count("edge types", names.len(), self.edges.len())?;
        for (edge, edges) in names.iter().zip(&self.edges) {
            edges.broken_rule(rows).map_or(Ok(()), |rule| Err(PartsError::Edges { edge: edge.clone(), rule }))?;
        }
        Ok(())
    }
}

fn count(what: &'static str, expected: usize, found: usize) -> Result<(), PartsError> {
    if expected == found { Ok(()) } else { Err(PartsError::Count { what, expected, found }) }
}

fn validate_ids(ids: &[EntityId], expected: IdType) -> Result<(), PartsError> {
    for (row, id) in ids.iter().enumerate() {
        let kind = match id {
            EntityId::Integer(_) => IdType::Integer,
            EntityId::Uuid(_) => IdType::Uuid,
            EntityId::Text(_) => IdType::Text,
        };
        if kind != expected {
            return Err(PartsError::IdType { row, expected: expected.as_str() });
        }
        if row > 0 && ids[row - 1] >= *id {
            return Err(PartsError::IdOrder { row });
        }
    }
    Ok(())
}

fn broken_rule(column: &Column, kind: AttributeType, rows: usize) -> Option<&'static str> {
    let fits = match column {
        Column::Text { .. } => matches!(kind, AttributeType::Keyword | AttributeType::Text),
        Column::Integer { .. } => matches!(kind, AttributeType::Integer | AttributeType::Timestamp),
        Column::Float { .. } => kind == AttributeType::Float,
        Column::Boolean { .. } => kind == AttributeType::Boolean,
        Column::Keywords { .. } => kind == AttributeType::Keywords,
    };
    let in_range = |set: &RoaringBitmap| set.max().is_none_or(|row| (row as usize) < rows);
    let rule = |holds: bool, rule| (!holds).then_some(rule);
    let length = |found: usize| rule(found == rows, "there must be one value a row");

    rule(fits, "the column must be of the attribute's type")
        .or_else(|| rule(in_range(column.present()), "present rows must exist"))
        .or_else(|| match column {
            Column::Text { dictionary, codes, present } => length(codes.len())
                .or_else(|| rule(ascending(dictionary), "the dictionary must be sorted and distinct"))
                .or_else(|| {
                    let known = present.iter().all(|row| (codes[row as usize] as usize) < dictionary.len());
                    rule(known, "codes must be in the dictionary")
                }),
            Column::Integer { values, .. } => length(values.len()),
            Column::Float { values, present } => length(values.len()).or_else(|| {
                rule(present.iter().all(|row| !values[row as usize].is_nan()), "NaN must count as missing")
            }),
            Column::Boolean { truths, present } => rule(truths.is_subset(present), "true rows must be present rows"),
            Column::Keywords { dictionary, offsets, codes, .. } => {
                let ends =
                    offsets.first() == Some(&0) && offsets.last().is_some_and(|end| *end as usize == codes.len());
                rule(ends && offsets.len() == rows + 1, "there must be one more offset than rows, from 0 to the end")
                    .or_else(|| rule(offsets.is_sorted(), "offsets must ascend"))
                    .or_else(|| rule(ascending(dictionary), "the dictionary must be sorted and distinct"))
                    .or_else(|| {
                        let known = codes.iter().all(|code| (*code as usize) < dictionary.len());
                        rule(known, "codes must be in the dictionary")
                    })
            }
        })
}

impl Column {
    /// Rows that have a value.
    pub fn present(&self) -> &RoaringBitmap {
        match self {
            Self::Text { present, .. }
            | Self::Integer { present, .. }
            | Self::Float { present, .. }
            | Self::Boolean { present, .. }
            | Self::Keywords { present, .. } => present,
        }
    }
}

impl Vectors {
    fn broken_rule(&self, dimensions: usize, rows: usize) -> Option<&'static str> {
        if dimensions == 0 {
            Some("a vector must have dimensions")
        } else if !ascending(&self.rows) || self.rows.last().is_some_and(|row| *row as usize >= rows) {
            Some("rows must exist, ascend and be distinct")
        } else if Some(self.values.len()) != self.rows.len().checked_mul(dimensions) {
            Some("there must be as many components as rows times dimensions")
        } else {
            self.values.iter().any(|value| !value.is_finite()).then_some("components must be finite")
        }
    }
}

impl Edges {
    fn broken_rule(&self, rows: usize) -> Option<&'static str> {
        let pairs = || self.sources.iter().zip(&self.targets);
        if self.sources.len() != self.targets.len() {
            Some("there must be as many sources as targets")
        } else if u32::try_from(self.sources.len()).is_err() {
            Some("there must be fewer than 2³² edges")
        } else if pairs().any(|(source, target)| *source.max(target) as usize >= rows) {
            Some("sources and targets must exist")
        } else {
            let ascends = pairs().zip(pairs().skip(1)).all(|(a, b)| a < b);
            (!ascends).then_some("edges must ascend by source, then target, and be distinct")
        }
    }
}

fn ascending<T: Ord>(values: &[T]) -> bool {
    values.is_sorted_by(|a, b| a < b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::embedded::testing::{Size, random};

    /// One way to break a data set, and whether the error is the one that it should cause.
    type Break = (fn(&mut Parts), fn(&PartsError) -> bool);

    #[test]
    fn each_broken_rule_is_found() {
        let column = |error: &PartsError| matches!(error, PartsError::Column { .. });
        let vectors = |error: &PartsError| matches!(error, PartsError::Vectors { .. });
        let edges = |error: &PartsError| matches!(error, PartsError::Edges { .. });
        let breaks: Vec<Break> = vec![
            (|p| p.ids.swap(0, 1), |e| matches!(e, PartsError::IdOrder { row: 1 })),
            (|p| p.ids[1] = p.ids[0].clone(), |e| matches!(e, PartsError::IdOrder { row: 1 })),
            (|p| p.ids[2] = EntityId::Integer(1), |e| matches!(e, PartsError::IdType { row: 2, .. })),
            (|p| drop(p.columns.pop()), |e| matches!(e, PartsError::Count { what: "attributes", .. })),
            (|p| drop(p.vectors.pop()), |e| matches!(e, PartsError::Count { what: "vectors", .. })),
            (|p| drop(p.edges.pop()), |e| matches!(e, PartsError::Count { what: "edge types", .. })),
            (|p| p.columns.reverse(), column),
            (|p| drop(p.ids.pop()), |_| true),
            (|p| p.vectors[0].values[0] = f32::NAN, vectors),
            (|p| p.vectors[0].values[0] = f32::INFINITY, vectors),
            (|p| p.vectors[0].values.truncate(1), vectors),
            (|p| p.vectors[0].rows[0] = u32::MAX, vectors),
            (|p| p.edges[0].targets[0] = u32::MAX, edges),
            (|p| p.edges[0].targets.truncate(1), edges),
            (
                |p| {
                    p.edges[0].sources.reverse();
                    p.edges[0].targets.reverse();
                },
                edges,
            ),
        ];
        for (index, (break_it, expected)) in breaks.into_iter().enumerate() {
            let (schema, mut parts) = random(7, Size { rows: 50, edges: 60 });
            assert_eq!(parts.validate(&schema), Ok(()));
            break_it(&mut parts);
            let error = parts.validate(&schema).expect_err("a broken rule");
            assert!(expected(&error), "case {index}: {error}");
        }
    }

    #[test]
    fn each_rule_of_each_column_type_is_checked() {
        let (schema, whole) = random(8, Size { rows: 40, edges: 0 });
        for index in 0..whole.columns.len() {
            for step in 0..4 {
                let mut parts = whole.clone();
                let broken = match (&mut parts.columns[index], step) {
                    (Column::Text { dictionary, .. } | Column::Keywords { dictionary, .. }, 0) => {
                        dictionary.reverse();
                        dictionary.len() > 1
                    }
                    (Column::Text { codes, present, .. }, 1) => {
                        codes[present.min().unwrap() as usize] = u32::MAX;
                        true
                    }
                    (Column::Keywords { codes, .. }, 1) => {
                        codes[0] = u32::MAX;
                        true
                    }
                    (Column::Keywords { offsets, .. }, 2) => {
                        offsets[1] = u32::MAX;
                        true
                    }
                    (Column::Float { values, present }, 1) => {
                        values[present.min().unwrap() as usize] = f64::NAN;
                        true
                    }
                    (Column::Integer { values, .. }, 2) => values.pop().is_some(),
                    (Column::Boolean { truths, present }, 2) => {
                        truths.insert((0..40).find(|row| !present.contains(*row)).unwrap());
                        true
                    }
                    (
                        Column::Text { present, .. }
                        | Column::Integer { present, .. }
                        | Column::Float { present, .. }
                        | Column::Boolean { present, .. }
                        | Column::Keywords { present, .. },
                        3,
                    ) => present.insert(40),
                    _ => continue,
                };
                let attribute = &schema.attributes[index].name;
                let error = parts.validate(&schema);
                assert!(!broken || matches!(&error, Err(PartsError::Column { attribute: a, .. }) if a == attribute));
            }
        }
    }

    #[test]
    fn a_graph_with_several_labels_is_refused() {
        let (schema, parts) = random(9, Size { rows: 10, edges: 10 });
        let mut schema = CollectionSchema::clone(&schema);
        schema.graph.as_mut().unwrap().labels.push("zz".into());
        assert_eq!(parts.validate(&schema), Err(PartsError::Labels(2)));
    }
}
