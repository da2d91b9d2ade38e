//! Writing behind: a queue bounded in bytes, and a few writers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use object_store::{Error, ObjectStoreExt as _};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    time::timeout,
};

use super::{Inner, count, names};
use crate::cache::{Digest, Sought, Stored, StoredPayload, codec::Codec, format};

/// Objects that are written at the same time.
const WRITERS: usize = 4;
/// Longest time that one write may take.
const WRITE: Duration = Duration::from_secs(10);
/// What an entry costs in the queue beside its payload.
const OVERHEAD: u64 = 256;
/// Most objects that are removed after one was written.
const EVICTIONS: usize = 64;

/// An entry on its way.
pub(super) struct Waiting {
    pub(super) sought: Sought,
    pub(super) entry: Arc<Stored>,
    pub(super) weight: u64,
}

/// Memory held by an entry's payload, in bytes.
pub(super) fn weight(entry: &Stored) -> usize {
    match &entry.payload {
        StoredPayload::Answer { body, groups, .. } => body.len() + groups.weight(),
        stage => stage.clone().into_stage().map_or(0, |stage| stage.weight()),
    }
}

/// What waits to be written, and what is being written.
pub(super) struct Queue {
    sender: mpsc::UnboundedSender<Waiting>,
    /// Entries and their bytes.
    load: watch::Sender<(u64, u64)>,
    max_bytes: u64,
}

impl Queue {
    pub(super) fn new(max_bytes: u64) -> (Self, mpsc::UnboundedReceiver<Waiting>) {
        // Bounded by `load`.
        let (sender, waiting) = mpsc::unbounded_channel();
        (Self { sender, load: watch::Sender::new((0, 0)), max_bytes }, waiting)
    }

    /// Takes an entry if there is room. Where nothing waits there is room for any.
    pub(super) fn push(&self, waiting: Waiting) -> bool {
        let weight = OVERHEAD + waiting.weight;
        let fits = self.load.send_if_modified(|(entries, bytes)| {
            let fits = *entries == 0 || *bytes + weight <= self.max_bytes;
            if fits {
                (*entries, *bytes) = (*entries + 1, *bytes + weight);
            }
            fits
        });
        if fits && self.sender.send(waiting).is_err() {
            self.done(weight);
            return false;
        }
        fits
    }

    fn done(&self, weight: u64) {
        self.load.send_modify(|(entries, bytes)| (*entries, *bytes) = (*entries - 1, *bytes - weight));
    }

    /// Entries that are not written yet.
    pub(super) fn entries(&self) -> u64 {
        self.load.borrow().0
    }

    /// Waits until everything is written.
    pub(super) async fn drained(&self) {
        // The sender is ours, so this cannot fail.
        let _ = self.load.subscribe().wait_for(|(entries, _)| *entries == 0).await;
    }
}

/// Gives back an entry's room in the queue, whatever becomes of the write.
struct Room(Arc<Inner>, u64);

impl Drop for Room {
    fn drop(&mut self) {
        self.0.queue.done(self.1);
    }
}

/// Writes until nobody puts anything any more.
pub(super) async fn run(inner: Arc<Inner>, mut queue: mpsc::UnboundedReceiver<Waiting>) {
    let writers = Arc::new(Semaphore::new(WRITERS));
    let mut writes = tokio::task::JoinSet::new();
    while let Some(waiting) = queue.recv().await {
        let Ok(permit) = writers.clone().acquire_owned().await else { return };
        while writes.try_join_next().is_some() {}
        let room = Room(inner.clone(), OVERHEAD + waiting.weight);
        writes.spawn(async move {
            room.0.write(waiting).await;
            drop((permit, room));
        });
    }
}

impl Inner {
    async fn write(self: &Arc<Self>, waiting: Waiting) {
        if !self.writing.admit(Instant::now()) {
            return count(&self.counters.failed);
        }
        let inner = self.clone();
        let packing = tokio::task::spawn_blocking(move || (inner.pack(&waiting), waiting));
        let Ok(((bytes, train), Waiting { sought, entry, .. })) = packing.await else {
            return count(&self.counters.failed);
        };
        let size = bytes.len() as u64;
        let outcome = timeout(WRITE, self.store.put(&names::entry(&sought.key), bytes.into())).await;
        let written = matches!(outcome, Ok(Ok(_)));
        if let Ok(Err(error)) = outcome {
            tracing::debug!(%error, "writing an object failed");
        }
        if self.writing.report(written, Instant::now()) {
            tracing::warn!("objects cannot be written; that is not tried for a while");
        }
        if written {
            count(&self.counters.written);
            self.index().known(sought.key, size, entry.cost.as_secs_f64() * 1e3, entry.expires);
            self.make_room().await;
        } else {
            count(&self.counters.failed);
        }
        if train {
            tokio::spawn(self.clone().train());
        }
    }

    /// An entry as it is stored, and whether it is time to train a dictionary.
    fn pack(&self, waiting: &Waiting) -> (Vec<u8>, bool) {
        let Waiting { sought, entry, .. } = waiting;
        let body = format::body(sought, entry);
        if !matches!(entry.payload, StoredPayload::Answer { .. }) {
            return (format::pack(sought, entry, &body, &Codec::Zstd(self.level)), false);
        }
        let bytes = format::pack(sought, entry, &body, &self.trainer.codec());
        let train = self.trainer.observe(&body, bytes.len());
        (bytes, train)
    }

    /// A dictionary is stored before the first entry names it.
    async fn train(self: Arc<Self>) {
        let inner = self.clone();
        let trained = tokio::task::spawn_blocking(move || inner.trainer.train()).await;
        let Ok(Some(dictionary)) = trained else { return };
        let dictionary = Arc::new(dictionary);
        match timeout(WRITE, self.shelf.store(&*self.store, &dictionary)).await {
            Ok(Ok(())) => {
                tracing::info!(id = %dictionary.id(), bytes = dictionary.bytes().len(), "trained a dictionary");
                self.trainer.adopt(dictionary);
            }
            _ => count(&self.counters.failed),
        }
    }

    /// Evicts until everything is within bounds.
    pub(super) async fn make_room(&self) {
        let evicted = self.index().evict(EVICTIONS);
        for key in evicted {
            if self.remove(&key).await {
                count(&self.counters.evicted);
            }
        }
    }

    /// Removes an object; whether it is gone. One that stays is found again by the next listing.
    pub(super) async fn remove(&self, key: &Digest) -> bool {
        let outcome = timeout(WRITE, self.store.delete(&names::entry(key))).await;
        matches!(outcome, Ok(Ok(()) | Err(Error::NotFound { .. })))
    }
}
