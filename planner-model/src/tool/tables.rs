//! Figures as tables.

use crate::evaluate::{
    Interval, Resamples, Summary,
    cross::Judged,
    errors::Errors,
    slices::{By, slices},
    split_half, summarise,
};

/// A value with its interval.
pub(super) fn spread(interval: Interval) -> String {
    format!("{:.3} [{:.3}, {:.3}]", interval.value, interval.low, interval.high)
}

fn percent(interval: Interval) -> String {
    format!("{:.1} [{:.1}, {:.1}]", interval.value * 100.0, interval.low * 100.0, interval.high * 100.0)
}

/// The summaries of all ways, by name.
pub(super) fn summaries(judged: &Judged<'_>, resamples: &Resamples) -> Vec<(String, Summary)> {
    let fixed = &judged.ways[judged.fixed].outcomes;
    let of = |way: &crate::evaluate::cross::Way| {
        Some((way.name.clone(), summarise(&judged.cases, &way.outcomes, fixed, resamples)?))
    };
    judged.ways.iter().filter_map(of).collect()
}

pub(super) const REGRET_HEAD: [&str; 10] = [
    "",
    "geometric mean",
    "p50",
    "p95",
    "p99",
    "max",
    "total/oracle",
    "% slower than best fixed",
    "% best",
    "% within 10 %",
];

pub(super) fn regret_rows(summaries: &[(String, Summary)]) -> Vec<Vec<String>> {
    let row = |(name, s): &(String, Summary)| {
        vec![
            name.clone(),
            spread(s.geometric),
            format!("{:.2}", s.p50.value),
            format!("{:.2}", s.p95.value),
            format!("{:.2} [{:.2}, {:.2}]", s.p99.value, s.p99.low, s.p99.high),
            format!("{:.1}", s.max),
            spread(s.total),
            percent(s.slower),
            format!("{:.0}", s.first * 100.0),
            format!("{:.0}", s.close * 100.0),
        ]
    };
    summaries.iter().map(row).collect()
}

/// What a table of regret is about, in a sentence.
pub(super) fn about(judged: &Judged<'_>) -> String {
    let queries: std::collections::HashSet<&str> = judged.cases.iter().map(|case| &*case.group.query).collect();
    let mut text = format!(
        "{} groups of {} queries; best fixed plan: {}",
        judged.cases.len(),
        queries.len(),
        judged.ways[judged.fixed].name
    );
    if let Some(noise) = split_half(&judged.cases) {
        text += &format!("; choosing by half of the runs, judged by the other half: {noise:.3}");
    }
    text
}

pub(super) const ERROR_HEAD: [&str; 11] =
    ["plan", "spoken", "silent", "MAE ln(ms)", "analytic", "q-error p50", "p95", "below q80", "q90", "q95", "q99"];

pub(super) fn error_rows(errors: &[Errors]) -> Vec<Vec<String>> {
    let row = |e: &Errors| {
        let mut row = vec![
            e.plan.clone(),
            e.spoken.to_string(),
            e.silent.to_string(),
            format!("{:.3}", e.mae),
            format!("{:.3}", e.analytic_mae),
            format!("{:.2}", e.q_error[0]),
            format!("{:.2}", e.q_error[1]),
        ];
        row.extend(e.coverage.iter().map(|share| format!("{:.1} %", share * 100.0)));
        row
    };
    errors.iter().map(row).collect()
}

/// Names of the ways that slices show.
pub(super) const SLICED: [&str; 3] = ["model", "analytic", "tuned rule"];

pub(super) fn slice_rows(judged: &Judged<'_>, plans: &[String], by: By) -> Vec<Vec<String>> {
    let mut ways: Vec<_> = SLICED.iter().filter_map(|name| judged.way(name)).map(|way| &way.outcomes).collect();
    ways.push(&judged.ways[judged.fixed].outcomes);
    let row = |slice: crate::evaluate::slices::Slice| {
        let mut row = vec![slice.name, slice.cases.to_string()];
        row.extend(slice.regret.iter().map(|regret| format!("{regret:.3}")));
        // A part is lost where something simpler does better.
        let least = slice.regret[1..].iter().copied().fold(f64::INFINITY, f64::min);
        row.push(if slice.regret[0] > least + 0.005 { "lost".into() } else { String::new() });
        row
    };
    slices(&judged.cases, plans, by, &ways).into_iter().map(row).collect()
}

pub(super) fn slice_head(by: By) -> [&'static str; 7] {
    [by.as_str(), "groups", SLICED[0], SLICED[1], SLICED[2], "best fixed", ""]
}
