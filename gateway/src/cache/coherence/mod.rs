//! Keeping what is served true: bumps of epochs, and how every gateway that shares tiers hears of them.

mod alone;
mod kept;
mod shared;

use std::{sync::Arc, time::Duration};

pub use alone::Alone;
use async_trait::async_trait;
pub use kept::Kept;
pub use shared::{CoherenceStatistics, RedisCoherence};

use super::{Epochs, WallTime};

/// What is outdated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bump {
    /// Everything.
    All,
    /// All that depends on one of these tags.
    Tags(Vec<String>),
}

/// A bump that no gateway serves against any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    /// Epochs that moved.
    pub bumped: usize,
    /// Gateways that confirmed it, this one included.
    pub confirmed: usize,
    /// Gateways whose lease had to lapse.
    pub lapsed: usize,
    /// How long that took.
    pub waited: Duration,
}

/// Why a bump is not acknowledged. It has been counted here all the same: this gateway serves nothing from before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unacknowledged {
    /// The shared table could not be reached, so other gateways have not heard of it.
    #[error("the shared epochs cannot be reached: {0}")]
    Unreachable(String),
}

/// Where epochs are counted.
#[async_trait]
pub trait Coherence: Send + Sync {
    /// This gateway's copy.
    fn epochs(&self) -> &Arc<Epochs>;

    /// Counts a bump and waits until no gateway serves anything from before.
    async fn bump(&self, what: &Bump) -> Result<Acknowledged, Unacknowledged>;

    /// The time by the clock that gateways share.
    fn now(&self) -> WallTime;

    /// How it keeps up with other gateways; `None` where there are none.
    fn statistics(&self) -> Option<CoherenceStatistics> {
        None
    }
}
