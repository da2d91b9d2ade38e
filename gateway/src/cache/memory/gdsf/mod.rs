//! Greedy-Dual-Size-Frequency (Cherkasova 1998, "Improving WWW proxies performance with Greedy-Dual-Size-Frequency caching
//! policy") in shards: what goes is what is used least often, saves least and takes most room.
//!
//! The priority of an entry is `inflation + uses × worth / weight`. Whatever goes lifts the inflation to its own priority, so
//! that what was of use long ago has to be of use again. Two things differ from the paper: uses are those of the recent past,
//! before the entry came included, and hits are counted a little later, so that they need no exclusive lock.

mod hits;
mod order;
mod shard;
#[cfg(test)]
mod tests;
mod uses;

use std::{
    hash::{BuildHasher, Hash},
    sync::{PoisonError, RwLock, RwLockWriteGuard},
    thread,
};

use hits::Hits;
use quick_cache::DefaultHashBuilder;
use shard::Shard;

use super::{Appraise, Bounded, Memory};

/// A shard has room for so many of the largest entries: with fewer they would drive out everything else in it.
const LARGEST_IN_A_SHARD: u64 = 4;

/// On cache lines of its own.
#[repr(align(128))]
struct Part<K, V> {
    shard: RwLock<Shard<K, V>>,
    hits: Hits,
}

/// A cache that lets go of what saves least for its size.
pub(crate) struct Gdsf<K, V, A> {
    parts: Box<[Part<K, V>]>,
    appraiser: A,
    hasher: DefaultHashBuilder,
}

impl<K: Eq + Hash, V: Clone, A: Appraise<K, V>> Gdsf<K, V, A> {
    /// An empty cache of this capacity for entries of at most `largest` bytes.
    pub(crate) fn new(capacity: u64, largest: u64, appraiser: A) -> Self {
        let threads = thread::available_parallelism().map_or(4, usize::from);
        let wanted = (4 * threads).next_power_of_two() as u64;
        let roomy = capacity / (LARGEST_IN_A_SHARD * largest.max(1));
        // The greatest power of two that leaves enough room.
        let count = wanted.min(1 << roomy.max(1).ilog2());
        Self::with_shards(capacity, count as usize, appraiser)
    }

    fn with_shards(capacity: u64, count: usize, appraiser: A) -> Self {
        let part = |share| Part { shard: RwLock::new(Shard::new(share)), hits: Hits::default() };
        let parts = shares(capacity, count).map(part).collect();
        Self { parts, appraiser, hasher: DefaultHashBuilder::default() }
    }

    fn part(&self, hash: u64) -> &Part<K, V> {
        // Neither the lowest nor the highest bits: tables go by those.
        &self.parts[(hash >> 40) as usize & (self.parts.len() - 1)]
    }

    /// Looks for an entry, counts that it was of use, and reads it where it is. Nothing else changes in its part of the cache
    /// meanwhile, so it should not take long.
    pub(crate) fn read<R>(&self, key: &K, read: impl FnOnce(&V) -> R) -> Option<R> {
        let hash = self.hasher.hash_one(key);
        let part = self.part(hash);
        let (found, handle) = {
            let shard = part.shard.read().unwrap_or_else(PoisonError::into_inner);
            let (value, handle) = shard.get(hash, key)?;
            (read(value), handle)
        };
        if part.hits.note(handle)
            && let Ok(mut shard) = part.shard.try_write()
        {
            part.hits.take(|handle| shard.hit(handle));
        }
        Some(found)
    }

    fn sum(&self, of: impl Fn(&Shard<K, V>) -> u64) -> u64 {
        self.parts.iter().map(|part| of(&part.shard.read().unwrap_or_else(PoisonError::into_inner))).sum()
    }
}

impl<K: Eq, V> Part<K, V> {
    /// The shard for oneself, all hits counted.
    fn exclusive(&self) -> RwLockWriteGuard<'_, Shard<K, V>> {
        let mut shard = self.shard.write().unwrap_or_else(PoisonError::into_inner);
        self.hits.take(|handle| shard.hit(handle));
        shard
    }
}

/// A capacity in equal shares.
fn shares(capacity: u64, count: usize) -> impl Iterator<Item = u64> {
    let count = count as u64;
    (0..count).map(move |index| capacity / count + u64::from(index < capacity % count))
}

impl<K: Eq + Hash, V: Clone, A: Appraise<K, V>> Bounded for Gdsf<K, V, A> {
    fn weight(&self) -> u64 {
        self.sum(Shard::weight)
    }

    fn capacity(&self) -> u64 {
        self.sum(Shard::capacity)
    }

    fn set_capacity(&self, bytes: u64) {
        for (part, share) in self.parts.iter().zip(shares(bytes, self.parts.len())) {
            let mut gone = Vec::new();
            part.exclusive().set_capacity(share, &mut gone);
            // Dropped without the lock: the last of an entry may be much to free.
            drop(gone);
        }
    }

    fn slack(&self) -> u64 {
        0
    }

    fn clear(&self) {
        for part in &self.parts {
            let mut shard = part.exclusive();
            let empty = Shard::new(shard.capacity());
            let full = std::mem::replace(&mut *shard, empty);
            drop(shard);
            drop(full);
        }
    }
}

impl<K: Eq + Hash, V: Clone, A: Appraise<K, V>> Memory for Gdsf<K, V, A> {
    type Key = K;
    type Value = V;

    fn get(&self, key: &K) -> Option<V> {
        self.read(key, V::clone)
    }

    fn peek(&self, key: &K) -> Option<V> {
        let hash = self.hasher.hash_one(key);
        let shard = self.part(hash).shard.read().unwrap_or_else(PoisonError::into_inner);
        shard.get(hash, key).map(|(value, _)| value.clone())
    }

    fn insert(&self, key: K, value: V) {
        let hash = self.hasher.hash_one(&key);
        let (weight, worth) = (self.appraiser.weight(&key, &value).max(1), self.appraiser.worth(&key, &value));
        let mut gone = Vec::new();
        self.part(hash).exclusive().insert(hash, key, value, weight, worth, &mut gone);
        drop(gone);
    }

    fn remove(&self, key: &K) {
        let hash = self.hasher.hash_one(key);
        let gone = self.part(hash).exclusive().remove(hash, key);
        drop(gone);
    }

    fn len(&self) -> usize {
        self.sum(|shard| shard.len() as u64) as usize
    }
}
