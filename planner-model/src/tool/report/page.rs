//! The page.

use std::fmt::Write as _;

use super::{
    super::tables,
    figures::{Figures, Part},
    plots::Plot,
};
use crate::{
    Model,
    dataset::Origin,
    evaluate::{slices::By, split_half},
    short_hex,
};

const STYLE: &str = "
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff; max-width: 72rem; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; margin-bottom: .3rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; border-bottom: 1px solid #d5dae0; }
h3 { font-size: 1.02rem; margin: 1.6rem 0 .4rem; }
p, li { max-width: 48rem; } .note { color: #57606a; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td { padding: .22rem .65rem; text-align: right; white-space: nowrap; } th { border-bottom: 1.5px solid #57606a; font-weight: 600; }
td { border-bottom: 1px solid #e6e9ed; } th:first-child, td:first-child { text-align: left; }
tr.own td { background: #eef5fb; font-weight: 600; }
figure { margin: 1.4rem 0; } figure svg { max-width: 100%; height: auto; } figcaption { color: #57606a; font-size: .9rem; max-width: 48rem; }
pre { background: #f6f8fa; padding: 1rem; overflow-x: auto; font-size: .8rem; }
";

pub(super) fn page(title: &str, figures: &Figures<'_>, plots: &[Plot], model: Option<&Model>) -> String {
    let mut body = format!("<h1>{}</h1>\n", escaped(title));
    body += &data(figures);
    body += "<h2>Regret</h2>\n<p>Latency of the plan that was chosen over that of the fastest candidate of the same query, both as \
             medians over all repetitions. Intervals are 95 %, from resampling queries. Models are trained on other queries \
             than they are judged on.</p>\n";
    for part in &figures.parts {
        body += &regret(part);
    }
    for (holdout, why) in &figures.missing {
        let _ = writeln!(body, "<p class=note>Held out {}: not judged, {}.</p>", holdout.as_str(), escaped(why));
    }
    body += "<h2>Plots</h2>\n<p>Of held-out queries, whichever.</p>\n";
    for plot in plots {
        let _ = writeln!(body, "<figure>{}<figcaption>{}</figcaption></figure>", plot.svg, escaped(&plot.caption));
    }
    body += "<h2>Predictions</h2>\n<p>Errors against medians; coverage of quantiles against single runs. A model is silent where it \
             has seen too little; the analytic model speaks there.</p>\n";
    let part = figures.plotted();
    body += &table(&tables::ERROR_HEAD, &tables::error_rows(&part.errors), None);
    body += "<h2>Where it is won and lost</h2>\n<p>Geometric mean of the regret by parts of the held-out queries. A part is \
             <em>lost</em> where something simpler has less, by more than 0.005.</p>\n";
    for by in By::ALL {
        let mut rows = tables::slice_rows(&part.judged, &figures.data.plans, by);
        let hidden = rows.len().saturating_sub(40);
        rows.truncate(40);
        let _ = writeln!(body, "<h3>By {}</h3>", escaped(by.as_str()));
        body += &table(&tables::slice_head(by), &rows, None);
        if hidden > 0 {
            let _ = writeln!(body, "<p class=note>{hidden} smaller parts are not shown.</p>");
        }
    }
    if let Some(model) = model {
        let card = serde_json::to_string_pretty(model.card()).unwrap_or_default();
        let _ = writeln!(body, "<h2>Card of model {}</h2>\n<pre>{}</pre>", model.id(), escaped(&card));
    }
    format!(
        "<!doctype html>\n<html lang=en>\n<head><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{}</title><style>{STYLE}</style></head>\n<body>\n{body}</body>\n</html>\n",
        escaped(title)
    )
}

fn data(figures: &Figures<'_>) -> String {
    let data = figures.data;
    let swept = data.groups.iter().filter(|group| group.origin == Origin::Sweep).count();
    let runs: usize =
        data.groups.iter().flat_map(|group| &group.candidates).map(|candidate| candidate.runs.len()).sum();
    let cases = &figures.plotted().judged.cases;
    let mut best = vec![0_usize; data.plans.len()];
    cases.iter().for_each(|case| best[case.candidates[case.best].plan] += 1);
    let shares: Vec<String> = data
        .plans
        .iter()
        .zip(&best)
        .map(|(plan, &count)| format!("{plan} {:.0} %", 100.0 * count as f64 / cases.len().max(1) as f64))
        .collect();
    let near = cases.iter().filter(|case| {
        let second = (0..case.us.len()).filter(|&place| place != case.best).map(|place| case.us[place]);
        second.fold(f64::INFINITY, f64::min) <= 1.1 * case.us[case.best]
    });
    let near = 100.0 * near.count() as f64 / cases.len().max(1) as f64;
    let worst = cases.iter().map(|case| case.us.iter().copied().fold(0.0, f64::max) / case.us[case.best]);
    let worst = crate::dataset::median(worst).unwrap_or(1.0);
    let noise = split_half(cases).map_or_else(String::new, |noise| {
        format!(" Who chooses by half of the runs and is judged by the other half has a regret of {noise:.3}: noise.")
    });
    format!(
        "<p class=note>{runs} runs in {} groups, {swept} of them swept; data {}. Fastest plan: {}. In {near:.0} % of the groups the \
         second is within 10 % of the fastest; the slowest takes {worst:.1} times as long (median).{noise}</p>\n",
        data.groups.len(),
        short_hex(&data.hash()),
        shares.join(", "),
    )
}

fn regret(part: &Part<'_>) -> String {
    let own = part.judged.model;
    format!(
        "<h3>Held out: {}</h3>\n<p class=note>{}</p>\n{}",
        part.holdout.as_str(),
        escaped(&tables::about(&part.judged)),
        table(&tables::REGRET_HEAD, &tables::regret_rows(&part.summaries), Some(own))
    )
}

fn table(head: &[&str], rows: &[Vec<String>], own: Option<usize>) -> String {
    let mut text = "<div class=wide><table><thead><tr>".to_owned();
    head.iter().for_each(|cell| text += &format!("<th>{}</th>", escaped(cell)));
    text += "</tr></thead><tbody>\n";
    for (place, row) in rows.iter().enumerate() {
        text += if own == Some(place) { "<tr class=own>" } else { "<tr>" };
        row.iter().for_each(|cell| text += &format!("<td>{}</td>", escaped(cell)));
        text += "</tr>\n";
    }
    text + "</tbody></table></div>\n"
}

/// Names of plans and templates come from a log, hence from anybody.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_from_a_log_are_no_markup() {
        assert_eq!(super::escaped("<script>&\""), "&lt;script&gt;&amp;&quot;");
    }
}
