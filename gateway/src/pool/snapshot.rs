//! A pool as it stands, and what it has counted.

use std::time::Duration;

use super::{BreakerState, PoolError, fair::CLASSES};
use crate::telemetry::BOUNDS_NS;

/// Why somebody got no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The work could not have been done in time.
    TooLate,
    /// The queue of the class was full.
    QueueFull,
    /// The deadline passed in the queue.
    Deadline,
    /// The breaker was open.
    Breaker,
    /// No connection could be opened.
    Connect,
    /// The pool was closed.
    Closed,
}

impl RefusalKind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::TooLate, Self::QueueFull, Self::Deadline, Self::Breaker, Self::Connect, Self::Closed];

    /// The word in metrics and on the admin listener.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLate => "too-late",
            Self::QueueFull => "queue-full",
            Self::Deadline => "deadline",
            Self::Breaker => "breaker",
            Self::Connect => "connect",
            Self::Closed => "closed",
        }
    }

    pub(super) fn of(error: &PoolError) -> Self {
        match error {
            PoolError::TooLate { .. } => Self::TooLate,
            PoolError::QueueFull { .. } => Self::QueueFull,
            PoolError::DeadlineExceeded => Self::Deadline,
            PoolError::BreakerOpen { .. } => Self::Breaker,
            PoolError::Connect(_) => Self::Connect,
            PoolError::Closed => Self::Closed,
        }
    }
}

/// How long those waited who got a connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WaitHistogram {
    /// Number of waits up to each bound of the histograms of telemetry and above the one before; the last are beyond all.
    pub buckets: [u64; BOUNDS_NS.len() + 1],
    /// Sum of all waits.
    pub sum: Duration,
}

impl WaitHistogram {
    pub(super) fn observe(&mut self, wait: Duration) {
        let nanoseconds = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[BOUNDS_NS.partition_point(|bound| *bound < nanoseconds)] += 1;
        self.sum = self.sum.saturating_add(wait);
    }

    /// Number of waits.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// What a pool has counted since it was made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counters {
    /// Connections opened.
    pub grown: u64,
    /// Connections closed because they were idle, or more than a smaller maximum.
    pub shrunk: u64,
    /// Connections closed because of their age.
    pub retired: u64,
    /// Connections closed because they were of no more use.
    pub lost: u64,
    /// Attempts to connect that failed.
    pub connect_failures: u64,
    /// Statements ended on the server because nobody wanted them any more.
    pub cancelled: u64,
    /// Times that a connection was parked.
    pub parked: u64,
    /// Parked connections taken by somebody else.
    pub reclaimed: u64,
    /// Waiters that went away by themselves.
    pub left: u64,
    /// Demands refused, in the order of [`RefusalKind::ALL`].
    pub refused: [u64; RefusalKind::ALL.len()],
    /// Waits: interactive, normal, batch.
    pub waits: [WaitHistogram; CLASSES],
}

/// A pool as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Connections that are kept even when idle.
    pub min: usize,
    /// Most connections.
    pub max: usize,
    /// Connections that batch demands leave free.
    pub reserve: usize,
    /// Connections with a user.
    pub in_use: usize,
    /// Connections of use to anybody.
    pub idle: usize,
    /// Connections whose user waits for something else.
    pub parked: usize,
    /// Connections being opened.
    pub connecting: usize,
    /// Connections being checked or reset.
    pub preparing: usize,
    /// Connections that were left in the middle of something.
    pub in_doubt: usize,
    /// Demands that wait: interactive, normal, batch.
    pub waiting: [usize; CLASSES],
    /// What the breaker does.
    pub breaker: BreakerState,
    /// Why, while it is open.
    pub breaker_reason: Option<&'static str>,
    /// What was counted.
    pub counters: Counters,
}

impl Snapshot {
    /// All connections, those on their way included.
    pub fn total(&self) -> usize {
        self.in_use + self.idle + self.parked + self.connecting + self.preparing + self.in_doubt
    }
}
