//! Sets of ids as they travel between legs: compact, and opaque until a store that did not make one needs the ids.

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::value::EntityId;

/// A dense numbering of ids, in id order. Two stores that share one exchange bitmaps instead of ids.
pub trait IdSpace: Send + Sync {
    /// The number of an id.
    fn ordinal(&self, id: &EntityId) -> Option<u32>;
    /// The id with a number below the space's size.
    fn id(&self, ordinal: u32) -> EntityId;
}

/// A set of ids.
#[derive(Clone)]
pub enum IdSet {
    /// Numbers of a space. Ascending numbers are ascending ids.
    Ordinals(Arc<dyn IdSpace>, Arc<RoaringBitmap>),
    /// Ids, ascending and distinct.
    Sorted(Arc<[EntityId]>),
}

impl IdSet {
    /// A set of any ids.
    pub fn from_ids(mut ids: Vec<EntityId>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        Self::Sorted(ids.into())
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        match self {
            Self::Ordinals(_, set) => set.len() as usize,
            Self::Sorted(ids) => ids.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the set holds an id.
    pub fn contains(&self, id: &EntityId) -> bool {
        match self {
            Self::Ordinals(space, set) => space.ordinal(id).is_some_and(|ordinal| set.contains(ordinal)),
            Self::Sorted(ids) => ids.binary_search(id).is_ok(),
        }
    }

    /// The ids in ascending order.
    pub fn iter(&self) -> Box<dyn Iterator<Item = EntityId> + '_> {
        match self {
            Self::Ordinals(space, set) => Box::new(set.iter().map(|ordinal| space.id(ordinal))),
            Self::Sorted(ids) => Box::new(ids.iter().cloned()),
        }
    }

    /// The bitmap, if the set is one over this very space.
    pub fn ordinals_in(&self, space: &Arc<dyn IdSpace>) -> Option<&Arc<RoaringBitmap>> {
        match self {
            Self::Ordinals(own, set) if Arc::ptr_eq(own, space) => Some(set),
            _ => None,
        }
    }

    /// Memory held, in bytes, for the cache's accounts.
    pub fn weight(&self) -> usize {
        match self {
            Self::Ordinals(_, set) => {
                let s = set.statistics();
                (s.n_bytes_array_containers + s.n_bytes_run_containers + s.n_bytes_bitset_containers) as usize + 64
            }
            Self::Sorted(ids) => {
                ids.iter().map(|id| 24 + if let EntityId::Text(text) = id { text.len() + 16 } else { 0 }).sum()
            }
        }
    }
}

impl std::fmt::Debug for IdSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdSet({} ids)", self.len())
    }
}
