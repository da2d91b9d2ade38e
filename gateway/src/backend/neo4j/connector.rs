//! Making, checking and freeing connections.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{
    BoltOptions,
    connection::{BoltConnection, Mode, driver},
    fault,
    statement::Statement,
};
use crate::{
    backend::{BackendError, ErrorKind, control::Control},
    pool::Connector,
};

/// The key of a transaction's metadata that holds the tag of its connection.
pub(super) const TAG: &str = "forebay";

/// Longest time for an answer to something trivial.
const TRIVIAL: Duration = Duration::from_secs(5);

/// Most connections at once that only end what others do.
const MAX_KILLING: usize = 2;

/// A statement that was just sent may not be a transaction yet; then it is looked for once more after this time.
const LATE: Duration = Duration::from_millis(25);

/// Makes connections to one server.
pub struct BoltConnector {
    name: Arc<str>,
    options: Arc<BoltOptions>,
    /// For ending what other connections do.
    control: Control<BoltConnection>,
}

/// Names what a connection is doing. The server knows the transactions of a connection by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillTag(Arc<str>);

impl BoltConnector {
    pub(super) fn new(name: Arc<str>, options: Arc<BoltOptions>) -> Self {
        Self { name, options, control: Control::new(MAX_KILLING) }
    }

    async fn open(&self) -> Result<BoltConnection, BackendError> {
        let driver = driver(&self.options).map_err(|error| fault::of(&self.name, &error))?;
        let tag = format!("{:016x}{:016x}", rand::random::<u64>(), rand::random::<u64>());
        let mut connection = BoltConnection::new(driver, tag.into());
        // The driver connects only when it is used.
        self.trivial(&mut connection, Statement::new("RETURN 1")).await?;
        Ok(connection)
    }

    /// Runs something that takes no time, and returns its first number.
    async fn trivial(&self, connection: &mut BoltConnection, statement: Statement) -> Result<i64, BackendError> {
        let answer = tokio::time::timeout(TRIVIAL, connection.execute(&statement, Mode::Read, TRIVIAL)).await;
        let silent = || BackendError::new(&self.name, ErrorKind::Unavailable, "the server does not answer");
        let rows = answer.map_err(|_| silent())?.map_err(|error| fault::of(&self.name, &error))?;
        let number = rows.first().and_then(|row| row.to::<i64>().ok());
        number.ok_or_else(|| BackendError::new(&self.name, ErrorKind::Failed, "the server answered without a number"))
    }

    /// Ends the transactions with this tag.
    async fn terminate(&self, connection: &mut BoltConnection, victim: &KillTag) -> Result<(), BackendError> {
        let kill = || {
            Statement::new(format!(
                "SHOW TRANSACTIONS YIELD transactionId AS t, metaData WHERE metaData.{TAG} = $tag \
                 TERMINATE TRANSACTIONS t YIELD message RETURN count(*)"
            ))
            .with("tag", &*victim.0)
        };
        if self.trivial(connection, kill()).await? == 0 {
            tokio::time::sleep(LATE).await;
            self.trivial(connection, kill()).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Connector for BoltConnector {
    type Connection = BoltConnection;
    type Kill = KillTag;

    async fn connect(&self) -> Result<BoltConnection, BackendError> {
        self.open().await
    }

    async fn check(&self, connection: &mut BoltConnection) -> Result<(), BackendError> {
        connection.settle().await;
        self.trivial(connection, Statement::new("RETURN 1")).await.map(drop)
    }

    /// No transaction outlives a call, so there is nothing to end once the last statement has been answered.
    async fn reset(&self, connection: &mut BoltConnection) -> Result<(), BackendError> {
        connection.settle().await;
        Ok(())
    }

    fn kill_handle(&self, connection: &BoltConnection) -> KillTag {
        KillTag(connection.tag.clone())
    }

    async fn kill(&self, victim: &KillTag) -> Result<(), BackendError> {
        let place = self.control.place().await;
        loop {
            let kept = place.kept();
            let is_kept = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                None => self.open().await?,
            };
            match self.terminate(&mut connection, victim).await {
                Ok(()) => {
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
