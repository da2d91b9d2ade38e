//! A virtual clock, a backend with a seed, and clients.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

use super::{
    super::{Id, Return},
    world::{Client, Order, World, ms},
};
use crate::pool::{Demand, PoolError, Settings};

/// Something that is due.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Arrives(Client),
    LosesPatience(Client),
    Expires(Client),
    Opened(Id),
    Prepared(Id),
    Finished(Id, Client),
    Back(u64),
}

/// How a backend and its clients behave.
#[derive(Debug, Clone)]
pub(super) struct Behaviour {
    pub(super) connect: Duration,
    /// Fractions of what is done.
    pub(super) connect_fails: f64,
    pub(super) leaves_queue: f64,
    pub(super) leaves_query: f64,
    pub(super) breaks: f64,
    pub(super) parks: f64,
    pub(super) never_resumes: f64,
    pub(super) check_fails: f64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            connect: ms(5),
            connect_fails: 0.0,
            leaves_queue: 0.0,
            leaves_query: 0.0,
            breaks: 0.0,
            parks: 0.0,
            never_resumes: 0.0,
            check_fails: 0.0,
        }
    }
}

/// What a client wants.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) class: crate::query::Priority,
    pub(super) tenant: Option<std::sync::Arc<str>>,
    pub(super) predicted: Duration,
    /// Time until the deadline.
    pub(super) time: Duration,
    /// Mean of the time that its statements really take; they spread evenly by a half around it.
    pub(super) work: Duration,
    /// Whether it asks again as soon as it is served.
    pub(super) again: bool,
}

/// What became of the demands of one wish.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) waits: Vec<Duration>,
    pub(super) refused: Vec<PoolError>,
    pub(super) finished: usize,
}

impl Tally {
    /// The wait that this fraction of the demands did not exceed.
    pub(super) fn quantile(&mut self, fraction: f64) -> Duration {
        self.waits.sort_unstable();
        self.waits[((self.waits.len() - 1) as f64 * fraction) as usize]
    }
}

pub(super) struct Simulation {
    pub(super) world: World,
    random: Xoshiro256PlusPlus,
    behaviour: Behaviour,
    due: BinaryHeap<Reverse<(Instant, u64, Due)>>,
    next: u64,
    wishes: Vec<Wish>,
    /// Which wish a client has.
    clients: BTreeMap<Client, usize>,
    pub(super) tallies: Vec<Tally>,
    begin: Instant,
}

impl Simulation {
    pub(super) fn new(settings: Settings, behaviour: Behaviour, wishes: Vec<Wish>, seed: u64) -> Self {
        let mut world = World::new(settings, seed);
        let begin = world.now;
        let orders = world.tick();
        let tallies = wishes.iter().map(|_| Tally::default()).collect();
        let random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let (due, clients) = (BinaryHeap::new(), BTreeMap::new());
        let mut simulation = Self { world, random, behaviour, due, next: 0, wishes, clients, tallies, begin };
        simulation.follow(orders);
        simulation
    }

    /// A client with this wish arrives after this time.
    pub(super) fn arrive(&mut self, wish: usize, after: Duration) {
        let client = self.next as Client;
        self.clients.insert(client, wish);
        self.schedule(self.begin + after, Due::Arrives(client));
    }

