//! `planner-model inspect`: what a model was trained on, and why it chooses what it chooses.

use std::path::PathBuf;

use super::{
    Failure,
    evaluate::read,
    logs,
    output::{self, table},
};
use crate::{
    Feature, Level, Model,
    dataset::Dataset,
    evaluate::{Case, Served, Serving, cases},
};

/// Features whose part in a prediction is shown.
const SHOWN: usize = 8;

/// Show what a model was trained on, or why it chooses a plan for a logged query
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Explain a query of this log: a sweep's folder, or segments
    #[arg(long, value_name = "LOG")]
    log: Vec<PathBuf>,
    /// Which group of the log, by name or by the first digits of its query [default: the one where the choice costs most]
    #[arg(long, value_name = "NAME", requires = "log")]
    group: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let model = read(&args.model)?;
    if args.log.is_empty() {
        return output::print(&overview(&model));
    }
    let data = logs::load(&args.log)?;
    let cases = cases(&data);
    let serving = Serving::new(&model, &data.plans);
    let named = |name: &str| cases.iter().find(|case| &*case.group.name == name || case.group.query.starts_with(name));
    let lost = |case: &&Case<'_>| case.regret(serving.serve(case).choice);
    let case = match &args.group {
        Some(name) => named(name),
        None => cases.iter().max_by(|a, b| lost(a).total_cmp(&lost(b))),
    };
    let case = case.ok_or_else(|| Failure::Usage("the log has no such group of a sweep".into()))?;
    output::print(&explained(&data, &serving, case))
}

/// Plans, ranges of features, and how often each is split on.
fn overview(model: &Model) -> String {
    let (trees, nodes) = model.size();
    let relative =
        if model.is_relative() { "the ratio to the analytic cost of the cheapest candidate" } else { "latency" };
    let duels =
        if model.has_duels() { format!(", duels within {:.2} of the best", model.near_tie()) } else { String::new() };
    let mut text = format!("model {}: {trees} trees, {nodes} nodes, predicts {relative}{duels}\n\n", model.id());
    let rows: Vec<Vec<String>> = model
        .plans()
        .map(|plan| {
            let factors: Vec<String> = plan.factors.iter().map(|factor| format!("{factor:.2}")).collect();
            vec![plan.name.clone(), plan.observations.to_string(), plan.calibration_rows.to_string(), factors.join(" ")]
        })
        .collect();
    text += &table(&["plan", "runs", "calibrated with", "factors for q50 q80 q90 q95 q99"], &rows);
    text += "\nranges of features (0.1 % to 99.9 %), and splits on them:\n\n";
    let names: Vec<String> = model.plans().map(|plan| plan.name.clone()).collect();
    let mut head = vec!["feature"];
    head.extend(names.iter().map(String::as_str));
    let splits: Vec<Vec<usize>> = (0..names.len()).map(|plan| model.splits(plan)).collect();
    let row = |&feature: &Feature| {
        let mut row = vec![feature.name().to_owned()];
        row.extend((0..names.len()).map(|plan| match model.range(plan, feature as usize) {
            Some([low, high]) if low > f32::MIN => {
                format!("{low:.2} to {high:.2} ({})", splits[plan].get(feature as usize).unwrap_or(&0))
            }
            Some(_) => "ignored".into(),
            None => String::new(),
        }));
        row
    };
    text += &table(&head, &Feature::ALL.iter().map(row).collect::<Vec<_>>());
    text
}

fn explained(data: &Dataset, serving: &Serving<'_>, case: &Case<'_>) -> String {
    let served = serving.serve(case);
    let mut text = format!(
        "group {} of query {}, template {}, cache: {}\n\n",
        case.group.name,
        case.group.query,
        case.group.template,
        crate::evaluate::slices::part(case, &data.plans, crate::evaluate::slices::By::Cache)
    );
    text += &candidates(case, &served);
    let chosen = served.choice;
    let others = (0..served.said.len()).filter(|&place| place != chosen);
    let second = others.min_by(|&a, &b| served.said[a].us.total_cmp(&served.said[b].us));
    for place in std::iter::once(chosen).chain(second) {
        text += &contributions(data, serving, case, place);
    }
    text += &flips(serving, case, &served);
    text
}

