//! `planner-model compare`: two models on the same log.

use std::path::PathBuf;

use super::{
    Failure,
    evaluate::{RESAMPLES, read},
    logs::Logs,
    output::{self, table},
    tables,
};
use crate::evaluate::{Case, Outcomes, Resamples, cross::of_model, difference, slices};

/// Tell which of two models chooses better, and where
///
/// Both choose on every query of the log; intervals come from resampling queries, the same ones for both. The log should be
/// one that neither was trained on.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A model
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Another model
    #[arg(value_name = "B")]
    b: PathBuf,
    #[command(flatten)]
    logs: Logs,
    /// Decides which queries are drawn
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let data = args.logs.load()?;
    let models = [read(&args.a)?, read(&args.b)?];
    let [a, b] = [0, 1].map(|which: usize| of_model(&data, &models[which], args.seed));
    if a.cases.is_empty() {
        return Err(Failure::Data("the log has no query of a sweep whose candidates ran".into()));
    }
    let resamples = Resamples::new(&a.cases, RESAMPLES, args.seed);
    let mut summaries = Vec::new();
    for (name, judged) in [("A", &a), ("B", &b)] {
        let of = tables::summaries(judged, &resamples).into_iter().next();
        summaries
            .extend(of.map(|(_, summary)| (format!("{name}: {}", models[usize::from(name == "B")].id()), summary)));
    }
    let mut text =
        format!("{}\n\n{}\n", tables::about(&a), table(&tables::REGRET_HEAD, &tables::regret_rows(&summaries)));

    for (name, judged) in [("A", &a), ("B", &b)] {
        let said = || judged.served.iter().flat_map(|served| &served.said);
        let silent = said().filter(|said| said.model.is_err()).count();
        // Where both are silent, both choose as the analytic model does.
        text += &format!("{name} is silent on {silent} of {} candidates\n", said().count());
    }
    text += "\n";
    let [of_a, of_b] = [&a, &b].map(|judged| &judged.ways[judged.model].outcomes);
    let mut rows = vec![row("all", &a.cases, of_a, of_b, args.seed)];
    for by in slices::By::ALL {
        for slice in slices::slices(&a.cases, &data.plans, by, &[of_a, of_b]) {
            let places: Vec<usize> = (0..a.cases.len())
                .filter(|&place| slices::part(&a.cases[place], &data.plans, by) == slice.name)
                .collect();
            let cases: Vec<Case<'_>> = places.iter().map(|&place| a.cases[place].clone()).collect();
            let [of_a, of_b] = [of_a, of_b].map(|outcomes| Outcomes {
                regret: places.iter().map(|&place| outcomes.regret[place]).collect(),
                us: places.iter().map(|&place| outcomes.us[place]).collect(),
            });
            rows.push(row(&format!("{}: {}", by.as_str(), slice.name), &cases, &of_a, &of_b, args.seed));
        }
    }
    let head = ["", "groups", "regret A", "regret B", "time A / time B", "A faster", "B faster", ""];
    text += &table(&head, &rows);
    output::print(&text)
}

fn row(name: &str, cases: &[Case<'_>], a: &Outcomes, b: &Outcomes, seed: u64) -> Vec<String> {
    let faster = |x: &Outcomes, y: &Outcomes| x.us.iter().zip(&y.us).filter(|(x, y)| *x < *y).count().to_string();
    let ratio = difference(a, b, &Resamples::new(cases, RESAMPLES, seed));
    let verdict = match ratio {
        Some(ratio) if ratio.high < 1.0 => "A",
        Some(ratio) if ratio.low > 1.0 => "B",
        _ => "",
    };
    let mean = |outcomes: &Outcomes| outcomes.geometric().map_or_else(String::new, |mean| format!("{mean:.3}"));
    vec![
        name.to_owned(),
        cases.len().to_string(),
        mean(a),
        mean(b),
        ratio.map_or_else(String::new, tables::spread),
        faster(a, b),
        faster(b, a),
        verdict.to_owned(),
    ]
}
