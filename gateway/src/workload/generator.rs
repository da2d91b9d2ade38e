//! The stream of queries: new ones, repeats, and what follows from earlier ones.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use rand::RngExt;
use rand_distr::Zipf;
use serde_json::Value;

use super::{
    class::{Origin, QueryClass},
    draft::Draft,
    random::{Source, one, source},
    survey::Survey,
};
use crate::{backend::embedded::Parts, catalog::CollectionSchema};

/// How far back a drill-down looks for what it follows from.
const MEMORY: usize = 64;

/// What a stream of queries is like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WorkloadOptions {
    /// The same seed and data give the same bytes.
    pub seed: u64,
    /// Exponent of a Zipf distribution over `distinct` queries: 0 asks each as often, 1 is what the web looks like.
    /// `None`: no query is asked twice on purpose.
    pub zipf: Option<f64>,
    /// Number of different queries that repeats are drawn from.
    pub distinct: u64,
    /// Share of queries that follow from an earlier one, in 0..=1.
    pub drill_downs: f64,
}

impl Default for WorkloadOptions {
    fn default() -> Self {
        Self { seed: 1, zipf: None, distinct: 1_000, drill_downs: 0.2 }
    }
}

/// A query and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratedQuery {
    /// The body to send.
    pub body: Value,
    /// A name for all queries of this structure: what a split into seen and unseen templates goes by.
    pub template_id: String,
    /// What is known of it before it runs.
    pub class: QueryClass,
}

/// A stream of queries over one collection. It never ends, unless the collection has no entity.
pub struct Generator<'a> {
    survey: Survey<'a>,
    options: WorkloadOptions,
    repeats: Option<Zipf<f64>>,
    stream: Source,
    position: u64,
    next_number: u64,
    /// Queries that may be repeated, by number, and where they first came.
    asked: HashMap<u64, (u64, Arc<Draft>)>,
    recent: VecDeque<(u64, Arc<Draft>)>,
}

impl<'a> Generator<'a> {
    /// A stream over valid `parts`. Looks at all of the data once.
    pub fn new(schema: &'a CollectionSchema, parts: &'a Parts, options: WorkloadOptions) -> Self {
        let distinct = options.distinct.max(1) as f64;
        Self {
            survey: Survey::new(schema, parts),
            options,
            repeats: options.zipf.and_then(|exponent| Zipf::new(distinct, exponent.max(0.0)).ok()),
            stream: source(options.seed, "stream", 0),
            position: 0,
            next_number: 0,
            asked: HashMap::new(),
            recent: VecDeque::new(),
        }
    }

    /// Query `number` of the seed: a pure function of the two and the data.
    fn draw(&self, number: u64) -> Draft {
        let mut random = source(self.options.seed, "query", number);
        // A draw can lead nowhere, on a space without vectors for one; the next one leads elsewhere.
        loop {
            if let Some(draft) = Draft::draw(&self.survey, &mut random) {
                return draft;
            }
        }
    }

    fn follow_up(&mut self) -> Option<Draft> {
        let index = one(&mut self.stream, &(0..self.recent.len()).collect::<Vec<_>>())?;
        let (of, draft) = &self.recent[index];
        draft.drill(&self.survey, &mut source(self.options.seed, "drill", self.position), *of)
    }

    fn fresh_or_repeat(&mut self) -> (Arc<Draft>, Origin) {
        let Some(repeats) = &self.repeats else {
            let draft = Arc::new(self.draw(self.next_number));
            self.next_number += 1;
            return (draft, Origin::Fresh);
        };
        let number = self.stream.sample(repeats) as u64;
        if let Some((of, draft)) = self.asked.get(&number) {
            return (draft.clone(), Origin::Repeat { of: *of });
        }
        let draft = Arc::new(self.draw(number));
        self.asked.insert(number, (self.position, draft.clone()));
        (draft, Origin::Fresh)
    }
}

impl Iterator for Generator<'_> {
    type Item = GeneratedQuery;

    fn next(&mut self) -> Option<GeneratedQuery> {
        if self.survey.entities.is_empty() {
            return None;
        }
        let follows = self.stream.random_bool(self.options.drill_downs.clamp(0.0, 1.0));
        let (draft, origin) = match follows.then(|| self.follow_up()).flatten() {
            Some(draft) => {
                let origin = draft.class.origin;
                (Arc::new(draft), origin)
            }
            None => self.fresh_or_repeat(),
        };
        if !matches!(origin, Origin::Repeat { .. }) {
            self.recent.push_back((self.position, draft.clone()));
            if self.recent.len() > MEMORY {
                self.recent.pop_front();
            }
        }
        self.position += 1;
        let class = QueryClass { origin, ..draft.class.clone() };
        Some(GeneratedQuery { body: draft.body(&self.survey.schema.name), template_id: class.template_id(), class })
    }
}
