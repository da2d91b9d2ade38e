//! tmp
use super::PgGraph;
use crate::backend::{
    BackendError, DegreeStatistics, EdgeStatistics, GraphCosts, GraphStatistics, postgres::EdgeTable,
};
pub(super) fn unknown(edges: &EdgeTable) -> GraphStatistics {
    let d = DegreeStatistics { mean: 5.0, p99: 50.0, max: 1000, mean_after_step: 10.0, known: None };
    GraphStatistics {
        nodes: 10_000,
        edges: vec![EdgeStatistics { count: 10_000, out: d.clone(), r#in: d }; edges.types.len()],
        costs: GraphCosts::default(),
        epoch: 0,
    }
}
pub(super) async fn learn(_: &PgGraph) -> Result<(), BackendError> {
    Ok(())
}
