//! Leaves a tier alone for a while when it is slow or fails: a look-up costs its time budget only so often.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The weight of one call in the average.
const WEIGHT: f64 = 0.1;
/// Opens when so large a part of calls was of no use; from none, that is seven in a row.
const TOO_MANY: f64 = 0.5;
/// Stays open so long at first, and twice as long each time that it is no better then.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// Opens when too many calls are of no use. While it is open, one call in each of its times is let through to see.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    useless: f64,
    /// Open until then, and for how long that is.
    open: Option<(Instant, Duration)>,
    /// A call was let through to see.
    probing: bool,
}

impl Breaker {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is closed, or would let a call through.
    pub(super) fn is_closed(&self, now: Instant) -> bool {
        self.state().open.is_none_or(|(until, _)| now >= until)
    }

    /// Whether a call may go ahead.
    pub(super) fn admit(&self, now: Instant) -> bool {
        let mut state = self.state();
        match state.open {
            None => true,
            Some((until, _)) if now < until => false,
            Some((_, time)) => {
                // A call that never comes back must not be waited for.
                state.open = Some((now + time, time));
                state.probing = true;
                true
            }
        }
    }

    /// What became of a call; whether that opened it.
    pub(super) fn report(&self, useful: bool, now: Instant) -> bool {
        let mut state = self.state();
        match state.open {
            Some(_) if useful => *state = State::default(),
            Some((_, time)) if state.probing => {
                // Up to a quarter less, so that gateways do not come back all at once.
                let time = (time * 2).min(LONGEST);
                state.open = Some((now + time.mul_f64(1.0 - 0.25 * rand::random::<f64>()), time));
                state.probing = false;
            }
            // A call from before it opened says nothing new.
            Some(_) => {}
            None => {
                state.useless += WEIGHT * (f64::from(u8::from(!useful)) - state.useless);
                if state.useless > TOO_MANY {
                    state.open = Some((now + FIRST, FIRST));
                    return true;
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_some_useless_calls_and_closes_after_a_useful_one() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        let opened = (0..100).position(|_| breaker.report(false, now));
        assert_eq!(opened, Some(6));
        (0..9).for_each(|_| assert!(!breaker.report(false, now), "what was under way says nothing new"));
        assert!(!breaker.admit(now) && !breaker.is_closed(now));
        let later = now + FIRST;
        assert!(breaker.is_closed(later) && breaker.admit(later) && !breaker.admit(later), "one at a time");
        breaker.report(false, later);
        assert!(!breaker.admit(later + FIRST), "twice as long");
        assert!(breaker.admit(later + 2 * FIRST));
        breaker.report(true, later + 2 * FIRST);
        assert!(breaker.admit(later + 2 * FIRST) && breaker.admit(later + 2 * FIRST));
    }

    #[test]
    fn a_useless_call_now_and_then_does_not_open_it() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        assert!((0..1_000).all(|i| !breaker.report(i % 3 != 0, now)));
    }
}
