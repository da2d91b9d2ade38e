//! What the server's catalogs say of a table and its columns.

use std::collections::BTreeMap;

use sqlx::{Row, postgres::PgRow};

use super::{names::quoted_table, session::Session, statement::Statement};
use crate::backend::{BackendError, CallContext};

/// A table, view, partitioned or foreign table.
#[derive(Debug, Clone)]
pub(crate) struct TableFacts {
    /// Its object identifier.
    pub(crate) oid: i64,
    /// `pg_class.relkind`.
    pub(crate) kind: char,
    /// Quoted, as statements name it.
    pub(crate) quoted: String,
    /// By name, unquoted.
    pub(crate) columns: BTreeMap<String, ColumnFacts>,
}

/// A column.
#[derive(Debug, Clone)]
pub(crate) struct ColumnFacts {
    /// `pg_attribute.attnum`.
    pub(crate) number: i16,
    /// What it holds; of a domain, what that is made of.
    pub(crate) kind: ColumnKind,
    /// The object identifier of its type; of a domain, of what that is made of.
    pub(crate) type_oid: u32,
    /// The type as the server spells it.
    pub(crate) type_name: String,
    /// It cannot be NULL.
    pub(crate) not_null: bool,
    /// Its texts are ordered by bytes, and so are its indexes.
    pub(crate) by_bytes: bool,
    /// Two texts of it are equal only if their bytes are.
    pub(crate) deterministic: bool,
}

/// A type of column that the gateway can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Text,
    Varchar,
    /// A type whose text form is a keyword: an enumeration, `char(n)`, `name`, `citext`.
    OtherText,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Boolean,
    TimestampTz,
    /// Without a time zone: taken as UTC.
    Timestamp,
    /// Taken as midnight UTC.
    Date,
    Uuid,
    Json,
    Jsonb,
    TextList,
    VarcharList,
    /// `vector`; the number of components, if the column fixes it.
    Vector(Option<u16>),
    /// `halfvec`; the number of components, if the column fixes it.
    HalfVector(Option<u16>),
    Unknown,
}

/// The `vector` extension.
#[derive(Debug, Clone)]
pub(crate) struct ExtensionFacts {
    /// As in `0.8.1`.
    pub(crate) version: String,
    /// The schema of its types and operators, quoted.
    pub(crate) schema: String,
}

impl ExtensionFacts {
    /// Whether an index can be scanned on when a filter let too few rows pass: since 0.8.
    pub(crate) fn scans_iteratively(&self) -> bool {
        let mut numbers = self.version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (0, 8)
    }
}

const COLUMNS: &str = r#"
WITH RECURSIVE typed (number, type, modifier) AS (
    SELECT attnum, atttypid, atttypmod FROM pg_catalog.pg_attribute
    WHERE attrelid = to_regclass($1)::oid AND attnum > 0 AND NOT attisdropped
  UNION ALL
    SELECT number, d.typbasetype, CASE WHEN modifier = -1 THEN d.typtypmod ELSE modifier END
    FROM typed JOIN pg_catalog.pg_type d ON d.oid = type WHERE d.typtype = 'd'
)
SELECT c.oid::int8, c.relkind::text, a.attnum, a.attname::text, t.oid::int8, t.typname::text, t.typtype::text,
       t.typnamespace = e.extnamespace AS of_extension, typed.modifier,
       format_type(a.atttypid, a.atttypmod), a.attnotnull,
       CASE WHEN l.collprovider::text IN ('c', 'b') THEN l.collprovider::text ELSE to_jsonb(d) ->> 'datlocprovider' END,
       CASE WHEN l.collprovider::text = 'c' THEN l.collcollate::text ELSE d.datcollate::text END,
       coalesce(l.collisdeterministic, true)
FROM typed
JOIN pg_catalog.pg_class c ON c.oid = to_regclass($1)::oid
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = typed.number
JOIN pg_catalog.pg_type t ON t.oid = typed.type AND t.typtype <> 'd'
JOIN pg_catalog.pg_database d ON d.datname = current_database()
LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
LEFT JOIN pg_catalog.pg_extension e ON e.extname = 'vector'"#;

