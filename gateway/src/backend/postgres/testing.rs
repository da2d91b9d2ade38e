//! A database of its own for each test.

use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection, Row as _, postgres::PgConnectOptions};

use crate::backend::testing_servers;

/// A database that is dropped with its connections at the end.
pub(crate) struct Database {
    server: String,
    pub(crate) name: String,
    /// Where it answers.
    pub(crate) url: String,
}

impl Database {
    /// A new database on the server for tests; `None` where there is none.
    pub(crate) async fn new() -> Option<Self> {
        Self::on(&testing_servers::postgres()?).await
    }

    /// A new database on this server.
    pub(crate) async fn on(server: &str) -> Option<Self> {
        Self::made_with(server, "").await
    }

    /// A new database on this server, with options of `CREATE DATABASE`.
    pub(crate) async fn made_with(server: &str, options: &str) -> Option<Self> {
        let name = format!("forebay_{}", uuid::Uuid::from_u128(rand::random()).simple());
        let mut connection = PgConnection::connect(server).await.expect("the server for tests answers");
        execute(&mut connection, &format!("CREATE DATABASE {name} {options}")).await;
        let options: PgConnectOptions = server.parse().expect("FOREBAY_TEST_POSTGRES_URL is a URL");
        let url = options.database(&name).to_url_lossy().to_string();
        Some(Self { server: server.to_owned(), name, url })
    }

    /// A connection to it.
    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("a database that was just made answers")
    }

    /// Runs statements.
    pub(crate) async fn execute(&self, sql: &str) {
        execute(&mut self.connect().await, sql).await;
    }

    /// Drops it.
    pub(crate) async fn remove(self) {
        drop(self);
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let remove = async move {
            let mut connection = PgConnection::connect(&server).await.expect("the server for tests answers");
            execute(&mut connection, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
        };
        // A thread of its own, as a runtime may be running on this one.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let removed = std::thread::spawn(move || runtime.block_on(remove)).join();
        assert!(removed.is_ok() || std::thread::panicking(), "a database is left behind");
    }
}

/// Runs a statement.
pub(crate) async fn execute(connection: &mut PgConnection, sql: &str) {
    connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))).await.expect(sql);
}

/// The number in the only row and column.
pub(crate) async fn count(connection: &mut PgConnection, sql: &str) -> i64 {
    let row = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.expect(sql);
    row.try_get(0).expect(sql)
}
