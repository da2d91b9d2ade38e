//! The servers behind backends: one pool each, shared by all collections and kept over a reload that does not change them.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    backend::{
        neo4j::{BoltOptions, BoltServer},
        postgres::{PgOptions, PgServer},
    },
    config::{Neo4jConfig, PostgresConfig},
    pool::{Registry, Settings},
};

/// The servers of a gateway.
#[derive(Default)]
pub struct Servers {
    postgres: Mutex<BTreeMap<String, (PgOptions, Arc<PgServer>)>>,
    bolt: Mutex<BTreeMap<String, (BoltOptions, Arc<BoltServer>)>>,
    registry: Arc<Registry>,
}

impl Servers {
    /// The pools of the servers, for those who watch them.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The Postgres server of a backend. Nothing is connected yet.
    pub fn postgres(&self, name: &str, config: &PostgresConfig) -> Result<Arc<PgServer>, String> {
        let options = PgOptions {
            url: postgres_url(config)?,
            statement_timeout: Duration::from_millis(config.statement_timeout_ms),
            pool: Settings::from((&config.pool, &config.breaker)),
        };
        let mut known = self.postgres.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((same, server)) = known.get(name)
            && *same == options
        {
            return Ok(server.clone());
        }
        let server = PgServer::new(name.into(), options.clone())?;
        self.registry.insert(server.pool().clone());
        known.insert(name.into(), (options, server.clone()));
        Ok(server)
    }

    /// The Bolt server of a backend. Nothing is connected yet.
    pub fn bolt(&self, name: &str, config: &Neo4jConfig) -> Result<Arc<BoltServer>, String> {
        let options = bolt_options(config)?;
        let mut known = self.bolt.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((same, server)) = known.get(name)
            && *same == options
        {
            return Ok(server.clone());
        }
        let server = BoltServer::new(name.into(), options.clone())?;
        self.registry.insert(server.pool().clone());
        known.insert(name.into(), (options, server.clone()));
        Ok(server)
    }
}

/// Where a Postgres server answers.
pub(super) fn postgres_url(config: &PostgresConfig) -> Result<String, String> {
    match (&config.url, &config.url_file) {
        (Some(url), _) => Ok(url.clone()),
        (None, Some(file)) => secret(file),
        (None, None) => Err("it has neither `url` nor `url_file`".into()),
    }
}

/// How to reach a Bolt server.
pub(super) fn bolt_options(config: &Neo4jConfig) -> Result<BoltOptions, String> {
    let password = match (&config.password, &config.password_file) {
        (Some(password), _) => Some(password.clone()),
        (None, Some(file)) => Some(secret(file)?),
        (None, None) => None,
    };
    Ok(BoltOptions {
        uri: config.uri.clone(),
        user: config.user.clone(),
        password,
        database: config.database.clone(),
        statement_timeout: Duration::from_millis(config.statement_timeout_ms),
        pool: Settings::from((&config.pool, &config.breaker)),
    })
}

/// What a file of one secret holds, without the end of its line.
fn secret(file: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(format!("{} is empty", file.display())),
        secret => Ok(secret.to_owned()),
    }
}
