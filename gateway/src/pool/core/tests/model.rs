//! Whatever happens in whatever order: what [`World`] checks holds after every event, and nobody waits for ever.

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;

use super::{
    super::Return,
    world::{World, ms, settings},
};
use crate::{
    pool::{BreakerSettings, Demand, Settings},
    query::Priority,
};

/// Something that happens. An index picks among what it can happen to; nothing happens if there is nothing.
#[derive(Debug, Clone)]
enum Event {
    Join { class: Priority, tenant: u8, predicted: u64, time: u64 },
    Leave(usize),
    Opened(usize),
    ConnectFailed(usize),
    Prepared(usize, bool),
    Return(usize, bool),
    Broken(usize),
    Doubted(usize, bool),
    Park(usize),
    Resume(usize),
    Unpark(usize),
    Pass(u64),
    Resize(usize, usize),
    Close,
}

fn class() -> impl Strategy<Value = Priority> {
    prop_oneof![Just(Priority::Interactive), Just(Priority::Normal), Just(Priority::Batch)]
}

fn event() -> impl Strategy<Value = Event> {
    let at = || 0..16_usize;
    prop_oneof![
        12 => (class(), 0..4_u8, prop_oneof![0..20_u64, 0..2_000_u64], 1..5_000_u64)
            .prop_map(|(class, tenant, predicted, time)| Event::Join { class, tenant, predicted, time }),
        2 => at().prop_map(Event::Leave),
        6 => at().prop_map(Event::Opened),
        1 => at().prop_map(Event::ConnectFailed),
        4 => (at(), prop::bool::weighted(0.9)).prop_map(|(at, well)| Event::Prepared(at, well)),
        8 => (at(), prop::bool::weighted(0.9)).prop_map(|(at, done)| Event::Return(at, done)),
        1 => at().prop_map(Event::Broken),
        2 => (at(), any::<bool>()).prop_map(|(at, failed)| Event::Doubted(at, failed)),
        4 => at().prop_map(Event::Park),
        3 => at().prop_map(Event::Resume),
        2 => at().prop_map(Event::Unpark),
        5 => prop_oneof![0..5_u64, 0..400_u64, 0..100_000_u64].prop_map(Event::Pass),
        1 => (0..4_usize, 1..8_usize).prop_map(|(min, max)| Event::Resize(min.min(max), max)),
    ]
}

fn pool() -> impl Strategy<Value = Settings> {
    let breaker = (1..8_u32, 1..4_u32).prop_map(|(min_calls, probes)| BreakerSettings {
        min_calls,
        window: ms(10_000),
        failure_ratio: 0.5,
        slow_call: ms(3_000),
        slow_ratio: 0.5,
        open: ms(100),
        max_open: ms(2_000),
        probes,
    });
    let sizes = (0..4_usize, 1..8_usize, 0..8_usize, 1..6_usize, 1..4_usize);
    (sizes, 0..20_u64, 0..300_u64, breaker).prop_map(
        |((min, max, reserve, queue, connecting), target, check, breaker)| Settings {
            min: min.min(max),
            max_waiting: queue,
            max_connecting: connecting,
            wait_target: ms(target),
            check_after_idle: ms(check),
            max_lifetime: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(10),
            breaker,
            ..settings(max, reserve)
        },
    )
}

fn pick<T: Copy>(mut of: impl ExactSizeIterator<Item = T>, at: usize) -> Option<T> {
    let len = of.len();
    of.nth(at.checked_rem(len)?)
}

fn happen(world: &mut World, event: &Event, client: usize) {
    let lent = |world: &World, at| pick(world.lent.keys().copied(), at);
    let parked = |world: &World, at| pick(world.parked.keys().copied(), at);
    match *event {
        Event::Join { class, tenant, predicted, time } => {
            let tenant = (tenant > 0).then(|| Arc::from(tenant.to_string()));
            let demand = Demand { tenant, ..world.demand(class, ms(predicted), ms(time)) };
            world.join(client, &demand);
        }
        Event::Leave(at) => drop(pick(world.waiting.keys().copied(), at).map(|client| world.leave(client))),
        Event::Opened(at) => drop(pick(world.opening.iter().copied(), at).map(|id| world.opened(id))),
        Event::ConnectFailed(at) => drop(pick(world.opening.iter().copied(), at).map(|id| world.connect_failed(id))),
        Event::Prepared(at, well) => {
            let ids: Vec<_> = world.preparing.keys().chain(world.doubt.keys()).copied().collect();
            pick(ids.into_iter(), at).map(|id| world.prepared(id, well));
        }
        Event::Return(at, done) => {
            let how = if done { Return::Done } else { Return::Unused };
            lent(world, at).map(|id| world.give_back(id, how));
        }
        Event::Broken(at) => drop(lent(world, at).map(|id| world.broken(id))),
        Event::Doubted(at, failed) => drop(lent(world, at).map(|id| world.doubted(id, failed))),
        Event::Park(at) => drop(lent(world, at).map(|id| world.park(id))),
        Event::Resume(at) => drop(parked(world, at).map(|ticket| world.resume(ticket))),
        Event::Unpark(at) => drop(parked(world, at).map(|ticket| world.unpark(ticket))),
        Event::Pass(time) => pass(world, ms(time)),
        Event::Resize(min, max) => drop(world.resize(min, max)),
        Event::Close => drop(world.close()),
    }
}

/// Time passes: deadlines and the pool's own times come in their order.
fn pass(world: &mut World, time: Duration) {
    let end = world.now + time;
    loop {
        let deadline = world.waiting.iter().map(|(client, waiting)| (waiting.deadline, *client)).min();
        let wake = world.core.next_wake(world.now).map(|wake| wake.max(world.now + ms(1)));
        match (deadline, wake) {
            (Some((at, client)), _) if at <= end && wake.is_none_or(|wake| at <= wake) => {
                world.now = world.now.max(at);
                world.expire(client);
            }
            (_, Some(wake)) if wake <= end => {
                world.now = wake;
                world.tick();
            }
            _ => break,
        }
    }
    world.now = end;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn what_must_hold_holds_after_every_event(
        settings in pool(), seed: u64, events in prop::collection::vec(event(), 1..160), close: bool,
    ) {
        let mut world = World::new(settings, seed);
        world.tick();
        for (client, event) in events.iter().enumerate() {
            happen(&mut world, event, client);
        }
        if close {
            happen(&mut world, &Event::Close, 0);
        }
        world.settle();
        // What is kept, and nothing else, is there in the end.
        pass(&mut world, Duration::from_secs(20));
        world.settle();
        pass(&mut world, Duration::from_secs(20));
        let at = world.core.snapshot(world.now);
        if close {
            prop_assert_eq!(at.total(), 0);
        } else {
            prop_assert!(at.idle + at.connecting <= at.min.max(1), "{:?}", at);
            prop_assert_eq!(at.total(), at.idle + at.connecting);
        }
    }
}
