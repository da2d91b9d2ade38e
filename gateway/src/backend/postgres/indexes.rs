//! The indexes of a table, as the server's catalogs describe them.

use sqlx::{Row, postgres::PgRow};

use super::{session::Session, statement::Statement};
use crate::backend::{BackendError, CallContext};

/// An index.
#[derive(Debug, Clone)]
pub(super) struct IndexFacts {
    /// Its object identifier.
    pub(super) oid: i64,
    /// Its name.
    pub(super) name: String,
    /// `btree`, `gin`, `hnsw`, `ivfflat`, …
    pub(super) method: String,
    /// The operator class of its first key, as in `vector_cosine_ops`.
    pub(super) class: String,
    /// `pg_attribute.attnum` of its keys; 0 for an expression.
    pub(super) keys: Vec<i16>,
    /// Its first key as the server spells it.
    pub(super) first_key: String,
    /// Complete and in use.
    pub(super) valid: bool,
    /// Holds only the rows that fulfil a condition.
    pub(super) partial: bool,
    /// No two rows have the same key.
    pub(super) unique: bool,
    /// As in `m=16`.
    pub(super) parameters: Vec<String>,
}

impl IndexFacts {
    /// Whether it holds vectors for approximate search.
    pub(super) fn is_ann(&self) -> bool {
        matches!(self.method.as_str(), "hnsw" | "ivfflat")
    }

    /// A parameter by its name.
    pub(super) fn parameter(&self, name: &str) -> Option<u32> {
        self.parameters.iter().find_map(|parameter| parameter.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
    }
}

const INDEXES: &str = r#"
SELECT c.relname::text, m.amname::text, coalesce(o.opcname::text, ''), string_to_array(i.indkey::text, ' ')::int2[],
       pg_get_indexdef(i.indexrelid, 1, true), i.indisvalid AND i.indisready, i.indpred IS NOT NULL, i.indisunique,
       c.reloptions, c.oid::int8
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_am m ON m.oid = c.relam
LEFT JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[0]
WHERE i.indrelid = $1::int8::oid
ORDER BY 1"#;

/// The indexes of a table.
pub(super) async fn indexes(
    session: &mut Session,
    ctx: &CallContext,
    table: i64,
) -> Result<Vec<IndexFacts>, BackendError> {
    let mut statement = Statement::new(INDEXES);
    statement.argument(table);
    let rows = session.rows(ctx, &statement).await?;
    rows.iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(|error| session.failed(format!("the catalog of indexes does not read as expected: {error}")))
}

fn read(row: &PgRow) -> Result<IndexFacts, sqlx::Error> {
    Ok(IndexFacts {
        oid: row.try_get(9)?,
        name: row.try_get(0)?,
        method: row.try_get(1)?,
        class: row.try_get(2)?,
        keys: row.try_get(3)?,
        first_key: row.try_get::<Option<String>, _>(4)?.unwrap_or_default(),
        valid: row.try_get(5)?,
        partial: row.try_get(6)?,
        unique: row.try_get(7)?,
        parameters: row.try_get::<Option<Vec<String>>, _>(8)?.unwrap_or_default(),
    })
}
