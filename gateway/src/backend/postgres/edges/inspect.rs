//! What `forebay check` says of a table of edges.

use sqlx::Row;

use super::{
    PgGraph,
    layout::{self, EdgeLayout, EdgeProblem},
};
use crate::backend::{
    BackendError, CallContext, Finding,
    postgres::{
        indexes::{IndexFacts, indexes},
        names::quoted,
        session::Session,
        statement::Statement,
    },
};

/// Rows looked at for the types that there are.
const LOOKED_AT: i64 = 200_000;

/// Looks at the tables of a graph.
pub(super) async fn inspect(graph: &PgGraph, ctx: &CallContext) -> Result<Vec<Finding>, BackendError> {
    let mut session = graph.server.session(ctx, "inspect-edges", 0).await?;
    let read = layout::read(&mut session, ctx, &graph.schema, &graph.edges, graph.entities.as_ref()).await?;
    let layout = match read {
        Ok(layout) => layout,
        Err(problem) => return Ok(vec![of_problem(graph, &problem)]),
    };
    let mut findings = vec![columns(&layout)];
    if !may_read(&mut session, ctx, graph, &layout, &mut findings).await? {
        return Ok(findings);
    }
    let all = indexes(&mut session, ctx, layout.table.oid).await?;
    let from = (graph.edges.source.as_str(), graph.edges.target.as_str());
    findings.push(index(graph, &layout, &all, "graph.source", from));
    findings.push(index(graph, &layout, &all, "graph.target", (from.1, from.0)));
    types(&mut session, ctx, graph, &layout, &mut findings).await?;
    if graph.schema.tenant_attribute.is_some() && layout.nodes.is_none() {
        findings.push(Finding::problem(
            "graph.table",
            "the entities are in another database, so it cannot be told which tenant a node belongs to: queries of tenants fail",
        ));
    }
    Ok(findings)
}

fn of_problem(graph: &PgGraph, problem: &EdgeProblem) -> Finding {
    match problem {
        EdgeProblem::NoTable => Finding::problem("graph.table", format!("there is no table {}", graph.edges.table)),
        EdgeProblem::Column(key, problem) => Finding::problem(*key, problem.clone()),
        EdgeProblem::Nodes(problem) => Finding::problem("entities.table", problem.clone()),
    }
}

fn columns(layout: &EdgeLayout) -> Finding {
    let kind = match layout.table.kind {
        'v' => "view",
        'm' => "materialized view",
        'p' => "partitioned table",
        'f' => "foreign table",
        _ => "table",
    };
    let columns = [&layout.source.expression, &layout.target.expression, &layout.kind.expression];
    let columns = columns.map(|column| column.split_once('.').map_or("", |(_, name)| name));
    Finding::fact("graph.table", format!("{kind} {} with edges in {}", layout.table.quoted, columns.join(", ")))
}

/// Whether the columns may be read; a finding if not.
async fn may_read(
    session: &mut Session,
    ctx: &CallContext,
    graph: &PgGraph,
    layout: &EdgeLayout,
    findings: &mut Vec<Finding>,
) -> Result<bool, BackendError> {
    let mut statement =
        Statement::new("SELECT c, has_column_privilege($1::int8::oid, c, 'SELECT') FROM unnest($2::text[]) AS c");
    statement.argument(layout.table.oid);
    statement.argument([&graph.edges.source, &graph.edges.target, &graph.edges.kind].map(String::as_str).as_slice());
    let rows = session.rows(ctx, &statement).await?;
    let mut all = true;
    for row in &rows {
        let read: Result<(&str, bool), sqlx::Error> = row.try_get(0).and_then(|name| Ok((name, row.try_get(1)?)));
        let (column, may) = read.map_err(|_| session.failed("the catalog of rights does not read as expected"))?;
        if !may {
            all = false;
            let text = format!("column {} may not be read: GRANT SELECT ON {}", quoted(column), layout.table.quoted);
            findings.push(Finding::problem("graph.table", text));
        }
    }
    Ok(all)
}

