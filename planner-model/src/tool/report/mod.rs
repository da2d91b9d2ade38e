//! `planner-model report`: one page for people, with everything in it.
//!
//! - [`figures`]: what is shown, in numbers;
//! - [`plots`]: as pictures;
//! - [`page`]: as HTML.

mod figures;
mod page;
mod plots;

use std::path::PathBuf;

use super::{Failure, evaluate::read, logs::Logs, output, settings::Training};
use figures::Figures;

/// Write one HTML page with tables and plots: regret, errors, calibration, learning curve, importance of features
///
/// As in `evaluate`, no model is judged on what it was trained on: models are trained on parts of the log. The page needs
/// nothing from elsewhere.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    logs: Logs,
    /// Where the page goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Show the card of this model too
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Also write each plot to this folder, as SVG
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// What the page is called
    #[arg(long, default_value = "Latency models of the planner")]
    title: String,
    /// Parts that the log is split into; each is held out once
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..=100))]
    folds: u16,
    #[command(flatten)]
    training: Training,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let data = args.logs.load()?;
    let model = args.model.as_deref().map(read).transpose()?;
    let figures = Figures::new(&data, usize::from(args.folds), &args.training)?;
    let plots = plots::all(&figures).map_err(|error| Failure::Other(format!("cannot draw: {error}")))?;
    if let Some(folder) = &args.plots {
        std::fs::create_dir_all(folder).map_err(Failure::of_file(folder))?;
        for plot in &plots {
            let file = folder.join(format!("{}.svg", plot.name));
            std::fs::write(&file, &plot.svg).map_err(Failure::of_file(&file))?;
        }
    }
    let page = page::page(&args.title, &figures, &plots, model.as_ref());
    std::fs::write(&args.out, &page).map_err(Failure::of_file(&args.out))?;
    output::print(&format!("{} ({} KiB)\n", args.out.display(), page.len() >> 10))
}
