//! From raw body to key: an exact repeat of a request skips JSON. Never to an answer: that is the cache's to decide.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::Digest;
use crate::{principal::Principal, query::Options, request::Endpoint};

/// Requests remembered. An entry is about 200 bytes.
const CAPACITY: usize = 1 << 16;

/// What is remembered of a request body.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// The key of its answer.
    pub key: Digest,
    /// How it wanted the answer.
    pub options: Options,
}

/// Bodies seen before, by the digest of (principal, endpoint, body). Lives as long as one configuration.
pub struct BodyMemo {
    entries: Cache<Digest, Arc<Remembered>>,
}

impl Default for BodyMemo {
    fn default() -> Self {
        Self { entries: Cache::new(CAPACITY) }
    }
}

impl BodyMemo {
    /// The digest of a request. A body means different things to different principals, so they are part of it.
    pub fn digest(principal: &Principal, endpoint: Endpoint, body: &[u8]) -> Digest {
        let mut hasher = blake3::Hasher::new();
        // The name identifies a principal within one configuration; its length keeps it apart from the body.
        hasher.update(&[endpoint as u8]).update(&(principal.name.len() as u64).to_le_bytes());
        hasher.update(principal.name.as_bytes()).update(body);
        *hasher.finalize().as_bytes()
    }

    /// What is known of a request.
    pub fn get(&self, digest: &Digest) -> Option<Arc<Remembered>> {
        self.entries.get(digest)
    }

    /// Remembers a request that was understood.
    pub fn insert(&self, digest: Digest, remembered: Remembered) {
        self.entries.insert(digest, Arc::new(remembered));
    }
}
