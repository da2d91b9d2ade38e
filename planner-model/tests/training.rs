//! Training from end to end on made-up queries (`train::synthetic`): they show that the machinery does what it says, not
//! how well it will do on real stores.
#![cfg(feature = "train")]

use std::sync::LazyLock;

use planner_model::train::{
    Growth, Observation, Observations, Settings, TrainError, Trained, choices, geometric_mean, synthetic, train,
};
use planner_model::{Contestant, Feature, Level, Model, analytic_ln_ms};

fn settings() -> Settings {
    let mut settings = Settings { trees: 16, threads: 2, ..Settings::default() };
    settings.growth = vec![Growth { depth: 8, min_leaf: 4, mtry: 10 }];
    if let Some(duel) = &mut settings.duel {
        (duel.trees, duel.depth, duel.queries) = (16, 6, 150);
    }
    settings
}

fn without_duels() -> Settings {
    Settings { duel: None, ..settings() }
}

fn trained(data: &Observations, settings: &Settings) -> Trained {
    train(data, settings).expect("made-up rows can be trained on")
}

static DATA: LazyLock<Observations> = LazyLock::new(|| synthetic::observations(1500, 3));
static MODEL: LazyLock<Model> = LazyLock::new(|| trained(&DATA, &settings()).model);

fn all(data: &Observations) -> Vec<u32> {
    (0..data.len() as u32).collect()
}

#[test]
fn the_model_chooses_better_than_any_fixed_plan_and_than_the_analytic_costs() {
    let fresh = synthetic::observations(600, 99);
    let chosen = choices(&MODEL, &fresh, &all(&fresh), analytic_ln_ms);
    assert_eq!(chosen.len(), 600);
    let model = geometric_mean(&chosen).expect("there are queries");

    type Candidates = [(u32, f64)];
    let mean_of = |pick: &dyn Fn(&Candidates) -> f64| {
        let regret = |candidates: &Candidates| {
            pick(candidates) - candidates.iter().map(|(_, ln_ms)| *ln_ms).fold(f64::INFINITY, f64::min)
        };
        (chosen.iter().map(|query| regret(&query.candidates)).sum::<f64>() / 600.0).exp()
    };
    for plan in 0..4 {
        let fixed = mean_of(&|candidates| {
            candidates.iter().find(|(row, _)| fresh.row(*row as usize).plan == plan).expect("always applies").1
        });
        assert!(model < fixed, "plan {plan}: {fixed}, model {model}");
    }
    let analytic = mean_of(&|candidates| {
        let cost = |row: u32| analytic_ln_ms(fresh.row(row as usize).features);
        candidates.iter().min_by(|a, b| cost(a.0).total_cmp(&cost(b.0))).expect("not empty").1
    });
    assert!(model < analytic, "analytic {analytic}, model {model}");
}

#[test]
fn quantiles_cover_the_share_of_fresh_queries_that_they_name() {
    let fresh = synthetic::observations(1500, 98);
    for (level, share) in [(Level::Q50, 0.5), (Level::Q80, 0.8), (Level::Q90, 0.9), (Level::Q95, 0.95)] {
        let mut covered = [0_u32; 5];
        let mut rows = [0_u32; 5];
        for row in (0..fresh.len()).map(|row| fresh.row(row)) {
            let estimate = MODEL.predict(row.plan, row.features).expect("all plans have a forest");
            rows[row.plan] += 1;
            covered[row.plan] += u32::from(row.ln_ms.exp() <= estimate.quantile_ms(level));
        }
        let total = f64::from(covered.iter().sum::<u32>()) / f64::from(rows.iter().sum::<u32>());
        assert!((total - share).abs() < 0.04, "{level:?} covers {total}");
        for plan in 0..5 {
            let part = f64::from(covered[plan]) / f64::from(rows[plan]);
            assert!((part - share).abs() < 0.12, "{level:?} of plan {plan} covers {part}");
        }
    }
}

#[test]
fn latency_forests_depend_on_data_and_seed_alone() {
    let data = synthetic::observations(200, 5);
    let file =
        |threads, seed| trained(&data, &Settings { threads, seed, ..without_duels() }).model.encode().expect("sound");
    let one = file(1, 1);
    assert_eq!(one, file(1, 1));
    assert_eq!(one, file(3, 1));
    assert_ne!(one, file(1, 2));
}

