//! How often a key was asked for lately, those that are not kept any more included: a count-min sketch with conservative
//! updates, whose counts halve now and then (as in TinyLFU: Einziger, Friedman, Manes 2017).

/// Counters that a key has.
const ROWS: u64 = 4;
/// Counters for each entry that is kept: most keys of the past are not.
const PER_ENTRY: usize = 32;
/// Uses for each counter until all counts halve.
const PERIOD: usize = 4;
/// Counts grow no further.
const MOST: u8 = 128;
/// Counters at first; a power of two, as it always is.
const FIRST: usize = 1_024;

/// Counts of uses.
#[derive(Debug)]
pub(super) struct Uses {
    counters: Vec<u8>,
    until_halved: usize,
}

impl Default for Uses {
    fn default() -> Self {
        Self { counters: vec![0; FIRST], until_halved: FIRST * PERIOD }
    }
}

impl Uses {
    /// Counts one use. Returns how many there were lately, this one included.
    pub(super) fn count(&mut self, hash: u64) -> u8 {
        if self.until_halved == 0 {
            self.counters.iter_mut().for_each(|count| *count /= 2);
            self.until_halved = self.counters.len() * PERIOD;
        }
        self.until_halved -= 1;
        let before = self.of(hash);
        if before >= MOST {
            return before;
        }
        for place in self.places(hash) {
            let counter = &mut self.counters[place];
            *counter = (*counter).max(before + 1);
        }
        before + 1
    }

    /// Makes sure that so many entries can be told apart.
    pub(super) fn fit(&mut self, entries: usize) {
        while self.counters.len() < entries * PER_ENTRY {
            // A key's counters are found by the low bits of its hash, so both halves know all that was known.
            self.counters.extend_from_within(..);
            self.until_halved += self.counters.len() / 2 * PERIOD;
        }
    }

    fn of(&self, hash: u64) -> u8 {
        self.places(hash).map(|place| self.counters[place]).min().unwrap_or_default()
    }

    fn places(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let mask = self.counters.len() - 1;
        let step = (hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) | 1;
        (0..ROWS).map(move |row| hash.wrapping_add(row.wrapping_mul(step)) as usize & mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_never_too_low_before_they_halve_and_survive_growth() {
        let mut uses = Uses::default();
        let hash = |key: u64| key.wrapping_mul(0xD6E8_FEB8_6659_FD93).rotate_left(17);
        for key in 0..200 {
            (0..key % 5).for_each(|_| {
                let _ = uses.count(hash(key));
            });
        }
        let before: Vec<u8> = (0..200).map(|key| uses.of(hash(key))).collect();
        assert!(before.iter().enumerate().all(|(key, count)| usize::from(*count) >= key % 5));
        uses.fit(1_000);
        assert!(uses.counters.len().is_power_of_two() && uses.counters.len() >= 1_000 * PER_ENTRY);
        assert!((0..200).map(|key| uses.of(hash(key))).eq(before));
    }

    #[test]
    fn what_was_asked_for_long_ago_counts_less_and_nothing_counts_without_end() {
        let mut uses = Uses::default();
        (0..300).for_each(|_| {
            let _ = uses.count(7);
        });
        assert_eq!(uses.of(7), MOST);
        (0..FIRST * PERIOD).for_each(|_| {
            let _ = uses.count(8);
        });
        assert_eq!(uses.of(7), MOST / 2);
    }
}
