//! What really happened: operators, rows, calls, times.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use super::Surprise;
use crate::{backend::Access, planner::Planned, request::LegCalls};

/// One operator's run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperatorRun {
    /// The operator's name.
    pub operator: &'static str,
    /// In which order it applied rank and filter, if it did.
    pub access: Option<Access>,
    /// Items that came in; 0 for a leg.
    pub rows_in: u64,
    /// Items that came out.
    pub rows_out: u64,
    /// Rows or edges that the store looked at.
    pub examined: u64,
    /// Calls to a backend.
    pub calls: u32,
    /// Time until it was done.
    pub spent: Duration,
    /// Time in its own calls, without those of what it takes its candidates from.
    pub own: Duration,
}

/// A record of one execution.
#[derive(Debug, Default)]
pub struct Trace {
    runs: Mutex<Vec<OperatorRun>>,
    vector: AtomicU32,
    graph: AtomicU32,
    embed: AtomicU32,
    ranked: OnceLock<Duration>,
    replanned: OnceLock<(Surprise, Arc<Planned>)>,
}

impl Trace {
    /// Records a finished operator.
    pub fn record(&self, run: OperatorRun) {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).push(run);
    }

    /// Counts a call to the vector store.
    pub fn vector_call(&self) {
        self.vector.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call to the graph store.
    pub fn graph_call(&self) {
        self.graph.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call to the embedder.
    pub fn embed_call(&self) {
        self.embed.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes what the ranked part took.
    pub fn ranked_in(&self, spent: Duration) {
        let _ = self.ranked.set(spent);
    }

    /// What the ranked part took; `None` while it runs.
    pub fn ranked(&self) -> Option<Duration> {
        self.ranked.get().copied()
    }

    /// Notes that the run went on with another plan.
    pub fn replan(&self, why: Surprise, planned: Arc<Planned>) {
        let _ = self.replanned.set((why, planned));
    }

    /// The plan that the run went on with in the middle, and why.
    pub fn replanned(&self) -> Option<&(Surprise, Arc<Planned>)> {
        self.replanned.get()
    }

    /// Operators in the order in which they finished.
    pub fn runs(&self) -> Vec<OperatorRun> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Calls so far.
    pub fn calls(&self) -> LegCalls {
        LegCalls {
            vector: self.vector.load(Ordering::Relaxed),
            graph: self.graph.load(Ordering::Relaxed),
            embed: self.embed.load(Ordering::Relaxed),
        }
    }
}
