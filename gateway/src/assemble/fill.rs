//! Writes a data set into the servers that a collection names.

use std::sync::Arc;

use sqlx::{Connection as _, PgConnection};

use super::{mapping, servers};
use crate::{
    backend::{
        embedded::Parts,
        neo4j::{BoltServer, Writer},
        postgres::write::{self as postgres, Target},
    },
    catalog::CollectionSchema,
    config::{BackendConfig, CollectionConfig, Config},
    load::Progress,
};

/// What is to be written where.
pub struct Filling<'a> {
    /// The whole configuration.
    pub config: &'a Config,
    /// The collection's name.
    pub name: &'a str,
    /// The collection.
    pub collection: &'a CollectionConfig,
    /// Its names and types.
    pub schema: &'a CollectionSchema,
    /// The data.
    pub parts: &'a Parts,
    /// Makes tables, constraints and indexes that are not there.
    pub create: bool,
}

impl Filling<'_> {
    /// Writes all nodes and edges into Neo4j.
    pub async fn neo4j(&self, backend: &str, progress: &mut dyn Progress) -> Result<(), String> {
        let (Some(BackendConfig::Neo4j(config)), Some(graph)) =
            (self.config.backends.get(backend), &self.collection.graph)
        else {
            return Err(format!("backend `{backend}` is not Neo4j"));
        };
        let options = servers::bolt_options(config)?;
        let server = BoltServer::new(backend.into(), options)?;
        let mapping = mapping::graph_mapping(self.schema, self.collection, graph);
        let writer = Writer::new(server, Arc::new(self.schema.clone()), mapping);
        writer.everything(self.parts, self.create, progress).await.map_err(|error| error.to_string())
    }

    /// Writes the entities, and the edges where they are in the same server, into Postgres.
    pub async fn postgres(&self, backend: &str, progress: &mut dyn Progress) -> Result<(), String> {
        let Some(BackendConfig::Postgres(config)) = self.config.backends.get(backend) else {
            return Err(format!("backend `{backend}` is not Postgres"));
        };
        let url = servers::postgres_url(config)?;
        let mut connection = PgConnection::connect(&url).await.map_err(|error| format!("`{backend}`: {error}"))?;
        let has_entities = self.collection.entities.backend == backend;
        let entities = has_entities.then(|| mapping::entity_table(self.name, self.collection));
        let graph = self.collection.graph.as_ref().filter(|graph| graph.backend == backend);
        let edges = graph.map(mapping::edge_table);
        let target =
            Target { schema: self.schema, entities: entities.as_ref(), edges: edges.as_ref(), create: self.create };
        postgres::write(&mut connection, target, self.parts, progress)
            .await
            .map_err(|error| format!("`{backend}`: {error}"))?;
        connection.close().await.map_err(|error| format!("`{backend}`: {error}"))
    }
}
