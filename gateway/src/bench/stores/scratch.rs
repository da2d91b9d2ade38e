//! A database and nodes for one run.

use std::{sync::Arc, time::Duration};

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions};

use super::{Names, ServerAddresses};
use crate::{
    backend::{
        embedded::Parts,
        neo4j::{BoltOptions, BoltServer, Neo4jGraph, Writer},
        postgres::{
            PgEntities, PgGraph, PgOptions, PgServer,
            write::{Target, write},
        },
    },
    bench::{BenchError, Report, corpus},
    catalog::CollectionSchema,
    config::{BreakerConfig, PoolConfig},
    load::Progress,
    pool::Settings,
};

/// Statements that a direct connection keeps prepared: all that a benchmark asks on it. An application has fewer.
const PREPARED: usize = 1_024;

/// Longest time of one statement.
const STATEMENT: Duration = Duration::from_secs(60);

/// A database, and nodes with a label, that nobody else uses.
pub(in crate::bench) struct Scratch {
    addresses: ServerAddresses,
    database: String,
    /// Names of what is in it.
    pub(in crate::bench) names: Names,
    schema: Arc<CollectionSchema>,
}

/// Makes a place for one run, measures there, and takes it away again, whatever comes of it.
pub(in crate::bench) fn measured(
    addresses: &ServerAddresses,
    schema: &Arc<CollectionSchema>,
    measure: impl AsyncFnOnce(&Scratch) -> Result<Report, BenchError>,
) -> Result<Report, BenchError> {
    corpus::runtime()?.block_on(async {
        let scratch = Scratch::new(addresses, schema).await?;
        let outcome = tokio::select! {
            outcome = measure(&scratch) => outcome,
            _ = tokio::signal::ctrl_c() => Err(BenchError::Other("interrupted".into())),
        };
        let kept = scratch.remove().await?;
        let mut report = outcome?;
        kept.into_iter().for_each(|line| report.note(line));
        Ok(report)
    })
}

impl Scratch {
    /// Makes the database. Nothing is in it yet.
    pub(in crate::bench) async fn new(
        addresses: &ServerAddresses,
        schema: &Arc<CollectionSchema>,
    ) -> Result<Self, BenchError> {
        let suffix = uuid::Uuid::from_u128(rand::random()).simple().to_string();
        let database = format!("forebay_bench_{suffix}");
        let names = Names::new(schema, &format!("ForebayBench_{suffix}"));
        let mut admin = connect(&addresses.postgres).await?;
        execute(&mut admin, &format!("CREATE DATABASE {database}")).await?;
        Ok(Self { addresses: addresses.clone(), database, names, schema: schema.clone() })
    }

    /// The address of the database.
    pub(in crate::bench) fn url(&self) -> Result<String, BenchError> {
        let options: PgConnectOptions = self.addresses.postgres.parse().map_err(not_connected)?;
        Ok(options.database(&self.database).to_url_lossy().to_string())
    }

    /// Fills the database, edges included, and the graph where there is a server for it.
    pub(in crate::bench) async fn load(&self, parts: &Parts, progress: &mut dyn Progress) -> Result<(), BenchError> {
        let mut connection = connect(&self.url()?).await?;
        let edges = self.schema.graph.as_ref().map(|_| &self.names.edges);
        let target = Target { schema: &self.schema, entities: Some(&self.names.entities), edges, create: true };
        let written = write(&mut connection, target, parts, progress).await;
        written.map_err(|error| BenchError::Other(error.to_string()))?;
        // Nobody's measurement should pay for the first look at new rows.
        execute(&mut connection, "VACUUM ANALYZE").await?;
        if let (Some(server), Some(_)) = (self.bolt()?, &self.schema.graph) {
            let writer = Writer::new(server, self.schema.clone(), self.names.graph.clone());
            writer.everything(parts, true, progress).await?;
        }
        Ok(())
    }

    /// Our own side of the database's server.
    pub(in crate::bench) fn postgres(&self) -> Result<Arc<PgServer>, BenchError> {
        let options = PgOptions { url: self.url()?, statement_timeout: STATEMENT, pool: settings() };
        PgServer::new("postgres".into(), options).map_err(BenchError::Other)
    }

    /// Our own side of the graph's server.
    pub(in crate::bench) fn bolt(&self) -> Result<Option<Arc<BoltServer>>, BenchError> {
        let Some(address) = &self.addresses.neo4j else { return Ok(None) };
        let (uri, user, password) = parts_of(address);
        let options =
            BoltOptions { uri, user, password, database: None, statement_timeout: STATEMENT, pool: settings() };
        BoltServer::new("neo4j".into(), options).map(Some).map_err(BenchError::Other)
    }

