//! The report.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};

use super::{
    Contender,
    compared::{Asked, Compared, Rivals},
    ours::Way,
};
use crate::bench::{Figure, Goal, Report, timing::Samples};

/// Most that Forebay should take, as a multiple of what the best exact rival takes.
const GOAL: f64 = 1.1;

/// The name of a contender.
pub(super) fn name(contender: Contender) -> String {
    match contender {
        Contender::Rival(rival) => rival.as_str().to_owned(),
        Contender::Ours { one_store, way } => {
            let stores = stores(one_store);
            match way {
                Way::Exact => format!("Forebay, {stores}, exact"),
                Way::Approximate => format!("Forebay, {stores}, not exact"),
                Way::Plan(kind) => format!("Forebay, {stores}, exact, {}", kind.as_str()),
                Way::ApproximatePlan(kind) => format!("Forebay, {stores}, not exact, {}", kind.as_str()),
            }
        }
    }
}

fn stores(one_store: bool) -> &'static str {
    if one_store { "one Postgres" } else { "two stores" }
}

pub(super) fn report(compared: &Compared) -> Report {
    let mut report = Report::default();
    for one_store in [false, true] {
        figures(compared, one_store, &mut report);
    }
    report.note(format!(
        "{} questions over {} nodes, each asked {} times of every approach, one after the other, in one thread of one \
         process; milliseconds are the medians of each question. The best rival is found afterwards, question by \
         question. Exact answers have their goal against the rivals that are exact by construction: graph first, and \
         one statement that is not left to the vector index. An approximate rival whose answer happened to be right \
         counts as a right rival: that figure is stricter than anybody can know in advance, and the tables use it.",
        compared.asked.len(),
        compared.entities,
        compared.passes,
    ));
    report.note(format!("\nEvery approach, in milliseconds:\n\n{}", approaches(compared)));
    for one_store in [false, true] {
        let what = stores(one_store);
        report
            .note(format!("\nBy class, {what}; geometric means in milliseconds:\n\n{}", classes(compared, one_store)));
        report.note(format!("\nPlans, {what}:\n\n{}", plans(compared, one_store)));
    }
    report
}

fn figures(compared: &Compared, one_store: bool, report: &mut Report) {
    let what = stores(one_store);
    let all = |_: &Asked| true;
    let mut add = |name: &str, ratios: &Samples, goal: Option<f64>| {
        let figure = Figure::new(format!("glue/{what}, {name}"), ratios.geometric_mean(), "ratio");
        // The value is a ratio already: its baseline is the rival's time.
        report.add(match goal {
            Some(goal) => figure.goal(Goal::AtMost(goal)),
            None => figure,
        });
    };
    let with_graph = |asked: &Asked| asked.question.within.is_some();
    let without = |asked: &Asked| asked.question.within.is_none();
    for (rivals, goal, name) in
        [(Rivals::Exact, Some(GOAL), "the best exact rival"), (Rivals::Right, None, "the best right rival")]
    {
        let over = |of: &dyn Fn(&Asked) -> bool| compared.against_best(one_store, Way::Exact, rivals, of);
        add(&format!("exact, over {name}"), &over(&all), goal);
        add(&format!("exact, over {name}, with a graph"), &over(&with_graph), None);
        add(&format!("exact, over {name}, without a graph"), &over(&without), None);
    }
    let chosen = compared.against_chosen_before(one_store, Way::Exact, Rivals::Exact);
    add("exact, over the exact rival chosen before", &chosen, None);
    let approximate = compared.against_best(one_store, Way::Approximate, Rivals::Right, all);
    add("not exact, over the best right rival", &approximate, None);
    add("noise of choosing an exact rival", &compared.noise(one_store, Rivals::Exact), None);
    let regret: Samples = compared
        .asked
        .iter()
        .filter_map(|asked| compared.regret(asked, one_store))
        .map(|(_, _, ratio)| ratio)
        .collect();
    add("regret of the picked plan", &regret, None);
    let misjudged = compared.misjudged_reach(one_store);
    for (percentile, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
        let name = format!("glue/{what}, estimate of the reach over the truth or the other way, {percentile}");
        report.add(Figure::new(name, misjudged.percentile(share), "ratio"));
    }
}

