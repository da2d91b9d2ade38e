//! What a pool has to know of a backend.

use async_trait::async_trait;

use crate::backend::BackendError;

/// Makes, checks, mends and frees connections of one backend.
#[async_trait]
pub trait Connector: Send + Sync + 'static {
    /// One connection. Dropping it closes it.
    type Connection: Send + 'static;
    /// Names what a connection is doing, for ending it from outside. Taken before a statement runs.
    type Kill: Clone + Send + Sync + 'static;

    /// Opens a connection and sets up its session. The pool bounds the time.
    async fn connect(&self) -> Result<Self::Connection, BackendError>;

    /// Waits until the connection has answered everything that it was sent, and asks it for one more answer.
    async fn check(&self, connection: &mut Self::Connection) -> Result<(), BackendError>;

    /// Ends what an earlier user left open: a transaction, a cursor.
    async fn reset(&self, connection: &mut Self::Connection) -> Result<(), BackendError>;

    /// The handle for ending what this connection does.
    fn kill_handle(&self, connection: &Self::Connection) -> Self::Kill;

    /// Ends the running statement of a connection, over another one. No error if there is none.
    async fn kill(&self, victim: &Self::Kill) -> Result<(), BackendError>;
}
