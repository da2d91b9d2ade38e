//! What answers cost and weigh: measured on some queries of each class, and drawn from those for the others.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use serde_json::{Value, json};

use crate::{
    bench::{BenchError, Corpus, Effort, corpus::incoming, timing::us},
    principal::Principal,
    request::Gateway,
    workload::{Generator, QueryClass, Shape, WorkloadOptions},
};

/// Different queries.
const DISTINCT: usize = 120_000;
/// Queries of a class that are measured.
const MEASURED: usize = 100;
/// What an entry takes in memory beside its body: key, stamp, times, groups.
const OVERHEAD: u64 = 192;
/// Times that each is asked. The last one counts: servers compile what is asked again.
const ASKED: usize = 2;
const SEED: u64 = 17;

/// An answer in a cache.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Item {
    /// Memory that it takes.
    pub(super) bytes: u64,
    /// Microseconds that it took to make.
    pub(super) us: f64,
}

/// What queries of one class have in common: clauses, hops, and the order of magnitude of `limit`.
type Class = (Shape, u8, u32);

fn class(of: &QueryClass) -> Class {
    (of.shape, of.hops.unwrap_or(0), of.limit.checked_ilog10().unwrap_or(0))
}

/// Different queries, some of them with their bodies.
pub(super) struct Queries {
    /// Of each query the index of its class.
    classes: Vec<usize>,
    /// By class, queries to measure.
    samples: Vec<Vec<(usize, Value)>>,
}

impl Queries {
    /// Draws them.
    pub(super) fn new(corpus: &Corpus, effort: Effort) -> Self {
        let (distinct, measured) = (effort.of(DISTINCT, 600), effort.of(MEASURED, 3));
        let mut seen = HashSet::new();
        let mut indexes: BTreeMap<Class, usize> = BTreeMap::new();
        let mut queries = Self { classes: Vec::new(), samples: Vec::new() };
        let generated = Generator::new(&corpus.schema, &corpus.parts, WorkloadOptions::default());
        // A small collection may not have so many different queries to ask.
        for query in generated.take(4 * distinct) {
            if !seen.insert(blake3::hash(query.body.to_string().as_bytes())) {
                continue;
            }
            let next = indexes.len();
            let index = *indexes.entry(class(&query.class)).or_insert(next);
            queries.samples.resize_with(indexes.len(), Vec::new);
            let samples = &mut queries.samples[index];
            if samples.len() < measured {
                samples.push((queries.classes.len(), query.body));
            }
            queries.classes.push(index);
            if queries.classes.len() == distinct {
                break;
            }
        }
        queries
    }

    pub(super) fn len(&self) -> usize {
        self.classes.len()
    }

    pub(super) fn classes(&self) -> usize {
        self.samples.len()
    }

    pub(super) fn measured(&self) -> usize {
        self.samples.iter().map(Vec::len).sum()
    }

    /// Asks a gateway for the samples. Of each query what it weighs and costs, and as many again that are like them.
    pub(super) async fn ask(&self, gateway: &Gateway, singles: usize) -> Result<Vec<Item>, BenchError> {
        let principal = Arc::new(Principal::local());
        let mut measured: Vec<Vec<Item>> = Vec::new();
        let mut own: Vec<Option<Item>> = vec![None; self.classes.len()];
        for samples in &self.samples {
            let mut items = Vec::new();
            for (number, body) in samples {
                let mut body = body.clone();
                body["options"] = json!({ "cache": "bypass", "deadline_ms": 60_000 });
                let bytes = Bytes::from(body.to_string());
                let mut item = None;
                for _ in 0..ASKED {
                    let started = Instant::now();
                    let answer = gateway.answer(incoming(&principal, bytes.clone())).await;
                    let spent = us(started.elapsed());
                    let answer = answer.map_err(|problem| BenchError::Query(problem, body.to_string()))?;
                    item = Some(Item { bytes: OVERHEAD + answer.body.len() as u64, us: spent });
                }
                own[*number] = item;
                items.extend(item);
            }
            measured.push(items);
        }
        let mut random = Xoshiro256PlusPlus::seed_from_u64(SEED);
        let mut like = |class: usize| measured[class][random.random_range(0..measured[class].len())];
        let mut items: Vec<Item> =
            own.into_iter().zip(&self.classes).map(|(own, class)| own.unwrap_or_else(|| like(*class))).collect();
        items.extend((0..singles).map(|number| like(self.classes[number % self.classes.len()])));
        Ok(items)
    }
}
