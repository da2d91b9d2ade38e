//! All tiers as one: who is asked in which order, what may be served, and which tiers take an entry.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    CachePolicy, Digest, Epochs, FarReports, FarTier, L1, LookupOutcome, NoneFresh, Purpose, RankedList, Seen, Sought,
    Stage, StaleAnswer, Stamp, StoreOutcome, Stored, StoredAnswer, StoredPayload, Tier, Validity, WallTime,
    coherence::{Alone, Coherence},
    l2::{FillLease, Leased, RedisTier},
    outcome::CacheReport,
};
use crate::config::L1Config;

/// An entry may be so much younger than the clock of this gateway says; more means that one of two clocks is wrong.
const SKEW: Duration = Duration::from_secs(2);

/// The tiers.
pub struct Tiers {
    l1: Arc<L1>,
    /// L2 and L3, as far as there are any, nearest first.
    far: Vec<Arc<dyn FarTier>>,
    coherence: Arc<dyn Coherence>,
    /// Where gateways agree who makes an answer.
    leases: Option<Arc<RedisTier>>,
    seen: Seen,
}

/// What is wanted of far tiers.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    /// Which tiers take entries of the collection, and for how long.
    pub policy: &'a CachePolicy,
    /// Oldest answer that will do.
    pub max_staleness: Option<Duration>,
    /// It was in memory a moment ago, and is worth a place there.
    pub again: bool,
    /// The caller makes the answer where none is found, and waits so long for another gateway that does.
    pub lease_within: Option<Duration>,
}

/// What far tiers said when they were asked for an answer.
#[derive(Default)]
pub struct FarLook {
    /// A fresh answer.
    pub found: Option<StoredAnswer>,
    /// One whose time to live is over.
    pub stale: Option<StaleAnswer>,
    /// The right to make it.
    pub lease: Option<FillLease>,
    /// What each said.
    pub reports: FarReports,
}

/// What all that was just made has in common.
#[derive(Clone, Copy)]
pub struct Made<'a> {
    /// By what it is looked for.
    pub sought: &'a Sought,
    /// When its query began.
    pub created: Instant,
    /// What it took to make it.
    pub cost: Duration,
    /// The epochs of its tags before.
    pub stamp: &'a Stamp,
    /// Which tiers take it, and for how long.
    pub policy: &'a CachePolicy,
}

/// A far entry that may be served.
pub(super) struct Judged {
    pub(super) created: Instant,
    pub(super) fresh_until: Instant,
}

impl Tiers {
    /// Memory alone.
    pub fn near(config: &L1Config) -> Self {
        Self::new(config, Vec::new(), Arc::new(Alone::default()))
    }

    /// Memory before these tiers, nearest first, whose epochs are counted there.
    pub fn new(config: &L1Config, far: Vec<Arc<dyn FarTier>>, coherence: Arc<dyn Coherence>) -> Self {
        let l1 = Arc::new(L1::new(config, coherence.epochs().clone()));
        Self { l1, far, coherence, leases: None, seen: Seen::default() }
    }

    /// The same tiers, of which this one, already among them, also says who makes an answer.
    #[must_use]
    pub fn leasing(self, leases: Arc<RedisTier>) -> Self {
        Self { leases: Some(leases), ..self }
    }

    /// Memory.
    pub fn l1(&self) -> &Arc<L1> {
        &self.l1
    }

    /// Far tiers, nearest first.
    pub fn far(&self) -> &[Arc<dyn FarTier>] {
        &self.far
    }

    /// This gateway's copy of the epochs.
    pub fn epochs(&self) -> &Arc<Epochs> {
        self.coherence.epochs()
    }

    /// Where epochs are counted.
    pub fn coherence(&self) -> &Arc<dyn Coherence> {
        &self.coherence
    }

    /// Whether any far tier takes entries under this policy.
    pub fn has_far(&self, policy: &CachePolicy) -> bool {
        self.far.iter().any(|tier| policy.of(tier.tier()).is_some())
    }

