//! Which legs of a query are in the cache already.

use std::time::{Duration, Instant};

use super::{life::Understood, resolve::Resolved};
use crate::{
    cache::{Digest, Purpose, Stage, Tiers},
    execute::Held,
    query::Filter,
};

/// The legs that tiers hold, memory first, and since when the oldest of them stands.
pub(super) async fn held(
    tiers: &Tiers,
    understood: &Understood,
    resolved: &Resolved,
    filter: &Filter,
    (reach_key, list_key): (Digest, Digest),
    most: Option<Duration>,
    purpose: Purpose,
) -> (Held, Option<Instant>) {
    let mut wanted = Vec::with_capacity(2);
    wanted.extend(resolved.request.is_some().then(|| understood.sought(reach_key)));
    wanted.extend(understood.query.vector.is_some().then(|| understood.sought(list_key)));
    let found = tiers.stages(&wanted, &understood.collection.cache, most, purpose).await;

    let (mut held, mut since) = (Held::default(), None);
    for (stage, made) in found.into_iter().flatten() {
        match stage {
            Stage::Reach(reach) => held.reach = Some(reach),
            Stage::Lists(lists) => {
                // The narrowest list that covers the filter has the most items that pass. A later page may come from the
                // list that the page before was cut from.
                let exact = understood.query.exact;
                let covering = lists.iter().filter(|list| list.covers(filter, exact));
                held.list = covering.max_by_key(|list| (list.filter.conjuncts().len(), list.hits.len())).cloned();
                if held.list.is_none() {
                    continue;
                }
            }
            Stage::Embedding(_) => continue,
        }
        since = Some(since.map_or(made, |other: Instant| other.min(made)));
    }
    (held, since)
}
