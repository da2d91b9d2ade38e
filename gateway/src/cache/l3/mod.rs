//! Tier 3: objects in a folder or a bucket, packed with zstd and trained dictionaries.
//!
//! | name | holds |
//! |---|---|
//! | `v1/ab/cd/<key>` | an entry in the [stored format](super::format), by its key |
//! | `dict/<digest>` | a dictionary that entries name |
//! | `models/…` | models of the planner, which are not this tier's |
//!
//! Nothing is updated in place: an object is replaced by a newer one of the same key, or removed. So any number of gateways
//! may share a store, and one that finds nothing, something damaged or nobody there has a miss. Writing is behind: a bounded
//! queue and a few writers. Each gateway knows what is held from what it wrote, read and listed ([`Index`]); that is enough
//! to evict by cost, and removing what another has removed already is no error.

mod breaker;
mod http;
mod index;
mod names;
mod place;
mod probe;
mod shelf;
#[cfg(test)]
mod tests;
mod upkeep;
mod write;

use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use object_store::{Error, ObjectStore, ObjectStoreExt as _};
use tokio::task::AbortHandle;

use self::{
    breaker::Breaker,
    index::Index,
    place::Place,
    shelf::Shelf,
    write::{Queue, Waiting},
};
use super::{
    FarStatistics, FarTier, Flaw, LookupOutcome, Purpose, Sought, StoreOutcome, Stored, Tier, WallTime, codec::Trainer,
    format,
};
use crate::config::L3Config;

pub use place::L3Error;
pub use probe::{ProbeError, probe, remove_all};

/// Bodies as long as this are unpacked where they do not keep other requests waiting.
const LONG: usize = 256 << 10;
/// No entry is longer than this: what the format reads, and its header.
const LONGEST: u64 = format::MAX_BODY as u64 + (64 << 10);
/// An orderly end waits no longer for writes.
const FLUSH: Duration = Duration::from_secs(10);

/// The time by the clock that gateways share.
pub type Clock = Arc<dyn Fn() -> WallTime + Send + Sync>;

/// Tier 3.
pub struct L3 {
    inner: Arc<Inner>,
    tasks: Vec<AbortHandle>,
}

struct Inner {
    store: Arc<dyn ObjectStore>,
    budget: Duration,
    ttl: Duration,
    max_entry: usize,
    clock: Clock,
    index: Mutex<Index>,
    shelf: Shelf,
    /// Learns from answers; other kinds are packed without a dictionary.
    trainer: Trainer,
    level: i32,
    reading: Breaker,
    writing: Breaker,
    queue: Queue,
    counters: Counters,
    writers: Writers,
}

/// Who writes into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writers {
    /// This gateway alone.
    This,
    /// Others, too.
    Several,
}

#[derive(Default)]
struct Counters {
    written: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    evicted: AtomicU64,
    flaws: [AtomicU64; Flaw::ALL.len()],
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl L3 {
    /// Opens the tier, with relative paths beginning at `base`. Asks no server; what is there is found in the background.
    /// Has to be called within a runtime.
    ///
    /// # Errors
    /// The settings make no sense, or a folder cannot be made.
    pub fn open(config: &L3Config, base: &Path, clock: Clock) -> Result<Arc<Self>, L3Error> {
        let place = place::open(config, base)?;
        Ok(Self::over(place, config, clock, Writers::Several))
    }

    /// The same for whoever alone writes into the store: once it has been listed, what is not known to be there is a miss
    /// without a look.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_alone(config: &L3Config, base: &Path, clock: Clock) -> Result<Arc<Self>, L3Error> {
        let place = place::open(config, base)?;
        Ok(Self::over(place, config, clock, Writers::This))
    }

    /// The store itself, for what else gateways share: names that begin with `models/`.
    pub fn objects(&self) -> Arc<dyn ObjectStore> {
        self.inner.store.clone()
    }

    /// The tier over any store.
    fn over(place: Place, config: &L3Config, clock: Clock, writers: Writers) -> Arc<Self> {
        let Place { store, directory } = place;
        let (queue, waiting) = Queue::new(config.max_queued_bytes);
        let inner = Arc::new(Inner {
            store,
            budget: Duration::from_millis(config.budget_ms),
            ttl: Duration::from_millis(config.ttl_ms),
            max_entry: usize::try_from(config.max_entry_bytes).unwrap_or(usize::MAX).min(format::MAX_BODY),
            clock,
            index: Mutex::new(Index::new(config.max_bytes)),
            shelf: Shelf::new(config.zstd_level),
            trainer: Trainer::new(config.zstd_level),
            level: config.zstd_level,
            reading: Breaker::default(),
            writing: Breaker::default(),
            queue,
            counters: Counters::default(),
            writers,
        });
        let tasks = vec![
            tokio::spawn(write::run(inner.clone(), waiting)).abort_handle(),
            tokio::spawn(upkeep::run(inner.clone(), directory)).abort_handle(),
        ];
        Arc::new(Self { inner, tasks })
    }
}

