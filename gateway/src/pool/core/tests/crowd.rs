//! What a pool does for its users, in simulated time.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

use super::{
    simulation::{Behaviour, Simulation, Wish},
    world::{ms, settings},
};
use crate::{
    pool::Settings,
    query::Priority::{self, Batch, Interactive, Normal},
};

fn wish(class: Priority, work: Duration, again: bool) -> Wish {
    Wish { class, tenant: None, predicted: work, time: Duration::from_secs(600), work, again }
}

fn tenant(name: &str, wish: Wish) -> Wish {
    Wish { tenant: Some(name.into()), ..wish }
}

/// Arrivals of a Poisson process.
fn arrivals(seed: u64, every: Duration, until: Duration) -> Vec<Duration> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut next = Duration::ZERO;
    std::iter::from_fn(move || {
        next += every.mul_f64(-(1.0 - random.random_range(0.0..1.0_f64)).ln());
        (next < until).then_some(next)
    })
    .collect()
}

/// One queue, first come first served, as many places: interactive waits, and batch calls finished.
fn fifo(slots: usize, batch: usize, interactive: &[Duration], until: Duration, seed: u64) -> (Vec<Duration>, usize) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut ends: BinaryHeap<Reverse<(Duration, bool)>> = BinaryHeap::new();
    let mut queue: VecDeque<(Duration, bool)> = (0..batch).map(|_| (Duration::ZERO, true)).collect();
    let mut arriving = interactive.iter().copied().peekable();
    let (mut waits, mut finished) = (Vec::new(), 0);
    let mut now = Duration::ZERO;
    while now < until {
        while ends.len() < slots
            && let Some((since, is_batch)) = queue.pop_front()
        {
            if !is_batch {
                waits.push(now - since);
            }
            let work = ms(if is_batch { 50 } else { 5 }).mul_f64(random.random_range(0.5..1.5));
            ends.push(Reverse((now + work, is_batch)));
        }
        let end = ends.peek().map_or(Duration::MAX, |Reverse((end, _))| *end);
        if let Some(arrival) = arriving.next_if(|arrival| *arrival <= end) {
            now = arrival;
            queue.push_back((arrival, false));
        } else if let Some(Reverse((end, is_batch))) = ends.pop() {
            now = end;
            finished += usize::from(is_batch);
            if is_batch {
                queue.push_back((now, true));
            }
        }
    }
    (waits, finished)
}

