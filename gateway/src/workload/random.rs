//! Random draws. The generator's algorithm is named, so that a seed means the same in every build.

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

/// The source of randomness of everything in this room.
pub(super) type Source = Xoshiro256PlusPlus;

/// The source for one purpose (`stream`) and one item of it.
pub(super) fn source(seed: u64, stream: &str, item: u64) -> Source {
    let mut hasher = blake3::Hasher::new_derive_key("forebay 2026-11 workload seed");
    hasher.update(&seed.to_le_bytes()).update(&item.to_le_bytes()).update(stream.as_bytes());
    Source::from_seed(*hasher.finalize().as_bytes())
}

/// One of these, as often as its weight says. At least one weight has to be positive.
pub(super) fn weighted<T: Copy>(random: &mut Source, choices: &[(T, f64)]) -> T {
    let mut left = random.random_range(0.0..choices.iter().map(|(_, weight)| weight).sum());
    for (choice, weight) in choices {
        if left < *weight {
            return *choice;
        }
        left -= weight;
    }
    choices.iter().rfind(|(_, weight)| *weight > 0.0).expect("a positive weight").0
}

/// A number between two positive ones, evenly over its logarithm.
pub(super) fn log_uniform(random: &mut Source, low: f64, high: f64) -> f64 {
    (random.random_range(0.0..=1.0) * (high / low).ln()).exp() * low
}

/// One of these; `None` of none.
pub(super) fn one<T: Copy>(random: &mut Source, items: &[T]) -> Option<T> {
    if items.is_empty() { None } else { Some(items[random.random_range(0..items.len())]) }
}
