//! What far tiers hold: an entry with everything that says whether it may be served, and by what it is looked for.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;

use super::{Digest, ETag, Groups, RankedList, Stage, Stamp};
use crate::{backend::Reach, catalog::CollectionSchema};

/// Milliseconds since 1970, by the clock that gateways share. Steps of this machine's own clock do not move it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallTime(pub u64);

impl WallTime {
    /// The time of this machine's clock.
    pub fn of_system() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(since.as_millis() as u64)
    }

    /// The time from an earlier one to this; nothing if it is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// A later time.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by.as_millis() as u64))
    }
}

/// An entry of a far tier.
#[derive(Debug, Clone)]
pub struct Stored {
    /// What it holds.
    pub payload: StoredPayload,
    /// The epochs of its tags before its query ran.
    pub stamp: Stamp,
    /// When its query began: its age counts from here.
    pub created: WallTime,
    /// When it is of no more use to anybody, stale windows included.
    pub expires: WallTime,
    /// What it took to make it.
    pub cost: Duration,
}

/// What an entry of a far tier holds.
#[derive(Debug, Clone)]
pub enum StoredPayload {
    /// A whole answer.
    Answer {
        /// The body, ready to send.
        body: Bytes,
        /// Its entity tag.
        etag: ETag,
        /// Names of the data that it depends on.
        groups: Groups,
    },
    /// A graph leg.
    Reach(Arc<Reach>),
    /// Vector legs of one query vector.
    Lists(Arc<[RankedList]>),
    /// A text's vector, as half-precision floats where that is what the store keeps.
    Embedding(Arc<[f32]>),
}

impl StoredPayload {
    /// As a stage; `None` for an answer.
    pub fn into_stage(self) -> Option<Stage> {
        match self {
            Self::Answer { .. } => None,
            Self::Reach(reach) => Some(Stage::Reach(reach)),
            Self::Lists(lists) => Some(Stage::Lists(lists)),
            Self::Embedding(vector) => Some(Stage::Embedding(vector)),
        }
    }
}

/// What is looked for. A stored entry that is not exactly this is a miss.
#[derive(Debug, Clone)]
pub struct Sought {
    /// Its key.
    pub key: Digest,
    /// Whose it is: the tenant that the key was made for.
    pub tenant: Option<Arc<str>>,
    /// What its ids, filters and attributes mean.
    pub schema: Arc<CollectionSchema>,
}