fn approaches(compared: &Compared) -> Table {
    let header = ["approach", "answers", "p50", "p99", "geo. mean", "recall", "right", "too few rows"];
    let mut table = plain(&header);
    for (place, contender) in compared.contenders.iter().enumerate() {
        let judged: Vec<_> = compared.asked.iter().filter_map(|asked| Some((asked, asked.judged(place)?))).collect();
        if judged.is_empty() {
            continue;
        }
        let share = |count: usize| format!("{:.1} %", 100.0 * count as f64 / judged.len() as f64);
        let times: Samples = judged.iter().map(|(asked, _)| asked.median(place) / 1e3).collect();
        let recall = judged.iter().map(|(_, judged)| judged.recall).sum::<f64>() / judged.len() as f64;
        table.add_row([
            name(*contender),
            judged.len().to_string(),
            ms(times.median()),
            ms(times.percentile(0.99)),
            ms(times.geometric_mean()),
            format!("{recall:.4}"),
            share(judged.iter().filter(|(_, judged)| judged.right).count()),
            share(judged.iter().filter(|(_, judged)| judged.short).count()),
        ]);
    }
    table
}

fn classes(compared: &Compared, one_store: bool) -> Table {
    let header = ["reach", "filter", "questions", "Forebay", "best rival", "ratio", "most often best", "regret"];
    let mut table = plain(&header);
    let own = compared.place(Contender::Ours { one_store, way: Way::Exact });
    let mut by_class: BTreeMap<_, Vec<&Asked>> = BTreeMap::new();
    for asked in &compared.asked {
        by_class.entry(asked.question.class).or_default().push(asked);
    }
    for (class, asked) in by_class {
        let mut best_times = Samples::default();
        let mut winners: BTreeMap<String, usize> = BTreeMap::new();
        for asked in &asked {
            let rivals = compared.right_rivals(asked, one_store, Rivals::Right);
            if let Some(best) = Compared::fastest(asked, &rivals, super::compared::Passes::All) {
                best_times.push(asked.median(best) / 1e3);
                *winners.entry(name(compared.contenders[best])).or_default() += 1;
            }
        }
        let own: Samples = asked.iter().map(|asked| asked.median(own) / 1e3).collect();
        let in_class = |other: &Asked| other.question.class == class;
        let ratio = compared.against_best(one_store, Way::Exact, Rivals::Right, in_class);
        let regret: Samples =
            asked.iter().filter_map(|asked| compared.regret(asked, one_store)).map(|(_, _, ratio)| ratio).collect();
        let winner = winners.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name).unwrap_or_default();
        table.add_row([
            class.reach.as_str().to_owned(),
            class.filter.as_str().to_owned(),
            asked.len().to_string(),
            ms(own.geometric_mean()),
            ms(best_times.geometric_mean()),
            ms(ratio.geometric_mean()),
            winner,
            ms(regret.geometric_mean()),
        ]);
    }
    table
}

fn plans(compared: &Compared, one_store: bool) -> Table {
    let mut table = plain(&["picked", "fastest", "questions", "regret, geo. mean", "greatest"]);
    let mut pairs: BTreeMap<_, Samples> = BTreeMap::new();
    for asked in &compared.asked {
        if let Some((picked, best, ratio)) = compared.regret(asked, one_store) {
            pairs.entry((picked, best)).or_default().push(ratio);
        }
    }
    for ((picked, best), ratios) in pairs {
        table.add_row([
            picked.as_str().to_owned(),
            best.as_str().to_owned(),
            ratios.len().to_string(),
            ms(ratios.geometric_mean()),
            ms(ratios.greatest()),
        ]);
    }
    table
}

fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(header.iter().copied());
    for index in 1..header.len() {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// About three significant digits; nothing for what was not measured.
fn ms(value: f64) -> String {
    match value {
        value if !value.is_finite() => String::new(),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
