//! Direct drivers, used as their manuals say: connections that are kept, prepared statements, binary values.

use neo4rs::BoltType;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use super::sql::Sql;
use crate::bench::{BenchError, stores::connect};

/// What a client that knows pgvector sets on its connections: plans for the values at hand, an index scan that goes on
/// until the filter has let enough rows pass, and a list that is long enough for 50 rows.
const SESSION: &str = "SET plan_cache_mode = force_custom_plan; SET jit = off; \
                       SET hnsw.iterative_scan = relaxed_order; SET hnsw.ef_search = 100";

/// A connection to Postgres.
pub(super) struct Postgres(PgConnection);

impl Postgres {
    pub(super) async fn new(url: &str) -> Result<Self, BenchError> {
        let mut connection = connect(url).await?;
        sqlx::raw_sql(SESSION).execute(&mut connection).await.map_err(failed)?;
        Ok(Self(connection))
    }

    /// The first column of all rows.
    pub(super) async fn ids(&mut self, sql: Sql) -> Result<Vec<String>, BenchError> {
        let query = sqlx::query_with(AssertSqlSafe(sql.text), sql.arguments);
        let rows = query.fetch_all(&mut self.0).await.map_err(failed)?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(failed)
    }
}

fn failed(error: sqlx::Error) -> BenchError {
    BenchError::Other(format!("Postgres, asked directly: {error}"))
}

/// A driver of Neo4j.
pub(super) struct Neo4j(pub(super) neo4rs::Graph);

impl Neo4j {
    /// The one list of ids that a statement returns.
    pub(super) async fn ids(&self, text: String, lists: &[(&str, &[String])]) -> Result<Vec<String>, BenchError> {
        let mut query = neo4rs::query(&text);
        for (name, ids) in lists {
            query = query.param(name, ids.iter().map(|id| BoltType::from(id.as_str())).collect::<Vec<BoltType>>());
        }
        let mut rows = self.0.execute(query).await.map_err(refused)?;
        let row = rows.next().await.map_err(refused)?;
        let row = row.ok_or_else(|| BenchError::Other("Neo4j, asked directly: no row".into()))?;
        row.get("ids").map_err(|error| BenchError::Other(format!("Neo4j, asked directly: {error}")))
    }
}

fn refused(error: neo4rs::Error) -> BenchError {
    BenchError::Other(format!("Neo4j, asked directly: {error}"))
}
