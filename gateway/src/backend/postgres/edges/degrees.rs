//! Degrees of hubs and of sampled nodes.

use std::collections::HashMap;

use sqlx::{Row, postgres::PgRow};

use super::layout::{ALIAS, EdgeLayout};
use crate::{
    backend::{
        BackendError, CallContext,
        postgres::{facts::TableFacts, ids::IdColumn, layout::Layout, session::Session, statement::Statement},
    },
    value::EntityId,
};

/// Edges looked at for a sample.
const SAMPLED_ROWS: f64 = 20_000.0;

/// Edges of each type, and nodes, whose degrees are looked up.
const LOOKED_UP: i64 = 300;

/// Hubs whose degrees are looked up, in each direction.
const HUBS: i64 = 300;

/// Edges of one node that are counted; a hub has more, and the server's statistics say how many.
const COUNTED: i64 = 10_000;

/// The number of edges of one node, by edge type.
pub(super) type Degrees = Vec<u64>;

/// The nodes with most edges.
pub(super) type Hubs = HashMap<EntityId, Degrees>;

/// Some edges and some nodes.
#[derive(Debug, Default)]
pub(super) struct Sample {
    /// Where edges start, by edge type.
    pub(super) sources: Vec<Vec<EntityId>>,
    /// Where they end, by edge type.
    pub(super) targets: Vec<Vec<EntityId>>,
    /// Any nodes.
    pub(super) nodes: Vec<EntityId>,
}

impl Sample {
    /// Looks at some pages of both tables. `rows` is about how many edges there are.
    pub(super) async fn take(
        session: &mut Session,
        ctx: &CallContext,
        layout: &EdgeLayout,
        rows: f64,
    ) -> Result<Self, BackendError> {
        let types = layout.kind.types.len();
        let mut sample = Self { sources: vec![Vec::new(); types], targets: vec![Vec::new(); types], nodes: Vec::new() };
        let all: Vec<u16> = (0..types as u16).collect();
        let EdgeLayout { source, target, kind, .. } = layout;
        let mut statement = Statement::new(format!(
            "SELECT place::int8, array_agg(source), array_agg(target) FROM (SELECT *, row_number() OVER \
             (PARTITION BY place ORDER BY random()) AS n FROM (SELECT {} AS place, {} AS source, {} AS target FROM {} \
             WHERE {} AND {} IS NOT NULL AND {} IS NOT NULL) s) s WHERE n <= ",
            kind.place(&all),
            layout.id_of(source),
            layout.id_of(target),
            some_rows(&layout.table, ALIAS, rows),
            kind.among(all.iter().copied()),
            source.expression,
            target.expression,
        ));
        statement.bind(LOOKED_UP).push(" GROUP BY place");
        for row in session.rows(ctx, &statement).await? {
            let read = || -> Result<_, String> {
                let place: i64 = row.try_get(0).map_err(|_| "an edge of no type")?;
                let place = usize::try_from(place).ok().filter(|place| *place < types).ok_or("an edge of no type")?;
                Ok((place, source.decode_array(&row, 1)?, target.decode_array(&row, 2)?))
            };
            let (place, sources, targets) = read().map_err(|problem| session.failed(problem))?;
            sample.sources[place] = sources;
            sample.targets[place] = targets;
        }
        sample.nodes = match &layout.nodes {
            Some(nodes) => some_nodes(session, ctx, layout, nodes).await?,
            // Nodes with many edges come up more often here.
            None => sample.sources.iter().chain(&sample.targets).flatten().cloned().collect(),
        };
        sample.nodes.sort_unstable();
        sample.nodes.dedup();
        Ok(sample)
    }
}

/// Some pages of a table, or the first rows of what has none, as it stands in `FROM`.
fn some_rows(table: &TableFacts, alias: &str, rows: f64) -> String {
    match table.kind {
        'r' | 'm' | 'p' => {
            let percent = (100.0 * SAMPLED_ROWS / rows.max(1.0)).clamp(0.000_1, 100.0);
            format!("{} {alias} TABLESAMPLE SYSTEM ({percent:.6})", table.quoted)
        }
        _ => format!("(SELECT * FROM {} LIMIT {SAMPLED_ROWS}) {alias}", table.quoted),
    }
}

async fn some_nodes(
    session: &mut Session,
    ctx: &CallContext,
    layout: &EdgeLayout,
    nodes: &Layout,
) -> Result<Vec<EntityId>, BackendError> {
    // Rows with vectors are long: these are as many pages as a sample of edges has.
    let mut statement = Statement::new(format!(
        "SELECT array_agg(id) FROM (SELECT {} AS id FROM {} WHERE {} IS NOT NULL LIMIT ",
        layout.id_of(&nodes.id),
        some_rows(&nodes.table, "t", SAMPLED_ROWS * 100.0),
        nodes.id.expression,
    ));
    statement.bind(LOOKED_UP).push(") s");
    ids(session, ctx, &nodes.id, &statement).await
}

async fn ids(
    session: &mut Session,
    ctx: &CallContext,
    column: &IdColumn,
    statement: &Statement,
) -> Result<Vec<EntityId>, BackendError> {
    match session.rows(ctx, statement).await?.first() {
        Some(row) => column.decode_array(row, 0).map_err(|problem| session.failed(problem)),
        None => Ok(Vec::new()),
    }
}

