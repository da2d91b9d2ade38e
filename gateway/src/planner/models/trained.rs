//! A model file as the planner asks it.

use std::sync::Arc;

use planner_model::{Contestant, Feature, Features, LEAST_SUPPORT, LatencyModel, Level, Model, Prediction, Silence};

use super::Refused;
use crate::planner::PlanKind;

/// Runs of a plan that a model has to have seen.
const ENOUGH: u64 = 200;

/// So far beyond the ends of what was seen, as a part of the distance between them, is still inside …
const MARGIN: f64 = 0.05;

/// … and so far anyway: a fifth of a doubling. Nearly all features are logarithms to base 10.
const LEAST_MARGIN: f64 = 0.06;

/// A trained model.
pub struct Trained {
    model: Model,
    name: Arc<str>,
    bytes: usize,
    /// By our kinds.
    plans: [Option<Known>; PlanKind::ALL.len()],
}

struct Known {
    /// The plan's place in the model.
    index: usize,
    ranges: Box<[[f32; 2]]>,
}

impl Trained {
    /// Reads and checks a file.
    pub(super) fn read(file: &[u8]) -> Result<Self, Refused> {
        let model = Model::decode(file)?;
        let plans = PlanKind::ALL.map(|kind| known(&model, kind));
        if plans.iter().all(Option::is_none) {
            return Err(Refused::NoPlan);
        }
        let name = format!("forest {}", model.id()).into();
        Ok(Self { model, name, bytes: file.len(), plans })
    }

    /// The model itself.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Bytes of its file.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The kinds of plan that it predicts.
    pub fn kinds(&self) -> impl Iterator<Item = PlanKind> + '_ {
        PlanKind::ALL.into_iter().filter(|kind| self.plans[*kind as usize].is_some())
    }
}

/// What a model knows of a kind, if that is enough.
fn known(model: &Model, kind: PlanKind) -> Option<Known> {
    let index = model.plan_index(kind.as_str())?;
    let entry = model.plans().nth(index).filter(|entry| entry.observations >= ENOUGH)?;
    let ends = |(feature, [low, high]): (&Feature, &[f64; 2])| {
        let margin = match feature {
            // Load comes and goes; the analytic model knows nothing of it either.
            Feature::VectorWait | Feature::GraphWait => f64::INFINITY,
            // Machines differ: costs are relative to these two. Ten times as fast or slow is still the same kind of machine.
            Feature::VectorCall | Feature::GraphCall => 1.0,
            _ => (MARGIN * (high - low)).max(LEAST_MARGIN),
        };
        [(low - margin) as f32, (high + margin) as f32]
    };
    Some(Known { index, ranges: Feature::ALL.iter().zip(&entry.ranges).map(ends).collect() })
}

impl LatencyModel for Trained {
    fn name(&self) -> &str {
        &self.name
    }

    fn predict(&self, plan: usize, features: &Features) -> Result<Prediction, Silence> {
        let known = self.plans.get(plan).and_then(Option::as_ref).ok_or(Silence::Untrained)?;
        let values = features.values();
        let is_inside = |([low, high], value): (&[f32; 2], &f32)| low <= value && value <= high;
        if let Some(outside) = known.ranges.iter().zip(values).position(|pair| !is_inside(pair)) {
            return Err(Silence::Outside(Feature::ALL[outside]));
        }
        let estimate = self.model.predict(known.index, values).ok_or(Silence::Untrained)?;
        if estimate.support < LEAST_SUPPORT {
            return Err(Silence::Thin);
        }
        Ok(Prediction {
            us: estimate.ms() * 1e3,
            q95_us: Some(estimate.quantile_ms(Level::Q95) * 1e3),
            spread: Some(f64::from(estimate.sd)),
        })
    }

    fn near_tie(&self) -> f64 {
        if self.model.has_duels() { f64::from(self.model.near_tie()) } else { 1.0 }
    }

    fn faster(&self, first: (usize, &Features), second: (usize, &Features)) -> Option<f64> {
        let known = |plan: usize| self.plans.get(plan)?.as_ref().map(|known| known.index);
        let first = Contestant { plan: known(first.0)?, features: first.1.values() };
        let second = Contestant { plan: known(second.0)?, features: second.1.values() };
        self.model.duel(first, second).map(f64::from)
    }
}