impl Drop for L3 {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Inner {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look_up(
        self: &Arc<Self>,
        sought: &Sought,
        until: tokio::time::Instant,
        purpose: Purpose,
    ) -> Result<Stored, LookupOutcome> {
        let (outcome, useful) = match tokio::time::timeout_at(until, self.read(sought, purpose)).await {
            Ok(Ok(Some(entry))) => (Ok(entry), true),
            Ok(Ok(None)) => (Err(LookupOutcome::Miss), true),
            Ok(Err(Unreadable::Flawed(flaw))) => {
                tracing::debug!(flaw = flaw.as_str(), "a stored object is of no use");
                count(&self.counters.flaws[flaw as usize]);
                (Err(LookupOutcome::Damaged), true)
            }
            Ok(Err(Unreadable::Failed(error))) => {
                tracing::debug!(%error, "reading an object failed");
                (Err(LookupOutcome::Failed), false)
            }
            Err(_) => (Err(LookupOutcome::TooSlow), false),
        };
        if self.reading.report(useful, Instant::now()) {
            tracing::warn!("objects are slow or cannot be read; they are left alone for a while");
        }
        outcome
    }

    async fn read(self: &Arc<Self>, sought: &Sought, purpose: Purpose) -> Result<Option<Stored>, Unreadable> {
        let object = match self.store.get(&names::entry(&sought.key)).await {
            Ok(object) => object,
            Err(Error::NotFound { .. }) => {
                self.index().gone(&sought.key);
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        if object.meta.size > LONGEST {
            return Err(Flaw::Content.into());
        }
        let bytes = match object.bytes().await {
            Ok(bytes) => bytes,
            // Removed in between.
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let entry = match self.decode(sought, &bytes).await {
            Err(Flaw::UnknownDictionary) => {
                let id = format::dictionary_of(sought, &bytes)?.ok_or(Flaw::UnknownDictionary)?;
                self.shelf.load(&*self.store, id).await?.ok_or(Flaw::UnknownDictionary)?;
                self.decode(sought, &bytes).await?
            }
            decoded => decoded?,
        };
        if purpose == Purpose::Serve {
            let cost = entry.cost.as_secs_f64() * 1e3;
            self.index().known(sought.key, bytes.len() as u64, cost, entry.expires);
        }
        Ok(Some(entry))
    }

    async fn look(self: &Arc<Self>, sought: &[Sought], purpose: Purpose) -> Vec<Result<Stored, LookupOutcome>> {
        // What needs no look says nothing about the store.
        let is_absent = |sought: &Sought| self.writers == Writers::This && self.index().lacks(&sought.key);
        let absent: Vec<bool> = sought.iter().map(is_absent).collect();
        let asks = absent.contains(&false) && self.reading.admit(Instant::now());
        let until = tokio::time::Instant::now() + self.budget;
        let looks = sought.iter().zip(absent).map(async |(sought, absent)| match absent {
            true => Err(LookupOutcome::Miss),
            false if asks => self.look_up(sought, until, purpose).await,
            false => Err(LookupOutcome::Skipped),
        });
        join_all(looks).await
    }

    async fn decode(self: &Arc<Self>, sought: &Sought, bytes: &Bytes) -> Result<Stored, Flaw> {
        if bytes.len() < LONG {
            return format::decode(sought, bytes, &self.shelf);
        }
        let (inner, sought, bytes) = (self.clone(), sought.clone(), bytes.clone());
        let decoding = tokio::task::spawn_blocking(move || format::decode(&sought, &bytes, &inner.shelf));
        decoding.await.unwrap_or(Err(Flaw::Content))
    }
}

/// Why there is no entry.
enum Unreadable {
    Flawed(Flaw),
    Failed(Error),
}

impl From<Flaw> for Unreadable {
    fn from(flaw: Flaw) -> Self {
        Self::Flawed(flaw)
    }
}

impl From<Error> for Unreadable {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

#[async_trait]
impl FarTier for L3 {
    fn tier(&self) -> Tier {
        Tier::L3
    }

    async fn get(&self, sought: &[Sought]) -> Vec<Result<Stored, LookupOutcome>> {
        self.inner.look(sought, Purpose::Serve).await
    }

    async fn peek(&self, sought: &[Sought]) -> Vec<Result<Stored, LookupOutcome>> {
        self.inner.look(sought, Purpose::Tell).await
    }

    fn put(&self, sought: Sought, entry: Arc<Stored>) -> StoreOutcome {
        let weight = write::weight(&entry);
        if weight > self.inner.max_entry {
            return StoreOutcome::TooLarge;
        }
        if !self.inner.writing.is_closed(Instant::now()) {
            return StoreOutcome::Unavailable;
        }
        if !self.inner.queue.push(Waiting { sought, entry, weight: weight as u64 }) {
            count(&self.inner.counters.dropped);
            return StoreOutcome::QueueFull;
        }
        StoreOutcome::Stored
    }

    fn is_available(&self) -> bool {
        self.inner.reading.is_closed(Instant::now())
    }

    fn statistics(&self) -> FarStatistics {
        let counters = &self.inner.counters;
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FarStatistics {
            held: Some(self.inner.index().totals()),
            queued: self.inner.queue.entries(),
            written: of(&counters.written),
            dropped: of(&counters.dropped),
            failed: of(&counters.failed),
            evicted: of(&counters.evicted),
            flaws: std::array::from_fn(|i| of(&counters.flaws[i])),
        }
    }

    async fn flush(&self) {
        // Where the store does not answer there is nothing to be done about it.
        let _ = tokio::time::timeout(FLUSH, self.inner.queue.drained()).await;
    }
}
