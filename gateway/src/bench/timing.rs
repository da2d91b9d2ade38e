//! Measuring: medians, percentiles, rounds that alternate so that what changes over time hits all sides alike.

use std::time::Duration;

/// A collection of measurements of one thing, in one unit.
#[derive(Debug, Clone, Default)]
pub(super) struct Samples(Vec<f64>);

impl Samples {
    pub(super) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(super) fn extend(&mut self, other: impl IntoIterator<Item = f64>) {
        self.0.extend(other);
    }

    pub(super) fn all(&self) -> impl Iterator<Item = f64> + '_ {
        self.0.iter().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value that a share of the samples (0..=1) does not exceed, by the nearest rank. NaN of none.
    pub(super) fn percentile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
    }

    pub(super) fn median(&self) -> f64 {
        self.percentile(0.5)
    }

    pub(super) fn least(&self) -> f64 {
        self.percentile(0.0)
    }

    pub(super) fn greatest(&self) -> f64 {
        self.percentile(1.0)
    }

    /// The mean of positive values over their logarithms.
    pub(super) fn geometric_mean(&self) -> f64 {
        (self.0.iter().map(|value| value.ln()).sum::<f64>() / self.0.len() as f64).exp()
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// Microseconds.
pub(super) fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The order of `count` sides in a round. Every two rounds another side begins, and every other round goes backwards, so
/// that no side always follows the same other one.
pub(super) fn order(round: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |place| {
        let place = if round.is_multiple_of(2) { place } else { count - 1 - place };
        (place + round / 2) % count
    })
}

/// The larger of an estimate and the truth over the smaller one; less than one counts as one.
pub(super) fn q_error(estimate: f64, truth: f64) -> f64 {
    let (estimate, truth) = (estimate.max(1.0), truth.max(1.0));
    (estimate / truth).max(truth / estimate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_by_nearest_rank() {
        let samples: Samples = (1..=100).rev().map(f64::from).collect();
        assert_eq!((samples.median(), samples.percentile(0.99), samples.greatest()), (50.0, 99.0, 100.0));
        assert_eq!(samples.least(), 1.0);
        assert!(Samples::default().median().is_nan());
        let two: Samples = [1.0, 4.0].into_iter().collect();
        assert!((two.geometric_mean() - 2.0).abs() < 1e-12);
    }

    #[test]
    fn every_side_has_its_turn_in_every_round_and_each_place_as_often_as_the_others() {
        for count in [2, 3, 10] {
            let mut at = vec![vec![0; count]; count];
            for round in 0..2 * count {
                let mut sides: Vec<usize> = order(round, count).collect();
                sides.iter().enumerate().for_each(|(place, side)| at[*side][place] += 1);
                sides.sort_unstable();
                assert!(sides.into_iter().eq(0..count));
            }
            assert!(at.iter().flatten().all(|times| *times == 2), "{count}: {at:?}");
        }
    }
}
