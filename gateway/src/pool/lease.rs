//! A connection in use.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use super::{
    Connector, Pool,
    core::{Id, Return},
};

/// A connection in use. Say [`Lease::done`] when everything that was sent has been answered, [`Lease::failed`] or
/// [`Lease::broken`] when the backend failed. Dropped without a word, which is what a caller that goes away does, the
/// connection is in doubt: its statement is ended on the server, and it is reused only once it answers again.
pub struct Lease<C: Connector> {
    pool: Arc<Pool<C>>,
    id: Id,
    /// `None` once it was given back.
    connection: Option<C::Connection>,
    kill: C::Kill,
}

impl<C: Connector> Lease<C> {
    pub(super) fn new(pool: Arc<Pool<C>>, id: Id, connection: C::Connection) -> Self {
        let kill = pool.connector().kill_handle(&connection);
        Self { pool, id, connection: Some(connection), kill }
    }

    /// Gives the connection back: it has answered everything, and no transaction is open.
    pub fn done(mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.event(|core, now| core.returned(now, self.id, connection, Return::Done));
        }
    }

    /// The backend failed at its work: the breaker counts it, and the connection is in doubt.
    pub fn failed(mut self) {
        self.leave(true);
    }

    /// The connection is of no more use: closes it, and the breaker counts a failure.
    pub fn broken(mut self) {
        // Closed before its place is free, so that the server never sees more connections than there are places.
        if let Some(connection) = self.connection.take() {
            drop(connection);
            self.pool.event(|core, now| core.broken(now, self.id));
        }
    }

    /// Lets others take the connection while this query waits for something else. The connection has answered
    /// everything; a cursor may be open.
    pub fn park(mut self) -> Parked<C> {
        let (pool, id, kill) = (self.pool.clone(), self.id, self.kill.clone());
        let connection = self.connection.take();
        let ticket = connection.map(|connection| pool.event(|core, now| core.park(now, id, connection)));
        Parked { pool, id, ticket, kill }
    }

    fn leave(&mut self, backend_failed: bool) {
        if let Some(connection) = self.connection.take() {
            self.pool.rescue(self.id, connection, self.kill.clone(), backend_failed);
        }
    }
}

impl<C: Connector> Drop for Lease<C> {
    fn drop(&mut self) {
        self.leave(false);
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
    pool: Arc<Pool<C>>,
    id: Id,
    /// `None` once it was resumed.
    ticket: Option<u64>,
    kill: C::Kill,
}

impl<C: Connector> Parked<C> {
    /// The connection as it was parked; `None` if somebody else took it.
    pub fn resume(mut self) -> Option<Lease<C>> {
        let ticket = self.ticket.take()?;
        let connection = self.pool.event(|core, now| core.resume(now, self.id, ticket))?;
        let (pool, id, kill) = (self.pool.clone(), self.id, self.kill.clone());
        Some(Lease { pool, id, connection: Some(connection), kill })
    }
}

impl<C: Connector> Drop for Parked<C> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.pool.event(|core, now| core.unpark(now, self.id, ticket));
        }
    }
}
