//! Memory with a capacity in bytes: what [`L1`](super::L1) asks of the store that it keeps entries in, and two such stores.
//!
//! `quick_cache` ([`quick`]) knows how often an entry is asked for; [`Gdsf`] also knows what it saves. Tier 1 uses
//! the latter, because it saves more in `forebay bench evict`. Nothing here knows what an entry is, or whether it may still be served.

mod gdsf;
mod quick;

pub(crate) use gdsf::Gdsf;

/// How much something holds, in bytes, and how much it may.
pub(crate) trait Bounded {
    /// What is held.
    fn weight(&self) -> u64;
    /// What may be held.
    fn capacity(&self) -> u64;
    /// Changes what may be held. What is too much goes at once, the least valuable first.
    fn set_capacity(&self, bytes: u64);
    /// By how much at most more is held than the capacity that was set, because parts of it are rounded up.
    fn slack(&self) -> u64;
    /// Lets go of everything.
    fn clear(&self);
}

/// A cache that many threads use.
pub(crate) trait Memory: Bounded {
    /// By what entries are looked for.
    type Key;
    /// What is kept. Copies are cheap.
    type Value;

    /// Looks for an entry, and counts that it was of use.
    fn get(&self, key: &Self::Key) -> Option<Self::Value>;
    /// Looks for an entry, for somebody who only looks.
    fn peek(&self, key: &Self::Key) -> Option<Self::Value>;
    /// Offers an entry. It takes the place of one with the same key, and may itself be what goes for want of room.
    fn insert(&self, key: Self::Key, value: Self::Value);
    /// Lets go of an entry.
    fn remove(&self, key: &Self::Key);
    /// Number of entries.
    fn len(&self) -> usize;
}

/// What entries weigh and are worth.
pub(crate) trait Appraise<K, V> {
    /// Memory held, in bytes; at least 1.
    fn weight(&self, key: &K, value: &V) -> u64;
    /// What one hit saves, in any unit; above 0.
    fn worth(&self, key: &K, value: &V) -> f64;
}
