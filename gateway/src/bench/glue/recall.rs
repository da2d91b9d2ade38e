//! `forebay bench recall`: how much of the right answer comes where approximation is allowed, by plan and by how much the
//! filter lets pass.

use std::collections::BTreeMap;

use super::{
    GlueOptions,
    ours::{Ours, PLANS, Way},
};
use crate::{
    bench::{
        BenchError, Corpus, Effort, Figure, Goal, Report,
        stores::{Examiner, Scratch, ServerAddresses, Share, measured},
    },
    load::Progress,
    workload::scale,
};

/// Entities of the scaled copy.
const ENTITIES: usize = 60_000;
/// Queries.
const QUESTIONS: usize = 600;
/// A recall below this is counted as poor.
const POOR: f64 = 0.9;

/// Recall of the planner's choice and of every plan, without `exact`.
///
/// # Errors
/// When a server cannot be reached or refuses something.
pub fn recall(
    data: &Corpus,
    addresses: &ServerAddresses,
    options: &GlueOptions,
    effort: Effort,
    progress: &mut dyn Progress,
) -> Result<Report, BenchError> {
    measured(addresses, &data.schema, async |scratch| measure(data, scratch, options, effort, progress).await)
}

async fn measure(
    data: &Corpus,
    scratch: &Scratch,
    options: &GlueOptions,
    effort: Effort,
    progress: &mut dyn Progress,
) -> Result<Report, BenchError> {
    let entities = options.entities.unwrap_or(effort.of(ENTITIES, 2_000));
    let parts = scale(&data.schema, &data.parts, entities, 1)?;
    let questions = Examiner::new(&data.schema, parts.clone())?.generated(&parts, effort.of(QUESTIONS, 12)).await?;
    scratch.load(&parts, progress).await?;
    drop(parts);
    let [ours, _] = Ours::both(scratch, &data.schema).await?;

    let ways = [("planner", Way::Approximate)].into_iter();
    let ways = ways.chain(PLANS.map(|plan| (plan.as_str(), Way::ApproximatePlan(plan))));
    let mut recalls: BTreeMap<(usize, &str, Share), Vec<f64>> = BTreeMap::new();
    let mut short = 0;
    for (place, (name, way)) in ways.enumerate() {
        for question in &questions {
            let Some(answer) = ours.answer(&Ours::body(question, way)).await? else { continue };
            let judged = question.judge(&super::ours::ids(&answer));
            recalls.entry((place, name, question.class.filter)).or_default().push(judged.recall);
            short += usize::from(judged.short);
        }
    }

    let mut report = Report::default();
    let mut by_way: BTreeMap<(usize, &str), Vec<f64>> = BTreeMap::new();
    for ((place, name, _), found) in &recalls {
        by_way.entry((*place, name)).or_default().extend(found);
    }
    for ((_, name), found) in &by_way {
        let mean = mean(found);
        report.add(Figure::new(format!("recall/{name}"), mean, "mean").against(1.0).goal(Goal::RatioAtLeast(0.99)));
        report.add(Figure::new(format!("recall/{name}/minimum"), least(found), "least"));
        report.add(Figure::new(format!("recall/{name}/below 0.9"), poor(found), "share"));
    }
    for ((_, name, filter), found) in &recalls {
        let name = format!("recall/{name}/filter {}", filter.as_str());
        report.add(Figure::new(name, mean(found), "mean"));
    }
    let asked = questions.len();
    report.note(format!("{entities} entities, {asked} generated queries, entities in Postgres, the graph in Neo4j"));
    report.note(format!("answers with fewer rows than there are: {short}"));
    report.note("filter: the share of entities that pass it; none = no filter, tiny <= 0.15 %, small <= 1 %, medium <= 10 %, large <= 25 %");
    Ok(report)
}

fn mean(found: &[f64]) -> f64 {
    found.iter().sum::<f64>() / found.len().max(1) as f64
}

fn least(found: &[f64]) -> f64 {
    found.iter().copied().fold(1.0, f64::min)
}

fn poor(found: &[f64]) -> f64 {
    found.iter().filter(|recall| **recall < POOR).count() as f64 / found.len().max(1) as f64
}
