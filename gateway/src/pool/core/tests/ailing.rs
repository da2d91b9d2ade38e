//! What the pool makes of a backend that cannot be reached, says nothing, or was slow for a while.

use super::world::{Order, World, ms, settings};
use crate::{
    pool::{BreakerState, PoolError, Settings, core::Return},
    query::Priority::Normal,
};

/// So many calls have to fail before the breaker opens.
const CALLS: u32 = 20;

fn world(max: usize) -> World {
    let settings = settings(max, 0);
    let breaker = crate::pool::BreakerSettings { min_calls: CALLS, ..settings.breaker.clone() };
    World::new(Settings { breaker, ..settings }, 1)
}

fn breaker(world: &World) -> BreakerState {
    world.core.snapshot(world.now).breaker
}

/// The connection that somebody who asks now for a short time gets, and opens if there is none.
fn granted(world: &mut World, client: usize) -> u64 {
    let demand = world.demand(Normal, ms(1), ms(300));
    let mut orders = world.join(client, &demand);
    loop {
        match orders.pop().expect("somebody gets a connection") {
            Order::Granted { client: to, id, .. } if to == client => return id,
            Order::Open(id) => orders = world.opened(id),
            _ => {}
        }
    }
}

/// Somebody waits in vain.
fn expire(world: &mut World, client: usize) {
    let demand = world.demand(Normal, ms(1), ms(300));
    assert!(world.join(client, &demand).is_empty());
    world.now += ms(300);
    world.expire(client);
}

#[test]
fn calls_that_are_refused_for_want_of_a_connection_open_the_breaker() {
    let mut world = world(4);
    let demand = world.demand(Normal, ms(1), ms(60_000));
    let orders = world.join(0, &demand);
    let [Order::Open(id)] = orders[..] else { panic!("{orders:?}") };
    world.join(1, &demand);
    // Those who wait are told, and those who come before the next attempt.
    assert_eq!(world.connect_failed(id).len(), 2);
    for client in 3..CALLS as usize {
        assert_eq!(breaker(&world), BreakerState::Closed, "the attempt counts as well: {client}");
        let orders = world.join(client, &demand);
        assert!(matches!(orders[..], [Order::Refused { why: PoolError::Connect(_), .. }]), "{orders:?}");
    }
    assert_eq!(breaker(&world), BreakerState::Open);
}

#[test]
fn deadlines_that_pass_in_silence_open_the_breaker() {
    let mut world = world(2);
    // Both connections were left in the middle of something, and do not answer.
    for client in 0..2 {
        let id = granted(&mut world, client);
        world.now += ms(300);
        world.doubted(id, false);
    }
    for client in 2..4 {
        expire(&mut world, client);
    }
    // Only from now on has it been silent for a second.
    for client in 4..4 + CALLS as usize {
        assert_eq!(breaker(&world), BreakerState::Closed, "{client}");
        expire(&mut world, client);
    }
    assert_eq!(breaker(&world), BreakerState::Open);
}

#[test]
fn deadlines_that_pass_while_a_backend_answers_are_not_its_fault() {
    let mut world = world(2);
    for round in 0..3 * CALLS as usize {
        let id = granted(&mut world, round);
        world.now += ms(300);
        world.doubted(id, false);
        // It answers that it has ended the statement.
        world.now += ms(900);
        world.prepared(id, true);
    }
    assert_eq!(breaker(&world), BreakerState::Closed);
}

#[test]
fn clients_that_leave_long_work_early_do_not_open_the_breaker() {
    let mut world = world(4);
    for round in 0..CALLS as usize {
        let long = world.demand(Normal, ms(10_000), ms(60_000));
        let mut orders: Vec<Order> = (0..4).flat_map(|client| world.join(round * 4 + client, &long)).collect();
        while let Some(order) = orders.pop() {
            if let Order::Open(id) = order {
                orders.extend(world.opened(id));
            }
        }
        let lent: Vec<u64> = world.lent.keys().copied().collect();
        assert_eq!(lent.len(), 4);
        world.now += ms(5_000);
        for id in &lent {
            world.doubted(*id, false);
        }
        for id in lent {
            world.prepared(id, true);
        }
    }
    assert_eq!(breaker(&world), BreakerState::Closed);
}

#[test]
fn a_prediction_that_keeps_everybody_out_is_tried_now_and_then() {
    let mut world = world(2);
    let first = granted(&mut world, 0);
    world.give_back(first, Return::Done);
    let mut tried = 0;
    for client in 1..=100 {
        let demand = world.demand(Normal, ms(2_000), ms(250));
        match &world.join(client, &demand)[..] {
            [Order::Granted { id, .. }] => {
                assert_ne!(client, 1, "a prediction is believed at first");
                world.give_back(*id, Return::Done);
                tried += 1;
            }
            [Order::Refused { why: PoolError::TooLate { .. }, .. }] => {}
            other => panic!("{other:?}"),
        }
        world.now += ms(100);
    }
    assert!((10..=20).contains(&tried), "{tried} of 100 within ten seconds");
}
