//! The meaning of a query, written as plainly as possible over the columns of a data set.
//!
//! No index, no plan, no cleverness: every entity is looked at, every edge is scanned once a hop. Slow, and short enough
//! to be read and believed. Tests compare every store and every plan with it, and `forebay demo --exit` compares its
//! own answers with it. It shares types with the rest of the gateway, and no code that computes an answer.

mod asked;
mod score;
mod vector;
mod walk;

#[cfg(all(test, feature = "demo-data"))]
mod recorded_tests;
#[cfg(test)]
mod tests;

pub use asked::Asked;
pub use score::similarity;
pub use vector::{Embed, Unanswerable};

use crate::{
    backend::{Neighbour, Path},
    query::{Anchors, NodeRef, Query},
    value::EntityId,
};

/// What a query's answer has to be.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceAnswer {
    /// Ids and scores in order; the score is 0 where nothing ranks.
    pub items: Vec<(EntityId, f64)>,
    /// Entities that satisfy all of the query, whatever `offset` and `limit`.
    pub total_matches: usize,
    /// The seeds found for `within.from: {"vector": …}` and their scores, nearest first.
    pub seeds: Vec<(EntityId, f64)>,
    /// Anchors that the graph does not know, in order.
    pub unknown_anchors: Vec<NodeRef>,
    /// The path that led to each item; empty unless the query asks for paths and has `within`.
    pub paths: Vec<Option<Path>>,
    /// The neighbourhood of each item; empty unless the query has `expand`.
    pub neighbours: Vec<Vec<Neighbour>>,
}

impl Asked<'_> {
    /// The answer. `embed` turns the query's texts into vectors.
    ///
    /// # Errors
    /// When the query vector, or the one that finds the seeds, cannot be made.
    pub fn answer(&self, query: &Query, embed: &Embed<'_>) -> Result<ReferenceAnswer, Unanswerable> {
        let ranking = match &query.vector {
            Some(clause) => Some((clause.space, self.query_vector(clause, embed)?)),
            None => None,
        };
        let excluded = query.vector.as_ref().map(vector::liked).unwrap_or_default();

        let mut seeds = Vec::new();
        let mut starts = Vec::new();
        let mut unknown_anchors = Vec::new();
        if let Some(within) = &query.within {
            match &within.from {
                Anchors::Nodes(nodes) => {
                    for node in nodes {
                        match self.node(node) {
                            Some(row) => starts.push(row),
                            None => unknown_anchors.push(node.clone()),
                        }
                    }
                }
                Anchors::Nearest { vector, filter, top } => {
                    let ranked = (vector.space, self.query_vector(vector, embed)?);
                    let mut nearest = self.ranked(filter, Some(&ranked), &vector::liked(vector));
                    nearest.truncate(*top as usize);
                    starts.extend(nearest.iter().map(|(row, _)| *row));
                    seeds = self.with_ids(&nearest);
                }
            }
        }
        starts.sort_unstable();

        let mut matches = self.ranked(&query.filter, ranking.as_ref(), &excluded);
        if let Some(within) = &query.within {
            let distance = self.distances(&self.steps(&within.walk), within.walk.hops, &starts);
            matches.retain(|(row, _)| match distance[*row as usize] {
                None => false,
                Some(0) => within.include_anchors,
                Some(_) => true,
            });
        }
        if let Some(threshold) = query.score_threshold {
            matches.retain(|(_, score)| *score >= threshold);
        }
        let total_matches = matches.len();
        let page: Vec<_> = matches.into_iter().skip(query.offset as usize).take(query.limit as usize).collect();

        let mut paths = Vec::new();
        if let Some(within) = query.within.as_ref().filter(|_| query.include.paths) {
            let steps = self.steps(&within.walk);
            paths = page.iter().map(|(row, _)| self.path(&steps, within.walk.hops, &starts, *row)).collect();
        }
        let mut neighbours = Vec::new();
        if let Some(expand) = &query.expand {
            neighbours = page.iter().map(|(row, _)| self.neighbours(expand, *row, query.include.paths)).collect();
        }
        Ok(ReferenceAnswer { items: self.with_ids(&page), total_matches, seeds, unknown_anchors, paths, neighbours })
    }

    fn with_ids(&self, ranked: &[(u32, f64)]) -> Vec<(EntityId, f64)> {
        ranked.iter().map(|(row, score)| (self.parts.ids[*row as usize].clone(), *score)).collect()
    }
}