/// Whether an index finds the edges from one side.
fn index(
    graph: &PgGraph,
    layout: &EdgeLayout,
    indexes: &[IndexFacts],
    key: &'static str,
    (from, to): (&str, &str),
) -> Finding {
    let number = |name: &str| layout.table.columns.get(name).map_or(0, |facts| facts.number);
    let usable = |index: &&IndexFacts| {
        index.method == "btree" && index.valid && !index.partial && index.keys.first() == Some(&number(from))
    };
    let wanted = [number(from), number(&graph.edges.kind), number(to)];
    let covers = |index: &&IndexFacts| wanted.iter().all(|column| index.keys.contains(column));
    let create = format!(
        "CREATE INDEX ON {} ({}, {}, {})",
        layout.table.quoted,
        quoted(from),
        quoted(&graph.edges.kind),
        quoted(to)
    );
    if !matches!(layout.table.kind, 'r' | 'm' | 'p') {
        return Finding::advice(
            key,
            format!(
                "{} is no table: the tables behind it need an index that begins with {}",
                layout.table.quoted,
                quoted(from)
            ),
        );
    }
    match (indexes.iter().filter(usable).find(covers), indexes.iter().find(usable)) {
        (Some(index), _) => {
            Finding::fact(key, format!("index {} finds and covers the edges of a node", quoted(&index.name)))
        }
        (None, Some(index)) => Finding::advice(
            key,
            format!(
                "index {} finds the edges of a node, but their type and other end are read from the table; faster: {create}",
                quoted(&index.name)
            ),
        ),
        (None, None) => Finding::advice(
            key,
            format!(
                "no index begins with {}, so a step in this direction reads the whole table: {create}",
                quoted(from)
            ),
        ),
    }
}

/// Which types there are, and which were configured.
async fn types(
    session: &mut Session,
    ctx: &CallContext,
    graph: &PgGraph,
    layout: &EdgeLayout,
    findings: &mut Vec<Finding>,
) -> Result<(), BackendError> {
    let mut statement = Statement::new(format!(
        "SELECT kind, count(*), sum(count(*)) OVER ()::int8 FROM (SELECT {}::text AS kind FROM {} LIMIT ",
        layout.kind.expression, layout.from
    ));
    statement.bind(LOOKED_AT).push(") s GROUP BY kind ORDER BY 2 DESC");
    let rows = session.rows(ctx, &statement).await?;
    let mut found: Vec<(Option<String>, i64)> = Vec::new();
    let mut seen = 0;
    for row in &rows {
        let read = || -> Result<_, sqlx::Error> { Ok((row.try_get(0)?, row.try_get(1)?, row.try_get::<i64, _>(2)?)) };
        let (kind, count, all) = read().map_err(|_| session.failed("a type of edges does not read as expected"))?;
        found.push((kind, count));
        seen = all;
    }
    let complete = seen < LOOKED_AT;
    let among = if complete { String::new() } else { format!(" among {LOOKED_AT} rows") };
    let names = graph.schema.graph.iter().flat_map(|graph| &graph.edges);
    for (name, kind) in names.zip(&graph.edges.types) {
        let key = format!("graph.edges.{name}");
        let count = found.iter().find(|(other, _)| other.as_deref() == Some(kind)).map_or(0, |(_, count)| *count);
        findings.push(match count {
            0 => Finding::advice(key, format!("no edge of type `{kind}`{among}")),
            count => Finding::fact(key, format!("{count} edges of type `{kind}`{among}")),
        });
    }
    for (kind, count) in
        found.iter().filter(|(kind, _)| kind.as_ref().is_none_or(|kind| !graph.edges.types.contains(kind)))
    {
        let text = match kind {
            Some(kind) => {
                format!("{count} edges{among} are of type `{kind}`, which is not configured: no walk takes them")
            }
            None => format!("{count} edges{among} have no type: no walk takes them"),
        };
        findings.push(Finding::advice("graph.edges", text));
    }
    Ok(())
}
