//! The store on a real server. Each test has a database of its own.

mod approximate;
mod same_as_embedded;

use std::{sync::Arc, time::Duration};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{PgOptions, PgServer};
use crate::pool::{BreakerSettings, Settings};

/// A database that is dropped at the end.
pub(super) struct Database {
    server: String,
    name: String,
    pub(super) url: String,
}

impl Database {
    /// A new database with the extension, made with these options of `CREATE DATABASE`; `None` without a server.
    pub(super) async fn new(options: &str) -> Option<Self> {
        let server = crate::backend::testing_servers::postgres()?;
        let name = format!("forebay_test_{:016x}", rand::random::<u64>());
        let (base, parameters) = match server.split_once('?') {
            Some((base, parameters)) => (base, format!("?{parameters}")),
            None => (server.as_str(), String::new()),
        };
        let (before, _) = base.rsplit_once('/').expect("the URL names a database");
        let url = format!("{before}/{name}{parameters}");
        let mut connection = PgConnection::connect(&server).await.expect("the server answers");
        execute(&mut connection, &format!("CREATE DATABASE {name} {options}")).await;
        let database = Self { server, name, url };
        database.execute("CREATE EXTENSION vector").await;
        Some(database)
    }

    /// Runs statements.
    pub(super) async fn execute(&self, text: &str) {
        let mut connection = PgConnection::connect(&self.url).await.expect("the database answers");
        execute(&mut connection, text).await;
        connection.close().await.expect("closes");
    }

    /// A server with a small pool.
    pub(super) fn server(&self) -> Arc<PgServer> {
        server(&self.url, 4)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let drop = async move {
            let mut connection = PgConnection::connect(&server).await.expect("the server answers");
            execute(&mut connection, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
        };
        // A thread of its own, as a runtime may be running on this one.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        std::thread::spawn(move || runtime.block_on(drop)).join().expect("the database is dropped");
    }
}

pub(super) fn server(url: &str, max: usize) -> Arc<PgServer> {
    let pool = Settings {
        min: 0,
        max,
        reserve: 0,
        max_waiting: 100,
        wait_target: Duration::from_millis(5),
        connect_timeout: Duration::from_secs(5),
        max_connecting: 2,
        idle_timeout: Duration::from_secs(60),
        max_lifetime: Duration::from_secs(600),
        check_after_idle: Duration::from_secs(30),
        breaker: BreakerSettings {
            min_calls: 100,
            window: Duration::from_secs(10),
            failure_ratio: 0.9,
            slow_call: Duration::from_secs(30),
            slow_ratio: 0.9,
            open: Duration::from_secs(1),
            max_open: Duration::from_secs(10),
            probes: 1,
        },
    };
    let options = PgOptions { url: url.to_owned(), statement_timeout: Duration::from_secs(60), pool };
    PgServer::new("pg".into(), options).expect("the options are sound")
}

async fn execute(connection: &mut PgConnection, text: &str) {
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(connection).await {
        panic!("{error}: {}", text.chars().take(2_000).collect::<String>());
    }
}
