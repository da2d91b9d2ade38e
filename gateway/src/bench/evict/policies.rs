//! Who is compared: caches of the gateway, and two rules from the literature in their plainest form.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use quick_cache::{Weighter, sync::Cache};

use super::costs::Item;
use crate::cache::{
    WORTH,
    memory::{Appraise, Gdsf, Memory},
};

/// Something that keeps items by a rule of its own.
pub(super) trait Policy {
    /// Somebody asks for an item: whether it is there. It is offered if not.
    fn asked(&mut self, id: u32, item: Item) -> bool;
}

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Rule {
    /// What was not used for longest goes.
    Lru,
    /// Three queues (Yang et al. 2023, "FIFO queues are all you need for cache eviction").
    S3Fifo,
    /// The crate.
    QuickCache,
    /// This project's, where a hit is worth its cost to this power.
    Ours(f64),
}

impl Rule {
    /// Those of the table; the one that the gateway uses is [`Self::OURS`].
    pub(super) const ALL: [Self; 6] =
        [Self::Lru, Self::QuickCache, Self::S3Fifo, Self::Ours(0.5), Self::OURS, Self::Ours(1.0)];
    /// The power that the gateway uses.
    pub(super) const OURS: Self = Self::Ours(WORTH);

    pub(super) fn name(self) -> String {
        match self {
            Self::Lru => "LRU".into(),
            Self::S3Fifo => "S3-FIFO".into(),
            Self::QuickCache => "quick_cache".into(),
            Self::Ours(exponent) => format!("ours, cost^{exponent}"),
        }
    }

    /// An empty cache for items of a mean size.
    pub(super) fn cache(self, capacity: u64, mean: u64) -> Box<dyn Policy> {
        match self {
            Self::Lru => Box::new(Lru { capacity, ..Lru::default() }),
            Self::S3Fifo => Box::new(S3Fifo { capacity, ..S3Fifo::default() }),
            Self::QuickCache => {
                let estimated = (capacity / mean.max(1)).max(64) as usize;
                Box::new(Kept(Cache::with_weighter(estimated, capacity, BySize)))
            }
            Self::Ours(exponent) => Box::new(Kept(Gdsf::new(capacity, LARGEST, ByCost(exponent)))),
        }
    }
}

/// The default of `cache.l1.max_entry_bytes`.
const LARGEST: u64 = 1 << 20;

/// A cache of the gateway.
struct Kept<M>(M);

impl<M: Memory<Key = u32, Value = Item>> Policy for Kept<M> {
    fn asked(&mut self, id: u32, item: Item) -> bool {
        let hit = self.0.get(&id).is_some();
        if !hit {
            self.0.insert(id, item);
        }
        hit
    }
}

#[derive(Clone)]
struct BySize;

impl Weighter<u32, Item> for BySize {
    fn weight(&self, _: &u32, item: &Item) -> u64 {
        item.bytes
    }
}

struct ByCost(f64);

impl Appraise<u32, Item> for ByCost {
    fn weight(&self, _: &u32, item: &Item) -> u64 {
        item.bytes
    }

    fn worth(&self, _: &u32, item: &Item) -> f64 {
        item.us.max(1.0).powf(self.0)
    }
}

#[derive(Default)]
struct Lru {
    capacity: u64,
    bytes: u64,
    tick: u64,
    /// When an item was last used, and its size.
    used: HashMap<u32, (u64, u64)>,
    by_use: BTreeMap<u64, u32>,
}

impl Policy for Lru {
    fn asked(&mut self, id: u32, item: Item) -> bool {
        self.tick += 1;
        if let Some((used, _)) = self.used.get_mut(&id) {
            self.by_use.remove(used);
            *used = self.tick;
            self.by_use.insert(self.tick, id);
            return true;
        }
        if item.bytes > self.capacity {
            return false;
        }
        while self.bytes + item.bytes > self.capacity {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            self.bytes -= self.used.remove(&oldest).map_or(0, |(_, bytes)| bytes);
        }
        self.used.insert(id, (self.tick, item.bytes));
        self.by_use.insert(self.tick, id);
        self.bytes += item.bytes;
        false
    }
}

/// Uses that an item of [`S3Fifo`] remembers at most.
const MOST_USES: u8 = 3;

/// Queues weighed in bytes: a tenth for what is new, the rest for what was used again, and the names of as many bytes as the
/// latter that went without having been.
#[derive(Default)]
struct S3Fifo {
    capacity: u64,
    /// Uses since an item came, and its size.
    kept: HashMap<u32, (u8, u64)>,
    small: VecDeque<u32>,
    small_bytes: u64,
    main: VecDeque<u32>,
    main_bytes: u64,
    ghosts: VecDeque<(u32, u64)>,
    ghost_names: HashSet<u32>,
    ghost_bytes: u64,
}

