//! Every outcome of a look-up and of an admission, each with its reason. Logs, metrics, `Cache-Status` and `explain`
//! all say the same words.

use std::time::Duration;

/// Where an entry lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// This process' memory.
    L1,
    /// Redis.
    L2,
    /// Objects.
    L3,
}

impl Tier {
    /// The name in `Cache-Status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::L1 => "forebay-l1",
            Self::L2 => "forebay-l2",
            Self::L3 => "forebay-l3",
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
    /// An answer of which it is not known, for longer than the collection allows, whether its data has changed.
    Uncertain,
    /// What a far tier held was not intact, or not what was sought.
    Damaged,
    /// A far tier did not answer within its time.
    TooSlow,
    /// A far tier answered with an error.
    Failed,
    /// A far tier that was slow or away is not asked for a while.
    Skipped,
}

/// What is wrong with a stored entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// It is shorter than it says, or too short to say anything.
    Truncated,
    /// It does not begin as entries do.
    NotAnEntry,
    /// Another version of the format.
    OtherVersion,
    /// It was stored under another key.
    OtherKey,
    /// It is another tenant's.
    OtherTenant,
    /// Its checksum is not that of its bytes.
    Checksum,
    /// It was compressed with a dictionary that is not there.
    UnknownDictionary,
    /// It cannot be decompressed, or is longer than it says.
    Compression,
    /// Its content makes no sense.
    Content,
}

impl Flaw {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Truncated,
        Self::NotAnEntry,
        Self::OtherVersion,
        Self::OtherKey,
        Self::OtherTenant,
        Self::Checksum,
        Self::UnknownDictionary,
        Self::Compression,
        Self::Content,
    ];

    /// The word in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::NotAnEntry => "not-an-entry",
            Self::OtherVersion => "other-version",
            Self::OtherKey => "other-key",
            Self::OtherTenant => "other-tenant",
            Self::Checksum => "checksum",
            Self::UnknownDictionary => "unknown-dictionary",
            Self::Compression => "compression",
            Self::Content => "content",
        }
    }
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
            Self::Uncertain => "uncertain",
            Self::Damaged => "damaged",
            Self::TooSlow => "too-slow",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
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
            Self::Uncertain => "it is not known whether the data behind the stored answer has changed",
            Self::Damaged => "the stored answer was damaged",
            Self::TooSlow => "the tier did not answer in time",
            Self::Failed => "the tier answered with an error",
            Self::Skipped => "the tier was slow or away a moment ago",
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
    /// It is made again in less time than the tier is worth.
    TooCheap,
    /// Too much was waiting to be written already.
    QueueFull,
    /// The tier is not there at present.
    Unavailable,
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
            Self::TooCheap => "too-cheap",
            Self::QueueFull => "queue-full",
            Self::Unavailable => "unavailable",
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