    /// Asks the far tiers for a whole answer, one after the other until one has it. What is found for the second time gets a
    /// nearer place, too.
    pub async fn far_answer(&self, sought: &Sought, wish: &Wish<'_>) -> FarLook {
        let mut look = FarLook::default();
        let policy = wish.policy;
        for (place, tier) in self.far.iter().enumerate().filter(|(_, tier)| policy.of(tier.tier()).is_some()) {
            let mut report = CacheReport::of(tier.tier(), LookupOutcome::Hit);
            match self.ask(tier, sought, wish, &mut look).await {
                Err(outcome) => report.lookup = outcome,
                Ok((stored, judged)) => {
                    let now = Instant::now();
                    let left = judged.fresh_until.saturating_duration_since(now);
                    // In memory it lives as long as what is made now, but never longer than where it comes from.
                    let validity = policy.answer(now + left.min(policy.ttl(Tier::L1, false)));
                    match answer_of(&stored, &judged, validity) {
                        None => report.lookup = LookupOutcome::Damaged,
                        Some(answer) => {
                            report.ttl = i64::try_from(left.as_secs()).ok();
                            if self.seen.before(&sought.key) || wish.again {
                                self.promote(sought, place, stored, &answer, policy);
                            }
                            look.found = Some(answer);
                        }
                    }
                }
            }
            look.reports[place.min(1)] = Some(report);
            if look.found.is_some() {
                look.lease = None;
                break;
            }
        }
        look
    }

    /// Asks one tier for an answer that may be served. Where several gateways share the tier, for the right to make it, too.
    async fn ask(
        &self,
        tier: &Arc<dyn FarTier>,
        sought: &Sought,
        wish: &Wish<'_>,
        look: &mut FarLook,
    ) -> Result<(Stored, Judged), LookupOutcome> {
        let stale = Mutex::new(None);
        let judge = |stored: &Stored| {
            let now = Instant::now();
            let judged = self.judge(stored, tier.tier(), wish.policy, now, self.coherence.now())?;
            if wish.max_staleness.is_some_and(|most| now.saturating_duration_since(judged.created) > most) {
                return Err(LookupOutcome::TooOld);
            }
            if now >= judged.fresh_until {
                let answer = answer_of(stored, &judged, wish.policy.answer(judged.fresh_until));
                *stale.lock().unwrap_or_else(PoisonError::into_inner) =
                    answer.map(|answer| StaleAnswer { answer, stamp: stored.stamp.clone() });
                return Err(LookupOutcome::Expired);
            }
            Ok(judged)
        };
        let outcome = match (&self.leases, wish.lease_within) {
            (Some(leases), Some(wait_at_most)) if tier.tier() == Tier::L2 => {
                match leases.look_or_lease(sought, wait_at_most, &|stored| judge(stored).map(drop)).await {
                    Leased::Found { entry, .. } => judge(&entry).map(|judged| (entry, judged)),
                    Leased::Fill { lease, outcome, .. } => {
                        look.lease = lease;
                        Err(outcome)
                    }
                }
            }
            _ => one(tier.get(std::slice::from_ref(sought)).await)
                .and_then(|stored| judge(&stored).map(|judged| (stored, judged))),
        };
        look.stale = look.stale.take().or(stale.into_inner().unwrap_or_else(PoisonError::into_inner));
        outcome
    }

