//! Who is next: weighted fair queueing between classes, and between the tenants of a class.
//!
//! The algorithm is start-time fair queueing (Goyal, Vin, Cheng: "Start-time Fair Queueing", SIGCOMM 1996) in the form
//! for several servers, SFQ(D) (Jin, Chase, Kaur: "Interposed Proportional Sharing for a Storage Service Utility",
//! SIGMETRICS 2004), once for the classes and once more for the tenants of each class. A flow's next call starts, in
//! virtual time, where its last one finished, or at the virtual time when the flow woke up; the call with the least
//! start is next, and virtual time is the start of the last call. A call finishes its predicted time over its flow's
//! weight later; when it has ended, its flow is corrected by what it really took.
//!
//! Every so many turns go to whoever has waited longest instead, whatever the tags say: an endless row of new tenants,
//! each at the front of virtual time, would otherwise keep an old one waiting.

mod class;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use class::ClassQueue;

use super::breaker::Probe;
use crate::query::Priority;

/// Number of classes.
pub(super) const CLASSES: usize = 3;

/// The classes from the most urgent on: the index of one is its rank.
pub(super) const BY_RANK: [Priority; CLASSES] = [Priority::Interactive, Priority::Normal, Priority::Batch];

/// Shares of busy connections by rank. A step of four keeps a busy lower class to a fifth of the one above it, which a
/// person does not feel, while batch work under full load of both others still gets a connection in twenty-one.
const WEIGHTS: [u64; CLASSES] = [16, 4, 1];

/// One turn of so many goes to whoever has waited longest. Rare enough that an interactive demand, which by its weight is
/// almost always next, seldom waits for a second connection because of it.
const TURNS_TO_OLDEST: u64 = 32;

/// A call is charged at least this, so that predictions of nothing do not come for free.
const LEAST_CHARGE: Duration = Duration::from_micros(10);

/// The rank of a class.
pub(super) fn rank(class: Priority) -> usize {
    match class {
        Priority::Interactive => 0,
        Priority::Normal => 1,
        Priority::Batch => 2,
    }
}

/// Names the share of a tenant; callers without one share one.
pub(super) type Tenant = Option<Arc<str>>;

/// Somebody who waits.
#[derive(Debug)]
pub(super) struct Waiter<W> {
    pub(super) class: Priority,
    pub(super) tenant: Tenant,
    pub(super) predicted: Duration,
    pub(super) deadline: Instant,
    /// Since when it waits.
    pub(super) since: Instant,
    /// Whether it is to tell an ailing backend's breaker how it went.
    pub(super) probe: Probe,
    /// How to reach it.
    pub(super) token: W,
}

/// Where a flow stands in virtual time, in nanoseconds of work at the largest weight.
#[derive(Debug, Default, Clone, Copy)]
struct Tags {
    /// Virtual time when it woke up.
    floor: u64,
    /// Where its last call finishes.
    finish: u64,
}

impl Tags {
    fn start(self) -> u64 {
        self.floor.max(self.finish)
    }

    /// Charges a call; returns its start.
    fn charge(&mut self, charge: u64) -> u64 {
        let start = self.start();
        self.finish = start.saturating_add(charge);
        start
    }

    fn correct(&mut self, charged: u64, measured: u64) {
        self.finish = self.finish.saturating_add(measured).saturating_sub(charged);
    }
}

fn nanoseconds(work: Duration) -> u64 {
    u64::try_from(work.max(LEAST_CHARGE).as_nanos()).unwrap_or(u64::MAX)
}

fn charge(rank: usize, work: Duration) -> u64 {
    nanoseconds(work).saturating_mul(WEIGHTS[0] / WEIGHTS[rank])
}

/// Everybody who waits for a connection of one pool.
#[derive(Debug)]
pub(super) struct FairQueue<W> {
    classes: [ClassQueue<W>; CLASSES],
    tags: [Tags; CLASSES],
    virtual_time: u64,
    turns: u64,
    next_number: u64,
}

