//! Whom the choice goes by.

use std::collections::HashMap;

use super::*;
use crate::planner::{
    Source, WhyAnalytic,
    experience::testing::{Run, experienced},
    models::{
        Models, Origin,
        testing::{Says, file},
    },
};

/// Says this of each kind of plan: microseconds and the 95th percentile. Is silent about others, and prefers one where asked.
#[derive(Default)]
struct Told {
    of: HashMap<PlanKind, (f64, f64)>,
    prefers: Option<PlanKind>,
}

impl Told {
    fn of<const N: usize>(says: [(PlanKind, f64, f64); N]) -> Self {
        Self { of: says.into_iter().map(|(kind, us, q95)| (kind, (us, q95))).collect(), prefers: None }
    }
}

impl LatencyModel for Told {
    fn name(&self) -> &'static str {
        "told"
    }

    fn predict(&self, plan: usize, _: &Features) -> Result<Prediction, Silence> {
        let (us, q95) = *self.of.get(&PlanKind::ALL[plan]).ok_or(Silence::Thin)?;
        Ok(Prediction { us, q95_us: Some(q95), spread: Some(0.3) })
    }

    fn near_tie(&self) -> f64 {
        if self.prefers.is_some() { 1.25 } else { 1.0 }
    }

    fn faster(&self, first: (usize, &Features), second: (usize, &Features)) -> Option<f64> {
        let prefers = self.prefers? as usize;
        Some(if first.0 == prefers {
            0.9
        } else if second.0 == prefers {
            0.1
        } else {
            0.5
        })
    }
}

const FOUR: [PlanKind; 4] = [PlanKind::VectorFirst, PlanKind::GraphFirst, PlanKind::Parallel, PlanKind::FilteredVector];

/// A hybrid query in a graph of this fan-out, with so much time left.
fn planned_by(planner: &Planner, left: Duration) -> Arc<Planned> {
    let (vectors, graph, query, walk) = (vectors(60_000), graph(60_000, 3.0), query(Filter::Everything), walk());
    let input = Input {
        query: &query,
        schema: &schema(),
        filter: &query.filter,
        dimensions: 384,
        usable: 60_000,
        ann: None,
        request: Some(&walk),
        vectors: &vectors,
        graph: Some(&graph),
        max_check: 1_000,
        joined: false,
        probe: Probe::default(),
        keeps: true,
        down: Down::default(),
        waits: Waits::default(),
        forced: None,
        left,
        true_reach: None,
        key: KEY,
    };
    planner.plan(&input).unwrap()
}

fn told(told: Told) -> Arc<Planned> {
    planned_by(&Planner::new(Some(Arc::new(told))), Duration::MAX)
}

fn of(planned: &Planned, kind: PlanKind) -> &Candidate {
    planned.candidates.iter().find(|candidate| candidate.plan.kind == kind).unwrap()
}

#[test]
fn a_plan_that_is_likely_to_be_late_gives_way_to_one_that_is_not() {
    let says = [
        (PlanKind::VectorFirst, 100.0, 5_000.0),
        (PlanKind::GraphFirst, 200.0, 300.0),
        (PlanKind::Parallel, 250.0, 260.0),
        (PlanKind::FilteredVector, 900.0, 9_000.0),
    ];
    let planner = Planner::new(Some(Arc::new(Told::of(says))));
    let choice = |us| {
        let planned = planned_by(&planner, Duration::from_micros(us));
        (planned.plan().kind, planned.choice)
    };
    assert_eq!(choice(6_000), (PlanKind::VectorFirst, Choice::Cheapest));
    assert_eq!(choice(4_000), (PlanKind::GraphFirst, Choice::InTime));
    assert_eq!(choice(280), (PlanKind::Parallel, Choice::InTime));
    assert_eq!(choice(100), (PlanKind::VectorFirst, Choice::Cheapest), "none is likely to be in time");
    assert_eq!(choice(6_000), (PlanKind::VectorFirst, Choice::Cheapest), "the remembered decision is as it was");
}

#[test]
fn candidates_that_are_about_equal_are_compared_in_pairs_and_others_are_not() {
    let says = |third| {
        let of = [
            (PlanKind::VectorFirst, 100.0, 1e9),
            (PlanKind::GraphFirst, 110.0, 1e9),
            (PlanKind::Parallel, third, 1e9),
            (PlanKind::FilteredVector, 1e6, 1e9),
        ];
        Told { prefers: Some(PlanKind::Parallel), ..Told::of(of) }
    };
    let near = told(says(120.0));
    assert_eq!((near.plan().kind, near.choice), (PlanKind::Parallel, Choice::Duelled));
    assert!(of(&near, PlanKind::Parallel).votes.unwrap() > of(&near, PlanKind::VectorFirst).votes.unwrap());
    let far = told(says(130.0));
    assert_eq!((far.plan().kind, far.choice), (PlanKind::VectorFirst, Choice::Duelled), "votes are even");
    assert_eq!(of(&far, PlanKind::Parallel).votes, None);
}