#[test]
fn interactive_queries_beside_a_crowd_of_batch_clients_wait_a_hundredth_of_what_fifo_makes_them_wait() {
    let time = Duration::from_secs(120);
    for (seed, reserve) in [(1, 1), (2, 1), (3, 1)] {
        let asked = arrivals(seed, ms(50), time - Duration::from_secs(2));
        let mut simulation = Simulation::new(
            settings(30, reserve),
            Behaviour::default(),
            vec![wish(Batch, ms(50), true), wish(Interactive, ms(5), false)],
            seed,
        );
        (0..500).for_each(|_| simulation.arrive(0, Duration::ZERO));
        asked.iter().for_each(|after| simulation.arrive(1, *after));
        simulation.run(time);
        let ours = simulation.tallies[1].quantile(0.99);
        let (mut waits, finished) = fifo(30, 500, &asked, time, seed);
        waits.sort_unstable();
        let theirs = waits[(waits.len() - 1) * 99 / 100];
        assert!(simulation.tallies.iter().all(|tally| tally.refused.is_empty()));
        assert!(ours * 100 <= theirs, "seed {seed}: {ours:?} against {theirs:?}");
        let throughput = simulation.tallies[0].finished as f64 / finished as f64;
        assert!(throughput >= 0.95, "seed {seed}: {throughput}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = |seed| {
        let wishes = vec![wish(Batch, ms(20), true), wish(Normal, ms(5), true)];
        let mut simulation = Simulation::new(settings(6, 2), stormy(), wishes, seed);
        (0..20).for_each(|client| simulation.arrive(client % 2, ms(client as u64)));
        simulation.run(Duration::from_secs(20));
        format!("{:?}", simulation.tallies)
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

fn stormy() -> Behaviour {
    Behaviour {
        connect: ms(20),
        connect_fails: 0.05,
        leaves_queue: 0.2,
        leaves_query: 0.05,
        breaks: 0.01,
        parks: 0.2,
        never_resumes: 0.3,
        check_fails: 0.05,
    }
}

/// What must hold is checked by the world after each of the events.
#[test]
fn a_stormy_hour_leaves_a_whole_pool() {
    for seed in 0..8 {
        let pool =
            Settings { check_after_idle: ms(50), min: 2, max_lifetime: Duration::from_secs(60), ..settings(8, 2) };
        let wishes: Vec<_> = [Batch, Normal, Interactive]
            .into_iter()
            .map(|class| Wish { time: ms(2_000), ..wish(class, ms(30), false) })
            .collect();
        let mut simulation = Simulation::new(pool, stormy(), wishes, seed);
        for wish in 0..3 {
            let asked = arrivals(seed * 3 + wish, ms(40), Duration::from_secs(600));
            asked.into_iter().for_each(|after| simulation.arrive(wish as usize, after));
        }
        simulation.run(Duration::from_secs(700));
        let at = simulation.world.core.snapshot(simulation.world.now);
        assert_eq!((at.total(), at.idle, at.waiting), (2, 2, [0; 3]), "seed {seed}: {at:?}");
        assert!(at.counters.reclaimed > 0 && at.counters.connect_failures > 0 && at.counters.left > 0, "{at:?}");
        assert!(simulation.tallies.iter().all(|tally| tally.finished > 5_000), "seed {seed}");
    }
}

#[test]
fn busy_classes_share_by_their_weights_and_none_is_starved() {
    let wishes = vec![wish(Batch, ms(10), true), wish(Normal, ms(10), true), wish(Interactive, ms(10), true)];
    let mut simulation = Simulation::new(settings(4, 0), Behaviour::default(), wishes, 11);
    (0..60).for_each(|client| simulation.arrive(client % 3, Duration::ZERO));
    simulation.run(Duration::from_secs(300));
    let finished = |wish: usize| simulation.tallies[wish].finished as f64;
    let normal_to_batch = finished(1) / finished(0);
    let interactive_to_normal = finished(2) / finished(1);
    // One turn in thirty-two goes to the oldest, which is mostly batch: below four.
    assert!((2.0..4.5).contains(&normal_to_batch), "{normal_to_batch}");
    assert!((3.0..4.5).contains(&interactive_to_normal), "{interactive_to_normal}");
}

#[test]
fn tenants_of_a_class_share_alike_however_many_clients_they_have_and_whatever_they_predict() {
    let many = tenant("many", wish(Normal, ms(10), true));
    // This one says that its work is short. It is charged with what it took.
    let modest = tenant("modest", Wish { predicted: ms(1), ..wish(Normal, ms(10), true) });
    let mut simulation = Simulation::new(settings(4, 0), Behaviour::default(), vec![many, modest], 12);
    (0..100).for_each(|_| simulation.arrive(0, Duration::ZERO));
    (0..10).for_each(|_| simulation.arrive(1, Duration::ZERO));
    simulation.run(Duration::from_secs(200));
    let ratio = simulation.tallies[0].finished as f64 / simulation.tallies[1].finished as f64;
    assert!((0.9..1.1).contains(&ratio), "{ratio}");
}

/// Each new tenant comes to the front of virtual time, where there is always another one.
#[test]
fn an_endless_row_of_new_tenants_does_not_starve_an_old_one() {
    let mut wishes = vec![tenant("old", wish(Normal, ms(100), true))];
    wishes.extend((0..4_000).map(|n| tenant(&n.to_string(), wish(Normal, ms(10), false))));
    let mut simulation = Simulation::new(settings(1, 0), Behaviour::default(), wishes, 13);
    simulation.arrive(0, Duration::ZERO);
    // More than one connection can do, at any time.
    (0..4_000).for_each(|n| simulation.arrive(1 + n, ms(9) * n as u32));
    simulation.run(Duration::from_secs(36));
    let finished = simulation.tallies[0].finished;
    assert!(finished >= 10, "{finished}");
}

#[test]
fn batch_leaves_the_reserve_free_and_normal_half_of_it() {
    for (crowd, busy) in [(Batch, 6), (Normal, 8), (Interactive, 10)] {
        let mut simulation =
            Simulation::new(settings(10, 4), Behaviour::default(), vec![wish(crowd, ms(50), true)], 14);
        (0..50).for_each(|_| simulation.arrive(0, Duration::ZERO));
        for second in 1..20 {
            simulation.run(Duration::from_secs(second));
            assert_eq!(simulation.world.lent.len(), busy, "{crowd:?}");
        }
    }
}

#[test]
fn short_work_does_not_make_a_pool_grow_and_long_work_does() {
    let connections = |work: Duration, predicted: Duration| {
        let wishes = vec![Wish { predicted, ..wish(Normal, work, true) }];
        let mut simulation = Simulation::new(settings(16, 0), Behaviour::default(), wishes, 15);
        (0..3).for_each(|_| simulation.arrive(0, ms(100)));
        simulation.run(Duration::from_secs(10));
        simulation.world.core.snapshot(simulation.world.now).total()
    };
    let short = Duration::from_micros(100);
    assert_eq!(connections(short, short), 1);
    assert_eq!(connections(ms(50), ms(50)), 3);
    assert_eq!(connections(ms(50), short), 3, "a wrong prediction is noticed when time has passed");
}
