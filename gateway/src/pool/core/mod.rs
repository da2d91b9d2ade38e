//! The pool as a pure state machine: it is told what happens and what time it is, and says what to do. It waits for
//! nothing, spawns nothing and reads no clock, so that tests can drive it through any order of events.
//!
//! `events` is what can happen, `supply` decides who gets what and when the pool grows, `estimate` predicts waits,
//! `slots` is where each connection is.

mod estimate;
mod events;
mod slots;
mod supply;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

pub(super) use self::slots::Id;
use self::slots::Slots;
use super::{
    BreakerState, PoolError, Settings,
    backoff::Backoff,
    breaker::Breaker,
    fair::{CLASSES, FairQueue},
    snapshot::{Counters, Snapshot},
};

/// A connection that is on its way for longer than this is not relied upon: another one is fetched beside it.
const PATIENCE: Duration = Duration::from_millis(250);

/// A backend that owes answers and has given none for so long is silent. Well above what a statement takes beyond its
/// prediction, and above the pauses of a server with a garbage collector.
const SILENCE: Duration = Duration::from_secs(1);

/// Whoever is refused because its work would take too long measures nothing, so one demand in so long is tried.
const TRIAL: Duration = Duration::from_millis(500);

/// Weight of the newest connect in the average.
const NEWEST: f64 = 0.25;

/// What is to be done. `T` is a connection, `W` how to reach a waiter.
#[derive(Debug)]
pub(super) enum Action<T, W> {
    /// Give the connection to the waiter.
    Grant { to: W, id: Id, connection: T },
    /// Tell the waiter that it gets none.
    Refuse { to: W, why: PoolError },
    /// Open a connection.
    Open { id: Id },
    /// Ask the connection whether it still answers.
    Check { id: Id, connection: T },
    /// End what an earlier user left open.
    Reset { id: Id, connection: T },
    /// Close the connection.
    Close(T),
}

/// How a connection comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Return {
    /// Its user has had its answer.
    Done,
    /// It never reached its user.
    Unused,
}

/// The state of a pool.
#[derive(Debug)]
pub(super) struct Core<T, W> {
    settings: Settings,
    slots: Slots<T>,
    queue: FairQueue<W>,
    breaker: Breaker,
    backoff: Backoff,
    counters: Counters,
    /// Average time of connects, once there was one.
    connect_time: Option<Duration>,
    /// Connections idle since before this have to be checked: one of them turned out to be broken.
    suspect: Option<Instant>,
    /// The connection that has just answered, so that it needs no check.
    just_answered: Option<Id>,
    /// Since when the backend has been asked things, on any connection, and has answered none.
    unanswered: Option<Instant>,
    /// When a demand is tried whose work is predicted to take too long.
    next_trial: Option<Instant>,
    next_id: Id,
    random: Xoshiro256PlusPlus,
    closed: bool,
    actions: Vec<Action<T, W>>,
}

impl<T, W> Core<T, W> {
    pub(super) fn new(settings: Settings, seed: u64) -> Self {
        Self {
            breaker: Breaker::new(settings.breaker.clone()),
            settings,
            slots: Slots::default(),
            queue: FairQueue::default(),
            backoff: Backoff::default(),
            counters: Counters::default(),
            connect_time: None,
            suspect: None,
            just_answered: None,
            unanswered: None,
            next_trial: None,
            next_id: 0,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            closed: false,
            actions: Vec::new(),
        }
    }

    /// What is to be done since this was last asked, in this order.
    pub(super) fn take_actions(&mut self) -> Vec<Action<T, W>> {
        std::mem::take(&mut self.actions)
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn breaker(&self, now: Instant) -> BreakerState {
        self.breaker.state(now)
    }

    pub(super) fn snapshot(&self, now: Instant) -> Snapshot {
        Snapshot {
            min: self.settings.min,
            max: self.settings.max,
            reserve: self.reserve(),
            in_use: self.slots.lent(),
            idle: self.slots.idle_count(),
            parked: self.slots.parked_count(),
            connecting: self.slots.opening(),
            preparing: self.slots.preparing(),
            in_doubt: self.slots.in_doubt(),
            waiting: self.queue.lengths(),
            breaker: self.breaker.state(now),
            breaker_reason: self.breaker.refusal(now).map(|refusal| refusal.reason),
            counters: self.counters.clone(),
        }
    }

    /// Something is about to be asked of the backend.
    fn asks(&mut self, now: Instant) {
        // What was given up long ago is owed no more.
        if self.slots.asked() == 0 || self.unanswered.is_none() {
            self.unanswered = Some(now);
        }
    }

    /// Whether the backend gives no sign of life although it should have by all predictions. Then a deadline that passes
    /// is its fault.
    fn is_silent(&self, now: Instant) -> bool {
        self.unanswered.is_some_and(|since| since + SILENCE <= now)
            && self.slots.loans().all(|loan| loan.end() + SILENCE <= now)
    }

    /// Whether a demand is tried although its work is predicted to take too long: a statement that once was held up would
    /// keep all like it out for as long as the prediction is believed.
    fn tries(&mut self, now: Instant) -> bool {
        let due = *self.next_trial.get_or_insert(now + TRIAL) <= now;
        if due {
            self.next_trial = Some(now + TRIAL);
        }
        due
    }

    /// A number in 0..1.
    fn dice(&mut self) -> f64 {
        self.random.random_range(0.0..1.0)
    }

    /// The configured reserve, as far as the pool is large enough for it.
    fn reserve(&self) -> usize {
        self.settings.reserve.min(self.settings.max.saturating_sub(1))
    }

    /// Most connections that a class and those below it may have busy, by rank.
    fn caps(&self) -> [usize; CLASSES] {
        let max = self.settings.max;
        [max, max - self.reserve() / 2, max - self.reserve()]
    }

    /// Further connections that a class and those below it may take now, by rank.
    fn room(&self) -> [usize; CLASSES] {
        let (caps, busy) = (self.caps(), self.slots.busy());
        let mut room = [usize::MAX; CLASSES];
        let mut least = usize::MAX;
        for rank in 1..CLASSES {
            least = least.min(caps[rank].saturating_sub(busy[rank..].iter().sum()));
            room[rank] = least;
        }
        room
    }

    /// Which classes may take a connection now, by rank.
    fn may_go(&self) -> [bool; CLASSES] {
        self.room().map(|room| room > 0)
    }
}
