//! The breaker of a backend: it stops asking a server that fails or is slow, and begins again with care.
//!
//! *Closed* counts calls in a sliding window; once enough of them failed or were slow it is *open* and every call is
//! refused; after a while it is *half-open* and lets a few probes through: all well, closed; one failed, open for twice
//! as long. (The pattern is Nygard's, "Release It!", 2007; the sliding window and slow calls are usual since Hystrix
//! and resilience4j.) Pure: it is told the time and the dice.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::BreakerSettings;

/// The window is kept in so many slices; a call leaves it between one and one and a tenth windows later.
const SLICES: u32 = 10;

/// An open breaker stays open for its time less up to this fraction, so that gateways do not come back all at once.
const JITTER: f64 = 0.25;

/// What the breaker does with calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Lets them through.
    Closed,
    /// Refuses them.
    Open,
    /// Lets a few through.
    HalfOpen,
}

impl BreakerState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// The word in metrics and on the admin listener.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// Why a call is refused, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: &'static str,
    pub(crate) retry_after: Duration,
}

/// Names the half-open time that a call is a probe of; `None` of an ordinary call.
pub(crate) type Probe = Option<u32>;

#[derive(Debug)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    state: State,
    /// Oldest first.
    window: VecDeque<Slice>,
    /// How many times in a row it opened without closing.
    openings: u32,
    /// How many times it has opened; names the half-open time that follows.
    opened: u32,
}

