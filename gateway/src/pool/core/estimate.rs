//! How long a demand would wait, as far as can be told.

use std::time::{Duration, Instant};

use super::{Core, NEWEST};
use crate::{
    pool::{
        Demand,
        fair::{BY_RANK, rank},
    },
    query::Priority,
};

impl<T, W> Core<T, W> {
    /// How long this demand for so much work would wait if it joined now: until the next connection becomes free, and then for the work
    /// that goes before it, shared by the connections; or for a new connection where one may still be opened.
    pub(super) fn predicted_wait(&self, now: Instant, demand: &Demand, work: Duration) -> Duration {
        let may_go = self.may_go()[rank(demand.class)];
        if may_go && self.slots.idle_count() > self.wanted() {
            return Duration::ZERO;
        }
        let cap = self.caps()[rank(demand.class)].max(1);
        let before = self.queue.work_before(demand.class, &demand.tenant, work);
        let there = self.there().min(cap);
        let by_release = (there > 0).then(|| self.next_release(now, demand.class) + share(before, there));
        let may_grow = may_go && (self.slots.opening() > 0 || self.slots.total() < self.settings.max);
        let by_growth = may_grow.then(|| self.connect_time.unwrap_or_default() + share(before, cap));
        by_release.into_iter().chain(by_growth).min().unwrap_or_default()
    }

    /// How long whoever comes now is likely to wait, whatever he brings along.
    pub(in crate::pool) fn expected_wait(&self, now: Instant) -> Duration {
        if self.slots.idle_count() > self.wanted() {
            return Duration::ZERO;
        }
        let waiting = self.longest_wait(now);
        let may_grow = self.slots.total() < self.settings.max;
        if may_grow { waiting.min(self.connect_time.unwrap_or_default()) } else { waiting }
    }

    /// How long those who wait now are likely to wait, the last of them.
    pub(super) fn longest_wait(&self, now: Instant) -> Duration {
        let waiting: usize = self.queue.lengths().iter().sum();
        let connections = (self.there() + self.slots.opening()).max(1);
        // The last one's own work keeps nobody waiting.
        let before = self.queue.work().mul_f64(1.0 - 1.0 / waiting.max(1) as f64);
        let next = if self.incoming(now) > 0 { Duration::ZERO } else { self.next_return(now, BY_RANK[0]) };
        next + share(before, connections)
    }

    /// Connections that are open.
    pub(super) fn there(&self) -> usize {
        self.slots.total() - self.slots.opening()
    }

    /// When the next connection should be free for this class.
    fn next_release(&self, now: Instant, class: Priority) -> Duration {
        let at_once = self.slots.parked_count() + self.slots.preparing() + self.slots.idle_count() > 0;
        if at_once && self.may_go()[rank(class)] { Duration::ZERO } else { self.next_return(now, class) }
    }

    /// When the next connection that is in use should come back, among those that make room for this class.
    fn next_return(&self, now: Instant, class: Priority) -> Duration {
        let counted = if self.may_go()[rank(class)] { 0 } else { rank(class) };
        let loans = self.slots.loans().filter(|loan| rank(loan.class) >= counted);
        loans.map(|loan| loan.left(now)).min().unwrap_or_default()
    }

    pub(super) fn learn_connect_time(&mut self, took: Duration) {
        let before = self.connect_time.unwrap_or(took);
        self.connect_time = Some(before.mul_f64(1.0 - NEWEST) + took.mul_f64(NEWEST));
    }
}

fn share(work: Duration, connections: usize) -> Duration {
    work / u32::try_from(connections).unwrap_or(u32::MAX).max(1)
}
