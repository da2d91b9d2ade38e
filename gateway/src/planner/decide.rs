//! The decision about one query: estimates, candidates, predictions, choice.

use planner_model::LatencyModel;
use smallvec::SmallVec;

use super::{
    Candidate, Choice, Estimates, Forced, Input, NotApplicable, Plan, PlanKind, Planned, Source, Template, WhyAnalytic,
    cost, decisions::DecisionKey, enumerate, estimates::estimates, experience::Experience, features, models::Current,
};

/// Most candidates that are compared in pairs; of more, the first in the order of enumeration.
const MOST_CLOSE: usize = 8;

/// Decides, with nothing remembered.
pub(super) fn decide(
    input: &Input<'_>,
    key: DecisionKey,
    current: &Current,
    experience: &Experience,
) -> Result<Planned, NotApplicable> {
    let template = Template::of(input);
    let learnt = experience.of_template(template.id);
    let estimates = estimates(input, learnt.correction);
    let (plans, inapplicable) = enumerate::enumerate(input, &estimates);
    let mut candidates = priced(input, &estimates, plans);
    if let Some(model) = &current.model {
        predict(&mut candidates, &**model, &|kind| experience.bias(&input.schema.name, kind));
        if learnt.fell_back {
            explained(&mut candidates, WhyAnalytic::FellBack);
        }
    }
    let measured = experience.table().measure(&key.situation, &mut candidates);
    let (chosen, choice) = choose(input, &mut candidates, &inapplicable, measured, current.model.as_deref())?;
    let statistics = (input.vectors.epoch, input.graph.map_or(0, |graph| graph.epoch));
    let model = current.name.clone();
    Ok(Planned { candidates, chosen, choice, estimates, statistics, inapplicable, model, template, key })
}

/// What each plan costs by the analytic model, the mean over what the walk may meet, and the features.
fn priced(input: &Input<'_>, estimates: &Estimates, plans: Vec<Plan>) -> Vec<Candidate> {
    let pricer = |estimates| cost::Pricer {
        input,
        estimates,
        vector: input.vectors.costs,
        graph: input.graph.map(|graph| graph.costs).unwrap_or_default(),
    };
    // The first case is the likely one.
    let cases = estimates.cases();
    let works: SmallVec<[cost::Work; 12]> = plans
        .iter()
        .map(|plan| {
            let mut work = pricer(&cases[0]).price(plan);
            let others = cases[1..].iter().map(|case| pricer(case).price(plan).us).sum::<f64>();
            work.us = (work.us + others) / cases.len() as f64;
            work
        })
        .collect();
    let cheapest_us = works.iter().map(|work| work.us).fold(f64::INFINITY, f64::min);
    let shared = features::shared(&pricer(estimates));
    let candidate = |(plan, work): (Plan, &cost::Work)| Candidate {
        features: features::of_candidate(&shared, &plan, work, cheapest_us),
        plan,
        predicted_us: work.us,
        q95_us: None,
        spread: None,
        source: Source::Analytic(WhyAnalytic::NoModel),
        votes: None,
        model_us: None,
        analytic_us: work.us,
        analytic_legs_us: [work.vector_us, work.graph_us],
    };
    plans.into_iter().zip(&works).map(candidate).collect()
}

fn explained(candidates: &mut [Candidate], why: WhyAnalytic) {
    for candidate in candidates {
        (candidate.predicted_us, candidate.q95_us, candidate.spread) = (candidate.analytic_us, None, None);
        candidate.source = Source::Analytic(why);
    }
}

/// What the model says.
///
/// A candidate about which it is silent has its analytic cost, and that is no rival for a learnt one as it is: the analytic
/// model is off by a factor that most candidates of a query have in common (the machine, its load, the estimates). So it is
/// multiplied with the geometric mean of learnt over analytic of the others. Where these are less than half of all, that says
/// too little, and the whole query goes by analytic costs.
fn predict(candidates: &mut [Candidate], model: &dyn LatencyModel, bias: &dyn Fn(PlanKind) -> Option<f32>) {
    let (mut known, mut ratios) = (0_usize, 0.0);
    for candidate in &mut *candidates {
        let kind = candidate.plan.kind;
        match model.predict(kind as usize, &candidate.features) {
            Ok(prediction) if prediction.us.is_finite() && prediction.us > 0.0 => {
                let corrected = bias(kind);
                let factor = f64::from(corrected.unwrap_or(1.0));
                candidate.model_us = Some(prediction.us);
                candidate.predicted_us = prediction.us * factor;
                candidate.q95_us = prediction.q95_us.map(|q95| q95 * factor);
                candidate.spread = prediction.spread;
                candidate.source = Source::Model { corrected };
                known += 1;
                ratios += (candidate.predicted_us / candidate.analytic_us.max(1e-3)).ln();
            }
            Ok(_) => candidate.source = Source::Analytic(WhyAnalytic::Silent(planner_model::Silence::Thin)),
            Err(silence) => candidate.source = Source::Analytic(WhyAnalytic::Silent(silence)),
        }
    }
    if 2 * known < candidates.len() {
        for candidate in &mut *candidates {
            if matches!(candidate.source, Source::Model { .. }) {
                explained(std::slice::from_mut(candidate), WhyAnalytic::MostSilent);
            }
        }
    } else if known < candidates.len() {
        let ratio = (ratios / known as f64).exp();
        let silent = candidates.iter_mut().filter(|candidate| matches!(candidate.source, Source::Analytic(_)));
        silent.for_each(|candidate| candidate.predicted_us = candidate.analytic_us * ratio);
    }
}

