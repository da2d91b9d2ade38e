use proptest::prelude::*;

use super::{baselines::Rule, cross::crossfit, *};
use crate::{
    Feature,
    dataset::{Builder, Dataset, Holdout, folds, share},
    testing::swept,
    train::{Growth, Settings},
};

const PLANS: [&str; 3] = ["vector-first", "graph-first", "filtered-vector"];

/// Noise around 1, the same for the same name.
fn noise(name: &str, width: f64) -> f64 {
    ((share(name, 9) - 0.5) * width).exp()
}

/// Queries where the walk's reach decides: few reached, graph-first; many, vector-first; and the analytic model thinks walks to
/// be thirty times dearer than they are.
fn world(queries: usize) -> Dataset {
    let mut builder = Builder::default();
    for query in 0..queries {
        let reach = 4.0 * share(&format!("reach {query}"), 1);
        let selectivity = -3.0 * share(&format!("selectivity {query}"), 1);
        let graph = 200.0 + 10_f64.powf(reach) * 3.0;
        let true_us = [2_000.0, graph, 900.0 + graph * 0.8];
        let analytic = [2_000.0, graph * 30.0, 900.0 + graph * 24.0];
        let us: Vec<Vec<f64>> = true_us
            .iter()
            .enumerate()
            .map(|(plan, us)| (0..5).map(|run| us * noise(&format!("{query} {plan} {run}"), 0.2)).collect())
            .collect();
        let shared = [
            (Feature::Reach, reach as f32),
            (Feature::Selectivity, selectivity as f32),
            (Feature::Hops, 1.0 + (query % 3) as f32),
            (Feature::Matches, (reach + selectivity).max(0.0) as f32),
            (Feature::Rows, 4.0),
            (Feature::Dimensions, 2.6),
            (Feature::Need, 1.0),
        ];
        swept(query, &PLANS, &us, &analytic, &shared).iter().for_each(|record| builder.add(record));
    }
    builder.finish()
}

fn quick() -> Settings {
    let growth = vec![Growth { depth: 7, min_leaf: 4, mtry: 16 }];
    Settings { trees: 12, growth, duel: None, ..Settings::default() }
}

#[test]
fn a_model_that_learns_what_the_analytic_one_gets_wrong_has_less_regret_on_queries_it_has_not_seen() {
    let data = world(240);
    for holdout in Holdout::ALL {
        let mut judged_cases = 0;
        let judged =
            crossfit(&data, &folds(&data, holdout, 4, 1), &quick(), |_, cases| judged_cases += cases.len()).unwrap();
        assert_eq!(judged_cases, judged.cases.len());
        let regret = |name: &str| judged.way(name).unwrap().outcomes.geometric().unwrap();
        assert!(regret("model") < 1.1, "{holdout:?}: {}", regret("model"));
        assert!(regret("analytic") > 1.5, "{holdout:?}: {}", regret("analytic"));
        assert!(regret("tuned rule") < 1.15, "{holdout:?}: {}", regret("tuned rule"));
        assert_eq!(regret("oracle"), 1.0);
        let best = &judged.ways[judged.fixed];
        assert!(
            judged
                .ways
                .iter()
                .filter(|way| way.name.starts_with("always"))
                .all(|way| way.outcomes.geometric() >= best.outcomes.geometric())
        );
    }
}

#[test]
fn quantiles_cover_about_what_they_promise_on_queries_that_were_held_out() {
    let data = world(300);
    let judged = crossfit(&data, &folds(&data, Holdout::Random, 4, 1), &quick(), |_, _| {}).unwrap();
    let all = &errors::errors(&judged.cases, &judged.served, &data.plans)[0];
    assert!(all.spoken > 10 * all.silent, "{all:?}");
    assert!(all.mae < all.analytic_mae, "{all:?}");
    assert!(all.coverage.is_sorted(), "{all:?}");
    assert!((0.70..=0.95).contains(&all.coverage[0]) && all.coverage[2] > 0.88, "{all:?}");
}

#[test]
fn a_tuned_rule_finds_the_threshold() {
    let data = world(200);
    let rule = Rule::tune(&cases(&data), data.plans.len());
    let Rule::Ask { feature, threshold, .. } = &rule else { panic!("{rule:?}") };
    // Where 200 + 3 · 10^reach is 2,000.
    assert!(matches!(feature, Feature::Reach) && (2.5..3.1).contains(threshold), "{feature:?} {threshold}");
}

#[test]
fn a_fixed_plan_that_does_not_apply_gives_way_to_the_analytic_choice() {
    let mut builder = Builder::default();
    let us = [vec![10.0], vec![20.0]];
    swept(0, &PLANS[..2], &us, &[5.0, 3.0], &[]).iter().for_each(|record| builder.add(record));
    swept(1, &PLANS, &[vec![9.0], vec![9.0], vec![1.0]], &[5.0, 3.0, 9.0], &[]).iter().for_each(|r| builder.add(r));
    let data = builder.finish();
    let cases = cases(&data);
    let filtered = data.plan("filtered-vector").unwrap();
    let names = |case: &Case<'_>, choice: usize| data.plans[case.candidates[choice].plan].clone();
    assert_eq!(names(&cases[0], baselines::fixed(&cases[0], filtered)), "graph-first");
    assert_eq!(names(&cases[1], baselines::fixed(&cases[1], filtered)), "filtered-vector");
}

