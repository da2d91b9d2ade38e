//! The last runs, in memory.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Observation, duels::Told};

/// Runs kept. A run takes some kilobytes: what was planned.
pub(super) const RUNS: usize = 2_000;

/// Duels whose other run is still under way; a duel that fails leaves its first one here.
const PENDING: usize = 256;

#[derive(Default)]
pub(super) struct Recent(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    runs: VecDeque<Arc<Observation>>,
    pending: HashMap<Arc<str>, Arc<Observation>>,
}

impl Recent {
    pub(super) fn push(&self, observation: Arc<Observation>) {
        let mut inner = self.lock();
        if inner.runs.len() == RUNS {
            inner.runs.pop_front();
        }
        inner.runs.push_back(observation);
    }

    /// What a duel told, if this is the second of its runs.
    pub(super) fn rival(&self, observation: &Arc<Observation>) -> Option<Told> {
        let group = observation.group.as_ref()?;
        let mut inner = self.lock();
        let Some(other) = inner.pending.remove(group) else {
            if inner.pending.len() == PENDING {
                inner.pending.clear();
            }
            inner.pending.insert(group.clone(), observation.clone());
            return None;
        };
        let was_chosen = |run: &Observation| run.ran == run.planned.chosen;
        match (was_chosen(&other), was_chosen(observation)) {
            (true, false) => Some(Told::of(&other, observation)),
            (false, true) => Some(Told::of(observation, &other)),
            _ => None,
        }
    }

    pub(super) fn all(&self) -> Vec<Arc<Observation>> {
        self.lock().runs.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
