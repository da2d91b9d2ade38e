//! `planner-model evaluate`: what choosing by a model costs, beside other ways to choose.

use std::path::PathBuf;

use serde_json::json;

use super::{Failure, logs::Logs, output, output::table, settings::Training, tables};
use crate::{
    Model,
    dataset::{Dataset, Holdout, folds},
    evaluate::{
        Case, Resamples, Serving, Summary,
        cross::{Judged, crossfit, of_model},
        errors::errors,
        slices::By,
    },
};

/// Resamples that intervals come from.
pub(super) const RESAMPLES: usize = 400;

/// Tell what choosing by a model costs, beside fixed plans, rules and the analytic model
///
/// Without `--model`, models are trained on parts of the log and judged on the rest, so that none is judged on what it has
/// seen. With it, that one is judged on the whole log, which should not be the one it was trained on.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    logs: Logs,
    /// A trained model
    #[arg(long, value_name = "FILE", conflicts_with = "holdout")]
    model: Option<PathBuf>,
    /// What is held out
    #[arg(long, value_enum, value_delimiter = ',', default_value = "random,templates,cells,time")]
    holdout: Vec<HoldoutArg>,
    /// Parts that the log is split into; each is held out once
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..=100))]
    folds: u16,
    /// Show parts of the queries: where is it won and lost
    #[arg(long)]
    slices: bool,
    /// Also write all figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    training: Training,
}

/// [`Holdout`] on the command line.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum HoldoutArg {
    /// Queries, whichever
    Random,
    /// Whole templates
    Templates,
    /// Whole cells of selectivity and hops
    Cells,
    /// The last quarter by time
    Time,
}

impl From<HoldoutArg> for Holdout {
    fn from(holdout: HoldoutArg) -> Self {
        match holdout {
            HoldoutArg::Random => Self::Random,
            HoldoutArg::Templates => Self::Templates,
            HoldoutArg::Cells => Self::Cells,
            HoldoutArg::Time => Self::Time,
        }
    }
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let data = args.logs.load()?;
    let mut parts = Vec::new();
    if let Some(file) = &args.model {
        let model = read(file)?;
        let judged = of_model(&data, &model, args.training.seed());
        parts.push(show(&format!("model {}", model.id()), &data, &judged, args)?);
    } else {
        for &holdout in &args.holdout {
            let holdout: Holdout = holdout.into();
            let judged = cross(&data, holdout, usize::from(args.folds), &args.training, |_, _| {})?;
            parts.push(show(&format!("held out: {}", holdout.as_str()), &data, &judged, args)?);
        }
    }
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&json!({ "parts": parts })).expect("plain data");
        std::fs::write(file, text + "\n").map_err(Failure::of_file(file))?;
    }
    Ok(())
}

/// Cross-fitted choices, with a bar. A holdout that leaves nothing is an error.
pub(super) fn cross<'a>(
    data: &'a Dataset,
    holdout: Holdout,
    count: usize,
    training: &Training,
    mut each: impl FnMut(&Serving<'_>, &[Case<'a>]),
) -> Result<Judged<'a>, Failure> {
    let folds = folds(data, holdout, count, training.seed());
    let bar = output::bar(folds.len() as u64, holdout.as_str());
    let judged = crossfit(data, &folds, &training.settings(), |serving, cases| {
        each(serving, cases);
        bar.inc(1);
    })?;
    bar.finish_and_clear();
    if judged.cases.is_empty() {
        let what = "no query of a sweep is left to judge by";
        return Err(Failure::Data(format!("held out {}: {what}", holdout.as_str())));
    }
    Ok(judged)
}

/// A model from its file.
pub(super) fn read(file: &std::path::Path) -> Result<Model, Failure> {
    let size = std::fs::metadata(file).map_err(Failure::of_file(file))?.len();
    if size > crate::MAX_BYTES as u64 {
        return Err(Failure::Data(format!("{}: {size} bytes are more than a model has", file.display())));
    }
    let bytes = std::fs::read(file).map_err(Failure::of_file(file))?;
    Model::decode(&bytes).map_err(|error| Failure::Data(format!("{}: {error}", file.display())))
}

fn show(title: &str, data: &Dataset, judged: &Judged<'_>, args: &Args) -> Result<serde_json::Value, Failure> {
    if judged.cases.is_empty() {
        return Err(Failure::Data("the log has no query of a sweep whose candidates ran".into()));
    }
    let resamples = Resamples::new(&judged.cases, RESAMPLES, args.training.seed());
    let summaries = tables::summaries(judged, &resamples);
    let errors = errors(&judged.cases, &judged.served, &data.plans);
    let mut text = format!("## {title}\n\n{}\n\n", tables::about(judged));
    text += &table(&tables::REGRET_HEAD, &tables::regret_rows(&summaries));
    text += "\n";
    text += &table(&tables::ERROR_HEAD, &tables::error_rows(&errors));
    text += "\n";
    if args.slices {
        for by in By::ALL {
            text += &table(&tables::slice_head(by), &tables::slice_rows(judged, &data.plans, by));
            text += "\n";
        }
    }
    output::print(&text)?;
    let ways: serde_json::Map<_, _> =
        summaries.iter().map(|(name, summary): &(String, Summary)| (name.clone(), json!(summary))).collect();
    Ok(json!({ "title": title, "ways": ways, "errors": errors, "noise": crate::evaluate::split_half(&judged.cases) }))
}
