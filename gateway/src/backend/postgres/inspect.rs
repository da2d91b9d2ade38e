//! What is in the database for a collection, for `forebay check`.

use sqlx::Row;

use super::{
    PgEntities,
    attributes::Form,
    facts::ColumnKind,
    indexes::IndexFacts,
    layout::{self, Layout, LayoutProblem},
    names::quoted,
    session::Session,
    statement::Statement,
    statistics::expected_rows,
};
use crate::{
    backend::{BackendError, CallContext, Finding},
    value::{AttributeType, IdType},
};

/// Components up to which `vector` has an index; `halfvec` has one up to twice as many.
const MOST_INDEXED: usize = 2_000;

/// A table with fewer rows is read through faster than an index is maintained.
const SMALL: u64 = 5_000;

/// Everything found.
pub(super) async fn inspect(store: &PgEntities, ctx: &CallContext) -> Result<Vec<Finding>, BackendError> {
    let mut session = store.server().session(ctx, "inspect", 0).await?;
    let session = &mut session;
    let mut findings =
        vec![Finding::fact("", format!("Postgres {}", text(session, ctx, "SHOW server_version").await?))];
    let encoding = text(session, ctx, "SHOW server_encoding").await?;
    if encoding != "UTF8" {
        let problem = format!("the database's encoding is {encoding}: texts that it cannot hold are errors");
        findings.push(Finding::advice("", problem));
    }
    let layout = match layout::read(session, ctx, store.schema(), store.mapping()).await? {
        Ok(layout) => layout,
        Err(LayoutProblem::NoTable) => {
            let name = super::names::quoted_table(&store.mapping().table);
            findings.push(Finding::problem(
                "entities.table",
                format!("there is no table {name}, or none in the search path"),
            ));
            return Ok(findings);
        }
        Err(LayoutProblem::Id(problem)) => {
            findings.push(Finding::problem("entities.id", problem));
            return Ok(findings);
        }
    };
    let rows = expected_rows(session, ctx, &layout).await;
    let rows = table(session, ctx, store, &layout, rows.ok(), &mut findings).await?;
    id(store, &layout, &mut findings);
    for index in 0..store.schema().attributes.len() as u16 {
        attribute(store, &layout, index, rows, &mut findings);
    }
    extension(store, &layout, &mut findings);
    let memory = text(session, ctx, "SELECT pg_size_bytes(current_setting('shared_buffers'))::text").await?;
    for index in 0..store.schema().vectors.len() as u16 {
        vector(session, ctx, store, &layout, index, (rows, memory.parse().unwrap_or(u64::MAX)), &mut findings).await?;
    }
    Ok(findings)
}

/// The one text that a statement gives.
async fn text(session: &mut Session, ctx: &CallContext, statement: &str) -> Result<String, BackendError> {
    let rows = session.simple(ctx, statement).await?;
    Ok(rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or_default())
}

const TABLE: &str = r#"
SELECT pg_size_pretty(pg_table_size(c.oid)), s.n_live_tup, s.n_dead_tup, s.n_mod_since_analyze,
       coalesce(s.last_analyze, s.last_autoanalyze) IS NOT NULL OR c.reltuples >= 0
FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid
WHERE c.oid = $1::int8::oid"#;

/// The table, the rights on it, and its upkeep. Returns the number of rows.
async fn table(
    session: &mut Session,
    ctx: &CallContext,
    store: &PgEntities,
    layout: &Layout,
    rows: Option<u64>,
    findings: &mut Vec<Finding>,
) -> Result<u64, BackendError> {
    const KEY: &str = "entities.table";
    let denied = denied_columns(session, ctx, store, layout).await?;
    if !denied.is_empty() {
        let columns = denied.join(", ");
        findings.push(Finding::problem(
            KEY,
            format!("the user has no right to SELECT {columns} of {}", layout.table.quoted),
        ));
    }
    let mut statement = Statement::new(TABLE);
    statement.argument(layout.table.oid);
    let found = session.rows(ctx, &statement).await?;
    let unreadable = || session.failed("the statistics of tables do not read as expected");
    let row = found.first().ok_or_else(unreadable)?;
    let read = || -> Result<(String, [Option<i64>; 3], bool), sqlx::Error> {
        Ok((row.try_get(0)?, [row.try_get(1)?, row.try_get(2)?, row.try_get(3)?], row.try_get(4)?))
    };
    let (size, [live, dead, modified], analysed) = read().map_err(|_| unreadable())?;
    let what = match layout.table.kind {
        'r' => "a table",
        'p' => "a partitioned table",
        'v' => "a view",
        'm' => "a materialised view",
        'f' => "a foreign table",
        _ => "not a table",
    };
    let rows = rows.unwrap_or(0);
    findings.push(Finding::fact(KEY, format!("{}: {what} of about {rows} rows, {size}", layout.table.quoted)));
    match layout.table.kind {
        'v' | 'f' => {
            findings.push(Finding::advice(KEY, format!("{what} has no index of its own: searches may read all rows")));
        }
        _ if !analysed => findings.push(Finding::advice(
            KEY,
            "it was never analysed, so the server and the planner guess: run ANALYZE on it",
        )),
        _ => {}
    }
    let (live, dead, modified) = (live.unwrap_or(0), dead.unwrap_or(0), modified.unwrap_or(0));
    if analysed && modified > 1_000 && modified > live / 5 {
        findings.push(Finding::advice(
            KEY,
            format!("{modified} rows changed since it was last analysed: run ANALYZE on it"),
        ));
    }
    if dead > 1_000 && dead > live / 5 {
        findings
            .push(Finding::advice(KEY, format!("it holds {dead} dead rows: vacuum it, or let autovacuum come sooner")));
    }
    Ok(rows)
}

