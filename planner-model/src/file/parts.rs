#[cfg(feature = "train")]
use super::encode::encode;
use super::golden::{self, Golden};
use super::{CHECKSUM_BYTES, MAX_GOLDEN, Manifest, ModelError};
use crate::Feature;
use crate::serve::duel::Duel;
use crate::serve::forest::Forest;
use crate::serve::model::{Model, PlanModel};

/// All parts of a model, not yet checked against each other.
pub(crate) struct Parts {
    pub(crate) manifest: Manifest,
    /// For each plan of the manifest.
    pub(crate) forests: Vec<Option<Forest>>,
    pub(crate) duel: Option<Forest>,
    pub(crate) golden: Vec<Golden>,
}

impl Parts {
    /// Checks what was read: the outputs of golden vectors must be those in the file.
    pub(super) fn check(self, checksum: [u8; CHECKSUM_BYTES]) -> Result<Model, ModelError> {
        let width = Feature::ALL.len();
        self.manifest.check(width)?;
        let whose = || "the model".to_owned();
        if self.forests.len() != self.manifest.plans.len() {
            return Err(ModelError::Field { field: "plans", whose: whose(), what: "not as many as forests" });
        }
        if self.duel.is_some() == self.manifest.duel_inputs.is_empty() {
            let what = "given without a duel forest, or missing with one";
            return Err(ModelError::Field { field: "duel_inputs", whose: whose(), what });
        }
        let entries = self.manifest.plans.iter().zip(self.forests);
        let plans: Box<[PlanModel]> = entries
            .map(|(entry, forest)| PlanModel {
                forest,
                ranges: entry.ranges.iter().map(|range| range.map(|end| end as f32)).collect(),
                factors: entry.factors.map(|factor| factor as f32),
            })
            .collect();
        let inputs = self.manifest.duel_inputs.clone().into_boxed_slice();
        let duel = self.duel.map(|forest| Duel { inputs, forest });
        if let Some(duel) = &duel {
            let leaves = duel.forest.nodes().iter().filter(|node| node.is_leaf());
            if !leaves.map(|leaf| leaf.threshold).all(|vote| vote == 0.0 || vote == 1.0) {
                return Err(ModelError::DuelLeaf);
            }
        }
        if self.golden.len() > MAX_GOLDEN {
            return Err(ModelError::TooMany { count: self.golden.len(), things: "golden vectors" });
        }
        for golden in &self.golden {
            let what = if golden.plan >= plans.len() {
                "of a plan that does not exist"
            } else if golden.features.len() != width || !golden.features.iter().all(|value| value.is_finite()) {
                "not as many features as the schema has, or not finite"
            } else {
                continue;
            };
            return Err(ModelError::Field { field: "golden vectors", whose: whose(), what });
        }
        golden::check(&self.golden, &plans, duel.as_ref())?;
        let near_tie = self.manifest.near_tie as f32;
        Ok(Model { manifest: self.manifest, plans, duel, golden: self.golden, near_tie, checksum })
    }

    /// Makes a model of what was trained: golden vectors get their outputs, the whole gets its checksum.
    #[cfg(feature = "train")]
    pub(crate) fn build(mut self) -> Result<Model, ModelError> {
        let inputs = std::mem::take(&mut self.golden);
        let mut model = self.check([0; CHECKSUM_BYTES])?;
        model.golden = golden::outputs(&inputs, &model.plans, model.duel.as_ref());
        let bytes = encode(&model)?;
        Model::decode(&bytes)
    }
}
