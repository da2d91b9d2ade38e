//! One server and its connections.

use std::{sync::Arc, time::Duration};

use super::{PgConnector, session::Session};
use crate::{
    backend::{BackendError, CallContext, ErrorKind},
    pool::{Pool, Predictor, Settings},
};

/// How to reach a server.
#[derive(Debug, Clone, PartialEq)]
pub struct PgOptions {
    /// `postgres://user:password@host:port/database?sslmode=…`. What it leaves out comes from the environment variables that
    /// Postgres clients know (`PGHOST`, `PGUSER`, …).
    pub url: String,
    /// Longest time that one statement may take.
    pub statement_timeout: Duration,
    /// Its connections.
    pub pool: Settings,
}

/// One server. Several stores may share it.
pub struct PgServer {
    name: Arc<str>,
    pool: Arc<Pool<PgConnector>>,
    predictor: Predictor,
}

impl PgServer {
    /// A server by its configured name. Does not connect.
    ///
    /// # Errors
    /// What is wrong with the options.
    pub fn new(name: Arc<str>, options: PgOptions) -> Result<Arc<Self>, String> {
        let connector = PgConnector::new(name.clone(), &options.url, options.statement_timeout)?;
        let pool = Pool::new(name.clone(), connector, options.pool);
        Ok(Arc::new(Self { name, pool, predictor: Predictor::default() }))
    }

    /// The configured name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Its connections.
    pub fn pool(&self) -> &Arc<Pool<PgConnector>> {
        &self.pool
    }

    pub(super) fn predictor(&self) -> &Predictor {
        &self.predictor
    }

    /// A connection for one call. `kind` and `size` name what the call's time depends on: the statement, and the rows, ids or
    /// edges that it grows with.
    pub(crate) async fn session(
        self: &Arc<Self>,
        ctx: &CallContext,
        kind: &'static str,
        size: usize,
    ) -> Result<Session, BackendError> {
        ctx.check(&self.name)?;
        let predicted = self.predictor.predict(kind, size);
        tokio::select! {
            biased;
            lease = self.pool.checkout_for(ctx, predicted) => match lease {
                Ok(lease) => Ok(Session::new(self.clone(), lease, kind, size)),
                Err(error) => Err(error.into_backend_error(&self.name)),
            },
            () = ctx.cancelled.cancelled() => Err(self.error(ErrorKind::Cancelled, "nobody waits for the answer any more")),
        }
    }

    pub(crate) fn error(&self, kind: ErrorKind, detail: impl Into<String>) -> BackendError {
        BackendError::new(&self.name, kind, detail)
    }

    /// The server's answer makes no sense.
    pub(crate) fn failed(&self, detail: impl Into<String>) -> BackendError {
        self.error(ErrorKind::Failed, detail)
    }
}
