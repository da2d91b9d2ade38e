//! Dictionaries: kept in the tier itself under the digest of their bytes, read when an entry names them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use object_store::{Error, ObjectStore, ObjectStoreExt as _};

use super::names;
use crate::cache::codec::{Dictionaries, Dictionary, DictionaryId};

/// Most dictionaries at hand. Each takes some 100 KiB.
const MOST: usize = 32;
/// One that is not there is not looked for again for so long.
const ABSENT: Duration = Duration::from_secs(10);

/// A dictionary, or when it was not there.
type Slot = Result<Arc<Dictionary>, Instant>;

/// Dictionaries at hand, the last used last.
pub(super) struct Shelf {
    level: i32,
    slots: Mutex<Vec<(DictionaryId, Slot)>>,
}

impl Shelf {
    pub(super) fn new(level: i32) -> Self {
        Self { level, slots: Mutex::default() }
    }

    fn slots(&self) -> MutexGuard<'_, Vec<(DictionaryId, Slot)>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, id: DictionaryId, slot: Slot) {
        let mut slots = self.slots();
        slots.retain(|(other, _)| *other != id);
        if slots.len() == MOST {
            drop(slots.remove(0));
        }
        slots.push((id, slot));
    }

    /// Reads a dictionary that is not at hand. `None` if there is none of this name, or it is damaged.
    ///
    /// # Errors
    /// The store fails.
    pub(super) async fn load(
        &self,
        store: &dyn ObjectStore,
        id: DictionaryId,
    ) -> Result<Option<Arc<Dictionary>>, Error> {
        let known = self.slots().iter().find(|(other, _)| *other == id).map(|(_, slot)| slot.clone());
        match known {
            Some(Ok(dictionary)) => return Ok(Some(dictionary)),
            Some(Err(then)) if then.elapsed() < ABSENT => return Ok(None),
            _ => {}
        }
        let bytes = match store.get(&names::dictionary(&id)).await {
            Ok(object) if object.meta.size <= Dictionary::MAX_BYTES as u64 => object.bytes().await?,
            Ok(_) => Bytes::new(),
            Err(Error::NotFound { .. }) => Bytes::new(),
            Err(error) => return Err(error),
        };
        let intact = DictionaryId::of(&bytes) == id;
        let dictionary = intact.then(|| Dictionary::new(bytes.to_vec(), self.level)).flatten().map(Arc::new);
        self.keep(id, dictionary.clone().ok_or_else(Instant::now));
        Ok(dictionary)
    }

    /// Stores a dictionary, or that it is still in use.
    ///
    /// # Errors
    /// The store fails.
    pub(super) async fn store(&self, store: &dyn ObjectStore, dictionary: &Arc<Dictionary>) -> Result<(), Error> {
        let bytes = Bytes::copy_from_slice(dictionary.bytes());
        store.put(&names::dictionary(&dictionary.id()), bytes.into()).await?;
        self.keep(dictionary.id(), Ok(dictionary.clone()));
        Ok(())
    }
}

impl Dictionaries for Shelf {
    fn get(&self, id: &DictionaryId) -> Option<Arc<Dictionary>> {
        let mut slots = self.slots();
        let at = slots.iter().position(|(other, _)| other == id)?;
        let slot = slots.remove(at);
        let dictionary = slot.1.clone().ok();
        slots.push(slot);
        dictionary
    }
}
