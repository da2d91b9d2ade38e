//! Which keys were seen before, about and lately: an entry is worth a nearer place on its second hit.
//!
//! Two generations of a Bloom filter: when the younger one has taken enough keys, the older one is forgotten. A key may be
//! taken for one that was seen, which costs a needless copy.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::Digest;

/// Keys in one generation.
const KEYS: usize = 1 << 15;
/// Bits of one generation: 16 a key make 1 in 400 a mistake.
const BITS: usize = KEYS * 16;
/// Bits of one key.
const HASHES: usize = 3;

/// Keys that were seen.
pub struct Seen {
    generations: [Box<[AtomicU64]>; 2],
    /// Keys taken so far; every [`KEYS`] of them the generations change places.
    taken: AtomicUsize,
}

impl Default for Seen {
    fn default() -> Self {
        let generation = || (0..BITS / 64).map(|_| AtomicU64::new(0)).collect();
        Self { generations: [generation(), generation()], taken: AtomicUsize::new(0) }
    }
}

impl Seen {
    /// Whether a key was seen before. It is from now on.
    pub fn before(&self, key: &Digest) -> bool {
        let young = self.taken.load(Relaxed) / KEYS % 2;
        let known = self.set(young, key);
        if known || self.has(1 - young, key) {
            return true;
        }
        if (self.taken.fetch_add(1, Relaxed) + 1).is_multiple_of(KEYS) {
            self.generations[1 - young].iter().for_each(|word| word.store(0, Relaxed));
        }
        false
    }

    /// The bits of a key: keys are digests, so any part of them is as good as a hash.
    fn bits(key: &Digest) -> impl Iterator<Item = usize> + '_ {
        key.chunks_exact(4)
            .take(HASHES)
            .map(|part| u32::from_le_bytes(part.try_into().expect("four bytes")) as usize % BITS)
    }

    fn has(&self, generation: usize, key: &Digest) -> bool {
        Self::bits(key).all(|bit| self.generations[generation][bit / 64].load(Relaxed) & (1 << (bit % 64)) != 0)
    }

    /// Sets the bits of a key; whether all were.
    fn set(&self, generation: usize, key: &Digest) -> bool {
        Self::bits(key).fold(true, |all, bit| {
            let mask = 1 << (bit % 64);
            self.generations[generation][bit / 64].fetch_or(mask, Relaxed) & mask != 0 && all
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Digest {
        *blake3::hash(&number.to_le_bytes()).as_bytes()
    }

    #[test]
    fn the_second_time_is_told_from_the_first() {
        let seen = Seen::default();
        let mistakes = (0..KEYS / 2).filter(|&number| seen.before(&key(number))).count();
        assert!(mistakes < KEYS / 200, "{mistakes}");
        assert!((0..KEYS / 2).all(|number| seen.before(&key(number))));
    }

    #[test]
    fn what_was_not_seen_for_long_is_forgotten_and_the_filter_never_fills_up() {
        let seen = Seen::default();
        seen.before(&key(0));
        let mistakes = (1..KEYS * 6).filter(|&number| seen.before(&key(number))).count();
        assert!(mistakes < KEYS / 10, "{mistakes}");
        assert!(!seen.before(&key(0)));
    }
}
