//! Queries that differ from a given one in a single component, and so in meaning.

use std::sync::Arc;

use crate::{
    catalog::CollectionSchema,
    query::{Anchors, Direction, Filter, Query, VectorInput, VectorTerm, Walk},
    value::EntityId,
};

/// Every single change that the schema allows.
pub(crate) fn changes(query: &Query, schema: &CollectionSchema) -> Vec<Query> {
    let mut changed = Vec::new();
    let mut change = |make: &mut dyn FnMut(&mut Query)| {
        let mut other = query.clone();
        make(&mut other);
        if other != *query {
            changed.push(other);
        }
    };
    change(&mut |q| q.limit = if q.limit == 1 { 2 } else { q.limit - 1 });
    change(&mut |q| q.offset = if q.offset == 0 { 1 } else { q.offset - 1 });
    change(&mut |q| q.exact = !q.exact);
    change(&mut |q| q.include.scores = !q.include.scores);
    change(&mut |q| q.include.paths = !q.include.paths);
    change(&mut |q| q.include.vectors = !q.include.vectors);
    change(&mut |q| q.expand = None);
    change(&mut |q| q.within = None);
    change(&mut |q| q.filter = Filter::negate(q.filter.clone()));
    for index in 0..schema.attributes.len() as u16 {
        change(&mut |q| match q.select.binary_search(&index) {
            Ok(at) => drop(q.select.remove(at)),
            Err(at) => q.select.insert(at, index),
        });
    }
    if query.vector.is_some() {
        change(&mut |q| {
            q.score_threshold = match q.score_threshold {
                Some(threshold) if threshold != 0.25 => Some(0.25),
                Some(_) => None,
                None => Some(0.0),
            };
        });
        change(&mut |q| q.vector.iter_mut().for_each(|clause| change_input(&mut clause.input)));
        change(&mut |q| {
            q.vector.iter_mut().for_each(|clause| {
                clause.input = match &clause.input {
                    VectorInput::Single(term) => VectorInput::Combine(vec![(term.clone(), 1.0)]),
                    VectorInput::Combine(terms) => VectorInput::Single(terms[0].0.clone()),
                };
            });
        });
    }
    if let Some(expand) = &query.expand {
        for walk in walks(&expand.walk) {
            change(&mut |q| q.expand.iter_mut().for_each(|expand| expand.walk = walk.clone()));
        }
        change(&mut |q| {
            q.expand.iter_mut().for_each(|e| e.per_item = if e.per_item == 1 { 2 } else { e.per_item - 1 });
        });
    }
    if let Some(within) = &query.within {
        for walk in walks(&within.walk) {
            change(&mut |q| q.within.iter_mut().for_each(|within| within.walk = walk.clone()));
        }
        change(&mut |q| q.within.iter_mut().for_each(|within| within.include_anchors = !within.include_anchors));
        change(&mut |q| q.within.iter_mut().for_each(|within| change_anchors(&mut within.from)));
    }
    changed
}

fn walks(walk: &Walk) -> Vec<Walk> {
    let mut walks = Vec::new();
    for direction in [Direction::Out, Direction::In, Direction::Both] {
        walks.push(Walk { direction, ..walk.clone() });
    }
    walks.push(Walk { hops: if walk.hops == 1 { 2 } else { walk.hops - 1 }, ..walk.clone() });
    if walk.edges.len() > 1 {
        walks.push(Walk { edges: walk.edges[1..].to_vec(), ..walk.clone() });
    }
    walks
}

fn change_anchors(anchors: &mut Anchors) {
    match anchors {
        Anchors::Nodes(nodes) => {
            change_id(&mut nodes[0].id);
            nodes.sort();
            nodes.dedup();
        }
        Anchors::Nearest { top, .. } => *top = if *top == 1 { 2 } else { *top - 1 },
    }
}

fn change_input(input: &mut VectorInput) {
    match input {
        VectorInput::Single(term) => change_term(term),
        // The last stays last when its weight grows.
        VectorInput::Combine(terms) => {
            if let Some((_, weight)) = terms.last_mut() {
                *weight = if *weight < 0.0 { 0.5 } else { weight.next_up().min(f64::MAX) };
            }
        }
    }
}

fn change_term(term: &mut VectorTerm) {
    match term {
        VectorTerm::Values(values) => {
            let mut other = values.to_vec();
            // One unit in the last place is a difference.
            other[0] = if other[0] == 0.0 { 1.0 } else { f32::from_bits(other[0].to_bits() - 1) + 0.0 };
            if other.iter().any(|value| *value != 0.0) {
                *values = other.into();
            }
        }
        VectorTerm::Like(id) => change_id(id),
        VectorTerm::Text(text) => *text = if text.is_empty() { "a" } else { "" }.into(),
    }
}

fn change_id(id: &mut EntityId) {
    *id = match &*id {
        EntityId::Integer(value) => EntityId::Integer(value.wrapping_add(1)),
        EntityId::Uuid(value) => EntityId::Uuid(uuid::Uuid::from_u128(value.as_u128().wrapping_add(1))),
        EntityId::Text(text) => EntityId::Text(Arc::from(format!("{text}x"))),
    };
}