    /// Looks for stages, in memory first, then all that are missing in each far tier at once, and since when each stands.
    /// To serve, a stage that is found far away is in memory from then on.
    pub async fn stages(
        &self,
        sought: &[Sought],
        policy: &CachePolicy,
        max_staleness: Option<Duration>,
        purpose: Purpose,
    ) -> Vec<Option<(Stage, Instant)>> {
        let now = Instant::now();
        let near = |sought: &Sought| match purpose {
            Purpose::Serve => self.l1.stage(&sought.key, now, max_staleness),
            Purpose::Tell => self.l1.peek_stage(&sought.key, now, max_staleness),
        };
        let mut found: Vec<Option<(Stage, Instant)>> = sought.iter().map(near).collect();
        for tier in self.far.iter().filter(|tier| policy.of(tier.tier()).is_some()) {
            let missing: Vec<usize> = (0..sought.len()).filter(|&index| found[index].is_none()).collect();
            if missing.is_empty() {
                break;
            }
            let asked: Vec<Sought> = missing.iter().map(|&index| sought[index].clone()).collect();
            let outcomes = match purpose {
                Purpose::Serve => tier.get(&asked).await,
                Purpose::Tell => tier.peek(&asked).await,
            };
            let (now, wall) = (Instant::now(), self.coherence.now());
            for (index, outcome) in missing.into_iter().zip(outcomes) {
                let Ok(stored) = outcome else { continue };
                let Ok(judged) = self.judge(&stored, tier.tier(), policy, now, wall) else { continue };
                let too_old = max_staleness.is_some_and(|most| now.saturating_duration_since(judged.created) > most);
                let Some(stage) = stored.payload.into_stage().filter(|_| !too_old && judged.fresh_until > now) else {
                    continue;
                };
                let until = judged.fresh_until.min(now + policy.ttl(Tier::L1, false));
                let validity =
                    Validity { fresh_until: until, revalidate_until: until, error_until: until, ..policy.stage(now) };
                if policy.of(Tier::L1).is_some() && purpose == Purpose::Serve {
                    self.l1.admit_stage(
                        sought[index].key,
                        stage.clone(),
                        stored.cost,
                        judged.created,
                        validity,
                        &stored.stamp,
                    );
                }
                found[index] = Some((stage, judged.created));
            }
        }
        found
    }

    /// Whether an intact entry may be served, if it is young enough.
    pub(super) fn judge(
        &self,
        stored: &Stored,
        tier: Tier,
        policy: &CachePolicy,
        now: Instant,
        wall: WallTime,
    ) -> Result<Judged, LookupOutcome> {
        let epochs = self.coherence.epochs();
        if !epochs.is_current(&stored.stamp) {
            return Err(LookupOutcome::Invalidated);
        }
        // It was made after now: by one of two clocks its age cannot be told.
        if stored.created.since(wall) > SKEW {
            return Err(LookupOutcome::Uncertain);
        }
        let age = wall.since(stored.created);
        // Before the clock of this process began it is as old as that.
        let created = now.checked_sub(age).ok_or(LookupOutcome::Expired)?;
        if epochs.uncertainty(created, now) > policy.answer(now).grace {
            return Err(LookupOutcome::Uncertain);
        }
        let windows = policy.life(tier, false).saturating_sub(policy.ttl(tier, false));
        let by_itself = stored.expires.since(stored.created).saturating_sub(windows);
        let fresh_until = created + by_itself.min(policy.ttl(tier, false));
        if now >= fresh_until + windows { Err(LookupOutcome::Expired) } else { Ok(Judged { created, fresh_until }) }
    }

    fn promote(&self, sought: &Sought, place: usize, stored: Stored, answer: &StoredAnswer, policy: &CachePolicy) {
        if policy.of(Tier::L1).is_some() {
            self.l1.admit_answer(sought.key, answer.clone(), &stored.stamp);
        }
        for nearer in self.far.iter().take(place) {
            let Some(policy_there) = policy.of(nearer.tier()) else { continue };
            if answer.body.len() as u64 > policy_there.max_entry_bytes {
                continue;
            }
            let expires = stored.expires.min(stored.created.after(policy.life(nearer.tier(), false)));
            nearer.put(sought.clone(), Arc::new(Stored { expires, ..stored.clone() }));
        }
    }

    /// Offers an answer that was just made to every tier that takes it. What each said, memory first.
    pub fn admit_answer(
        &self,
        made: &Made<'_>,
        answer: &StoredAnswer,
        is_empty: bool,
        lease: Option<FillLease>,
    ) -> (StoreOutcome, FarStores) {
        let near = match made.policy.of(Tier::L1) {
            Some(_) => self.l1.admit_answer(made.sought.key, answer.clone(), made.stamp),
            None if self.coherence.epochs().is_current(made.stamp) => StoreOutcome::NotWanted,
            None => StoreOutcome::Moved,
        };
        if near == StoreOutcome::Moved {
            return (near, [None; 2]);
        }
        let StoredAnswer { body, etag, groups, .. } = answer.clone();
        let size = body.len() as u64;
        (near, self.offer(made, &StoredPayload::Answer { body, etag, groups }, size, is_empty, lease))
    }

