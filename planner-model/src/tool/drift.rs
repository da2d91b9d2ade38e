//! `planner-model drift`: whether predictions still fit what is logged.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    Failure,
    evaluate::read,
    logs,
    output::{self, table},
};
use crate::{
    Feature,
    dataset::{Candidate, Dataset},
    evaluate::Serving,
};

/// By so many standard deviations of window means, twice in a row, a window is off.
const SIGMAS: f64 = 2.5;

/// Tell whether a model's predictions still fit what is logged
///
/// Residuals of runs, ln(actual / predicted) in units of the predicted spread, are averaged over windows, for each plan and
/// for runs that ask the vector store only, the graph store only, or both. Two windows in a row that are off by 2.5 standard
/// deviations are an alarm. What is normal comes from `--baseline`, or from the first quarter of the log.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    #[command(flatten)]
    logs: logs::Logs,
    /// A log that the model fits and was not trained on
    #[arg(long, value_name = "LOG")]
    baseline: Vec<PathBuf>,
    /// Runs of a window
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(5..))]
    window: u16,
}

/// A stream of residuals with when they were.
type Streams = BTreeMap<String, Vec<(i64, f64)>>;

/// What was found in a stream.
#[derive(Debug, Clone, PartialEq)]
struct Found {
    /// Mean of each window, in standard deviations of what is normal, with when it began.
    windows: Vec<(i64, f64)>,
    /// Windows that complete an alarm.
    alarms: Vec<usize>,
    /// Mean residual, as a factor on the latency.
    factor: f64,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let model = read(&args.model)?;
    let window = usize::from(args.window);
    let data = args.logs.load()?;
    let streams = streams(&data, &Serving::new(&model, &data.plans));
    let normal = if args.baseline.is_empty() {
        None
    } else {
        let data = logs::load(&args.baseline)?;
        Some(self::streams(&data, &Serving::new(&model, &data.plans)))
    };
    let mut rows = Vec::new();
    for (name, residuals) in &streams {
        let (normal, judged) = match &normal {
            Some(normal) => (normal.get(name).map_or(&[][..], Vec::as_slice), residuals.as_slice()),
            None => residuals.split_at(residuals.len() / 4),
        };
        rows.push(match find(normal, judged, window) {
            Some(found) => row(name, judged.len(), &found),
            None => vec![name.clone(), judged.len().to_string(), "too few".into()],
        });
    }
    if rows.is_empty() {
        return Err(Failure::Data("the log has no run that the model speaks of".into()));
    }
    let head = ["stream", "runs", "windows", "mean shift", "largest", "alarms", "first alarm after runs", "at ms"];
    output::print(&table(&head, &rows))
}

/// Residuals of all runs that were not cut off, in order of time, by plan and by what is asked.
fn streams(data: &Dataset, serving: &Serving<'_>) -> Streams {
    let mut streams = Streams::new();
    for group in &data.groups {
        for candidate in &group.candidates {
            let Ok(estimate) = serving.ask(candidate.plan, candidate.features.values()) else { continue };
            for run in candidate.runs.iter().filter(|run| !run.censored) {
                let residual = ((run.us / 1e3).ln() - f64::from(estimate.ln_ms)) / f64::from(estimate.sd);
                // One run in a thousand takes as long as it likes.
                let residual = residual.clamp(-6.0, 6.0);
                for name in [format!("plan {}", data.plans[candidate.plan]), format!("leg {}", leg(candidate))] {
                    streams.entry(name).or_default().push((group.at_ms, residual));
                }
            }
        }
    }
    streams
}

fn leg(candidate: &Candidate) -> &'static str {
    let asks = |feature| candidate.features.get(feature) > 0.5;
    match (asks(Feature::AsksVectors), asks(Feature::AsksGraph)) {
        (true, false) => "vector",
        (false, true) => "graph",
        (true, true) => "vector and graph",
        (false, false) => "none",
    }
}

/// Windows that are off. `None` where there is less than a window of either.
fn find(normal: &[(i64, f64)], judged: &[(i64, f64)], window: usize) -> Option<Found> {
    let mean = |part: &[(i64, f64)]| part.iter().map(|(_, residual)| residual).sum::<f64>() / part.len() as f64;
    if normal.len() < window || judged.len() < window {
        return None;
    }
    let centre = mean(normal);
    let variance = normal.iter().map(|(_, residual)| (residual - centre).powi(2)).sum::<f64>() / normal.len() as f64;
    // Runs of one query are alike, so that means of windows differ more than those of independent runs would.
    let means: Vec<f64> = normal.chunks_exact(window).map(mean).collect();
    let between = means.iter().map(|one| (one - centre).powi(2)).sum::<f64>() / means.len() as f64;
    let sigma = (variance / window as f64).max(between).sqrt().max(1e-6);
    let windows: Vec<(i64, f64)> =
        judged.chunks_exact(window).map(|part| (part[0].0, (mean(part) - centre) / sigma)).collect();
    let is_off = |at: usize| windows[at].1.abs() > SIGMAS;
    let alarms = (1..windows.len())
        .filter(|&at| is_off(at) && is_off(at - 1) && (windows[at].1 > 0.0) == (windows[at - 1].1 > 0.0))
        .collect();
    Some(Found { windows, alarms, factor: mean(judged) - centre })
}

fn row(name: &str, runs: usize, found: &Found) -> Vec<String> {
    let largest =
        found.windows.iter().map(|(_, off)| *off).fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
    let window = runs / found.windows.len().max(1);
    let first = found.alarms.first();
    vec![
        name.to_owned(),
        runs.to_string(),
        found.windows.len().to_string(),
        format!("{:+.2} sd", found.factor),
        format!("{largest:+.1} σ"),
        found.alarms.len().to_string(),
        first.map_or_else(String::new, |at| ((at + 1) * window).to_string()),
        first.map_or_else(String::new, |&at| found.windows[at].0.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Residuals of a fixed sequence that looks like noise, with a shift.
    fn stream(count: usize, shift: f64) -> Vec<(i64, f64)> {
        (0..count).map(|at| (at as i64, crate::dataset::share(&at.to_string(), 5) * 2.0 - 1.0 + shift)).collect()
    }

    #[test]
    fn a_shift_is_found_in_two_windows_and_noise_is_not() {
        let normal = stream(2_000, 0.0);
        let quiet = find(&normal, &stream(5_000, 0.0), 50).unwrap();
        assert!(quiet.alarms.is_empty(), "{:?}", quiet.windows);
        let mut changed = stream(1_000, 0.0);
        changed.extend(stream(500, 0.7));
        let found = find(&normal, &changed, 50).unwrap();
        assert_eq!(found.alarms.first(), Some(&21));
    }

    #[test]
    fn less_than_a_window_says_nothing() {
        assert!(find(&stream(49, 0.0), &stream(100, 0.0), 50).is_none());
        assert!(find(&stream(100, 0.0), &stream(49, 3.0), 50).is_none());
        assert!(find(&[], &[], 50).is_none());
    }
}
