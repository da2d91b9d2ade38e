//! What can happen to a pool.

use std::time::{Duration, Instant};

use super::{
    Action, Core, Id, Return,
    slots::{Loan, State},
};
use crate::{
    backend::BackendError,
    pool::{
        BreakerState, Demand, PoolError, ResizeError,
        breaker::Probe,
        fair::{Waiter, rank},
        snapshot::RefusalKind,
    },
};

/// A connection is replaced at its configured age less up to this fraction, so that those opened together do not close
/// together.
const LIFETIME_JITTER: f64 = 0.1;

impl<T, W> Core<T, W> {
    /// Somebody wants a connection; returns the number of the place in the queue. The answer is an action, at once or later.
    pub(in crate::pool) fn join(&mut self, now: Instant, demand: &Demand, token: W) -> Result<u64, PoolError> {
        let (probe, predicted) = self.admit(now, demand).inspect_err(|error| {
            self.counters.refused[RefusalKind::of(error) as usize] += 1;
        })?;
        let number = self.queue.join(Waiter {
            class: demand.class,
            tenant: demand.tenant.clone(),
            predicted,
            deadline: demand.deadline,
            since: now,
            probe,
            token,
        });
        self.supply(now);
        Ok(number)
    }

    /// Refuses at once what could not be served in time. Returns how long the work is taken to be.
    fn admit(&mut self, now: Instant, demand: &Demand) -> Result<(Probe, Duration), PoolError> {
        if self.closed {
            return Err(PoolError::Closed);
        }
        if let Some(refusal) = self.breaker.refusal(now) {
            return Err(PoolError::BreakerOpen { reason: refusal.reason, retry_after: refusal.retry_after });
        }
        if self.slots.total() == 0
            && let Some(error) = self.backoff.error(now)
        {
            // Few attempts are made while they fail, so it is the calls that have to tell the breaker.
            self.failure(now, None);
            return Err(PoolError::Connect(error));
        }
        let Some(left) = demand.deadline.checked_duration_since(now).filter(|left| !left.is_zero()) else {
            return Err(PoolError::DeadlineExceeded);
        };
        // What is longer than all the time that is left need not be added up to be too late.
        let wait = self.predicted_wait(now, demand, demand.predicted.min(left));
        let waiting = self.queue.lengths()[rank(demand.class)];
        if waiting >= self.settings.max_waiting {
            return Err(PoolError::QueueFull { waiting, wait });
        }
        let mut work = demand.predicted;
        if left < wait.saturating_add(work) {
            if left >= work || !self.tries(now) {
                return Err(PoolError::TooLate { left, wait, work });
            }
            work = left / 2;
        }
        match self.breaker.admit(now) {
            Ok(probe) => Ok((probe, work)),
            Err(refusal) => Err(PoolError::BreakerOpen { reason: refusal.reason, retry_after: refusal.retry_after }),
        }
    }

    /// A waiter goes away. Nothing if it is no longer in the queue.
    pub(in crate::pool) fn leave(&mut self, now: Instant, number: u64) {
        if let Some(waiter) = self.queue.leave(number) {
            self.counters.left += 1;
            self.breaker.withdraw(waiter.probe);
            self.supply(now);
        }
    }

    /// A waiter's deadline has passed. Nothing if it is no longer in the queue.
    pub(in crate::pool) fn expire(&mut self, now: Instant, number: u64) {
        if let Some(waiter) = self.queue.leave(number) {
            self.counters.refused[RefusalKind::Deadline as usize] += 1;
            if self.is_silent(now) {
                self.failure(now, waiter.probe);
            } else {
                self.breaker.withdraw(waiter.probe);
            }
            self.supply(now);
        }
    }

    /// A connection was opened.
    pub(in crate::pool) fn opened(&mut self, now: Instant, id: Id, connection: T) {
        let Some(slot) = self.slots.get(id) else { return self.actions.push(Action::Close(connection)) };
        let took = now.saturating_duration_since(slot.since);
        self.unanswered = None;
        self.learn_connect_time(took);
        self.backoff.succeeded();
        self.counters.grown += 1;
        let lifetime = self.settings.max_lifetime.mul_f64(1.0 - LIFETIME_JITTER * self.dice());
        if let Some(slot) = self.slots.get_mut(id) {
            slot.retire_at = now + lifetime;
        }
        self.free(now, id, connection);
        self.supply(now);
    }

