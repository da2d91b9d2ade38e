use planner_model::record::Outcome;

use super::{
    Experience,
    testing::{Run, experienced},
};
use crate::planner::PlanKind;

/// Both plans of the query of a run, as a decision would now see them: microseconds, and whether they were measured.
fn measured(experience: &Experience) -> Option<[f64; 2]> {
    let planned = Run::default().observation().planned;
    let mut candidates = planned.candidates.clone();
    let known = experience.table().measure(&planned.key.situation, &mut candidates);
    known.then(|| [candidates[0].predicted_us, candidates[1].predicted_us])
}

#[test]
fn a_query_that_ran_three_times_needs_no_prediction_and_others_are_corrected_by_the_same_error() {
    let run = || Run { us: 180.0, ..Run::default() };
    let experience = experienced([run(), run()]);
    assert_eq!(measured(&experience), None);
    experience.learn([run()]);
    // Vector-first was predicted to take 90 and took 180; graph-first was predicted to take 110.
    let [own, other] = measured(&experience).unwrap();
    assert!((own - 180.0).abs() < 1e-6 && (other - 220.0).abs() < 1e-6, "{own} {other}");
    experience.forget_runs();
    assert_eq!(measured(&experience), None);
}

#[test]
fn a_decision_is_made_again_once_runs_show_another_plan_to_be_faster() {
    let experience = experienced((0..2).map(|_| Run::default()));
    let mut planned = (*Run::default().observation().planned).clone();
    assert!(!experience.table().overrules(&planned));
    experience.learn([Run::default()]);
    assert!(experience.table().overrules(&planned), "what it takes is known by now");
    planned.choice = crate::planner::Choice::Measured;
    assert!(!experience.table().overrules(&planned));
    experience.learn((0..3).map(|_| Run { kind: PlanKind::GraphFirst, us: 20.0, shadow: true, ..Run::default() }));
    assert!(experience.table().overrules(&planned));
}

#[test]
fn what_was_measured_is_forgotten_when_two_runs_in_a_row_are_beyond_what_was_predicted() {
    let run = |us| Run { us, q95_us: Some(200.0), ..Run::default() };
    let experience = experienced([100.0, 100.0, 100.0, 900.0, 100.0, 900.0].map(run));
    assert!(measured(&experience).is_some(), "never two in a row");
    experience.learn([run(900.0)]);
    assert!(measured(&experience).is_none());
}

#[test]
fn runs_that_did_not_end_well_teach_nothing() {
    for outcome in [Outcome::DeadlineExceeded, Outcome::Cancelled, Outcome::Failed] {
        let run = || Run { outcome, reach: Some((10.0, 10_000)), model_us: Some([1.0, 1.0]), ..Run::default() };
        let experience = experienced((0..300).map(|_| run()));
        assert_eq!(measured(&experience), None);
        assert_eq!(experience.of_template(1), super::Learnt::default());
        assert!(experience.report().drift.is_empty());
    }
}

#[test]
fn estimates_of_a_shape_that_are_always_off_are_corrected() {
    let run = |query| Run { reach: Some((100.0, 700)), query, ..Run::default() };
    let repeats = experienced((0..30).map(|_| run(1)));
    assert_eq!(repeats.of_template(1).correction, super::Correction::NONE, "one case, however often it comes");
    let experience = experienced((1..30).map(run));
    assert!((experience.of_template(1).correction.reach - 7.0).abs() < 1e-6);
    assert_eq!(experience.of_template(2).correction, super::Correction::NONE);
}

#[test]
fn latencies_that_drift_are_corrected_until_they_recover_and_decisions_are_made_again() {
    let run = |us| Run { us, model_us: Some([100.0, 100.0]), ..Run::default() };
    let experience = experienced((0..200).map(|_| run(100.0)));
    let epoch = experience.epoch();
    assert_eq!(experience.bias("things", PlanKind::VectorFirst), None);
    experience.learn((0..200).map(|_| run(400.0)));
    let bias = experience.bias("things", PlanKind::VectorFirst).expect("it drifts");
    assert!((3.6..4.4).contains(&bias), "{bias}");
    assert_eq!(experience.bias("things", PlanKind::GraphFirst), None, "only what ran");
    assert_eq!(experience.bias("others", PlanKind::VectorFirst), None);
    assert!(experience.epoch() > epoch);
    assert_eq!(experience.counters().alarms, 1);
    let epoch = experience.epoch();
    experience.learn((0..200).map(|_| run(100.0)));
    assert_eq!(experience.bias("things", PlanKind::VectorFirst), None);
    assert!(experience.epoch() > epoch);
    assert_eq!(experience.counters().alarms, 0);
}

/// A duel: the model prefers graph-first, the analytic costs vector-first, which was chosen.
fn duel(group: usize, model_is_right: bool) -> [Run; 2] {
    let graph_us = if model_is_right { 50.0 } else { 200.0 };
    let run = |kind, us| Run { kind, us, group: Some(group), model_us: Some([100.0, 80.0]), ..Run::default() };
    [run(PlanKind::VectorFirst, 100.0), run(PlanKind::GraphFirst, graph_us)]
}

#[test]
fn a_template_whose_duels_the_model_loses_falls_back_to_analytic_costs_and_comes_back() {
    let experience = experienced((0..20).flat_map(|group| duel(group, false)));
    assert!(experience.of_template(1).fell_back);
    assert_eq!(experience.counters().fallen, 1);
    assert_eq!(experience.counters().duels, [20, 0, 0]);
    assert_eq!(experience.regret(1), Some((20, 1.0)), "the chosen plan was the faster one each time");
    experience.learn((20..60).flat_map(|group| duel(group, true)));
    assert!(!experience.of_template(1).fell_back);
    let (duels, regret) = experience.regret(1).unwrap();
    assert!(duels == 60 && (regret.ln() - 40.0 / 60.0 * 2.0_f64.ln()).abs() < 1e-6, "{regret}");
    // Another model is not judged by the duels of this one.
    experience.learn((60..160).flat_map(|group| duel(group, false)));
    assert!(experience.of_template(1).fell_back);
    experience.model_changed();
    assert!(!experience.of_template(1).fell_back);
}

#[test]
fn the_order_in_which_the_runs_of_a_duel_come_in_does_not_matter() {
    let backwards = experienced((0..20).flat_map(|group| {
        let [chosen, rival] = duel(group, true);
        [rival, chosen]
    }));
    let forwards = experienced((0..20).flat_map(|group| duel(group, true)));
    assert_eq!(backwards.regret(1), forwards.regret(1));
    assert_eq!(backwards.counters().duels, forwards.counters().duels);
}
