//! Gathers the texts of many callers into few requests.
//!
//! A text waits until others share its request or its time is up, and for a place among the requests under way. It is
//! sent once however many ask for it. A request ends when the last of its callers has left.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    blame,
    exchange::Exchange,
    slot::{Outcome, Slot, Ticket},
};
use crate::backend::{BackendError, CallContext, ErrorKind};

/// Most texts that wait to be sent; further ones are refused.
const MAX_WAITING: usize = 10_000;

/// The texts of one embedder.
pub(super) struct Queue {
    pub(super) name: Arc<str>,
    pub(super) exchange: Exchange,
    pub(super) max_batch: usize,
    pub(super) batch_wait: Duration,
    pub(super) max_in_flight: usize,
    pub(super) state: Mutex<State>,
}

/// What waits and what is under way.
#[derive(Default)]
pub(super) struct State {
    /// Every text, waiting or sent, that has no outcome yet.
    slots: HashMap<Arc<str>, Arc<Slot>>,
    waiting: Vec<Arc<Slot>>,
    in_flight: usize,
    /// A task will look again when the oldest text has waited long enough.
    timer: bool,
}

impl State {
    /// Takes texts out that nobody waits for.
    fn forget_unwanted(&mut self) {
        let slots = &mut self.slots;
        self.waiting.retain(|slot| {
            let wanted = slot.is_wanted();
            if !wanted {
                slots.remove(&slot.text);
            }
            wanted
        });
    }

    fn forget(&mut self, slot: &Arc<Slot>) {
        // The text may have been asked for anew since.
        if self.slots.get(&slot.text).is_some_and(|known| Arc::ptr_eq(known, slot)) {
            self.slots.remove(&slot.text);
        }
    }

    /// The texts of the next request.
    fn take(&mut self, max: usize) -> Vec<Arc<Slot>> {
        if self.waiting.len() > max {
            self.waiting.sort_by_key(|slot| slot.turn());
        }
        let count = self.waiting.len().min(max);
        self.waiting.drain(..count).collect()
    }
}

impl Queue {
    /// The vector of each text, in order.
    pub(super) async fn embed(
        self: &Arc<Self>,
        ctx: &CallContext,
        texts: &[Arc<str>],
    ) -> Result<Vec<Outcome>, BackendError> {
        ctx.check(&self.name)?;
        let tickets = self.join(ctx, texts)?;
        let mut outcomes = Vec::with_capacity(texts.len());
        let deadline = tokio::time::sleep_until(ctx.deadline.into());
        tokio::pin!(deadline);
        for mut ticket in tickets {
            let outcome = tokio::select! {
                outcome = ticket.wait_for(Option::is_some) => outcome.ok().and_then(|outcome| outcome.clone()),
                () = &mut deadline => return Err(self.error(ErrorKind::DeadlineExceeded, "the deadline passed")),
                () = ctx.cancelled.cancelled() => {
                    return Err(self.error(ErrorKind::Cancelled, "nobody waits for the answer any more"));
                }
            };
            // Without an outcome the request's task ended before its time, which only a defect or the end of the
            // process can bring about.
            let lost = || Err(self.error(ErrorKind::Failed, "the request was lost"));
            outcomes.push(outcome.unwrap_or_else(lost));
        }
        Ok(outcomes)
    }

    fn error(&self, kind: ErrorKind, detail: &str) -> BackendError {
        BackendError::new(&self.name, kind, detail)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts texts into the queue, those that are not on their way already.
    fn join(self: &Arc<Self>, ctx: &CallContext, texts: &[Arc<str>]) -> Result<Vec<Ticket>, BackendError> {
        let mut tickets = Vec::with_capacity(texts.len());
        let mut state = self.lock();
        for text in texts {
            if let Some(slot) = state.slots.get(text) {
                tickets.push(slot.join(ctx));
                continue;
            }
            if state.waiting.len() >= MAX_WAITING {
                return Err(self.error(ErrorKind::Refused, "too many texts wait for the server"));
            }
            let (slot, ticket) = Slot::new(text.clone(), ctx);
            state.slots.insert(text.clone(), slot.clone());
            state.waiting.push(slot);
            tickets.push(ticket);
        }
        drop(state);
        self.pump();
        Ok(tickets)
    }

    /// Sends what can be sent.
    fn pump(self: &Arc<Self>) {
        let mut state = self.lock();
        while state.in_flight < self.max_in_flight {
            state.forget_unwanted();
            let Some(oldest) = state.waiting.iter().map(|slot| slot.since).min() else { return };
            let due = oldest + self.batch_wait;
            if state.waiting.len() < self.max_batch && Instant::now() < due {
                if !std::mem::replace(&mut state.timer, true) {
                    tokio::spawn(self.clone().look_again(due));
                }
                return;
            }
            let slots = state.take(self.max_batch);
            state.in_flight += 1;
            tokio::spawn(Batch { queue: self.clone(), slots }.run());
        }
    }

    /// How many wait, for any text.
    #[cfg(test)]
    pub(super) fn callers(&self) -> usize {
        self.lock().slots.values().map(|slot| slot.callers()).sum()
    }

    async fn look_again(self: Arc<Self>, due: Instant) {
        tokio::time::sleep_until(due.into()).await;
        self.lock().timer = false;
        self.pump();
    }
}

/// The texts of one request.
struct Batch {
    queue: Arc<Queue>,
    slots: Vec<Arc<Slot>>,
}

impl Batch {
    async fn run(self) {
        let queue = self.queue.clone();
        tokio::select! {
            () = self.send() => {}
            () = self.abandoned() => {}
        }
        drop(self);
        queue.pump();
    }

    async fn send(&self) {
        let texts: Vec<Arc<str>> = self.slots.iter().map(|slot| slot.text.clone()).collect();
        let until = || self.slots.iter().filter(|slot| slot.is_wanted()).map(|slot| slot.deadline()).max();
        let name = &self.queue.name;
        blame::answer(&self.queue.exchange, &texts, &until, |part, outcome| {
            let slots = &self.slots[part];
            match outcome {
                Ok(vectors) => slots.iter().zip(vectors).for_each(|(slot, vector)| self.deliver(slot, Ok(vector))),
                Err(fault) => {
                    tracing::debug!(embedder = %name, texts = slots.len(), %fault, "an embedding request failed");
                    let error = fault.seen_by_callers(name);
                    slots.iter().for_each(|slot| self.deliver(slot, Err(error.clone())));
                }
            }
        })
        .await;
    }

    fn deliver(&self, slot: &Arc<Slot>, outcome: Outcome) {
        self.queue.lock().forget(slot);
        slot.deliver(outcome);
    }

    /// Ends when all callers of all texts have left; nobody can join from then on.
    async fn abandoned(&self) {
        loop {
            for slot in &self.slots {
                slot.unwanted().await;
            }
            let mut state = self.queue.lock();
            if !self.slots.iter().any(|slot| slot.is_wanted()) {
                self.slots.iter().for_each(|slot| state.forget(slot));
                return;
            }
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        self.slots.iter().for_each(|slot| state.forget(slot));
        state.in_flight -= 1;
    }
}
