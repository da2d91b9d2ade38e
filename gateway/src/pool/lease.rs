//! A connection in use.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use super::{Connector, Pool};

/// A connection in use. Say [`Lease::done`] when everything that was sent has been answered; dropped without it, the
/// connection is in doubt.
pub struct Lease<C: Connector> {
    pool: Arc<Pool<C>>,
    connection: Option<C::Connection>,
}

impl<C: Connector> Lease<C> {
    pub(super) fn new(pool: Arc<Pool<C>>, connection: C::Connection) -> Self {
        Self { pool, connection: Some(connection) }
    }

    /// Gives the connection back: it has answered everything, and no transaction is open.
    pub fn done(mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.give_back(connection);
        }
    }

    /// The connection is of no more use: closes it.
    pub fn broken(mut self) {
        self.connection = None;
    }

    /// Lets others take the connection while this query waits for something else. The connection has answered
    /// everything; a cursor may be open.
    pub fn park(self) -> Parked<C> {
        Parked { lease: Some(self) }
    }
}

impl<C: Connector> Drop for Lease<C> {
    fn drop(&mut self) {
        // Dropping the connection closes it.
        self.connection = None;
        self.pool.forget();
    }
}

impl<C: Connector> Deref for Lease<C> {
    type Target = C::Connection;

    fn deref(&self) -> &C::Connection {
        self.connection.as_ref().expect("a lease holds its connection until it ends")
    }
}

impl<C: Connector> DerefMut for Lease<C> {
    fn deref_mut(&mut self) -> &mut C::Connection {
        self.connection.as_mut().expect("a lease holds its connection until it ends")
    }
}

/// A connection with something open on it, which others may take meanwhile. Dropped, it is reset and free again.
pub struct Parked<C: Connector> {
    lease: Option<Lease<C>>,
}

impl<C: Connector> Parked<C> {
    /// The connection as it was parked; `None` if somebody else took it.
    pub fn resume(mut self) -> Option<Lease<C>> {
        self.lease.take()
    }
}
