//! What to do about memory: a state machine over what is allowed, used and held, and a clock. It touches nothing.
//!
//! There are three marks, parts of the limit: the emergency mark, the shed mark, and the calm mark a little below it. At the
//! shed mark caches start to let go, and go on until use is at the calm mark, so that use that dances around the shed mark
//! changes nothing. While it is calm, caches may grow up to the calm mark and no further, so that a cache alone never
//! gets anybody into trouble.

use std::time::{Duration, Instant};

/// The calm mark, as a part of the shed mark: 80 % of the limit for the usual 85 %.
const CALM_PART: f64 = 0.94;

/// Use has to stay below the calm mark for so long before it is calm again.
const QUIET: Duration = Duration::from_secs(1);

/// Use that stays between the calm mark and the shed mark for so long is what the process needs: nothing is left to shed.
const ENOUGH: Duration = Duration::from_secs(10);

/// After it was not calm, caches get their room back over this time.
const RAMP: Duration = Duration::from_secs(10);

/// Time for what was freed to show, before more is ordered.
const SETTLE: Duration = Duration::from_millis(400);

/// The same in an emergency.
const SETTLE_IN_EMERGENCY: Duration = Duration::from_millis(40);

/// The smallest order while shedding, as a part of what is held.
const SMALLEST: u64 = 16;

/// The same in an emergency.
const SMALLEST_IN_EMERGENCY: u64 = 4;

/// Between two looks, when there is much room.
const SELDOM: Duration = Duration::from_millis(250);

/// Between two looks, when a tenth of the limit may be the way to the calm mark.
const OFTEN: Duration = Duration::from_millis(100);

/// Between two looks, beyond the calm mark.
const ALWAYS: Duration = Duration::from_millis(25);

/// At which parts of the limit something happens: `0 < shed_at < emergency_at < 1`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Caches let go of entries, and batch queries are refused.
    pub shed_at: f64,
    /// They do so fast, and take no new ones.
    pub emergency_at: f64,
}

impl Thresholds {
    fn marks(self, limit: u64) -> Marks {
        let part = |part: f64| (limit as f64 * part).round() as u64;
        Marks { calm: part(self.shed_at * CALM_PART), shed: part(self.shed_at), emergency: part(self.emergency_at) }
    }

    /// Whether this much use is too much.
    pub fn pressed(self, limit: u64, usage: u64) -> bool {
        usage >= self.marks(limit).shed
    }
}

struct Marks {
    calm: u64,
    shed: u64,
    emergency: u64,
}

/// How it stands with memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Level {
    /// There is room.
    #[default]
    Calm,
    /// Batch work pauses, caches let go of entries.
    Shed,
    /// Caches let go fast and take nothing new.
    Emergency,
}

impl Level {
    /// All levels, from calm to worst.
    pub const ALL: [Self; 3] = [Self::Calm, Self::Shed, Self::Emergency];

    /// The word in metrics, logs and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Shed => "shed",
            Self::Emergency => "emergency",
        }
    }
}

/// One look at the process. All in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// What it may use.
    pub limit: u64,
    /// What it uses.
    pub usage: u64,
    /// What caches hold of it.
    pub held: u64,
}

/// What is to be done with caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Keep,
    /// Free so many bytes: more than none, and no more than are held.
    Free(u64),
    /// They may hold so many bytes in all: not less than they do.
    Allow(u64),
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// How it stands: batch work pauses while it is not calm.
    pub level: Level,
    /// What caches do, after batch work was paused.
    pub change: Change,
    /// When to look again.
    pub again: Duration,
}

/// The state machine.
#[derive(Debug)]
pub struct Governor {
    thresholds: Thresholds,
    level: Level,
    /// Since when use is below the calm mark.
    below_calm: Option<Instant>,
    /// Since when use is below the shed mark.
    below_shed: Option<Instant>,
    /// When it was not calm for the last time.
    pressed: Option<Instant>,
    /// When something was to be freed for the last time.
    ordered: Option<Instant>,
}

impl Governor {
    /// A calm one.
    pub fn new(thresholds: Thresholds) -> Self {
        Self { thresholds, level: Level::Calm, below_calm: None, below_shed: None, pressed: None, ordered: None }
    }

    /// Takes note of a look and says what to do. `now` never goes back.
    pub fn decide(&mut self, look: Look, now: Instant) -> Order {
        let marks = self.thresholds.marks(look.limit);
        self.below_calm = (look.usage < marks.calm).then(|| self.below_calm.unwrap_or(now));
        self.below_shed = (look.usage < marks.shed).then(|| self.below_shed.unwrap_or(now));
        self.level = self.next_level(&marks, look.usage, now);
        if self.level != Level::Calm {
            self.pressed = Some(now);
        }
        let change = match self.level {
            Level::Calm => Change::Allow(look.held + self.room(&marks, look.usage, now)),
            Level::Shed => self.free(look, &marks, SMALLEST, SETTLE, now),
            Level::Emergency => self.free(look, &marks, SMALLEST_IN_EMERGENCY, SETTLE_IN_EMERGENCY, now),
        };
        let again = match look.usage {
            usage if usage >= marks.calm => ALWAYS,
            usage if usage + look.limit / 10 >= marks.calm => OFTEN,
            _ => SELDOM,
        };
        Order { level: self.level, change, again }
    }

    fn next_level(&self, marks: &Marks, usage: u64, now: Instant) -> Level {
        if usage >= marks.emergency {
            return Level::Emergency;
        }
        if usage >= marks.shed {
            return self.level.max(Level::Shed);
        }
        let lasts =
            |since: Option<Instant>, time| since.is_some_and(|since| now.saturating_duration_since(since) >= time);
        match self.level {
            Level::Calm => Level::Calm,
            _ if lasts(self.below_calm, QUIET) || lasts(self.below_shed, ENOUGH) => Level::Calm,
            _ => Level::Shed,
        }
    }

    /// What caches may grow by.
    fn room(&self, marks: &Marks, usage: u64, now: Instant) -> u64 {
        let room = marks.calm.saturating_sub(usage);
        let calm_for = self.pressed.map_or(RAMP, |pressed| now.saturating_duration_since(pressed).min(RAMP));
        (room as f64 * (calm_for.as_secs_f64() / RAMP.as_secs_f64())).round() as u64
    }

    fn free(&mut self, look: Look, marks: &Marks, smallest: u64, settle: Duration, now: Instant) -> Change {
        let too_soon = self.ordered.is_some_and(|ordered| now.saturating_duration_since(ordered) < settle);
        if look.held == 0 || look.usage < marks.calm || too_soon {
            return Change::Keep;
        }
        self.ordered = Some(now);
        let excess = look.usage - marks.calm;
        Change::Free(excess.max(look.held / smallest).clamp(1, look.held))
    }
}

#[cfg(test)]
mod tests;
