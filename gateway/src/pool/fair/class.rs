//! The waiters of one class, a flow a tenant.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use super::{Tags, Tenant, Waiter, nanoseconds};

/// Most tenants whose past is remembered; beyond it those who want nothing now are forgotten.
const MOST_TENANTS: usize = 4_096;

#[derive(Debug)]
pub(super) struct ClassQueue<W> {
    /// By number: in the order of arrival.
    waiters: BTreeMap<u64, Waiter<W>>,
    flows: HashMap<Tenant, Flow>,
    /// Start, number of the oldest waiter and tenant of every flow in which somebody waits.
    order: BTreeSet<(u64, u64, Tenant)>,
    virtual_time: u64,
    work: Duration,
}

#[derive(Debug, Default)]
struct Flow {
    tags: Tags,
    /// Numbers in the order of arrival.
    waiting: BTreeSet<u64>,
    work: Duration,
    /// Calls that were next and have not ended.
    running: usize,
}

impl<W> Default for ClassQueue<W> {
    fn default() -> Self {
        Self {
            waiters: BTreeMap::new(),
            flows: HashMap::new(),
            order: BTreeSet::new(),
            virtual_time: 0,
            work: Duration::ZERO,
        }
    }
}

impl<W> ClassQueue<W> {
    pub(super) fn len(&self) -> usize {
        self.waiters.len()
    }

    pub(super) fn work(&self) -> Duration {
        self.work
    }

    pub(super) fn oldest_number(&self) -> Option<u64> {
        self.waiters.keys().next().copied()
    }

    pub(super) fn join(&mut self, number: u64, waiter: Waiter<W>) {
        if self.flows.len() >= MOST_TENANTS && !self.flows.contains_key(&waiter.tenant) {
            self.flows.retain(|_, flow| flow.running > 0 || !flow.waiting.is_empty());
        }
        let (now, predicted) = (self.virtual_time, waiter.predicted);
        self.work += predicted;
        self.change(&waiter.tenant, |flow| {
            if flow.waiting.is_empty() {
                flow.tags.floor = now;
            }
            flow.waiting.insert(number);
            flow.work += predicted;
        });
        self.waiters.insert(number, waiter);
    }

    /// Takes somebody out without a charge.
    pub(super) fn remove(&mut self, number: u64) -> Option<Waiter<W>> {
        let waiter = self.waiters.remove(&number)?;
        self.work = self.work.saturating_sub(waiter.predicted);
        self.change(&waiter.tenant, |flow| {
            flow.waiting.remove(&number);
            flow.work = flow.work.saturating_sub(waiter.predicted);
        });
        self.forget(&waiter.tenant);
        Some(waiter)
    }

    /// Takes out who is next, or who has waited longest, and charges its tenant.
    pub(super) fn next(&mut self, oldest: bool) -> Option<Waiter<W>> {
        let number = if oldest { self.oldest_number()? } else { self.order.first()?.1 };
        let waiter = self.waiters.remove(&number)?;
        self.work = self.work.saturating_sub(waiter.predicted);
        let mut start = 0;
        self.change(&waiter.tenant, |flow| {
            flow.waiting.remove(&number);
            flow.work = flow.work.saturating_sub(waiter.predicted);
            flow.running += 1;
            start = flow.tags.charge(nanoseconds(waiter.predicted));
        });
        if !oldest {
            self.virtual_time = self.virtual_time.max(start);
        }
        Some(waiter)
    }

    pub(super) fn settle(&mut self, tenant: &Tenant, predicted: Duration, measured: Duration) {
        self.end(tenant, nanoseconds(predicted), nanoseconds(measured));
    }

    pub(super) fn refund(&mut self, tenant: &Tenant, predicted: Duration) {
        self.end(tenant, nanoseconds(predicted), 0);
    }

    fn end(&mut self, tenant: &Tenant, charged: u64, measured: u64) {
        if self.flows.contains_key(tenant) {
            self.change(tenant, |flow| {
                flow.running = flow.running.saturating_sub(1);
                flow.tags.correct(charged, measured);
            });
            self.forget(tenant);
        }
    }

    pub(super) fn work_before(&self, tenant: &Tenant, predicted: Duration) -> Duration {
        let own = self.flows.get(tenant).map_or(Duration::ZERO, |flow| flow.work);
        let others = self.order.iter().filter(|(_, _, other)| other != tenant);
        own + others.map(|(_, _, other)| self.flows[other].work.min(own + predicted)).sum::<Duration>()
    }

    pub(super) fn drain(&mut self) -> Vec<Waiter<W>> {
        self.order.clear();
        self.work = Duration::ZERO;
        for flow in self.flows.values_mut() {
            flow.waiting.clear();
            flow.work = Duration::ZERO;
        }
        std::mem::take(&mut self.waiters).into_values().collect()
    }

    /// Changes a flow and moves it to its place in the order.
    fn change(&mut self, tenant: &Tenant, change: impl FnOnce(&mut Flow)) {
        let flow = self.flows.entry(tenant.clone()).or_default();
        if let Some(first) = flow.waiting.first() {
            self.order.remove(&(flow.tags.start(), *first, tenant.clone()));
        }
        change(flow);
        if let Some(first) = flow.waiting.first() {
            self.order.insert((flow.tags.start(), *first, tenant.clone()));
        }
    }

    /// Drops a flow without calls whose past lies behind the virtual time, and all of them at the end of a busy time.
    fn forget(&mut self, tenant: &Tenant) {
        let past = |flow: &Flow| flow.waiting.is_empty() && flow.running == 0;
        if self.flows.get(tenant).is_some_and(|flow| past(flow) && flow.tags.finish <= self.virtual_time) {
            self.flows.remove(tenant);
        } else if self.flows.len() < 64 && self.flows.values().all(past) {
            self.flows.clear();
        }
    }
}
