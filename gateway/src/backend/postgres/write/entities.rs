//! The statements that move staged entities into their table, whatever types its columns have.

use std::{collections::BTreeMap, ops::Range};

use sqlx::{PgConnection, Row as _};

use super::{WriteError, copy::Rows, ddl};
use crate::{
    backend::{
        embedded::Parts,
        postgres::{EntityTable, names},
    },
    catalog::CollectionSchema,
};

/// The statements of one target.
pub(super) struct Statements {
    pub(super) staging: String,
    pub(super) copy: String,
    pub(super) upsert: String,
}

impl Statements {
    /// Looks up the columns' types. In the staging table, column `a3` is attribute 3 and `v0` vector 0.
    pub(super) async fn find(
        connection: &mut PgConnection,
        schema: &CollectionSchema,
        entities: &EntityTable,
    ) -> Result<Self, WriteError> {
        let types = types_of(connection, &entities.table).await?;
        let type_of = |column: &str| {
            let missing = || WriteError::Table(format!("table {} has no column `{column}`", entities.table));
            types.get(column).cloned().ok_or_else(missing)
        };
        let mut staged = vec![("id".to_owned(), ddl::id_type(schema.id_type).to_owned())];
        let mut moved = vec![(entities.id.clone(), format!("s.id::{}", type_of(&entities.id)?))];
        let mut documents: BTreeMap<&str, Document> = BTreeMap::new();
        for (index, (attribute, place)) in schema.attributes.iter().zip(&entities.attributes).enumerate() {
            staged.push((format!("a{index}"), ddl::attribute_type(attribute.kind).to_owned()));
            if place.path.is_empty() {
                moved.push((place.column.clone(), format!("s.a{index}::{}", type_of(&place.column)?)));
            } else {
                documents.entry(&place.column).or_default().insert(&place.path, format!("s.a{index}"));
            }
        }
        for (index, (vector, column)) in schema.vectors.iter().zip(&entities.vectors).enumerate() {
            staged.push((format!("v{index}"), format!("vector({})", vector.dimensions)));
            moved.push((column.clone(), format!("s.v{index}::{}", type_of(column)?)));
        }
        for (column, document) in documents {
            moved.push((column.to_owned(), format!("({})::{}", document.sql(), type_of(column)?)));
        }
        Ok(Self::of(entities, &staged, &moved))
    }

    fn of(entities: &EntityTable, staged: &[(String, String)], moved: &[(String, String)]) -> Self {
        let table = names::quoted_table(&entities.table);
        let list = |items: Vec<String>| items.join(", ");
        let columns = list(moved.iter().map(|(name, _)| names::quoted(name)).collect());
        let values = list(moved.iter().map(|(_, value)| value.clone()).collect());
        let sets: Vec<String> = moved[1..]
            .iter()
            .map(|(name, value)| {
                let name = names::quoted(name);
                // Other keys of a document stay.
                match value.contains("jsonb_build_object") {
                    true => format!("{name} = coalesce(t.{name}::jsonb, '{{}}') || excluded.{name}::jsonb"),
                    false => format!("{name} = excluded.{name}"),
                }
            })
            .collect();
        let conflict = if sets.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", list(sets)) };
        let id = names::quoted(&entities.id);
        Self {
            staging: format!(
                "CREATE TEMP TABLE IF NOT EXISTS forebay_entities ({}) ON COMMIT DELETE ROWS",
                list(staged.iter().map(|(name, kind)| format!("{name} {kind}")).collect())
            ),
            copy: "COPY forebay_entities FROM STDIN (FORMAT binary)".to_owned(),
            upsert: format!(
                "INSERT INTO {table} AS t ({columns}) SELECT {values} FROM forebay_entities s \
                 ON CONFLICT ({id}) DO {conflict}"
            ),
        }
    }
}

/// Attributes that share a JSON document.
#[derive(Default)]
struct Document {
    value: Option<String>,
    keys: BTreeMap<String, Document>,
}

impl Document {
    fn insert(&mut self, path: &[String], value: String) {
        match path {
            [] => self.value = Some(value),
            [key, rest @ ..] => self.keys.entry(key.clone()).or_default().insert(rest, value),
        }
    }

    fn sql(&self) -> String {
        if let Some(value) = &self.value {
            return value.clone();
        }
        let keys = self.keys.iter().map(|(key, inner)| format!("{}, {}", names::literal(key), inner.sql()));
        format!("jsonb_strip_nulls(jsonb_build_object({}))", keys.collect::<Vec<_>>().join(", "))
    }
}

/// The types of a table's columns, as SQL spells them.
pub(super) async fn types_of(
    connection: &mut PgConnection,
    table: &str,
) -> Result<BTreeMap<String, String>, WriteError> {
    let query = "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute \
                 WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    let rows = sqlx::query(query)
        .bind(names::quoted_table(table))
        .fetch_all(connection)
        .await
        .map_err(WriteError::server("looking up columns"))?;
    if rows.is_empty() {
        return Err(WriteError::Table(format!("there is no table {table}; `--create` makes one")));
    }
    let read = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    read.collect::<Result<_, sqlx::Error>>().map_err(WriteError::server("looking up columns"))
}

/// Entities in the form of the staging table.
pub(super) fn rows(schema: &CollectionSchema, parts: &Parts, range: Range<usize>) -> Vec<u8> {
    let mut rows = Rows::default();
    for row in range {
        rows.begin(1 + schema.attributes.len() + schema.vectors.len());
        rows.id(&parts.ids[row]);
        for (attribute, column) in schema.attributes.iter().zip(&parts.columns) {
            rows.value(&column.value(row as u32, attribute.kind));
        }
        for (space, vectors) in schema.vectors.iter().zip(&parts.vectors) {
            match vectors.rows.binary_search(&(row as u32)) {
                Ok(at) => rows.vector(&vectors.values[at * space.dimensions..][..space.dimensions]),
                Err(_) => rows.null(),
            }
        }
    }
    rows.finish()
}
