//! What the server's work costs, measured by a few cheap statements on a sample of rows. What cannot be measured stays
//! typical.

use std::time::Instant;

use sqlx::Row;

use super::{
    PgEntities,
    cursor::{AHEAD, parameters},
    layout::Layout,
    sample::source,
    search::Rows,
    session::Session,
    spaces::{AnnIndex, Space},
    statement::Statement,
};
use crate::{
    backend::{Access, AnnCosts, BackendError, CallContext, Filtering, IdSet, Ranking, Search, VectorCosts},
    query::Filter,
    value::EntityId,
};

/// Typical of a server on the same network.
pub(super) const TYPICAL: VectorCosts = VectorCosts {
    call_us: 250.0,
    score_ns: 60.0,
    order_ns: 300.0,
    test_ns: 80.0,
    index_ns: 700.0,
    id_ns: 2_000.0,
    fetch_ns: 3_000.0,
    hit_ns: 1_000.0,
    ahead: AHEAD as f64,
    filtering: Filtering::ItsOwnWay,
};

/// Rows of a sample.
const SAMPLE: u64 = 1_000;

/// Below this many rows a measurement says more of the network than of the work.
const MIN_ROWS: usize = 100;

const ROUNDS: usize = 3;

/// The default of `hnsw.max_scan_tuples`.
const MAX_SCAN: f64 = 20_000.0;

/// Measures the server.
pub(super) async fn measure(
    store: &PgEntities,
    ctx: &CallContext,
    layout: &Layout,
    rows: u64,
) -> Result<(VectorCosts, Vec<Option<AnnCosts>>), BackendError> {
    let mut session = store.server().session(ctx, "measure", 0).await?;
    let session = &mut session;
    let mut costs = TYPICAL;
    // The first answer waits for the statement to be prepared.
    median(session, ctx, &Statement::new("SELECT 1")).await?;
    let trip_us = median(session, ctx, &Statement::new("SELECT 1")).await?.max(5.0);
    costs.call_us = trip_us;
    let per_row = |us: f64, rows: usize| (us - trip_us).max(0.0) * 1e3 / rows as f64;
    let from = source(layout, rows, SAMPLE);

    let ids = sampled_ids(session, ctx, layout, &from).await?;
    let began = Instant::now();
    let again = sampled_ids(session, ctx, layout, &from).await?;
    let listed = began.elapsed().as_secs_f64() * 1e6;
    if ids.len() < MIN_ROWS {
        return Ok((costs, without_index(store, layout)));
    }
    let few = &ids[..ids.len().min(500)];
    let mut lookup = Statement::new(format!("SELECT count(*) FROM {} WHERE ", layout.from));
    layout.id.among_of(&mut lookup, few.iter().cloned(), rows);
    costs.id_ns = per_row(median(session, ctx, &lookup).await?, few.len()).clamp(200.0, 50_000.0);
    // Rows of one value lie closer together than any rows, and their index entries next to each other.
    costs.index_ns = (costs.id_ns / 3.0).max(100.0);

    let readable: Vec<String> =
        (0..store.schema().attributes.len()).filter_map(|i| Some(layout.attribute(i as u16).ok()?.output())).collect();
    let few = &ids[..ids.len().min(200)];
    let mut fetch = Statement::new(format!("SELECT {}", layout.id.output()));
    readable.iter().for_each(|column| {
        fetch.push(", ").push(column);
    });
    fetch.push(" FROM ").push(&layout.from).push(" WHERE ");
    layout.id.among_of(&mut fetch, few.iter().cloned(), rows);
    costs.fetch_ns = (per_row(median(session, ctx, &fetch).await?, few.len()) - costs.id_ns).clamp(300.0, 100_000.0);

    let mut ann = Vec::new();
    let mut widest = 0;
    for index in 0..store.schema().vectors.len() as u16 {
        let Ok(space) = layout.space(index) else {
            ann.push(None);
            continue;
        };
        let Some(vector) = one_vector(session, ctx, space, &from).await? else {
            ann.push(space.index.map(|_| typical_ann(rows)));
            continue;
        };
        if space.dimensions > widest {
            widest = space.dimensions;
            // A search costs more than a round trip before its first row: it is planned, and the vector is sent.
            let search = among_one(index, &vector, ids.first());
            let statement = Rows { search: &search, given: &[], table_rows: rows }.exact(layout, index, &vector, 10);
            let statement = statement.map_err(|problem| session.failed(problem))?;
            costs.call_us = median(session, ctx, &statement).await?.max(trip_us);
            let (read, scored) = scan(session, ctx, space, &vector, &from).await?;
            let count = ids.len();
            costs.order_ns = per_row(read, count).clamp(50.0, 20_000.0);
            let blocks = (space.dimensions as f64 / 64.0).max(1.0);
            costs.score_ns = ((scored - read).max(0.0) * 1e3 / count as f64 / blocks).clamp(2.0, 10_000.0);
            // One more condition is a small part of reading a row.
            costs.test_ns = (costs.order_ns / 4.0).clamp(30.0, 2_000.0);
            costs.hit_ns = (per_row(listed, again.len()) - costs.order_ns).clamp(200.0, 20_000.0);
        }
        ann.push(match space.index {
            Some(kind) => Some(ann_costs(session, ctx, layout, (index, kind), &vector, rows, trip_us).await?),
            None => None,
        });
    }
    Ok((costs, ann))
}