#[test]
fn training_that_was_interrupted_goes_on_and_gives_the_same_file() {
    let data = synthetic::observations(300, 6);
    let folder = tempfile::tempdir().expect("a folder");
    let kept = Settings { checkpoint: Some(folder.path().join("kept")), ..settings() };
    let whole = trained(&data, &kept).model;
    assert_eq!(whole.card().latency_hash, trained(&data, &settings()).model.card().latency_hash);

    let mut files: Vec<_> =
        std::fs::read_dir(folder.path().join("kept")).expect("made").map(|entry| entry.expect("read").path()).collect();
    files.sort();
    assert_eq!(files.len(), 6, "five latency forests and one of duels");
    for (index, file) in files.iter().enumerate() {
        let bytes = std::fs::read(file).expect("written");
        // linfa's trees are not the same again, so that the duels are what must not be lost here.
        let is_duel = bytes[36] == b'[' && bytes[37] != b']';
        match index % 3 {
            _ if is_duel => {}
            0 => std::fs::remove_file(file).expect("removed"),
            1 => std::fs::write(file, &bytes[..bytes.len() / 2]).expect("cut short"),
            _ => {
                let mut damaged = bytes.clone();
                damaged[bytes.len() / 2] ^= 1;
                std::fs::write(file, damaged).expect("damaged");
            }
        }
    }
    assert_eq!(whole.encode().expect("sound"), trained(&data, &kept).model.encode().expect("sound"));

    let other = synthetic::observations(300, 7);
    let without = trained(&other, &settings()).model;
    assert_eq!(
        trained(&other, &kept).model.card().latency_hash,
        without.card().latency_hash,
        "forests of other data are not taken"
    );
}

#[test]
fn a_relative_model_predicts_a_machine_that_is_three_times_slower_as_three_times_slower() {
    let row = DATA.row(0);
    let mut slower = row.features.to_vec();
    slower[Feature::AnalyticCost as usize] += 3_f32.log10();
    let ms = |features: &[f32]| MODEL.predict(row.plan, features).expect("known").ms();
    assert!((ms(&slower) / ms(row.features) - 3.0).abs() < 1e-3);
}

#[test]
fn settings_are_chosen_by_what_the_validation_split_says() {
    let data = synthetic::observations(300, 8);
    let stump = Growth { depth: 1, min_leaf: 100, mtry: 1 };
    let good = Growth { depth: 8, min_leaf: 4, mtry: 10 };
    let settings = Settings { growth: vec![stump, good], near_ties: vec![1.25, 1.0], ..settings() };
    let trained = trained(&data, &settings);
    assert_eq!(trained.grid.len(), 2);
    assert!(trained.grid[1].error < trained.grid[0].error);
    let metrics = &trained.model.card().metrics;
    assert_eq!(metrics["validation_error_ln_ms"], trained.grid[1].error);
    assert_eq!(Some(metrics["validation_regret_latency_only"]), trained.grid[1].regret);
    assert_eq!(trained.near_ties.len(), 2);
    let near_tie = f64::from(trained.model.near_tie());
    let taken = trained.near_ties.iter().find(|(ratio, _)| *ratio == near_tie).expect("one that was tried");
    assert_eq!(metrics["validation_regret"], taken.1);
}

#[test]
fn rows_of_little_weight_hardly_count() {
    let width = Feature::ALL.len();
    let mut data = Observations::new(["a", "b"]);
    for index in 0..400_u64 {
        let old = index % 2 == 0;
        let mut features = vec![0.0; width];
        features[0] = (index / 100) as f32;
        let ln_ms = if old { 5.0 } else { 1.0 };
        let weight = if old { 1e-4 } else { 1.0 };
        let plan = (index / 2 % 2) as usize;
        data.push(Observation { plan, features: &features, ln_ms, group: index / 4, weight }).expect("sound");
    }
    let settings = Settings { relative: false, ..without_duels() };
    let model = trained(&data, &settings).model;
    let found = model.predict(0, &vec![0.0; width]).expect("known").ln_ms;
    assert!((found - 1.0).abs() < 0.05, "{found}");
}

