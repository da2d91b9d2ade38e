//! Sets of visited rows that are emptied in no time and used again.

use std::sync::{Mutex, PoisonError};

/// Most sets kept for later.
const MAX_KEPT: usize = 16;

/// Sets for walks over rows below one number.
#[derive(Debug)]
pub(super) struct VisitPool {
    rows: u32,
    kept: Mutex<Vec<Marks>>,
}

#[derive(Debug)]
struct Marks {
    /// A row is in the set when its mark is the epoch.
    marks: Vec<u32>,
    epoch: u32,
}

/// A set of rows; goes back to its pool when dropped.
#[derive(Debug)]
pub(super) struct Visits<'a> {
    pool: &'a VisitPool,
    set: Marks,
}

impl VisitPool {
    /// A pool of sets of rows below `rows`.
    pub(super) fn new(rows: u32) -> Self {
        Self { rows, kept: Mutex::new(Vec::new()) }
    }

    /// An empty set.
    pub(super) fn take(&self) -> Visits<'_> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let set = kept.unwrap_or_else(|| Marks { marks: vec![0; self.rows as usize], epoch: 0 });
        let mut visits = Visits { pool: self, set };
        visits.clear();
        visits
    }
}

impl Visits<'_> {
    /// Empties the set.
    pub(super) fn clear(&mut self) {
        self.set.epoch = self.set.epoch.checked_add(1).unwrap_or_else(|| {
            self.set.marks.fill(0);
            1
        });
    }

    /// Adds a row; whether it was not in the set.
    pub(super) fn insert(&mut self, row: u32) -> bool {
        std::mem::replace(&mut self.set.marks[row as usize], self.set.epoch) != self.set.epoch
    }

    /// Removes a row; whether it was in the set.
    pub(super) fn remove(&mut self, row: u32) -> bool {
        std::mem::replace(&mut self.set.marks[row as usize], 0) == self.set.epoch
    }

    /// Whether a row is in the set.
    pub(super) fn contains(&self, row: u32) -> bool {
        self.set.marks[row as usize] == self.set.epoch
    }
}

impl Drop for Visits<'_> {
    fn drop(&mut self) {
        let set = std::mem::replace(&mut self.set, Marks { marks: Vec::new(), epoch: 0 });
        let mut kept = self.pool.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MAX_KEPT {
            kept.push(set);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_empty_whenever_it_is_taken_even_when_epochs_run_out() {
        let pool = VisitPool::new(4);
        pool.kept.lock().unwrap().push(Marks { marks: vec![u32::MAX - 1, 1, 0, 7], epoch: u32::MAX - 1 });
        for _ in 0..3 {
            let mut visits = pool.take();
            assert!((0..4).all(|row| !visits.contains(row)));
            assert!(visits.insert(2) && !visits.insert(2) && visits.contains(2));
            assert!(visits.remove(2) && !visits.remove(2) && visits.insert(2));
        }
        assert_eq!(pool.kept.lock().unwrap().len(), 1, "the set was used again");
    }
}
