//! Whether Redis is asked at present. A breaker of the pools' kind, of other measures: what is guarded here is not the
//! server but the time of requests that can do without it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::pool::{Breaker, BreakerSettings, BreakerState, Probe};

/// When look-ups stop and begin again: after half of at least five within two seconds were late or failed, for 100 ms at
/// first and 5 s at most; then one at a time is tried.
fn settings() -> BreakerSettings {
    BreakerSettings {
        min_calls: 5,
        window: Duration::from_secs(2),
        failure_ratio: 0.5,
        // What is late is a failure; what comes in time is not slow.
        slow_call: Duration::MAX,
        slow_ratio: 1.0,
        open: Duration::from_millis(100),
        max_open: Duration::from_secs(5),
        probes: 1,
    }
}

/// Lets attempts through, or not.
pub(super) struct Gate(Mutex<Breaker>);

/// One attempt. Dropped without a word it says nothing about the server.
pub(super) struct Attempt {
    gate: Arc<Gate>,
    probe: Probe,
    told: bool,
}

impl Gate {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Breaker::new(settings()))))
    }

    /// One attempt more; `None` while the server is left alone.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Attempt> {
        self.enter_at(Instant::now())
    }

    fn enter_at(self: &Arc<Self>, now: Instant) -> Option<Attempt> {
        let probe = self.breaker().admit(now).ok()?;
        Some(Attempt { gate: self.clone(), probe, told: false })
    }

    /// Whether the next attempt may be let through.
    pub(super) fn is_open_to_some(&self) -> bool {
        self.breaker().state(Instant::now()) != BreakerState::Open
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    /// The server answered in time.
    pub(super) fn answered(mut self) {
        self.told = true;
        self.gate.breaker().success(Instant::now(), Duration::ZERO, self.probe, rand::random());
    }

    /// It did not, or with an error.
    pub(super) fn failed(mut self) {
        self.told = true;
        self.gate.breaker().failure(Instant::now(), self.probe, rand::random());
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.told {
            self.gate.breaker().withdraw(self.probe);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that was shut after this time.
    fn shut() -> (Arc<Gate>, Instant) {
        let (gate, begun) = (Gate::new(), Instant::now());
        while let Some(attempt) = gate.enter_at(begun) {
            attempt.failed();
        }
        (gate, begun)
    }

    const LATER: Duration = Duration::from_secs(10);

    #[test]
    fn after_failures_nothing_is_let_through_for_a_while_and_then_one_at_a_time() {
        let (gate, begun) = shut();
        assert!(gate.enter_at(begun + Duration::from_millis(70)).is_none(), "for 75 ms at least");
        let probe = gate.enter_at(begun + LATER).expect("a probe");
        assert!(gate.enter_at(begun + LATER).is_none(), "one at a time");
        probe.answered();
        assert!(gate.enter_at(begun + LATER).is_some() && gate.is_open_to_some());
    }

    #[test]
    fn a_failed_probe_shuts_it_again() {
        let (gate, begun) = shut();
        gate.enter_at(begun + LATER).expect("a probe").failed();
        assert!(gate.enter_at(begun).is_none());
    }

    #[test]
    fn an_attempt_that_was_given_up_leaves_its_turn_to_another() {
        let (gate, begun) = shut();
        drop(gate.enter_at(begun + LATER).expect("a probe"));
        assert!(gate.enter_at(begun + LATER).is_some());
    }

    #[test]
    fn failures_among_as_many_answers_do_not_shut_it() {
        let gate = Gate::new();
        for _ in 0..50 {
            gate.enter().expect("it is open").answered();
            gate.enter().expect("it is open").answered();
            gate.enter().expect("it is open").failed();
        }
        assert!(gate.is_open_to_some());
    }
}
