//! The places of a pool: every connection that is there, on its way, or in doubt has one.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use crate::{
    pool::{
        breaker::Probe,
        fair::{CLASSES, Tenant, rank},
    },
    query::Priority,
};

/// Names a place; never used twice.
pub(in crate::pool) type Id = u64;

/// The use of a connection by one demand.
#[derive(Debug, Clone)]
pub(super) struct Loan {
    pub(super) class: Priority,
    pub(super) tenant: Tenant,
    pub(super) predicted: Duration,
    /// When the present stretch of use began.
    pub(super) began: Instant,
    /// Use before that: it was parked in between.
    pub(super) used: Duration,
    pub(super) probe: Probe,
}

impl Loan {
    pub(super) fn used_until(&self, now: Instant) -> Duration {
        self.used + now.saturating_duration_since(self.began)
    }

    /// When it should be over.
    pub(super) fn end(&self) -> Instant {
        self.began + self.predicted.saturating_sub(self.used)
    }

    /// How much longer it should be in use. One that is overdue is expected to be overdue for as long again.
    pub(super) fn left(&self, now: Instant) -> Duration {
        self.predicted.abs_diff(self.used_until(now))
    }
}

/// Where a connection is.
#[derive(Debug)]
pub(super) enum State<T> {
    /// Being opened.
    Opening,
    /// Here, and of use to anybody.
    Idle(T),
    /// With a user.
    Lent(Loan),
    /// Here; its user waits for something else and may come back for it.
    Parked { connection: T, loan: Loan, ticket: u64 },
    /// Being checked or reset.
    Preparing,
    /// Being brought to its senses after a user of this class left it in doubt.
    Doubt(Priority),
}

impl<T> State<T> {
    fn index(&self) -> usize {
        match self {
            Self::Opening => 0,
            Self::Idle(_) => 1,
            Self::Lent(_) => 2,
            Self::Parked { .. } => 3,
            Self::Preparing => 4,
            Self::Doubt(_) => 5,
        }
    }

    /// The class that it counts for.
    fn class(&self) -> Option<Priority> {
        match self {
            Self::Lent(loan) => Some(loan.class),
            Self::Doubt(class) => Some(*class),
            _ => None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Slot<T> {
    pub(super) state: State<T>,
    /// Since when it is in this state.
    pub(super) since: Instant,
    /// When it is to be replaced.
    pub(super) retire_at: Instant,
}

/// All places of a pool.
#[derive(Debug)]
pub(super) struct Slots<T> {
    by_id: BTreeMap<Id, Slot<T>>,
    /// Longest idle first.
    idle: VecDeque<Id>,
    /// Longest parked first.
    parked: VecDeque<Id>,
    counts: [usize; 6],
    busy: [usize; CLASSES],
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            by_id: BTreeMap::new(),
            idle: VecDeque::new(),
            parked: VecDeque::new(),
            counts: [0; 6],
            busy: [0; CLASSES],
        }
    }
}

impl<T> Slots<T> {
    pub(super) fn insert(&mut self, id: Id, now: Instant) {
        self.count(&State::Opening, 1);
        self.by_id.insert(id, Slot { state: State::Opening, since: now, retire_at: now });
    }

    /// Puts a connection in another state; returns the one before. `None`: there is no such place.
    pub(super) fn change(&mut self, id: Id, now: Instant, state: State<T>) -> Option<State<T>> {
        let slot = self.by_id.get_mut(&id)?;
        slot.since = now;
        let before = std::mem::replace(&mut slot.state, state);
        self.unlist(id, &before);
        match self.by_id[&id].state {
            State::Idle(_) => self.idle.push_back(id),
            State::Parked { .. } => self.parked.push_back(id),
            _ => {}
        }
        let (index, class) = (self.by_id[&id].state.index(), self.by_id[&id].state.class());
        self.counts[index] += 1;
        if let Some(class) = class {
            self.busy[rank(class)] += 1;
        }
        Some(before)
    }

    /// Gives a place up.
    pub(super) fn remove(&mut self, id: Id) -> Option<State<T>> {
        let slot = self.by_id.remove(&id)?;
        self.unlist(id, &slot.state);
        Some(slot.state)
    }

    fn unlist(&mut self, id: Id, state: &State<T>) {
        let list = match state {
            State::Idle(_) => Some(&mut self.idle),
            State::Parked { .. } => Some(&mut self.parked),
            _ => None,
        };
        if let Some(list) = list
            && let Some(at) = list.iter().rposition(|other| *other == id)
        {
            list.remove(at);
        }
        self.counts[state.index()] -= 1;
        if let Some(class) = state.class() {
            self.busy[rank(class)] -= 1;
        }
    }

    fn count(&mut self, state: &State<T>, n: usize) {
        self.counts[state.index()] += n;
    }

    pub(super) fn get(&self, id: Id) -> Option<&Slot<T>> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Slot<T>> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Id, &Slot<T>)> {
        self.by_id.iter().map(|(id, slot)| (*id, slot))
    }

    /// The one that was in use last.
    pub(super) fn freshest_idle(&self) -> Option<Id> {
        self.idle.back().copied()
    }

    pub(super) fn stalest_idle(&self) -> Option<Id> {
        self.idle.front().copied()
    }

    pub(super) fn idle(&self) -> impl Iterator<Item = (Id, &Slot<T>)> {
        self.idle.iter().map(|id| (*id, &self.by_id[id]))
    }

    pub(super) fn longest_parked(&self) -> Option<Id> {
        self.parked.front().copied()
    }

    /// The loans of connections that are with a user.
    pub(super) fn loans(&self) -> impl Iterator<Item = &Loan> {
        self.by_id.values().filter_map(|slot| match &slot.state {
            State::Lent(loan) => Some(loan),
            _ => None,
        })
    }

    pub(super) fn total(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn opening(&self) -> usize {
        self.counts[0]
    }

    pub(super) fn idle_count(&self) -> usize {
        self.counts[1]
    }

    pub(super) fn lent(&self) -> usize {
        self.counts[2]
    }

    pub(super) fn parked_count(&self) -> usize {
        self.counts[3]
    }

    pub(super) fn preparing(&self) -> usize {
        self.counts[4]
    }

    pub(super) fn in_doubt(&self) -> usize {
        self.counts[5]
    }

    /// Connections on which the backend owes an answer.
    pub(super) fn asked(&self) -> usize {
        self.opening() + self.lent() + self.preparing() + self.in_doubt()
    }

    /// Connections lent or in doubt, by the rank of the class.
    pub(super) fn busy(&self) -> [usize; CLASSES] {
        self.busy
    }
}
