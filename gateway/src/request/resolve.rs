//! Before any plan: where the query vector comes from, and where walks start.

use std::{sync::Arc, time::Instant};

use crate::{
    backend::{Access, CallContext, Projection, Ranking, ReachRequest, Search},
    cache::{Digest, KeyBuilder, Made, Purpose, Sought, Stage, Tiers},
    catalog::{Collection, Metric, View},
    execute::{LegMemo, Timed, Trace},
    problem::{Code, Problem},
    query::{Anchors, Filter, NodeRef, Query, VectorClause, VectorInput, VectorTerm},
    value::EntityId,
};

/// What resolving needs.
pub(super) struct Resolver<'a> {
    pub collection: &'a Collection,
    pub view: &'a View,
    pub forced: &'a Filter,
    pub ctx: &'a CallContext,
    pub trace: &'a Trace,
    pub legs: &'a LegMemo,
    pub tiers: &'a Tiers,
    /// Stages may be read from the cache, for this.
    pub read: Option<Purpose>,
    /// Stages may be stored in the cache.
    pub write: bool,
}

/// A query whose vector and anchors are known.
pub(super) struct Resolved {
    pub ranking: Ranking,
    pub dimensions: usize,
    /// Entities given by `like`, sorted: they are no answers.
    pub excluded: Vec<EntityId>,
    pub request: Option<ReachRequest>,
}

impl Resolver<'_> {
    /// Finds the query vector and the anchors.
    pub(super) async fn resolve(&self, query: &Query) -> Result<Resolved, Problem> {
        let (ranking, excluded) = match &query.vector {
            Some(clause) => self.ranking(clause, "/vector").await?,
            None => (Ranking::ById, Vec::new()),
        };
        let request = match &query.within {
            Some(within) => Some(ReachRequest {
                anchors: self.anchors(&within.from).await?,
                walk: within.walk.clone(),
                include_anchors: within.include_anchors,
                scope: self.view.tenant.clone(),
            }),
            None => None,
        };
        let dimensions = match &ranking {
            Ranking::Similarity { vector, .. } => vector.len(),
            Ranking::ById => 0,
        };
        Ok(Resolved { ranking, dimensions, excluded, request })
    }

    /// The anchors: as given, or the entities nearest to a vector, found exactly.
    async fn anchors(&self, from: &Anchors) -> Result<Vec<NodeRef>, Problem> {
        let (clause, filter, top) = match from {
            Anchors::Nodes(nodes) => return Ok(nodes.clone()),
            Anchors::Nearest { vector, filter, top } => (vector, filter, *top as usize),
        };
        let (ranking, excluded) = self.ranking(clause, "/within/from/vector").await?;
        let search = Search {
            ranking,
            filter: Filter::and([filter.clone(), self.forced.clone()]),
            within: None,
            access: if *filter == Filter::Everything { Access::RankThenFilter } else { Access::FilterThenRank },
            threshold: None,
            excluded,
            exact: true,
            expected: top,
            widens: false,
        };
        let mut seeds = Vec::with_capacity(top);
        self.trace.vector_call();
        let mut cursor = self.collection.entities.search(self.ctx, search).await?;
        loop {
            let page = cursor.next(self.ctx, top - seeds.len()).await?;
            let done = page.exhausted || page.hits.is_empty();
            seeds.extend(page.hits.into_iter().map(|hit| hit.id));
            if done || seeds.len() >= top {
                break;
            }
        }
        let label = self.collection.schema.graph.as_ref().map_or(0, |graph| graph.entity_label);
        let mut anchors: Vec<NodeRef> = seeds.into_iter().map(|id| NodeRef { label, id }).collect();
        anchors.sort_unstable();
        Ok(anchors)
    }

    /// The query vector, and the entities that it was made from.
    async fn ranking(&self, clause: &VectorClause, pointer: &str) -> Result<(Ranking, Vec<EntityId>), Problem> {
        let space = clause.space;
        let mut excluded = Vec::new();
        let vector = match &clause.input {
            VectorInput::Single(term) => self.term(term, space, pointer, &mut excluded).await?,
            VectorInput::Combine(terms) => {
                let metric = self.collection.schema.vectors[usize::from(space)].metric;
                let mut sum = vec![0.0_f64; self.collection.schema.vectors[usize::from(space)].dimensions];
                for (term, weight) in terms {
                    // The canonical order of terms is not the order of the body, so the pointer names the list.
                    let vector = self.term(term, space, &format!("{pointer}/combine"), &mut excluded).await?;
                    add(&mut sum, &vector, *weight, metric);
                }
                sealed(&sum).ok_or_else(|| {
                    at(Code::ZeroSum, format!("{pointer}/combine"), "the weighted sum of the inputs is the zero vector")
                })?
            }
        };
        excluded.sort_unstable();
        excluded.dedup();
        Ok((Ranking::Similarity { space, vector }, excluded))
    }

    async fn term(
        &self,
        term: &VectorTerm,
        space: u16,
        pointer: &str,
        excluded: &mut Vec<EntityId>,
    ) -> Result<Arc<[f32]>, Problem> {
        match term {
            VectorTerm::Values(values) => Ok(values.clone()),
            VectorTerm::Like(id) => {
                excluded.push(id.clone());
                self.stored(id, space, pointer).await
            }
            VectorTerm::Text(text) => self.embedded(text, pointer).await,
        }
    }

    /// The stored vector of an entity that the caller may see.
    async fn stored(&self, id: &EntityId, space: u16, pointer: &str) -> Result<Arc<[f32]>, Problem> {
        let store = &self.collection.entities;
        let ids = std::slice::from_ref(id);
        let attributes = self.view.tenant.iter().map(|scope| scope.attribute).collect();
        self.trace.vector_call();
        let found = store.fetch(self.ctx, ids, &Projection { attributes, vectors: vec![space] }).await?.pop().flatten();
        // An entity of another tenant is answered exactly as one that does not exist.
        let visible = found.filter(|entity| {
            let Some(scope) = &self.view.tenant else { return true };
            self.forced.matches(id, &|index| {
                debug_assert_eq!(index, scope.attribute);
                entity.attributes.first().cloned().unwrap_or(crate::value::AttributeValue::Null)
            })
        });
        let Some(entity) = visible else {
            return Err(at(Code::UnknownEntity, pointer, format!("there is no entity {:?}", id.to_string())));
        };
        entity.vectors.into_iter().next().flatten().ok_or_else(|| {
            at(Code::UnusableVector, pointer, format!("the entity {:?} has no usable vector", id.to_string()))
        })
    }

    /// The embedding of a text, from the cache if it is there.
    async fn embedded(&self, text: &Arc<str>, pointer: &str) -> Result<Arc<[f32]>, Problem> {
        let Some(embedder) = &self.collection.embedder else {
            return Err(at(Code::EmbedderNotConfigured, pointer, "the collection has no embedder"));
        };
        let key = embedding_key(embedder.version(), text);
        // An embedding depends on the model alone, which is part of its key: it is no tenant's.
        let sought = Sought { key, tenant: None, schema: self.collection.schema.clone() };
        let (now, policy) = (Instant::now(), &self.collection.cache);
        if let Some(purpose) = self.read {
            let found = self.tiers.stages(std::slice::from_ref(&sought), policy, None, purpose).await;
            if let Some((Stage::Embedding(vector), _)) = found.into_iter().next().flatten() {
                return Ok(vector);
            }
        }
        let place = self.legs.embedding(key);
        let vector = place
            .get_or_try_init(|| async {
                self.trace.embed_call();
                let (texts, begun) = (std::slice::from_ref(text), Instant::now());
                match embedder.embed(self.ctx, texts).await?.pop().flatten() {
                    Some(vector) => Ok(Timed { made: vector, took: begun.elapsed() }),
                    None => Err(at(Code::UnusableVector, pointer, "the text has no embedding")),
                }
            })
            .await?;
        if self.write {
            let stamp = self.tiers.epochs().stamp([]);
            let made = Made { sought: &sought, created: now, cost: vector.took, stamp: &stamp, policy };
            self.tiers.admit_stage(&made, &Stage::Embedding(vector.made.clone()));
        }
        Ok(vector.made.clone())
    }
}

