//! The cache: what was answered before, and whether it may be said again. It knows nothing of HTTP, plans or backends
//! beyond the sets and lists that its stages hold.
//!
//! [`L1`] keeps whole answers and stages (reached sets, ranked lists, embeddings) in one store weighed in bytes.
//! [`Epochs`] say whether the data behind an entry has moved; [`Stamp`] is what an entry remembers of them. Further tiers
//! will sit behind [`L1`] and speak in the same outcomes and stamps.

mod epochs;
mod etag;
mod flight;
mod groups;
mod key;
mod l1;
mod memo;
mod outcome;
mod room;
mod stage;
#[cfg(test)]
mod tests;

pub use epochs::{Epochs, Stamp, Tag};
pub use etag::ETag;
pub use flight::{Filling, Flights, Joined};
pub use groups::Groups;
pub use key::{Digest, KeyBuilder};
pub use l1::{L1, L1Statistics, StoredAnswer};
pub use memo::{BodyMemo, Remembered};
pub use outcome::{CacheReport, LookupOutcome, StoreOutcome, Tier};
pub use stage::{RankedList, Stage};
