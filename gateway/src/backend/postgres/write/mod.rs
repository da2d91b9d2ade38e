//! Writes a data set into Postgres: entities and edges by binary `COPY` into a staging table and from there by upsert, a
//! transaction a batch. Run again after a failure it goes over what is there already and ends with the same tables.
//!
//! Rows are added and updated, never deleted. Tables and indexes are only made on request.

mod copy;
mod ddl;
mod entities;
#[cfg(test)]
mod tests;

use sqlx::{Connection as _, PgConnection};

use super::{EdgeTable, EntityTable};
use crate::{
    backend::embedded::Parts,
    catalog::CollectionSchema,
    load::{Progress, Step},
};

/// Rows of one transaction.
const BATCH: usize = 10_000;

/// Where to write.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Names and types.
    pub schema: &'a CollectionSchema,
    /// The table of the entities, if it is in this database.
    pub entities: Option<&'a EntityTable>,
    /// The table of the edges, if it is in this database.
    pub edges: Option<&'a EdgeTable>,
    /// Makes schemas, tables and indexes that are not there, and analyses the tables at the end.
    pub create: bool,
}

/// Why the data is not there, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The server refused a statement.
    #[error("{what}: {error}")]
    Server {
        /// What was being done.
        what: String,
        /// What the server says.
        error: sqlx::Error,
    },
    /// A table does not have what the configuration says.
    #[error("{0}")]
    Table(String),
}

impl WriteError {
    fn server(what: impl Into<String>) -> impl FnOnce(sqlx::Error) -> Self {
        let what = what.into();
        |error| Self::Server { what, error }
    }
}

/// Writes everything. What was committed before a failure stays.
pub async fn write(
    connection: &mut PgConnection,
    target: Target<'_>,
    parts: &Parts,
    progress: &mut dyn Progress,
) -> Result<(), WriteError> {
    if target.create {
        run(connection, "making tables", &ddl::tables(target)).await?;
    }
    if let Some(table) = target.entities {
        entities(connection, target, table, parts, progress).await?;
    }
    if let Some(table) = target.edges {
        edges(connection, target, table, parts, progress).await?;
    }
    if target.create {
        progress.begin(Step::Index, None);
        run(connection, "making indexes", &ddl::indexes(target)).await?;
        progress.end();
    }
    Ok(())
}

async fn entities(
    connection: &mut PgConnection,
    target: Target<'_>,
    table: &EntityTable,
    parts: &Parts,
    progress: &mut dyn Progress,
) -> Result<(), WriteError> {
    let statements = entities::Statements::find(connection, target.schema, table).await?;
    run(connection, "making a staging table", std::slice::from_ref(&statements.staging)).await?;
    progress.begin(Step::WriteEntities, Some(parts.ids.len() as u64));
    for from in (0..parts.ids.len()).step_by(BATCH) {
        let to = (from + BATCH).min(parts.ids.len());
        let bytes = entities::rows(target.schema, parts, from..to);
        batch(connection, "writing entities", &statements.copy, bytes, &statements.upsert).await?;
        progress.advance(to as u64);
    }
    progress.end();
    Ok(())
}

async fn edges(
    connection: &mut PgConnection,
    target: Target<'_>,
    table: &EdgeTable,
    parts: &Parts,
    progress: &mut dyn Progress,
) -> Result<(), WriteError> {
    let id_type = ddl::id_type(target.schema.id_type);
    let staging = format!(
        "CREATE TEMP TABLE IF NOT EXISTS forebay_edges \
         (source {id_type}, target {id_type}, type text) ON COMMIT DELETE ROWS"
    );
    run(connection, "making a staging table", &[staging]).await?;
    let names = ddl::EdgeNames::of(table);
    let upsert = names.insert(&entities::types_of(connection, &table.table).await?)?;
    let copy = "COPY forebay_edges (source, target, type) FROM STDIN (FORMAT binary)";
    let total: usize = parts.edges.iter().map(|edges| edges.sources.len()).sum();
    progress.begin(Step::WriteEdges, Some(total as u64));
    let mut done = 0;
    for (edges, kind) in parts.edges.iter().zip(&table.types) {
        for from in (0..edges.sources.len()).step_by(BATCH) {
            let to = (from + BATCH).min(edges.sources.len());
            let mut rows = copy::Rows::default();
            for index in from..to {
                rows.begin(3);
                rows.id(&parts.ids[edges.sources[index] as usize]);
                rows.id(&parts.ids[edges.targets[index] as usize]);
                rows.text(kind);
            }
            batch(connection, "writing edges", copy, rows.finish(), &upsert).await?;
            done += to - from;
            progress.advance(done as u64);
        }
    }
    progress.end();
    Ok(())
}

/// One transaction: copies rows into a staging table and moves them on.
async fn batch(
    connection: &mut PgConnection,
    what: &str,
    copy: &str,
    bytes: Vec<u8>,
    upsert: &str,
) -> Result<(), WriteError> {
    let mut transaction = connection.begin().await.map_err(WriteError::server(what))?;
    let mut stream = transaction.copy_in_raw(copy).await.map_err(WriteError::server(what))?;
    stream.send(bytes).await.map_err(WriteError::server(what))?;
    stream.finish().await.map_err(WriteError::server(what))?;
    run(&mut transaction, what, &[upsert.to_owned()]).await?;
    transaction.commit().await.map_err(WriteError::server(what))
}

/// Runs statements that hold names of the configuration, and no values.
async fn run(connection: &mut PgConnection, what: &str, statements: &[String]) -> Result<(), WriteError> {
    for statement in statements {
        let statement = sqlx::AssertSqlSafe(statement.clone());
        sqlx::raw_sql(statement).execute(&mut *connection).await.map_err(WriteError::server(what))?;
    }
    Ok(())
}
