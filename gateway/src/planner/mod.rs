//! The planner: enumerates candidate plans, prices them, picks one, and can say why. It never talks to a backend:
//! everything it knows comes in as an [`Input`] of statistics and of what the cache was found to hold.

mod cost;
mod enumerate;
mod estimate;
mod explain;
mod features;
mod plan;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use planner_model::{Features, LatencyModel};
use quick_cache::sync::Cache;

pub use estimate::Fraction;
pub use explain::{CandidateReport, EstimateReport, OperatorReport, PlanReport};
pub use plan::{Operator, Plan, PlanKind};

use crate::{
    backend::{AnnCosts, GraphStatistics, ReachRequest, VectorStatistics},
    cache::Digest,
    query::{Filter, Query},
};

/// Decisions remembered for exact repeats.
const DECISIONS: usize = 4_096;

/// Everything that planning looks at.
pub struct Input<'a> {
    /// What is asked.
    pub query: &'a Query,
    /// The query's filter and the forced one.
    pub filter: &'a Filter,
    /// Components of the query vector; 0 without one.
    pub dimensions: usize,
    /// Entities that can answer: those with a usable vector.
    pub usable: u64,
    /// How an approximate index goes through the vectors in rank order, where there is one and the query allows it.
    pub ann: Option<AnnCosts>,
    /// The walk, its anchors known.
    pub request: Option<&'a ReachRequest>,
    /// What the vector store knows.
    pub vectors: &'a VectorStatistics,
    /// What the graph store knows.
    pub graph: Option<&'a GraphStatistics>,
    /// Most candidates of one check.
    pub max_check: usize,
    /// The vector store can rank what a walk reaches by itself.
    pub joined: bool,
    /// What the cache holds.
    pub probe: Probe<'a>,
    /// What legs give goes into the cache, where a longer list serves more queries.
    pub keeps: bool,
    /// Stores that are not asked now, because they fail.
    pub down: Down,
    /// How busy stores are.
    pub waits: Waits,
    /// Runs this kind whatever it costs.
    pub forced: Option<Forced>,
    /// Identifies the query for remembering the decision: its key.
    pub key: Digest,
}

/// What a caller wants to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Forced {
    /// The kind of plan.
    pub kind: PlanKind,
    /// Which candidate of that kind, counted from 1 in the order of enumeration; the cheapest without.
    pub variant: Option<u8>,
}

impl From<PlanKind> for Forced {
    fn from(kind: PlanKind) -> Self {
        Self { kind, variant: None }
    }
}

/// Which of a query's stores are not asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Down {
    /// The vector store.
    pub vectors: bool,
    /// The graph store.
    pub graph: bool,
}

impl Down {
    fn spares(self, plan: &Plan) -> bool {
        !(self.vectors && plan.root.asks_vectors() || self.graph && plan.root.asks_graph())
    }
}

/// How long calls are expected to wait for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waits {
    /// To the vector store.
    pub vectors: Duration,
    /// To the graph store.
    pub graph: Duration,
}

/// What the cache was found to hold of a query's legs.
#[derive(Clone, Copy, Default)]
pub struct Probe<'a> {
    /// The reached ids: how many.
    pub reach: Option<u64>,
    /// A ranked list that covers the filter.
    pub list: Option<ListProbe<'a>>,
}

/// A cached list as far as planning goes.
#[derive(Clone, Copy)]
pub struct ListProbe<'a> {
    /// Items.
    pub length: usize,
    /// Nothing is missing from it.
    pub exhausted: bool,
    /// The filter that it was made with.
    pub filter: &'a Filter,
    /// It came from a search that was exact.
    pub exact: bool,
}

/// What the statistics say about a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimates {
    /// Entities that can answer.
    pub rows: f64,
    /// Fraction that passes the filter.
    pub selectivity: Fraction,
    /// Leaves of the filter.
    pub leaves: f64,
    /// Rows that the filter's indexes return, as a multiple of all rows.
    pub indexed: f64,
    /// Rows that the best of the filter's indexes returns, as a fraction of all rows.
    pub narrowest: f64,
    /// Distinct nodes reached; the true number where the reach is cached.
    pub reach: f64,
    /// The same if the walk meets no hub.
    pub least_reach: f64,
    /// Edges that a traversal looks at.
    pub edges: f64,
    /// Mean fan-out of a step.
    pub fan_out: f64,
    /// Fraction of entities within.
    pub within: f64,
    /// Entities that pass filter and walk.
    pub matches: f64,
}

