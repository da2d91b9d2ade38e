//! What a load read, kept and left out.

use std::{collections::BTreeMap, sync::Arc};

use super::LoadPlan;
use crate::{backend::embedded::Parts, catalog::CollectionSchema};

/// Examples kept of each kind of problem.
const EXAMPLES: usize = 3;

/// Whether data is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A record, a field or an edge is not in the collection. A strict load refuses.
    LeftOut,
    /// No answer can tell the difference.
    Harmless,
}

macro_rules! problem_kinds {
    ($($(#[$doc:meta])* $variant:ident $severity:ident $text:literal)*) => {
        /// What can be wrong with a record.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ProblemKind {
            $($(#[$doc])* $variant,)*
        }

        impl ProblemKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Whether data is lost.
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// What happened, in a few words.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

problem_kinds! {
    /// A line is not one JSON object, or a CSV record has too few columns.
    MalformedLine LeftOut "malformed line"
    /// A node line names a field twice, or two of its fields are the same attribute. The first counts.
    FieldTwice LeftOut "field given twice"
    /// A node line has no id.
    MissingId LeftOut "missing id"
    /// An id is not of the collection's id type.
    WrongIdType LeftOut "id of the wrong type"
    /// A second node line has the same id. The first counts.
    DuplicateId LeftOut "duplicate id"
    /// The field that edges refer to has the value of an earlier node. Edges refer to the first.
    DuplicateEndpoint LeftOut "duplicate endpoint key"
    /// The field that edges refer to is neither text nor an integer. No edge can refer to the node.
    WrongEndpointType LeftOut "endpoint key of the wrong type"
    /// A field is no attribute of the collection.
    UnknownField LeftOut "unknown attribute"
    /// A value is not of its attribute's type. The node is kept without it.
    WrongType LeftOut "attribute of the wrong type"
    /// A vector has a name that the collection does not have.
    UnknownVector LeftOut "unknown vector"
    /// A vector is not a list of numbers.
    MalformedVector LeftOut "malformed vector"
    /// A vector has the wrong number of components.
    WrongDimension LeftOut "vector of the wrong dimension"
    /// A vector has a component that is NaN or infinite as a 32-bit float.
    NotFinite LeftOut "vector with NaN or infinity"
    /// A node has a vector in its line and one in a file. The one in the line counts.
    VectorTwice LeftOut "vector given twice"
    /// An edge ends at a node that does not exist.
    UnknownNode LeftOut "edge to an unknown node"
    /// An edge has a type that the collection does not have.
    UnknownEdgeType LeftOut "unknown edge type"
    /// A second edge of the same type joins the same nodes the same way.
    ParallelEdge Harmless "parallel edge, kept once"
    /// An edge joins a node to itself. A walk never comes back to where it was, so it is left out.
    SelfLoop Harmless "self loop, left out"
    /// A zero vector has no direction: under cosine the entity is never an answer.
    ZeroVector Harmless "zero vector, never an answer"
    /// An edge file has columns or fields that say nothing to the collection; counted once a file and name.
    IgnoredColumn Harmless "edge column ignored"
}

/// Where something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Position in [`LoadPlan::sources`].
    pub(super) source: u16,
    /// Line from 1; for vector files the row from 0.
    pub(super) line: u64,
}

/// One case of a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// `file:line`; for a vector file `file:row`.
    pub place: String,
    /// What stood there.
    pub detail: String,
}

/// All cases of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problem {
    /// How many.
    pub count: u64,
    /// The first few.
    pub examples: Vec<Example>,
}

/// What a load read, kept and left out.
#[derive(Debug, Clone, Default)]
pub struct LoadReport {
    /// Lines of node files, blank ones not counted.
    pub node_lines: u64,
    /// Rows of vector files.
    pub vector_rows: u64,
    /// Records of edge files.
    pub edge_records: u64,
    /// Nodes kept.
    pub nodes: u64,
    /// Vectors kept, by name.
    pub vectors: Vec<(Arc<str>, u64)>,
    /// Edges kept, by type.
    pub edges: Vec<(Arc<str>, u64)>,
    /// What was wrong, by kind.
    pub problems: BTreeMap<ProblemKind, Problem>,
    source_names: Vec<String>,
    schema: Option<Arc<CollectionSchema>>,
}

impl LoadReport {
    pub(super) fn new(plan: &LoadPlan) -> Self {
        Self {
            source_names: plan.sources().map(ToString::to_string).collect(),
            schema: Some(plan.schema.clone()),
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, kind: ProblemKind, place: Place, detail: impl FnOnce() -> String) {
        let problem = self.problems.entry(kind).or_default();
        problem.count += 1;
        if problem.examples.len() < EXAMPLES {
            let source = &self.source_names[place.source as usize];
            problem.examples.push(Example { place: format!("{source}:{}", place.line), detail: shorten(detail()) });
        }
    }

    pub(super) fn count_kept(&mut self, parts: &Parts) {
        let Some(schema) = &self.schema else { return };
        self.nodes = parts.ids.len() as u64;
        self.vectors =
            schema.vectors.iter().zip(&parts.vectors).map(|(s, v)| (s.name.clone(), v.rows.len() as u64)).collect();
        let names = schema.graph.iter().flat_map(|graph| &graph.edges);
        self.edges = names.zip(&parts.edges).map(|(name, e)| (name.clone(), e.sources.len() as u64)).collect();
    }

    /// How often something was wrong in this way.
    pub fn count(&self, kind: ProblemKind) -> u64 {
        self.problems.get(&kind).map_or(0, |problem| problem.count)
    }

    /// How many records, fields and edges are missing from the collection.
    pub fn left_out(&self) -> u64 {
        let lost = self.problems.iter().filter(|(kind, _)| kind.severity() == Severity::LeftOut);
        lost.map(|(_, problem)| problem.count).sum()
    }
}

/// Data in messages is cut, so that a megabyte in a wrong place is no megabyte in a report.
pub(super) fn shorten(mut text: String) -> String {
    const LONGEST: usize = 160;
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
