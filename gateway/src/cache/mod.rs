//! The cache: what was answered before, and whether it may be said again. It knows nothing of HTTP, plans or backends
//! beyond the sets and lists that its stages hold.
//!
//! [`L1`] keeps whole answers and stages (reached sets, ranked lists, embeddings) in one store weighed in bytes.
//! [`Epochs`] say whether the data behind an entry has moved; [`Stamp`] is what an entry remembers of them, and
//! [`coherence`] is how gateways that share tiers hear of bumps. Behind L1 are far tiers ([`FarTier`]): L2 in Redis, L3 in
//! an object store. All speak in the same outcomes and stamps.

pub mod codec;
pub mod coherence;
mod epochs;
mod etag;
mod far;
mod flight;
pub mod format;
mod groups;
mod inspect;
mod key;
mod l1;
pub mod l2;
pub mod l3;
mod memo;
pub(crate) mod memory;
mod outcome;
mod policy;
pub mod redis;
mod room;
mod seen;
mod stage;
mod statistics;
mod stored;
#[cfg(test)]
mod tests;
mod tiers;

pub use epochs::{EpochTable, Epochs, FoundCurrent, SLOTS, Stamp, Tag};
pub use etag::ETag;
pub use far::{FarStatistics, FarTier, Purpose};
pub use flight::{Flights, Joined, Lead, Seat};
pub use groups::Groups;
pub use inspect::{Sighted, Sighting};
pub use key::{Digest, KeyBuilder};
pub(crate) use l1::WORTH;
pub use l1::{L1, L1Statistics, NoneFresh, StaleAnswer, StoredAnswer};
pub use memo::{BodyMemo, Remembered};
pub use outcome::{CacheReport, FarReports, Flaw, LookupOutcome, StoreOutcome, Tier};
pub use policy::{CachePolicy, TierPolicy, Validity};
pub use seen::Seen;
pub use stage::{RankedList, Stage};
pub use statistics::{FarNow, TiersStatistics};
pub use stored::{Sought, Stored, StoredPayload, WallTime};
pub use tiers::{FarLook, FarStores, Made, Tiers, Wish};
