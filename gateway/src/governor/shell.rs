//! The thread that looks at memory and does what the governor says.
//!
//! A thread of its own, since it has to run above all when every worker of the runtime is busy.

use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{Change, Footprint, Governor, Level, Limit, Look, Memory, Thresholds, footprint, release};
use crate::config::MemoryConfig;

/// Limits may be changed while the process runs; they are read again so often.
const FIND_LIMIT_EVERY: Duration = Duration::from_secs(5);

/// Something that holds memory which can be made anew.
pub trait Sheddable: Send + Sync {
    /// The word in metrics and logs.
    fn name(&self) -> &'static str;
    /// What it holds, in bytes.
    fn held(&self) -> u64;
    /// The most that it is configured to hold, in bytes.
    fn most(&self) -> u64;
    /// Lets go of its least valuable entries, at least of so many bytes or of all, and does not grow from there until it is
    /// allowed to. Returns how many bytes were freed.
    fn shed(&self, bytes: u64) -> u64;
    /// May hold so many bytes, and never more than it is configured to.
    fn allow(&self, bytes: u64);
    /// From now on takes no new entries, or does again.
    fn refuse(&self, refuse: bool);
}

/// The governor at work. It ends with this value.
pub struct Watch {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts to watch. `sheddable` stands in the order of value: the first is shed first. Where the system does not say how
    /// much memory is used there is nothing to watch, which the log says.
    pub fn start(config: &MemoryConfig, memory: Arc<Memory>, sheddable: Vec<Arc<dyn Sheddable>>) -> Self {
        let Some(mut shell) = Shell::new(PathBuf::from("/"), config, memory, sheddable) else {
            tracing::warn!("the system does not say how much memory there is and how much is used: it is not watched");
            return Self { stop: None, thread: None };
        };
        let (stop, stopped) = mpsc::channel();
        let watch = move || {
            while stopped.recv_timeout(shell.look(Instant::now())) == Err(mpsc::RecvTimeoutError::Timeout) {}
        };
        match std::thread::Builder::new().name("forebay-memory".into()).spawn(watch) {
            Ok(thread) => Self { stop: Some(stop), thread: Some(thread) },
            Err(error) => {
                tracing::warn!(%error, "no thread to watch memory with");
                Self { stop: None, thread: None }
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A panic there has been reported already, and whoever drops this has other things to do.
        self.thread.take().map(JoinHandle::join);
    }
}

struct Shell {
    root: PathBuf,
    configured: Option<u64>,
    thresholds: Thresholds,
    at_start: Footprint,
    limit: Limit,
    found: Instant,
    governor: Governor,
    level: Level,
    memory: Arc<Memory>,
    sheddable: Vec<Arc<dyn Sheddable>>,
}

impl Shell {
    fn new(
        root: PathBuf,
        config: &MemoryConfig,
        memory: Arc<Memory>,
        sheddable: Vec<Arc<dyn Sheddable>>,
    ) -> Option<Self> {
        let at_start = footprint(&root)?;
        let limit = Limit::find(&root, config.limit_bytes, at_start)?;
        let thresholds = Thresholds { shed_at: config.shed_at, emergency_at: config.emergency_at };
        tracing::info!(limit_bytes = limit.bytes, source = limit.source.as_str(), "memory is watched");
        if thresholds.pressed(limit.bytes, at_start.resident) {
            let resident = at_start.resident;
            tracing::warn!(
                limit_bytes = limit.bytes,
                resident,
                "the process needs nearly all of its memory without caches"
            );
        }
        Some(Self {
            root,
            configured: config.limit_bytes,
            thresholds,
            at_start,
            limit,
            found: Instant::now(),
            governor: Governor::new(thresholds),
            level: Level::Calm,
            memory,
            sheddable,
        })
    }

    /// Looks once and does what is to be done. Returns the time until the next look.
    fn look(&mut self, now: Instant) -> Duration {
        self.find_limit(now);
        let limit = self.limit.bytes;
        let mut usage = self.usage();
        if self.thresholds.pressed(limit, usage) {
            // What nobody uses goes first.
            release::to_system();
            usage = self.usage();
        }
        let held = self.sheddable.iter().map(|sheddable| sheddable.held()).sum();
        let order = self.governor.decide(Look { limit, usage, held }, now);
        // Batch work pauses before anything is shed.
        self.memory.set_level(order.level);
        if order.level != self.level {
            self.turn(order.level, usage, held);
        }
        match order.change {
            Change::Keep => {}
            Change::Free(bytes) => {
                self.free(bytes);
                usage = self.usage();
            }
            Change::Allow(bytes) => self.allow(bytes, held),
        }
        self.memory.saw(self.limit, usage);
        order.again
    }

    fn usage(&self) -> u64 {
        // What cannot be read for once is as it was.
        footprint(&self.root).map_or_else(|| self.memory.snapshot().usage, |footprint| footprint.resident)
    }

    fn find_limit(&mut self, now: Instant) {
        if now.saturating_duration_since(self.found) < FIND_LIMIT_EVERY {
            return;
        }
        self.found = now;
        if let Some(limit) = Limit::find(&self.root, self.configured, self.at_start)
            && limit != self.limit
        {
            tracing::info!(
                limit_bytes = limit.bytes,
                source = limit.source.as_str(),
                "the limit of memory has changed"
            );
            self.limit = limit;
        }
    }

    fn turn(&mut self, level: Level, usage: u64, held: u64) {
        let (from, to, limit) = (self.level.as_str(), level.as_str(), self.limit.bytes);
        if level > self.level {
            tracing::warn!(from, to, usage, limit, held, "memory is getting short");
        } else {
            tracing::info!(from, to, usage, limit, held, "there is memory again");
        }
        self.level = level;
        for sheddable in &self.sheddable {
            sheddable.refuse(level == Level::Emergency);
        }
    }

    fn free(&self, mut bytes: u64) {
        for sheddable in &self.sheddable {
            if bytes == 0 {
                break;
            }
            let freed = sheddable.shed(bytes);
            bytes = bytes.saturating_sub(freed);
            self.memory.shed(sheddable.name(), freed);
            tracing::debug!(cache = sheddable.name(), freed, "shed");
        }
        release::to_system();
    }

    /// What all may hold together beyond what they do is shared as they are configured.
    fn allow(&self, bytes: u64, held: u64) {
        let room = bytes.saturating_sub(held) as f64;
        let most: u64 = self.sheddable.iter().map(|sheddable| sheddable.most()).sum();
        for sheddable in &self.sheddable {
            let share = sheddable.most() as f64 / most.max(1) as f64;
            sheddable.allow(sheddable.held() + (room * share) as u64);
        }
    }
}

#[cfg(test)]
mod tests;
