//! The bodies of answers. These types are what is serialised and what `/openapi.json` documents; a part that was not
//! asked for is absent, not `null`.

mod values;

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;
use values::as_text;
pub use values::{Attributes, NamedVector, Vectors};

use crate::{
    backend::{Path, PathStep},
    catalog::GraphSchema,
    planner::PlanReport,
    problem::Problem,
    value::EntityId,
};

/// The answer to a query.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct AnswerBody {
    /// The entities that answer, best first.
    pub items: Vec<Item>,
    /// Time ran out: the items are verified, but there may be better ones.
    pub partial: bool,
    /// What the caller should know about the answer.
    pub warnings: Vec<Warning>,
    /// How the answer was or would be made; with `options.explain` and from `/v1/explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanReport>,
}

/// The answer of `/v1/explain`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExplainBody {
    /// How the query would be answered.
    pub plan: PlanReport,
    /// What the cache would say: `hit` if any tier would, else why the nearest would not: `miss`, `expired`, …
    pub cache: &'static str,
    /// What each tier that would be asked would say, the nearest first.
    pub tiers: Vec<TierBody>,
}

/// What a tier would say.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TierBody {
    /// `forebay-l1`, `forebay-l2` or `forebay-l3`.
    pub tier: &'static str,
    /// `hit`, `miss`, `expired`, …
    pub outcome: &'static str,
}

/// One entity of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Item {
    /// Which.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub id: EntityId,
    /// What it is ranked by, higher is better; in a ranked answer, with `include.scores`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The selected attributes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Attributes>,
    /// The score of each leg; with `include.scores`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scores: Option<Scores>,
    /// Shortest paths that lead from an anchor to the entity; with `within` and `include.paths`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<PathBody>>,
    /// The neighbourhood; with `expand`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub neighbours: Option<Vec<NeighbourBody>>,
    /// Stored vectors; with `include.vectors`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vectors: Option<Vectors>,
}

impl Item {
    /// An item with nothing but its id.
    pub fn new(id: EntityId) -> Self {
        Self { id, score: None, attributes: None, scores: None, paths: None, neighbours: None, vectors: None }
    }
}

/// The score of each leg that ranks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, ToSchema)]
pub struct Scores {
    /// The vector leg: cosine similarity, inner product, or `−` Euclidean distance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vector: Option<f64>,
}

/// A path through the graph.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PathBody {
    /// Where it starts.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub from: EntityId,
    /// Its steps, in order; none where it ends at its start.
    pub steps: Vec<StepBody>,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct StepBody {
    /// The edge type.
    #[schema(value_type = String)]
    pub edge: Arc<str>,
    /// Along or against the edge.
    pub direction: StepDirection,
    /// Where it leads.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub to: EntityId,
}

/// Along or against an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepDirection {
    /// From its source to its target.
    Out,
    /// From its target to its source.
    In,
}

/// A node near an entity. It need not be an entity itself.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NeighbourBody {
    /// Which.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub id: EntityId,
    /// Steps on the shortest way, at least one.
    #[schema(minimum = 1)]
    pub hops: u8,
    /// The way; with `include.paths`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBody>,
}

/// Something that the caller should know about an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Warning {
    /// A stable word.
    pub code: WarningCode,
    /// What happened, for people.
    pub message: String,
    /// The id that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// What a warning is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WarningCode {
    /// The graph does not know an anchor of `within.from`; nothing is reached from it.
    UnknownAnchor,
    /// The deadline passed; the items are those verified so far.
    Partial,
}

/// The answer to a batch.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BatchBody {
    /// One a query, in order.
    pub results: Vec<BatchResult>,
}

/// What became of one query of a batch.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum BatchResult {
    /// It was answered.
    Answered {
        /// The status that it would have had alone.
        status: u16,
        /// The body that it would have had alone.
        #[schema(value_type = AnswerBody)]
        body: Box<serde_json::value::RawValue>,
    },
    /// It failed; the others did not.
    Failed {
        /// The status that it would have had alone.
        status: u16,
        /// The problem that it would have had alone.
        problem: Box<ProblemBody>,
    },
}

/// An error: `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// The address of the error's page, relative to this server.
    #[serde(rename = "type")]
    #[schema(example = "/errors/unknown-field")]
    pub kind: String,
    /// A summary that does not change from case to case.
    pub title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// The stable code.
    pub code: &'static str,
    /// What is wrong in this case.
    pub detail: String,
    /// RFC 6901 pointer to the field that is wrong; the empty string is the whole body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// Names the request in the log.
    pub request_id: String,
}

impl ProblemBody {
    /// The body for a problem.
    pub fn new(problem: &Problem, request_id: &str) -> Self {
        let code = problem.code;
        Self {
            kind: format!("/errors/{}", code.as_str()),
            title: code.title(),
            status: code.status(),
            code: code.as_str(),
            detail: problem.detail.clone(),
            pointer: problem.pointer.clone(),
            retryable: code.retryable(),
            request_id: request_id.to_owned(),
        }
    }
}

impl PathBody {
    /// A path in the words of its graph.
    pub fn new(path: &Path, graph: &GraphSchema) -> Self {
        Self { from: path.from.clone(), steps: path.steps.iter().map(|step| StepBody::new(step, graph)).collect() }
    }
}

impl StepBody {
    fn new(step: &PathStep, graph: &GraphSchema) -> Self {
        Self {
            edge: graph.edges[usize::from(step.edge)].clone(),
            direction: if step.along { StepDirection::Out } else { StepDirection::In },
            to: step.to.clone(),
        }
    }
}
