use proptest::prelude::*;

use super::*;
use crate::{
    Feature,
    record::{CandidateRecord, Mode, Outcome, Record},
    testing::record,
};

fn candidate(plan: &str, selectivity: f32) -> CandidateRecord {
    let mut features = vec![0.5; crate::FEATURES];
    features[Feature::Selectivity as usize] = selectivity;
    CandidateRecord {
        plan: plan.into(),
        operators: format!("{plan}()"),
        features,
        analytic_us: 100.0,
        predicted_us: 100.0,
        q95_us: None,
    }
}

/// A run of a sweep.
fn swept(query: u32, ran: usize, repetition: u32, us: f64) -> Record {
    Record {
        query: format!("q{query}"),
        template: format!("t{}", query % 7),
        group: Some(format!("g{query}")),
        at_ms: i64::from(query) * 1000 + i64::from(repetition),
        mode: Mode::Sweep,
        repetition,
        candidates: vec![
            candidate("vector-first", -(query as f32 % 5.0)),
            candidate("graph-first", -(query as f32 % 5.0)),
        ],
        ran,
        ranked_us: us,
        ..record()
    }
}

fn sweep(queries: u32) -> Vec<Record> {
    let runs = |query| (0..4).flat_map(move |repetition| [(query, 0, repetition), (query, 1, repetition)]);
    let us =
        |query: u32, ran: usize, repetition: u32| f64::from(100 * (query + 1) + 10 * repetition) * (1.0 + ran as f64);
    (0..queries)
        .flat_map(runs)
        .map(|(query, ran, repetition)| swept(query, ran, repetition, us(query, ran, repetition)))
        .collect()
}

fn built(records: &[Record]) -> (Dataset, Dropped) {
    let mut builder = Builder::default();
    records.iter().for_each(|record| builder.add(record));
    let dropped = builder.dropped();
    (builder.finish(), dropped)
}

#[test]
fn runs_of_a_query_become_one_group_with_medians() {
    let (data, dropped) = built(&sweep(3));
    assert_eq!(dropped, Dropped { warm_up: 6, ..Dropped::default() });
    assert_eq!(
        (data.groups.len(), data.plans.as_slice()),
        (3, ["vector-first".to_owned(), "graph-first".to_owned()].as_slice())
    );
    let medians: Vec<f64> = data.groups[1].candidates.iter().map(|candidate| candidate.median_us().unwrap()).collect();
    assert_eq!(medians, [220.0, 440.0]);
}

