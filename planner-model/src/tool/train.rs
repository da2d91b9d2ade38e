//! `planner-model train`: a model from a log.

use std::{collections::HashSet, path::PathBuf};

use serde_json::{Value as Json, json};

use super::{
    Failure,
    evaluate::{RESAMPLES, cross},
    logs::Logs,
    output,
    settings::Training,
    tables,
};
use crate::{
    dataset::{Dataset, Holdout, Origin, Rows, rows},
    evaluate::{Resamples, errors::errors},
    short_hex,
    train::{Pairs, Settings, retrain_variance, train_split},
};

/// Train a model on a log
///
/// The model is trained on all of the log. What its card says of regret comes from models that were trained in the same way
/// on parts of the log and judged on the rest.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    logs: Logs,
    /// Where the model goes; its card goes beside it, as JSON
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Do not judge: the card says nothing of regret
    #[arg(long)]
    no_evaluation: bool,
    /// Train the duel forest so many times, with the same seed, and put into the card how many of its verdicts on queries
    /// that it was not trained on depend on chance
    #[arg(long, value_name = "TIMES", value_parser = clap::value_parser!(u16).range(2..=100))]
    retrain: Option<u16>,
    /// Parts that the log is split into to judge
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..=100))]
    folds: u16,
    /// What the card says of where the data comes from
    #[arg(long, value_name = "TEXT")]
    about: Option<String>,
    /// What the card says of when; without it the file depends on data and settings only, but for the duels
    #[arg(long, value_name = "TEXT")]
    created: Option<String>,
    #[command(flatten)]
    training: Training,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let data = &args.logs.load()?;
    let mut settings = args.training.settings();
    settings.created.clone_from(&args.created);
    settings.card.insert("log_hash".into(), hex(&data.hash()).into());
    settings.card.insert("data".into(), about(data, args.about.as_deref()));
    if !args.no_evaluation {
        settings.card.insert("regret".into(), judged(data, args));
    }
    let all: Vec<usize> = (0..data.groups.len()).collect();
    let rows = rows(data, &all, settings.seed)?;
    if let Some(changed) = retrained(&rows, &settings, args.retrain.map_or(0, usize::from))? {
        settings.card.insert("duel_retrain_variance".into(), changed.into());
    }
    let trained = train_split(&rows.observations, &rows.split, &settings)?;
    let file = trained.model.encode()?;
    std::fs::write(&args.out, &file).map_err(Failure::of_file(&args.out))?;
    let card = serde_json::to_string_pretty(trained.model.card()).expect("plain data");
    let beside = args.out.with_extension("json");
    std::fs::write(&beside, card.clone() + "\n").map_err(Failure::of_file(&beside))?;
    let (trees, nodes) = trained.model.size();
    output::print(&format!(
        "model {} in {}: {trees} trees, {nodes} nodes, {} bytes; data {}\n{card}\n",
        trained.model.id(),
        args.out.display(),
        file.len(),
        short_hex(&data.hash()),
    ))
}

/// The share of duels, on queries that were kept for calibration, that two forests from the same rows and seed decide
/// differently.
fn retrained(rows: &Rows, settings: &Settings, times: usize) -> Result<Option<f64>, Failure> {
    let Some(duel) = settings.duel.as_ref().filter(|_| times > 1) else { return Ok(None) };
    let mut queries = HashSet::new();
    let few = rows.split.train.iter().copied().filter(|row| {
        let query = rows.observations.row(*row as usize).group;
        queries.contains(&query) || (queries.len() < duel.queries && queries.insert(query))
    });
    let few: Vec<u32> = few.collect();
    let pairs = Pairs::new(&rows.observations, &few)?;
    let judged = Pairs::new(&rows.observations, &rows.split.calibration)?;
    let seed = *blake3::hash(&settings.seed.to_le_bytes()).as_bytes();
    Ok(Some(retrain_variance(&pairs, &judged, duel, &seed, settings.threads, times)?))
}

fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the data is.
fn about(data: &Dataset, words: Option<&str>) -> Json {
    let count = |origin: Origin| data.groups.iter().filter(|group| group.origin == origin).count();
    let queries: HashSet<&str> = data.groups.iter().map(|group| &*group.query).collect();
    let templates: HashSet<&str> = data.groups.iter().map(|group| &*group.template).collect();
    json!({
        "about": words,
        "queries": queries.len(),
        "templates": templates.len(),
        "swept_groups": count(Origin::Sweep),
        "duels": count(Origin::Duel),
        "single_runs": count(Origin::Single),
        "from_ms": data.groups.first().map(|group| group.at_ms),
        "to_ms": data.groups.last().map(|group| group.at_ms),
    })
}

/// Regret by what is held out. What cannot be judged says why.
fn judged(data: &Dataset, args: &Args) -> Json {
    let mut parts = serde_json::Map::new();
    for holdout in Holdout::ALL {
        let part = match cross(data, holdout, usize::from(args.folds), &args.training, |_, _| {}) {
            Ok(judged) => {
                let resamples = Resamples::new(&judged.cases, RESAMPLES, args.training.seed());
                let ways = ["model", "analytic", "tuned rule", judged.ways[judged.fixed].name.as_str()];
                let summaries = tables::summaries(&judged, &resamples);
                let shown = summaries.iter().filter(|(name, _)| ways.contains(&name.as_str()));
                let shown: serde_json::Map<_, _> =
                    shown.map(|(name, summary)| (name.clone(), json!(summary))).collect();
                let errors = errors(&judged.cases, &judged.served, &data.plans);
                json!({ "ways": shown, "errors": errors, "noise": crate::evaluate::split_half(&judged.cases) })
            }
            Err(failure) => json!({ "not_judged": failure.to_string() }),
        };
        parts.insert(holdout.as_str().into(), part);
    }
    parts.into()
}
