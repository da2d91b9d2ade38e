//! What a connection is doing, and what it is told to do. Requests and the socket write it with plain stores; the server
//! looks at it now and then. So timeouts for slow heads and idle connections cost a request no timer and no clock.

use std::{
    sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering},
    task::Waker,
    time::{Duration, Instant},
};

use futures_util::task::AtomicWaker;

/// The state of one connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests whose handler has not ended.
    in_flight: AtomicU32,
    /// Bytes of a head have come, and its end has not. Stays off where requests share a connection (HTTP/2).
    reading_head: AtomicBool,
    /// Requests share the connection.
    multiplexed: AtomicBool,
    /// Part of a body was left unread, so the client may still be sending when the connection is to close.
    body_left: AtomicBool,
    /// Grows whenever something moves; only the connection's own task writes it.
    moves: AtomicU32,
    command: AtomicU8,
    waker: AtomicWaker,
}

/// What a connection is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Command {
    /// Go on.
    Serve = 0,
    /// End after the requests that run.
    Drain = 1,
    /// End now.
    Cut = 2,
}

impl Activity {
    /// Notes a request; it runs until the returned guard is dropped.
    pub(super) fn request(&self) -> InFlight<'_> {
        self.reading_head.store(false, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self)
    }

    /// Notes bytes from the client.
    pub(super) fn received(&self) {
        if self.in_flight.load(Ordering::Relaxed) == 0 && !self.multiplexed.load(Ordering::Relaxed) {
            self.reading_head.store(true, Ordering::Relaxed);
        }
    }

    /// Notes that something moved that is not a head.
    pub(super) fn moved(&self) {
        self.moves.store(self.moves.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Notes that requests share the connection.
    pub(super) fn multiplexes(&self) {
        self.multiplexed.store(true, Ordering::Relaxed);
        self.reading_head.store(false, Ordering::Relaxed);
    }

    /// Notes that a request was answered before its body had been read.
    pub(super) fn leaves_body(&self) {
        self.body_left.store(true, Ordering::Relaxed);
    }

    /// Whether some body was not read to its end.
    pub(super) fn body_left(&self) -> bool {
        self.body_left.load(Ordering::Relaxed)
    }

    /// Tells the connection what to do. A later, weaker command changes nothing.
    pub(super) fn tell(&self, command: Command) {
        self.command.fetch_max(command as u8, Ordering::Release);
        self.waker.wake();
    }

    /// Asks the connection to end, and makes it end if it was asked before.
    pub(super) fn tell_next(&self) {
        let asked = self.command.load(Ordering::Acquire) >= Command::Drain as u8;
        self.tell(if asked { Command::Cut } else { Command::Drain });
    }

    /// What the connection is told to do; `waker` is called when that changes.
    pub(super) fn command(&self, waker: &Waker) -> Command {
        self.waker.register(waker);
        match self.command.load(Ordering::Acquire) {
            0 => Command::Serve,
            1 => Command::Drain,
            _ => Command::Cut,
        }
    }

    fn look(&self) -> Look {
        Look {
            busy: self.in_flight.load(Ordering::Relaxed) > 0,
            reading_head: self.reading_head.load(Ordering::Relaxed),
            moves: self.moves.load(Ordering::Relaxed),
        }
    }
}

/// A request that runs.
pub(super) struct InFlight<'a>(&'a Activity);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    busy: bool,
    reading_head: bool,
    moves: u32,
}

/// Finds out, from looks at an [`Activity`] now and then, how long nothing has happened.
#[derive(Debug)]
pub(super) struct Watch {
    last: Look,
    since: Instant,
}

impl Watch {
    pub(super) fn new(activity: &Activity, now: Instant) -> Self {
        Self { last: activity.look(), since: now }
    }

    /// Whether the connection has been in one state for longer than it may.
    pub(super) fn overdue(&mut self, activity: &Activity, now: Instant, head: Duration, idle: Duration) -> bool {
        let look = activity.look();
        if look.busy || look != self.last {
            *self = Self { last: look, since: now };
            return false;
        }
        now.duration_since(self.since) >= if look.reading_head { head } else { idle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Duration = Duration::from_secs(5);
    const IDLE: Duration = Duration::from_secs(75);

    struct Clock {
        activity: Activity,
        watch: Watch,
        start: Instant,
    }

    impl Clock {
        fn new() -> Self {
            let (activity, start) = (Activity::default(), Instant::now());
            Self { watch: Watch::new(&activity, start), activity, start }
        }

        fn overdue_at(&mut self, seconds: u64) -> bool {
            self.watch.overdue(&self.activity, self.start + Duration::from_secs(seconds), HEAD, IDLE)
        }
    }

    #[test]
    fn a_slow_head_is_overdue_however_it_drips() {
        let mut clock = Clock::new();
        let overdue: Vec<_> = (1..=7)
            .map(|second| {
                clock.activity.received();
                clock.overdue_at(second)
            })
            .collect();
        assert_eq!(overdue, [false, false, false, false, false, true, true]);
    }

    #[test]
    fn an_idle_connection_gets_the_longer_time_and_a_busy_one_any() {
        let mut clock = Clock::new();
        assert!(!clock.overdue_at(74) && clock.overdue_at(75));
        let mut clock = Clock::new();
        clock.activity.received();
        std::mem::forget(clock.activity.request());
        assert!(!clock.overdue_at(1_000) && !clock.overdue_at(2_000));
        clock.activity.in_flight.store(0, Ordering::Relaxed);
        assert!(!clock.overdue_at(2_001) && !clock.overdue_at(2_075) && clock.overdue_at(2_076));
    }

    #[test]
    fn a_connection_that_moves_is_not_idle() {
        let mut clock = Clock::new();
        for second in (50..500).step_by(50) {
            clock.activity.moved();
            assert!(!clock.overdue_at(second));
        }
        assert!(clock.overdue_at(525));
    }

    #[test]
    fn shared_connections_have_no_head_to_wait_for() {
        let mut clock = Clock::new();
        clock.activity.multiplexes();
        clock.activity.received();
        assert!(!clock.overdue_at(1) && !clock.overdue_at(70) && clock.overdue_at(76));
    }

    #[test]
    fn a_command_is_never_weakened() {
        let activity = Activity::default();
        activity.tell(Command::Cut);
        activity.tell(Command::Drain);
        assert_eq!(activity.command(Waker::noop()), Command::Cut);
    }

    #[test]
    fn a_connection_is_asked_before_it_is_cut() {
        let activity = Activity::default();
        activity.tell_next();
        assert_eq!(activity.command(Waker::noop()), Command::Drain);
        activity.tell_next();
        assert_eq!(activity.command(Waker::noop()), Command::Cut);
    }
}
