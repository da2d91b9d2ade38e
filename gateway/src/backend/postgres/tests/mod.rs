//! The store on a real server. Each test has a database of its own.

mod abandoned;
mod approximate;
mod calls;
mod existing;
mod learning;
mod same_as_embedded;

use std::{sync::Arc, time::Duration};

use super::{PgOptions, PgServer, testing};
use crate::{
    config::{BreakerConfig, PoolConfig},
    pool::Settings,
};

/// A database with the extension; `None` without a server.
async fn database() -> Option<testing::Database> {
    with_extension(testing::Database::new().await?).await
}

async fn with_extension(database: testing::Database) -> Option<testing::Database> {
    database.execute("CREATE EXTENSION vector").await;
    Some(database)
}

/// A server with a pool of up to so many connections.
fn server(url: &str, max: usize) -> Arc<PgServer> {
    let pool = PoolConfig { max, reserve: 0, ..PoolConfig::default() };
    let pool = Settings::from((&pool, &BreakerConfig::default()));
    let options = PgOptions { url: url.to_owned(), statement_timeout: Duration::from_secs(60), pool };
    PgServer::new("pg".into(), options).expect("the options are sound")
}