    /// Runs until this time has passed since the beginning.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.begin + time;
        loop {
            let due = self.due.peek().map(|Reverse((at, ..))| *at);
            let wake = self.world.core.next_wake(self.world.now).map(|wake| wake.max(self.world.now + ms(1)));
            let at = due.into_iter().chain(wake).min();
            let Some(at) = at.filter(|at| *at <= end) else { break };
            self.world.now = self.world.now.max(at);
            let orders = if due == Some(at) {
                let Some(Reverse((_, _, due))) = self.due.pop() else { break };
                self.happens(due)
            } else {
                self.world.tick()
            };
            self.follow(orders);
        }
        self.world.now = end;
    }

    fn happens(&mut self, due: Due) -> Vec<Order> {
        let behaviour = self.behaviour.clone();
        match due {
            Due::Arrives(client) => {
                let wish = self.wishes[self.clients[&client]].clone();
                let demand = self.world.demand(wish.class, wish.predicted, wish.time);
                let orders = self.world.join(client, &Demand { tenant: wish.tenant, ..demand });
                if let Some(deadline) = self.world.waiting.get(&client).map(|waiting| waiting.deadline) {
                    self.schedule(deadline, Due::Expires(client));
                    if self.dice(behaviour.leaves_queue) {
                        let patience = self.around(ms(20));
                        self.schedule(self.world.now + patience, Due::LosesPatience(client));
                    }
                }
                orders
            }
            Due::Expires(client) if self.world.waiting.contains_key(&client) => self.world.expire(client),
            Due::LosesPatience(client) if self.world.waiting.contains_key(&client) => self.world.leave(client),
            Due::Expires(_) | Due::LosesPatience(_) => Vec::new(),
            Due::Opened(id) if self.dice(behaviour.connect_fails) => self.world.connect_failed(id),
            Due::Opened(id) => self.world.opened(id),
            Due::Prepared(id) => {
                let well = !self.dice(behaviour.check_fails);
                self.world.prepared(id, well)
            }
            Due::Finished(id, client) => self.finish(id, client, &behaviour),
            Due::Back(ticket) if self.dice(behaviour.never_resumes) => self.world.unpark(ticket),
            Due::Back(ticket) => {
                let client = self.world.parked[&ticket].1;
                let (resumed, orders) = self.world.resume(ticket);
                match resumed {
                    Some(id) => self.work(id, client),
                    // Somebody took it: the client begins anew.
                    None => self.schedule(self.world.now, Due::Arrives(client)),
                }
                orders
            }
        }
    }

    fn finish(&mut self, id: Id, client: Client, behaviour: &Behaviour) -> Vec<Order> {
        if self.dice(behaviour.parks) {
            let (ticket, orders) = self.world.park(id);
            let away = self.around(ms(10));
            self.schedule(self.world.now + away, Due::Back(ticket));
            return orders;
        }
        let wish = self.clients[&client];
        if self.wishes[wish].again {
            let delay = Duration::from_nanos(self.random.random_range(0..1_000));
            let again = self.next as Client;
            self.clients.insert(again, wish);
            self.schedule(self.world.now + delay, Due::Arrives(again));
        }
        if self.dice(behaviour.leaves_query) {
            let orders = self.world.doubted(id, false);
            let rescue = self.around(ms(8));
            self.schedule(self.world.now + rescue, Due::Prepared(id));
            return orders;
        }
        if self.dice(behaviour.breaks) {
            return self.world.broken(id);
        }
        self.tallies[wish].finished += 1;
        self.world.give_back(id, Return::Done)
    }

    fn follow(&mut self, orders: Vec<Order>) {
        for order in orders {
            match order {
                Order::Granted { client, id, waited } => {
                    self.tallies[self.clients[&client]].waits.push(waited);
                    self.work(id, client);
                }
                Order::Refused { client, why } => self.tallies[self.clients[&client]].refused.push(why),
                Order::Open(id) => {
                    let time = self.around(self.behaviour.connect);
                    self.schedule(self.world.now + time, Due::Opened(id));
                }
                Order::Prepare(id) => {
                    let time = self.around(ms(1));
                    self.schedule(self.world.now + time, Due::Prepared(id));
                }
            }
        }
    }

    fn work(&mut self, id: Id, client: Client) {
        let time = self.around(self.wishes[self.clients[&client]].work);
        self.schedule(self.world.now + time, Due::Finished(id, client));
    }

    fn schedule(&mut self, at: Instant, due: Due) {
        self.due.push(Reverse((at, self.next, due)));
        self.next += 1;
    }

    fn dice(&mut self, probability: f64) -> bool {
        self.random.random_bool(probability)
    }

    /// A time around a mean.
    pub(super) fn around(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(self.random.random_range(0.5..1.5))
    }
}
