//! Tags and epochs: names for the data that entries depend on, and a counter per tag that a change bumps.
//!
//! Counters live in a fixed table that tags are hashed into. Two tags may share a counter; then a bump of one also
//! discards entries of the other, which costs a miss and is never wrong. So the table never grows, whatever tags come.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use smallvec::SmallVec;

use crate::value::EntityId;

/// Counters in the table. At 8 bytes each: 512 KiB.
const SLOTS: usize = 1 << 16;

/// A name for data that an entry depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Tag {
    /// All of a collection.
    Collection(Arc<str>),
    /// A tenant's part of a collection.
    Tenant(Arc<str>, Arc<str>),
    /// One entity of a collection.
    Entity(Arc<str>, EntityId),
}

impl fmt::Display for Tag {
    /// The form in `Cache-Groups` and in purge requests.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Collection(collection) => f.write_str(collection),
            Self::Tenant(collection, tenant) => write!(f, "{collection};tenant={tenant}"),
            Self::Entity(collection, id) => write!(f, "{collection};id={id}"),
        }
    }
}

/// The counters.
pub struct Epochs {
    /// Bumped to distrust everything.
    all: AtomicU64,
    /// Bumps of any kind so far.
    moves: AtomicU64,
    slots: Box<[AtomicU64]>,
}

impl Default for Epochs {
    fn default() -> Self {
        Self {
            all: AtomicU64::new(0),
            moves: AtomicU64::new(0),
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

/// What an entry remembers: the epochs of its tags before its query ran. It may be admitted, and later served, only while
/// none has moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    all: u64,
    slots: SmallVec<[(u32, u64); 4]>,
}

impl Epochs {
    fn slot(name: &str) -> u32 {
        let digest = blake3::hash(name.as_bytes());
        u32::from_le_bytes(digest.as_bytes()[..4].try_into().expect("four bytes")) % SLOTS as u32
    }

    /// The epochs of these tags as they are now. Take it *before* reading the data.
    pub fn stamp<'a>(&self, tags: impl IntoIterator<Item = &'a str>) -> Stamp {
        let slots = tags
            .into_iter()
            .map(|tag| {
                let slot = Self::slot(tag);
                (slot, self.slots[slot as usize].load(Ordering::Acquire))
            })
            .collect();
        Stamp { all: self.all.load(Ordering::Acquire), slots }
    }

    /// Whether no tag of a stamp has moved since.
    pub fn is_current(&self, stamp: &Stamp) -> bool {
        self.all.load(Ordering::Acquire) == stamp.all
            && stamp.slots.iter().all(|&(slot, epoch)| self.slots[slot as usize].load(Ordering::Acquire) == epoch)
    }

    /// How many bumps there were. While it stays, no stamp moves.
    pub fn moves(&self) -> u64 {
        self.moves.load(Ordering::Acquire)
    }

    /// The data behind a tag has changed.
    pub fn bump(&self, tag: &str) {
        // First, so that whoever takes a stamp after the bump also sees that there was one.
        self.moves.fetch_add(1, Ordering::AcqRel);
        self.slots[Self::slot(tag) as usize].fetch_add(1, Ordering::AcqRel);
    }

    /// Any data may have changed.
    pub fn bump_all(&self) {
        self.moves.fetch_add(1, Ordering::AcqRel);
        self.all.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bump_outdates_the_stamps_of_its_tag_and_no_others() {
        let epochs = Epochs::default();
        let (of_a, of_b, of_both) = (epochs.stamp(["a"]), epochs.stamp(["b"]), epochs.stamp(["a", "b"]));
        epochs.bump("a");
        assert!(!epochs.is_current(&of_a) && epochs.is_current(&of_b) && !epochs.is_current(&of_both));
        assert!(epochs.is_current(&epochs.stamp(["a"])), "a stamp taken afterwards is current");
        epochs.bump_all();
        assert!(!epochs.is_current(&of_b));
    }
}
