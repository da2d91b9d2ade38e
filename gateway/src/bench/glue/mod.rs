//! `forebay bench glue`: hybrid queries through Forebay, against what an application does with two direct drivers or one
//! statement. Every approach answers every question one after the other, so that all of them meet the same weather.

mod compared;
mod direct;
mod ours;
mod recall;
mod rivals;
mod sql;
mod tables;

use std::{path::PathBuf, time::Instant};

use compared::{Asked, Compared};
use ours::{Ours, PLANS, Way};
use rivals::{Client, Rival};

pub use self::recall::recall;
use super::{
    BenchError, Corpus, Effort, Report,
    stores::{Examiner, Question, Scratch, ServerAddresses, measured},
    timing::{order, us},
};
use crate::{load::Progress, value::IdType, workload::scale};

/// What to compare on.
#[derive(Debug, Clone, Default)]
pub struct GlueOptions {
    /// Entities of a scaled copy, on generated queries; the collection as it is, on the queries that came with it.
    pub entities: Option<usize>,
    /// How often everything is measured.
    pub passes: Option<usize>,
    /// Where the medians of every question and approach go, one JSON object a line.
    pub raw: Option<PathBuf>,
}

/// Queries.
const QUESTIONS: usize = 300;
/// Times that everything is measured.
const PASSES: usize = 7;
/// Passes that do not count: servers compile what is asked often.
const WARM_UP: usize = 2;

/// An approach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Contender {
    /// Forebay; with both sides in one Postgres or not.
    Ours { one_store: bool, way: Way },
    /// What an application does itself.
    Rival(Rival),
}

impl Contender {
    fn all() -> Vec<Self> {
        let ways = [Way::Exact, Way::Approximate].into_iter().chain(PLANS.map(Way::Plan));
        let ours = ways.flat_map(|way| [false, true].map(|one_store| Self::Ours { one_store, way }));
        ours.chain(Rival::ALL.map(Self::Rival)).collect()
    }
}

/// Forebay against client glue and against one statement.
///
/// # Errors
/// When a server cannot be reached, refuses something, or the collection is not one that everything can be asked about.
pub fn glue(
    data: &Corpus,
    addresses: &ServerAddresses,
    options: &GlueOptions,
    effort: Effort,
    progress: &mut dyn Progress,
) -> Result<Report, BenchError> {
    let schema = &data.schema;
    let one_label = schema.graph.as_ref().is_some_and(|graph| graph.labels.len() == 1);
    if schema.id_type != IdType::Text || schema.vectors.len() != 1 || !one_label {
        let needs = "this needs a collection with text ids, one vector, and a graph of one label";
        return Err(BenchError::Other(needs.into()));
    }
    measured(addresses, schema, async |scratch| compare(data, scratch, options, effort, progress).await)
}

async fn compare(
    data: &Corpus,
    scratch: &Scratch,
    options: &GlueOptions,
    effort: Effort,
    progress: &mut dyn Progress,
) -> Result<Report, BenchError> {
    let schema = &data.schema;
    let count = effort.of(QUESTIONS, 12);
    let parts = match options.entities {
        Some(entities) => scale(schema, &data.parts, entities, 1)?,
        None => data.parts.clone(),
    };
    let questions = {
        let examiner = Examiner::new(schema, parts.clone())?;
        match options.entities {
            None if !data.recorded.is_empty() => examiner.recorded(data, count).await?,
            _ => examiner.generated(&parts, count).await?,
        }
    };
    if questions.is_empty() {
        return Err(BenchError::Other("none of the queries can be asked of everything".into()));
    }
    scratch.load(&parts, progress).await?;
    let entities = parts.ids.len();
    drop(parts);

    let ours = Ours::both(scratch, schema).await?;
    let neo4j = scratch.driver()?.ok_or_else(|| BenchError::Other("this needs a Neo4j".into()))?;
    let mut client = Client {
        postgres: direct::Postgres::new(&scratch.url()?).await?,
        neo4j: direct::Neo4j(neo4j),
        schema,
        names: &scratch.names,
    };
    let passes = options.passes.unwrap_or(effort.of(PASSES, 1)).max(1);
    let contenders = Contender::all();
    let mut asked: Vec<Asked> = questions.into_iter().map(|question| Asked::new(question, &contenders)).collect();
    for pass in 0..WARM_UP + passes {
        for (number, asked) in asked.iter_mut().enumerate() {
            // Whoever is asked first finds the servers busy with other data: each approach has that place as often.
            for side in order(pass + 2 * number, contenders.len()) {
                let Some((spent, ids)) = ask(&ours, &mut client, contenders[side], &asked.question).await? else {
                    continue;
                };
                if pass >= WARM_UP {
                    asked.took(side, spent, &ids);
                }
            }
        }
    }
    for asked in &mut asked {
        for (one_store, ours) in ours.iter().enumerate() {
            asked.plans[one_store] = ours.picked(&asked.question, Way::Exact).await?;
        }
    }
    let compared = Compared { contenders, asked, passes, entities };
    if let Some(file) = &options.raw {
        compared.write_raw(file)?;
    }
    Ok(tables::report(&compared))
}

/// The time of an answer in microseconds, and its ids; `None` if the approach does not apply.
async fn ask(
    ours: &[Ours; 2],
    client: &mut Client<'_>,
    contender: Contender,
    question: &Question,
) -> Result<Option<(f64, Vec<String>)>, BenchError> {
    match contender {
        Contender::Ours { one_store, way } => {
            let body = Ours::body(question, way);
            let started = Instant::now();
            let answer = ours[usize::from(one_store)].answer(&body).await?;
            let spent = us(started.elapsed());
            Ok(answer.map(|answer| (spent, ours::ids(&answer))))
        }
        Contender::Rival(rival) => {
            let started = Instant::now();
            let ids = client.answer(rival, question).await?;
            Ok(Some((us(started.elapsed()), ids)))
        }
    }
}