/// An exact search among at most one entity.
fn among_one(space: u16, vector: &[f32], id: Option<&EntityId>) -> Search {
    Search {
        ranking: Ranking::Similarity { space, vector: vector.into() },
        filter: Filter::Everything,
        within: Some(IdSet::from_ids(id.cloned().into_iter().collect())),
        access: Access::FilterThenRank,
        threshold: None,
        excluded: Vec::new(),
        exact: true,
        expected: 1,
        widens: false,
    }
}

fn without_index(store: &PgEntities, layout: &Layout) -> Vec<Option<AnnCosts>> {
    let spaces = 0..store.schema().vectors.len() as u16;
    spaces.map(|index| layout.space(index).ok()?.index.map(|_| typical_ann(0))).collect()
}

fn typical_ann(rows: u64) -> AnnCosts {
    AnnCosts { start_us: 500.0, visit_ns: 3_000.0, max_rows: MAX_SCAN.max(rows as f64 / 100.0) }
}

async fn sampled_ids(
    session: &mut Session,
    ctx: &CallContext,
    layout: &Layout,
    from: &str,
) -> Result<Vec<EntityId>, BackendError> {
    let statement = Statement::new(format!("SELECT {} FROM {from} LIMIT {SAMPLE}", layout.id.output()));
    let rows = session.rows(ctx, &statement).await?;
    Ok(rows.iter().filter_map(|row| layout.id.decode(row, 0).ok()).collect())
}

async fn one_vector(
    session: &mut Session,
    ctx: &CallContext,
    space: &Space,
    from: &str,
) -> Result<Option<Vec<f32>>, BackendError> {
    let statement = Statement::new(format!("SELECT {} FROM {from} WHERE {} LIMIT 1", space.output(), space.usable()));
    let rows = session.rows(ctx, &statement).await?;
    Ok(rows.first().and_then(|row| row.try_get(0).ok()))
}

/// Reading a sample of rows, and reading and scoring it, in microseconds a call.
async fn scan(
    session: &mut Session,
    ctx: &CallContext,
    space: &Space,
    vector: &[f32],
    from: &str,
) -> Result<(f64, f64), BackendError> {
    let sample = format!("(SELECT {} FROM {from} WHERE {} LIMIT {SAMPLE}) t", space.column, space.present());
    let read = Statement::new(format!("SELECT count(*) FROM {sample}"));
    let mut scored = Statement::new("SELECT min(");
    let query = space.query(&mut scored, vector);
    scored.push(&format!("{}) FROM {sample}", space.key(&query)));
    Ok((median(session, ctx, &read).await?, median(session, ctx, &scored).await?))
}

/// Going through an index: a short way and a long one.
async fn ann_costs(
    session: &mut Session,
    ctx: &CallContext,
    layout: &Layout,
    (space, kind): (u16, AnnIndex),
    vector: &[f32],
    rows: u64,
    trip_us: f64,
) -> Result<AnnCosts, BackendError> {
    const SHORT: usize = 10;
    const LONG: usize = 400;
    let search = Search {
        ranking: Ranking::Similarity { space, vector: vector.into() },
        filter: Filter::Everything,
        within: None,
        access: Access::RankThenFilter,
        threshold: None,
        excluded: Vec::new(),
        exact: false,
        expected: SHORT,
        widens: false,
    };
    let statement = |n| {
        let rows = Rows { search: &search, given: &[], table_rows: rows };
        rows.approximate(layout, space, vector, n, false)
    };
    let mut times = [0.0; 2];
    for (n, time) in [SHORT, LONG].into_iter().zip(&mut times) {
        let statement = statement(n).map_err(|problem| session.failed(problem))?;
        session.set_ann(ctx, parameters(layout, space, n)).await?;
        *time = median(session, ctx, &statement).await?;
    }
    let visit_ns = ((times[1] - times[0]) * 1e3 / (LONG - SHORT) as f64).clamp(200.0, 1e6);
    let start_us = (times[0] - trip_us - visit_ns * SHORT as f64 / 1e3).max(10.0);
    let max_rows = match kind {
        AnnIndex::Hnsw => {
            let setting = session.simple(ctx, "SELECT current_setting('hnsw.max_scan_tuples', true)").await?;
            let setting: Option<&str> = setting.first().and_then(|row| row.try_get(0).ok());
            setting.and_then(|text| text.parse().ok()).unwrap_or(MAX_SCAN)
        }
        AnnIndex::IvfFlat { .. } => rows as f64,
    };
    Ok(AnnCosts { start_us, visit_ns, max_rows })
}

/// The median time of a statement, in microseconds.
async fn median(session: &mut Session, ctx: &CallContext, statement: &Statement) -> Result<f64, BackendError> {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        session.rows(ctx, statement).await?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[ROUNDS / 2])
}
