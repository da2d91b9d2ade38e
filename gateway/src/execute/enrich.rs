//! What each result brings along: attributes, vectors, neighbours, paths. The same work in every plan, all at once.

use std::time::Instant;

use super::{OperatorRun, Trace};
use crate::{
    backend::{BackendError, CallContext, Entity, Hit, Neighbour, NodeScope, Path, Projection, ReachRequest},
    catalog::Collection,
    query::Query,
    value::EntityId,
};

/// A result with what it brings along.
#[derive(Debug, Clone)]
pub struct Enriched {
    /// The ranked entity.
    pub hit: Hit,
    /// Its attributes and vectors, as far as asked for.
    pub entity: Entity,
    /// Its neighbourhood, if asked for.
    pub neighbours: Option<Vec<Neighbour>>,
    /// The path that led to it, if asked for.
    pub path: Option<Option<Path>>,
}

/// Fetches what the query asks for of each hit. An entity that has vanished since it was ranked is left out.
pub async fn enrich(
    collection: &Collection,
    query: &Query,
    request: Option<&ReachRequest>,
    scope: Option<&NodeScope>,
    ctx: &CallContext,
    trace: &Trace,
    hits: Vec<Hit>,
) -> Result<Vec<Enriched>, BackendError> {
    let ids: Vec<EntityId> = hits.iter().map(|hit| hit.id.clone()).collect();
    let (entities, neighbours, paths) = futures_util::try_join!(
        hydrate(collection, query, ctx, trace, &ids),
        expand(collection, query, scope, ctx, trace, &ids),
        paths(collection, query, request, ctx, trace, &ids),
    )?;
    let mut neighbours = neighbours.map(Vec::into_iter);
    let mut paths = paths.map(Vec::into_iter);
    let mut enriched = Vec::with_capacity(hits.len());
    for (hit, entity) in hits.into_iter().zip(entities) {
        let neighbours = neighbours.as_mut().and_then(Iterator::next);
        let path = paths.as_mut().and_then(Iterator::next);
        if let Some(entity) = entity {
            enriched.push(Enriched { hit, entity, neighbours, path });
        }
    }
    Ok(enriched)
}

async fn hydrate(
    collection: &Collection,
    query: &Query,
    ctx: &CallContext,
    trace: &Trace,
    ids: &[EntityId],
) -> Result<Vec<Option<Entity>>, BackendError> {
    let spaces = if query.include.vectors { collection.schema.vectors.len() as u16 } else { 0 };
    let projection = Projection { attributes: query.select.clone(), vectors: (0..spaces).collect() };
    if ids.is_empty() || (projection.attributes.is_empty() && projection.vectors.is_empty()) {
        let bare = Entity { attributes: Vec::new(), vectors: Vec::new() };
        return Ok(vec![Some(bare); ids.len()]);
    }
    let started = Instant::now();
    let entities = collection.entities.fetch(ctx, ids, &projection).await?;
    record(trace, "Hydrate", ids.len(), entities.iter().flatten().count(), started);
    Ok(entities)
}

async fn expand(
    collection: &Collection,
    query: &Query,
    scope: Option<&NodeScope>,
    ctx: &CallContext,
    trace: &Trace,
    ids: &[EntityId],
) -> Result<Option<Vec<Vec<Neighbour>>>, BackendError> {
    let (Some(expand), Some(graph)) = (&query.expand, &collection.graph) else { return Ok(None) };
    let started = Instant::now();
    let per_item = expand.per_item as usize;
    let neighbours = graph.expand(ctx, ids, &expand.walk, scope, per_item, query.include.paths).await?;
    record(trace, "Expand", ids.len(), neighbours.iter().map(Vec::len).sum(), started);
    Ok(Some(neighbours))
}

async fn paths(
    collection: &Collection,
    query: &Query,
    request: Option<&ReachRequest>,
    ctx: &CallContext,
    trace: &Trace,
    ids: &[EntityId],
) -> Result<Option<Vec<Option<Path>>>, BackendError> {
    let (true, Some(request), Some(graph)) = (query.include.paths, request, &collection.graph) else {
        return Ok(None);
    };
    let started = Instant::now();
    let paths = graph.paths(ctx, request, ids).await?;
    record(trace, "Paths", ids.len(), paths.iter().flatten().count(), started);
    Ok(Some(paths))
}

fn record(trace: &Trace, operator: &'static str, rows_in: usize, rows_out: usize, started: Instant) {
    trace.record(OperatorRun {
        operator,
        access: None,
        rows_in: rows_in as u64,
        rows_out: rows_out as u64,
        examined: 0,
        calls: 1,
        spent: started.elapsed(),
        own: started.elapsed(),
    });
}
