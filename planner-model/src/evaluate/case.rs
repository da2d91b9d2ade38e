use crate::{
    Feature,
    dataset::{Candidate, Dataset, Group, Origin},
};

/// A query under one state of the cache, with what each of its candidates took.
#[derive(Debug, Clone)]
pub struct Case<'a> {
    /// Its place in the data set.
    pub index: usize,
    /// The group.
    pub group: &'a Group,
    /// The candidates that ran.
    pub candidates: Vec<&'a Candidate>,
    /// Their median latencies, in microseconds.
    pub us: Vec<f64>,
    /// The fastest of them.
    pub best: usize,
}

impl Case<'_> {
    /// Latency of a choice over that of the best.
    pub fn regret(&self, choice: usize) -> f64 {
        self.us[choice] / self.us[self.best]
    }

    /// A feature that all candidates share.
    pub fn shared(&self, feature: Feature) -> f64 {
        f64::from(self.candidates[0].features.get(feature))
    }

    /// The candidate with the least of something among those that pass.
    pub fn least(&self, of: impl Fn(&Candidate) -> f64, passes: impl Fn(&Candidate) -> bool) -> Option<usize> {
        let passing = self.candidates.iter().enumerate().filter(|(_, candidate)| passes(candidate));
        passing.min_by(|(_, a), (_, b)| of(a).total_cmp(&of(b))).map(|(place, _)| place)
    }

    /// The candidate that the analytic model thinks the fastest.
    pub fn analytic(&self) -> usize {
        self.least(|candidate| candidate.analytic_us, |_| true).unwrap_or(0)
    }
}

/// The cases of a data set: swept groups of which at least two candidates ran, and one of them to its end.
pub fn cases(data: &Dataset) -> Vec<Case<'_>> {
    data.groups.iter().enumerate().filter_map(|(index, group)| case(index, group)).collect()
}

fn case(index: usize, group: &Group) -> Option<Case<'_>> {
    if group.origin != Origin::Sweep {
        return None;
    }
    let ran = group.candidates.iter().filter_map(|candidate| Some((candidate, candidate.median_us()?)));
    let (candidates, us): (Vec<&Candidate>, Vec<f64>) = ran.unzip();
    let finished = us.iter().zip(&candidates).filter(|(_, candidate)| !candidate.is_censored());
    let best_us = finished.map(|(us, _)| *us).fold(f64::INFINITY, f64::min);
    let best = us.iter().position(|us| *us == best_us)?;
    (candidates.len() > 1).then_some(Case { index, group, candidates, us, best })
}
