//! `options`: how to get the answer.

use std::time::Duration;

use super::node::Fields;
use crate::{
    catalog::CollectionSchema,
    planner::PlanKind,
    problem::Code,
    query::{CacheMode, Explain, OnDeadline, Options, Priority, QueryError},
};

/// A year: longer than anything lives in a cache.
const MAX_STALENESS_MS: u64 = 365 * 24 * 3_600 * 1_000;

/// More than any kind of plan has.
const MAX_VARIANT: u64 = 8;

const FIELDS: &[&str] =
    &["priority", "deadline_ms", "on_deadline", "cache", "max_staleness_ms", "freshness", "explain", "plan", "variant"];

const ON_DEADLINE: &[(&str, OnDeadline)] = &[("error", OnDeadline::Error), ("partial", OnDeadline::Partial)];

const CACHE: &[(&str, CacheMode)] = &[
    ("default", CacheMode::Default),
    ("bypass", CacheMode::Bypass),
    ("refresh", CacheMode::Refresh),
    ("only", CacheMode::Only),
    ("look", CacheMode::Look),
];

const EXPLAIN: &[(&str, Explain)] = &[("none", Explain::None), ("plan", Explain::Plan), ("analyze", Explain::Analyze)];

pub(super) fn options(query: Fields<'_>, schema: &CollectionSchema) -> Result<Options, QueryError> {
    let Some(node) = query.get("options") else {
        return Ok(Options::default());
    };
    let fields = node.fields(FIELDS)?;
    if let Some(token) = fields.get("freshness") {
        return Err(token.error(Code::FreshnessNotConfigured, "this collection takes no freshness tokens"));
    }
    let priorities =
        [Priority::Interactive, Priority::Normal, Priority::Batch].map(|priority| (priority.as_str(), priority));
    let plans = PlanKind::ALL.map(|kind| (kind.as_str(), kind));
    let millis = |name, range| match fields.get(name) {
        Some(node) => node.integer(range).map(|millis| Some(Duration::from_millis(millis))),
        None => Ok(None),
    };
    if let (Some(variant), None) = (fields.get("variant"), fields.get("plan")) {
        return Err(variant.error(Code::WrongType, "`variant` counts the candidates of a `plan`, and there is none"));
    }
    let variant = fields.get("variant").map(|node| node.integer(1..=MAX_VARIANT)).transpose()?;
    Ok(Options {
        priority: fields.get("priority").map(|node| node.word(&priorities)).transpose()?,
        deadline: millis("deadline_ms", 1..=schema.limits.max_deadline_ms)?,
        on_deadline: fields.word("on_deadline", ON_DEADLINE)?,
        cache: fields.word("cache", CACHE)?,
        max_staleness: millis("max_staleness_ms", 0..=MAX_STALENESS_MS)?,
        explain: fields.word("explain", EXPLAIN)?,
        plan: fields.get("plan").map(|node| node.word(&plans)).transpose()?,
        variant: variant.and_then(|variant| u8::try_from(variant).ok()),
    })
}
