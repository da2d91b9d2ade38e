//! From rows to a model.

use std::collections::{BTreeMap, BTreeSet};

use super::TrainError;
use super::calibrate::calibrate;
use super::checkpoint::keep;
use super::data::{Observations, Query, ranges};
use super::duel::{DuelForest, DuelSettings, Pairs};
use super::latency::{ForestSettings, LatencyForest, derive_seed};
use super::regret::{Chosen, as_good_as_the_best, choices, geometric_mean};
use super::settings::{Settings, Split, group_share};
use super::tree::Growth;
use crate::file::{Card, Golden, Manifest, Parts, PlanEntry, SplitEntry, encode_forest};
use crate::serve::duel::PairInput;
use crate::serve::forest::{Forest, Inputs};
use crate::serve::model::LEAST_SD;
use crate::{Feature, Model, ModelError, NodeFault, analytic_ln_ms, schema_hash};

/// Golden vectors of each plan.
const GOLDEN: usize = 4;

/// A trained model with how its settings were chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The model.
    pub model: Model,
    /// What was tried, in the order of the settings. Empty when there was nothing to choose.
    pub grid: Vec<GrowthResult>,
    /// Regret on the validation split by near-tie factor. Empty when there was nothing to choose.
    pub near_ties: Vec<(f64, f64)>,
}

/// How trees that grow in one way did on the validation split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GrowthResult {
    /// The way.
    pub growth: Growth,
    /// Geometric mean of the regret of choices by latency alone, where a query has two candidates.
    pub regret: Option<f64>,
    /// Mean absolute error in ln(ms).
    pub error: f64,
}

/// Trains on all rows, split by query.
///
/// # Errors
/// When the data or a setting does not do; see [`TrainError`].
pub fn train(data: &Observations, settings: &Settings) -> Result<Trained, TrainError> {
    let rows = u32::try_from(data.len()).map_err(|_| TrainError::Setting { name: "rows", what: "more than 2³²" })?;
    train_split(data, &Split::by_group(data, 0..rows, settings.seed), settings)
}

/// Trains with rows that were split by the caller, such as by time.
///
/// # Errors
/// When the data or a setting does not do; see [`TrainError`].
pub fn train_split(data: &Observations, split: &Split, settings: &Settings) -> Result<Trained, TrainError> {
    settings.check()?;
    let used = [&split.train, &split.validation, &split.calibration];
    let all = used.iter().flat_map(|rows| rows.iter());
    if split.train.is_empty() {
        return Err(TrainError::Empty);
    }
    if all.clone().any(|row| *row as usize >= data.len()) {
        return Err(TrainError::Setting { name: "split", what: "a row that does not exist" });
    }
    let plans: BTreeSet<usize> = all.map(|row| data.row(*row as usize).plan).collect();
    if plans.len() < 2 {
        let plan = plans.first().map_or_else(String::new, |plan| data.plans()[*plan].clone());
        return Err(TrainError::OnePlan { plan });
    }
    Run { data, split, settings, data_hash: data.hash() }.train()
}

struct Run<'a> {
    data: &'a Observations,
    split: &'a Split,
    settings: &'a Settings,
    data_hash: [u8; 32],
}

/// Forests that were trained on the same rows.
struct Forests {
    latency: Vec<Option<Forest>>,
    duel: Option<(Forest, Vec<PairInput>)>,
}

