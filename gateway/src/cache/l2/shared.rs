//! What look-ups, writers and leases of the tier share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::Value;

use super::{
    gate::{Attempt, Gate},
    lease::Held,
    names::{Names, Thing},
    queue::Queue,
    scripts::Scripts,
};
use crate::{
    cache::{
        FarStatistics, Flaw, LookupOutcome, Sought, StoreOutcome, Stored, StoredPayload, WallTime,
        codec::NoDictionaries,
        coherence::Coherence,
        format,
        redis::{RedisError, RedisLink, Refusal},
    },
    config::L2Config,
};

/// Compression makes of an entry a tenth at the very best: what is larger than so many times the largest entry will not fit.
const BEST_RATIO: u64 = 10;

/// The largest entry that any configuration allows, in bytes: as much as Redis takes.
const LARGEST: u64 = 512 << 20;

/// The longest time to live that any configuration gives: Redis refuses those that end after its calendar does.
const LONGEST_TTL: Duration = Duration::from_secs(366 * 24 * 3600);

/// Everything about the tier but its tasks.
pub(super) struct Shared {
    pub(super) link: RedisLink,
    pub(super) names: Names,
    pub(super) scripts: Scripts,
    pub(super) coherence: Arc<dyn Coherence>,
    /// Whether look-ups are made.
    pub(super) reads: Arc<Gate>,
    /// Whether entries are written: a full server may be read.
    pub(super) writes: Arc<Gate>,
    pub(super) queue: Arc<Queue<Job>>,
    pub(super) counts: Counts,
    pub(super) budget: Duration,
    pub(super) ttl: Duration,
    pub(super) max_entry: u64,
    min_cost: Duration,
}

/// An entry to be written.
pub(super) struct Job {
    pub(super) sought: Sought,
    pub(super) entry: Arc<Stored>,
    /// Under this lease, and only if nobody has a newer one.
    pub(super) lease: Option<Held>,
}

/// Since the start.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) written: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) failed: AtomicU64,
    flaws: [AtomicU64; Flaw::ALL.len()],
}

/// One more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counts {
    fn flaw(&self, flaw: Flaw) {
        let position = Flaw::ALL.iter().position(|other| *other == flaw);
        count(&self.flaws[position.expect("all are there")]);
    }
}

impl Shared {
    pub(super) fn new(link: RedisLink, config: &L2Config, coherence: Arc<dyn Coherence>) -> Arc<Self> {
        let names = Names::new(&config.prefix);
        Arc::new(Self {
            scripts: Scripts::new(link.clone(), names.clone(), config.max_entry_bytes.min(LARGEST)),
            link,
            names,
            coherence,
            reads: Gate::new(),
            writes: Gate::new(),
            queue: Queue::new(config.max_queued_bytes),
            counts: Counts::default(),
            budget: Duration::from_millis(config.budget_ms),
            ttl: Duration::from_millis(config.ttl_ms).min(LONGEST_TTL),
            max_entry: config.max_entry_bytes.min(LARGEST),
            min_cost: Duration::try_from_secs_f64(config.min_cost_ms.max(0.0) / 1e3).unwrap_or(Duration::MAX),
        })
    }

    /// Looks for all of these at once. Each is a request of its own, which go out together: on a Cluster they have several
    /// nodes, of which one may be away, and what lies under one name may be something else.
    pub(super) async fn get(&self, sought: &[Sought]) -> Vec<Result<Stored, LookupOutcome>> {
        if sought.is_empty() {
            return Vec::new();
        }
        let Some(attempt) = self.reads.enter() else {
            return sought.iter().map(|_| Err(LookupOutcome::Skipped)).collect();
        };
        let command = |sought: &Sought| {
            // One byte more than the largest entry has, whatever lies there.
            let mut command = redis::cmd("GETRANGE");
            command.arg(self.names.of(&sought.key, Thing::Entry)).arg(0).arg(self.max_entry);
            command
        };
        let commands: Vec<_> = sought.iter().map(command).collect();
        let replies = self.link.query_all(&commands, self.budget).await;
        // One node that answers is enough to go on asking.
        if replies.iter().any(|reply| reply.as_ref().map_or_else(is_wrong_type, |_| true)) {
            attempt.answered();
        } else {
            self.failed(attempt, replies.iter().filter_map(|reply| reply.as_ref().err()));
        }
        let read = |(reply, sought)| match reply {
            Ok(Value::BulkString(bytes)) if bytes.is_empty() => Err(LookupOutcome::Miss),
            Ok(Value::BulkString(bytes)) => self.decode(sought, &bytes),
            Ok(_) => Err(self.damaged(Flaw::NotAnEntry)),
            Err(error) if is_wrong_type(&error) => Err(self.damaged(Flaw::NotAnEntry)),
            Err(error) => Err(outcome(&error)),
        };
        replies.into_iter().zip(sought).map(read).collect()
    }