/// Configured columns that the user may not read.
async fn denied_columns(
    session: &mut Session,
    ctx: &CallContext,
    store: &PgEntities,
    layout: &Layout,
) -> Result<Vec<String>, BackendError> {
    let mapping = store.mapping();
    let places = mapping.attributes.iter().map(|place| &place.column);
    let columns = std::iter::once(&mapping.id).chain(places).chain(&mapping.vectors);
    let numbers: Vec<i16> = columns.filter_map(|name| Some(layout.table.columns.get(name)?.number)).collect();
    let mut statement = Statement::new(
        "SELECT DISTINCT quote_ident(attname) FROM pg_catalog.pg_attribute WHERE attrelid = $1::int8::oid \
         AND attnum = ANY($2) AND NOT has_column_privilege(attrelid, attnum, 'SELECT') ORDER BY 1",
    );
    statement.argument(layout.table.oid);
    statement.argument(&numbers);
    let rows = session.rows(ctx, &statement).await?;
    Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
}

fn id(store: &PgEntities, layout: &Layout, findings: &mut Vec<Finding>) {
    const KEY: &str = "entities.id";
    let name = &store.mapping().id;
    let Some(facts) = layout.table.columns.get(name) else { return };
    let column = quoted(name);
    let of_column = |index: &&IndexFacts| index.keys == [facts.number] && index.valid && !index.partial;
    let found = layout.indexes.iter().filter(of_column).max_by_key(|index| index.unique);
    let indexed = match found {
        Some(index) if index.unique => format!("unique by {}", index.name),
        Some(index) => format!("found by {}", index.name),
        None => "without an index".into(),
    };
    findings.push(Finding::fact(KEY, format!("column {column} of type {}, {indexed}", facts.type_name)));
    match found {
        Some(index) if index.unique => {}
        Some(_) => findings.push(Finding::advice(
            KEY,
            format!("no unique index holds column {column}: an id that is there twice is an answer twice"),
        )),
        None => findings.push(Finding::advice(
            KEY,
            format!("column {column} has no index: each look-up of an id reads all rows, and an id may be there twice"),
        )),
    }
    if !facts.not_null && layout.table.kind != 'v' {
        findings.push(Finding::advice(KEY, format!("column {column} may be NULL; such rows are no entities")));
    }
    if store.schema().id_type == IdType::Text && !layout.id.by_bytes {
        findings.push(Finding::advice(
            KEY,
            format!(
                "column {column} is not ordered by bytes: listing by id sorts all rows; an index on ({column} COLLATE \"C\") helps"
            ),
        ));
    }
}

fn attribute(store: &PgEntities, layout: &Layout, index: u16, rows: u64, findings: &mut Vec<Finding>) {
    let schema = &store.schema().attributes[usize::from(index)];
    let place = &store.mapping().attributes[usize::from(index)];
    let field = if place.path.is_empty() { "column" } else { "json_path" };
    let key = format!("attributes.{}.{field}", schema.name);
    let (attribute, facts) = match (layout.attribute(index), layout.table.columns.get(&place.column)) {
        (Ok(attribute), Some(facts)) => (attribute, facts),
        (Err(problem), _) => return findings.push(Finding::problem(key, problem)),
        (Ok(_), None) => return,
    };
    let column = quoted(&place.column);
    let inside = if place.path.is_empty() { String::new() } else { format!(", inside it {}", place.path.join(".")) };
    let wanted = if schema.kind == AttributeType::Keywords { "gin" } else { "btree" };
    // An index on an expression is looked for by its last key; what the server makes of it only EXPLAIN can tell.
    let serves = |index: &&IndexFacts| {
        let of_column = index.keys.first() == Some(&facts.number);
        let of_expression = || {
            let last = place.path.last().map(|key| super::names::literal(key));
            index.keys.first() == Some(&0)
                && index.first_key.contains(&place.column)
                && last.is_some_and(|last| index.first_key.contains(&last))
        };
        index.valid && !index.partial && if place.path.is_empty() { of_column } else { of_column || of_expression() }
    };
    let fitting = layout.indexes.iter().filter(serves).find(|index| index.method == wanted || index.method == "gin");
    let indexed = fitting.map_or_else(|| "no index".to_owned(), |index| format!("index {}", index.name));
    findings
        .push(Finding::fact(key.clone(), format!("column {column} of type {}{inside}; {indexed}", facts.type_name)));
    if fitting.is_none() && rows > SMALL && schema.kind != AttributeType::Boolean {
        let advice = format!("filters on it read all rows: a {wanted} index helps those that let little pass");
        findings.push(Finding::advice(key.clone(), advice));
    }
    match &attribute.form {
        Form::Text { by_bytes: false, guard: None, .. } if schema.kind == AttributeType::Keyword => {
            findings.push(Finding::advice(
                key,
                format!(
                    "column {column} is not ordered by bytes: $lt, $lte, $gt and $gte cannot use its index; equality can"
                ),
            ));
        }
        Form::Instant { zoned: false, .. } => {
            findings
                .push(Finding::advice(key, format!("column {column} has no time zone: its values are taken as UTC")));
        }
        Form::Decimal { is_column: true, .. } if schema.kind == AttributeType::Float => {
            findings.push(Finding::advice(key, "decimals are compared as the doubles nearest to them"));
        }
        _ => {}
    }
}

