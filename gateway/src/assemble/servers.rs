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
    config::{BackendConfig, Neo4jConfig, PostgresConfig},
    pool::{Registry, Settings, Watched},
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

    /// The same servers, to open another configuration with. This one stays as it is.
    pub fn successor(&self) -> Self {
        Self {
            postgres: Mutex::new(self.postgres.lock().unwrap_or_else(PoisonError::into_inner).clone()),
            bolt: Mutex::new(self.bolt.lock().unwrap_or_else(PoisonError::into_inner).clone()),
            registry: self.registry.clone(),
        }
    }

    /// Shows the pools of these backends to those who watch, and lets go of servers that no backend stands for any more: their
    /// pools end with the last query that uses them.
    pub fn publish(&self, backends: &BTreeMap<String, BackendConfig>) {
        let mut postgres = self.postgres.lock().unwrap_or_else(PoisonError::into_inner);
        postgres.retain(|name, _| matches!(backends.get(name), Some(BackendConfig::Postgres(_))));
        let mut bolt = self.bolt.lock().unwrap_or_else(PoisonError::into_inner);
        bolt.retain(|name, _| matches!(backends.get(name), Some(BackendConfig::Neo4j(_))));
        let pools = postgres.values().map(|(_, server)| server.pool().clone() as Arc<dyn Watched>);
        let all: Vec<_> =
            pools.chain(bolt.values().map(|(_, server)| server.pool().clone() as Arc<dyn Watched>)).collect();
        let names: Vec<_> = all.iter().map(|pool| pool.name().clone()).collect();
        for pool in self.registry.replace(all) {
            // A pool of the same name whose server has other options now ends with the last query that uses it.
            if !names.contains(pool.name()) {
                pool.close();
            }
        }
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
