//! `forebay bench overhead`: what Forebay adds to a statement. The same statement is run by a direct driver, by the store, by
//! the gateway in process with the cache bypassed, and through its HTTP listener, one after the other.

mod paths;

use paths::{Graph, Path, Vectors};

use super::{
    BenchError, Corpus, Effort, Figure, Goal, Report,
    stores::{Examiner, Question, Scratch, ServerAddresses, measured},
    timing::{Samples, order},
};
use crate::{load::Progress, query::Filter};

/// Queries a statement.
const QUERIES: usize = 64;
/// Times that each is asked in each way.
const ROUNDS: usize = 60;
/// Rounds that do not count.
const WARM_UP: usize = 5;
/// Most microseconds that the gateway may add.
const ADDED_P50_US: f64 = 300.0;
const ADDED_P99_US: f64 = 1_000.0;

/// What Forebay adds to an exact vector search in Postgres, and to a walk in Neo4j.
///
/// # Errors
/// When a server cannot be reached or refuses something, or the collection has no vectors or no graph.
pub fn overhead(
    data: &Corpus,
    addresses: &ServerAddresses,
    effort: Effort,
    progress: &mut dyn Progress,
) -> Result<Report, BenchError> {
    let schema = &data.schema;
    if schema.vectors.is_empty() || schema.graph.is_none() {
        return Err(BenchError::Other("this needs a collection with a vector and a graph".into()));
    }
    measured(addresses, schema, async |scratch| measure(data, scratch, effort, progress).await)
}

async fn measure(
    data: &Corpus,
    scratch: &Scratch,
    effort: Effort,
    progress: &mut dyn Progress,
) -> Result<Report, BenchError> {
    let (count, rounds) = (effort.of(QUERIES, 8), effort.of(ROUNDS, 2));
    let examiner = Examiner::new(&data.schema, data.parts.clone())?;
    let mut questions = examiner.recorded(data, usize::MAX).await?;
    questions.extend(examiner.generated(&data.parts, 8 * count).await?);
    let (walks, searches): (Vec<_>, Vec<_>) = questions.into_iter().partition(|question| question.within.is_some());
    let searches = searches.into_iter().filter(|question| question.filter != Filter::Everything).take(count).collect();
    let walks: Vec<Question> = walks.into_iter().filter(|question| question.filter == Filter::Everything).collect();
    let walks = walks.into_iter().take(count).collect();
    scratch.load(&data.parts, progress).await?;

    let mut report = Report::default();
    let vectors = Vectors::new(scratch, &data.schema, searches).await?;
    compare(&mut report, "Postgres, exact search", Ways::Vectors(vectors), rounds).await?;
    let graph = Graph::new(scratch, data, walks, examiner.store()).await?;
    compare(&mut report, "Neo4j, reach", Ways::Graph(graph), rounds).await?;
    report.note(format!(
        "{count} queries a statement, {rounds} alternating rounds, one client; the added time is the difference of the \
         percentiles. What a walk reaches is put in order by one store in memory, whoever asks. The listener has a thread \
         of its own; all else runs in one."
    ));
    Ok(report)
}

/// One kind of statement, in all ways.
enum Ways {
    Vectors(Vectors),
    Graph(Graph),
}

async fn compare(report: &mut Report, what: &str, mut ways: Ways, rounds: usize) -> Result<(), BenchError> {
    // In the order of the paths.
    let mut times: [Samples; Path::ALL.len()] = Default::default();
    let count = match &ways {
        Ways::Vectors(vectors) => vectors.len(),
        Ways::Graph(graph) => graph.len(),
    };
    if count == 0 {
        return Err(BenchError::Other("none of the queries is of the kind that this measures".into()));
    }
    for round in 0..WARM_UP + rounds {
        for number in 0..count {
            for side in order(round, Path::ALL.len()) {
                let path = Path::ALL[side];
                let us = match &mut ways {
                    Ways::Vectors(vectors) => vectors.ask(path, number).await?,
                    Ways::Graph(graph) => graph.ask(path, number).await?,
                };
                if round >= WARM_UP {
                    times[side].push(us);
                }
            }
        }
    }
    add(report, what, &times);
    let steps = match &ways {
        Ways::Vectors(vectors) => vectors.steps(),
        Ways::Graph(graph) => graph.steps(),
    };
    report.note(format!("{what}: medians of the gateway's steps in microseconds: {steps}."));
    Ok(())
}

fn add(report: &mut Report, what: &str, times: &[Samples; Path::ALL.len()]) {
    let direct = &times[0];
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let base = direct.percentile(share);
        report.add(Figure::new(format!("overhead/{what}, direct driver, {name}"), base, "us"));
        for (path, samples) in Path::ALL.iter().zip(times).skip(1) {
            let figure =
                Figure::new(format!("overhead/{what}, {}, {name}", path.as_str()), samples.percentile(share), "us");
            report.add(figure.against(base));
        }
    }
    for (path, samples) in Path::ALL.iter().zip(times).skip(2) {
        for (name, share, goal) in [("p50", 0.5, ADDED_P50_US), ("p99", 0.99, ADDED_P99_US)] {
            let added = samples.percentile(share) - direct.percentile(share);
            let figure = Figure::new(format!("overhead/{what}, {}, added {name}", path.as_str()), added, "us");
            let with_goal = *path == Path::InProcess;
            report.add(if with_goal { figure.goal(Goal::AtMost(goal)) } else { figure });
        }
    }
}
