//! What a report shows, in numbers.

use std::collections::HashSet;

use super::super::{
    Failure,
    evaluate::{RESAMPLES, cross},
    output,
    settings::Training,
    tables,
};
use crate::{
    dataset::{Dataset, Holdout, folds, share},
    evaluate::{
        Interval, Outcomes, Resamples, Serving, Summary,
        cross::{Judged, fit},
        errors::{Errors, errors},
        importance::Importance,
    },
};

/// Folds whose learning curves are one.
const CURVES: usize = 3;

/// Numbers of queries that are tried, beside all.
const SIZES: [usize; 9] = [25, 50, 100, 200, 400, 800, 1_600, 3_200, 6_400];

/// One way of holding out.
pub(super) struct Part<'a> {
    pub(super) holdout: Holdout,
    pub(super) judged: Judged<'a>,
    pub(super) summaries: Vec<(String, Summary)>,
    pub(super) errors: Vec<Errors>,
}

/// Regret after training on so many queries.
pub(super) struct Point {
    pub(super) queries: usize,
    pub(super) regret: Interval,
}

pub(super) struct Figures<'a> {
    pub(super) data: &'a Dataset,
    /// The first is the one that plots are of.
    pub(super) parts: Vec<Part<'a>>,
    /// What could not be judged, and why.
    pub(super) missing: Vec<(Holdout, String)>,
    pub(super) importance: Importance,
    pub(super) curve: Vec<Point>,
}

impl<'a> Figures<'a> {
    pub(super) fn new(data: &'a Dataset, count: usize, training: &Training) -> Result<Self, Failure> {
        let (mut parts, mut missing) = (Vec::new(), Vec::new());
        let mut importance = Importance::default();
        for holdout in Holdout::ALL {
            let plotted = holdout == Holdout::Random;
            let judged = cross(data, holdout, count, training, |serving, cases| {
                if plotted {
                    importance.add(serving, cases, training.seed());
                }
            });
            match judged {
                Ok(judged) => {
                    let resamples = Resamples::new(&judged.cases, RESAMPLES, training.seed());
                    let summaries = tables::summaries(&judged, &resamples);
                    let errors = errors(&judged.cases, &judged.served, &data.plans);
                    parts.push(Part { holdout, judged, summaries, errors });
                }
                Err(failure) if plotted => return Err(failure),
                Err(failure) => missing.push((holdout, failure.to_string())),
            }
        }
        let curve = curve(data, count, training)?;
        Ok(Self { data, parts, missing, importance, curve })
    }

    pub(super) fn plotted(&self) -> &Part<'a> {
        &self.parts[0]
    }
}

/// Regret on what some folds hold out, after training on more and more of the rest.
fn curve(data: &Dataset, count: usize, training: &Training) -> Result<Vec<Point>, Failure> {
    let mut settings = training.settings();
    // The grid is searched once, not for each point.
    settings.growth.truncate(1);
    settings.near_ties = vec![1.25];
    let folds: Vec<_> = folds(data, Holdout::Random, count, training.seed()).into_iter().take(CURVES).collect();
    let queries = |groups: &[usize]| {
        let queries: HashSet<&str> = groups.iter().map(|&group| &*data.groups[group].query).collect();
        let mut queries: Vec<&str> = queries.into_iter().collect();
        queries.sort_by(|a, b| share(a, 77).total_cmp(&share(b, 77)));
        queries
    };
    let least = folds.iter().map(|fold| queries(&fold.train).len()).min().unwrap_or(0);
    let sizes: Vec<usize> = SIZES.into_iter().filter(|&size| size * 10 < least * 9).chain([least]).collect();
    let all = crate::evaluate::cases(data);
    let bar = output::bar((sizes.len() * folds.len()) as u64, "learning curve");
    let mut points = Vec::new();
    for size in sizes {
        let (mut cases, mut choices) = (Vec::new(), Vec::new());
        for fold in &folds {
            let seen: HashSet<&str> = queries(&fold.train).into_iter().take(size).collect();
            let train: Vec<usize> =
                fold.train.iter().copied().filter(|&group| seen.contains(&*data.groups[group].query)).collect();
            bar.inc(1);
            // So few queries may have too few runs of each plan: then there is no point yet.
            let Ok(model) = fit(data, &train, &settings) else { continue };
            let serving = Serving::new(&model, &data.plans);
            let test: HashSet<usize> = fold.test.iter().copied().collect();
            for case in all.iter().filter(|case| test.contains(&case.index)) {
                choices.push(serving.serve(case).choice);
                cases.push(case.clone());
            }
        }
        let outcomes = Outcomes::new(&cases, &choices);
        let resamples = Resamples::new(&cases, RESAMPLES, training.seed());
        let regret = resamples.interval(|weights| {
            let count: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
            let sum: f64 =
                outcomes.regret.iter().zip(weights).map(|(regret, &weight)| f64::from(weight) * regret.ln()).sum();
            (count > 0).then(|| (sum / count as f64).exp())
        });
        points.extend(regret.map(|regret| Point { queries: size, regret }));
    }
    bar.finish_and_clear();
    Ok(points)
}
