//! Statistics of attributes from a sample of rows, where the server has none: of values inside JSON, of views, of tables that
//! were never analysed.

use std::collections::{BTreeMap, HashMap};

use super::{layout::Layout, session::Session, statement::Statement};
use crate::{
    backend::{AttributeStatistics, BackendError, CallContext, Histogram},
    value::{AttributeType, AttributeValue, Literal, Number},
};

/// Rows of a sample.
const SAMPLE: u64 = 2_000;

/// As many as the server keeps by default.
const MAX_COMMON: usize = 100;
const MAX_BOUNDS: usize = 100;

/// The rows of a sample, as they stand in `FROM`: blocks spread over the table, where it has some.
pub(super) fn source(layout: &Layout, rows: u64, wanted: u64) -> String {
    // Twice as many blocks as needed on average, as some hold fewer rows.
    if matches!(layout.table.kind, 'r' | 'm' | 'p') && rows > 4 * wanted {
        let percent = 200.0 * wanted as f64 / rows as f64;
        format!("{} TABLESAMPLE SYSTEM ({percent:.6}) REPEATABLE (1)", layout.from)
    } else {
        layout.from.clone()
    }
}

/// What a sample says of these attributes.
pub(super) async fn attributes(
    session: &mut Session,
    ctx: &CallContext,
    layout: &Layout,
    wanted: &[u16],
    rows: u64,
) -> Result<Vec<(u16, AttributeStatistics)>, BackendError> {
    let known: Vec<_> = wanted.iter().filter_map(|index| Some((*index, layout.attribute(*index).ok()?))).collect();
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let columns: Vec<String> = known.iter().map(|(_, attribute)| attribute.output()).collect();
    let statement =
        Statement::new(format!("SELECT {} FROM {} LIMIT {SAMPLE}", columns.join(", "), source(layout, rows, SAMPLE)));
    let found = session.rows(ctx, &statement).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let mut statistics = Vec::with_capacity(known.len());
    for (place, (index, attribute)) in known.iter().enumerate() {
        let values: Result<Vec<AttributeValue>, _> = found.iter().map(|row| attribute.decode(row, place)).collect();
        let values = values.map_err(|_| session.failed("a sample does not read as expected"))?;
        statistics.push((*index, describe(attribute.kind, &values, rows)));
    }
    Ok(statistics)
}

/// The distribution of sampled values.
fn describe(kind: AttributeType, values: &[AttributeValue], rows: u64) -> AttributeStatistics {
    let sampled = values.len() as f64;
    let mut counts: BTreeMap<Literal, u64> = BTreeMap::new();
    let mut missing = 0.0;
    for value in values {
        let mut count = |literal| *counts.entry(literal).or_default() += 1;
        match value {
            AttributeValue::Null => missing += 1.0,
            AttributeValue::Text(text) => count(Literal::Text(text.clone())),
            AttributeValue::Integer(value) => count(Literal::Number(Number::Integer((*value).into()))),
            AttributeValue::Float(value) => count(Literal::Number(Number::from_f64(*value))),
            AttributeValue::Boolean(value) => count(Literal::Boolean(*value)),
            AttributeValue::Timestamp(value) => count(Literal::Timestamp(*value)),
            AttributeValue::Keywords(list) => {
                let mut list = list.clone();
                list.sort_unstable();
                list.dedup();
                list.into_iter().for_each(|element| count(Literal::Text(element)));
            }
        }
    }
    let mut by_count: Vec<(&Literal, u64)> = counts.iter().map(|(value, count)| (value, *count)).collect();
    by_count.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    // What is there once says nothing of how common it is, unless the sample is all there is.
    let is_all = values.len() as u64 >= rows;
    let enough = by_count.iter().take(MAX_COMMON).take_while(|(_, count)| is_all || *count > 1).count();
    let common: HashMap<Literal, f64> =
        by_count[..enough].iter().map(|(value, count)| ((*value).clone(), *count as f64 / sampled)).collect();
    let is_list = kind == AttributeType::Keywords;
    let rest: Vec<(&Literal, u64)> =
        counts.iter().filter(|(value, _)| !common.contains_key(*value)).map(|(value, count)| (value, *count)).collect();
    AttributeStatistics {
        null_fraction: missing / sampled,
        distinct: distinct(&counts, rows),
        histogram: if is_list { None } else { histogram(&rest, sampled) },
        common,
    }
}

/// The number of distinct values in all rows, from those in a sample: the estimator "Duj1" of Haas and Stokes (IBM Research
/// Report RJ 10025, 1996).
fn distinct(counts: &BTreeMap<Literal, u64>, rows: u64) -> f64 {
    let found = counts.len() as f64;
    let sampled: f64 = counts.values().map(|count| *count as f64).sum();
    let once = counts.values().filter(|count| **count == 1).count() as f64;
    let all = (rows as f64).max(sampled);
    let estimate = sampled * found / (sampled - once + once * sampled / all);
    if estimate.is_finite() { estimate.clamp(found, all) } else { found }
}

/// Bounds between which lie about equal shares.
fn histogram(values: &[(&Literal, u64)], sampled: f64) -> Option<Histogram> {
    let flat: Vec<&Literal> =
        values.iter().flat_map(|(value, count)| std::iter::repeat_n(*value, *count as usize)).collect();
    if flat.len() < 2 {
        return None;
    }
    let steps = (flat.len() - 1).min(MAX_BOUNDS);
    let bounds = (0..=steps).map(|step| flat[step * (flat.len() - 1) / steps].clone()).collect();
    Some(Histogram { bounds, fraction: flat.len() as f64 / sampled })
}