impl Estimates {
    /// The estimates if the walk reaches this share of what is likely.
    fn reaching(self, share: f64) -> Self {
        Self {
            reach: self.reach * share,
            edges: self.edges * share,
            within: self.within * share,
            matches: self.matches * share,
            ..self
        }
    }

    /// The likely estimates, and others that are about as likely. A mean fan-out is made by few hubs, and most walks meet
    /// fewer of them: what a walk reaches lies between that and what one reaches that meets none.
    fn cases(self) -> Vec<Self> {
        let share = if self.reach > 0.0 { (self.least_reach / self.reach).min(1.0) } else { 1.0 };
        if share > 0.9 { vec![self] } else { [1.0, share.sqrt(), share].map(|share| self.reaching(share)).to_vec() }
    }
}

/// A priced candidate.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The plan.
    pub plan: Plan,
    /// What the choice went by, in microseconds.
    pub predicted_us: f64,
    /// What the analytic model says, in microseconds.
    pub analytic_us: f64,
    /// What is known of the candidate.
    pub features: Features,
}

/// Why a candidate was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// No other plan applies.
    Only,
    /// It has the lowest predicted latency.
    Cheapest,
    /// `options.plan` asked for it.
    Forced,
    /// It goes on with the list that earlier pages were cut from.
    Paging,
    /// A store fails and is not asked; what the cache holds suffices.
    Spared,
}

impl Choice {
    /// The reason in one line.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Only => "no other plan applies",
            Self::Cheapest => "it has the lowest predicted latency",
            Self::Forced => "options.plan asked for it",
            Self::Spared => "a backend fails and is not asked; what the cache holds suffices",
            Self::Paging => "it goes on with the list that earlier pages were cut from",
        }
    }
}

/// The outcome of planning.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Priced candidates in the order of enumeration.
    pub candidates: Vec<Candidate>,
    /// Which one runs.
    pub chosen: usize,
    /// Why.
    pub choice: Choice,
    /// What the statistics said.
    pub estimates: Estimates,
    /// Epochs of the statistics: of entities, of the graph.
    pub statistics: (u64, u64),
    /// Kinds that do not apply, and why.
    pub inapplicable: Vec<(PlanKind, &'static str)>,
    /// The name of the model that predicted.
    pub model: Arc<str>,
}

impl Planned {
    /// The plan that runs.
    pub fn plan(&self) -> &Plan {
        &self.candidates[self.chosen].plan
    }

    /// Which candidate of its kind this one is, counted from 1.
    pub fn variant(&self, index: usize) -> usize {
        let kind = self.candidates[index].plan.kind;
        self.candidates[..=index].iter().filter(|candidate| candidate.plan.kind == kind).count()
    }
}

/// The plan asked for does not apply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} does not apply: {why}", kind.as_str())]
pub struct NotApplicable {
    /// The plan asked for.
    pub kind: PlanKind,
    /// Why it does not apply.
    pub why: &'static str,
}

#[derive(PartialEq, Eq, Hash, Clone)]
struct DecisionKey {
    query: Digest,
    epochs: (u64, u64),
    /// The reach's size.
    reach: Option<u64>,
    list: Option<ListKey>,
    keeps: bool,
    down: Down,
    forced: Option<Forced>,
}

/// What a decision takes of a cached list.
#[derive(PartialEq, Eq, Hash, Clone)]
struct ListKey {
    length: usize,
    exhausted: bool,
    exact: bool,
    /// It was made with the query's own filter.
    same_filter: bool,
}

/// The planner.
pub struct Planner {
    model: Option<Arc<dyn LatencyModel>>,
    name: Arc<str>,
    decisions: Cache<DecisionKey, Arc<Planned>>,
}

impl Planner {
    /// A planner that asks a model first, and the analytic costs where the model knows too little or there is none.
    pub fn new(model: Option<Arc<dyn LatencyModel>>) -> Self {
        let name = model.as_ref().map_or("analytic", |model| model.name()).into();
        Self { model, name, decisions: Cache::new(DECISIONS) }
    }

    /// Chooses a plan. An exact repeat under the same statistics and cache contents gets the remembered decision.
    pub fn plan(&self, input: &Input<'_>) -> Result<Arc<Planned>, NotApplicable> {
        let key = DecisionKey {
            query: input.key,
            epochs: (input.vectors.epoch, input.graph.map_or(0, |graph| graph.epoch)),
            reach: input.probe.reach,
            list: input.probe.list.map(|list| ListKey {
                length: list.length,
                exhausted: list.exhausted,
                exact: list.exact,
                same_filter: list.filter == input.filter,
            }),
            keeps: input.keeps,
            down: input.down,
            forced: input.forced,
        };
        if let Some(planned) = self.decisions.get(&key) {
            return Ok(planned);
        }
        let planned = Arc::new(self.decide(input)?);
        self.decisions.insert(key, planned.clone());
        Ok(planned)
    }

