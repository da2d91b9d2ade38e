//! `quick_cache`: S3-FIFO in shards. It does not know what an entry is worth.

use std::hash::Hash;

use quick_cache::{Weighter, sync::Cache};

use super::{Bounded, Memory};

impl<K, V, W> Bounded for Cache<K, V, W>
where
    K: Eq + Hash,
    V: Clone,
    W: Weighter<K, V> + Clone,
{
    fn weight(&self) -> u64 {
        Self::weight(self)
    }

    fn capacity(&self) -> u64 {
        Self::capacity(self)
    }

    fn set_capacity(&self, bytes: u64) {
        Self::set_capacity(self, bytes);
    }

    fn slack(&self) -> u64 {
        // The shards round up, each by less than one byte.
        self.num_shards() as u64
    }

    fn clear(&self) {
        Self::clear(self);
    }
}

impl<K, V, W> Memory for Cache<K, V, W>
where
    K: Eq + Hash,
    V: Clone,
    W: Weighter<K, V> + Clone,
{
    type Key = K;
    type Value = V;

    fn get(&self, key: &K) -> Option<V> {
        Self::get(self, key)
    }

    fn peek(&self, key: &K) -> Option<V> {
        Self::peek(self, key)
    }

    fn insert(&self, key: K, value: V) {
        Self::insert(self, key, value);
    }

    fn remove(&self, key: &K) {
        Self::remove(self, key);
    }

    fn len(&self) -> usize {
        Self::len(self)
    }
}