#[derive(Debug)]
enum State {
    Closed,
    Open { until: Instant, reason: &'static str },
    HalfOpen { admitted: u32, succeeded: u32, reason: &'static str },
}

#[derive(Debug)]
struct Slice {
    begins: Instant,
    calls: u32,
    failed: u32,
    slow: u32,
}

impl Breaker {
    pub(crate) fn new(settings: BreakerSettings) -> Self {
        Self { settings, state: State::Closed, window: VecDeque::new(), openings: 0, opened: 0 }
    }

    /// Whether a call may go ahead, and as what. A probe has to be told of by [`Breaker::success`],
    /// [`Breaker::failure`] or [`Breaker::withdraw`] in the end.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<Probe, Refusal> {
        if let State::Open { until, reason } = self.state
            && now >= until
        {
            self.state = State::HalfOpen { admitted: 0, succeeded: 0, reason };
        }
        match &mut self.state {
            State::Closed => Ok(None),
            State::Open { until, reason } => Err(Refusal { reason, retry_after: until.duration_since(now) }),
            State::HalfOpen { admitted, reason, .. } if *admitted == self.settings.probes.max(1) => {
                Err(Refusal { reason, retry_after: self.settings.open })
            }
            State::HalfOpen { admitted, .. } => {
                *admitted += 1;
                Ok(Some(self.opened))
            }
        }
    }

    /// Why calls are refused now, if they are.
    pub(crate) fn refusal(&self, now: Instant) -> Option<Refusal> {
        match self.state {
            State::Open { until, reason } if now < until => {
                Some(Refusal { reason, retry_after: until.duration_since(now) })
            }
            _ => None,
        }
    }

    pub(crate) fn state(&self, now: Instant) -> BreakerState {
        match self.state {
            State::Closed => BreakerState::Closed,
            State::Open { until, .. } if now < until => BreakerState::Open,
            State::Open { .. } | State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// A call was answered.
    pub(crate) fn success(&mut self, now: Instant, took: Duration, probe: Probe, dice: f64) {
        let probe = self.is_current(probe);
        let slow = took > self.settings.slow_call;
        match &mut self.state {
            State::Closed => {
                self.count(now, |slice| slice.slow += u32::from(slow));
                self.judge(now, dice);
            }
            State::HalfOpen { .. } if probe && slow => self.open(now, "a probe was slow", dice),
            State::HalfOpen { succeeded, .. } if probe => {
                *succeeded += 1;
                if *succeeded >= self.settings.probes {
                    self.state = State::Closed;
                    self.openings = 0;
                    self.window.clear();
                }
            }
            // A call from before it opened says nothing about now.
            State::HalfOpen { .. } | State::Open { .. } => {}
        }
    }

    /// A call failed by the backend's fault.
    pub(crate) fn failure(&mut self, now: Instant, probe: Probe, dice: f64) {
        let probe = self.is_current(probe);
        match self.state {
            State::Closed => {
                self.count(now, |slice| slice.failed += 1);
                self.judge(now, dice);
            }
            State::HalfOpen { .. } if probe => self.open(now, "a probe failed", dice),
            State::HalfOpen { .. } | State::Open { .. } => {}
        }
    }

    /// A connection could not be opened. While probes are let through that is for one of them.
    pub(crate) fn connect_failure(&mut self, now: Instant, dice: f64) {
        self.failure(now, Some(self.opened), dice);
    }

    /// A call ended in a way that says nothing about the backend.
    pub(crate) fn withdraw(&mut self, probe: Probe) {
        let probe = self.is_current(probe);
        if let State::HalfOpen { admitted, .. } = &mut self.state
            && probe
        {
            *admitted = admitted.saturating_sub(1);
        }
    }

    fn is_current(&self, probe: Probe) -> bool {
        probe == Some(self.opened)
    }

    fn count(&mut self, now: Instant, what: impl FnOnce(&mut Slice)) {
        let length = self.settings.window / SLICES;
        while self.window.front().is_some_and(|slice| slice.begins + self.settings.window <= now) {
            self.window.pop_front();
        }
        if self.window.back().is_none_or(|slice| slice.begins + length <= now) {
            self.window.push_back(Slice { begins: now, calls: 0, failed: 0, slow: 0 });
        }
        if let Some(slice) = self.window.back_mut() {
            slice.calls += 1;
            what(slice);
        }
    }

    fn judge(&mut self, now: Instant, dice: f64) {
        let sum = |of: fn(&Slice) -> u32| self.window.iter().map(of).sum::<u32>();
        let calls = sum(|slice| slice.calls);
        if calls < self.settings.min_calls {
            return;
        }
        let reaches = |count: u32, ratio: f64| count > 0 && f64::from(count) >= ratio * f64::from(calls);
        if reaches(sum(|slice| slice.failed), self.settings.failure_ratio) {
            self.open(now, "too many calls failed", dice);
        } else if reaches(sum(|slice| slice.slow), self.settings.slow_ratio) {
            self.open(now, "too many calls were slow", dice);
        }
    }

    fn open(&mut self, now: Instant, reason: &'static str, dice: f64) {
        let longest = self.settings.max_open.max(self.settings.open);
        let time = self.settings.open.saturating_mul(1 << self.openings.min(20)).min(longest);
        self.openings = self.openings.saturating_add(1);
        self.opened = self.opened.wrapping_add(1);
        self.state = State::Open { until: now + time.mul_f64(1.0 - JITTER * dice), reason };
        self.window.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn breaker() -> Breaker {
        Breaker::new(BreakerSettings {
            min_calls: 10,
            window: ms(1_000),
            failure_ratio: 0.5,
            slow_call: ms(100),
            slow_ratio: 0.8,
            open: ms(500),
            max_open: ms(1_500),
            probes: 2,
        })
    }

    fn fail(breaker: &mut Breaker, now: Instant, times: u32) {
        (0..times).for_each(|_| breaker.failure(now, None, 0.0));
    }

    /// An open breaker, and when it opened.
    fn opened() -> (Breaker, Instant) {
        let (mut breaker, now) = (breaker(), Instant::now());
        fail(&mut breaker, now, 10);
        (breaker, now)
    }

    #[test]
    fn it_opens_when_enough_of_enough_calls_failed() {
        let (mut breaker, now) = (breaker(), Instant::now());
        (0..10).for_each(|_| breaker.success(now, ms(1), None, 0.0));
        fail(&mut breaker, now, 9);
        assert_eq!(breaker.state(now), BreakerState::Closed, "nine of nineteen");
        fail(&mut breaker, now, 1);
        assert_eq!(breaker.state(now), BreakerState::Open, "ten of twenty");
        let refusal = Refusal { reason: "too many calls failed", retry_after: ms(300) };
        assert_eq!(breaker.admit(now + ms(200)), Err(refusal));
    }

    #[test]
    fn too_few_calls_are_not_judged() {
        let (mut breaker, now) = (breaker(), Instant::now());
        fail(&mut breaker, now, 9);
        assert_eq!(breaker.state(now), BreakerState::Closed);
        breaker.success(now, ms(1), None, 0.0);
        assert_eq!(breaker.state(now), BreakerState::Open, "nine of ten");
    }

    #[test]
    fn it_opens_when_calls_are_slow() {
        let (mut breaker, now) = (breaker(), Instant::now());
        (0..10).for_each(|call| breaker.success(now, ms(if call < 2 { 100 } else { 101 }), None, 0.0));
        assert_eq!(breaker.refusal(now).unwrap().reason, "too many calls were slow");
    }

    #[test]
    fn what_has_left_the_window_does_not_count() {
        let (mut breaker, now) = (breaker(), Instant::now());
        fail(&mut breaker, now, 9);
        fail(&mut breaker, now + ms(1_001), 9);
        assert_eq!(breaker.state(now + ms(1_001)), BreakerState::Closed);
        fail(&mut breaker, now + ms(1_050), 1);
        assert_eq!(breaker.state(now + ms(1_050)), BreakerState::Open);
    }

    #[test]
    fn a_few_probes_decide_whether_it_closes() {
        let (mut breaker, now) = opened();
        let later = now + ms(500);
        let (first, second) = (breaker.admit(later).unwrap(), breaker.admit(later).unwrap());
        assert!(first.is_some() && breaker.admit(later).is_err(), "two probes and no third");
        breaker.withdraw(first);
        let third = breaker.admit(later).expect("the first one has not been one");
        breaker.success(later, ms(1), None, 0.0);
        breaker.success(later, ms(1), second, 0.0);
        assert_eq!(breaker.state(later), BreakerState::HalfOpen, "a call from before does not count");
        breaker.success(later, ms(1), third, 0.0);
        assert_eq!((breaker.state(later), breaker.admit(later)), (BreakerState::Closed, Ok(None)));
    }

    #[test]
    fn it_stays_open_for_twice_as_long_each_time_and_no_longer_than_the_limit() {
        let (mut breaker, mut now) = opened();
        for open in [500, 1_000, 1_500, 1_500] {
            assert_eq!(breaker.refusal(now).unwrap().retry_after, ms(open));
            now += ms(open);
            let probe = breaker.admit(now).unwrap();
            breaker.failure(now, probe, 0.0);
        }
        now += ms(1_500);
        for _ in 0..2 {
            let probe = breaker.admit(now).unwrap();
            breaker.success(now, ms(1), probe, 0.0);
        }
        fail(&mut breaker, now, 10);
        assert_eq!(breaker.refusal(now).unwrap().retry_after, ms(500), "closed in between, it begins anew");
    }

    #[test]
    fn a_probe_of_an_earlier_time_decides_nothing() {
        let (mut breaker, now) = opened();
        let later = now + ms(500);
        let (late, failed) = (breaker.admit(later).unwrap(), breaker.admit(later).unwrap());
        breaker.failure(later, failed, 0.0);
        let later = later + ms(1_000);
        let probes = [breaker.admit(later).unwrap(), breaker.admit(later).unwrap()];
        breaker.withdraw(late);
        assert!(breaker.admit(later).is_err());
        breaker.failure(later, late, 0.0);
        assert_eq!(breaker.state(later), BreakerState::HalfOpen);
        breaker.success(later, ms(1), late, 0.0);
        breaker.success(later, ms(1), probes[0], 0.0);
        assert_eq!(breaker.state(later), BreakerState::HalfOpen);
        breaker.connect_failure(later, 0.0);
        assert_eq!(breaker.state(later), BreakerState::Open);
    }

    #[test]
    fn the_dice_shorten_the_time_a_little() {
        let (mut breaker, now) = (breaker(), Instant::now());
        (0..10).for_each(|_| breaker.failure(now, None, 1.0));
        assert_eq!(breaker.refusal(now).unwrap().retry_after, ms(375));
    }
}
