//! Small inputs in memory, and short ways to look at what became of them.

use std::sync::Arc;

use crate::{
    backend::embedded::{Column, Parts},
    catalog::{AttributeSchema, CollectionSchema, GraphSchema, Metric, QueryLimits, VectorSchema},
    load::{LoadError, LoadOutcome, LoadPlan, ProblemKind, Silent, Source, load},
    value::{AttributeType, IdType},
};

/// Attributes `count` (integer), `flag` (boolean), `kind` (keyword), `size` (float), `tags` (keywords), `when`
/// (timestamp); vectors `default` (2 components) and `image` (3); edge types `likes` and `needs`.
pub(super) fn schema(id_type: IdType) -> CollectionSchema {
    let attribute = |(name, kind): (&str, AttributeType)| AttributeSchema { name: name.into(), kind };
    let attributes = [
        ("count", AttributeType::Integer),
        ("flag", AttributeType::Boolean),
        ("kind", AttributeType::Keyword),
        ("size", AttributeType::Float),
        ("tags", AttributeType::Keywords),
        ("when", AttributeType::Timestamp),
    ];
    let vector =
        |(name, dimensions): (&str, usize)| VectorSchema { name: name.into(), dimensions, metric: Metric::Cosine };
    CollectionSchema {
        name: "things".into(),
        id_type,
        attributes: attributes.map(attribute).into(),
        vectors: [("default", 2), ("image", 3)].map(vector).into(),
        graph: Some(GraphSchema {
            labels: vec!["Thing".into()],
            entity_label: 0,
            edges: vec!["likes".into(), "needs".into()],
        }),
        tenant_attribute: None,
        embedding_version: None,
        limits: QueryLimits::default(),
    }
}

pub(super) fn plan(id_type: IdType) -> LoadPlan {
    LoadPlan::new(Arc::new(schema(id_type)))
}

/// A source of its own; tests are short, so what they leak is little.
pub(super) fn source(name: &'static str, bytes: impl Into<Vec<u8>>) -> Source {
    Source::Bytes { name, bytes: bytes.into().leak() }
}

/// A plan of text ids with these node lines and edges.
pub(super) fn files(nodes: &str, edges: &str) -> LoadPlan {
    let mut plan = plan(IdType::Text);
    plan.nodes.push(source("nodes", nodes));
    if !edges.is_empty() {
        plan.edges.push(source("edges", edges));
    }
    plan
}

/// Loads, and makes sure that a store can be built from what comes out, whatever went in.
pub(super) fn run(plan: &LoadPlan) -> Result<LoadOutcome, LoadError> {
    let outcome = load(plan, &mut Silent)?;
    assert_eq!(outcome.parts.validate(&plan.schema), Ok(()));
    Ok(outcome)
}

/// The kinds that were counted, each with its count.
pub(super) fn counts(outcome: &LoadOutcome) -> Vec<(ProblemKind, u64)> {
    outcome.report.problems.iter().map(|(kind, problem)| (*kind, problem.count)).collect()
}

pub(super) fn ids(parts: &Parts) -> Vec<String> {
    parts.ids.iter().map(ToString::to_string).collect()
}

/// Edges of a type as `a>b`.
pub(super) fn edges(parts: &Parts, edge_type: usize) -> Vec<String> {
    let edges = &parts.edges[edge_type];
    let id = |row: &u32| parts.ids[*row as usize].to_string();
    edges.sources.iter().zip(&edges.targets).map(|(source, target)| format!("{}>{}", id(source), id(target))).collect()
}

/// The value of an attribute at a row, as text; `None` where it is missing.
pub(super) fn value(parts: &Parts, attribute: usize, row: u32) -> Option<String> {
    let (present, value) = match &parts.columns[attribute] {
        Column::Text { dictionary, codes, present } => {
            (present, dictionary.get(codes[row as usize] as usize).map(ToString::to_string).unwrap_or_default())
        }
        Column::Integer { values, present } => (present, values[row as usize].to_string()),
        Column::Float { values, present } => (present, values[row as usize].to_string()),
        Column::Boolean { truths, present } => (present, truths.contains(row).to_string()),
        Column::Keywords { dictionary, offsets, codes, present } => {
            let range = offsets[row as usize] as usize..offsets[row as usize + 1] as usize;
            let words: Vec<&str> = codes[range].iter().map(|code| &*dictionary[*code as usize]).collect();
            (present, words.join(","))
        }
    };
    present.contains(row).then_some(value)
}

/// An array file of 32-bit floats.
pub(super) fn npy(rows: &[&[f32]]) -> Vec<u8> {
    let dimensions = rows.first().map_or(0, |row| row.len());
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {dimensions}), }}\n", rows.len());
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend_from_slice(header.as_bytes());
    file.extend(rows.iter().flat_map(|row| row.iter()).flat_map(|x| x.to_le_bytes()));
    file
}
