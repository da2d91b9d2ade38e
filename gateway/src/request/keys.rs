//! Names under which answers and legs are kept, and names of the data that they depend on.

use super::resolve::Resolved;
use crate::{
    backend::Ranking,
    cache::{Digest, Groups, KeyBuilder, Tag},
    catalog::{Collection, View},
    query::{Anchors, Query, VectorInput, VectorTerm},
};

/// The key of an answer: what is asked, of which data, seen by whom.
pub(super) fn of_answer(collection: &Collection, view: &View, query: &Query) -> Digest {
    KeyBuilder::new("answer")
        .optional(view.tenant.as_ref().map(|scope| scope.tenant.as_bytes()))
        .part(&collection.digest)
        .part(&query.key_bytes(&collection.schema))
        .finish()
}

/// The keys of the query's legs. A view of a tenant has legs of its own.
pub(super) fn of_legs(collection: &Collection, view: &View, resolved: &Resolved) -> (Digest, Digest) {
    let scoped = |kind| {
        let tenant = view.tenant.as_ref().map(|scope| scope.tenant.as_bytes());
        KeyBuilder::new(kind).optional(tenant).part(&collection.digest)
    };
    let mut reach = scoped("reach");
    if let Some(request) = &resolved.request {
        let walk = &request.walk;
        reach = reach.part(walk.direction.as_str().as_bytes()).part(&[walk.hops, u8::from(request.include_anchors)]);
        reach = reach.part(&walk.edges.iter().flat_map(|edge| edge.to_le_bytes()).collect::<Vec<_>>());
        for anchor in &request.anchors {
            reach = reach.part(&anchor.label.to_le_bytes()).part(anchor.id.to_string().as_bytes());
        }
    }
    let mut list = scoped("list");
    if let Ranking::Similarity { space, vector } = &resolved.ranking {
        list = list.part(&space.to_le_bytes());
        list = list.part(&vector.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>());
        for id in &resolved.excluded {
            list = list.part(id.to_string().as_bytes());
        }
    }
    (reach.finish(), list.finish())
}

/// Names of the data that an answer depends on: the collection, the tenant's part of it, and the entities that the query
/// vector or the anchors were made from.
pub(super) fn groups(collection: &Collection, view: &View, query: &Query) -> Groups {
    let name = &collection.schema.name;
    let mut tags = vec![Tag::Collection(name.clone())];
    if let Some(scope) = &view.tenant {
        tags.push(Tag::Tenant(name.clone(), scope.tenant.clone()));
    }
    let seeds = query.within.as_ref().and_then(|within| match &within.from {
        Anchors::Nearest { vector, .. } => Some(vector),
        Anchors::Nodes(_) => None,
    });
    for clause in query.vector.iter().chain(seeds) {
        let mut entity = |term: &VectorTerm| {
            if let VectorTerm::Like(id) = term {
                tags.push(Tag::Entity(name.clone(), id.clone()));
            }
        };
        match &clause.input {
            VectorInput::Single(term) => entity(term),
            VectorInput::Combine(terms) => terms.iter().for_each(|(term, _)| entity(term)),
        }
    }
    tags.dedup();
    tags.iter().map(Tag::to_string).collect()
}
