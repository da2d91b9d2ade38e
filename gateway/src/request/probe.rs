//! Which legs of a query are in the cache already.

use std::time::{Duration, Instant};

use super::{life::Understood, resolve::Resolved};
use crate::{
    cache::{Digest, Stage, Tiers},
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
) -> (Held, Option<Instant>) {
    let mut wanted = Vec::with_capacity(2);
    wanted.extend(resolved.request.is_some().then_some(reach_key));
    wanted.extend(understood.query.vector.is_some().then_some(list_key));
    let now = Instant::now();
    let mut found: Vec<_> = wanted.iter().map(|key| tiers.l1().stage(key, now, most)).collect();

    let policy = &understood.collection.cache;
    if tiers.has_far(policy) && found.iter().any(Option::is_none) {
        let missing: Vec<usize> = (0..wanted.len()).filter(|&index| found[index].is_none()).collect();
        let sought: Vec<_> = missing.iter().map(|&index| understood.sought(wanted[index])).collect();
        let far = tiers.far_stages(&sought, policy, most).await;
        missing.into_iter().zip(far).for_each(|(index, stage)| found[index] = stage);
    }

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