/// The first of those with the least predicted latency that fit.
fn cheapest(candidates: &[Candidate], fits: impl Fn(&Plan) -> bool) -> Option<usize> {
    let fitting = candidates.iter().enumerate().filter(|(_, candidate)| fits(&candidate.plan));
    fitting.min_by(|(_, a), (_, b)| a.predicted_us.total_cmp(&b.predicted_us)).map(|(index, _)| index)
}

fn choose(
    input: &Input<'_>,
    candidates: &mut [Candidate],
    inapplicable: &[(PlanKind, &'static str)],
    measured: bool,
    model: Option<&dyn LatencyModel>,
) -> Result<(usize, Choice), NotApplicable> {
    if let Some(Forced { kind, variant }) = input.forced {
        let chosen = match variant {
            None => cheapest(candidates, |plan| plan.kind == kind),
            Some(variant) => {
                let mut variants = candidates.iter().enumerate().filter(|(_, c)| c.plan.kind == kind);
                variants.nth(usize::from(variant).saturating_sub(1)).map(|(index, _)| index)
            }
        };
        let why = || match inapplicable.iter().find(|(other, _)| *other == kind) {
            Some((_, why)) => why,
            None => "it has fewer variants",
        };
        return Ok((chosen.ok_or_else(|| NotApplicable { kind, why: why() })?, Choice::Forced));
    }
    // Another search might have missed other entities, and an item would be skipped or come twice.
    if input.query.offset > 0 && input.probe.list.is_some_and(|list| !list.exact) {
        return Ok((cheapest(candidates, |plan| plan.root.uses_list()).unwrap_or(0), Choice::Paging));
    }
    if input.down != super::Down::default()
        && let Some(spared) = cheapest(candidates, |plan| input.down.spares(plan))
    {
        return Ok((spared, Choice::Spared));
    }
    // vector-first always applies, so there is one.
    let best = cheapest(candidates, |_| true).unwrap_or(0);
    if candidates.len() == 1 {
        return Ok((best, Choice::Only));
    }
    match candidates[best].source {
        Source::Table { .. } if measured => Ok((best, Choice::Measured)),
        Source::Model { .. } => Ok(duelled(candidates, best, model)),
        _ => Ok((best, Choice::Cheapest)),
    }
}

/// Among candidates about as good as the best one by their predictions, the model's comparison of pairs decides.
fn duelled(candidates: &mut [Candidate], best: usize, model: Option<&dyn LatencyModel>) -> (usize, Choice) {
    let Some(model) = model.filter(|model| model.near_tie() > 1.0) else { return (best, Choice::Cheapest) };
    let limit = candidates[best].predicted_us * model.near_tie();
    let is_close =
        |candidate: &Candidate| candidate.predicted_us <= limit && matches!(candidate.source, Source::Model { .. });
    let close: SmallVec<[usize; MOST_CLOSE]> =
        (0..candidates.len()).filter(|&index| is_close(&candidates[index])).take(MOST_CLOSE).collect();
    if close.len() < 2 {
        return (best, Choice::Cheapest);
    }
    let mut votes = [0.0; MOST_CLOSE];
    for (i, &first) in close.iter().enumerate() {
        for (j, &second) in close.iter().enumerate().skip(i + 1) {
            let side = |index: usize| (candidates[index].plan.kind as usize, &candidates[index].features);
            let Some(share) = model.faster(side(first), side(second)) else { return (best, Choice::Cheapest) };
            votes[i] += share;
            votes[j] += 1.0 - share;
        }
    }
    let rivals = (close.len() - 1) as f64;
    for (&index, votes) in close.iter().zip(votes) {
        candidates[index].votes = Some(votes / rivals);
    }
    let by_votes = |&&a: &&usize, &&b: &&usize| {
        let (a, b) = (&candidates[a], &candidates[b]);
        a.votes.unwrap_or(0.0).total_cmp(&b.votes.unwrap_or(0.0)).then(b.predicted_us.total_cmp(&a.predicted_us))
    };
    let chosen = close.iter().max_by(by_votes).copied().unwrap_or(best);
    (chosen, Choice::Duelled)
}

/// Another candidate than the chosen one where that is likely to be late, and the other one is not.
pub(super) fn in_time(planned: &Planned, left_us: f64) -> Option<usize> {
    if !matches!(planned.choice, Choice::Cheapest | Choice::Duelled | Choice::Measured) {
        return None;
    }
    if planned.candidate().q95_us? <= left_us {
        return None;
    }
    let fits = |candidate: &Candidate| candidate.q95_us.is_some_and(|q95| q95 <= left_us);
    let fitting = planned.candidates.iter().enumerate().filter(|(_, candidate)| fits(candidate));
    fitting.min_by(|(_, a), (_, b)| a.predicted_us.total_cmp(&b.predicted_us)).map(|(index, _)| index)
}

impl Template {
    fn of(input: &Input<'_>) -> Self {
        let text = input.query.template(input.schema);
        let seed = xxhash_rust::xxh3::xxh3_64(input.schema.name.as_bytes());
        Self { id: xxhash_rust::xxh3::xxh3_64_with_seed(text.as_bytes(), seed), text: text.into() }
    }
}
