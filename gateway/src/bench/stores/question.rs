//! What is asked, and what the right answer is.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    backend::{
        Access, CallContext, GraphStore as _, IdSet, Ranking, ReachRequest, Search, VectorStore,
        embedded::{EmbeddedStore, Parts},
    },
    bench::{BenchError, Corpus, corpus},
    catalog::CollectionSchema,
    query::{Anchors, Filter, Priority, Query, VectorInput, VectorTerm, Walk, Within as Reached, parse, read_json},
    workload::{Generator, WorkloadOptions},
};

/// Scores this close to each other may come in any order.
const TIE: f64 = 1e-6;

/// Entities beyond the last one of an answer that are looked at for ties.
const BEYOND: usize = 32;

/// A query that can be asked of everything that is compared.
pub(in crate::bench) struct Question {
    /// As it is sent to Forebay, without options.
    pub(in crate::bench) body: Value,
    pub(in crate::bench) vector: Arc<[f32]>,
    pub(in crate::bench) filter: Filter,
    pub(in crate::bench) within: Option<Within>,
    pub(in crate::bench) limit: usize,
    pub(in crate::bench) class: Class,
    /// Entities that the walk reaches, where there is one.
    pub(in crate::bench) reached: Option<usize>,
    /// The scores of the right answer, best first.
    right: Vec<f64>,
    /// The scores of everything that may be in a right answer.
    scores: HashMap<String, f64>,
}

/// From where an answer must be reached.
pub(in crate::bench) struct Within {
    pub(in crate::bench) anchors: Vec<String>,
    pub(in crate::bench) walk: Walk,
}

/// What decides how dear a question is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::bench) struct Class {
    pub(in crate::bench) reach: Share,
    pub(in crate::bench) filter: Share,
}

/// How much of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::bench) enum Share {
    /// Nothing is asked for, so all of it.
    All,
    /// Up to 0.15 %.
    Tiny,
    /// Up to 1 %.
    Small,
    /// Up to 10 %.
    Medium,
    /// Up to 25 %.
    Large,
    /// More.
    Huge,
}

impl Share {
    fn of(part: usize, whole: usize) -> Self {
        match part as f64 / whole.max(1) as f64 {
            share if share <= 0.0015 => Self::Tiny,
            share if share <= 0.01 => Self::Small,
            share if share <= 0.10 => Self::Medium,
            share if share <= 0.25 => Self::Large,
            _ => Self::Huge,
        }
    }

    pub(in crate::bench) fn as_str(self) -> &'static str {
        match self {
            Self::All => "none",
            Self::Tiny => "tiny",
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
            Self::Huge => "huge",
        }
    }
}

/// How good an answer is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::bench) struct Judged {
    /// It is the right one.
    pub(in crate::bench) right: bool,
    /// The part of the right answer that is in it.
    pub(in crate::bench) recall: f64,
    /// It has too few rows.
    pub(in crate::bench) short: bool,
}

impl Question {
    /// How good these ids are, in this order.
    pub(in crate::bench) fn judge(&self, ids: &[String]) -> Judged {
        let fits =
            |rank: usize, id: &String| self.scores.get(id).is_some_and(|score| (score - self.right[rank]).abs() <= TIE);
        let mut distinct: Vec<&String> = ids.iter().collect();
        distinct.sort_unstable();
        distinct.dedup();
        let right = ids.len() == self.right.len()
            && distinct.len() == ids.len()
            && ids.iter().enumerate().all(|(rank, id)| fits(rank, id));
        let worst = self.right.last().copied().unwrap_or(f64::INFINITY);
        let found =
            distinct.iter().filter(|id| self.scores.get(**id).is_some_and(|score| *score >= worst - TIE)).count();
        let recall =
            if self.right.is_empty() { 1.0 } else { found.min(self.right.len()) as f64 / self.right.len() as f64 };
        Judged { right, recall, short: ids.len() < self.right.len() }
    }
}

/// Questions over a collection, with their answers from a store in memory.
pub(in crate::bench) struct Examiner<'a> {
    schema: &'a CollectionSchema,
    store: Arc<EmbeddedStore>,
}

impl<'a> Examiner<'a> {
    pub(in crate::bench) fn new(schema: &'a Arc<CollectionSchema>, parts: Parts) -> Result<Self, BenchError> {
        Ok(Self { schema, store: corpus::store(schema, parts)? })
    }

    /// What answers.
    pub(in crate::bench) fn store(&self) -> &Arc<EmbeddedStore> {
        &self.store
    }