impl Run<'_> {
    fn train(&self) -> Result<Trained, TrainError> {
        let (growth, grid) = self.choose_growth()?;
        let (near_tie, near_ties) = self.choose_near_tie(growth)?;

        let mut rows = [&self.split.train[..], &self.split.validation[..]].concat();
        rows.sort_unstable();
        let latency = self.latency_forests(&rows, growth)?;
        if latency.iter().all(Option::is_none) {
            return Err(TrainError::TooFewRows { least: self.settings.least_rows });
        }
        let forests = Forests { latency, duel: self.duel_forest(&rows)? };
        let mut metrics = BTreeMap::new();
        if let Some(chosen) = grid.iter().find(|result| result.growth == growth) {
            metrics.insert("validation_error_ln_ms".to_owned(), chosen.error);
            metrics.extend(chosen.regret.map(|regret| ("validation_regret_latency_only".to_owned(), regret)));
        }
        if let Some((_, regret)) = near_ties.iter().find(|(ratio, _)| *ratio == near_tie) {
            metrics.insert("validation_regret".to_owned(), *regret);
        }
        let model = self.assemble(forests, &rows, growth, near_tie, metrics)?;
        Ok(Trained { model, grid, near_ties })
    }

    fn choose_growth(&self) -> Result<(Growth, Vec<GrowthResult>), TrainError> {
        let growths = &self.settings.growth;
        if growths.len() == 1 || self.split.validation.is_empty() {
            return Ok((growths[0], Vec::new()));
        }
        let (mut results, mut regrets) = (Vec::new(), Vec::new());
        for &growth in growths {
            let latency = self.latency_forests(&self.split.train, growth)?;
            let error = self.validation_error(&latency);
            let forests = Forests { latency, duel: None };
            let model = self.assemble(forests, &self.split.train, growth, 1.0, BTreeMap::new())?;
            let chosen = self.validate(&model);
            results.push(GrowthResult { growth, regret: geometric_mean(&chosen), error });
            regrets.push(chosen);
        }
        let good = as_good_as_the_best(&regrets).into_iter().map(|index| &results[index]);
        let best = good.min_by(|a, b| a.error.total_cmp(&b.error));
        Ok((best.map_or(growths[0], |best| best.growth), results))
    }

    fn choose_near_tie(&self, growth: Growth) -> Result<(f64, Vec<(f64, f64)>), TrainError> {
        let ratios = &self.settings.near_ties;
        if ratios.len() == 1 || self.settings.duel.is_none() || self.split.validation.is_empty() {
            return Ok((ratios[0], Vec::new()));
        }
        let duel = match self.duel_forest(&self.split.train) {
            // The training split alone may have too few.
            Err(TrainError::NoPairs | TrainError::OneSided { .. }) => return Ok((ratios[0], Vec::new())),
            duel => duel?,
        };
        let forests = Forests { latency: self.latency_forests(&self.split.train, growth)?, duel };
        let mut model = self.assemble(forests, &self.split.train, growth, 1.0, BTreeMap::new())?;
        let (mut results, mut regrets) = (Vec::new(), Vec::new());
        for &ratio in ratios {
            model.near_tie = ratio as f32;
            let chosen = self.validate(&model);
            results.extend(geometric_mean(&chosen).map(|regret| (ratio, regret)));
            regrets.push(chosen);
        }
        let best = as_good_as_the_best(&regrets).first().map_or(ratios[0], |index| ratios[*index]);
        Ok((best, results))
    }

    /// What a model chooses for the queries of the validation split.
    fn validate(&self, model: &Model) -> Vec<Chosen> {
        choices(model, self.data, &self.split.validation, analytic_ln_ms)
    }

    /// Mean absolute error in ln(ms) of plans that have a forest.
    fn validation_error(&self, forests: &[Option<Forest>]) -> f64 {
        let error = |row: &u32| {
            let forest = forests[self.data.row(*row as usize).plan].as_ref()?;
            let predicted = forest.spread(&Inputs::new(self.data.features(*row as usize))).mean;
            Some((predicted - self.data.target(*row as usize, self.settings.relative)).abs())
        };
        let errors: Vec<f64> = self.split.validation.iter().filter_map(error).collect();
        if errors.is_empty() { 0.0 } else { errors.iter().sum::<f64>() / errors.len() as f64 }
    }

    /// A forest for each plan that has rows enough.
    fn latency_forests(&self, rows: &[u32], growth: Growth) -> Result<Vec<Option<Forest>>, TrainError> {
        let plans = 0..self.data.plans().len();
        plans.map(|plan| self.latency_forest(rows, plan, growth)).collect()
    }

    fn latency_forest(&self, rows: &[u32], plan: usize, growth: Growth) -> Result<Option<Forest>, TrainError> {
        let rows = self.data.of_plan(rows, plan);
        if rows.len() < self.settings.least_rows.max(1) {
            return Ok(None);
        }
        let seed = derive_seed(&self.seed(), &self.data.plans()[plan], 0);
        let settings = ForestSettings {
            trees: self.settings.trees,
            growth,
            ignored: self.settings.ignored.clone(),
            seed,
            threads: self.settings.threads,
        };
        let what = format!(
            "latency {} {} {} {:?} {:?} {}",
            self.data.plans()[plan],
            settings.trees,
            self.settings.relative,
            growth,
            settings.ignored,
            self.settings.seed,
        );
        let key = self.key(&what, &rows);
        let build = || {
            let row = |index: usize| rows[index] as usize;
            let targets: Vec<f64> =
                (0..rows.len()).map(|index| self.data.target(row(index), self.settings.relative)).collect();
            let weights: Vec<f32> = (0..rows.len()).map(|index| self.data.row(row(index)).weight).collect();
            let weighted = weights.iter().any(|weight| *weight != 1.0);
            let value = |index: usize, feature: usize| self.data.features(row(index))[feature];
            let width = Feature::ALL.len();
            let forest = LatencyForest::fit(&targets, weighted.then_some(&weights[..]), width, value, &settings);
            Ok((flat(&forest, &self.data.plans()[plan])?, Vec::new()))
        };
        let (forest, _) = keep(self.settings.checkpoint.as_deref(), &key, build)?;
        Ok(Some(forest))
    }

    fn duel_forest(&self, rows: &[u32]) -> Result<Option<(Forest, Vec<PairInput>)>, TrainError> {
        let Some(settings) = &self.settings.duel else { return Ok(None) };
        let key = self.key(&format!("duel {settings:?} {}", self.settings.seed), rows);
        let build = || {
            let queries = self.duel_queries(rows, settings);
            let pairs = Pairs::of_queries(self.data, &queries)?;
            let seed = derive_seed(&self.seed(), "duels", 0);
            let forest = DuelForest::fit(&pairs, settings, &seed, self.settings.threads)?;
            Ok((flat_duel(&forest)?, forest.inputs().to_vec()))
        };
        keep(self.settings.checkpoint.as_deref(), &key, build).map(Some)
    }

    /// The queries with two candidates or more; a random part of them if they are more than duels are trained on.
    fn duel_queries(&self, rows: &[u32], settings: &DuelSettings) -> Vec<Query> {
        let mut queries = self.data.queries(rows);
        queries.retain(|query| query.candidates.len() > 1);
        queries.sort_by(|a, b| {
            let share = |query: &Query| group_share(query.id, self.settings.seed ^ 0xd);
            share(a).total_cmp(&share(b))
        });
        queries.truncate(settings.queries);
        queries
    }

    fn assemble(
        &self,
        forests: Forests,
        rows: &[u32],
        growth: Growth,
        near_tie: f64,
        metrics: BTreeMap<String, f64>,
    ) -> Result<Model, TrainError> {
        let factors = calibrate(&self.residuals(&forests.latency));
        let mut plans = Vec::new();
        let mut golden = Vec::new();
        for (plan, (name, (factors, calibration_rows))) in self.data.plans().iter().zip(factors).enumerate() {
            let rows = self.data.of_plan(rows, plan);
            plans.push(PlanEntry {
                name: name.clone(),
                observations: rows.len() as u64,
                ranges: ranges(self.data, &rows, &self.settings.ignored, 0.001..0.999),
                factors,
                calibration_rows,
            });
            for row in rows.iter().step_by(rows.len().div_ceil(GOLDEN).max(1)) {
                let features = self.data.features(*row as usize).to_vec();
                golden.push(Golden { plan, features, mean: 0.0, sd: 0.0, share: 0.0 });
            }
        }
        let (duel, duel_inputs) = forests.duel.unzip();
        let card = Card {
            data_hash: hex(&self.data_hash),
            latency_hash: hash_of(forests.latency.iter().flatten())?,
            duel_hash: if duel.is_some() { hash_of(&duel)? } else { String::new() },
            trainer: concat!("planner-model ", env!("CARGO_PKG_VERSION"), ", linfa 0.8.1").to_owned(),
            created: self.settings.created.clone(),
            seed: self.settings.seed,
            splits: self.split_entries(),
            metrics,
            more: self.card_details(growth),
        };
        let manifest = Manifest {
            plans,
            relative: self.settings.relative,
            near_tie,
            duel_inputs: duel_inputs.unwrap_or_default(),
            constants: self.settings.constants.clone(),
            card,
        };
        Ok(Parts { manifest, forests: forests.latency, duel, golden }.build()?)
    }

    /// For each plan, (actual − predicted) / standard deviation on the calibration split.
    fn residuals(&self, forests: &[Option<Forest>]) -> Vec<Vec<f64>> {
        let mut residuals = vec![Vec::new(); forests.len()];
        for &row in &self.split.calibration {
            let plan = self.data.row(row as usize).plan;
            let Some(forest) = &forests[plan] else { continue };
            let spread = forest.spread(&Inputs::new(self.data.features(row as usize)));
            let sd = spread.variance.sqrt().max(LEAST_SD);
            residuals[plan].push((self.data.target(row as usize, self.settings.relative) - spread.mean) / sd);
        }
        residuals
    }

    fn split_entries(&self) -> Vec<SplitEntry> {
        let parts = [("train", &self.split.train), ("validation", &self.split.validation)];
        let parts = parts.into_iter().chain([("calibration", &self.split.calibration)]);
        let groups = |rows: &[u32]| {
            let groups: BTreeSet<u64> = rows.iter().map(|row| self.data.row(*row as usize).group).collect();
            groups.len() as u64
        };
        parts
            .map(|(name, rows)| SplitEntry { name: name.into(), groups: groups(rows), rows: rows.len() as u64 })
            .collect()
    }

    fn card_details(&self, growth: Growth) -> serde_json::Map<String, serde_json::Value> {
        let mut details = self.settings.card.clone();
        let ignored: Vec<&str> = Feature::ALL
            .iter()
            .filter(|feature| self.settings.ignored.contains(&(**feature as usize)))
            .map(|feature| feature.name())
            .collect();
        let settings = serde_json::json!({
            "trees": self.settings.trees,
            "growth": growth,
            "ignored": ignored,
            "least_rows": self.settings.least_rows,
            "duel": self.settings.duel,
        });
        details.insert("settings".into(), settings);
        details
    }

    fn seed(&self) -> [u8; 32] {
        *blake3::hash(&self.settings.seed.to_le_bytes()).as_bytes()
    }

    /// What a forest depends on.
    fn key(&self, what: &str, rows: &[u32]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.data_hash);
        hasher.update(&schema_hash());
        hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
        hasher.update(what.as_bytes());
        rows.iter().for_each(|row| {
            hasher.update(&row.to_le_bytes());
        });
        hasher.finalize().into()
    }
}

/// The latency forest of a plan as it is served.
pub(super) fn flat(forest: &LatencyForest, plan: &str) -> Result<Forest, TrainError> {
    forest.flatten(Feature::ALL.len()).map_err(|fault| unsound(plan, fault))
}

/// The duel forest as it is served.
pub(super) fn flat_duel(forest: &DuelForest) -> Result<Forest, TrainError> {
    forest.flatten().map_err(|fault| unsound("duels", fault))
}

fn unsound(whose: &str, fault: NodeFault) -> TrainError {
    TrainError::Model(ModelError::Forest { whose: whose.to_owned(), fault })
}

fn hash_of<'a>(forests: impl IntoIterator<Item = &'a Forest>) -> Result<String, TrainError> {
    let mut bytes = Vec::new();
    for forest in forests {
        encode_forest(forest, &mut bytes)?;
    }
    Ok(hex(blake3::hash(&bytes).as_bytes()))
}

fn hex(bytes: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*bytes).to_hex().to_string()
}
