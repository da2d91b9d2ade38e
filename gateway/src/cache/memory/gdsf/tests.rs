//! The cache against a plain reference, and under many threads.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use proptest::prelude::*;

use super::{uses::Uses, *};

/// A value says what it weighs, what it is worth and which key it belongs to.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Thing {
    key: u32,
    weight: u64,
    worth: f64,
}

struct AsItSays;

impl Appraise<u32, Thing> for AsItSays {
    fn weight(&self, _: &u32, thing: &Thing) -> u64 {
        thing.weight
    }

    fn worth(&self, _: &u32, thing: &Thing) -> f64 {
        thing.worth
    }
}

type Things = Gdsf<u32, Thing, AsItSays>;

impl Things {
    fn assert_sound(&self) {
        for part in &self.parts {
            assert!(part.exclusive().is_sound());
        }
        assert!(self.weight() <= self.capacity());
    }

    fn keys(&self) -> HashSet<u32> {
        self.parts.iter().flat_map(|part| part.exclusive().keys().copied().collect::<Vec<_>>()).collect()
    }
}

/// The rule in its plainest form: everything is looked at for everything. It knows of no hit that waits.
struct Reference {
    /// The thing, its priority and when that was set.
    kept: Vec<(Thing, f64, usize)>,
    uses: Uses,
    hasher: DefaultHashBuilder,
    inflation: f64,
    capacity: u64,
    sets: usize,
}

impl Reference {
    fn weight(&self) -> u64 {
        self.kept.iter().map(|(thing, ..)| thing.weight).sum()
    }

    fn priority(&mut self, thing: &Thing) -> (f64, usize) {
        self.sets += 1;
        let uses = self.uses.count(self.hasher.hash_one(thing.key));
        (self.inflation + f64::from(uses) * (thing.worth / thing.weight as f64), self.sets)
    }

    fn get(&mut self, key: u32) -> Option<Thing> {
        let place = self.kept.iter().position(|(thing, ..)| thing.key == key)?;
        let thing = self.kept[place].0;
        let (priority, set) = self.priority(&thing);
        self.kept[place] = (thing, priority, set);
        Some(thing)
    }

    fn insert(&mut self, thing: Thing) {
        self.remove(thing.key);
        let (priority, set) = self.priority(&thing);
        if thing.weight > self.capacity {
            return;
        }
        self.kept.push((thing, priority, set));
        self.shrink();
        self.uses.fit(self.kept.len());
    }

    fn shrink(&mut self) {
        while self.weight() > self.capacity {
            let order = |a: &(Thing, f64, usize), b: &(Thing, f64, usize)| a.1.total_cmp(&b.1).then(a.2.cmp(&b.2));
            let least = (0..self.kept.len()).min_by(|a, b| order(&self.kept[*a], &self.kept[*b])).unwrap();
            self.inflation = self.kept.swap_remove(least).1;
        }
    }

    fn remove(&mut self, key: u32) {
        self.kept.retain(|(thing, ..)| thing.key != key);
    }
}

