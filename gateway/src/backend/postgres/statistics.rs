//! What is known of a table: from the server's own statistics where it has some, else from a sample, refreshed off the path
//! of queries. `ANALYZE` is never run.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::Row;
use tokio_util::sync::CancellationToken;

use super::{PgEntities, costs, layout::Layout, sample, session::Session, stored_statistics};
use crate::{
    backend::{AttributeStatistics, BackendError, CallContext, VectorStatistics},
    catalog::CollectionSchema,
    query::Priority,
};

/// Rows of a table of which nothing is known.
const UNKNOWN_ROWS: u64 = 10_000;

/// Longest time for learning.
const LIMIT: Duration = Duration::from_secs(30);

/// Before anything was asked.
pub(super) fn unknown(schema: &CollectionSchema) -> VectorStatistics {
    VectorStatistics {
        rows: UNKNOWN_ROWS,
        usable: vec![UNKNOWN_ROWS; schema.vectors.len()],
        attributes: vec![nothing_known(UNKNOWN_ROWS); schema.attributes.len()],
        ann: vec![None; schema.vectors.len()],
        costs: costs::TYPICAL,
        epoch: 0,
    }
}

/// An attribute that may have any value.
fn nothing_known(rows: u64) -> AttributeStatistics {
    AttributeStatistics { distinct: rows as f64, ..AttributeStatistics::default() }
}

impl PgEntities {
    /// Reads the table's layout and the server's statistics again, and measures.
    pub(super) async fn learn(&self) -> Result<(), BackendError> {
        let ctx = CallContext {
            priority: Priority::Batch.into(),
            tenant: None,
            deadline: Instant::now() + LIMIT,
            cancelled: CancellationToken::new(),
            request_id: Arc::from("refresh"),
        };
        let layout = self.read_layout(&ctx).await?;
        let mut session = self.server().session(&ctx, "statistics", 0).await?;
        let rows = expected_rows(&mut session, &ctx, &layout).await?;
        let schema = self.schema();
        let mapping = self.mapping();
        let stored = stored_statistics::read(&mut session, &ctx, &layout, mapping, schema, rows).await?;
        let mut attributes = stored.attributes;
        let missing: Vec<u16> = (0..schema.attributes.len() as u16)
            .filter(|index| attributes[usize::from(*index)].is_none() && layout.attribute(*index).is_ok())
            .collect();
        for (index, sampled) in sample::attributes(&mut session, &ctx, &layout, &missing, rows).await? {
            attributes[usize::from(index)] = Some(sampled);
        }
        drop(session);
        let (costs, ann) = costs::measure(self, &ctx, &layout, rows).await?;
        self.statistics.store(Arc::new(VectorStatistics {
            rows,
            usable: stored.present.iter().map(|share| (rows as f64 * share).round() as u64).collect(),
            attributes: attributes.into_iter().map(|known| known.unwrap_or_else(|| nothing_known(rows))).collect(),
            ann,
            costs,
            epoch: self.statistics.load().epoch + 1,
        }));
        Ok(())
    }
}

/// The server's own estimate of the number of rows: it has one for views and for tables that were never analysed too.
pub(super) async fn expected_rows(
    session: &mut Session,
    ctx: &CallContext,
    layout: &Layout,
) -> Result<u64, BackendError> {
    let rows = expected_rows_of(session, ctx, &format!("SELECT 1 FROM {}", layout.from)).await?;
    Ok(rows as u64)
}

/// The number of rows that the server expects of a query without values.
pub(super) async fn expected_rows_of(
    session: &mut Session,
    ctx: &CallContext,
    query: &str,
) -> Result<f64, BackendError> {
    let rows = session.simple(ctx, &format!("EXPLAIN (FORMAT JSON) {query}")).await?;
    let estimate = rows.first().and_then(|row| {
        let plan: serde_json::Value = serde_json::from_str(row.try_get_raw(0).ok()?.as_str().ok()?).ok()?;
        plan.pointer("/0/Plan/Plan Rows")?.as_f64()
    });
    estimate.map(|rows| rows.max(0.0)).ok_or_else(|| session.failed("a plan does not read as expected"))
}
