//! Two windows in a row that are off.

/// Residuals a window.
const WINDOW: u32 = 50;

/// Standard errors of a window's mean beyond which it is off.
const LIMIT: f64 = 2.5;

/// Windows in a row.
const IN_A_ROW: u8 = 2;

/// Less than this is no reason to do anything, however certain: 10 %, as a logarithm.
const LEAST: f64 = 0.1;

/// Where nothing was predicted, the first so many residuals say what is usual. They are in no window.
const USUAL: u32 = 8 * WINDOW;

/// The weight of a new residual in the moving mean of what predictions are off by.
const WEIGHT: f64 = 0.03;

/// Nothing is corrected by more than this factor either way.
const MOST: f64 = 16.0;

/// The weight of a new difference between windows in the moving mean of its square, once there are as many as it spans.
const SWAY_WEIGHT: f64 = 0.1;

/// Differences that what chance alone would give counts for at the start.
const SWAY_PRIOR: u32 = 5;

/// A residual's deviation is taken to be at least this: what never varied would alarm at the first hiccup.
const LEAST_DEVIATION: f64 = 0.05;

/// A change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::planner::experience) enum Turn {
    Alarm,
    Recovery,
}

/// Watches the residuals of one subject.
#[derive(Debug, Clone)]
pub(in crate::planner::experience) struct Detector {
    /// Whether it is known what is usual.
    usual: Option<Usual>,
    learning: Sums,
    /// Of the means of windows of these.
    learning_means: Sums,
    /// Of standardised residuals, and of residuals.
    z: Sums,
    residual: Sums,
    /// Windows in a row unlike the state that it is in.
    contrary: u8,
    alarmed: bool,
    /// How much means of windows vary from one to the next: more than those of independent residuals, as queries of one kind come
    /// together and are off by the same.
    sway: Sway,
    /// The moving mean of residuals.
    off: f64,
    last_z: f64,
    runs: u64,
    alarms: u64,
}

#[derive(Debug, Clone, Copy)]
struct Usual {
    mean: f64,
    deviation: f64,
    /// How far off the mean itself may be, in deviations, squared.
    doubt: f64,
}

/// The moving mean of half the squared difference of a window's mean to the one before: the variance of such means, which a single
/// step hardly moves.
#[derive(Debug, Clone, Copy)]
struct Sway {
    variance: f64,
    windows: u32,
    last: Option<f64>,
}

impl Sway {
    fn new() -> Self {
        Self { variance: 1.0 / f64::from(WINDOW), windows: 0, last: None }
    }

    /// Notes the mean of a window; returns the variance of such means, as known without it and never less than chance gives.
    fn note(&mut self, mean: f64) -> f64 {
        let known = self.variance.max(1.0 / f64::from(WINDOW));
        if let Some(last) = self.last.replace(mean) {
            self.windows += 1;
            let weight = SWAY_WEIGHT.max(1.0 / f64::from(self.windows + SWAY_PRIOR));
            self.variance += weight * ((mean - last).powi(2) / 2.0 - self.variance);
        }
        known
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: u32,
    sum: f64,
    squares: f64,
}

impl Sums {
    fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.squares += value * value;
    }

    fn mean(&self) -> f64 {
        self.sum / f64::from(self.count.max(1))
    }

    fn deviation(&self) -> f64 {
        (self.squares / f64::from(self.count.max(1)) - self.mean().powi(2)).max(0.0).sqrt()
    }
}

impl Detector {
    /// One of residuals that should be 0 on average, with the predicted deviation; or one that finds out what is usual first.
    pub(in crate::planner::experience) fn new(predicted: bool) -> Self {
        Self {
            usual: predicted.then_some(Usual { mean: 0.0, deviation: 1.0, doubt: 0.0 }),
            learning: Sums::default(),
            learning_means: Sums::default(),
            z: Sums::default(),
            residual: Sums::default(),
            contrary: 0,
            alarmed: false,
            sway: Sway::new(),
            off: 0.0,
            last_z: 0.0,
            runs: 0,
            alarms: 0,
        }
    }

