//! A trained model as the gateway asks it. What is decided here has to be what `planner/decide.rs` there decides, or an
//! evaluation is of something that nobody runs.

use super::Case;
use crate::{Contestant, Feature, LEAST_SUPPORT, LatencyEstimate, Model};

/// Runs of a plan that a model has to have seen.
const ENOUGH: u64 = 200;

/// So far beyond the ends of what was seen, as a part of the distance between them, is still inside, and so far anyway.
const MARGIN: f64 = 0.05;
const LEAST_MARGIN: f64 = 0.06;

/// Most candidates that are compared in pairs.
const MOST_CLOSE: usize = 8;

/// Why a model says nothing of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silent {
    /// It has seen no run of this plan, or too few.
    Untrained,
    /// A feature is outside of what it was trained on.
    Outside(Feature),
    /// Too few of the runs that it was trained on are like this.
    Thin,
}

/// What is said of a candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Said {
    /// What the choice goes by, in microseconds.
    pub us: f64,
    /// What the model says, or why it is silent.
    pub model: Result<LatencyEstimate, Silent>,
}

/// What is said of all candidates of a case, and the choice.
#[derive(Debug, Clone, PartialEq)]
pub struct Served {
    /// By candidate.
    pub said: Vec<Said>,
    /// The choice.
    pub choice: usize,
    /// The choice by predicted latency alone.
    pub by_latency: usize,
    /// The choice by predicted latency if the model were believed wherever it has a forest: outside of what it was trained on,
    /// and with few rows. What this costs or gains is what its silence gains or costs.
    pub unchecked: usize,
}

/// A model with the names of plans that a data set uses.
#[derive(Debug)]
pub struct Serving<'a> {
    model: &'a Model,
    /// By plan of the data set: its index in the model, and the ranges that are believed.
    plans: Vec<Option<(usize, Vec<[f64; 2]>)>>,
}

impl<'a> Serving<'a> {
    /// A model that is asked for plans with these names.
    pub fn new(model: &'a Model, plans: &[String]) -> Self {
        let known = |name: &String| {
            let index = model.plan_index(name)?;
            let entry = model.plans().nth(index).filter(|entry| entry.observations >= ENOUGH)?;
            let ranges = Feature::ALL.iter().zip(&entry.ranges).map(|(&feature, &range)| believed(feature, range));
            Some((index, ranges.collect()))
        };
        Self { model, plans: plans.iter().map(known).collect() }
    }

    /// The model.
    pub fn model(&self) -> &Model {
        self.model
    }

    /// What the model says of a candidate of a plan of the data set.
    pub fn ask(&self, plan: usize, features: &[f32]) -> Result<LatencyEstimate, Silent> {
        let (index, ranges) = self.plans.get(plan).and_then(Option::as_ref).ok_or(Silent::Untrained)?;
        let outside =
            |([low, high], &value): (&[f64; 2], &f32)| !(*low <= f64::from(value) && f64::from(value) <= *high);
        if let Some(place) = ranges.iter().zip(features).position(outside) {
            return Err(Silent::Outside(Feature::ALL[place]));
        }
        let estimate = self.model.predict(*index, features).ok_or(Silent::Untrained)?;
        if estimate.support < LEAST_SUPPORT { Err(Silent::Thin) } else { Ok(estimate) }
    }

    /// What the gateway would run.
    pub fn serve(&self, case: &Case<'_>) -> Served {
        let features: Vec<&[f32]> = case.candidates.iter().map(|c| c.features.values().as_slice()).collect();
        self.serve_with(case, &features)
    }