    /// A connection could not be opened.
    pub(in crate::pool) fn connect_failed(&mut self, now: Instant, id: Id, error: BackendError) {
        self.slots.remove(id);
        self.counters.connect_failures += 1;
        let dice = self.dice();
        self.backoff.failed(now, error, dice);
        // Those who wait for it hear what went wrong, before an open breaker tells others that something did.
        if !self.closed {
            self.send_away(now);
        }
        let dice = self.dice();
        self.breaker.connect_failure(now, dice);
        self.obey_breaker(now);
        self.supply(now);
    }

    /// A connection that was checked, reset or brought to its senses is of use again.
    pub(in crate::pool) fn prepared(&mut self, now: Instant, id: Id, connection: T) {
        self.unanswered = None;
        self.free(now, id, connection);
        self.supply(now);
    }

    /// A connection did not answer its check or its reset, or stayed in doubt; it is closed. Its neighbours have to be checked.
    pub(in crate::pool) fn unusable(&mut self, now: Instant, id: Id) {
        self.slots.remove(id);
        self.counters.lost += 1;
        self.suspect = Some(now);
        self.supply(now);
    }

    /// A connection comes back from its user.
    pub(in crate::pool) fn returned(&mut self, now: Instant, id: Id, connection: T, how: Return) {
        if let Some(loan) = self.loan(id) {
            match how {
                Return::Done => {
                    self.unanswered = None;
                    let took = self.settle(now, &loan);
                    let dice = self.dice();
                    self.breaker.success(now, took, loan.probe, dice);
                    self.obey_breaker(now);
                }
                Return::Unused => {
                    self.queue.refund(loan.class, &loan.tenant, loan.predicted);
                    self.breaker.withdraw(loan.probe);
                }
            }
        }
        self.free(now, id, connection);
        self.supply(now);
    }

    /// A connection turned out to be of no use to its user, who closed it. That is the backend's fault.
    pub(in crate::pool) fn broken(&mut self, now: Instant, id: Id) {
        let loan = self.loan(id);
        self.slots.remove(id);
        self.counters.lost += 1;
        if let Some(loan) = loan {
            self.settle(now, &loan);
            self.suspect = Some(now);
            self.failure(now, loan.probe);
        }
        self.supply(now);
    }

    /// A user left a connection that may still be busy: because the backend failed, or for its own reasons, of which a
    /// backend that says nothing is one.
    pub(in crate::pool) fn doubted(&mut self, now: Instant, id: Id, backend_failed: bool) {
        let Some(loan) = self.loan(id) else { return };
        let failed = backend_failed || self.is_silent(now);
        self.settle(now, &loan);
        self.slots.change(id, now, State::Doubt(loan.class));
        if failed {
            self.failure(now, loan.probe);
        } else {
            self.breaker.withdraw(loan.probe);
        }
        self.supply(now);
    }

    /// A statement was ended on the server because nobody wanted it any more.
    pub(in crate::pool) fn cancelled(&mut self) {
        self.counters.cancelled += 1;
    }

    /// A user waits for something else; others may take its connection. Returns a ticket for [`Core::resume`].
    pub(in crate::pool) fn park(&mut self, now: Instant, id: Id, connection: T) -> u64 {
        let ticket = self.next_id;
        self.next_id += 1;
        self.unanswered = None;
        match self.loan(id) {
            Some(mut loan) if !self.closed && self.slots.total() <= self.settings.max => {
                loan.used = loan.used_until(now);
                self.slots.change(id, now, State::Parked { connection, loan, ticket });
                self.counters.parked += 1;
            }
            loan => {
                if let Some(loan) = loan {
                    self.settle(now, &loan);
                    self.breaker.withdraw(loan.probe);
                }
                self.slots.remove(id);
                self.actions.push(Action::Close(connection));
            }
        }
        self.supply(now);
        ticket
    }