const EXTENSION: &str = "SELECT extversion, quote_ident(nspname) FROM pg_catalog.pg_extension \
     JOIN pg_catalog.pg_namespace n ON n.oid = extnamespace WHERE extname = 'vector'";

/// Looks a configured table up. `None` if there is none, or none that the search path leads to.
pub(crate) async fn table(
    session: &mut Session,
    ctx: &CallContext,
    configured: &str,
) -> Result<Option<TableFacts>, BackendError> {
    let quoted = quoted_table(configured);
    let mut statement = Statement::new(COLUMNS);
    statement.argument(quoted.as_str());
    let rows = session.rows(ctx, &statement).await?;
    let read = || -> Result<Option<TableFacts>, sqlx::Error> {
        let Some(first) = rows.first() else { return Ok(None) };
        let columns = rows.iter().map(|row| Ok((row.try_get(3)?, column(row)?)));
        Ok(Some(TableFacts {
            oid: first.try_get(0)?,
            kind: first.try_get::<&str, _>(1)?.chars().next().unwrap_or('?'),
            quoted: quoted.clone(),
            columns: columns.collect::<Result<_, sqlx::Error>>()?,
        }))
    };
    read().map_err(|_| session.failed("the catalog of columns does not read as expected"))
}

/// The `vector` extension of the database, if it has one.
pub(crate) async fn extension(
    session: &mut Session,
    ctx: &CallContext,
) -> Result<Option<ExtensionFacts>, BackendError> {
    let rows = session.rows(ctx, &Statement::new(EXTENSION)).await?;
    let read = |row: &PgRow| Ok(ExtensionFacts { version: row.try_get(0)?, schema: row.try_get(1)? });
    rows.first()
        .map(read)
        .transpose()
        .map_err(|_: sqlx::Error| session.failed("the catalog of extensions does not read as expected"))
}

fn column(row: &PgRow) -> Result<ColumnFacts, sqlx::Error> {
    let (type_oid, type_kind): (i64, &str) = (row.try_get(4)?, row.try_get(6)?);
    let (of_extension, modifier): (Option<bool>, i32) = (row.try_get(7)?, row.try_get(8)?);
    let dimensions = u16::try_from(modifier).ok().filter(|dimensions| *dimensions > 0);
    let kind = match (row.try_get::<&str, _>(5)?, of_extension) {
        ("vector", Some(true)) => ColumnKind::Vector(dimensions),
        ("halfvec", Some(true)) => ColumnKind::HalfVector(dimensions),
        ("citext", _) => ColumnKind::OtherText,
        _ if type_kind == "e" => ColumnKind::OtherText,
        _ => built_in(type_oid),
    };
    let (provider, collate): (Option<&str>, Option<&str>) = (row.try_get(11)?, row.try_get(12)?);
    let by_bytes = match provider {
        // The built-in provider orders by code points, which in UTF-8 is by bytes.
        Some("b") => true,
        Some("c") | None => matches!(collate, Some("C" | "POSIX")),
        Some(_) => false,
    };
    Ok(ColumnFacts {
        number: row.try_get(2)?,
        kind,
        type_oid: u32::try_from(type_oid).unwrap_or(0),
        type_name: row.try_get(9)?,
        not_null: row.try_get(10)?,
        by_bytes,
        deterministic: row.try_get(13)?,
    })
}

/// The kind of a type by its fixed object identifier.
fn built_in(type_oid: i64) -> ColumnKind {
    match type_oid {
        25 => ColumnKind::Text,
        1043 => ColumnKind::Varchar,
        19 | 1042 => ColumnKind::OtherText,
        21 => ColumnKind::Int2,
        23 => ColumnKind::Int4,
        20 => ColumnKind::Int8,
        700 => ColumnKind::Float4,
        701 => ColumnKind::Float8,
        1700 => ColumnKind::Numeric,
        16 => ColumnKind::Boolean,
        1184 => ColumnKind::TimestampTz,
        1114 => ColumnKind::Timestamp,
        1082 => ColumnKind::Date,
        2950 => ColumnKind::Uuid,
        114 => ColumnKind::Json,
        3802 => ColumnKind::Jsonb,
        1009 => ColumnKind::TextList,
        1015 => ColumnKind::VarcharList,
        _ => ColumnKind::Unknown,
    }
}
