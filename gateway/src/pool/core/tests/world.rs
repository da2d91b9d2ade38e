//! Everything around the state machine, and what must hold at every moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::super::{Action, Core, Id, Return};
use crate::{
    backend::{BackendError, ErrorKind},
    config::{BreakerConfig, PoolConfig},
    pool::{BreakerState, Demand, PoolError, Settings},
    query::Priority,
};

pub(super) const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(super) fn settings(max: usize, reserve: usize) -> Settings {
    let pool = PoolConfig { max, reserve, ..PoolConfig::default() };
    (&pool, &BreakerConfig::default()).into()
}

/// Somebody who asks, by number.
pub(super) type Client = usize;

/// What the state machine wants to be done, or has done.
#[derive(Debug)]
pub(super) enum Order {
    Granted { client: Client, id: Id, waited: Duration },
    Refused { client: Client, why: PoolError },
    Open(Id),
    Prepare(Id),
}

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) number: u64,
    pub(super) since: Instant,
    pub(super) deadline: Instant,
}

/// A connection, by number.
type Connection = u64;

#[derive(Debug)]
pub(super) struct World {
    pub(super) core: Core<Connection, Client>,
    pub(super) now: Instant,
    pub(super) waiting: BTreeMap<Client, Waiting>,
    pub(super) opening: BTreeSet<Id>,
    pub(super) preparing: BTreeMap<Id, Connection>,
    pub(super) lent: BTreeMap<Id, (Connection, Client)>,
    /// By ticket.
    pub(super) parked: BTreeMap<u64, (Id, Client)>,
    pub(super) doubt: BTreeMap<Id, Connection>,
    /// Connections that are open, wherever they are.
    open: BTreeSet<Connection>,
    next_connection: Connection,
    /// Connections that may be above the maximum because it was lowered.
    surplus: usize,
}

impl World {
    pub(super) fn new(settings: Settings, seed: u64) -> Self {
        Self {
            core: Core::new(settings, seed),
            now: Instant::now(),
            waiting: BTreeMap::new(),
            opening: BTreeSet::new(),
            preparing: BTreeMap::new(),
            lent: BTreeMap::new(),
            parked: BTreeMap::new(),
            doubt: BTreeMap::new(),
            open: BTreeSet::new(),
            next_connection: 0,
            surplus: 0,
        }
    }

    pub(super) fn demand(&self, class: Priority, predicted: Duration, time: Duration) -> Demand {
        Demand { class, tenant: None, deadline: self.now + time, predicted }
    }

    pub(super) fn join(&mut self, client: Client, demand: &Demand) -> Vec<Order> {
        match self.core.join(self.now, demand, client) {
            Ok(number) => {
                let waiting = Waiting { number, since: self.now, deadline: demand.deadline };
                assert!(self.waiting.insert(client, waiting).is_none());
                self.absorb()
            }
            Err(why) => {
                let mut orders = self.absorb();
                orders.push(Order::Refused { client, why });
                orders
            }
        }
    }

    pub(super) fn leave(&mut self, client: Client) -> Vec<Order> {
        if let Some(waiting) = self.waiting.remove(&client) {
            self.core.leave(self.now, waiting.number);
        }
        self.absorb()
    }

    /// The deadline of a waiter has passed.
    pub(super) fn expire(&mut self, client: Client) -> Vec<Order> {
        let waiting = self.waiting.remove(&client).expect("it waits");
        assert!(waiting.deadline <= self.now);
        self.core.expire(self.now, waiting.number);
        self.absorb()
    }

    pub(super) fn opened(&mut self, id: Id) -> Vec<Order> {
        assert!(self.opening.remove(&id));
        let connection = self.next_connection;
        self.next_connection += 1;
        self.open.insert(connection);
        self.core.opened(self.now, id, connection);
        self.absorb()
    }

    pub(super) fn connect_failed(&mut self, id: Id) -> Vec<Order> {
        assert!(self.opening.remove(&id));
        let error = BackendError::new(&"simulated".into(), ErrorKind::Unavailable, "no");
        self.core.connect_failed(self.now, id, error);
        self.absorb()
    }

    /// A check, a reset or a rescue is over.
    pub(super) fn prepared(&mut self, id: Id, well: bool) -> Vec<Order> {
        let connection = self.preparing.remove(&id).or_else(|| self.doubt.remove(&id)).expect("it is prepared");
        if well {
            self.core.prepared(self.now, id, connection);
        } else {
            self.open.remove(&connection);
            self.core.unusable(self.now, id);
        }
        self.absorb()
    }

    pub(super) fn give_back(&mut self, id: Id, how: Return) -> Vec<Order> {
        let (connection, _) = self.lent.remove(&id).expect("it is lent");
        self.core.returned(self.now, id, connection, how);
        self.absorb()
    }

    pub(super) fn broken(&mut self, id: Id) -> Vec<Order> {
        let (connection, _) = self.lent.remove(&id).expect("it is lent");
        self.open.remove(&connection);
        self.core.broken(self.now, id);
        self.absorb()
    }

    pub(super) fn doubted(&mut self, id: Id, backend_failed: bool) -> Vec<Order> {
        let (connection, _) = self.lent.remove(&id).expect("it is lent");
        self.doubt.insert(id, connection);
        self.core.doubted(self.now, id, backend_failed);
        self.absorb()
    }

    pub(super) fn park(&mut self, id: Id) -> (u64, Vec<Order>) {
        let (connection, client) = self.lent.remove(&id).expect("it is lent");
        let ticket = self.core.park(self.now, id, connection);
        self.parked.insert(ticket, (id, client));
        (ticket, self.absorb())
    }