#[test]
fn a_candidate_of_which_the_model_is_silent_is_compared_on_the_models_scale() {
    // The model says a hundred times what the analytic costs say.
    let analytic = planned_by(&Planner::new(None), Duration::MAX);
    let says = FOUR[..3].iter().map(|kind| {
        let us = 100.0 * of(&analytic, *kind).analytic_us;
        (*kind, (us, 2.0 * us))
    });
    let planned = told(Told { of: says.collect(), prefers: None });
    let silent = of(&planned, PlanKind::FilteredVector);
    assert_eq!(silent.source, Source::Analytic(WhyAnalytic::Silent(Silence::Thin)));
    assert!((silent.predicted_us / silent.analytic_us / 100.0 - 1.0).abs() < 1e-9);
    assert_eq!(planned.plan().kind, analytic.plan().kind, "a common factor changes no choice");
}

#[test]
fn where_the_model_is_silent_about_most_the_whole_query_goes_by_analytic_costs() {
    let planned = told(Told::of([(PlanKind::Parallel, 0.001, 0.001)]));
    assert!(planned.candidates.iter().all(|candidate| candidate.predicted_us == candidate.analytic_us));
    assert!(planned.candidates.iter().all(|candidate| candidate.q95_us.is_none()));
    assert_eq!(of(&planned, PlanKind::Parallel).source, Source::Analytic(WhyAnalytic::MostSilent));
    let analytic = planned_by(&Planner::new(None), Duration::MAX);
    assert_eq!(planned.chosen, analytic.chosen);
}

#[test]
fn a_model_that_says_nonsense_is_silent() {
    for nonsense in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
        let planned = told(Told::of(FOUR.map(|kind| (kind, nonsense, nonsense))));
        assert!(planned.candidates.iter().all(|candidate| candidate.predicted_us == candidate.analytic_us));
    }
}

#[test]
fn another_model_drops_every_decision_and_a_rollback_brings_the_old_choice_back() {
    let (models, experience) = (Arc::new(Models::default()), Arc::new(Experience::default()));
    let planner = Planner::with(models.clone(), experience.clone());
    let analytic = planned_by(&planner, Duration::MAX);
    assert!(Arc::ptr_eq(&analytic, &planned_by(&planner, Duration::MAX)));
    let dear = FOUR.map(|kind| Says::us(kind, if kind == PlanKind::Parallel { 10.0 } else { 10_000.0 }));
    models.promote(&file(&dear), Origin::Admin, &experience).unwrap();
    let learnt = planned_by(&planner, Duration::MAX);
    assert_eq!(learnt.plan().kind, PlanKind::Parallel);
    assert!(learnt.model.starts_with("forest "), "{}", learnt.model);
    models.roll_back(&experience).unwrap();
    assert_eq!(planned_by(&planner, Duration::MAX).chosen, analytic.chosen);
}

#[test]
fn predictions_of_a_plan_that_drifts_are_corrected() {
    let run = |us| Run { us, model_us: Some([100.0, 100.0]), ..Run::default() };
    let experience = Arc::new(experienced((0..150).map(|_| run(800.0))));
    let model = Told::of(FOUR.map(|kind| (kind, if kind == PlanKind::VectorFirst { 100.0 } else { 300.0 }, 1e9)));
    let models = || Arc::new(Models::fixed(Some(Arc::new(Told { of: model.of.clone(), prefers: None }))));
    let fresh = planned_by(&Planner::with(models(), Arc::default()), Duration::MAX);
    assert_eq!(fresh.plan().kind, PlanKind::VectorFirst);
    let drifting = planned_by(&Planner::with(models(), experience), Duration::MAX);
    assert_ne!(drifting.plan().kind, PlanKind::VectorFirst);
    let corrected = of(&drifting, PlanKind::VectorFirst);
    assert!(matches!(corrected.source, Source::Model { corrected: Some(factor) } if (7.0..9.0).contains(&factor)));
    assert_eq!(corrected.model_us, Some(100.0), "drift is measured against what the model says");
}

#[test]
fn a_truth_that_a_run_has_found_out_takes_the_place_of_the_estimate() {
    let (vectors, graph, query, walk) = (vectors(60_000), graph(60_000, 3.0), query(Filter::Everything), walk());
    let schema = schema();
    let planner = Planner::new(None);
    let plan = |true_reach| {
        let input = Input {
            query: &query,
            schema: &schema,
            filter: &query.filter,
            dimensions: 384,
            usable: 60_000,
            ann: None,
            request: Some(&walk),
            vectors: &vectors,
            graph: Some(&graph),
            max_check: 1_000,
            joined: false,
            probe: Probe::default(),
            keeps: true,
            down: Down::default(),
            waits: Waits::default(),
            forced: None,
            left: Duration::MAX,
            true_reach,
            key: KEY,
        };
        planner.plan(&input).unwrap()
    };
    let (estimated, all) = (plan(None), plan(Some(59_000.0)));
    assert!(estimated.estimates.reach < 100.0);
    assert_eq!(all.estimates.reach, 59_000.0);
    assert_ne!(estimated.plan().kind, all.plan().kind);
}