    fn decide(&self, input: &Input<'_>) -> Result<Planned, NotApplicable> {
        let estimates = estimates(input);
        let (plans, inapplicable) = enumerate::enumerate(input, &estimates);
        let pricer = |estimates| cost::Pricer {
            input,
            estimates,
            vector: input.vectors.costs,
            graph: input.graph.map(|graph| graph.costs).unwrap_or_default(),
        };
        let cases = estimates.cases();
        let priced: Vec<(Plan, cost::Work)> = plans
            .into_iter()
            .map(|plan| {
                let mut work = pricer(&estimates).price(&plan);
                work.us = cases.iter().map(|case| pricer(case).price(&plan).us).sum::<f64>() / cases.len() as f64;
                (plan, work)
            })
            .collect();
        let cheapest_us = priced.iter().map(|(_, work)| work.us).fold(f64::INFINITY, f64::min);
        let shared = features::shared(&pricer(&estimates));
        let candidates: Vec<Candidate> = priced
            .into_iter()
            .map(|(plan, work)| {
                let features = features::of_candidate(&shared, &plan, &work, cheapest_us);
                let learned = self.model.as_ref().and_then(|model| model.predict(plan.kind as usize, &features));
                let predicted_us = learned.map_or(work.us, |prediction| prediction.us);
                Candidate { plan, predicted_us, analytic_us: work.us, features }
            })
            .collect();
        let cheapest = |fits: &dyn Fn(&Plan) -> bool| {
            candidates
                .iter()
                .enumerate()
                .filter(|(_, candidate)| fits(&candidate.plan))
                .min_by(|(_, a), (_, b)| a.predicted_us.total_cmp(&b.predicted_us))
                .map(|(index, _)| index)
        };
        let (chosen, choice) = match input.forced {
            Some(Forced { kind, variant }) => {
                let chosen = match variant {
                    None => cheapest(&|plan| plan.kind == kind),
                    Some(variant) => {
                        let mut variants = candidates.iter().enumerate().filter(|(_, c)| c.plan.kind == kind);
                        variants.nth(usize::from(variant).saturating_sub(1)).map(|(index, _)| index)
                    }
                };
                let why = || match inapplicable.iter().find(|(other, _)| *other == kind) {
                    Some((_, why)) => why,
                    None => "it has fewer variants",
                };
                (chosen.ok_or_else(|| NotApplicable { kind, why: why() })?, Choice::Forced)
            }
            // Another search might have missed other entities, and an item would be skipped or come twice.
            None if input.query.offset > 0 && input.probe.list.is_some_and(|list| !list.exact) => {
                (cheapest(&|plan| plan.root.uses_list()).unwrap_or(0), Choice::Paging)
            }
            None if let (true, Some(spared)) =
                (input.down != Down::default(), cheapest(&|plan| input.down.spares(plan))) =>
            {
                (spared, Choice::Spared)
            }
            None => {
                let choice = if candidates.len() == 1 { Choice::Only } else { Choice::Cheapest };
                // vector-first always applies, so there is one.
                (cheapest(&|_| true).unwrap_or(0), choice)
            }
        };
        let statistics = (input.vectors.epoch, input.graph.map_or(0, |graph| graph.epoch));
        Ok(Planned { candidates, chosen, choice, estimates, statistics, inapplicable, model: self.name.clone() })
    }
}

/// What the statistics say about a query.
fn estimates(input: &Input<'_>) -> Estimates {
    let selectivity = estimate::selectivity(input.filter, input.vectors);
    let rows = input.usable as f64;
    let (mut reach, mut least_reach, mut edges, mut fan_out, mut within) = (0.0, 0.0, 0.0, 0.0, 1.0);
    if let (Some(request), Some(graph)) = (input.request, input.graph) {
        let traversal = estimate::traversal(request, graph);
        (reach, least_reach) = (traversal.nodes, traversal.least);
        (edges, fan_out) = (traversal.edges, traversal.fan_out);
        if let Some(cached) = input.probe.reach {
            (reach, least_reach) = (cached as f64, cached as f64);
        }
        within = (reach / graph.nodes.max(1) as f64).clamp(0.0, 1.0);
    }
    Estimates {
        rows,
        selectivity: selectivity.fraction,
        leaves: selectivity.leaves,
        indexed: selectivity.indexed,
        narrowest: selectivity.narrowest,
        reach,
        least_reach,
        edges,
        fan_out,
        within,
        matches: rows * selectivity.fraction.likely * within,
    }
}
