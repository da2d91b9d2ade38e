//! The capacity of a cache that gives memory back for a while.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::memory::Bounded;

/// A cache that is made smaller than this is emptied instead: an entry in so little space would not stay.
const LEAST: u64 = 1 << 20;

/// A capacity changes by this part of itself or not at all: each change costs a pass over all shards, and rounds what the
/// cache knows of entries that it let go.
const STEP: u64 = 8;

/// How much a cache may hold, and whether it takes anything.
#[derive(Debug)]
pub(super) struct Room {
    most: u64,
    refuses: AtomicBool,
}

impl Room {
    /// Room for so many bytes.
    pub(super) fn new(most: u64) -> Self {
        Self { most, refuses: AtomicBool::new(false) }
    }

    /// What it is configured to hold at most.
    pub(super) fn most(&self) -> u64 {
        self.most
    }

    pub(super) fn refuses(&self) -> bool {
        self.refuses.load(Relaxed)
    }

    pub(super) fn refuse(&self, refuse: bool) {
        self.refuses.store(refuse, Relaxed);
    }

    /// Lets go of entries that weigh so much, the least valuable first, and holds no more than what is left from now on.
    /// Returns the weight that is gone.
    pub(super) fn shed(&self, cache: &impl Bounded, bytes: u64) -> u64 {
        let held = cache.weight();
        let (left, least) = (held.saturating_sub(bytes), self.least());
        if left < least {
            cache.clear();
        }
        cache.set_capacity(left.max(least).saturating_sub(cache.slack()).max(1));
        held.saturating_sub(cache.weight())
    }

    /// May hold so much, as far as configured, and at least what it holds. Shards share evenly what they may hold but are not
    /// filled evenly, so a cache that may just hold what it does lets a few entries go.
    pub(super) fn allow(&self, cache: &impl Bounded, bytes: u64) {
        // The whole may be a little more than it was told to be.
        let now = cache.capacity().min(self.most);
        let wanted = bytes.max(self.least()).max(cache.weight()).min(self.most);
        let whole = wanted == self.most && now < self.most;
        if whole || wanted.abs_diff(now) > now / STEP {
            cache.set_capacity(wanted);
        }
    }

    fn least(&self) -> u64 {
        LEAST.min(self.most / 16)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_cache::{Weighter, sync::Cache};

    use super::*;

    #[derive(Clone)]
    struct ByValue;

    impl Weighter<u64, u64> for ByValue {
        fn weight(&self, _: &u64, value: &u64) -> u64 {
            *value
        }
    }

    const MOST: u64 = 64 << 20;

    /// A cache with so many entries of 4 KiB.
    fn filled(entries: u64) -> Cache<u64, u64, ByValue> {
        let cache = Cache::with_weighter(16_384, MOST, ByValue);
        (0..entries).for_each(|key| cache.insert(key, 4_096));
        cache
    }

    #[test]
    fn what_is_asked_for_often_outlives_what_is_not() {
        let (cache, room) = (filled(8_000), Room::new(MOST));
        for key in (0..8_000).filter(|key| key % 4 == 0) {
            (0..3).for_each(|_| assert!(cache.get(&key).is_some()));
        }
        room.shed(&cache, 16 << 20);
        let left = |rest: u64| (0..8_000).filter(|key| key % 4 == rest && cache.peek(key).is_some()).count();
        assert!(left(0) > 1_900, "{} of 2,000 that were wanted", left(0));
        assert!(left(1) < 1_300, "{} of 2,000 that nobody wanted", left(1));
    }

    #[test]
    fn a_cache_that_was_small_can_be_as_large_as_before() {
        let (cache, room) = (filled(10_000), Room::new(MOST));
        room.shed(&cache, 39 << 20);
        assert!(cache.weight() < 2 << 20);
        room.allow(&cache, MOST * 2);
        assert_eq!(cache.capacity(), MOST);
        (0..10_000).for_each(|key| cache.insert(key, 4_096));
        assert!(cache.weight() > 35 << 20, "{}", cache.weight());
    }

    #[test]
    fn small_changes_of_what_is_allowed_change_nothing() {
        let (cache, room) = (filled(0), Room::new(MOST));
        room.allow(&cache, 32 << 20);
        let capacity = cache.capacity();
        assert!(capacity < 33 << 20);
        for bytes in [31, 33, 34, 30] {
            room.allow(&cache, bytes << 20);
            assert_eq!(cache.capacity(), capacity);
        }
        room.allow(&cache, 40 << 20);
        assert!(cache.capacity() > 39 << 20);
    }

    proptest! {
        #[test]
        fn as_much_goes_as_was_asked_for_or_all(orders in proptest::collection::vec(1_u64..(24 << 20), 1..6)) {
            let (cache, room) = (filled(10_000), Room::new(MOST));
            for bytes in orders {
                let before = cache.weight();
                let freed = room.shed(&cache, bytes);
                prop_assert!(freed >= bytes.min(before), "{freed} of {bytes}, {before} held");
                prop_assert_eq!(before - freed, cache.weight());
                // It stays so.
                (20_000..24_000).for_each(|key| cache.insert(key, 4_096));
                prop_assert!(cache.weight() <= before.saturating_sub(bytes).max(LEAST));
            }
        }

        #[test]
        fn allowing_lets_next_to_nothing_go(bytes in 0_u64..(2 * MOST), entries in 4_000_u64..12_000) {
            let (cache, room) = (filled(entries), Room::new(MOST));
            let before = cache.weight();
            room.allow(&cache, bytes);
            prop_assert!(cache.weight() >= before / 100 * 90, "{} of {before}", cache.weight());
        }
    }
}
