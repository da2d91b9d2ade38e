//! What is held, as far as this gateway knows, and what has to go.
//!
//! Eviction is by cost: what saves least time for its size goes first, GDSF-like (Cherkasova, "Improving WWW proxies
//! performance with greedy-dual-size-frequency caching", 1998). An entry's priority is its hits × its cost / its size, on
//! top of the priority of the last that was evicted, so that what was once worth much ages. The least of a random sample
//! goes rather than the least of all, as in Redis: an index of millions needs no order.

use std::collections::HashMap;

use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};

use crate::cache::{Digest, WallTime};

/// Most objects that are held, so that the index takes at most some 200 MB of memory.
const MAX_OBJECTS: usize = 2 << 20;
/// So many are looked at to evict one.
const SAMPLE: usize = 32;

/// What is held.
pub(super) struct Index {
    held: Vec<Held>,
    /// From the first bytes of a key to its place in `held`.
    places: HashMap<u64, u32>,
    bytes: u64,
    max_bytes: u64,
    /// The priority of the last that was evicted.
    inflation: f64,
    /// Costs in milliseconds, where they are known: their sum and number.
    costs: (f64, f64),
    /// The current listing.
    round: u8,
    /// Whether everything has been listed.
    is_complete: bool,
    random: SmallRng,
}

struct Held {
    key: Digest,
    /// Where its cost is not known, what it would be if it had cost nothing.
    priority: f64,
    known: bool,
    size: u32,
    /// In seconds since 1970.
    expires: u32,
    hits: u16,
    /// The listing that it was last in.
    round: u8,
}

fn short(key: &Digest) -> u64 {
    u64::from_le_bytes([key[0], key[1], key[2], key[3], key[4], key[5], key[6], key[7]])
}

fn seconds(time: WallTime) -> u32 {
    u32::try_from(time.0.div_ceil(1_000)).unwrap_or(u32::MAX)
}

impl Index {
    /// An empty one that lets at most so many bytes be held.
    pub(super) fn new(max_bytes: u64) -> Self {
        Self {
            held: Vec::new(),
            places: HashMap::new(),
            bytes: 0,
            max_bytes,
            inflation: 0.0,
            costs: (0.0, 0.0),
            round: 0,
            is_complete: false,
            random: SmallRng::from_rng(&mut rand::rng()),
        }
    }

    /// Entries and their bytes.
    pub(super) fn totals(&self) -> (u64, u64) {
        (self.held.len() as u64, self.bytes)
    }

    /// An entry was written, or read: its cost and when it expires are known.
    pub(super) fn known(&mut self, key: Digest, size: u64, cost_ms: f64, expires: WallTime) {
        self.costs = (self.costs.0 * 0.999 + cost_ms, self.costs.1 * 0.999 + 1.0);
        self.place(key, size, Some(cost_ms), seconds(expires));
    }

    /// An entry was found in a listing. Where nothing else is known of it, it costs what entries cost, and expires then.
    pub(super) fn listed(&mut self, key: Digest, size: u64, expires: WallTime) {
        if let Some(&at) = self.places.get(&short(&key)) {
            let held = &mut self.held[at as usize];
            held.round = self.round;
            self.bytes = self.bytes - u64::from(held.size) + size;
            held.size = size as u32;
            return;
        }
        self.place(key, size, None, seconds(expires));
    }

    fn place(&mut self, key: Digest, size: u64, cost: Option<f64>, expires: u32) {
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let hits = match self.places.get(&short(&key)) {
            Some(&at) => {
                self.bytes -= u64::from(self.held[at as usize].size);
                self.held[at as usize].hits.saturating_add(1)
            }
            None => 1,
        };
        let priority = self.inflation + f64::from(hits) * cost.unwrap_or(0.0) / f64::from(size.max(1));
        let held = Held { key, priority, known: cost.is_some(), size, expires, hits, round: self.round };
        self.bytes += u64::from(size);
        match self.places.get(&short(&key)) {
            Some(&at) => self.held[at as usize] = held,
            None => {
                self.places.insert(short(&key), self.held.len() as u32);
                self.held.push(held);
            }
        }
    }

    /// Whether nothing of this key is there, unless somebody else has put it there since the last listing.
    pub(super) fn lacks(&self, key: &Digest) -> bool {
        self.is_complete && !self.places.contains_key(&short(key))
    }

    /// An entry is not there any more.
    pub(super) fn gone(&mut self, key: &Digest) {
        if let Some(&at) = self.places.get(&short(key))
            && self.held[at as usize].key == *key
        {
            self.remove(at as usize);
        }
    }

    fn remove(&mut self, at: usize) -> Digest {
        let held = self.held.swap_remove(at);
        self.places.remove(&short(&held.key));
        self.bytes -= u64::from(held.size);
        if let Some(moved) = self.held.get(at) {
            self.places.insert(short(&moved.key), at as u32);
        }
        held.key
    }

    fn worth(&self, at: usize) -> f64 {
        let held = &self.held[at];
        let typical = if self.costs.1 > 0.0 { self.costs.0 / self.costs.1 } else { 1.0 };
        held.priority + if held.known { 0.0 } else { typical / f64::from(held.size.max(1)) }
    }

