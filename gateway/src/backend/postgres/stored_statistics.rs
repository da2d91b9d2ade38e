//! The server's statistics of columns (`pg_stats`), as it last gathered them.

use std::collections::HashMap;

use sqlx::{Row, postgres::PgRow};

use super::{
    attributes::{Attribute, Form},
    layout::Layout,
    mapping::EntityTable,
    session::Session,
    statement::Statement,
};
use crate::{
    backend::{AttributeStatistics, BackendError, CallContext, Histogram},
    catalog::CollectionSchema,
    value::{AttributeType, Literal, Number},
};

/// What the server knows.
pub(super) struct Stored {
    /// One an attribute of the schema; `None` of what the server knows nothing.
    pub(super) attributes: Vec<Option<AttributeStatistics>>,
    /// The fraction of rows that have a vector, one a vector of the schema.
    pub(super) present: Vec<f64>,
}

/// Of a partitioned table the statistics of all its parts together come first.
const STATISTICS: &str = r#"
SELECT DISTINCT ON (s.attname) s.attname::text, s.null_frac::float8, s.n_distinct::float8,
       s.most_common_vals::text::text[], s.most_common_freqs::float8[], s.histogram_bounds::text::text[],
       s.most_common_elems::text::text[], s.most_common_elem_freqs::float8[]
FROM pg_catalog.pg_stats s
JOIN pg_catalog.pg_namespace n ON n.nspname = s.schemaname
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
WHERE c.oid = $1::int8::oid AND s.attname = ANY($2)
ORDER BY s.attname, s.inherited DESC"#;

/// Reads what the server knows of the columns of a collection.
pub(super) async fn read(
    session: &mut Session,
    ctx: &CallContext,
    layout: &Layout,
    mapping: &EntityTable,
    schema: &CollectionSchema,
    rows: u64,
) -> Result<Stored, BackendError> {
    let names: Vec<&str> = mapping
        .attributes
        .iter()
        .map(|place| place.column.as_str())
        .chain(mapping.vectors.iter().map(String::as_str))
        .collect();
    let mut statement = Statement::new(STATISTICS);
    statement.argument(layout.table.oid);
    statement.argument(&names);
    let found = session.rows(ctx, &statement).await?;
    let columns: Result<HashMap<String, Column>, sqlx::Error> =
        found.iter().map(|row| Ok((row.try_get(0)?, Column::read(row)?))).collect();
    let columns = columns.map_err(|_| session.failed("the statistics of columns do not read as expected"))?;
    let attributes = schema.attributes.iter().zip(&mapping.attributes).enumerate().map(|(index, (_, place))| {
        // Of what is inside JSON the server knows nothing.
        let attribute = layout.attribute(index as u16).ok().filter(|_| place.path.is_empty())?;
        columns.get(&place.column)?.of(attribute, rows)
    });
    let present = mapping.vectors.iter().map(|name| columns.get(name).map_or(1.0, |column| 1.0 - column.null_fraction));
    Ok(Stored { attributes: attributes.collect(), present: present.collect() })
}

/// A row of `pg_stats`.
struct Column {
    null_fraction: f64,
    distinct: f64,
    common: Vec<(String, f64)>,
    bounds: Vec<String>,
    elements: Vec<(String, f64)>,
}

impl Column {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let pairs = |values: usize, frequencies: usize| -> Result<Vec<(String, f64)>, sqlx::Error> {
            let values: Option<Vec<String>> = row.try_get(values)?;
            let frequencies: Option<Vec<f64>> = row.try_get(frequencies)?;
            // Of elements there are a few more frequencies than values: the least, the greatest, that of NULL.
            Ok(values.unwrap_or_default().into_iter().zip(frequencies.unwrap_or_default()).collect())
        };
        Ok(Self {
            null_fraction: row.try_get::<f64, _>(1)?.clamp(0.0, 1.0),
            distinct: row.try_get(2)?,
            common: pairs(3, 4)?,
            bounds: row.try_get::<Option<Vec<String>>, _>(5)?.unwrap_or_default(),
            elements: pairs(6, 7)?,
        })
    }

    /// What this says of an attribute; `None` if nothing.
    fn of(&self, attribute: &Attribute, rows: u64) -> Option<AttributeStatistics> {
        if attribute.kind == AttributeType::Keywords {
            let Form::List { .. } = attribute.form else { return None };
            // Their frequencies are among the rows that have a list.
            let present = 1.0 - self.null_fraction;
            let common: HashMap<Literal, f64> = self
                .elements
                .iter()
                .map(|(element, frequency)| (Literal::Text(element.as_str().into()), frequency * present))
                .collect();
            // Elements below a cut-off are left out, and nothing says how many they are.
            let distinct = common.len() as f64 * 1.5 + 1.0;
            return Some(AttributeStatistics { null_fraction: self.null_fraction, distinct, common, histogram: None });
        }
        if matches!(attribute.form, Form::JsonList { .. } | Form::Text { guard: Some(_), .. }) {
            return None;
        }
        let mut missing = self.null_fraction;
        let mut common = HashMap::with_capacity(self.common.len());
        let mut frequent = 0.0;
        for (text, frequency) in &self.common {
            match literal(attribute, text) {
                Some(value) => {
                    common.insert(value, *frequency);
                    frequent += frequency;
                }
                // NaN and the like.
                None => missing += frequency,
            }
        }
        let mut bounds: Vec<Literal> = self.bounds.iter().filter_map(|text| literal(attribute, text)).collect();
        // The server's order of texts may be another one.
        bounds.sort_unstable();
        let fraction = (1.0 - missing - frequent).max(0.0);
        let histogram = (bounds.len() >= 2 && fraction > 0.0).then_some(Histogram { bounds, fraction });
        let distinct = match self.distinct {
            // A fraction of the rows, negated.
            share if share < 0.0 => -share * rows as f64,
            0.0 => rows as f64,
            distinct => distinct,
        };
        Some(AttributeStatistics { null_fraction: missing.min(1.0), distinct, common, histogram })
    }
}

/// A value as the server prints it.
fn literal(attribute: &Attribute, text: &str) -> Option<Literal> {
    let number = |value: f64| (!value.is_nan()).then(|| Literal::Number(Number::from_f64(value)));
    match attribute.kind {
        AttributeType::Keyword | AttributeType::Text | AttributeType::Keywords => Some(Literal::Text(text.into())),
        AttributeType::Integer | AttributeType::Float => match text.parse::<i64>() {
            Ok(value) => Some(Literal::Number(Number::Integer(value.into()))),
            Err(_) => number(text.parse().ok()?),
        },
        AttributeType::Boolean => match text {
            "t" => Some(Literal::Boolean(true)),
            "f" => Some(Literal::Boolean(false)),
            _ => None,
        },
        AttributeType::Timestamp => {
            let instant = match attribute.form {
                Form::Instant { is_date: true, .. } => format!("{text} 00:00:00Z"),
                Form::Instant { zoned: false, .. } => format!("{text}Z"),
                _ => text.to_owned(),
            };
            instant.parse::<jiff::Timestamp>().ok().map(|instant| Literal::Timestamp(instant.as_microsecond()))
        }
    }
}