    /// Whether the connection was still there.
    pub(super) fn resume(&mut self, ticket: u64) -> (Option<Id>, Vec<Order>) {
        let (id, client) = self.parked.remove(&ticket).expect("it was parked");
        let resumed = self.core.resume(self.now, id, ticket);
        if let Some(connection) = resumed {
            assert!(self.lent.insert(id, (connection, client)).is_none(), "two users of a connection");
        }
        (resumed.map(|_| id), self.absorb())
    }

    pub(super) fn unpark(&mut self, ticket: u64) -> Vec<Order> {
        let (id, _) = self.parked.remove(&ticket).expect("it was parked");
        self.core.unpark(self.now, id, ticket);
        self.absorb()
    }

    pub(super) fn tick(&mut self) -> Vec<Order> {
        self.core.tick(self.now);
        self.absorb()
    }

    pub(super) fn resize(&mut self, min: usize, max: usize) -> Vec<Order> {
        self.surplus = self.core.snapshot(self.now).total();
        self.core.resize(self.now, min, max).expect("valid bounds");
        self.absorb()
    }

    pub(super) fn close(&mut self) -> Vec<Order> {
        self.core.close();
        self.absorb()
    }

    /// Does what can be done at once, and checks what must hold.
    fn absorb(&mut self) -> Vec<Order> {
        let mut orders = Vec::new();
        for action in self.core.take_actions() {
            match action {
                Action::Grant { to, id, connection } => {
                    let waiting = self.waiting.remove(&to).expect("it waits, and for one connection only");
                    assert!(self.now < waiting.deadline, "nobody gets a connection after its deadline");
                    self.assert_in_core_only(connection);
                    self.lent.insert(id, (connection, to));
                    orders.push(Order::Granted { client: to, id, waited: self.now - waiting.since });
                }
                Action::Refuse { to, why } => {
                    self.waiting.remove(&to).expect("it waits");
                    orders.push(Order::Refused { client: to, why });
                }
                Action::Open { id } => {
                    assert!(self.opening.insert(id));
                    orders.push(Order::Open(id));
                }
                Action::Check { id, connection } | Action::Reset { id, connection } => {
                    self.assert_in_core_only(connection);
                    self.preparing.insert(id, connection);
                    orders.push(Order::Prepare(id));
                }
                Action::Close(connection) => {
                    self.assert_in_core_only(connection);
                    assert!(self.open.remove(&connection), "closed once");
                }
            }
        }
        self.check();
        orders
    }

    fn assert_in_core_only(&self, connection: Connection) {
        let lent = self.lent.values().map(|(connection, _)| connection);
        let mut elsewhere = lent.chain(self.preparing.values()).chain(self.doubt.values());
        assert!(self.open.contains(&connection), "{connection} is closed");
        assert!(elsewhere.all(|other| *other != connection), "two users of {connection}");
    }

    fn check(&mut self) {
        let (core, now) = (&self.core, self.now);
        let at = core.snapshot(now);
        // Every connection is counted, and in the right place.
        assert_eq!(
            (at.in_use, at.connecting, at.preparing, at.in_doubt),
            (self.lent.len(), self.opening.len(), self.preparing.len(), self.doubt.len()),
        );
        assert_eq!(self.open.len() + at.connecting, at.total());
        assert!(at.parked <= self.parked.len());
        assert_eq!(at.waiting.iter().sum::<usize>(), self.waiting.len());
        // Never above the maximum, except for what a lowered one found and has not got back.
        if at.total() <= at.max {
            self.surplus = 0;
        }
        assert!(at.total() <= at.max.max(self.surplus), "{at:?}");
        self.surplus = self.surplus.min(at.total());
        assert!(at.connecting <= core.settings().max_connecting.max(1));
        if core.is_closed() {
            assert_eq!((at.idle, at.parked, self.waiting.len()), (0, 0, 0));
            return;
        }
        // No work is left lying while there is a hand for it.
        let unserved = core.wanted().saturating_sub(core.incoming(now));
        assert!(unserved == 0 || at.idle == 0, "idle beside waiters: {at:?}");
        assert!(unserved == 0 || at.parked == 0 || core.can_open(now), "parked beside waiters: {at:?}");
        // Who waits is waited for: something will happen that serves or refuses it.
        let pending = at.in_use + at.connecting + at.preparing + at.in_doubt + at.parked;
        assert!(self.waiting.is_empty() || pending > 0 || core.next_wake(now).is_some(), "forgotten: {at:?}");
        if at.breaker == BreakerState::Open {
            assert!(self.waiting.is_empty(), "nobody waits for a backend that is not asked");
        }
    }

    /// Lets everything end well and quickly: afterwards nobody may wait any more.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            if let Some(id) = self.opening.first().copied() {
                self.opened(id);
            } else if let Some(id) = self.preparing.keys().chain(self.doubt.keys()).next().copied() {
                self.prepared(id, true);
            } else if let Some(id) = self.lent.keys().next().copied() {
                self.give_back(id, Return::Done);
            } else if let Some(ticket) = self.parked.keys().next().copied() {
                self.unpark(ticket);
            } else if self.waiting.is_empty() {
                return;
            } else {
                let wake = self.core.next_wake(self.now).expect("somebody waits");
                self.now = self.now.max(wake);
                self.tick();
            }
        }
        panic!("some wait for ever: {:?}", self.core.snapshot(self.now));
    }
}
