use super::Dataset;
use crate::train::{Observation, Observations, Split, TrainError};

/// Groups as rows to train on.
#[derive(Debug)]
pub struct Rows {
    /// One row a run. Candidates of one group have its index as their query.
    pub observations: Observations,
    /// 70 % of the queries to train on, 15 % to choose settings by, 15 % to calibrate with: a query is in one of them under
    /// all its cache states.
    pub split: Split,
}

/// Rows of some groups. A run that was cut off is trained on as if it had ended then: that is too little, but says that the
/// plan is slow.
///
/// # Errors
/// Rows that training does not take; a [`Dataset`] has none.
pub fn rows(dataset: &Dataset, groups: &[usize], seed: u64) -> Result<Rows, TrainError> {
    let mut observations = Observations::new(dataset.plans.iter().map(String::as_str));
    let mut split = Split::default();
    for &index in groups {
        let group = &dataset.groups[index];
        let part = match super::share(&group.query, seed) {
            share if share < 0.70 => &mut split.train,
            share if share < 0.85 => &mut split.validation,
            _ => &mut split.calibration,
        };
        for candidate in &group.candidates {
            for run in &candidate.runs {
                part.push(observations.len() as u32);
                observations.push(Observation {
                    plan: candidate.plan,
                    features: candidate.features.values(),
                    ln_ms: (run.us / 1e3).ln(),
                    group: index as u64,
                    weight: 1.0,
                })?;
            }
        }
    }
    Ok(Rows { observations, split })
}