#[test]
fn the_order_of_the_log_changes_nothing() {
    let records = sweep(20);
    let (data, _) = built(&records);
    let (reversed, _) = built(&records.iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(data.hash(), reversed.hash());
    for holdout in Holdout::ALL {
        assert_eq!(folds(&data, holdout, 4, 1), folds(&reversed, holdout, 4, 1));
    }
    let mut changed = records;
    changed[5].ranked_us += 1.0;
    assert_ne!(data.hash(), built(&changed).0.hash());
}

#[test]
fn a_run_that_was_cut_off_is_a_lower_bound_and_one_that_failed_nothing() {
    let mut records = sweep(1);
    for record in records.iter_mut().filter(|record| record.ran == 1) {
        record.outcome = Outcome::DeadlineExceeded;
        record.ranked_us = 5_000.0;
    }
    records[2].outcome = Outcome::Failed;
    records[4].outcome = Outcome::Cancelled;
    let (data, dropped) = built(&records);
    assert_eq!((dropped.failed, dropped.cancelled), (1, 1));
    let [quick, slow] = &data.groups[0].candidates[..] else { panic!("two candidates") };
    assert_eq!((quick.runs.len(), quick.median_us()), (1, Some(130.0)));
    assert!(slow.is_censored() && slow.median_us() == Some(5_000.0));
}

#[test]
fn damaged_records_are_counted_and_leave_no_trace() {
    let mut bad = sweep(1);
    bad[2].ran = 9;
    bad[3].ranked_us = f64::NAN;
    bad[4].candidates[0].features[0] = f32::INFINITY;
    bad[5].candidates[0].features.pop();
    bad[6].candidates[1].analytic_us = -1.0;
    bad[7].candidates = vec![candidate("vector-first", 0.0); 1000];
    let (data, dropped) = built(&bad);
    assert_eq!((data.groups.len(), dropped.damaged), (0, 6));
}

#[test]
fn a_candidate_that_is_predicted_to_cost_nothing_counts() {
    let mut records = sweep(1);
    records.iter_mut().for_each(|record| record.candidates[1].analytic_us = 0.0);
    let (data, dropped) = built(&records);
    assert_eq!((data.groups[0].candidates.len(), dropped.damaged), (2, 0));
    assert!(data.groups[0].candidates[1].analytic_us > 0.0);
}

#[test]
fn a_plan_name_too_many_is_refused() {
    let records: Vec<Record> = (0..100)
        .map(|plan| Record { candidates: vec![candidate(&format!("p{plan}"), 0.0)], mode: Mode::Chosen, ..record() })
        .collect();
    let (data, dropped) = built(&records);
    assert_eq!((data.plans.len(), dropped.damaged), (32, 68));
}

#[test]
fn duels_and_single_runs_are_groups_of_what_ran() {
    let duel = |ran, mode| Record { mode, ran, ..swept(1, 0, 0, 50.0) };
    let records = [
        duel(0, Mode::Chosen),
        duel(1, Mode::Shadow),
        Record { group: None, ..duel(0, Mode::Chosen) },
        Record { group: None, ..duel(0, Mode::Forced) },
    ];
    let (data, _) = built(&records);
    let mut found: Vec<(Origin, usize)> =
        data.groups.iter().map(|group| (group.origin, group.candidates.len())).collect();
    found.sort();
    assert_eq!(found, [(Origin::Duel, 2), (Origin::Single, 1), (Origin::Single, 1)]);
}

#[test]
fn nothing_that_is_held_out_is_trained_on() {
    let (data, _) = built(&sweep(60));
    for holdout in Holdout::ALL {
        let folds = folds(&data, holdout, 4, 3);
        let unit = |index: &usize| match holdout {
            Holdout::Random | Holdout::Time => data.groups[*index].query.to_string(),
            Holdout::Templates => data.groups[*index].template.to_string(),
            Holdout::Cells => format!("{:?}", cell(&data.groups[*index])),
        };
        assert_eq!(folds.len(), if holdout == Holdout::Time { 1 } else { 4 });
        for fold in &folds {
            assert!(fold.train.iter().all(|train| fold.test.iter().all(|test| unit(train) != unit(test))));
        }
        if holdout != Holdout::Time {
            let mut tested: Vec<usize> = folds.iter().flat_map(|fold| fold.test.clone()).collect();
            tested.sort_unstable();
            assert_eq!(tested, (0..60).collect::<Vec<_>>());
        }
    }
}

proptest! {
    #[test]
    fn rows_of_a_query_are_in_one_part(queries in 1u32..40, seed in any::<u64>()) {
        let (data, _) = built(&sweep(queries));
        let all: Vec<usize> = (0..data.groups.len()).collect();
        let rows = rows(&data, &all, seed).unwrap();
        let parts = [&rows.split.train, &rows.split.validation, &rows.split.calibration];
        prop_assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), rows.observations.len());
        let groups = |part: &[u32]| part.iter().map(|row| rows.observations.row(*row as usize).group).collect::<std::collections::HashSet<_>>();
        prop_assert!(groups(parts[0]).is_disjoint(&groups(parts[1])));
        prop_assert!(groups(parts[0]).is_disjoint(&groups(parts[2])));
        prop_assert!(groups(parts[1]).is_disjoint(&groups(parts[2])));
    }
}
