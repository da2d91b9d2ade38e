//! The clock that gateways share: the server's, as of the last reply, and this machine's steady clock from there on.

use std::time::{Duration, Instant};

use crate::cache::WallTime;

/// The shared clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct SharedClock {
    base: (WallTime, Instant),
    /// Whether the base is the server's.
    is_servers: bool,
}

/// Further than this off, the server's clock was set.
const STEP: Duration = Duration::from_secs(1);

/// The server's clock was set, or this machine slept without noticing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stepped;

impl SharedClock {
    /// This machine's clock, until the server has been heard.
    pub(super) fn new(now: Instant) -> Self {
        Self { base: (WallTime::of_system(), now), is_servers: false }
    }

    pub(super) fn at(&self, now: Instant) -> WallTime {
        self.base.0.after(now.saturating_duration_since(self.base.1))
    }

    /// Takes over what the server's clock said between two moments, without a question.
    pub(super) fn set(&mut self, server: WallTime, received: Instant) {
        *self = Self { base: (server, received), is_servers: true };
    }

    /// Follows what the server's clock said between two moments, if it has run steadily.
    pub(super) fn follow(&mut self, server: WallTime, asked: Instant, received: Instant) -> Result<(), Stepped> {
        if !self.is_servers {
            self.set(server, received);
            return Ok(());
        }
        // By now it says this, or more by the time of the way back.
        let (least, most) = (server, server.after(received.saturating_duration_since(asked)));
        let expected = self.at(received);
        let actual = expected.clamp(least, most);
        let off = actual.since(expected).max(expected.since(actual));
        // Steady clocks part by less than a thousandth.
        if off > STEP + received.saturating_duration_since(self.base.1) / 1000 {
            return Err(Stepped);
        }
        self.base = (actual, received);
        Ok(())
    }
}
