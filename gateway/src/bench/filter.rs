//! `forebay bench filter`: what a filter costs against a scan.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    BenchError, Corpus, Effort, Figure, Goal, Report, corpus,
    timing::{Samples, order, us},
};
use crate::{
    backend::{Access, CallContext, Ranking, Search, VectorStore},
    query::{Filter, Priority, parse, read_json},
    workload::{draw_filters, scale},
};

/// Entities of the scaled collection.
const ENTITIES: usize = 60_000;
/// Filters and query vectors a selectivity.
const DRAWS: usize = 20;
/// Rounds; each runs everything once, in another order.
const ROUNDS: usize = 8;
/// Hits asked for.
const LIMIT: usize = 10;

/// Filters of one selectivity, with what they are expected to cost.
struct Class {
    name: &'static str,
    selectivity: f64,
    /// Most that a filtered search may cost, as a share of the scan.
    search_goal: f64,
}

const CLASSES: [Class; 3] = [
    Class { name: "0.1 %", selectivity: 0.001, search_goal: 0.1 },
    Class { name: "1 %", selectivity: 0.01, search_goal: 0.2 },
    Class { name: "10 %", selectivity: 0.1, search_goal: 0.5 },
];

/// Searches with and without a filter, and filters alone, by index and row by row, over 60,000 entities.
///
/// # Errors
/// When the collection has no vectors, or a store fails.
pub fn filter(corpus: &Corpus, effort: Effort) -> Result<Report, BenchError> {
    let (entities, rounds) = (effort.of(ENTITIES, 2_000), effort.of(ROUNDS, 1));
    let parts = scale(&corpus.schema, &corpus.parts, entities, 1)?;
    let vectors = query_vectors(corpus)?;
    let mut filters = Vec::new();
    let mut passing = Samples::default();
    for class in &CLASSES {
        let drawn = draw_filters(&corpus.schema, &parts, class.selectivity, DRAWS, 1);
        passing.extend(drawn.iter().map(|filter| filter.selectivity / class.selectivity));
        let parsed: Result<Vec<Filter>, BenchError> =
            drawn.iter().map(|filter| parse_filter(corpus, &filter.json)).collect();
        filters.push(parsed?);
    }
    let store = corpus::store(&corpus.schema, parts)?;
    let runtime = corpus::runtime()?;
    let bench = Bench { store, vectors };

    // The scan is side 0, then three sides a class: search, filter by index, filter row by row.
    let sides = 1 + 3 * CLASSES.len();
    let mut times = vec![Samples::default(); sides];
    for round in 0..=rounds {
        for side in order(round, sides) {
            for draw in 0..DRAWS {
                let time = runtime.block_on(bench.run(side, draw, &filters))?;
                // The first round warms up.
                if round > 0 {
                    times[side].push(us(time));
                }
            }
        }
    }
    let mut report = Report::default();
    let scan = times[0].median();
    report.add(Figure::new("filter/scan without filter", scan, "us"));
    for (index, class) in CLASSES.iter().enumerate() {
        let [search, by_index, by_row] = [1, 2, 3].map(|kind| times[3 * index + kind].median());
        let name = class.name;
        report.add(
            Figure::new(format!("filter/search at {name}, against the scan"), search, "us")
                .against(scan)
                .goal(Goal::RatioAtMost(class.search_goal)),
        );
        report.add(
            Figure::new(format!("filter/filter alone at {name}, against the scan"), by_index, "us")
                .against(scan)
                .goal(Goal::RatioAtMost(class.search_goal)),
        );
        report.add(
            Figure::new(format!("filter/filter alone at {name}, against a test of every row"), by_index, "us")
                .against(by_row)
                .goal(Goal::RatioAtMost(1.0)),
        );
    }
    report.note(format!(
        "{entities} entities; medians over {rounds} alternating rounds of {DRAWS} filters a selectivity and as many \
         query vectors; first {LIMIT} hits, on one thread. The filters pass {:.2} to {:.2} times the share stated.",
        passing.least(),
        passing.greatest()
    ));
    Ok(report)
}

struct Bench {
    store: Arc<dyn VectorStore>,
    vectors: Vec<Arc<[f32]>>,
}

impl Bench {
    async fn run(&self, side: usize, draw: usize, filters: &[Vec<Filter>]) -> Result<Duration, BenchError> {
        if side == 0 {
            return self.search(Some(draw), Filter::Everything, Access::RankThenFilter).await;
        }
        let filter = filters[(side - 1) / 3][draw].clone();
        match (side - 1) % 3 {
            0 => self.search(Some(draw), filter, Access::FilterThenRank).await,
            1 => self.search(None, filter, Access::FilterThenRank).await,
            _ => self.search(None, filter, Access::RankThenFilter).await,
        }
    }

    /// The time of one search: its first hits by similarity, or without a vector all that pass, by id.
    async fn search(&self, vector: Option<usize>, filter: Filter, access: Access) -> Result<Duration, BenchError> {
        let ranking = match vector {
            Some(index) => Ranking::Similarity { space: 0, vector: self.vectors[index].clone() },
            None => Ranking::ById,
        };
        let wanted = if vector.is_some() { LIMIT } else { usize::MAX };
        let search = Search {
            ranking,
            filter,
            within: None,
            access,
            threshold: None,
            excluded: Vec::new(),
            exact: true,
            expected: LIMIT,
            widens: false,
        };
        let ctx = CallContext {
            priority: Priority::Normal.into(),
            tenant: None,
            deadline: Instant::now() + Duration::from_secs(60),
            cancelled: CancellationToken::new(),
            request_id: "bench".into(),
        };
        let started = Instant::now();
        let mut cursor = self.store.search(&ctx, search).await?;
        let page = cursor.next(&ctx, wanted.min(ENTITIES)).await?;
        let spent = started.elapsed();
        std::hint::black_box(page);
        Ok(spent)
    }
}

/// Stored vectors from all over the collection.
fn query_vectors(corpus: &Corpus) -> Result<Vec<Arc<[f32]>>, BenchError> {
    let Some((vectors, schema)) = corpus.parts.vectors.first().zip(corpus.schema.vectors.first()) else {
        return Err(BenchError::Other("the collection has no vectors, so there is nothing to scan".into()));
    };
    let all: Vec<&[f32]> =
        vectors.values.chunks_exact(schema.dimensions).filter(|v| v.iter().any(|x| *x != 0.0)).collect();
    if all.is_empty() {
        return Err(BenchError::Other("the collection has no vectors, so there is nothing to scan".into()));
    }
    Ok((0..DRAWS).map(|draw| Arc::from(all[draw * all.len() / DRAWS])).collect())
}

fn parse_filter(corpus: &Corpus, filter: &serde_json::Value) -> Result<Filter, BenchError> {
    let body = json!({ "collection": &*corpus.schema.name, "filter": filter }).to_string();
    let refused = |problem: crate::problem::Problem| BenchError::Query(problem, body.clone());
    let json = read_json(body.as_bytes(), Default::default()).map_err(|error| refused(error.into()))?;
    Ok(parse(&json, &corpus.schema).map_err(|error| refused(error.into()))?.query.filter)
}