    /// Takes out what has to go until all is within bounds; at most `most` at a time.
    pub(super) fn evict(&mut self, most: usize) -> Vec<Digest> {
        let mut evicted = Vec::new();
        while evicted.len() < most && (self.bytes > self.max_bytes || self.held.len() > MAX_OBJECTS) {
            let count = self.held.len();
            let mut least: Option<(f64, usize)> = None;
            for i in 0..SAMPLE.min(count) {
                let at = if count <= SAMPLE { i } else { self.random.random_range(0..count) };
                let worth = self.worth(at);
                if least.is_none_or(|(least, _)| worth < least) {
                    least = Some((worth, at));
                }
            }
            let Some((worth, least)) = least else { break };
            self.inflation = self.inflation.max(worth);
            evicted.push(self.remove(least));
        }
        evicted
    }

    /// Takes out what is of no more use to anybody; at most `most` at a time.
    pub(super) fn expired(&mut self, now: WallTime, most: usize) -> Vec<Digest> {
        let now = u32::try_from(now.0 / 1_000).unwrap_or(u32::MAX);
        let mut expired = Vec::new();
        let mut at = 0;
        while at < self.held.len() && expired.len() < most {
            if self.held[at].expires < now { expired.push(self.remove(at)) } else { at += 1 }
        }
        expired
    }

    /// A listing of everything begins.
    pub(super) fn begin_listing(&mut self) {
        self.round = self.round.wrapping_add(1);
    }

    /// The listing is complete: what was neither in it nor touched since it began is gone.
    pub(super) fn end_listing(&mut self) {
        self.is_complete = true;
        let mut at = 0;
        while at < self.held.len() {
            if self.held[at].round == self.round {
                at += 1;
            } else {
                self.remove(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(i: u32) -> Digest {
        *blake3::hash(&i.to_le_bytes()).as_bytes()
    }

    const LATE: WallTime = WallTime(1 << 40);

    #[test]
    fn what_saves_least_time_for_its_size_goes_first() {
        let mut index = Index::new(30_000);
        index.known(key(0), 10_000, 500.0, LATE);
        index.known(key(1), 10_000, 5.0, LATE);
        index.known(key(2), 10_000, 50.0, LATE);
        assert!(index.evict(9).is_empty());
        index.known(key(3), 1_000, 1.0, LATE);
        assert_eq!(index.evict(9), [key(1)]);
        assert_eq!(index.totals(), (3, 21_000));
        for _ in 0..100 {
            index.known(key(3), 1_000, 1.0, LATE);
        }
        index.known(key(4), 9_001, 400.0, LATE);
        assert_eq!(index.evict(9), [key(2)], "what is asked for often stays");
    }

    #[test]
    fn what_is_only_listed_is_taken_to_cost_what_others_cost() {
        let mut index = Index::new(30_000);
        index.listed(key(0), 10_000, LATE);
        index.known(key(1), 10_000, 150.0, LATE);
        index.known(key(2), 10_000, 10.0, LATE);
        index.known(key(3), 1_000, 100.0, LATE);
        assert_eq!(index.evict(9), [key(2)]);
        index.known(key(4), 10_000, 200.0, LATE);
        assert_eq!(index.evict(9), [key(0)]);
    }

    #[test]
    fn what_was_once_worth_much_ages() {
        let mut index = Index::new(2_000);
        index.known(key(0), 1_000, 100.0, LATE);
        let gone = (1..1_000).position(|i| {
            index.known(key(i), 1_000, 10.0, LATE);
            index.evict(9).contains(&key(0))
        });
        assert!(gone.is_some_and(|i| i > 1), "{gone:?}");
    }

    #[test]
    fn its_accounts_are_those_of_a_plain_map() {
        let mut index = Index::new(u64::MAX);
        let mut model = HashMap::new();
        let mut random = SmallRng::seed_from_u64(1);
        for _ in 0..20_000 {
            let (i, size) = (random.random_range(0..300_u32), random.random_range(1..5_000_u64));
            match random.random_range(0..4_u8) {
                0 => {
                    index.known(key(i), size, 1.0, LATE);
                    model.insert(i, size);
                }
                1 => {
                    index.listed(key(i), size, LATE);
                    model.insert(i, size);
                }
                2 => {
                    index.gone(&key(i));
                    model.remove(&i);
                }
                _ => assert_eq!(index.totals(), (model.len() as u64, model.values().sum())),
            }
        }
    }

    #[test]
    fn a_listing_brings_what_others_wrote_and_takes_what_others_removed() {
        let mut index = Index::new(u64::MAX);
        index.known(key(0), 10, 1.0, LATE);
        index.known(key(1), 10, 1.0, LATE);
        index.begin_listing();
        index.listed(key(1), 20, LATE);
        index.listed(key(2), 30, LATE);
        index.known(key(3), 40, 1.0, LATE);
        index.end_listing();
        assert_eq!(index.totals(), (3, 90));
        index.gone(&key(0));
        assert_eq!(index.totals(), (3, 90));
    }

    #[test]
    fn what_has_expired_is_taken_out() {
        let mut index = Index::new(u64::MAX);
        index.known(key(0), 10, 1.0, WallTime(5_000));
        index.known(key(1), 10, 1.0, WallTime(9_000));
        assert!(index.expired(WallTime(5_500), 9).is_empty());
        assert_eq!(index.expired(WallTime(6_000), 9), [key(0)]);
        assert_eq!(index.totals(), (1, 10));
    }
}
