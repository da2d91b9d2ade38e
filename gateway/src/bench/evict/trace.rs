//! Who asks for what: a Zipf distribution whose favourites change slowly, and queries that come once.

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus, seq::SliceRandom};
use rand_distr::Zipf;

/// Exponent of the distribution.
pub(super) const EXPONENT: f64 = 0.9;
/// Share of the requests whose query never comes again.
pub(super) const ONCE: f64 = 0.116;
/// Requests for each two queries that change places in the order of popularity. One of them is drawn by popularity.
pub(super) const DRIFT: usize = 500;
/// Requests for each different query.
const REQUESTS: usize = 25;
/// The part that does not count: the caches fill.
const WARM_UP: f64 = 0.25;
const SEED: u64 = 23;

/// Requests by the number of what they ask for.
pub(super) struct Trace {
    pub(super) requests: Vec<u32>,
    /// Requests at the beginning that do not count.
    pub(super) warm_up: usize,
    /// Queries that come once; their numbers follow those of the others.
    pub(super) singles: usize,
}

impl Trace {
    /// Requests for so many different queries.
    pub(super) fn new(distinct: usize) -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(SEED);
        let zipf = Zipf::new(distinct as f64, EXPONENT).expect("a positive number and exponent");
        let mut by_rank: Vec<u32> = (0..distinct as u32).collect();
        by_rank.shuffle(&mut random);
        let mut singles = 0;
        let mut requests = Vec::with_capacity(distinct * REQUESTS);
        for number in 0..distinct * REQUESTS {
            if random.random_bool(ONCE) {
                requests.push((distinct + singles) as u32);
                singles += 1;
                continue;
            }
            let rank = |random: &mut Xoshiro256PlusPlus| random.sample(zipf) as usize - 1;
            if number % DRIFT == 0 {
                let (popular, any) = (rank(&mut random), random.random_range(0..distinct));
                by_rank.swap(popular, any);
            }
            requests.push(by_rank[rank(&mut random)]);
        }
        let warm_up = (requests.len() as f64 * WARM_UP) as usize;
        Self { requests, warm_up, singles }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_trace_has_favourites_that_change_and_queries_that_come_once() {
        let trace = Trace::new(2_000);
        let count = |requests: &[u32]| {
            let mut counts: HashMap<u32, usize> = HashMap::new();
            requests.iter().for_each(|id| *counts.entry(*id).or_default() += 1);
            counts
        };
        let all = count(&trace.requests);
        assert!((2_000..2_000 + trace.singles as u32).all(|id| all[&id] == 1));
        let share = trace.singles as f64 / trace.requests.len() as f64;
        assert!((share - ONCE).abs() < 0.01, "{share}");
        let top = |counts: HashMap<u32, usize>| {
            let mut ids: Vec<_> = counts.into_iter().collect();
            ids.sort_unstable_by_key(|(id, count)| (std::cmp::Reverse(*count), *id));
            ids.truncate(50);
            ids.into_iter().map(|(id, _)| id).collect::<std::collections::HashSet<_>>()
        };
        let third = trace.requests.len() / 3;
        let (first, last) = (top(count(&trace.requests[..third])), top(count(&trace.requests[2 * third..])));
        let stayed = first.intersection(&last).count();
        assert!((10..50).contains(&stayed), "{stayed} of 50");
    }
}