/// The degrees of these nodes, in order.
pub(super) async fn of(
    session: &mut Session,
    ctx: &CallContext,
    layout: &EdgeLayout,
    nodes: &[EntityId],
    along: bool,
) -> Result<Vec<Degrees>, BackendError> {
    let types = layout.kind.types.len();
    let mut all = vec![vec![0; types]; nodes.len()];
    if nodes.is_empty() {
        return Ok(all);
    }
    let (from, to) = if along { (&layout.source, &layout.target) } else { (&layout.target, &layout.source) };
    let edges: Vec<u16> = (0..types as u16).collect();
    let mut statement = Statement::new("SELECT p.n, d.place::int8, count(*) FROM unnest(");
    let place = layout.ids(&mut statement, nodes.iter().cloned());
    statement.push(&format!(
        "{place}) WITH ORDINALITY AS p(id, n), LATERAL (SELECT {} AS place FROM {} WHERE {} AND {} AND {} IS NOT NULL LIMIT ",
        layout.kind.place(&edges),
        layout.from,
        super::steps::is(from, "p.id"),
        layout.kind.among(edges.iter().copied()),
        to.expression,
    ));
    statement.bind(COUNTED).push(") d GROUP BY 1, 2");
    for row in session.rows(ctx, &statement).await? {
        let read = || -> Option<(usize, usize, u64)> {
            let [node, edge, count] = [0, 1, 2].map(|column| row.try_get::<i64, _>(column).ok());
            Some((usize::try_from(node? - 1).ok()?, usize::try_from(edge?).ok()?, u64::try_from(count?).ok()?))
        };
        let (node, edge, count) = read().ok_or_else(|| session.failed("a degree is not a number"))?;
        if let Some(degree) = all.get_mut(node).and_then(|degrees| degrees.get_mut(edge)) {
            *degree = count;
        }
    }
    Ok(all)
}

/// All edges of each type, as pairs of source and target.
pub(super) async fn edges(
    session: &mut Session,
    ctx: &CallContext,
    layout: &EdgeLayout,
) -> Result<Vec<Vec<(EntityId, EntityId)>>, BackendError> {
    let EdgeLayout { source, target, kind, .. } = layout;
    let types: Vec<u16> = (0..kind.types.len() as u16).collect();
    let statement = Statement::new(format!(
        "SELECT {}::int8, {}, {} FROM {} WHERE {} AND {} IS NOT NULL AND {} IS NOT NULL",
        kind.place(&types),
        layout.id_of(source),
        layout.id_of(target),
        layout.from,
        kind.among(types.iter().copied()),
        source.expression,
        target.expression,
    ));
    let mut edges = vec![Vec::new(); types.len()];
    for row in session.rows(ctx, &statement).await? {
        let read = || -> Result<_, String> {
            let place: i64 = row.try_get(0).map_err(|_| "an edge of no type")?;
            let place = usize::try_from(place).ok().filter(|place| *place < types.len()).ok_or("an edge of no type")?;
            Ok((place, source.decode(&row, 1)?, target.decode(&row, 2)?))
        };
        let (place, source, target) = read().map_err(|problem| session.failed(problem))?;
        edges[place].push((source, target));
    }
    Ok(edges)
}

/// The most common values of a column and about how many rows have each.
const COMMON: &str = "\
SELECT s.v, f.f::float8 * greatest(c.reltuples, 0)::float8
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_stats p ON p.schemaname = n.nspname AND p.tablename = c.relname AND p.inherited = (c.relkind = 'p')
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = p.attname,
LATERAL unnest(p.most_common_vals::text::text[]) WITH ORDINALITY AS s(v, n),
LATERAL unnest(p.most_common_freqs) WITH ORDINALITY AS f(f, n)
WHERE c.oid = $1::int8::oid AND a.attnum = $2 AND s.n = f.n
ORDER BY f.f DESC LIMIT $3";

/// The nodes with most edges in one direction.
pub(super) async fn hubs(
    session: &mut Session,
    ctx: &CallContext,
    layout: &EdgeLayout,
    along: bool,
) -> Result<Hubs, BackendError> {
    let mut statement = Statement::new(COMMON);
    statement.argument(layout.table.oid);
    statement.argument(if along { layout.ends.0 } else { layout.ends.1 });
    statement.argument(HUBS);
    let rows = session.rows(ctx, &statement).await?;
    let read = |row: &PgRow| -> Result<(String, f64), sqlx::Error> { Ok((row.try_get(0)?, row.try_get(1)?)) };
    let common: Vec<(String, f64)> = rows
        .iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(|_| session.failed("the statistics of a column do not read as expected"))?;
    let common: Vec<(EntityId, f64)> =
        common.into_iter().filter_map(|(text, rows)| Some((layout.id_type().parse(&text)?, rows))).collect();
    let nodes: Vec<EntityId> = common.iter().map(|(id, _)| id.clone()).collect();
    let degrees = of(session, ctx, layout, &nodes, along).await?;
    let scaled = common.into_iter().zip(degrees).map(|((id, rows), mut degrees)| {
        let counted: u64 = degrees.iter().sum();
        if counted >= COUNTED as u64 && rows > counted as f64 {
            degrees.iter_mut().for_each(|degree| *degree = (*degree as f64 * rows / counted as f64) as u64);
        }
        (id, degrees)
    });
    Ok(scaled.collect())
}
