//! One part of the cache, for one thread at a time.

use hashbrown::HashTable;

use super::{order::Order, uses::Uses};

/// A slot, as often as it was filled: never 0.
pub(super) type Handle = u64;

/// What is found by key: all that a hit reads, in one place, because it is cold as a rule.
struct Kept<K, V> {
    key: K,
    value: V,
    hash: u64,
    slot: u32,
}

/// What the order goes by.
struct Rated {
    hash: u64,
    weight: u64,
    /// What one hit saves, for each byte.
    density: f64,
}

/// Entries by key and by priority.
pub(super) struct Shard<K, V> {
    table: HashTable<Kept<K, V>>,
    /// What is rated, by slot.
    slots: Vec<Option<Rated>>,
    /// How often each slot was filled, from 1.
    generations: Vec<u32>,
    free: Vec<u32>,
    order: Order,
    uses: Uses,
    /// The priority of what went last: what was of use before that has to be of use again to stay.
    inflation: f64,
    weight: u64,
    capacity: u64,
}

impl<K: Eq, V> Shard<K, V> {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            table: HashTable::new(),
            slots: Vec::new(),
            generations: Vec::new(),
            free: Vec::new(),
            order: Order::default(),
            uses: Uses::default(),
            inflation: 0.0,
            weight: 0,
            capacity,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }

    pub(super) fn get(&self, hash: u64, key: &K) -> Option<(&V, Handle)> {
        let Kept { value, slot, .. } = self.table.find(hash, |kept| kept.key == *key)?;
        Some((value, u64::from(self.generations[*slot as usize]) << 32 | u64::from(*slot)))
    }

    fn find(&self, hash: u64, key: &K) -> Option<u32> {
        self.table.find(hash, |kept| kept.key == *key).map(|kept| kept.slot)
    }

    /// Counts a hit, unless what was hit is gone.
    pub(super) fn hit(&mut self, handle: Handle) {
        let (slot, generation) = (handle as u32, (handle >> 32) as u32);
        let Some(Some(rated)) = self.slots.get(slot as usize) else { return };
        if self.generations[slot as usize] == generation {
            let uses = self.uses.count(rated.hash);
            self.order.set(slot, self.inflation + f64::from(uses) * rated.density);
        }
    }

    /// Takes an entry, and lets go of the least valuable ones, which it may be one of. What goes is put into `gone`.
    pub(super) fn insert(&mut self, hash: u64, key: K, value: V, weight: u64, worth: f64, gone: &mut Vec<V>) {
        if let Some(slot) = self.find(hash, &key) {
            gone.extend(self.empty(slot));
        }
        let uses = self.uses.count(hash);
        if weight > self.capacity {
            gone.push(value);
            return;
        }
        let density = worth / weight as f64;
        let priority = self.inflation + f64::from(uses) * density;
        while self.weight + weight > self.capacity {
            let Some((slot, least)) = self.order.least() else { break };
            if priority < least {
                self.inflation = priority;
                gone.push(value);
                return;
            }
            self.inflation = least;
            gone.extend(self.empty(slot));
        }
        let rated = Some(Rated { hash, weight, density });
        let slot = match self.free.pop() {
            Some(slot) => {
                let generation = &mut self.generations[slot as usize];
                *generation = generation.wrapping_add(1).max(1);
                self.slots[slot as usize] = rated;
                slot
            }
            None => {
                self.slots.push(rated);
                self.generations.push(1);
                self.slots.len() as u32 - 1
            }
        };
        self.table.insert_unique(hash, Kept { key, value, hash, slot }, |kept| kept.hash);
        self.order.set(slot, priority);
        self.weight += weight;
        self.uses.fit(self.table.len());
    }

    pub(super) fn remove(&mut self, hash: u64, key: &K) -> Option<V> {
        let slot = self.find(hash, key)?;
        self.empty(slot)
    }

    /// Holds no more than this from now on. What goes is put into `gone`.
    pub(super) fn set_capacity(&mut self, capacity: u64, gone: &mut Vec<V>) {
        self.capacity = capacity;
        while self.weight > self.capacity {
            let Some((slot, least)) = self.order.least() else { break };
            self.inflation = least;
            gone.extend(self.empty(slot));
        }
    }

    fn empty(&mut self, slot: u32) -> Option<V> {
        let Rated { hash, weight, .. } = self.slots[slot as usize].take()?;
        self.order.remove(slot);
        self.free.push(slot);
        self.weight -= weight;
        let (kept, _) = self.table.find_entry(hash, |kept| kept.slot == slot).ok()?.remove();
        Some(kept.value)
    }

    /// Whether what is known of the entries in several places is one and the same.
    #[cfg(test)]
    pub(super) fn is_sound(&self) -> bool {
        let rated = || self.slots.iter().flatten();
        let is_rated = |kept: &Kept<K, V>| {
            self.slots[kept.slot as usize].as_ref().is_some_and(|rated| rated.hash == kept.hash)
                && self.find(kept.hash, &kept.key) == Some(kept.slot)
        };
        self.weight <= self.capacity
            && self.weight == rated().map(|rated| rated.weight).sum::<u64>()
            && self.table.iter().all(is_rated)
            && [self.table.len(), self.order.len(), self.slots.len() - self.free.len()] == [rated().count(); 3]
            && self.order.is_sound()
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.table.iter().map(|kept| &kept.key)
    }
}
