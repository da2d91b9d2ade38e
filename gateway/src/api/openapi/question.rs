//! What may be asked, as types for documentation. `docs/query-language.md` says what it means.

#![allow(dead_code, reason = "these types describe JSON, they are never made")]

use utoipa::ToSchema;

use super::filter::Filter;

/// One query. What is at the top level says what the answer is; `options` say how to get it.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QueryRequest {
    /// The collection that is asked.
    collection: String,
    /// Ranks the answer; without it the order is by id.
    vector: Option<Vector>,
    /// Which entities may answer.
    filter: Option<Filter>,
    /// Only entities that are reached from somewhere.
    within: Option<Within>,
    /// The neighbourhood that each item brings along.
    expand: Option<Expand>,
    /// Most items.
    #[schema(minimum = 0, default = 10)]
    limit: Option<u32>,
    /// Items skipped first.
    #[schema(minimum = 0, default = 0)]
    offset: Option<u32>,
    /// Lowest score, inclusive; only with `vector`.
    score_threshold: Option<f64>,
    /// Forbids approximate search.
    exact: Option<bool>,
    /// Attributes returned with each item.
    select: Option<Vec<String>>,
    /// What else is returned with each item.
    include: Option<Include>,
    /// How to get the answer.
    options: Option<Options>,
}

/// A vector that ranks: exactly one of `values`, `like`, `text` and `combine`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Vector {
    /// Which of the collection's vectors; `default` if not given.
    name: Option<String>,
    /// The vector itself.
    values: Option<Vec<f32>>,
    /// The stored vector of this entity, which is then no answer itself.
    like: Option<String>,
    /// A text for the collection's embedder.
    text: Option<String>,
    /// A weighted sum.
    combine: Option<Vec<Term>>,
}

/// One input of a weighted sum: exactly one of `values`, `like` and `text`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Term {
    values: Option<Vec<f32>>,
    like: Option<String>,
    text: Option<String>,
    /// May be negative: less like this.
    #[schema(default = 1.0)]
    weight: Option<f64>,
}

/// Only entities reached in 1 to `hops` steps.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Within {
    /// Where walks start.
    from: From,
    /// Edge types that may be taken; all if not given.
    edges: Option<Vec<String>>,
    direction: Option<Direction>,
    #[schema(minimum = 1, default = 1)]
    hops: Option<u8>,
    /// Whether the anchors themselves may answer; so by default if they are the nearest to a vector.
    include_anchors: Option<bool>,
}

/// Where walks start: nodes, or the entities nearest to a vector.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum From {
    Nodes(Vec<Anchor>),
    Nearest(Nearest),
}

/// A node of the graph: its id, and where there are several labels, its label.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum Anchor {
    Id(String),
    Labelled { label: String, id: String },
}

/// The entities nearest to a vector, found exactly and before any plan.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nearest {
    vector: Vector,
    filter: Option<Filter>,
    #[schema(minimum = 1)]
    top: u32,
}

/// The neighbourhood of each item, nearest first, then by id.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Expand {
    /// Edge types that may be taken; all if not given.
    edges: Option<Vec<String>>,
    direction: Option<Direction>,
    #[schema(minimum = 1, default = 1)]
    hops: Option<u8>,
    /// Most neighbours of one item.
    per_item: Option<u32>,
}

/// Along or against the edges.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    Out,
    In,
    Both,
}

/// What is returned with each item.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Include {
    #[schema(default = true)]
    scores: Option<bool>,
    #[schema(default = false)]
    paths: Option<bool>,
    #[schema(default = false)]
    vectors: Option<bool>,
}

/// How to get the answer. No part of what the answer is.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    /// `interactive`, `normal` or `batch`; clamped by the credential.
    priority: Option<Priority>,
    /// Time that the caller gives, in milliseconds.
    deadline_ms: Option<u64>,
    /// What happens when it runs out.
    on_deadline: Option<OnDeadline>,
    /// Which use of the cache is allowed.
    cache: Option<CacheMode>,
    /// Oldest stored answer that will do, in milliseconds.
    max_staleness_ms: Option<u64>,
    /// A token from a write; this version has no writes yet.
    freshness: Option<String>,
    /// How much of its own work the answer describes.
    explain: Option<Explain>,
    /// Runs this plan whatever the planner thinks.
    plan: Option<Plan>,
    /// Which candidate of that plan, counted from 1 as `explain` does; the one predicted to be the fastest by default.
    #[schema(minimum = 1, maximum = 8)]
    variant: Option<u8>,
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Priority {
    Interactive,
    Normal,
    Batch,
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum OnDeadline {
    Error,
    Partial,
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum CacheMode {
    Default,
    Bypass,
    Refresh,
    Only,
    Look,
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Explain {
    None,
    Plan,
    Analyze,
}

#[derive(ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Plan {
    VectorFirst,
    GraphFirst,
    Parallel,
    FilteredVector,
    CachedPartial,
}

/// Several queries. Legs that they share run once.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchRequest {
    queries: Vec<QueryRequest>,
}
