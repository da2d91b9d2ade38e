//! The pools of a gateway by name, for operators and metrics.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Connector, Pool, ResizeError, Snapshot};

/// A pool, whatever it holds.
pub trait Watched: Send + Sync {
    /// The backend's name.
    fn name(&self) -> &Arc<str>;

    /// How it stands.
    fn snapshot(&self) -> Snapshot;

    /// Other bounds from now on.
    fn resize(&self, min: usize, max: usize) -> Result<(), ResizeError>;

    /// Sends everybody away and closes its connections, those in use when they come back.
    fn close(&self);
}

impl<C: Connector> Watched for Pool<C> {
    fn name(&self) -> &Arc<str> {
        self.name()
    }

    fn snapshot(&self) -> Snapshot {
        self.snapshot()
    }

    fn resize(&self, min: usize, max: usize) -> Result<(), ResizeError> {
        self.resize(min, max)
    }

    fn close(&self) {
        self.close();
    }
}

/// The pools of a gateway.
#[derive(Default)]
pub struct Registry {
    pools: Mutex<BTreeMap<Arc<str>, Arc<dyn Watched>>>,
}

impl Registry {
    /// Adds a pool; returns the one that had its name.
    pub fn insert(&self, pool: Arc<dyn Watched>) -> Option<Arc<dyn Watched>> {
        self.lock().insert(pool.name().clone(), pool)
    }

    /// Puts these pools in the place of all there were; returns those.
    pub fn replace(&self, pools: impl IntoIterator<Item = Arc<dyn Watched>>) -> Vec<Arc<dyn Watched>> {
        let pools = pools.into_iter().map(|pool| (pool.name().clone(), pool)).collect();
        std::mem::replace(&mut *self.lock(), pools).into_values().collect()
    }

    /// The pool with this name.
    pub fn get(&self, name: &str) -> Option<Arc<dyn Watched>> {
        self.lock().get(name).cloned()
    }

    /// All pools by name.
    pub fn all(&self) -> Vec<Arc<dyn Watched>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<dyn Watched>>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.lock().keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::tests::fake;

    #[test]
    fn a_pool_takes_the_place_of_another_one_with_its_name() {
        let (registry, pool) = (Registry::default(), || fake::pool(fake::settings(1)).0);
        assert!(registry.insert(pool()).is_none());
        let before = registry.insert(pool()).expect("it had the name");
        before.close();
        let now = registry.get("fake").expect("the new one");
        assert_eq!((now.resize(0, 2), now.snapshot().max, before.snapshot().max), (Ok(()), 2, 1));
        assert_eq!((registry.replace([]).len(), registry.all().len()), (1, 0));
        assert!(registry.get("fake").is_none());
    }
}
