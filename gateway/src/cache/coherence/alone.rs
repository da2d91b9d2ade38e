//! A gateway that shares nothing: its own counters are all there are.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;

use super::{Acknowledged, Bump, Coherence, Unacknowledged};
use crate::cache::{Epochs, WallTime};

/// Counters of this process.
pub struct Alone {
    epochs: Arc<Epochs>,
    started: (WallTime, Instant),
}

impl Default for Alone {
    fn default() -> Self {
        Self { epochs: Arc::default(), started: (WallTime::of_system(), Instant::now()) }
    }
}

#[async_trait]
impl Coherence for Alone {
    fn epochs(&self) -> &Arc<Epochs> {
        &self.epochs
    }

    async fn bump(&self, what: &Bump) -> Result<Acknowledged, Unacknowledged> {
        let bumped = match what {
            Bump::All => {
                self.epochs.bump_all();
                1
            }
            Bump::Tags(tags) => {
                tags.iter().for_each(|tag| self.epochs.bump(tag));
                tags.len()
            }
        };
        Ok(Acknowledged { bumped, confirmed: 1, lapsed: 0, waited: Duration::ZERO })
    }

    fn now(&self) -> WallTime {
        let (wall, instant) = self.started;
        wall.after(instant.elapsed())
    }
}