    /// The user is back; `None` if somebody else has taken the connection.
    pub(in crate::pool) fn resume(&mut self, now: Instant, id: Id, ticket: u64) -> Option<T> {
        let loan = self.parked(id, ticket)?;
        self.asks(now);
        match self.slots.change(id, now, State::Lent(Loan { began: now, ..loan })) {
            Some(State::Parked { connection, .. }) => Some(connection),
            _ => None,
        }
    }

    /// The user does not come back.
    pub(in crate::pool) fn unpark(&mut self, now: Instant, id: Id, ticket: u64) {
        let Some(loan) = self.parked(id, ticket) else { return };
        if let Some(State::Parked { connection, .. }) = self.slots.change(id, now, State::Preparing) {
            self.queue.settle(loan.class, &loan.tenant, loan.predicted, loan.used);
            let dice = self.dice();
            self.breaker.success(now, loan.used, loan.probe, dice);
            self.actions.push(Action::Reset { id, connection });
            self.obey_breaker(now);
        }
        self.supply(now);
    }

    /// Time has passed.
    pub(in crate::pool) fn tick(&mut self, now: Instant) {
        if !self.closed {
            self.shrink(now);
            self.supply(now);
        }
    }

    /// Other bounds from now on.
    pub(in crate::pool) fn resize(&mut self, now: Instant, min: usize, max: usize) -> Result<(), ResizeError> {
        if max == 0 {
            return Err(ResizeError::MaxIsZero);
        }
        if min > max {
            return Err(ResizeError::MinAboveMax { min, max });
        }
        (self.settings.min, self.settings.max) = (min, max);
        self.tick(now);
        Ok(())
    }

    /// Sends everybody away and closes what is not in use; the rest is closed when it comes back.
    pub(in crate::pool) fn close(&mut self) {
        self.closed = true;
        self.refuse_all(&PoolError::Closed);
        while let Some(id) = self.slots.stalest_idle() {
            self.close_idle(id);
        }
        while let Some(id) = self.slots.longest_parked() {
            if let Some(State::Parked { connection, .. }) = self.slots.remove(id) {
                self.actions.push(Action::Close(connection));
            }
        }
    }

    /// Makes a connection idle, unless it is too old, too many, or the pool is closed.
    fn free(&mut self, now: Instant, id: Id, connection: T) {
        let Some(slot) = self.slots.get(id) else { return self.actions.push(Action::Close(connection)) };
        let old = slot.retire_at <= now;
        if old || self.closed || self.slots.total() > self.settings.max {
            self.counters.retired += u64::from(old);
            self.slots.remove(id);
            self.actions.push(Action::Close(connection));
        } else {
            self.slots.change(id, now, State::Idle(connection));
            self.just_answered = Some(id);
        }
    }

    fn loan(&self, id: Id) -> Option<Loan> {
        match &self.slots.get(id)?.state {
            State::Lent(loan) => Some(loan.clone()),
            _ => None,
        }
    }

    fn parked(&self, id: Id, asked: u64) -> Option<Loan> {
        match &self.slots.get(id)?.state {
            State::Parked { loan, ticket, .. } if *ticket == asked => Some(loan.clone()),
            _ => None,
        }
    }

    /// Corrects the charge of a loan that ends; returns how long the connection was in use.
    fn settle(&mut self, now: Instant, loan: &Loan) -> Duration {
        let took = loan.used_until(now);
        self.queue.settle(loan.class, &loan.tenant, loan.predicted, took);
        took
    }

    fn failure(&mut self, now: Instant, probe: Probe) {
        let dice = self.dice();
        self.breaker.failure(now, probe, dice);
        self.obey_breaker(now);
    }

    /// Whoever waits for a backend that is not asked any more is told so.
    fn obey_breaker(&mut self, now: Instant) {
        if let Some(refusal) = self.breaker.refusal(now) {
            self.refuse_all(&PoolError::BreakerOpen { reason: refusal.reason, retry_after: refusal.retry_after });
        }
    }

    pub(super) fn breaker_is_closed(&self, now: Instant) -> bool {
        self.breaker.state(now) == BreakerState::Closed
    }
}
