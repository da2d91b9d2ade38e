//! Opens, checks, mends and frees connections to one server.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Row,
    postgres::{PgConnectOptions, PgConnection},
};

use super::{error::StatementError, session::AnnParameters};
use crate::{
    backend::{BackendError, ErrorKind, control::Control},
    pool::Connector,
};

/// Statements that a connection keeps prepared. Each shape of a filter is one.
const PREPARED: usize = 512;

/// Longest time for ending a statement.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// A statement that could not be ended, because no connection was to be had for that, ends with its own connection: the
/// server looks whether the client is there (14 and later, where the system can tell).
const LOOK_FOR_CLIENT: &str = "CASE WHEN current_setting('client_connection_check_interval', true) IS NOT NULL \
     AND version() LIKE '%linux%' THEN set_config('client_connection_check_interval', '2s', false) END";

/// Most connections at once that only end what others do: it takes no time, so they take turns.
const MAX_CONTROL: usize = 1;

/// Answers that may still be under way when a connection is checked.
const MAX_UNREAD: usize = 8;

/// A connection and what is known of its session.
pub struct PgLink {
    pub(super) connection: PgConnection,
    pid: i32,
    /// A transaction may be open.
    pub(super) in_transaction: bool,
    /// The parameters of approximate searches, if they are known.
    pub(super) ann: Option<AnnParameters>,
}

/// Opens connections to one server.
pub struct PgConnector {
    name: Arc<str>,
    options: PgConnectOptions,
    /// Sent once on each connection.
    set_up: String,
    /// For ending statements of other connections.
    control: Control<PgConnection>,
}

impl PgConnector {
    pub(super) fn new(name: Arc<str>, url: &str, statement_timeout: Duration) -> Result<Self, String> {
        let options: PgConnectOptions =
            url.parse().map_err(|_| "the URL is not one of a Postgres server".to_owned())?;
        let options =
            options.application_name("forebay").statement_cache_capacity(PREPARED).disable_statement_logging();
        // A generic plan guesses what a filter lets pass and then walks a vector index through nearly all rows; the
        // just-in-time compiler takes longer than most of these statements.
        let limit = statement_timeout.as_millis().clamp(1, i32::MAX as u128);
        let set_up = format!(
            "SET plan_cache_mode = force_custom_plan; SET jit = off; SET statement_timeout = {limit}; \
             SET idle_in_transaction_session_timeout = {limit}; SELECT pg_backend_pid(), {LOOK_FOR_CLIENT}"
        );
        Ok(Self { name, options, set_up, control: Control::new(MAX_CONTROL) })
    }

    fn error(&self, error: &sqlx::Error) -> BackendError {
        let StatementError { error: read, .. } = StatementError::of(&self.name, error);
        // Whatever goes wrong before a session exists means that there is none.
        BackendError { kind: ErrorKind::Unavailable, ..read }
    }

    async fn cancel(&self, pid: i32) -> Result<(), sqlx::Error> {
        let place = self.control.place().await;
        loop {
            let kept = place.kept();
            let is_kept = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                None => PgConnection::connect_with(&self.options.clone().application_name("forebay control")).await?,
            };
            match sqlx::query("SELECT pg_cancel_backend($1)").bind(pid).execute(&mut connection).await {
                Ok(_) => {
                    place.keep(connection);
                    return Ok(());
                }
                // The kept one may have been closed meanwhile.
                Err(_) if is_kept => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[async_trait]
impl Connector for PgConnector {
    type Connection = PgLink;
    type Kill = i32;

    async fn connect(&self) -> Result<PgLink, BackendError> {
        let opened = async {
            let mut connection = PgConnection::connect_with(&self.options).await?;
            let row = sqlx::raw_sql(AssertSqlSafe(self.set_up.as_str())).fetch_one(&mut connection).await?;
            let pid = row.try_get(0)?;
            Ok(PgLink { connection, pid, in_transaction: false, ann: None })
        };
        opened.await.map_err(|error| self.error(&error))
    }

    async fn check(&self, link: &mut PgLink) -> Result<(), BackendError> {
        for _ in 0..MAX_UNREAD {
            match link.connection.ping().await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    // The answer to an earlier statement may be that it was ended.
                    let read = StatementError::of(&self.name, &error);
                    if !read.connection_is_fine {
                        return Err(read.error);
                    }
                }
            }
        }
        Err(BackendError::new(&self.name, ErrorKind::Failed, "a connection does not come to rest"))
    }

    async fn reset(&self, link: &mut PgLink) -> Result<(), BackendError> {
        if link.in_transaction {
            let ended = sqlx::raw_sql("ROLLBACK").execute(&mut link.connection).await;
            ended.map_err(|error| StatementError::of(&self.name, &error).error)?;
            link.in_transaction = false;
        }
        Ok(())
    }

    fn kill_handle(&self, link: &PgLink) -> i32 {
        link.pid
    }

    async fn kill(&self, victim: &i32) -> Result<(), BackendError> {
        match tokio::time::timeout(KILL_LIMIT, self.cancel(*victim)).await {
            Ok(ended) => ended.map_err(|error| self.error(&error)),
            Err(_) => Err(BackendError::new(&self.name, ErrorKind::Unavailable, "ending a statement took too long")),
        }
    }
}
