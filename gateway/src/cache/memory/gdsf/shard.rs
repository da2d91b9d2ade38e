//! One part of the cache, for one thread at a time.

use hashbrown::HashTable;

use super::{order::Order, uses::Uses};

/// A slot, as often as it was filled: never 0.
pub(super) type Handle = u64;

/// With a digest for a key, as large as a cache line, and on one: it is cold when it is read.
#[repr(align(64))]
struct Kept<K, V> {
    key: K,
    value: V,
    hash: u64,
    weight: u64,
    /// What one hit saves, for each byte.
    density: f64,
}

/// Entries by key and by priority.
pub(super) struct Shard<K, V> {
    /// Slots by hash.
    table: HashTable<u32>,
    slots: Vec<Option<Kept<K, V>>>,
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
        let slot = self.find(hash, key)?;
        let generation = self.generations[slot as usize];
        let kept = self.slots[slot as usize].as_ref()?;
        Some((&kept.value, u64::from(generation) << 32 | u64::from(slot)))
    }

    fn find(&self, hash: u64, key: &K) -> Option<u32> {
        let is_it = |slot: &u32| self.slots[*slot as usize].as_ref().is_some_and(|kept| kept.key == *key);
        self.table.find(hash, is_it).copied()
    }

    /// Counts a hit, unless what was hit is gone.
    pub(super) fn hit(&mut self, handle: Handle) {
        let (slot, generation) = (handle as u32, (handle >> 32) as u32);
        let Some(Some(kept)) = self.slots.get(slot as usize) else { return };
        if self.generations[slot as usize] == generation {
            let uses = self.uses.count(kept.hash);
            self.order.set(slot, self.inflation + f64::from(uses) * kept.density);
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
        let kept = Some(Kept { key, value, hash, weight, density });
        let slot = match self.free.pop() {
            Some(slot) => {
                let generation = &mut self.generations[slot as usize];
                *generation = generation.wrapping_add(1).max(1);
                self.slots[slot as usize] = kept;
                slot
            }
            None => {
                self.slots.push(kept);
                self.generations.push(1);
                self.slots.len() as u32 - 1
            }
        };
        let slots = &self.slots;
        let hash_of = |slot: &u32| slots[*slot as usize].as_ref().map_or(0, |kept| kept.hash);
        self.table.insert_unique(hash, slot, hash_of);
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
        let kept = self.slots[slot as usize].take()?;
        if let Ok(entry) = self.table.find_entry(kept.hash, |other| *other == slot) {
            entry.remove();
        }
        self.order.remove(slot);
        self.free.push(slot);
        self.weight -= kept.weight;
        Some(kept.value)
    }

    /// Whether what is known of the entries in several places is one and the same.
    #[cfg(test)]
    pub(super) fn is_sound(&self) -> bool {
        let kept = || self.slots.iter().flatten();
        self.weight <= self.capacity
            && self.weight == kept().map(|kept| kept.weight).sum::<u64>()
            && kept().all(|kept| self.find(kept.hash, &kept.key).is_some())
            && [self.table.len(), self.order.len(), self.slots.len() - self.free.len()] == [kept().count(); 3]
            && self.order.is_sound()
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.slots.iter().flatten().map(|kept| &kept.key)
    }
}
