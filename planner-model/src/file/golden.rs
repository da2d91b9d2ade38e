use super::ModelError;
use crate::serve::duel::{Contestant, Duel};
use crate::serve::forest::Inputs;
use crate::serve::model::PlanModel;

/// How far an output may be from what the file says: other machines may round otherwise.
const TOLERANCE: f32 = 1e-4;

/// An input with the outputs that it must give.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Golden {
    pub(crate) plan: usize,
    pub(crate) features: Vec<f32>,
    /// Mean of the trees of the plan's forest; 0 where it has none.
    pub(crate) mean: f32,
    /// Standard deviation; 0 where it has none.
    pub(crate) sd: f32,
    /// Share of trees that call it faster than the golden vector before it (the last, for the first); 0 without duels.
    pub(crate) share: f32,
}

/// What the forests say to each of these inputs.
pub(super) fn outputs(inputs: &[Golden], plans: &[PlanModel], duel: Option<&Duel>) -> Vec<Golden> {
    let side = |golden: &'_ Golden| (golden.plan, golden.features.clone());
    let mut before = inputs.last().map(side);
    let mut outputs = Vec::with_capacity(inputs.len());
    for golden in inputs {
        let forest = plans.get(golden.plan).and_then(|plan| plan.forest.as_ref());
        let spread = forest.map(|forest| forest.spread(&Inputs::new(&golden.features)));
        let share = duel.zip(before.as_ref()).map_or(0.0, |(duel, (plan, features))| {
            duel.share(
                Contestant { plan: golden.plan, features: &golden.features },
                Contestant { plan: *plan, features },
            )
        });
        outputs.push(Golden {
            mean: spread.map_or(0.0, |spread| spread.mean as f32),
            sd: spread.map_or(0.0, |spread| spread.variance.sqrt() as f32),
            share,
            ..golden.clone()
        });
        before = Some(side(golden));
    }
    outputs
}

/// Refuses forests that do not give the outputs.
pub(super) fn check(golden: &[Golden], plans: &[PlanModel], duel: Option<&Duel>) -> Result<(), ModelError> {
    for (index, (wanted, given)) in golden.iter().zip(outputs(golden, plans, duel)).enumerate() {
        for (expected, found) in [(wanted.mean, given.mean), (wanted.sd, given.sd), (wanted.share, given.share)] {
            // Not the other way round: NaN is not close.
            let close = (expected - found).abs() <= TOLERANCE * expected.abs().max(1.0);
            if !close {
                return Err(ModelError::Golden { index, expected, found });
            }
        }
    }
    Ok(())
}
