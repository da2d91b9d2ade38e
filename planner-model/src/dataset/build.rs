use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use super::{Candidate, Dataset, Group, Origin, Run};
use crate::{
    Features,
    record::{Cardinalities, Mode, Outcome, Record},
};

/// Most candidates of a query that are believed.
const MOST_CANDIDATES: usize = 64;
/// Most plans, and longest names of them, that are believed.
const MOST_PLANS: usize = 32;
const LONGEST_NAME: usize = 64;

/// The order of plans that are known; others come after them, by name.
const PLANS: [&str; 5] = ["vector-first", "graph-first", "parallel", "filtered-vector", "cached-partial"];

/// Runs that were left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The first run of each candidate of a sweep.
    pub warm_up: u64,
    /// A backend failed.
    pub failed: u64,
    /// Nobody waited any more: that says when somebody gave up, not how long it takes.
    pub cancelled: u64,
    /// A candidate that is not there, features that are not finite or too few, a latency that is none.
    pub damaged: u64,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { warm_up, failed, cancelled, damaged } = self;
        write!(f, "{warm_up} warm-up, {failed} failed, {cancelled} cancelled, {damaged} damaged")
    }
}

/// Takes records in any order.
#[derive(Debug, Default)]
pub struct Builder {
    plans: Vec<String>,
    groups: Vec<Group>,
    /// Groups with a name, by that and the query.
    known: HashMap<(Arc<str>, Arc<str>), usize>,
    texts: HashSet<Arc<str>>,
    dropped: Dropped,
    runs: u64,
}

impl Builder {
    /// Adds a run.
    pub fn add(&mut self, record: &Record) {
        if record.mode == Mode::Sweep && record.repetition == 0 {
            self.dropped.warm_up += 1;
            return;
        }
        match record.outcome {
            Outcome::Ok | Outcome::DeadlineExceeded => {}
            Outcome::Failed => return self.dropped.failed += 1,
            Outcome::Cancelled => return self.dropped.cancelled += 1,
        }
        match self.taken(record) {
            Some(()) => self.runs += 1,
            None => self.dropped.damaged += 1,
        }
    }

    /// Runs that were taken.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// Runs that were not.
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    fn taken(&mut self, record: &Record) -> Option<()> {
        let sane = |us: f64| us.is_finite() && us > 0.0 && us < 1e12;
        if !sane(record.ranked_us) || record.candidates.len() > MOST_CANDIDATES {
            return None;
        }
        let run = Run {
            us: record.ranked_us,
            repetition: record.repetition,
            censored: record.outcome == Outcome::DeadlineExceeded,
        };
        let swept = record.mode == Mode::Sweep;
        let mut ran = None;
        let mut candidates = Vec::new();
        for (place, known) in record.candidates.iter().enumerate() {
            if place == record.ran || swept {
                let features: Features = known.features()?;
                let [analytic_us, predicted_us] = [cost(known.analytic_us)?, cost(known.predicted_us)?];
                if place == record.ran {
                    ran = Some(candidates.len());
                }
                candidates.push(Candidate {
                    plan: self.plan(&known.plan)?,
                    operators: self.text(&known.operators),
                    features,
                    analytic_us,
                    predicted_us,
                    runs: Vec::new(),
                });
            }
        }
        let ran = ran?;
        let place = self.group(record, swept);
        let group = &mut self.groups[place];
        group.at_ms = group.at_ms.min(record.at_ms);
        merge(&mut group.actual, &record.actual);
        for (place, candidate) in candidates.into_iter().enumerate() {
            let same = |other: &Candidate| other.plan == candidate.plan && other.operators == candidate.operators;
            let at = group.candidates.iter().position(same).unwrap_or(group.candidates.len());
            if at == group.candidates.len() {
                group.candidates.push(candidate);
            } else if place == ran && group.candidates[at].runs.is_empty() {
                // What was known when it ran counts, not what was known when another one did.
                group.candidates[at] = candidate;
            }
            if place == ran {
                group.candidates[at].runs.push(run);
            }
        }
        Some(())
    }

    /// The place of a record's group.
    fn group(&mut self, record: &Record, swept: bool) -> usize {
        let name = self.text(record.group.as_deref().unwrap_or_default());
        let query = self.text(&record.query);
        let origin = match (swept, name.is_empty()) {
            (true, _) => Origin::Sweep,
            (false, false) => Origin::Duel,
            (false, true) => Origin::Single,
        };
        let place = self.groups.len();
        if !name.is_empty() {
            let place = *self.known.entry((name.clone(), query.clone())).or_insert(place);
            if place < self.groups.len() {
                return place;
            }
        }
        let group = Group {
            name,
            origin,
            query,
            template: self.text(&record.template),
            collection: self.text(&record.collection),
            at_ms: record.at_ms,
            cache: record.cache,
            candidates: Vec::new(),
            estimated: record.estimated,
            actual: record.actual,
        };
        self.groups.push(group);
        place
    }

    fn plan(&mut self, name: &str) -> Option<usize> {
        if let Some(known) = self.plans.iter().position(|plan| plan == name) {
            return Some(known);
        }
        if self.plans.len() >= MOST_PLANS || name.is_empty() || name.len() > LONGEST_NAME {
            return None;
        }
        self.plans.push(name.to_owned());
        Some(self.plans.len() - 1)
    }

    /// A text that is kept once.
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let text: Arc<str> = text.into();
        self.texts.insert(text.clone());
        text
    }

    /// The groups. Their order, and that of what is in them, does not depend on the order of the records.
    pub fn finish(mut self) -> Dataset {
        let rank = |name: &str| PLANS.iter().position(|plan| *plan == name).unwrap_or(PLANS.len());
        let mut order: Vec<usize> = (0..self.plans.len()).collect();
        order.sort_by_key(|&plan| (rank(&self.plans[plan]), self.plans[plan].clone()));
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, &old)| place[old] = new);

        for group in &mut self.groups {
            group.candidates.iter_mut().for_each(|candidate| candidate.plan = place[candidate.plan]);
            group.candidates.sort_by(|a, b| (a.plan, &a.operators).cmp(&(b.plan, &b.operators)));
            for candidate in &mut group.candidates {
                candidate.runs.sort_by(|a, b| a.repetition.cmp(&b.repetition).then(a.us.total_cmp(&b.us)));
            }
        }
        self.groups.sort_by(|a, b| (a.at_ms, &a.name, &a.query).cmp(&(b.at_ms, &b.name, &b.query)));
        let plans = order.into_iter().map(|plan| std::mem::take(&mut self.plans[plan])).collect();
        Dataset { plans, groups: self.groups }
    }
}

/// A predicted cost. What only reads a cache may be predicted to cost nothing; that is a nanosecond here, since ratios are
/// taken.
fn cost(us: f64) -> Option<f64> {
    (us.is_finite() && (0.0..1e12).contains(&us)).then_some(us.max(1e-3))
}

fn merge(known: &mut Cardinalities, more: &Cardinalities) {
    known.selectivity = known.selectivity.or(more.selectivity);
    known.reach = known.reach.or(more.reach);
    known.edges = known.edges.or(more.edges);
    known.candidates = known.candidates.or(more.candidates);
}
