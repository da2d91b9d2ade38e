//! The forest that compares two candidates of one query: is the first faster than the second?

use serde::{Deserialize, Serialize};

use super::forest::{Forest, Inputs};

/// An input of the duel forest, made of both candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairInput {
    /// A feature of the first less that of the second.
    Difference(u8),
    /// A feature of the first.
    First(u8),
    /// Whether the first is of this plan: 1 or 0.
    FirstPlan(u8),
    /// Whether the second is of this plan: 1 or 0.
    SecondPlan(u8),
}

impl PairInput {
    /// Its value for two candidates. What a candidate does not have is 0.
    #[inline(always)]
    pub(crate) fn of(self, first: Contestant<'_>, second: Contestant<'_>) -> f32 {
        let at = |features: &[f32], index: u8| features.get(usize::from(index)).copied().unwrap_or(0.0);
        match self {
            Self::Difference(index) => at(first.features, index) - at(second.features, index),
            Self::First(index) => at(first.features, index),
            Self::FirstPlan(plan) => f32::from(u8::from(first.plan == usize::from(plan))),
            Self::SecondPlan(plan) => f32::from(u8::from(second.plan == usize::from(plan))),
        }
    }
}

/// One side of a duel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contestant<'a> {
    /// The plan's index in the model's table.
    pub plan: usize,
    /// The candidate's features in the order of the schema.
    pub features: &'a [f32],
}

/// Whether a pair has to be turned over before it is shown to the forest, which has only seen pairs in one order: by plan,
/// then by features. So it need not learn that the shares of both directions add up to 1.
pub(crate) fn turned(first: Contestant<'_>, second: Contestant<'_>) -> bool {
    if first.plan != second.plan {
        return first.plan > second.plan;
    }
    let differing = first.features.iter().zip(second.features).find(|(a, b)| a.total_cmp(b).is_ne());
    differing.is_some_and(|(a, b)| a.total_cmp(b).is_gt())
}

/// A duel forest and what it looks at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Duel {
    pub(crate) inputs: Box<[PairInput]>,
    pub(crate) forest: Forest,
}

impl Duel {
    /// Share of trees that say that the first is faster. The shares of both directions add up to 1.
    pub(crate) fn share(&self, first: Contestant<'_>, second: Contestant<'_>) -> f32 {
        if turned(first, second) {
            return 1.0 - self.share(second, first);
        }
        let mut inputs = Inputs::empty();
        for (index, input) in self.inputs.iter().enumerate() {
            inputs.set(index, input.of(first, second));
        }
        self.forest.mean(&inputs)
    }
}