fn embedding_key(version: &str, text: &str) -> Digest {
    KeyBuilder::new("embedding").part(version.as_bytes()).part(text.as_bytes()).finish()
}

fn at(code: Code, pointer: impl Into<String>, detail: impl Into<String>) -> Problem {
    Problem { code, detail: detail.into(), pointer: Some(pointer.into()), retry_after: None }
}

/// Adds a weighted vector, normalised first under cosine, in f64.
fn add(sum: &mut [f64], vector: &[f32], weight: f64, metric: Metric) {
    let norm = match metric {
        Metric::Cosine => vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt(),
        Metric::Ip | Metric::L2 => 1.0,
    };
    for (sum, &x) in sum.iter_mut().zip(vector) {
        *sum += weight * (f64::from(x) / norm);
    }
}

/// The sum as a query vector; `None` if it has no direction left, or none that 32-bit floats can say.
fn sealed(sum: &[f64]) -> Option<Arc<[f32]>> {
    let vector: Arc<[f32]> = sum.iter().map(|&x| x as f32).collect();
    (vector.iter().all(|x| x.is_finite()) && vector.iter().any(|&x| x != 0.0)).then_some(vector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_of_different_length_count_alike_under_cosine_only() {
        let combine = |metric| {
            let mut sum = vec![0.0; 2];
            add(&mut sum, &[10.0, 0.0], 1.0, metric);
            add(&mut sum, &[0.0, 1.0], -1.0, metric);
            sum
        };
        assert_eq!(combine(Metric::Cosine), [1.0, -1.0]);
        assert_eq!(combine(Metric::Ip), [10.0, -1.0]);
    }

    #[test]
    fn a_sum_without_direction_is_refused() {
        assert!(sealed(&[0.0, 0.0]).is_none());
        assert!(sealed(&[1e300, 0.0]).is_none(), "beyond 32-bit floats");
        assert_eq!(sealed(&[0.5, 0.0]).as_deref(), Some([0.5_f32, 0.0].as_slice()));
    }
}
