//! What a latency model sees of a candidate: the only place where features are made. The query log keeps them as they are
//! here, and training reads the log, so that a model is asked what it was taught.

use planner_model::{Feature, Features};

use super::{Plan, PlanKind, cost::Pricer, cost::Work};

/// What all candidates of a query have in common.
pub(super) fn shared(pricer: &Pricer<'_>) -> Features {
    let (input, estimates) = (pricer.input, pricer.estimates);
    let mut features = Features::default();
    let hops = input.request.map_or(0.0, |request| f64::from(request.walk.hops));
    features.set(Feature::JoinComplexity, hops * (1.0 + estimates.fan_out.max(1.0).log10()));
    features.set_log(Feature::Rows, estimates.rows);
    features.set_log(Feature::Dimensions, input.dimensions as f64);
    features.set_log(Feature::Need, input.query.need() as f64);
    features.set(Feature::Hops, hops);
    features.set_log(Feature::Anchors, input.request.map_or(0.0, |request| request.anchors.len() as f64));
    let (low, high) = (estimates.selectivity.low.max(1e-6), estimates.selectivity.high.max(1e-6));
    features.set(Feature::Selectivity, estimates.selectivity.likely.max(1e-6).log10());
    features.set(Feature::SelectivitySpread, (high / low).log10());
    features.set_log(Feature::Reach, estimates.reach);
    features.set_log(Feature::Edges, estimates.edges);
    features.set_log(Feature::Matches, estimates.matches);
    let spread = estimates.reach.max(1.0) / estimates.least_reach.max(1.0);
    features.set(Feature::ReachSpread, spread.max(1.0).log10());
    features.set(Feature::CachedReach, f64::from(u8::from(input.probe.reach.is_some())));
    if let Some(list) = &input.probe.list {
        features.set_log(Feature::CachedItems, list.length as f64);
        features.set_log(Feature::CachedSurvivors, pricer.survivors());
    }
    features.set(Feature::Approximate, f64::from(u8::from(input.ann.is_some())));
    features.set(Feature::VectorCall, pricer.vector.call_us.max(1e-3).log10());
    features.set_log(Feature::VectorWait, input.waits.vectors.as_secs_f64() * 1e6);
    if input.request.is_some() {
        features.set(Feature::GraphCall, pricer.graph.call_us.max(1e-3).log10());
        features.set_log(Feature::GraphWait, input.waits.graph.as_secs_f64() * 1e6);
    }
    features
}

/// The features of one candidate, which does this work, beside a cheapest that takes so many microseconds.
pub(super) fn of_candidate(shared: &Features, plan: &Plan, work: &Work, cheapest_us: f64) -> Features {
    let mut features = *shared;
    features.set_log(Feature::IoOperations, work.io);
    features.set_log(Feature::Cpu, work.flop / 1e6);
    features.set(Feature::RoundTrips, work.calls);
    features.set(Feature::CacheHitProbability, if plan.kind == PlanKind::CachedPartial { work.cached } else { 0.0 });
    features.set(Feature::Parallelism, work.parallel.max(1.0));
    features.set_log(Feature::DataVolume, work.bytes);
    features.set(Feature::IndexUsage, work.index);
    features.set_log(Feature::Candidates, work.candidates);
    features.set(Feature::AnalyticCost, work.us.max(1e-3).log10());
    features.set(Feature::OverCheapest, (work.us.max(1e-3) / cheapest_us.max(1e-3)).log10());
    features.set(Feature::AsksVectors, f64::from(u8::from(plan.root.asks_vectors())));
    features.set(Feature::AsksGraph, f64::from(u8::from(plan.root.asks_graph())));
    features
}
