//! What is to be seen from outside: the gateway's pools on its admin listener, and the servers' own views of their
//! connections.

use std::time::Duration;

use forebay::cli::client::Client;
use http::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use crate::support::stores::Served;

/// Longest time for anything to come to hold. Far above what it takes: only what never holds fails.
const PATIENCE: Duration = Duration::from_secs(40);

/// Waits until something holds. `look` says what it sees meanwhile.
pub(crate) async fn until<T: std::fmt::Debug>(
    what: &str,
    mut look: impl AsyncFnMut() -> T,
    holds: impl Fn(&T) -> bool,
) -> T {
    let give_up = tokio::time::Instant::now() + PATIENCE;
    loop {
        let seen = look().await;
        if holds(&seen) {
            return seen;
        }
        assert!(tokio::time::Instant::now() < give_up, "{what}: it never came to hold; at last {seen:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A pool as `GET /pools/{name}` shows it.
pub(crate) async fn pool(served: &Served, name: &str) -> Value {
    let mut client = Client::new(&served.admin, None).expect("an address");
    let reply = client.send(Method::GET, &format!("/pools/{name}"), "".into()).await.expect("it answers");
    crate::support::json(&reply)
}

/// `PATCH /pools/{name}`.
pub(crate) async fn resize(served: &Served, name: &str, max: usize) {
    let mut client = Client::new(&served.admin, None).expect("an address");
    let body = json!({ "max": max }).to_string();
    let reply = client.send(Method::PATCH, &format!("/pools/{name}"), body.into()).await.expect("it answers");
    assert_eq!(reply.status, 200, "{}", crate::support::json(&reply));
}

/// Connections of a pool wherever they are.
pub(crate) fn total(pool: &Value) -> i64 {
    let places = pool["connections"].as_object().expect("connections by where they are");
    places.values().map(|count| count.as_i64().expect("a count")).sum()
}

/// Whether nothing is under way: every connection is idle, nobody waits, and the breaker is closed.
pub(crate) fn is_whole(pool: &Value) -> bool {
    let waiting = pool["waiting"].as_object().expect("waiting by class");
    pool["breaker"]["state"] == "closed"
        && pool["connections"]["idle"] == total(pool)
        && total(pool) <= pool["max"].as_i64().expect("a bound")
        && waiting.values().all(|count| *count == 0)
}

/// Waits until both pools are whole.
pub(crate) async fn until_whole(served: &Served) {
    for name in ["pg", "neo4j"] {
        until("the pool is whole", async || pool(served, name).await, is_whole).await;
    }
}

/// Postgres as a client beside the gateway sees it.
pub(crate) struct PostgresView {
    connection: PgConnection,
}

impl PostgresView {
    pub(crate) async fn of(url: &str) -> Self {
        Self { connection: PgConnection::connect(url).await.expect("Postgres answers") }
    }

    /// Connections of the gateway's pool to this database for which a condition holds.
    pub(crate) async fn connections(&mut self, condition: &str) -> i64 {
        self.count(&format!("application_name = 'forebay' AND ({condition})")).await
    }

    /// Connections over which the gateway ends statements.
    pub(crate) async fn control_connections(&mut self) -> i64 {
        self.count("application_name = 'forebay control'").await
    }

    async fn count(&mut self, condition: &str) -> i64 {
        let text =
            format!("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND ({condition})");
        let row = sqlx::query(AssertSqlSafe(text)).fetch_one(&mut self.connection).await.expect("an answer");
        row.get(0)
    }

    /// Runs a statement.
    pub(crate) async fn run(&mut self, text: &str) {
        sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut self.connection).await.expect("it runs");
    }

    /// What the gateway waits for: a lock that somebody else has.
    pub(crate) async fn waiting_for_locks(&mut self) -> i64 {
        self.connections("wait_event_type = 'Lock'").await
    }
}

/// Neo4j as a client beside the gateway sees it.
pub(crate) struct Neo4jView {
    graph: neo4rs::Graph,
}

impl Neo4jView {
    pub(crate) fn of(uri: &str) -> Self {
        let config = neo4rs::ConfigBuilder::default().uri(uri).user("").password("").max_connections(2);
        let graph = neo4rs::Graph::connect(config.build().expect("a sound configuration")).expect("an address");
        Self { graph }
    }

    async fn number(&self, text: &str) -> i64 {
        let mut rows = self.graph.execute(neo4rs::query(text)).await.expect("Neo4j answers");
        let row = rows.next().await.expect("Neo4j answers").expect("a row");
        row.get("number").expect("a number")
    }

    /// Transactions of gateways that run.
    pub(crate) async fn transactions(&self) -> i64 {
        self.number("SHOW TRANSACTIONS YIELD metaData WHERE metaData.forebay IS NOT NULL RETURN count(*) AS number")
            .await
    }

    /// Connections, those of this view not counted.
    pub(crate) async fn connections(&self) -> i64 {
        let all = "CALL dbms.listConnections() YIELD connectionId RETURN count(*) AS number";
        self.number(all).await - 1
    }

    /// Holds up everybody who has to plan a statement about nodes with this label, until the transaction ends.
    pub(crate) async fn lock(&self, label: &str) -> neo4rs::Txn {
        let mut transaction = self.graph.start_txn().await.expect("a transaction");
        let text = format!("CREATE INDEX held_up FOR (n:`{label}`) ON (n.no_such_property)");
        transaction.run(neo4rs::query(&text)).await.expect("an index");
        self.graph.run(neo4rs::query("CALL db.clearQueryCaches()")).await.expect("plans are forgotten");
        transaction
    }
}