#[test]
fn rules_of_other_systems_scan_what_is_little_and_search_what_is_much() {
    let case_of = |matches: f32, hops: f32| {
        let mut builder = Builder::default();
        let shared = [
            (Feature::Matches, matches),
            (Feature::Hops, hops),
            (Feature::Rows, 5.0),
            (Feature::Dimensions, (385_f32).log10()),
            (Feature::Need, 1.0),
        ];
        let us = vec![vec![1.0]; 3];
        swept(0, &PLANS, &us, &[1.0; 3], &shared).iter().for_each(|record| builder.add(record));
        builder.finish()
    };
    let chosen = |matches, hops, rule: fn(&Case<'_>, &Dataset, bool) -> usize| {
        let data = case_of(matches, hops);
        let case = cases(&data).remove(0);
        let choice = rule(&case, &data, false);
        data.plans[case.candidates[choice].plan].clone()
    };
    // 10⁵ rows: 10³ pass, then 5 · 10⁴.
    for rule in [baselines::qdrant, baselines::milvus] {
        assert_eq!(chosen(3.0, 1.0, rule), "graph-first");
        assert_eq!(chosen(3.0, 0.0, rule), "filtered-vector");
        assert_eq!(chosen(4.7, 1.0, rule), "filtered-vector");
        assert_eq!(chosen(4.7, 0.0, rule), "vector-first");
    }
    // 6,667 vectors of 384 components are 10,000 KB, and 6.7 % of all rows.
    assert_eq!(chosen(3.80, 1.0, baselines::qdrant), "graph-first");
    assert_eq!(chosen(3.85, 1.0, baselines::qdrant), "filtered-vector");
}

#[test]
fn who_chooses_by_half_of_noisy_runs_has_regret_and_by_half_of_steady_ones_none() {
    let group = |width: f64| {
        let mut builder = Builder::default();
        for query in 0..50 {
            let us: Vec<Vec<f64>> = (0..3)
                .map(|plan| (0..6).map(|run| 100.0 * noise(&format!("{query} {plan} {run}"), width)).collect())
                .collect();
            swept(query, &PLANS, &us, &[1.0; 3], &[]).iter().for_each(|record| builder.add(record));
        }
        builder.finish()
    };
    let (steady, noisy) = (group(0.0), group(1.0));
    assert_eq!(split_half(&cases(&steady)), Some(1.0));
    assert!(split_half(&cases(&noisy)).unwrap() > 1.05);
    assert_eq!(split_half(&[]), None);
}

#[test]
fn importance_finds_what_decides_and_nothing_else() {
    let data = world(200);
    let mut importance = importance::Importance::default();
    crossfit(&data, &folds(&data, Holdout::Random, 4, 1), &quick(), |serving, cases| importance.add(serving, cases, 1))
        .unwrap();
    let place = |name: &str| importance.names.iter().position(|known| known == name).unwrap();
    let walk = place("the walk");
    assert!(importance.regret(walk) > 0.1, "{}", importance.regret(walk));
    assert!(importance.error(walk) > 0.1, "{}", importance.error(walk));
    // These are the same everywhere.
    for nothing in ["n_vec", "the machine"] {
        assert_eq!((importance.regret(place(nothing)), importance.error(place(nothing))), (0.0, 0.0));
    }
}

#[test]
fn no_cases_are_no_figures() {
    let none = Dataset::default();
    assert!(cases(&none).is_empty());
    let resamples = Resamples::new(&[], 10, 1);
    let outcomes = Outcomes::new(&[], &[]);
    assert!(summarise(&[], &outcomes, &outcomes, &resamples).is_none());
    assert!(folds(&none, Holdout::Random, 4, 1).is_empty());
}

proptest! {
    #[test]
    fn summaries_are_in_order(regrets in proptest::collection::vec(1.0f64..50.0, 2..40), seed in any::<u64>()) {
        let mut builder = Builder::default();
        for (query, regret) in regrets.iter().enumerate() {
            let us = [vec![100.0], vec![100.0 * regret]];
            swept(query, &PLANS[..2], &us, &[1.0, 1.0], &[]).iter().for_each(|record| builder.add(record));
        }
        let data = builder.finish();
        let cases = cases(&data);
        let slower: Vec<usize> = cases.iter().map(|case| 1 - case.best).collect();
        let (bad, best) = (Outcomes::new(&cases, &slower), Outcomes::new(&cases, &cases.iter().map(|case| case.best).collect::<Vec<_>>()));
        let resamples = Resamples::new(&cases, 50, seed);
        let summary = summarise(&cases, &bad, &best, &resamples).unwrap();
        let mean = (regrets.iter().map(|regret| regret.ln()).sum::<f64>() / regrets.len() as f64).exp();
        prop_assert!((summary.geometric.value / mean - 1.0).abs() < 1e-9);
        prop_assert!(summary.geometric.low <= summary.geometric.value * 1.000_001 || regrets.len() < 8);
        prop_assert!(summary.p50.value <= summary.p95.value && summary.p95.value <= summary.p99.value && summary.p99.value <= summary.max);
        prop_assert!(summary.total.value >= 1.0 && (0.0..=1.0).contains(&summary.slower.value));
        prop_assert_eq!(difference(&bad, &bad, &resamples).unwrap(), Interval { value: 1.0, low: 1.0, high: 1.0 });
        prop_assert!(difference(&best, &bad, &resamples).unwrap().value <= 1.0);
    }
}