    /// Offers a stage that was just made to every tier that takes it.
    pub fn admit_stage(&self, made: &Made<'_>, stage: &Stage) {
        if made.policy.of(Tier::L1).is_some() {
            let validity = made.policy.stage(made.created);
            self.l1.admit_stage(made.sought.key, stage.clone(), made.cost, made.created, validity, made.stamp);
        }
        self.offer_stage(made, stage);
    }

    /// Offers one more list of a query vector.
    pub fn admit_list(&self, made: &Made<'_>, list: &RankedList) {
        if made.policy.of(Tier::L1).is_some() {
            let validity = made.policy.stage(made.created);
            self.l1.admit_list(made.sought.key, list.clone(), made.cost, made.created, validity, made.stamp);
        }
        self.offer_stage(made, &Stage::Lists(Arc::from([list.clone()])));
    }

    fn offer_stage(&self, made: &Made<'_>, stage: &Stage) {
        if self.far.is_empty() {
            return;
        }
        let payload = match stage {
            Stage::Reach(reach) => StoredPayload::Reach(reach.clone()),
            Stage::Lists(lists) => StoredPayload::Lists(lists.clone()),
            Stage::Embedding(vector) => StoredPayload::Embedding(vector.clone()),
        };
        self.offer(made, &payload, stage.weight() as u64, false, None);
    }

    fn offer(
        &self,
        made: &Made<'_>,
        payload: &StoredPayload,
        size: u64,
        is_empty: bool,
        mut lease: Option<FillLease>,
    ) -> FarStores {
        let mut outcomes = [None; 2];
        let Made { sought, cost, stamp, policy, .. } = *made;
        let age = made.created.elapsed().as_millis() as u64;
        let created = WallTime(self.coherence.now().0.saturating_sub(age));
        for (place, tier) in self.far.iter().enumerate() {
            let Some(there) = policy.of(tier.tier()) else { continue };
            let outcome = if cost < there.min_cost {
                StoreOutcome::TooCheap
            } else if size > there.max_entry_bytes {
                StoreOutcome::TooLarge
            } else {
                let expires = created.after(policy.life(tier.tier(), is_empty));
                let entry = Stored { payload: payload.clone(), stamp: stamp.clone(), created, expires, cost };
                match lease.take_if(|_| tier.tier() == Tier::L2) {
                    Some(lease) => lease.store(Arc::new(entry)),
                    None => tier.put(sought.clone(), Arc::new(entry)),
                }
            };
            outcomes[place.min(1)] = Some((tier.tier(), outcome));
        }
        outcomes
    }

    /// A look at memory for a whole answer.
    pub fn near_answer(
        &self,
        key: &Digest,
        now: Instant,
        max_staleness: Option<Duration>,
    ) -> Result<(StoredAnswer, Duration), NoneFresh> {
        self.l1.answer(key, now, max_staleness)
    }
}

/// What became of an answer in far tiers.
pub type FarStores = [Option<(Tier, StoreOutcome)>; 2];

/// The one outcome of asking for one.
fn one(outcomes: Vec<Result<Stored, LookupOutcome>>) -> Result<Stored, LookupOutcome> {
    outcomes.into_iter().next().unwrap_or(Err(LookupOutcome::Failed))
}

fn answer_of(stored: &Stored, judged: &Judged, validity: Validity) -> Option<StoredAnswer> {
    let StoredPayload::Answer { body, etag, groups } = &stored.payload else { return None };
    Some(StoredAnswer {
        body: body.clone(),
        etag: *etag,
        groups: groups.clone(),
        created: judged.created,
        cost: stored.cost,
        validity,
    })
}