    /// The first `count` queries that came with the data, as far as all that is compared can answer them.
    pub(in crate::bench) async fn recorded(&self, corpus: &Corpus, count: usize) -> Result<Vec<Question>, BenchError> {
        let mut questions = Vec::new();
        for body in corpus.recorded.iter().take(count) {
            questions.extend(self.question(body.clone()).await?);
        }
        Ok(questions)
    }

    /// So many generated queries.
    pub(in crate::bench) async fn generated(&self, parts: &Parts, count: usize) -> Result<Vec<Question>, BenchError> {
        /// Of so many drawn queries at least one should do.
        const PATIENCE: usize = 200;
        let options = WorkloadOptions { drill_downs: 0.0, ..WorkloadOptions::default() };
        let mut questions = Vec::new();
        for query in Generator::new(self.schema, parts, options).take(count * PATIENCE) {
            questions.extend(self.question(query.body).await?);
            if questions.len() == count {
                break;
            }
        }
        Ok(questions)
    }

    /// A query with its answer; `None` if it is not one that everything can answer with one vector that is given.
    async fn question(&self, body: Value) -> Result<Option<Question>, BenchError> {
        let query = self.parse(&body)?;
        let Some(vector) = given_vector(&query) else { return Ok(None) };
        let (within, request) = match query.within {
            None => (None, None),
            Some(Reached { from: Anchors::Nodes(anchors), walk, include_anchors: false }) => {
                let names = anchors.iter().map(|anchor| anchor.id.to_string()).collect();
                let request = ReachRequest { anchors, walk: walk.clone(), include_anchors: false, scope: None };
                (Some(Within { anchors: names, walk }), Some(request))
            }
            Some(_) => return Ok(None),
        };
        if query.expand.is_some() || query.offset > 0 || query.score_threshold.is_some() {
            return Ok(None);
        }
        let ctx = patient();
        let rows = VectorStore::statistics(&*self.store).rows as usize;
        let reach = match &request {
            Some(request) => Some(self.store.reach(&ctx, request).await?.ids),
            None => None,
        };
        let search = |ranking, within| Search {
            ranking,
            filter: query.filter.clone(),
            within,
            access: Access::FilterThenRank,
            threshold: None,
            excluded: Vec::new(),
            exact: true,
            expected: query.limit as usize,
            widens: false,
        };
        let passing = match &query.filter {
            Filter::Everything => Share::All,
            _ => {
                let all = self.store.search(&ctx, search(Ranking::ById, None)).await?.next(&ctx, rows).await?;
                Share::of(all.hits.len(), rows)
            }
        };
        let class =
            Class { reach: reach.as_ref().map_or(Share::All, |reach| Share::of(reach.len(), rows)), filter: passing };
        let reached = reach.as_ref().map(IdSet::len);
        let limit = query.limit as usize;
        let ranking = Ranking::Similarity { space: 0, vector: vector.clone() };
        let hits = self.store.search(&ctx, search(ranking, reach)).await?.next(&ctx, limit + BEYOND).await?.hits;
        let right = hits.iter().take(limit).map(|hit| hit.score).collect();
        let scores = hits.iter().map(|hit| (hit.id.to_string(), hit.score)).collect();
        Ok(Some(Question { body, vector, filter: query.filter, within, limit, class, reached, right, scores }))
    }

    fn parse(&self, body: &Value) -> Result<Query, BenchError> {
        let text = body.to_string();
        let json = read_json(text.as_bytes(), Default::default())
            .map_err(|error| BenchError::Query(error.into(), text.clone()))?;
        Ok(parse(&json, self.schema).map_err(|error| BenchError::Query(error.into(), text.clone()))?.query)
    }
}

/// The vector of a query that brings it along.
fn given_vector(query: &Query) -> Option<Arc<[f32]>> {
    match &query.vector.as_ref()?.input {
        VectorInput::Single(VectorTerm::Values(values)) => Some(values.clone()),
        VectorInput::Single(VectorTerm::Like(_) | VectorTerm::Text(_)) | VectorInput::Combine(_) => None,
    }
}

/// A call that may take its time.
pub(in crate::bench) fn patient() -> CallContext {
    CallContext {
        priority: Priority::Normal.into(),
        tenant: None,
        deadline: Instant::now() + Duration::from_secs(600),
        cancelled: CancellationToken::new(),
        request_id: "bench".into(),
    }
}