    /// Ends an attempt that nothing came of but these errors.
    pub(super) fn failed<'e>(&self, attempt: Attempt, errors: impl IntoIterator<Item = &'e RedisError>) {
        // That a member of a Cluster is not connected cost nobody time, and says nothing about the others.
        let is_away = |error: &RedisError| matches!(error, RedisError::Unreachable(_));
        if self.link.is_cluster() && errors.into_iter().all(is_away) { drop(attempt) } else { attempt.failed() }
    }

    /// What bytes from Redis mean.
    pub(super) fn decode(&self, sought: &Sought, bytes: &[u8]) -> Result<Stored, LookupOutcome> {
        format::decode(sought, bytes, &NoDictionaries).map_err(|flaw| self.damaged(flaw))
    }

    pub(super) fn damaged(&self, flaw: Flaw) -> LookupOutcome {
        self.counts.flaw(flaw);
        LookupOutcome::Damaged
    }

    /// Takes an entry to be written. A lease that comes with it ends when that is done, or will not be.
    pub(super) fn put(&self, sought: Sought, entry: Arc<Stored>, lease: Option<Held>) -> StoreOutcome {
        if entry.cost < self.min_cost {
            return StoreOutcome::TooCheap;
        }
        if self.time_to_live(&entry, self.coherence.now()).is_none() {
            return StoreOutcome::NotWanted;
        }
        let bytes = weight(&entry.payload);
        if bytes > self.max_entry.saturating_mul(BEST_RATIO) {
            return StoreOutcome::TooLarge;
        }
        if !self.writes.is_open_to_some() {
            return StoreOutcome::Unavailable;
        }
        // Others wait for what a lease was taken for.
        let urgent = lease.is_some();
        match self.queue.push(Job { sought, entry, lease }, bytes, urgent) {
            Ok(()) => StoreOutcome::Stored,
            Err(_) => {
                count(&self.counts.dropped);
                StoreOutcome::QueueFull
            }
        }
    }

    /// How long an entry is to live; `None` if it is over already.
    pub(super) fn time_to_live(&self, entry: &Stored, now: WallTime) -> Option<Duration> {
        Some(entry.expires.since(now).min(self.ttl)).filter(|left| *left >= Duration::from_millis(1))
    }

    pub(super) fn statistics(&self) -> FarStatistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FarStatistics {
            held: None,
            queued: self.queue.len() as u64,
            written: read(&self.counts.written),
            dropped: read(&self.counts.dropped),
            failed: read(&self.counts.failed),
            evicted: 0,
            flaws: std::array::from_fn(|flaw| read(&self.counts.flaws[flaw])),
        }
    }
}

/// Bytes that an entry holds in memory.
pub(super) fn weight(payload: &StoredPayload) -> u64 {
    let bytes = match payload {
        StoredPayload::Answer { body, groups, .. } => body.len() + groups.weight(),
        // Parts of a stage are shared, so that this copies none.
        stage => stage.clone().into_stage().map_or(0, |stage| stage.weight()),
    };
    bytes as u64
}

/// What lies under the name is not a string.
fn is_wrong_type(error: &RedisError) -> bool {
    matches!(error, RedisError::Refused { why: Refusal::WrongType, .. })
}

/// What an error means to a look-up.
pub(super) fn outcome(error: &RedisError) -> LookupOutcome {
    match error {
        RedisError::TimedOut => LookupOutcome::TooSlow,
        RedisError::Unreachable(_)
        | RedisError::Refused { .. }
        | RedisError::Elsewhere { .. }
        | RedisError::Nonsense(_) => LookupOutcome::Failed,
    }
}
