//! From raw body to key: an exact repeat of a request skips JSON. Never to an answer: that is the cache's to decide.
//!
//! Bodies are kept and compared, so a fast hash will do: a collision costs a comparison and can never give one body the
//! key of another.

use std::{
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock},
};

use quick_cache::{Equivalent, Weighter, sync::Cache};

use super::{Digest, room::Room};
use crate::{principal::Principal, query::Options, request::Endpoint};

/// What an entry costs beside its body.
const OVERHEAD: u64 = 256;

/// Larger bodies are read again each time.
const LARGEST_BODY: usize = 64 << 10;

/// What is remembered of a request body. Small: it is copied out for every hit.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// The key of its answer.
    pub key: Digest,
    /// How it wanted the answer; nearly all want it in no special way.
    options: Option<Arc<Options>>,
}

impl Remembered {
    /// The key of a request's answer, and how it wanted it.
    pub fn new(key: Digest, options: &Options) -> Self {
        Self { key, options: (*options != Options::default()).then(|| Arc::new(options.clone())) }
    }

    /// How it wanted the answer.
    pub fn options(&self) -> &Options {
        static DEFAULT: LazyLock<Options> = LazyLock::new(Options::default);
        self.options.as_deref().unwrap_or(&DEFAULT)
    }
}

/// A request as it was sent. A body means different things to different principals, whose names are distinct within a
/// configuration.
#[derive(PartialEq, Eq, Hash)]
struct Sent<'a> {
    endpoint: Endpoint,
    principal: &'a str,
    body: &'a [u8],
}

#[derive(Clone)]
struct Kept {
    endpoint: Endpoint,
    principal: Arc<str>,
    body: Arc<[u8]>,
}

impl Kept {
    fn sent(&self) -> Sent<'_> {
        Sent { endpoint: self.endpoint, principal: &self.principal, body: &self.body }
    }
}

impl Hash for Kept {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sent().hash(state);
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.sent() == other.sent()
    }
}
impl Eq for Kept {}

impl Equivalent<Kept> for Sent<'_> {
    fn equivalent(&self, kept: &Kept) -> bool {
        *self == kept.sent()
    }
}

#[derive(Clone)]
struct ByBody;

impl Weighter<Kept, Remembered> for ByBody {
    fn weight(&self, kept: &Kept, _: &Remembered) -> u64 {
        OVERHEAD + kept.body.len() as u64
    }
}

/// Bodies seen before. Lives as long as one configuration.
pub struct BodyMemo {
    entries: Cache<Kept, Remembered, ByBody>,
    room: Room,
}

impl BodyMemo {
    /// An empty memo that takes at most this much memory.
    pub fn new(max_bytes: u64) -> Self {
        let estimated = (max_bytes / 1_024).clamp(64, 1 << 18) as usize;
        Self { entries: Cache::with_weighter(estimated, max_bytes, ByBody), room: Room::new(max_bytes) }
    }

    /// What is known of a request.
    pub fn get(&self, principal: &Principal, endpoint: Endpoint, body: &[u8]) -> Option<Remembered> {
        self.entries.get(&Sent { endpoint, principal: &principal.name, body })
    }

    /// Remembers a request that was understood.
    pub fn insert(&self, principal: &Principal, endpoint: Endpoint, body: &[u8], remembered: Remembered) {
        if body.len() > LARGEST_BODY || self.room.refuses() {
            return;
        }
        // Copied: the body may be a small part of a large read buffer.
        let kept = Kept { endpoint, principal: principal.name.clone(), body: body.into() };
        self.entries.insert(kept, remembered);
    }

    /// What it holds, in bytes.
    pub fn held(&self) -> u64 {
        self.entries.weight()
    }

    /// The most memory that it may ever hold, in bytes.
    pub fn most(&self) -> u64 {
        self.room.most()
    }

    /// Lets go of at least so many bytes and does not grow from there until it is allowed to. Returns how many went.
    pub fn shed(&self, bytes: u64) -> u64 {
        self.room.shed(&self.entries, bytes)
    }

    /// May hold so many bytes, as far as it is meant to.
    pub fn allow(&self, bytes: u64) {
        self.room.allow(&self.entries, bytes);
    }

    /// From now on takes nothing, or does again.
    pub fn refuse(&self, refuse: bool) {
        self.room.refuse(refuse);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Principal {
        Principal { name: name.into(), ..Principal::local() }
    }

    #[test]
    fn a_body_is_remembered_for_its_principal_and_endpoint_alone() {
        let memo = BodyMemo::new(1 << 20);
        let remembered = Remembered::new([7; 32], &Options::default());
        memo.insert(&named("a"), Endpoint::Query, b"{}", remembered);
        assert_eq!(memo.get(&named("a"), Endpoint::Query, b"{}").map(|r| r.key), Some([7; 32]));
        assert!(memo.get(&named("b"), Endpoint::Query, b"{}").is_none());
        assert!(memo.get(&named("a"), Endpoint::Explain, b"{}").is_none());
        assert!(memo.get(&named("a"), Endpoint::Query, b"{ }").is_none());
    }

    #[test]
    fn it_never_holds_more_than_it_may_and_no_giants() {
        let memo = BodyMemo::new(256 << 10);
        let remembered = Remembered::new([0; 32], &Options::default());
        for i in 0..2_000_u32 {
            memo.insert(&named("a"), Endpoint::Query, &[i.to_le_bytes(); 256].concat(), remembered.clone());
            assert!(memo.entries.weight() <= 256 << 10);
        }
        memo.insert(&named("a"), Endpoint::Query, &[b' '; LARGEST_BODY + 1], remembered);
        assert!(memo.get(&named("a"), Endpoint::Query, &[b' '; LARGEST_BODY + 1]).is_none());
    }
}
