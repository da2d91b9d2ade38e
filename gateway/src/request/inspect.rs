//! What tiers hold for one query, for operators: what a caller with these rights would be told, without its answer.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;

use super::{Endpoint, Hints, Incoming, gateway::State, life::Life};
use crate::{
    cache::{Digest, Sighting},
    execute::LegMemo,
    principal::Principal,
    problem::Problem,
    query::{self, JsonLimits},
};

/// What was found.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// The key of the answer.
    pub key: Digest,
    /// What each tier said, nearest first.
    pub tiers: Vec<Sighting>,
}

/// Looks into every tier for the answer to a query as a tenant would ask it, or one without a tenant.
pub(super) async fn inspect(state: &Arc<State>, body: Bytes, tenant: Option<Arc<str>>) -> Result<Inspected, Problem> {
    let principal = Arc::new(Principal { tenant, ..Principal::local() });
    let (endpoint, hints, received) = (Endpoint::Query, Hints::default(), Instant::now());
    let incoming = Incoming { endpoint, principal, body, hints, received, request_id: "admin".into() };
    let legs: Arc<LegMemo> = Arc::default();
    let mut life = Life::new(state, &incoming, &legs);
    let json = query::read_json(&incoming.body, JsonLimits::default())?;
    let understood = life.understand(&json, received)?;
    let sought = understood.sought(understood.key);
    let tiers = state.tiers.inspect(&sought, &understood.collection.cache).await;
    Ok(Inspected { key: understood.key, tiers })
}
