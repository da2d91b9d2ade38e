//! A database with a few things in it, and configurations of gateways over them.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions};

use crate::{
    gateway::{Gateway, fresh},
    support::{servers, stores::execute},
};

/// A database, a folder, and a prefix in Redis that nobody else has.
pub(crate) struct Ground {
    server: String,
    name: String,
    /// The database.
    pub(crate) url: String,
    /// For configurations and objects.
    pub(crate) folder: tempfile::TempDir,
    pub(crate) prefix: String,
    removed: bool,
}

/// How a gateway is set up; lines of TOML.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// The database.
    pub(crate) url: String,
    /// Redis; none without.
    pub(crate) redis: Option<String>,
    pub(crate) prefix: String,
    pub(crate) l2: String,
    /// Objects; none where empty.
    pub(crate) l3: String,
    /// How the collection is cached.
    pub(crate) cache: String,
    /// More of the collection.
    pub(crate) collection: String,
    /// More of the server.
    pub(crate) server: String,
    /// The pool of connections to the database.
    pub(crate) pool: String,
    /// Sections.
    pub(crate) more: String,
}

impl Ground {
    /// Things of version 1; `None` where there is no server, and the test is skipped.
    pub(crate) async fn prepare() -> Option<Self> {
        Some(Self::on(servers::postgres()?).await)
    }

    /// Things on this server.
    pub(crate) async fn on(server: String) -> Self {
        let name = format!("forebay_tiers_{:016x}", rand::random::<u64>());
        execute(&server, &format!("CREATE DATABASE {name}")).await;
        let options: PgConnectOptions = server.parse().expect("a URL of Postgres");
        let url = options.database(&name).to_url_lossy().to_string();
        execute(
            &url,
            "CREATE EXTENSION IF NOT EXISTS vector;
             CREATE TABLE things (id text PRIMARY KEY, owner text, size bigint, version bigint, embedding vector(2));
             INSERT INTO things SELECT 'n' || n, CASE n % 2 WHEN 0 THEN 'acme' ELSE 'bolt' END, n, 1,
                 ARRAY[n, 50 - n]::vector FROM generate_series(0, 49) n;
             ANALYZE things",
        )
        .await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let prefix = format!("test-{:016x}", rand::random::<u64>());
        Self { server, name, url, folder, prefix, removed: false }
    }

    /// Changes the data.
    pub(crate) async fn set_version(&self, version: i64) {
        execute(&self.url, &format!("UPDATE things SET version = {version}")).await;
    }

    /// Holds up every statement about the things until it is let go.
    pub(crate) async fn hold(&self) -> Held {
        let mut connection = PgConnection::connect(&self.url).await.expect("Postgres answers");
        let lock = "BEGIN; LOCK TABLE things IN ACCESS EXCLUSIVE MODE";
        sqlx::raw_sql(lock).execute(&mut connection).await.expect("the lock");
        Held(connection)
    }

    /// How many statements wait for what is held.
    pub(crate) async fn waiting(&self) -> usize {
        self.waiters().await.len()
    }

    /// The connections whose statements wait for what is held.
    pub(crate) async fn waiters(&self) -> Vec<i32> {
        let mut connection = PgConnection::connect(&self.url).await.expect("Postgres answers");
        let text = "SELECT pid FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event_type = 'Lock'";
        sqlx::query_scalar(text).fetch_all(&mut connection).await.expect("numbers")
    }

    /// A gateway with the shared Redis and nothing else.
    pub(crate) fn with_redis(&self) -> Option<Setup> {
        Some(Setup { redis: Some(servers::redis()?), ..self.alone() })
    }

    /// A gateway with memory alone.
    pub(crate) fn alone(&self) -> Setup {
        Setup {
            url: self.url.clone(),
            redis: None,
            prefix: self.prefix.clone(),
            // What matters is not how fast a busy machine is.
            l2: "min_cost_ms = 0\nbudget_ms = 5000".into(),
            l3: String::new(),
            cache: "stale_while_revalidate_ms = 0\nstale_if_error_ms = 0\n".into(),
            collection: String::new(),
            server: "default_deadline_ms = 30000\n".into(),
            pool: "min = 1\nmax = 4".into(),
            more: String::new(),
        }
    }

    /// Objects in this folder.
    pub(crate) fn objects(&self) -> PathBuf {
        self.folder.path().join("objects")
    }

    /// The settings of tier 3 in that folder.
    pub(crate) fn l3(&self) -> String {
        format!("directory = {:?}\nmin_cost_ms = 0\nbudget_ms = 5000", self.objects())
    }

    /// The file of a configuration.
    pub(crate) fn write(&self, setup: &Setup) -> PathBuf {
        let Setup { url, redis, prefix, l2, l3, cache, collection, server, pool, more } = setup;
        let l2 = redis.as_ref().map(|redis| format!("[cache.l2]\nurls = [{redis:?}]\nprefix = {prefix:?}\n{l2}\n"));
        let l3 = if l3.is_empty() { String::new() } else { format!("[cache.l3]\n{l3}\n") };
        let text = format!(
            "[server]\n{server}\n{}{l3}
             [backends.pg]\nkind = \"postgres\"\nurl = {url:?}\n[backends.pg.pool]\n{pool}\n
             [collections.things]\nentities = {{ backend = \"pg\", table = \"public.things\", id_type = \"text\" }}
             {collection}
             [collections.things.vectors.default]\ncolumn = \"embedding\"\ndimensions = 2\nmetric = \"cosine\"
             [collections.things.attributes]\nowner = {{ type = \"keyword\" }}\nsize = {{ type = \"integer\" }}
             version = {{ type = \"integer\" }}\n[collections.things.cache]\n{cache}\n{more}\n",
            l2.unwrap_or_default()
        );
        let file = self.folder.path().join(format!("forebay-{:016x}.toml", rand::random::<u64>()));
        std::fs::write(&file, text).expect("written");
        file
    }

    /// A gateway.
    pub(crate) async fn serve(&self, setup: &Setup) -> Gateway {
        Gateway::start(&self.write(setup)).await
    }

    /// Leaves the server as it was.
    pub(crate) async fn remove(mut self) {
        self.removed = true;
        execute(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

/// Statements that are held up until this is let go.
pub(crate) struct Held(PgConnection);

impl Held {
    pub(crate) async fn let_go(mut self) {
        sqlx::raw_sql("ROLLBACK").execute(&mut self.0).await.expect("it was held");
    }

    /// Lets go after a change that nobody sees before.
    pub(crate) async fn change(mut self, version: i64) {
        let text = format!("UPDATE things SET version = {version}; COMMIT");
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut self.0).await.expect("it was held");
    }
}

/// A query that nobody has asked before.
pub(crate) fn query() -> Value {
    let size = -i64::try_from(fresh()).expect("it is small");
    json!({
        "collection": "things", "vector": { "values": [1, 2] }, "exact": true, "limit": 5,
        "filter": { "size": { "$gt": size } }, "select": ["version"],
    })
}

/// Waits for so long after a moment.
pub(crate) async fn past(began: Instant, after: Duration) {
    tokio::time::sleep((began + after).saturating_duration_since(Instant::now())).await;
}
