//! Rows to train on.

use std::collections::HashMap;
use std::ops::Range;

use super::TrainError;
use crate::{Feature, scale_ln_ms, schema_hash};

/// Executed candidates with what they took, column by column: 10⁶ rows of 20 features are about 110 MB.
#[derive(Debug, Clone)]
pub struct Observations {
    plans: Vec<String>,
    features: Vec<f32>,
    plan: Vec<u8>,
    ln_ms: Vec<f64>,
    group: Vec<u64>,
    weight: Vec<f32>,
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation<'a> {
    /// Which of the named plans ran.
    pub plan: usize,
    /// Features in the order of the schema.
    pub features: &'a [f32],
    /// ln of the milliseconds that it took.
    pub ln_ms: f64,
    /// The query: candidates of one query are compared with each other, and no query is in two splits.
    pub group: u64,
    /// How much it counts; 1 for all, or less for what is old. Above 0.
    pub weight: f32,
}

impl Observations {
    /// No rows yet, of plans with these names.
    pub fn new(plans: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            plans: plans.into_iter().map(Into::into).collect(),
            features: Vec::new(),
            plan: Vec::new(),
            ln_ms: Vec::new(),
            group: Vec::new(),
            weight: Vec::new(),
        }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// For another number of features, an unknown plan, and values that are not finite.
    pub fn push(&mut self, row: Observation<'_>) -> Result<(), TrainError> {
        if row.features.len() != Feature::ALL.len() {
            return Err(TrainError::Width { found: row.features.len(), expected: Feature::ALL.len() });
        }
        let plan = u8::try_from(row.plan).ok().filter(|_| row.plan < self.plans.len());
        let plan = plan.ok_or(TrainError::UnknownPlan { plan: row.plan, plans: self.plans.len() })?;
        let not_finite = |what| Err(TrainError::NotFinite { row: self.len(), what });
        if let Some(feature) = Feature::ALL.iter().find(|feature| !row.features[**feature as usize].is_finite()) {
            return not_finite(feature.name());
        }
        if !row.ln_ms.is_finite() || row.ln_ms.abs() > 1e3 {
            return not_finite("label");
        }
        if !(row.weight.is_finite() && row.weight > 0.0) {
            return not_finite("weight");
        }
        self.features.extend_from_slice(row.features);
        self.plan.push(plan);
        self.ln_ms.push(row.ln_ms);
        self.group.push(row.group);
        self.weight.push(row.weight);
        Ok(())
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.plan.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.plan.is_empty()
    }

    /// Names of plans.
    pub fn plans(&self) -> &[String] {
        &self.plans
    }

    /// A row.
    pub fn row(&self, row: usize) -> Observation<'_> {
        Observation {
            plan: usize::from(self.plan[row]),
            features: self.features(row),
            ln_ms: self.ln_ms[row],
            group: self.group[row],
            weight: self.weight[row],
        }
    }

    /// BLAKE3 of feature schema, names of plans and all rows in order.
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&schema_hash());
        for name in &self.plans {
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
        }
        let mut bytes = Vec::new();
        for row in 0..self.len() {
            bytes.clear();
            bytes.push(self.plan[row]);
            self.features(row).iter().for_each(|value| bytes.extend(value.to_le_bytes()));
            bytes.extend(self.ln_ms[row].to_le_bytes());
            bytes.extend(self.group[row].to_le_bytes());
            bytes.extend(self.weight[row].to_le_bytes());
            hasher.update(&bytes);
        }
        hasher.finalize().into()
    }

    pub(super) fn features(&self, row: usize) -> &[f32] {
        let width = Feature::ALL.len();
        &self.features[row * width..(row + 1) * width]
    }

    /// What a latency forest learns for a row.
    pub(super) fn target(&self, row: usize, relative: bool) -> f64 {
        let analytic = if relative { scale_ln_ms(self.features(row)) } else { 0.0 };
        self.ln_ms[row] - analytic
    }

    /// The rows of a plan among these.
    pub(super) fn of_plan(&self, rows: &[u32], plan: usize) -> Vec<u32> {
        rows.iter().copied().filter(|row| usize::from(self.plan[*row as usize]) == plan).collect()
    }

    /// The queries among these rows, in order of their ids, with the candidates that ran.
    pub(super) fn queries(&self, rows: &[u32]) -> Vec<Query> {
        let mut order: Vec<u32> = rows.to_vec();
        order.sort_by_key(|row| (self.group[*row as usize], *row));
        let same = |a: &u32, b: &u32| self.group[*a as usize] == self.group[*b as usize];
        order.chunk_by(same).map(|rows| self.query(rows)).collect()
    }

    /// Runs of the same candidate (same plan, same features) are one, with their median latency.
    fn query(&self, rows: &[u32]) -> Query {
        let mut runs: Vec<(u32, Vec<f64>)> = Vec::new();
        let mut known: HashMap<(u8, Vec<u32>), usize> = HashMap::new();
        for &row in rows {
            let bits = self.features(row as usize).iter().map(|value| value.to_bits()).collect();
            let place = *known.entry((self.plan[row as usize], bits)).or_insert(runs.len());
            if place == runs.len() {
                runs.push((row, Vec::new()));
            }
            runs[place].1.push(self.ln_ms[row as usize]);
        }
        let candidates = runs.into_iter().map(|(row, ln_ms)| (row, median(ln_ms))).collect();
        Query { id: self.group[rows[0] as usize], candidates }
    }
}

/// The candidates of one query that ran.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) id: u64,
    /// A row with the candidate's plan and features, and the median of ln(ms) over its runs.
    pub(super) candidates: Vec<(u32, f64)>,
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// The value at a share of sorted values.
pub(super) fn at_share(sorted: &[f32], share: f64) -> f32 {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

/// What features range over: quantiles of the rows, for each feature. Ignored features range over everything.
pub(super) fn ranges(data: &Observations, rows: &[u32], ignored: &[usize], shares: Range<f64>) -> Vec<[f64; 2]> {
    let column = |feature: usize| {
        let mut values: Vec<f32> = rows.iter().map(|row| data.features(*row as usize)[feature]).collect();
        values.sort_by(f32::total_cmp);
        values
    };
    let range = |feature| {
        if rows.is_empty() || ignored.contains(&feature) {
            return [f64::from(f32::MIN), f64::from(f32::MAX)];
        }
        let values = column(feature);
        [at_share(&values, shares.start), at_share(&values, shares.end)].map(f64::from)
    };
    (0..Feature::ALL.len()).map(range).collect()
}
