//! What goes on in the background: finding out what is held, removing what has expired and dictionaries that no entry names
//! any more.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::StreamExt as _;
use object_store::{Error, ObjectMeta, ObjectStore as _, ObjectStoreExt as _};

use super::{Inner, names};
use crate::cache::WallTime;

/// How often expired entries are looked for, and how many go at a time.
const SWEEP: Duration = Duration::from_secs(60);
const SWEPT: usize = 10_000;
/// Everything is listed again after so many sweeps.
const LIST_EVERY: u32 = 60;
/// An object of which only the age is known is kept so long beyond its time to live: for the stale windows of entries, and
/// clocks that differ.
const SLACK: Duration = Duration::from_secs(3_600);
/// A file that was being written is not touched for so long.
const ABANDONED: Duration = Duration::from_secs(3_600);

/// Works until it is aborted.
pub(super) async fn run(inner: Arc<Inner>, directory: Option<PathBuf>) {
    let mut sweeps = tokio::time::interval(SWEEP);
    sweeps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for round in 0_u32.. {
        sweeps.tick().await;
        if round % LIST_EVERY == 0 {
            inner.refresh(directory.as_deref()).await;
        }
        inner.sweep().await;
    }
}

impl Inner {
    /// Finds out what is there.
    pub(super) async fn refresh(self: &Arc<Self>, directory: Option<&Path>) {
        if let Err(error) = self.shelve().await {
            tracing::debug!(%error, "dictionaries cannot be listed");
        }
        if let Err(error) = self.list().await {
            tracing::debug!(%error, "objects cannot be listed");
        }
        if let Some(directory) = directory {
            let directory = directory.to_owned();
            // Best effort: what stays takes room and nothing else.
            let _ = tokio::task::spawn_blocking(move || remove_abandoned(&directory, 0)).await;
        }
    }

    async fn list(&self) -> Result<(), Error> {
        self.index().begin_listing();
        let mut objects = self.store.list(Some(&names::entries()));
        while let Some(object) = objects.next().await {
            let object = object?;
            if let Some(key) = names::key(&object.location) {
                self.index().listed(key, object.size, modified(&object).after(self.ttl + SLACK));
                // So that the index stays bounded however much there is.
                self.make_room().await;
            }
        }
        self.index().end_listing();
        Ok(())
    }

    /// Says which dictionary is in use here, takes over one that others use, and removes those that no entry can name.
    async fn shelve(&self) -> Result<(), Error> {
        if let Some(dictionary) = self.trainer.dictionary() {
            self.shelf.store(&*self.store, &dictionary).await?;
        }
        let now = WallTime::of_system();
        let mut newest: Option<ObjectMeta> = None;
        let mut objects = self.store.list(Some(&names::dictionaries()));
        while let Some(object) = objects.next().await {
            let object = object?;
            // Whoever uses it writes it again at every listing; entries that name it were written at the latest until the
            // next one, and are gone their time to live later.
            if modified(&object).after(SWEEP * LIST_EVERY * 2 + self.ttl + SLACK) < now {
                let _ = self.store.delete(&object.location).await;
            } else if newest.as_ref().is_none_or(|newest| newest.last_modified < object.last_modified) {
                newest = Some(object);
            }
        }
        if self.trainer.dictionary().is_none()
            && let Some(id) = newest.and_then(|object| names::dictionary_id(&object.location))
            && let Some(dictionary) = self.shelf.load(&*self.store, id).await?
        {
            self.trainer.adopt(dictionary);
        }
        Ok(())
    }

    /// Removes what is of no more use to anybody.
    pub(super) async fn sweep(&self) {
        let expired = self.index().expired((self.clock)(), SWEPT);
        for key in expired {
            self.remove(&key).await;
        }
    }
}

fn modified(object: &ObjectMeta) -> WallTime {
    WallTime(object.last_modified.timestamp_millis().try_into().unwrap_or_default())
}

/// Removes files that a gateway was writing when it was killed: a write goes to a file whose name has a `#`, and is renamed.
fn remove_abandoned(directory: &Path, depth: u8) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && depth < 4 {
            remove_abandoned(&entry.path(), depth + 1)?;
        } else if kind.is_file() && entry.file_name().to_string_lossy().contains('#') {
            let age = SystemTime::now().duration_since(entry.metadata()?.modified()?).unwrap_or_default();
            if age > ABANDONED {
                std::fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}
