//! A text on its way to the server, and those who wait for its vector.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::vectors::Vector;
use crate::{
    backend::{BackendError, CallContext},
    query::Priority,
};

/// What becomes of a text.
pub(super) type Outcome = Result<Vector, BackendError>;

/// Where a caller waits. Dropping it means that the caller left.
pub(super) type Ticket = watch::Receiver<Option<Outcome>>;

/// A text, sent once for all who ask for it at the same time.
pub(super) struct Slot {
    pub(super) text: Arc<str>,
    /// When the first caller came.
    pub(super) since: Instant,
    demand: Mutex<Demand>,
    outcome: watch::Sender<Option<Outcome>>,
}

/// The most that any of its callers asks for.
#[derive(Clone, Copy)]
struct Demand {
    priority: Priority,
    deadline: Instant,
}

impl Slot {
    pub(super) fn new(text: Arc<str>, ctx: &CallContext) -> (Arc<Self>, Ticket) {
        let (outcome, ticket) = watch::channel(None);
        let demand = Mutex::new(Demand { priority: ctx.priority.now(), deadline: ctx.deadline });
        (Arc::new(Self { text, since: Instant::now(), demand, outcome }), ticket)
    }

    /// Another caller for the same text.
    pub(super) fn join(&self, ctx: &CallContext) -> Ticket {
        let mut demand = self.demand.lock().unwrap_or_else(PoisonError::into_inner);
        demand.priority = demand.priority.max(ctx.priority.now());
        demand.deadline = demand.deadline.max(ctx.deadline);
        self.outcome.subscribe()
    }

    /// Whether somebody waits.
    pub(super) fn is_wanted(&self) -> bool {
        self.callers() > 0
    }

    /// How many wait.
    pub(super) fn callers(&self) -> usize {
        self.outcome.receiver_count()
    }

    /// Ends when nobody waits any more, though somebody may join after that.
    pub(super) async fn unwanted(&self) {
        self.outcome.closed().await;
    }

    /// The longest of the callers' deadlines.
    pub(super) fn deadline(&self) -> Instant {
        self.demand.lock().unwrap_or_else(PoisonError::into_inner).deadline
    }

    /// Whose turn comes first when not all texts can be sent. A lower class waits as if it had come later, by a fixed
    /// time, so that it is passed for so long and no longer.
    pub(super) fn turn(&self) -> Instant {
        let priority = self.demand.lock().unwrap_or_else(PoisonError::into_inner).priority;
        self.since
            + match priority {
                Priority::Interactive => Duration::ZERO,
                Priority::Normal => Duration::from_millis(100),
                Priority::Batch => Duration::from_secs(1),
            }
    }

    /// Tells all who wait.
    pub(super) fn deliver(&self, outcome: Outcome) {
        self.outcome.send_replace(Some(outcome));
    }
}
