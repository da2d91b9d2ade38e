//! All ways to choose on the same cases, none of them by what it was fitted to.

use super::{Case, Outcomes, Served, Serving, baselines, baselines::Rule, cases};
use crate::{
    Model,
    dataset::{Dataset, Fold, rows},
    train::{Settings, TrainError, train_split},
};

/// Choices on the cases of a data set that were held out.
#[derive(Debug)]
pub struct Judged<'a> {
    /// The cases.
    pub cases: Vec<Case<'a>>,
    /// What the models said, by case.
    pub served: Vec<Served>,
    /// Ways to choose.
    pub ways: Vec<Way>,
    /// The place among them of the best fixed plan.
    pub fixed: usize,
    /// The place among them of the models.
    pub model: usize,
}

/// One way to choose.
#[derive(Debug, Clone)]
pub struct Way {
    /// Its name in tables.
    pub name: String,
    /// By case.
    pub choices: Vec<usize>,
    /// What they took.
    pub outcomes: Outcomes,
}

impl Way {
    fn new(name: impl Into<String>, cases: &[Case<'_>], choose: impl FnMut(&Case<'_>) -> usize) -> Self {
        let choices: Vec<usize> = cases.iter().map(choose).collect();
        Self { name: name.into(), outcomes: Outcomes::new(cases, &choices), choices }
    }
}

impl Judged<'_> {
    /// A way by its name.
    pub fn way(&self, name: &str) -> Option<&Way> {
        self.ways.iter().find(|way| way.name == name)
    }
}

/// Trains on some groups.
///
/// # Errors
/// When the data or a setting does not do.
pub fn fit(data: &Dataset, groups: &[usize], settings: &Settings) -> Result<Model, TrainError> {
    let rows = rows(data, groups, settings.seed)?;
    Ok(train_split(&rows.observations, &rows.split, settings)?.model)
}

/// Trains a model and a tuned rule for each fold, and asks them about what the fold holds out. `each` sees every model with the
/// cases that it was judged on.
///
/// # Errors
/// When a fold has too little data to train on.
pub fn crossfit<'a>(
    data: &'a Dataset,
    folds: &[Fold],
    settings: &Settings,
    mut each: impl FnMut(&Serving<'_>, &[Case<'a>]),
) -> Result<Judged<'a>, TrainError> {
    let all = cases(data);
    let mut place = vec![None; data.groups.len()];
    all.iter().enumerate().for_each(|(at, case)| place[case.index] = Some(at));
    let of = |groups: &[usize]| -> Vec<usize> { groups.iter().filter_map(|&group| place[group]).collect() };

    let (mut tested, mut served, mut ruled) = (Vec::new(), Vec::new(), Vec::new());
    for fold in folds {
        let test = of(&fold.test);
        if !test.is_empty() {
            let model = fit(data, &fold.train, settings)?;
            let serving = Serving::new(&model, &data.plans);
            let train: Vec<Case<'_>> = of(&fold.train).into_iter().map(|at| all[at].clone()).collect();
            let rule = Rule::tune(&train, data.plans.len());
            let test: Vec<Case<'a>> = test.into_iter().map(|at| all[at].clone()).collect();
            served.extend(test.iter().map(|case| serving.serve(case)));
            ruled.extend(test.iter().map(|case| rule.choose(case)));
            each(&serving, &test);
            tested.extend(test);
        }
    }
    Ok(judged(data, tested, served, ruled, settings.seed))
}

/// The same with a model that is there, and a rule tuned on all cases, hence better than it would be: for logs that the
/// model has not seen.
pub fn of_model<'a>(data: &'a Dataset, model: &Model, seed: u64) -> Judged<'a> {
    let cases = cases(data);
    let serving = Serving::new(model, &data.plans);
    let rule = Rule::tune(&cases, data.plans.len());
    let served = cases.iter().map(|case| serving.serve(case)).collect();
    let ruled = cases.iter().map(|case| rule.choose(case)).collect();
    judged(data, cases, served, ruled, seed)
}

fn judged<'a>(data: &Dataset, cases: Vec<Case<'a>>, served: Vec<Served>, ruled: Vec<usize>, seed: u64) -> Judged<'a> {
    let listed = |choices: Vec<usize>| {
        let mut choices = choices.into_iter();
        move |_: &Case<'_>| choices.next().unwrap_or(0)
    };
    let mut ways = vec![
        Way::new("model", &cases, listed(served.iter().map(|served| served.choice).collect())),
        Way::new("model, latency only", &cases, listed(served.iter().map(|served| served.by_latency).collect())),
        Way::new("model, never silent", &cases, listed(served.iter().map(|served| served.unchecked).collect())),
        Way::new("analytic", &cases, listed(cases.iter().map(Case::analytic).collect())),
        Way::new("tuned rule", &cases, listed(ruled)),
        Way::new("Qdrant's rule", &cases, |case| baselines::qdrant(case, data, false)),
        Way::new("Qdrant's rule, cache first", &cases, |case| baselines::qdrant(case, data, true)),
        Way::new("Milvus' rule", &cases, |case| baselines::milvus(case, data, false)),
        Way::new("Milvus' rule, cache first", &cases, |case| baselines::milvus(case, data, true)),
    ];
    let fixed = ways.len() + baselines::best_fixed(&cases, data.plans.len());
    for (plan, name) in data.plans.iter().enumerate() {
        ways.push(Way::new(format!("always {name}"), &cases, |case| baselines::fixed(case, plan)));
    }
    ways.push(Way::new("random", &cases, |case| baselines::random(case, seed)));
    ways.push(Way::new("oracle", &cases, listed(cases.iter().map(baselines::oracle).collect())));
    Judged { cases, served, ways, fixed, model: 0 }
}
