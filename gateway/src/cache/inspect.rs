//! What the tiers hold under one key, for operators. Looking changes nothing of what is served.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{CachePolicy, FarTier, Groups, LookupOutcome, Sought, StoredAnswer, StoredPayload, Tier, Tiers};

/// What a tier said of a key.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// Which one.
    pub tier: Tier,
    /// What a query would be told; `None` where the tier takes no entries of the collection.
    pub outcome: Option<LookupOutcome>,
    /// What is there, served or not.
    pub entry: Option<Sighted>,
}

/// An entry without its body.
#[derive(Debug, Clone)]
pub struct Sighted {
    /// Time since its query began.
    pub age: Duration,
    /// Time that it has left as a fresh answer; `None` where that is over, or its age cannot be told.
    pub left: Option<Duration>,
    /// Bytes of the body.
    pub bytes: u64,
    /// What it took to make it.
    pub cost: Duration,
    /// Names of the data that it depends on.
    pub groups: Groups,
}

impl Tiers {
    /// What every tier has under the key of an answer, nearest first.
    pub async fn inspect(&self, sought: &Sought, policy: &CachePolicy) -> Vec<Sighting> {
        let mut sightings = vec![self.near_sighting(sought, policy)];
        for tier in self.far() {
            if policy.of(tier.tier()).is_none() {
                sightings.push(Sighting { tier: tier.tier(), outcome: None, entry: None });
                continue;
            }
            sightings.push(self.far_sighting(tier, sought, policy).await);
        }
        sightings
    }

    /// What a query would be told by the tiers that it would ask, nearest first, if it took nothing older than
    /// `max_staleness`.
    pub async fn told(
        &self,
        sought: &Sought,
        policy: &CachePolicy,
        max_staleness: Option<Duration>,
    ) -> Vec<(Tier, LookupOutcome)> {
        let said = |sighting: Sighting| {
            let age = sighting.entry.map(|entry| entry.age);
            let too_old = max_staleness.is_some_and(|most| age.is_some_and(|age| age > most));
            let outcome = sighting.outcome?;
            let is_served = matches!(outcome, LookupOutcome::Hit | LookupOutcome::Expired);
            Some((sighting.tier, if is_served && too_old { LookupOutcome::TooOld } else { outcome }))
        };
        let mut told: Vec<_> = said(self.near_sighting(sought, policy)).into_iter().collect();
        for tier in self.far().iter().filter(|tier| policy.of(tier.tier()).is_some()) {
            if told.last().is_some_and(|(_, outcome)| outcome.is_hit()) {
                break;
            }
            told.extend(said(self.far_sighting(tier, sought, policy).await));
        }
        told
    }

    async fn far_sighting(&self, tier: &Arc<dyn FarTier>, sought: &Sought, policy: &CachePolicy) -> Sighting {
        let name = tier.tier();
        let found = tier.peek(std::slice::from_ref(sought)).await.into_iter().next();
        match found.unwrap_or(Err(LookupOutcome::Failed)) {
            Err(outcome) => Sighting { tier: name, outcome: Some(outcome), entry: None },
            Ok(stored) => {
                let (now, wall) = (Instant::now(), self.coherence().now());
                let judged = self.judge(&stored, name, policy, now, wall);
                let left = judged.as_ref().ok().map(|judged| judged.fresh_until.saturating_duration_since(now));
                let outcome = match (&judged, left) {
                    (Err(outcome), _) => *outcome,
                    (Ok(_), Some(left)) if !left.is_zero() => LookupOutcome::Hit,
                    (Ok(_), _) => LookupOutcome::Expired,
                };
                let (age, cost) = (wall.since(stored.created), stored.cost);
                let entry = match stored.payload {
                    StoredPayload::Answer { body, groups, .. } => {
                        let left = left.filter(|left| !left.is_zero());
                        Some(Sighted { age, left, bytes: body.len() as u64, cost, groups })
                    }
                    StoredPayload::Reach(_) | StoredPayload::Lists(_) | StoredPayload::Embedding(_) => None,
                };
                let outcome = if entry.is_some() { outcome } else { LookupOutcome::Damaged };
                Sighting { tier: name, outcome: Some(outcome), entry }
            }
        }
    }

    fn near_sighting(&self, sought: &Sought, policy: &CachePolicy) -> Sighting {
        if policy.of(Tier::L1).is_none() {
            return Sighting { tier: Tier::L1, outcome: None, entry: None };
        }
        let now = Instant::now();
        let (outcome, answer) = self.l1().peek(&sought.key, now);
        let sighted = |answer: StoredAnswer| Sighted {
            age: now.saturating_duration_since(answer.created),
            left: (outcome == LookupOutcome::Hit).then(|| answer.validity.fresh_until.saturating_duration_since(now)),
            bytes: answer.body.len() as u64,
            cost: answer.cost,
            groups: answer.groups,
        };
        Sighting { tier: Tier::L1, outcome: Some(outcome), entry: answer.map(sighted) }
    }
}