#[test]
fn data_that_does_not_do_is_refused_with_what_is_off() {
    let width = Feature::ALL.len();
    let features = vec![1.0; width];
    let row = Observation { plan: 0, features: &features, ln_ms: 1.0, group: 1, weight: 1.0 };

    let mut data = Observations::new(["a", "b"]);
    assert!(matches!(train(&data, &settings()), Err(TrainError::Empty)));
    let mut bad = features.clone();
    bad[3] = f32::NAN;
    let refused = data.push(Observation { features: &bad, ..row });
    assert!(matches!(refused, Err(TrainError::NotFinite { row: 0, what }) if what == Feature::ALL[3].name()));
    for ln_ms in [f64::NAN, f64::INFINITY, 1e9] {
        let refused = data.push(Observation { ln_ms, ..row });
        assert!(matches!(refused, Err(TrainError::NotFinite { what: "label", .. })));
    }
    for weight in [0.0, -1.0, f32::NAN] {
        let refused = data.push(Observation { weight, ..row });
        assert!(matches!(refused, Err(TrainError::NotFinite { what: "weight", .. })));
    }
    let refused = data.push(Observation { features: &features[1..], ..row });
    assert!(matches!(refused, Err(TrainError::Width { .. })));
    assert!(matches!(data.push(Observation { plan: 2, ..row }), Err(TrainError::UnknownPlan { plan: 2, plans: 2 })));
    assert!(data.is_empty(), "nothing that was refused is kept");

    for group in 0..200 {
        data.push(Observation { group, ..row }).expect("sound");
    }
    assert!(matches!(train(&data, &settings()), Err(TrainError::OnePlan { plan }) if plan == "a"));
    // Two plans, but each query ran with one of them only.
    for group in 200..400 {
        data.push(Observation { group, plan: 1, ..row }).expect("sound");
    }
    assert!(matches!(train(&data, &settings()), Err(TrainError::NoPairs)));
    assert!(train(&data, &without_duels()).is_ok());
    // Now all queries ran with both, and the second plan is always slower.
    for group in 0..200 {
        data.push(Observation { group, plan: 1, ln_ms: 2.0, ..row }).expect("sound");
    }
    assert!(matches!(train(&data, &settings()), Err(TrainError::OneSided { .. })));
    let few = Settings { least_rows: 1000, ..without_duels() };
    assert!(matches!(train(&data, &few), Err(TrainError::TooFewRows { least: 1000 })));
    let no_trees = Settings { trees: 0, ..settings() };
    assert!(matches!(train(&data, &no_trees), Err(TrainError::Setting { name: "trees", .. })));
}

#[test]
fn features_that_are_no_numbers_are_outside_and_nothing_breaks() {
    let row = DATA.row(0);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for feature in 0..row.features.len() {
            let mut features = row.features.to_vec();
            features[feature] = bad;
            let estimate = MODEL.predict(row.plan, &features).expect("a forest");
            // The analytic cost ranges over all numbers, as no split is made on it.
            assert_eq!(estimate.outside, Some(feature));
            let share = MODEL
                .duel(
                    Contestant { plan: row.plan, features: &features },
                    Contestant { plan: 1, features: DATA.row(1).features },
                )
                .expect("duels");
            assert!((0.0..=1.0).contains(&share));
        }
    }
    assert_eq!(MODEL.predict(row.plan, row.features).expect("known").outside, None);
    assert_eq!(MODEL.predict(row.plan, &row.features[1..]), None);
    assert_eq!(MODEL.predict(5, row.features), None);
}

#[test]
fn a_duel_has_the_same_winner_whoever_is_named_first() {
    let side = |row: Observation<'static>| Contestant { plan: row.plan, features: row.features };
    for index in 0..100 {
        // Of different plans, and of the same.
        for (a, b) in [(index, index + 1), (index, index + 5)].map(|(a, b)| (DATA.row(a), DATA.row(b))) {
            let share = MODEL.duel(side(a), side(b)).expect("duels");
            assert_eq!(1.0 - share, MODEL.duel(side(b), side(a)).expect("duels"));
        }
    }
}

#[test]
fn contributions_add_up_to_the_prediction() {
    for index in (0..DATA.len()).step_by(97) {
        let row = DATA.row(index);
        let parts = MODEL.contributions(row.plan, row.features).expect("known");
        let predicted = f64::from(MODEL.predict(row.plan, row.features).expect("known").ln_ms);
        assert!((parts.total() - predicted).abs() < 1e-4, "{parts:?} {predicted}");
        assert_eq!(parts.features[Feature::AnalyticCost as usize], 0.0, "it is not split on");
    }
}

#[test]
fn between_two_thresholds_a_feature_does_not_matter() {
    let row = DATA.row(0);
    let feature = Feature::Reach as usize;
    let thresholds = MODEL.thresholds(row.plan, feature);
    assert!(!thresholds.is_empty() && thresholds.is_sorted());
    let at = |value: f32| {
        let mut features = row.features.to_vec();
        features[feature] = value;
        MODEL.predict(row.plan, &features).expect("known").ln_ms
    };
    let mut changes = 0;
    for pair in thresholds.windows(2) {
        assert_eq!(at(pair[0]), at(pair[1].next_down()));
        changes += u32::from(at(pair[0]) != at(pair[1]));
    }
    assert!(changes > 0);
}

#[test]
fn the_card_says_what_the_model_was_made_of() {
    let card = MODEL.card();
    assert_eq!(card.data_hash.len(), 64);
    assert_eq!(card.seed, 1);
    let rows: u64 = card.splits.iter().map(|split| split.rows).sum();
    assert_eq!(rows, DATA.len() as u64);
    let groups: u64 = card.splits.iter().map(|split| split.groups).sum();
    assert_eq!(groups, 1500, "no query is in two splits");
    assert_eq!(MODEL.plan_index("graph-first"), Some(1));
    assert_eq!(MODEL.plan_index("no-such-plan"), None);
    let observed: u64 = (0..5).map(|plan| MODEL.observations(plan)).sum();
    assert_eq!(observed, card.splits[0].rows + card.splits[1].rows);
}
