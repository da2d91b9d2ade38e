//! A server behind its pool, and how every statement is run.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use neo4rs::Row;
use serde::de::DeserializeOwned;

use super::{
    BoltConnector,
    connection::{Mode, driver},
    fault,
    statement::Statement,
};
use crate::{
    backend::{BackendError, CallContext, ErrorKind},
    pool::{self, Pool, Predictor},
};

/// How a server is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct BoltOptions {
    /// `bolt://host:port`, or `bolt+s://` for TLS.
    pub uri: String,
    /// The user, where the server asks for one.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// The database; the user's home database when not given.
    pub database: Option<String>,
    /// Longest time that one statement may take whatever the query's deadline.
    pub statement_timeout: Duration,
    /// Its connections.
    pub pool: pool::Settings,
}

/// A server and the connections to it.
pub struct BoltServer {
    name: Arc<str>,
    pool: Arc<Pool<BoltConnector>>,
    predictor: Predictor,
    statement_timeout: Duration,
}

/// What kind of statement, and how much of what it grows with: the predicted time depends on both.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    pub(crate) kind: &'static str,
    pub(crate) size: usize,
}

impl BoltServer {
    /// A server by its configured name. Does not connect.
    ///
    /// # Errors
    /// The address is none that can be used.
    pub fn new(name: Arc<str>, options: BoltOptions) -> Result<Arc<Self>, String> {
        if options.uri.starts_with("neo4j") {
            return Err("routing to the members of a cluster is not supported: use bolt:// or bolt+s://".into());
        }
        driver(&options).map_err(|error| error.to_string())?;
        let (settings, statement_timeout) = (options.pool.clone(), options.statement_timeout);
        let pool = Pool::new(name.clone(), BoltConnector::new(name.clone(), Arc::new(options)), settings);
        Ok(Arc::new(Self { name, pool, predictor: Predictor::default(), statement_timeout }))
    }

    /// The backend's configured name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The connections.
    pub fn pool(&self) -> &Arc<Pool<BoltConnector>> {
        &self.pool
    }

    /// The rows of a statement that only reads.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        ctx: &CallContext,
        work: Work,
        statement: &Statement,
    ) -> Result<Vec<T>, BackendError> {
        let rows = self.run(ctx, work, statement, Mode::Read).await?;
        rows.iter().map(|row| row.to_strict::<T>().map_err(|_| self.misunderstood())).collect()
    }

    /// The one row of a statement that only reads.
    pub(crate) async fn read_one<T: DeserializeOwned>(
        &self,
        ctx: &CallContext,
        work: Work,
        statement: &Statement,
    ) -> Result<T, BackendError> {
        let mut rows = self.read(ctx, work, statement).await?;
        if rows.len() == 1 { Ok(rows.remove(0)) } else { Err(self.misunderstood()) }
    }

    /// Changes data in an explicit transaction.
    pub(crate) async fn write(&self, ctx: &CallContext, work: Work, statement: &Statement) -> Result<(), BackendError> {
        self.run(ctx, work, statement, Mode::Write).await.map(drop)
    }

    /// Changes constraints or indexes.
    pub(crate) async fn change_schema(&self, ctx: &CallContext, statement: &Statement) -> Result<(), BackendError> {
        self.run(ctx, Work { kind: "schema", size: 1 }, statement, Mode::Schema).await.map(drop)
    }

    /// All that every statement goes through. A caller that goes away leaves the connection in doubt, and the pool ends
    /// the statement.
    async fn run(
        &self,
        ctx: &CallContext,
        work: Work,
        statement: &Statement,
        mode: Mode,
    ) -> Result<Vec<Row>, BackendError> {
        ctx.check(&self.name)?;
        let running = async {
            let checkout = self.pool.checkout_for(ctx, self.predictor.predict(work.kind, work.size)).await;
            let mut connection = checkout.map_err(|error| fault::of_pool(&self.name, error))?;
            let start = Instant::now();
            let limit = self.statement_timeout.min(ctx.deadline.saturating_duration_since(start));
            match connection.execute(statement, mode, limit).await {
                Ok(rows) => {
                    connection.done();
                    self.predictor.learn(work.kind, work.size, start.elapsed());
                    Ok(rows)
                }
                Err(error) => {
                    // A transaction that failed stays open until the connection is used again.
                    if !fault::answered(&error) || mode == Mode::Write {
                        connection.broken();
                    } else if fault::of(&self.name, &error).kind == ErrorKind::Unavailable {
                        connection.failed();
                    } else {
                        connection.done();
                    }
                    Err(fault::of(&self.name, &error))
                }
            }
        };
        tokio::select! {
            biased;
            outcome = running => outcome,
            () = ctx.cancelled.cancelled() => {
                Err(BackendError::new(&self.name, ErrorKind::Cancelled, "nobody waits for the answer any more"))
            }
            () = tokio::time::sleep_until(ctx.deadline.into()) => {
                Err(BackendError::new(&self.name, ErrorKind::DeadlineExceeded, "the deadline passed"))
            }
        }
    }

    /// The reply is not of the shape that the statement asks for.
    pub(super) fn misunderstood(&self) -> BackendError {
        BackendError::new(&self.name, ErrorKind::Failed, "the server's reply is not of the shape asked for")
    }
}