fn extension(store: &PgEntities, layout: &Layout, findings: &mut Vec<Finding>) {
    if store.schema().vectors.is_empty() {
        return;
    }
    findings.push(match &layout.extension {
        None => Finding::problem("", "the database has no extension `vector`: run CREATE EXTENSION vector"),
        Some(extension) if !extension.scans_iteratively() => Finding::problem(
            "",
            format!(
                "extension vector {}: 0.8 or newer is needed to go on where a filter lets little pass",
                extension.version
            ),
        ),
        Some(extension) => {
            Finding::fact("", format!("extension vector {} in schema {}", extension.version, extension.schema))
        }
    });
}

async fn vector(
    session: &mut Session,
    ctx: &CallContext,
    store: &PgEntities,
    layout: &Layout,
    index: u16,
    (rows, memory): (u64, u64),
    findings: &mut Vec<Finding>,
) -> Result<(), BackendError> {
    let schema = &store.schema().vectors[usize::from(index)];
    let name = &store.mapping().vectors[usize::from(index)];
    let key = format!("vectors.{}.column", schema.name);
    let (space, facts) = match (layout.space(index), layout.table.columns.get(name)) {
        (Ok(space), Some(facts)) => (space, facts),
        (Err(problem), _) => {
            findings.push(Finding::problem(key, problem));
            return Ok(());
        }
        (Ok(_), None) => return Ok(()),
    };
    let column = quoted(name);
    findings.push(Finding::fact(key.clone(), format!("column {column} of type {}", facts.type_name)));
    let class = format!(
        "{}_{}_ops",
        if matches!(facts.kind, ColumnKind::HalfVector(_)) { "halfvec" } else { "vector" },
        schema.metric.as_str()
    );
    let mut serves = false;
    for found in layout.indexes.iter().filter(|index| index.is_ann()) {
        let of_column = found.keys.first() == Some(&facts.number);
        let of_expression = found.keys.first() == Some(&0) && found.first_key.contains(name.as_str());
        if !of_column && !of_expression {
            continue;
        }
        let parameters =
            if found.parameters.is_empty() { "default parameters".into() } else { found.parameters.join(", ") };
        let described = format!("index {}: {} with {}, {parameters}", found.name, found.method, found.class);
        let why_not = match found {
            _ if !of_column => Some("it is on an expression, which searches do not use"),
            index if !index.valid => Some("it is not valid: build it again"),
            index if index.partial => Some("it holds only some rows"),
            index if index.class != class => Some("its operator class is of another metric"),
            _ => None,
        };
        match why_not {
            Some(why) => {
                findings.push(Finding::advice(
                    key.clone(),
                    format!("{described}; it serves no search: {why} ({class} is needed)"),
                ));
            }
            None => {
                serves = true;
                let size = text(session, ctx, &size_of(found)).await?.parse::<u64>().unwrap_or(0);
                findings.push(Finding::fact(key.clone(), format!("{described}, {} MiB", size >> 20)));
                if size > memory {
                    findings.push(Finding::advice(
                        key.clone(),
                        format!(
                            "index {} is larger than shared_buffers ({} MiB): searches read from disk",
                            found.name,
                            memory >> 20
                        ),
                    ));
                }
            }
        }
    }
    if !serves && rows > SMALL {
        let most = if matches!(facts.kind, ColumnKind::HalfVector(_)) { 2 * MOST_INDEXED } else { MOST_INDEXED };
        let how = if matches!(facts.kind, ColumnKind::Vector(None) | ColumnKind::HalfVector(None)) {
            format!(
                "an index needs a column of one length: ALTER COLUMN {column} TYPE {}({})",
                facts.type_name, space.dimensions
            )
        } else if space.dimensions > most {
            format!(
                "an index holds at most {most} components; a column of halfvec takes twice as many as one of vector"
            )
        } else {
            format!("CREATE INDEX CONCURRENTLY … USING hnsw ({column} {class}) would spare that")
        };
        findings
            .push(Finding::advice(key, format!("no index for approximate search: each search reads all rows; {how}")));
    }
    Ok(())
}

/// The size of an index; its name comes from the catalogs.
fn size_of(index: &IndexFacts) -> String {
    format!("SELECT pg_relation_size({}::int8::oid::regclass)::text", index.oid)
}
