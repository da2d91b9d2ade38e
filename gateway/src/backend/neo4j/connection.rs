//! One Bolt connection.
//!
//! The driver hides its connections behind a pool of its own, so one of ours is a driver with room for one. A statement
//! runs in a task of its own and is read to its end there, whoever waits for it: the caller may go away in the middle,
//! and once the statement has been ended on the server the connection is as good as before. (The driver cannot use a
//! connection on which reading was interrupted.)

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use neo4rs::{BoltType, ConfigBuilder, Error, Graph, Row};
use tokio::{sync::oneshot, task::JoinHandle};

use super::{BoltOptions, statement::Statement};

/// Rows asked for at once. Statements put lists into few rows, so more would only cost memory.
const ROWS: usize = 256;

/// How much longer than the server's own limit a reply may take before the connection counts as dead.
const GRACE: Duration = Duration::from_secs(5);

/// Boxed, as the driver's own futures are too deep for the compiler otherwise.
type Rows = Pin<Box<dyn Future<Output = Result<Vec<Row>, Error>> + Send>>;

/// One connection. Dropping it closes it.
pub struct BoltConnection {
    driver: Graph,
    /// Finds its transactions on the server.
    pub(super) tag: Arc<str>,
    running: Option<JoinHandle<()>>,
}

/// How a statement runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// In a transaction of its own that may only read.
    Read,
    /// In a transaction of its own. For changes of the schema, which do not go into one with others.
    Schema,
    /// In an explicit transaction.
    Write,
}

/// A driver that has not connected yet.
pub(super) fn driver(options: &BoltOptions) -> Result<Graph, Error> {
    let mut config = ConfigBuilder::default()
        .uri(&options.uri)
        .user(options.user.as_deref().unwrap_or_default())
        .password(options.password.as_deref().unwrap_or_default())
        .max_connections(1)
        .fetch_size(ROWS)
        // For the socket to open, and for each message of a reply to arrive.
        .connection_timeout(options.statement_timeout.saturating_add(GRACE));
    if let Some(database) = &options.database {
        config = config.db(database.as_str());
    }
    Graph::connect(config.build()?)
}

impl BoltConnection {
    pub(super) fn new(driver: Graph, tag: Arc<str>) -> Self {
        Self { driver, tag, running: None }
    }

    /// All rows of a statement, which the server ends after `limit`.
    pub(super) async fn execute(
        &mut self,
        statement: &Statement,
        mode: Mode,
        limit: Duration,
    ) -> Result<Vec<Row>, Error> {
        self.settle().await;
        let (driver, tag) = (self.driver.clone(), self.tag.clone());
        match mode {
            Mode::Read => {
                let query = statement.query(&tag, limit);
                self.run(limit, Box::pin(async move { rows(driver.execute_read(query).await?).await })).await
            }
            Mode::Schema => {
                let query = statement.query(&tag, limit);
                self.run(limit, Box::pin(async move { rows(driver.execute(query).await?).await })).await
            }
            Mode::Write => {
                let query = statement.plain();
                self.run(
                    limit,
                    Box::pin(async move {
                        let mut transaction = driver.start_txn().await?;
                        // The driver sends no metadata with BEGIN.
                        let tagged =
                            Statement::new(format!("CALL tx.setMetaData({{{}: $tag}})", super::connector::TAG));
                        if transaction.run(tagged.with("tag", BoltType::from(&*tag)).plain()).await.is_err() {
                            // A busy server may fail to. Without a tag the statement ends with its connection.
                            drop(transaction);
                            transaction = driver.start_txn().await?;
                        }
                        transaction.run(query).await?;
                        transaction.commit().await?;
                        Ok(Vec::new())
                    }),
                )
                .await
            }
        }
    }

    /// Waits until nothing runs any more.
    pub(super) async fn settle(&mut self) {
        if let Some(running) = &mut self.running {
            // The outcome went to whoever waited for it.
            running.await.ok();
            self.running = None;
        }
    }

    async fn run(&mut self, limit: Duration, work: Rows) -> Result<Vec<Row>, Error> {
        let (send, receive) = oneshot::channel();
        self.running = Some(tokio::spawn(async move {
            // The driver repeats what failed for a passing reason, for up to a minute.
            let outcome = tokio::time::timeout(limit.saturating_add(GRACE), work).await;
            let outcome = outcome.unwrap_or(Err(Error::ConnectionTimedOut));
            // Nobody listens when the caller went away.
            send.send(outcome).ok();
        }));
        let outcome = receive.await.unwrap_or_else(|_| Err(Error::UnexpectedMessage("a reply cannot be read".into())));
        self.settle().await;
        outcome
    }
}

async fn rows(mut stream: neo4rs::DetachedRowStream) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    while let Some(row) = stream.next().await? {
        rows.push(row);
    }
    Ok(rows)
}

impl Drop for BoltConnection {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}