impl Policy for S3Fifo {
    fn asked(&mut self, id: u32, item: Item) -> bool {
        if let Some((uses, _)) = self.kept.get_mut(&id) {
            *uses = (*uses + 1).min(MOST_USES);
            return true;
        }
        if item.bytes > self.capacity {
            return false;
        }
        while self.small_bytes + self.main_bytes + item.bytes > self.capacity {
            if self.small_bytes > self.capacity / 10 || self.main.is_empty() {
                self.leave_small();
            } else {
                self.leave_main();
            }
        }
        self.kept.insert(id, (0, item.bytes));
        if self.ghost_names.remove(&id) {
            self.main.push_back(id);
            self.main_bytes += item.bytes;
        } else {
            self.small.push_back(id);
            self.small_bytes += item.bytes;
        }
        false
    }
}

impl S3Fifo {
    /// The oldest of what is new goes, or moves on if it was used more than once.
    fn leave_small(&mut self) {
        let Some(id) = self.small.pop_front() else { return };
        let Some((uses, bytes)) = self.kept.get_mut(&id) else { return };
        let bytes = *bytes;
        self.small_bytes -= bytes;
        if *uses > 1 {
            *uses = 0;
            self.main.push_back(id);
            self.main_bytes += bytes;
            return;
        }
        self.kept.remove(&id);
        self.ghosts.push_back((id, bytes));
        self.ghost_names.insert(id);
        self.ghost_bytes += bytes;
        while self.ghost_bytes > self.capacity / 10 * 9 {
            let Some((id, bytes)) = self.ghosts.pop_front() else { break };
            self.ghost_names.remove(&id);
            self.ghost_bytes -= bytes;
        }
    }

    /// The oldest of the others goes, or begins again if it was used.
    fn leave_main(&mut self) {
        while let Some(id) = self.main.pop_front() {
            let Some((uses, bytes)) = self.kept.get_mut(&id) else { continue };
            if *uses == 0 {
                self.main_bytes -= *bytes;
                self.kept.remove(&id);
                return;
            }
            *uses -= 1;
            self.main.push_back(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is asked for in turn, each of one size; which of them were there.
    fn hits(rule: Rule, asked: &[u32]) -> Vec<bool> {
        let mut cache = rule.cache(1_000, 100);
        asked.iter().map(|id| cache.asked(*id, Item { bytes: 100, us: 1.0 })).collect()
    }

    #[test]
    fn every_rule_keeps_what_fits_and_nothing_that_cannot() {
        for rule in Rule::ALL {
            let found = hits(rule, &[1, 2, 3, 1, 2, 3]);
            assert_eq!(found, [false, false, false, true, true, true], "{rule:?}");
            let mut cache = rule.cache(1_000, 100);
            let giant = Item { bytes: 1_001, us: 1.0 };
            assert!(!cache.asked(1, giant) && !cache.asked(1, giant), "{rule:?}");
        }
    }

    #[test]
    fn lru_forgets_what_was_not_used_for_longest() {
        let mut asked: Vec<u32> = (0..10).collect();
        asked.extend([0, 10, 0, 1]);
        assert_eq!(hits(Rule::Lru, &asked)[10..], [true, false, true, false]);
    }

    #[test]
    fn s3_fifo_keeps_what_was_used_twice_through_a_scan_and_remembers_what_it_let_go() {
        let mut asked = vec![0, 0, 0];
        asked.extend(1..40);
        asked.push(0);
        assert_eq!(hits(Rule::S3Fifo, &asked).last(), Some(&true));
        assert_eq!(hits(Rule::Lru, &asked).last(), Some(&false));
        // 30 left a few moments ago; when it comes again it is no newcomer, and outlives a scan.
        asked.extend([29, 29].into_iter().chain(100..109).chain([29]));
        let found = hits(Rule::S3Fifo, &asked);
        assert_eq!((found[43], found.last()), (false, Some(&true)));
    }

    #[test]
    fn ours_keeps_what_saves_more_for_its_size() {
        let mut cache = Rule::OURS.cache(1_000, 100);
        for id in 0..10 {
            cache.asked(id, Item { bytes: 100, us: if id < 5 { 10_000.0 } else { 100.0 } });
        }
        for id in 10..15 {
            cache.asked(id, Item { bytes: 100, us: 400.0 });
        }
        assert!((0..5).all(|id| cache.asked(id, Item { bytes: 1_001, us: 1.0 })));
    }
}