fn candidates(case: &Case<'_>, served: &Served) -> String {
    let row = |place: usize| {
        let (candidate, said) = (case.candidates[place], &served.said[place]);
        let (q95, support, source) = match &said.model {
            Ok(estimate) => (
                format!("{:.0}", estimate.quantile_ms(Level::Q95) * 1e3),
                format!("{:.0}", estimate.support),
                "model".to_owned(),
            ),
            Err(silent) => (String::new(), String::new(), format!("analytic: {silent:?}")),
        };
        let marks = [(place == served.choice, "chosen"), (place == case.best, "best")];
        let marks: Vec<&str> = marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark).collect();
        vec![
            candidate.operators.to_string(),
            format!("{:.0}", said.us),
            q95,
            format!("{:.0}", candidate.analytic_us),
            format!("{:.0}", case.us[place]),
            support,
            source,
            marks.join(", "),
        ]
    };
    let rows: Vec<Vec<String>> = (0..case.candidates.len()).map(row).collect();
    let head = ["candidate", "predicted µs", "q95 µs", "analytic µs", "median µs", "rows in leaf", "by", ""];
    format!("{}\nregret {:.2}\n", table(&head, &rows), case.regret(served.choice))
}

/// What each feature adds to a prediction.
fn contributions(data: &Dataset, serving: &Serving<'_>, case: &Case<'_>, place: usize) -> String {
    let (candidate, model) = (case.candidates[place], serving.model());
    let values = candidate.features.values();
    let parts = model.plan_index(&data.plans[candidate.plan]).and_then(|plan| model.contributions(plan, values));
    let Some(parts) = parts else { return String::new() };
    let mut order: Vec<usize> = (0..parts.features.len()).filter(|&feature| parts.features[feature] != 0.0).collect();
    order.sort_by(|&a, &b| parts.features[b].abs().total_cmp(&parts.features[a].abs()));
    let factor = |ln: f64| format!("× {:.2}", ln.exp());
    let mut rows = vec![vec!["all runs of the plan".to_owned(), String::new(), factor(parts.base)]];
    if model.is_relative() {
        rows.push(vec!["analytic cost of the cheapest, ms".to_owned(), String::new(), factor(parts.analytic)]);
    }
    let rest: f64 = order.iter().skip(SHOWN).map(|&feature| parts.features[feature]).sum();
    for &feature in order.iter().take(SHOWN) {
        let name = Feature::ALL[feature].name();
        rows.push(vec![name.to_owned(), format!("{:.3}", values[feature]), factor(parts.features[feature])]);
    }
    if order.len() > SHOWN {
        rows.push(vec![format!("{} others", order.len() - SHOWN), String::new(), factor(rest)]);
    }
    rows.push(vec!["prediction, ms".to_owned(), String::new(), format!("{:.4}", parts.total().exp())]);
    format!("\nwhy {}:\n\n{}", candidate.operators, table(&["", "value", "factor"], &rows))
}

/// The least change of each feature, alone, after which another candidate is chosen. A feature that all candidates share changes
/// in all of them, others in the chosen one.
fn flips(serving: &Serving<'_>, case: &Case<'_>, served: &Served) -> String {
    let model = serving.model();
    let mut found: Vec<(f32, Vec<String>)> = Vec::new();
    for &feature in Feature::ALL {
        let at = feature as usize;
        let now = case.candidates[served.choice].features.get(feature);
        let is_shared = case.candidates.iter().all(|candidate| candidate.features.get(feature) == now);
        // One value from each gap between thresholds, nearest first.
        let mut thresholds: Vec<f32> = (0..model.plans().len()).flat_map(|plan| model.thresholds(plan, at)).collect();
        thresholds.sort_by(f32::total_cmp);
        thresholds.dedup();
        let mut tried: Vec<f32> = thresholds.windows(2).map(|pair| f32::midpoint(pair[0], pair[1])).collect();
        tried.extend(thresholds.first().map(|first| first - 0.05));
        tried.extend(thresholds.last().map(|last| last + 0.05));
        tried.sort_by(|a, b| (a - now).abs().total_cmp(&(b - now).abs()));
        for value in tried {
            let mut features: Vec<Vec<f32>> = case.candidates.iter().map(|c| c.features.values().to_vec()).collect();
            for (place, features) in features.iter_mut().enumerate() {
                if is_shared || place == served.choice {
                    features[at] = value;
                }
            }
            let borrowed: Vec<&[f32]> = features.iter().map(Vec::as_slice).collect();
            let choice = serving.serve_with(case, &borrowed).choice;
            if choice != served.choice {
                let row = vec![
                    feature.name().to_owned(),
                    if is_shared { "query".into() } else { "chosen candidate".into() },
                    format!("{now:.3}"),
                    format!("{value:.3}"),
                    case.candidates[choice].operators.to_string(),
                ];
                found.push(((value - now).abs(), row));
                break;
            }
        }
    }
    if found.is_empty() {
        return "\nno change of a single feature changes the choice\n".into();
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    let rows: Vec<Vec<String>> = found.into_iter().map(|(_, row)| row).collect();
    let head = ["feature", "of", "is", "if it were", "then"];
    format!("\nwhat would change the choice, one feature at a time:\n\n{}", table(&head, &rows))
}