    /// A direct driver of the graph's server.
    pub(in crate::bench) fn driver(&self) -> Result<Option<neo4rs::Graph>, BenchError> {
        let Some(address) = &self.addresses.neo4j else { return Ok(None) };
        let (uri, user, password) = parts_of(address);
        let graph = neo4rs::Graph::new(uri, user.unwrap_or_default(), password.unwrap_or_default());
        graph.map(Some).map_err(|error| BenchError::Other(format!("Neo4j: {error}")))
    }

    /// The entities as a store.
    pub(in crate::bench) fn entities(&self, server: &Arc<PgServer>) -> Arc<PgEntities> {
        PgEntities::new(server.clone(), self.schema.clone(), self.names.entities.clone())
    }

    /// The edges in Postgres as a store.
    pub(in crate::bench) fn edges(&self, server: &Arc<PgServer>) -> Arc<PgGraph> {
        let entities = Some(self.names.entities.clone());
        PgGraph::new(server.clone(), self.schema.clone(), self.names.edges.clone(), entities)
    }

    /// The edges in Neo4j as a store.
    pub(in crate::bench) fn graph(&self, server: &Arc<BoltServer>) -> Arc<Neo4jGraph> {
        Neo4jGraph::new(server.clone(), self.schema.clone(), self.names.graph.clone())
    }

    /// Leaves the servers as they were, unless all is to be kept. Says where it is then.
    pub(in crate::bench) async fn remove(self) -> Result<Option<String>, BenchError> {
        let label = &self.names.graph.labels[0].label;
        if self.addresses.keep {
            return Ok(Some(format!("database `{}` and nodes `{label}` were kept", self.database)));
        }
        let mut admin = connect(&self.addresses.postgres).await?;
        execute(&mut admin, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database)).await?;
        if let Some(graph) = self.driver()? {
            let run = |text: String| {
                let graph = &graph;
                async move {
                    let ran = graph.run(neo4rs::query(&text)).await;
                    ran.map_err(|error| BenchError::Other(format!("Neo4j: {error}")))
                }
            };
            run(format!("MATCH (n:`{label}`) CALL {{ WITH n DETACH DELETE n }} IN TRANSACTIONS OF 5000 ROWS")).await?;
            for name in constraints(&graph, label).await? {
                run(format!("DROP CONSTRAINT `{name}` IF EXISTS")).await?;
            }
        }
        Ok(None)
    }
}

async fn constraints(graph: &neo4rs::Graph, label: &str) -> Result<Vec<String>, BenchError> {
    let failed = |error: neo4rs::Error| BenchError::Other(format!("Neo4j: {error}"));
    let query = neo4rs::query("SHOW CONSTRAINTS YIELD name, labelsOrTypes WHERE $label IN labelsOrTypes RETURN name");
    let mut rows = graph.execute(query.param("label", label)).await.map_err(failed)?;
    let mut names = Vec::new();
    while let Some(row) = rows.next().await.map_err(failed)? {
        names.push(row.get::<String>("name").map_err(|error| BenchError::Other(format!("Neo4j: {error}")))?);
    }
    Ok(names)
}

/// A pool as it is without configuration, but that keeps two connections.
fn settings() -> Settings {
    Settings::from((&PoolConfig { min: 2, ..PoolConfig::default() }, &BreakerConfig::default()))
}

/// A connection of its own.
pub(in crate::bench) async fn connect(url: &str) -> Result<PgConnection, BenchError> {
    let options: PgConnectOptions = url.parse().map_err(not_connected)?;
    PgConnection::connect_with(&options.statement_cache_capacity(PREPARED).disable_statement_logging())
        .await
        .map_err(not_connected)
}

async fn execute(connection: &mut PgConnection, text: &str) -> Result<(), BenchError> {
    let ran = sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(connection).await;
    ran.map(drop).map_err(|error| BenchError::Other(format!("Postgres: {error}")))
}

fn not_connected(error: sqlx::Error) -> BenchError {
    BenchError::Other(format!("Postgres: {error}"))
}

/// Address, user and password of `bolt://user:password@host:port`.
fn parts_of(address: &str) -> (String, Option<String>, Option<String>) {
    let split = address.split_once("://").and_then(|(scheme, rest)| {
        let (who, host) = rest.rsplit_once('@')?;
        let (user, password) = who.split_once(':')?;
        Some((format!("{scheme}://{host}"), Some(user.to_owned()), Some(password.to_owned())))
    });
    split.unwrap_or_else(|| (address.to_owned(), None, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_say_who_connects() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(parts_of("bolt://h:7687"), ("bolt://h:7687".to_owned(), None, None));
        assert_eq!(parts_of("bolt://neo4j:a@b@h:7687"), ("bolt://h:7687".to_owned(), some("neo4j"), some("a@b")));
    }
}
