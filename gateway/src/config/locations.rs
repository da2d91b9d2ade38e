//! Where each value of a configuration was written.

use std::collections::BTreeMap;

use super::{path::KeyPath, problem::Origin};

/// The origin of every key that was written, understood or not.
#[derive(Debug, Clone, Default)]
pub struct Locations {
    places: BTreeMap<KeyPath, Place>,
}

#[derive(Debug, Clone)]
struct Place {
    key: Origin,
    value: Origin,
}

impl Locations {
    pub(super) fn insert(&mut self, path: &KeyPath, key: &Origin, value: &Origin) {
        self.places.insert(path.clone(), Place { key: key.clone(), value: value.clone() });
    }

    /// Whether something was written there.
    pub fn contains(&self, path: &KeyPath) -> bool {
        self.places.contains_key(path)
    }

    /// Whether something was written in the table there.
    pub fn has_children(&self, path: &KeyPath) -> bool {
        self.places.keys().any(|key| key.parent().as_ref() == Some(path))
    }

    /// Where a value was written; for a default, where the table is that could hold it.
    pub fn value(&self, path: &KeyPath) -> Origin {
        self.places.get(path).map_or_else(|| self.around(path), |place| place.value.clone())
    }

    /// Where a key was written; for a default, where the table is that could hold it.
    pub fn key(&self, path: &KeyPath) -> Origin {
        self.places.get(path).map_or_else(|| self.around(path), |place| place.key.clone())
    }

    fn around(&self, path: &KeyPath) -> Origin {
        path.parent().map_or(Origin::Default, |parent| self.key(&parent))
    }
}