    /// Notes a residual, with its predicted deviation where there is one.
    pub(in crate::planner::experience) fn note(&mut self, residual: f64, spread: Option<f64>) -> Option<Turn> {
        self.runs += 1;
        let Some(usual) = self.usual else {
            self.learning.add(residual);
            self.residual.add(residual);
            if self.residual.count == WINDOW {
                self.learning_means.add(std::mem::take(&mut self.residual).mean());
            }
            if self.learning.count == USUAL {
                let deviation = self.learning.deviation().max(LEAST_DEVIATION);
                let sway = (self.learning_means.deviation() / deviation).powi(2).max(1.0 / f64::from(WINDOW));
                let doubt = sway * f64::from(WINDOW) / f64::from(USUAL);
                self.usual = Some(Usual { mean: self.learning.mean(), deviation, doubt });
                self.sway.variance = sway;
            }
            return None;
        };
        let residual = residual - usual.mean;
        self.off += WEIGHT * (residual - self.off);
        self.z.add(residual / spread.unwrap_or(usual.deviation).max(LEAST_DEVIATION));
        self.residual.add(residual);
        if self.z.count < WINDOW {
            return None;
        }
        let (z, residual) = (std::mem::take(&mut self.z), std::mem::take(&mut self.residual));
        self.last_z = z.mean() / (self.sway.note(z.mean()) + usual.doubt).sqrt();
        let is_off = self.last_z.abs() > LIMIT && residual.mean().abs() > LEAST;
        self.contrary = if is_off == self.alarmed { 0 } else { self.contrary + 1 };
        if self.contrary < IN_A_ROW {
            return None;
        }
        (self.contrary, self.alarmed) = (0, is_off);
        if is_off {
            self.alarms += 1;
            // The moving mean has not come as far yet.
            self.off = residual.mean();
            return Some(Turn::Alarm);
        }
        Some(Turn::Recovery)
    }

    pub(in crate::planner::experience) fn is_alarmed(&self) -> bool {
        self.alarmed
    }

    /// What expectations are to be multiplied with; 1 unless alarmed.
    pub(in crate::planner::experience) fn factor(&self) -> f64 {
        if self.alarmed { self.off.exp().clamp(1.0 / MOST, MOST) } else { 1.0 }
    }

    /// Standard errors by which the last window was off.
    pub(in crate::planner::experience) fn last_z(&self) -> f64 {
        self.last_z
    }

    pub(in crate::planner::experience) fn runs(&self) -> u64 {
        self.runs
    }

    pub(in crate::planner::experience) fn alarms(&self) -> u64 {
        self.alarms
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
    use rand_distr::{Distribution as _, Normal};

    use super::*;

    /// Residuals of runs that vary by 35 %, some hiccups among them, all `times` as slow as expected.
    fn run(detector: &mut Detector, rng: &mut StdRng, times: f64, runs: u32) -> Vec<(u32, Turn)> {
        let noise = Normal::new(0.0, 0.35).unwrap();
        let mut turns = Vec::new();
        for run in 0..runs {
            let hiccup = if rng.random::<f64>() < 0.02 { 1.0 } else { 0.0 };
            let residual = times.ln() + noise.sample(rng) + hiccup - 0.02;
            turns.extend(
                detector
                    .note(residual, detector.usual.is_some_and(|u| u.doubt == 0.0).then_some(0.38))
                    .map(|turn| (run, turn)),
            );
        }
        turns
    }

    #[test]
    fn what_stays_as_it_is_hardly_ever_alarms() {
        let mut rng = StdRng::seed_from_u64(1);
        for predicted in [true, false] {
            let turns: usize = (0..10).map(|_| run(&mut Detector::new(predicted), &mut rng, 1.0, 5_000).len()).sum();
            // 50,000 runs.
            assert!(turns <= 2, "{turns} turns, predicted {predicted}");
        }
    }

    #[test]
    fn a_backend_twice_as_slow_is_found_within_200_runs_and_its_recovery_too() {
        let mut rng = StdRng::seed_from_u64(2);
        for predicted in [true, false] {
            for times in [2.0, 4.0, 0.5] {
                let mut detector = Detector::new(predicted);
                assert!(run(&mut detector, &mut rng, 1.0, 1_000).is_empty());
                let turns = run(&mut detector, &mut rng, times, 400);
                assert!(matches!(turns[..], [(..200, Turn::Alarm)]), "{times} times: {turns:?}");
                assert!((detector.factor() / times).ln().abs() < 0.25, "{} for {times}", detector.factor());
                let turns = run(&mut detector, &mut rng, 1.0, 400);
                assert!(matches!(turns[..], [(..200, Turn::Recovery)]), "{times} times: {turns:?}");
                assert_eq!(detector.factor(), 1.0);
            }
        }
    }

    #[test]
    fn queries_that_come_in_bunches_and_are_off_by_the_same_are_no_drift() {
        let mut rng = StdRng::seed_from_u64(3);
        let (own, noise) = (Normal::new(0.0, 0.5).unwrap(), Normal::new(0.0, 0.2).unwrap());
        let mut alarms = 0;
        for predicted in [true, false] {
            let mut detector = Detector::new(predicted);
            for _ in 0..2_000 {
                // A dozen runs of one query, whose estimate is off in its own way.
                let off = own.sample(&mut rng);
                for _ in 0..12 {
                    detector.note(off + noise.sample(&mut rng), predicted.then_some(0.54));
                }
            }
            alarms += detector.alarms();
        }
        // 48,000 runs. Taken for independent, they would alarm more than a hundred times.
        assert!(alarms <= 12, "{alarms}");
    }

    #[test]
    fn a_difference_too_small_to_matter_is_no_alarm_however_certain() {
        let mut detector = Detector::new(true);
        assert!((0..5_000).all(|_| detector.note(0.08, Some(0.05)).is_none()));
        assert!(detector.last_z() > LIMIT);
    }
}