    /// The same with other features.
    pub fn serve_with(&self, case: &Case<'_>, features: &[&[f32]]) -> Served {
        let asked = case.candidates.iter().zip(features);
        let mut said: Vec<Said> = asked
            .map(|(candidate, features)| {
                let model = self.ask(candidate.plan, features);
                Said { us: model.map_or(candidate.analytic_us, |estimate| estimate.ms() * 1e3), model }
            })
            .collect();
        self.level(case, &mut said);
        let by_latency = (0..said.len()).min_by(|&a, &b| said[a].us.total_cmp(&said[b].us)).unwrap_or(0);
        let choice = self.duelled(case, features, &said, by_latency);
        Served { unchecked: self.unchecked(case, features), said, choice, by_latency }
    }

    /// What the forest of a plan says, whatever it knows.
    pub fn raw(&self, plan: usize, features: &[f32]) -> Option<LatencyEstimate> {
        let (index, _) = self.plans.get(plan)?.as_ref()?;
        self.model.predict(*index, features)
    }

    fn unchecked(&self, case: &Case<'_>, features: &[&[f32]]) -> usize {
        let us = |place: usize| {
            let candidate = case.candidates[place];
            self.raw(candidate.plan, features[place]).map_or(candidate.analytic_us, |estimate| estimate.ms() * 1e3)
        };
        (0..case.candidates.len()).min_by(|&a, &b| us(a).total_cmp(&us(b))).unwrap_or(0)
    }

    /// Brings analytic costs to the level of predictions, or does without the model where it knows less than half.
    fn level(&self, case: &Case<'_>, said: &mut [Said]) {
        let analytic = |place: usize| case.candidates[place].analytic_us;
        let known: Vec<usize> = (0..said.len()).filter(|&place| said[place].model.is_ok()).collect();
        if 2 * known.len() < said.len() {
            known.iter().for_each(|&place| said[place].us = analytic(place));
        } else if known.len() < said.len() {
            let ratio = |&place: &usize| (said[place].us / analytic(place).max(1e-3)).ln();
            let ratio = (known.iter().map(ratio).sum::<f64>() / known.len() as f64).exp();
            let silent = said.iter_mut().enumerate().filter(|(_, said)| said.model.is_err());
            silent.for_each(|(place, said)| said.us = analytic(place) * ratio);
        }
    }

    /// Among candidates about as good as the best, comparisons in pairs decide.
    fn duelled(&self, case: &Case<'_>, features: &[&[f32]], said: &[Said], best: usize) -> usize {
        let known = said.iter().filter(|said| said.model.is_ok()).count();
        if !self.model.has_duels() || said[best].model.is_err() || 2 * known < said.len() {
            return best;
        }
        let limit = said[best].us * f64::from(self.model.near_tie());
        let is_close = |place: &usize| said[*place].us <= limit && said[*place].model.is_ok();
        let close: Vec<usize> = (0..said.len()).filter(is_close).take(MOST_CLOSE).collect();
        let side = |place: usize| {
            let plan = self.plans[case.candidates[place].plan].as_ref().map_or(usize::MAX, |(index, _)| *index);
            Contestant { plan, features: features[place] }
        };
        let mut votes = vec![0.0; close.len()];
        for i in 0..close.len() {
            for j in i + 1..close.len() {
                let Some(share) = self.model.duel(side(close[i]), side(close[j])) else { return best };
                votes[i] += f64::from(share);
                votes[j] += 1.0 - f64::from(share);
            }
        }
        let order = |&a: &usize, &b: &usize| {
            votes[a].total_cmp(&votes[b]).then(said[close[b]].us.total_cmp(&said[close[a]].us))
        };
        (0..close.len()).max_by(order).map_or(best, |winner| close[winner])
    }
}

fn believed(feature: Feature, [low, high]: [f64; 2]) -> [f64; 2] {
    let margin = match feature {
        // Load comes and goes; the analytic model knows nothing of it either.
        Feature::VectorWait | Feature::GraphWait => f64::INFINITY,
        // Machines differ: predictions are relative to these.
        Feature::VectorCall | Feature::GraphCall => 1.0,
        _ => (MARGIN * (high - low)).max(LEAST_MARGIN),
    };
    [low - margin, high + margin]
}
