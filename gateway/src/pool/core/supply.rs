//! Who gets which connection, when the pool grows, and when it shrinks.
//!
//! A waiter gets, in this order: the connection that was idle for the shortest time; a new one, if the pool may grow and
//! the wait would be too long otherwise; the connection that is parked for the longest time; the next one that comes
//! back.

use std::time::{Duration, Instant};

use super::{
    Action, Core, Id, PATIENCE,
    slots::{Loan, State},
};
use crate::pool::{
    PoolError,
    fair::{CLASSES, Waiter, rank},
    snapshot::RefusalKind,
};

impl<T, W> Core<T, W> {
    /// Does everything that can be done now.
    pub(super) fn supply(&mut self, now: Instant) {
        if !self.closed {
            self.give_idle(now);
            self.fetch(now);
            self.fill(now);
            self.send_away(now);
        }
        self.just_answered = None;
    }

    /// Gives idle connections to waiters.
    fn give_idle(&mut self, now: Instant) {
        while let Some(id) = self.slots.freshest_idle() {
            if self.needs_check(id, now) {
                if self.incoming(now) >= self.wanted() {
                    return;
                }
                self.asks(now);
                if let Some(State::Idle(connection)) = self.slots.change(id, now, State::Preparing) {
                    self.actions.push(Action::Check { id, connection });
                }
                continue;
            }
            let Some(waiter) = self.queue.next(self.may_go()) else { return };
            if now >= waiter.deadline {
                self.refund(&waiter);
                self.refuse(waiter, PoolError::DeadlineExceeded);
                continue;
            }
            let left = waiter.deadline.saturating_duration_since(now);
            if left < waiter.predicted {
                self.refund(&waiter);
                let (wait, work) = (Duration::ZERO, waiter.predicted);
                self.refuse(waiter, PoolError::TooLate { left, wait, work });
                continue;
            }
            self.grant(waiter, id, now);
        }
    }

    fn grant(&mut self, waiter: Waiter<W>, id: Id, now: Instant) {
        let Waiter { class, tenant, predicted, since, probe, token, .. } = waiter;
        self.counters.waits[rank(class)].observe(now.saturating_duration_since(since));
        let loan = Loan { class, tenant, predicted, began: now, used: Duration::ZERO, probe };
        self.asks(now);
        if let Some(State::Idle(connection)) = self.slots.change(id, now, State::Lent(loan)) {
            self.actions.push(Action::Grant { to: token, id, connection });
        }
    }

    /// Opens connections, and takes parked ones, for those who would wait too long otherwise.
    fn fetch(&mut self, now: Instant) {
        while self.incoming(now) < self.wanted() {
            if self.can_open(now) {
                if !self.should_grow(now) {
                    return;
                }
                self.open(now);
            } else if let Some(id) = self.slots.longest_parked() {
                self.reclaim(id, now);
            } else {
                return;
            }
        }
    }

    /// Takes a parked connection from the one who parked it.
    fn reclaim(&mut self, id: Id, now: Instant) {
        if let Some(State::Parked { connection, loan, .. }) = self.slots.change(id, now, State::Preparing) {
            self.counters.reclaimed += 1;
            self.breaker.withdraw(loan.probe);
            self.queue.settle(loan.class, &loan.tenant, loan.predicted, loan.used);
            self.actions.push(Action::Reset { id, connection });
        }
    }

    /// Opens as many connections as are kept even when nobody wants them.
    fn fill(&mut self, now: Instant) {
        while self.slots.total() < self.settings.min && self.can_open(now) && self.breaker_is_closed(now) {
            self.open(now);
        }
    }

    fn open(&mut self, now: Instant) {
        let id = self.next_id;
        self.next_id += 1;
        self.asks(now);
        self.slots.insert(id, now);
        self.actions.push(Action::Open { id });
    }

    /// Sends waiters away when there is no connection and none can be opened for now: better an error than silence.
    pub(super) fn send_away(&mut self, now: Instant) {
        if self.slots.total() > 0 || self.queue.is_empty() {
            return;
        }
        if let Some(error) = self.backoff.error(now) {
            for waiter in self.queue.drain() {
                let dice = self.dice();
                self.breaker.failure(now, waiter.probe, dice);
                self.refuse(waiter, PoolError::Connect(error.clone()));
            }
        }
    }

    pub(super) fn can_open(&self, now: Instant) -> bool {
        let at_once = if self.backoff.is_failing() { 1 } else { self.settings.max_connecting.max(1) };
        self.slots.total() < self.settings.max
            && self.slots.opening() < at_once
            && self.backoff.until(now).is_none()
            && self.breaker.refusal(now).is_none()
    }

