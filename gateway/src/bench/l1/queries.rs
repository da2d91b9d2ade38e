//! What is asked: different queries whose answers have about the wanted size.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::{BenchError, Corpus, corpus::incoming, timing::Samples};
use crate::{
    principal::Principal,
    request::Gateway,
    workload::{Generator, WorkloadOptions},
};

/// Bytes of an answer.
const ANSWER_BYTES: usize = 4_096;

/// Queries whose answers have about the wanted size, all of them answered once, so that L1 has them.
pub(super) struct Workload {
    pub(super) bodies: Vec<Bytes>,
    /// Bodies with their answers.
    pub(super) answers: Vec<(Bytes, Bytes)>,
    pub(super) limit: usize,
    pub(super) mean_body: usize,
    pub(super) mean_answer: usize,
    /// The answer whose size is nearest to the wanted.
    pub(super) sample: Bytes,
}

impl Workload {
    /// Asks the gateway all of them once. `with_values`: with vectors in them, in place of names.
    pub(super) async fn new(
        corpus: &Corpus,
        gateway: &Gateway,
        queries: usize,
        with_values: bool,
    ) -> Result<Self, BenchError> {
        let principal = Arc::new(Principal::local());
        let ask = |body: Value| {
            let bytes = Bytes::from(body.to_string());
            let principal = &principal;
            async move {
                let reply = gateway.answer(incoming(principal, bytes.clone())).await;
                reply.map(|answer| (bytes, answer.body)).map_err(|problem| BenchError::Query(problem, body.to_string()))
            }
        };
        let vectors = vectors(corpus, queries, with_values)?;
        // All attributes but those that say nothing here; the number of items makes the size.
        let select: Vec<&str> = corpus.schema.attributes.iter().map(|attribute| &*attribute.name).collect();
        let body = |vector: &Value, limit: usize| json!({ "collection": &*corpus.schema.name, "vector": vector, "select": select, "limit": limit });
        let mut limit = 1;
        let most = corpus.schema.limits.max_limit as usize;
        let mut sizes = Samples::default();
        for vector in vectors.iter().take(32) {
            let of = |count: usize| ask(body(vector, count));
            let (few, many) = (of(1).await?.1.len(), of(most.min(33)).await?.1.len());
            // Answers grow by the item.
            sizes.push((many - few) as f64 / (most.min(33) - 1).max(1) as f64);
        }
        if sizes.median() > 0.0 {
            limit = ((ANSWER_BYTES as f64 / sizes.median()).round() as usize).clamp(1, most);
        }
        let (mut answers, mut sample) = (Vec::new(), Bytes::new());
        let (mut body_bytes, mut answer_bytes) = (0, 0);
        for vector in &vectors {
            let (bytes, answer) = ask(body(vector, limit)).await?;
            body_bytes += bytes.len();
            answer_bytes += answer.len();
            if answer.len().abs_diff(ANSWER_BYTES) < sample.len().abs_diff(ANSWER_BYTES) {
                sample = answer.clone();
            }
            answers.push((bytes, answer));
        }
        let count = answers.len();
        let bodies = answers.iter().map(|(body, _)| body.clone()).collect();
        Ok(Self { bodies, answers, limit, mean_body: body_bytes / count, mean_answer: answer_bytes / count, sample })
    }

    /// Asks another gateway all of them once.
    pub(super) async fn ask_all(&self, gateway: &Gateway) -> Result<(), BenchError> {
        let principal = Arc::new(Principal::local());
        for body in &self.bodies {
            let reply = gateway.answer(incoming(&principal, body.clone())).await;
            reply.map_err(|problem| BenchError::Query(problem, String::from_utf8_lossy(body).into_owned()))?;
        }
        Ok(())
    }
}

/// `vector` objects, all different.
fn vectors(corpus: &Corpus, queries: usize, with_values: bool) -> Result<Vec<Value>, BenchError> {
    let wanted = if with_values { "values" } else { "like" };
    let options = WorkloadOptions { drill_downs: 0.0, ..WorkloadOptions::default() };
    let mut seen = std::collections::HashSet::new();
    let found: Vec<Value> = Generator::new(&corpus.schema, &corpus.parts, options)
        .take(64 * queries)
        .filter_map(|query| query.body.get("vector").filter(|vector| vector.get(wanted).is_some()).cloned())
        .filter(|vector| seen.insert(vector.to_string()))
        .take(queries)
        .collect();
    if found.is_empty() {
        return Err(BenchError::Other("the collection has no vectors to ask about".into()));
    }
    Ok(found)
}
