//! Bumps that could not be counted in Redis yet.

use std::collections::BTreeSet;

use super::ledger::ALL;
use crate::cache::{Epochs, coherence::Bump};

/// More slots than this are everything.
const MOST: usize = 4096;

/// What has to be outdated for everybody as soon as there is a way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Pending {
    all: bool,
    slots: BTreeSet<u16>,
}

impl Pending {
    pub(super) fn of(what: &Bump) -> Self {
        match what {
            Bump::All => Self { all: true, slots: BTreeSet::new() },
            Bump::Tags(tags) => {
                Self { all: false, slots: tags.iter().map(|tag| Epochs::slot(tag)).collect() }.bounded()
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.all && self.slots.is_empty()
    }

    /// How many epochs it moves.
    pub(super) fn len(&self) -> usize {
        usize::from(self.all) + self.slots.len()
    }

    pub(super) fn add(&mut self, other: Self) {
        self.all |= other.all;
        self.slots.extend(other.slots);
        *self = std::mem::take(self).bounded();
    }

    fn bounded(mut self) -> Self {
        if self.slots.len() > MOST {
            self.all = true;
        }
        if self.all {
            self.slots.clear();
        }
        self
    }

    /// The fields of the ledger that it raises.
    pub(super) fn fields(&self) -> Vec<String> {
        let all = self.all.then(|| ALL.to_owned());
        all.into_iter().chain(self.slots.iter().map(u16::to_string)).collect()
    }

    pub(super) fn is_all(&self) -> bool {
        self.all
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = u16> + '_ {
        self.slots.iter().copied()
    }
}