impl<W> Default for FairQueue<W> {
    fn default() -> Self {
        Self {
            classes: std::array::from_fn(|_| ClassQueue::default()),
            tags: Default::default(),
            virtual_time: 0,
            turns: 0,
            next_number: 0,
        }
    }
}

impl<W> FairQueue<W> {
    /// Takes a place at the end; returns its number.
    pub(super) fn join(&mut self, waiter: Waiter<W>) -> u64 {
        let (rank, number) = (rank(waiter.class), self.next_number);
        self.next_number += 1;
        if self.classes[rank].len() == 0 {
            self.tags[rank].floor = self.virtual_time;
        }
        self.classes[rank].join(number, waiter);
        number
    }

    /// Gives up a place, if it is still there.
    pub(super) fn leave(&mut self, number: u64) -> Option<Waiter<W>> {
        self.classes.iter_mut().find_map(|class| class.remove(number))
    }

    /// Who is next among the classes that may go. It is charged with its prediction until [`FairQueue::settle`] says
    /// what it took.
    pub(super) fn next(&mut self, may_go: [bool; CLASSES]) -> Option<Waiter<W>> {
        let ranks = || (0..CLASSES).filter(|rank| may_go[*rank] && self.classes[*rank].len() > 0);
        let to_oldest = self.turns % TURNS_TO_OLDEST == TURNS_TO_OLDEST - 1;
        let rank = if to_oldest {
            ranks().min_by_key(|rank| self.classes[*rank].oldest_number())?
        } else {
            ranks().min_by_key(|rank| (self.tags[*rank].start(), *rank))?
        };
        self.turns += 1;
        let waiter = self.classes[rank].next(to_oldest)?;
        let start = self.tags[rank].charge(charge(rank, waiter.predicted));
        if !to_oldest {
            self.virtual_time = self.virtual_time.max(start);
        }
        Some(waiter)
    }

    /// A call that was next has ended, and took this long.
    pub(super) fn settle(&mut self, class: Priority, tenant: &Tenant, predicted: Duration, measured: Duration) {
        let rank = rank(class);
        self.tags[rank].correct(charge(rank, predicted), charge(rank, measured));
        self.classes[rank].settle(tenant, predicted, measured);
    }

    /// A call that was next did not happen.
    pub(super) fn refund(&mut self, class: Priority, tenant: &Tenant, predicted: Duration) {
        let rank = rank(class);
        self.tags[rank].correct(charge(rank, predicted), 0);
        self.classes[rank].refund(tenant, predicted);
    }

    /// Predicted work that is likely to be begun before a demand that would join now.
    ///
    /// While a flow is served for some time, every other one is served for as long times the ratio of their weights, or
    /// until it has nothing left.
    pub(super) fn work_before(&self, class: Priority, tenant: &Tenant, predicted: Duration) -> Duration {
        let own = rank(class);
        let before = self.classes[own].work_before(tenant, predicted);
        let until = (before + predicted).as_secs_f64();
        let others = (0..CLASSES).filter(|other| *other != own).map(|other| {
            let share = until * WEIGHTS[other] as f64 / WEIGHTS[own] as f64;
            self.classes[other].work().as_secs_f64().min(share)
        });
        before + Duration::from_secs_f64(others.sum())
    }

    /// Predicted work of all who wait.
    pub(super) fn work(&self) -> Duration {
        self.classes.iter().map(ClassQueue::work).sum()
    }

    /// How many wait, by rank.
    pub(super) fn lengths(&self) -> [usize; CLASSES] {
        std::array::from_fn(|rank| self.classes[rank].len())
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.classes.iter().all(|class| class.len() == 0)
    }

    /// Sends everybody away.
    pub(super) fn drain(&mut self) -> Vec<Waiter<W>> {
        self.classes.iter_mut().flat_map(ClassQueue::drain).collect()
    }
}
