//! What stands in the way of being ready.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The list of what stands in the way; empty when ready.
#[derive(Debug, Default)]
pub struct Readiness {
    blockers: Mutex<Blockers>,
}

#[derive(Debug, Default)]
struct Blockers {
    next: u64,
    by_number: BTreeMap<u64, String>,
    draining: bool,
}

impl Readiness {
    /// Not ready until the returned token is dropped. `name` says to operators what is waited for.
    pub fn block(self: &Arc<Self>, name: impl Into<String>) -> Blocker {
        let mut blockers = self.lock();
        blockers.next += 1;
        let number = blockers.next;
        blockers.by_number.insert(number, name.into());
        Blocker { readiness: self.clone(), number }
    }

    /// Not ready any more, for good: the gateway stops.
    pub fn drain(&self) {
        self.lock().draining = true;
    }

    /// What stands in the way, oldest first.
    pub fn blockers(&self) -> Vec<String> {
        let blockers = self.lock();
        let draining = blockers.draining.then(|| "draining".to_owned());
        draining.into_iter().chain(blockers.by_number.values().cloned()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Blockers> {
        self.blockers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something that stands in the way of being ready until it is dropped.
#[derive(Debug)]
#[must_use = "dropping it says that the way is free"]
pub struct Blocker {
    readiness: Arc<Readiness>,
    number: u64,
}

impl Drop for Blocker {
    fn drop(&mut self) {
        self.readiness.lock().by_number.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_when_the_last_blocker_is_gone_and_never_again_when_draining() {
        let readiness = Arc::new(Readiness::default());
        let first = readiness.block("collections");
        let second = readiness.block("collections");
        assert_eq!(readiness.blockers(), ["collections", "collections"]);
        drop(first);
        assert_eq!(readiness.blockers().len(), 1);
        drop(second);
        assert!(readiness.blockers().is_empty());
        readiness.drain();
        assert_eq!(readiness.blockers(), ["draining"]);
    }
}
