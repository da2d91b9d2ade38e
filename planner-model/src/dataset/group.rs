use std::sync::Arc;

use crate::{
    Feature, Features,
    record::{CacheState, Cardinalities},
};

/// All groups.
#[derive(Debug, Clone, Default)]
pub struct Dataset {
    /// Names of plans.
    pub plans: Vec<String>,
    /// By time, then by name.
    pub groups: Vec<Group>,
}

/// Candidates of one query under one cache state, with their runs.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name in the log; empty for a run that was on its own.
    pub name: Arc<str>,
    /// Why its candidates ran.
    pub origin: Origin,
    /// Digest of the query. The same under every cache state.
    pub query: Arc<str>,
    /// Digest of the query's shape.
    pub template: Arc<str>,
    /// The collection.
    pub collection: Arc<str>,
    /// When the first run ended, in milliseconds since 1970.
    pub at_ms: i64,
    /// What the cache held.
    pub cache: CacheState,
    /// By plan, then by operators. Of a sweep, all that were enumerated; else those that ran.
    pub candidates: Vec<Candidate>,
    /// What was estimated.
    pub estimated: Cardinalities,
    /// What turned out, by whichever run could tell first.
    pub actual: Cardinalities,
}

/// Why the candidates of a group ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// All of them, one after the other.
    Sweep,
    /// The one that was chosen, and another one beside it.
    Duel,
    /// One, because it was chosen or asked for.
    Single,
}

/// A candidate with its runs.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Which of [`Dataset::plans`].
    pub plan: usize,
    /// Its operators, on one line.
    pub operators: Arc<str>,
    /// What was known of it before its first run.
    pub features: Features,
    /// What the analytic model said, in microseconds.
    pub analytic_us: f64,
    /// What the choice went by at that time, in microseconds.
    pub predicted_us: f64,
    /// Its runs, by repetition.
    pub runs: Vec<Run>,
}

/// One run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    /// Microseconds of the ranked part.
    pub us: f64,
    /// Which repetition of a sweep.
    pub repetition: u32,
    /// Time ran out: it would have taken at least this long.
    pub censored: bool,
}

impl Candidate {
    /// Median over the runs. A run that was cut off counts with the time at which it was: the median is then a lower
    /// bound. `None` where nothing ran.
    pub fn median_us(&self) -> Option<f64> {
        median(self.runs.iter().map(|run| run.us))
    }

    /// Median over the runs whose repetition passes.
    pub fn median_of(&self, passes: impl Fn(u32) -> bool) -> Option<f64> {
        median(self.runs.iter().filter(|run| passes(run.repetition)).map(|run| run.us))
    }

    /// Whether no run came to its end.
    pub fn is_censored(&self) -> bool {
        self.runs.iter().all(|run| run.censored)
    }
}

/// The median; of an even number the mean of the middle two. `None` for no values.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    Some(if values.len() % 2 == 1 { upper } else { (values[values.len() / 2 - 1] + upper) / 2.0 })
}

impl Group {
    /// A feature that is the same for all candidates.
    pub fn shared(&self, feature: Feature) -> f32 {
        self.candidates.first().map_or(0.0, |candidate| candidate.features.get(feature))
    }
}

impl Dataset {
    /// The index of a plan.
    pub fn plan(&self, name: &str) -> Option<usize> {
        self.plans.iter().position(|plan| plan == name)
    }

    /// BLAKE3 over all groups, whatever the order in which records came.
    pub fn hash(&self) -> [u8; 32] {
        let mut hashes: Vec<[u8; 32]> = self.groups.iter().map(|group| self.hash_of(group)).collect();
        hashes.sort_unstable();
        let mut hasher = blake3::Hasher::new();
        hasher.update(&crate::schema_hash());
        hashes.iter().for_each(|hash| _ = hasher.update(hash));
        hasher.finalize().into()
    }

    fn hash_of(&self, group: &Group) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let mut bytes = Vec::new();
        for text in [&group.name, &group.query, &group.template, &group.collection] {
            bytes.extend((text.len() as u64).to_le_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes.extend(group.at_ms.to_le_bytes());
        bytes.extend([u8::from(group.cache.reach), u8::from(group.cache.list)]);
        for candidate in &group.candidates {
            for text in [self.plans[candidate.plan].as_str(), &candidate.operators] {
                bytes.extend((text.len() as u64).to_le_bytes());
                bytes.extend(text.as_bytes());
            }
            candidate.features.values().iter().for_each(|value| bytes.extend(value.to_le_bytes()));
            for run in &candidate.runs {
                bytes.extend(run.us.to_le_bytes());
                bytes.extend(run.repetition.to_le_bytes());
                bytes.push(u8::from(run.censored));
            }
            hasher.update(&bytes);
            bytes.clear();
        }
        hasher.update(&bytes);
        hasher.finalize().into()
    }
}