#[derive(Debug, Clone)]
enum Op {
    Get(u32),
    Insert(u32, u64, f64),
    Remove(u32),
    Resize(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let key = || prop_oneof![0_u32..8, 0_u32..60];
    prop_oneof![
        8 => key().prop_map(Op::Get),
        8 => (key(), 1_u64..300, 1_u32..50).prop_map(|(key, weight, worth)| Op::Insert(key, weight, f64::from(worth))),
        1 => key().prop_map(Op::Remove),
        1 => (0_u64..2_000).prop_map(Op::Resize),
    ]
}

proptest! {
    #[test]
    fn it_keeps_exactly_what_the_rule_says_and_never_more_than_it_may(ops in prop::collection::vec(op(), 1..400)) {
        let cache = Things::with_shards(1_000, 1, AsItSays);
        let mut reference = Reference {
            kept: Vec::new(),
            uses: Uses::default(),
            hasher: cache.hasher.clone(),
            inflation: 0.0,
            capacity: 1_000,
            sets: 0,
        };
        for op in ops {
            match op {
                Op::Get(key) => prop_assert_eq!(cache.get(&key), reference.get(key)),
                Op::Insert(key, weight, worth) => {
                    let thing = Thing { key, weight, worth };
                    cache.insert(key, thing);
                    reference.insert(thing);
                }
                Op::Remove(key) => {
                    cache.remove(&key);
                    reference.remove(key);
                }
                Op::Resize(capacity) => {
                    cache.set_capacity(capacity);
                    reference.capacity = capacity;
                    reference.shrink();
                }
            }
            prop_assert_eq!((cache.weight(), cache.len()), (reference.weight(), reference.kept.len()));
            prop_assert!(cache.weight() <= cache.capacity());
        }
        let kept: HashSet<u32> = reference.kept.iter().map(|(thing, ..)| thing.key).collect();
        prop_assert_eq!(cache.keys(), kept);
        cache.assert_sound();
    }
}

fn thing(key: u32, worth: f64) -> Thing {
    Thing { key, weight: 100, worth }
}

#[test]
fn what_saves_more_stays_longer_but_not_for_ever() {
    let cache = Things::with_shards(1_000, 1, AsItSays);
    cache.insert(0, thing(0, 50.0));
    for key in 1..100 {
        cache.insert(key, thing(key, 1.0));
    }
    assert!(cache.get(&0).is_some(), "cheap ones drove out a dear one");
    for key in 100..3_000 {
        cache.insert(key, thing(key, 1.0));
    }
    assert!(cache.get(&0).is_none(), "what nobody asks for any more stayed");
}

#[test]
fn the_first_hits_of_many_are_counted_before_anything_goes() {
    let cache = Things::with_shards(1_000, 1, AsItSays);
    (0..10).for_each(|key| cache.insert(key, thing(key, 1.0)));
    (0..5).for_each(|key| assert!(cache.get(&key).is_some()));
    (10..15).for_each(|key| cache.insert(key, thing(key, 1.5)));
    assert!((0..5).all(|key| cache.get(&key).is_some()));
}

#[test]
fn emptied_it_forgets_everything_but_its_capacity() {
    let cache = Things::new(1 << 20, 1_000, AsItSays);
    assert!(cache.parts.len() > 1 && cache.capacity() == 1 << 20);
    (0..1_000).for_each(|key| cache.insert(key, thing(key, 1.0)));
    assert_eq!((cache.len(), cache.weight()), (1_000, 100_000));
    cache.clear();
    assert_eq!((cache.len(), cache.weight(), cache.capacity()), (0, 0, 1 << 20));
    assert!(cache.get(&1).is_none());
}

#[test]
fn a_small_cache_has_room_for_several_of_the_largest_entries_in_each_shard() {
    for (capacity, largest) in [(1_u64 << 20, 1_u64 << 18), (1 << 20, 1 << 20), (100, 1), (0, 0), (64 << 20, 1 << 20)] {
        let cache = Things::new(capacity, largest, AsItSays);
        assert_eq!(cache.capacity(), capacity);
        assert!(cache.parts.len() == 1 || capacity / cache.parts.len() as u64 >= LARGEST_IN_A_SHARD * largest);
    }
}

#[test]
fn many_threads_find_what_was_put_there_or_nothing_and_leave_it_sound() {
    let cache = Things::with_shards(20_000, 2, AsItSays);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4_u32)
            .map(|worker| {
                let cache = &cache;
                scope.spawn(move || {
                    let mut state = worker + 1;
                    for _ in 0..30_000 {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        let key = (state >> 16) % 512;
                        match (state >> 8) % 16 {
                            0..5 => cache.insert(
                                key,
                                Thing { key, weight: u64::from(key) + 1, worth: f64::from(key % 7) + 1.0 },
                            ),
                            5 => cache.remove(&key),
                            _ => assert!(cache.get(&key).is_none_or(|thing| thing.key == key)),
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Relaxed) {
                for capacity in [20_000, 5_000, 12_345] {
                    cache.set_capacity(capacity);
                    assert!(cache.weight() <= 20_000);
                    cache.assert_sound();
                }
            }
        });
        let outcomes: Vec<_> = workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        done.store(true, Relaxed);
        outcomes.into_iter().for_each(|outcome| outcome.unwrap());
    });
    cache.assert_sound();
}
