//! Every outcome of a look-up and of an admission, each with its reason. Logs, metrics, `Cache-Status` and `explain`
//! all say the same words.

use std::time::Duration;

/// Where an entry lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// This process' memory.
    L1,
}

impl Tier {
    /// The name in `Cache-Status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::L1 => "forebay-l1",
        }
    }
}

/// What a tier said when it was asked for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LookupOutcome {
    /// A fresh answer.
    Hit,
    /// Nothing under this key.
    Miss,
    /// An answer whose time to live is over.
    Expired,
    /// An answer made before its data changed.
    Invalidated,
    /// An answer older than the caller takes.
    TooOld,
    /// The caller did not want the cache to be asked.
    Bypassed,
}

impl LookupOutcome {
    /// The word in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Expired => "expired",
            Self::Invalidated => "invalidated",
            Self::TooOld => "too-old",
            Self::Bypassed => "bypassed",
        }
    }

    /// Why, in one line.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Hit => "a fresh answer was there",
            Self::Miss => "there was nothing under this key",
            Self::Expired => "the stored answer had outlived its time to live",
            Self::Invalidated => "the data behind the stored answer has changed",
            Self::TooOld => "the stored answer was older than max_staleness_ms",
            Self::Bypassed => "the request asked for a new answer",
        }
    }
}

/// What became of an answer that was offered to a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreOutcome {
    /// It was kept.
    Stored,
    /// The caller did not want it kept.
    NotWanted,
    /// It is not the whole answer.
    Partial,
    /// It describes its own making.
    Explained,
    /// Its data changed while it was being made.
    Moved,
    /// It is larger than an entry may be.
    TooLarge,
    /// Memory is short, so nothing is kept.
    MemoryShort,
}

impl StoreOutcome {
    /// The word in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::NotWanted => "not-wanted",
            Self::Partial => "partial",
            Self::Explained => "explained",
            Self::Moved => "moved",
            Self::TooLarge => "too-large",
            Self::MemoryShort => "memory-short",
        }
    }
}

/// What one tier did for one request; one member of `Cache-Status` (RFC 9211).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheReport {
    /// Which tier.
    pub tier: Tier,
    /// What it said.
    pub lookup: LookupOutcome,
    /// Time left to live, on a hit.
    pub ttl: Option<Duration>,
    /// What became of the new answer, when there was one.
    pub store: Option<StoreOutcome>,
    /// The request waited for another that was making the same answer.
    pub collapsed: bool,
}