    /// Whether those who wait would wait for as long as the pool is told not to let them wait. While something is on its way
    /// only the work before them counts: a further connection would not come sooner.
    fn should_grow(&self, now: Instant) -> bool {
        (self.incoming(now) == 0 && self.slots.lent() == 0) || self.longest_wait(now) >= self.settings.wait_target
    }

    /// When the predictions that keep the pool from growing will have turned out wrong: everything that was expected back
    /// by now is overdue.
    fn growth_due(&self, now: Instant) -> Option<Instant> {
        let target = self.settings.wait_target;
        let ends = self.slots.loans().map(Loan::end).filter(|end| *end <= now + target);
        ends.max().map(|end| end + target)
    }

    /// How many waiters could use a further connection each.
    pub(super) fn wanted(&self) -> usize {
        let (room, waiting) = (self.room(), self.queue.lengths());
        // From the least class on: what it takes counts for those above it too.
        (0..CLASSES).rev().fold(0, |below, rank| (waiting[rank] + below).min(room[rank]))
    }

    /// Connections that should be of use very soon.
    pub(super) fn incoming(&self, now: Instant) -> usize {
        let soon = self
            .slots
            .iter()
            .filter(|(_, slot)| matches!(slot.state, State::Opening | State::Preparing) && slot.since + PATIENCE > now);
        soon.count()
    }

    fn needs_check(&self, id: Id, now: Instant) -> bool {
        let Some(slot) = self.slots.get(id) else { return false };
        self.just_answered != Some(id)
            && (slot.since + self.settings.check_after_idle <= now
                || self.suspect.is_some_and(|suspect| slot.since < suspect))
    }

    /// Closes what is idle and too old, or idle for too long and more than is to be kept.
    pub(super) fn shrink(&mut self, now: Instant) {
        let old: Vec<_> = self.slots.idle().filter(|(_, slot)| slot.retire_at <= now).map(|(id, _)| id).collect();
        for id in old {
            self.counters.retired += 1;
            self.close_idle(id);
        }
        while let Some(id) = self.slots.stalest_idle() {
            let idle_out = self.slots.get(id).is_some_and(|slot| slot.since + self.settings.idle_timeout <= now);
            let spare = self.slots.total() > self.settings.min && idle_out;
            if !spare && self.slots.total() <= self.settings.max {
                return;
            }
            self.counters.shrunk += 1;
            self.close_idle(id);
        }
    }

    pub(super) fn close_idle(&mut self, id: Id) {
        if let Some(State::Idle(connection)) = self.slots.remove(id) {
            self.actions.push(Action::Close(connection));
        }
    }

    /// When [`Core::tick`] has something to do, if nothing else happens until then.
    pub(in crate::pool) fn next_wake(&self, now: Instant) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let mut wake: Option<Instant> = None;
        let mut at = |time: Instant| wake = Some(wake.map_or(time, |wake| wake.min(time)));
        self.slots.idle().for_each(|(_, slot)| at(slot.retire_at));
        if self.slots.total() > self.settings.min
            && let Some(slot) = self.slots.stalest_idle().and_then(|id| self.slots.get(id))
        {
            at(slot.since + self.settings.idle_timeout);
        }
        let wanted = self.wanted();
        if (wanted > 0 || self.slots.total() < self.settings.min)
            && let Some(until) = self.backoff.until(now)
        {
            at(until);
        }
        if wanted > 0 {
            let incoming =
                self.slots.iter().filter(|(_, slot)| matches!(slot.state, State::Opening | State::Preparing));
            incoming.map(|(_, slot)| slot.since + PATIENCE).filter(|time| *time > now).for_each(&mut at);
            if self.incoming(now) == 0 && self.can_open(now) {
                self.growth_due(now).into_iter().for_each(&mut at);
            }
        }
        wake
    }

    /// Sends one waiter away that has just been taken from the queue.
    pub(super) fn refuse(&mut self, waiter: Waiter<W>, why: PoolError) {
        self.counters.refused[RefusalKind::of(&why) as usize] += 1;
        self.breaker.withdraw(waiter.probe);
        self.actions.push(Action::Refuse { to: waiter.token, why });
    }

    pub(super) fn refuse_all(&mut self, why: &PoolError) {
        for waiter in self.queue.drain() {
            self.refuse(waiter, why.clone());
        }
    }

    fn refund(&mut self, waiter: &Waiter<W>) {
        self.queue.refund(waiter.class, &waiter.tenant, waiter.predicted);
    }
}
