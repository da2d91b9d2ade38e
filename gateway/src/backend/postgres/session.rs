//! A connection for one call: statements run until the call's deadline, and whatever happens the connection goes back in the
//! state that it is in: free, in doubt, or broken.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, postgres::PgRow};

use super::{PgConnector, PgLink, PgServer, error::StatementError, statement::Statement};
use crate::{
    backend::{BackendError, CallContext, ErrorKind},
    pool::{Lease, Parked},
};

/// How approximate searches go through their index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AnnParameters {
    /// `hnsw.ef_search`.
    pub(super) ef_search: u32,
    /// `ivfflat.probes`.
    pub(super) probes: u32,
}

/// A connection in use by one call. Dropped between two statements it is free again (an open transaction is rolled back);
/// dropped within one it is in doubt, and the pool ends the statement.
pub(crate) struct Session {
    server: Arc<PgServer>,
    /// There until the session ends.
    lease: Option<Lease<PgConnector>>,
    state: State,
    kind: &'static str,
    size: usize,
    since: Instant,
    busy: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Everything was answered.
    Rests,
    /// Everything was answered, with an error at last.
    Failed,
    /// The server ended a statement that took too long.
    TooSlow,
    /// A statement is under way.
    Works,
    /// The connection is of no more use.
    Broken,
}

impl Session {
    pub(super) fn new(server: Arc<PgServer>, lease: Lease<PgConnector>, kind: &'static str, size: usize) -> Self {
        Self {
            server,
            lease: Some(lease),
            state: State::Rests,
            kind,
            size,
            since: Instant::now(),
            busy: Duration::ZERO,
        }
    }

    /// Runs a statement and returns all its rows, in the binary format.
    pub(crate) async fn rows(
        &mut self,
        ctx: &CallContext,
        statement: &Statement,
    ) -> Result<Vec<PgRow>, StatementError> {
        let Ok((text, arguments)) = statement.parts() else {
            return Err(self.own_error(ErrorKind::Failed, "a value cannot be sent"));
        };
        self.run(ctx, async move |link| {
            sqlx::query_with(AssertSqlSafe(text), arguments).fetch_all(&mut link.connection).await
        })
        .await
    }

    /// Sends text without values, in one round trip: `BEGIN`, `SET`, `FETCH`. Rows come in the text format.
    pub(crate) async fn simple(&mut self, ctx: &CallContext, text: &str) -> Result<Vec<PgRow>, StatementError> {
        let text = text.to_owned();
        self.run(ctx, async move |link| sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(&mut link.connection).await).await
    }

    /// Begins a transaction with these settings, given as `SET LOCAL …` statements.
    pub(crate) async fn begin(&mut self, ctx: &CallContext, settings: &str) -> Result<(), StatementError> {
        if let Some(lease) = &mut self.lease {
            lease.in_transaction = true;
        }
        self.simple(ctx, &format!("BEGIN READ ONLY; {settings}")).await.map(drop)
    }

    /// Sets the parameters of approximate searches, unless they are set.
    pub(super) async fn set_ann(&mut self, ctx: &CallContext, wanted: AnnParameters) -> Result<(), StatementError> {
        let Some(lease) = &mut self.lease else { return Ok(()) };
        if lease.ann == Some(wanted) {
            return Ok(());
        }
        let mut text = format!("SET hnsw.ef_search = {}; SET ivfflat.probes = {};", wanted.ef_search, wanted.probes);
        if lease.ann.is_none() {
            text.push_str("SET hnsw.iterative_scan = relaxed_order; SET ivfflat.iterative_scan = relaxed_order");
        }
        lease.ann = None;
        self.simple(ctx, &text).await?;
        if let Some(lease) = &mut self.lease {
            lease.ann = Some(wanted);
        }
        Ok(())
    }

    /// Lets others take the connection while the call waits for something else. What is open stays open as long as nobody does.
    pub(crate) fn park(mut self) -> ParkedSession {
        self.busy += self.since.elapsed();
        let parked = if self.state == State::Rests { self.lease.take().map(Lease::park) } else { None };
        let (server, kind, size) = (self.server.clone(), self.kind, self.size);
        ParkedSession { parked, server, kind, size, busy: self.busy }
    }

    /// The server's answer makes no sense.
    pub(crate) fn failed(&self, detail: impl Into<String>) -> BackendError {
        self.server.failed(detail)
    }

    async fn run<T>(
        &mut self,
        ctx: &CallContext,
        work: impl AsyncFnOnce(&mut PgLink) -> Result<T, sqlx::Error>,
    ) -> Result<T, StatementError> {
        if let Err(error) = ctx.check(self.server.name()) {
            return Err(StatementError { error, connection_is_fine: true, schema_changed: false });
        }
        if matches!(self.state, State::Works | State::Broken) {
            return Err(self.own_error(ErrorKind::Failed, "an earlier statement was given up"));
        }
        let Some(lease) = &mut self.lease else {
            return Err(self.own_error(ErrorKind::Failed, "the session has ended"));
        };
        self.state = State::Works;
        let outcome = until(ctx, work(lease)).await;
        match outcome {
            Ok(Ok(value)) => {
                self.state = State::Rests;
                Ok(value)
            }
            Ok(Err(error)) => {
                let error = StatementError::of(self.server.name(), &error);
                // A prepared statement of a table that has changed fails for ever.
                let reusable = error.connection_is_fine && !error.schema_changed;
                self.state = match error.error.kind {
                    _ if !reusable => State::Broken,
                    ErrorKind::DeadlineExceeded => State::TooSlow,
                    _ => State::Failed,
                };
                Err(error)
            }
            Err(kind) => Err(self.own_error(
                kind,
                if kind == ErrorKind::Cancelled {
                    "nobody waits for the answer any more"
                } else {
                    "the deadline passed"
                },
            )),
        }
    }

    fn own_error(&self, kind: ErrorKind, detail: &str) -> StatementError {
        let error = BackendError::new(self.server.name(), kind, detail);
        StatementError { error, connection_is_fine: self.state != State::Works, schema_changed: false }
    }
}

/// The outcome, or why nobody waited for it.
async fn until<T>(ctx: &CallContext, work: impl Future<Output = T>) -> Result<T, ErrorKind> {
    tokio::select! {
        biased;
        outcome = work => Ok(outcome),
        () = ctx.cancelled.cancelled() => Err(ErrorKind::Cancelled),
        () = tokio::time::sleep_until(ctx.deadline.into()) => Err(ErrorKind::DeadlineExceeded),
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        if self.state == State::Rests {
            self.server.predictor().learn(self.kind, self.size, self.busy + self.since.elapsed());
        }
        match self.state {
            // A parked connection that nobody resumes is reset.
            State::Rests | State::Failed if lease.in_transaction => drop(lease.park()),
            State::Rests | State::Failed => lease.done(),
            State::TooSlow => lease.failed(),
            State::Works => drop(lease),
            State::Broken => lease.broken(),
        }
    }
}

/// A session whose connection others may take meanwhile.
pub(crate) struct ParkedSession {
    parked: Option<Parked<PgConnector>>,
    server: Arc<PgServer>,
    kind: &'static str,
    size: usize,
    busy: Duration,
}

impl ParkedSession {
    /// The session as it was; `None` if somebody took its connection.
    pub(crate) fn resume(self) -> Option<Session> {
        let lease = self.parked?.resume()?;
        let Self { server, kind, size, busy, .. } = self;
        Some(Session { server, lease: Some(lease), state: State::Rests, kind, size, since: Instant::now(), busy })
    }
}
