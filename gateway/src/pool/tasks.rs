//! What a pool does in the background: opening, checking, resetting and rescuing connections, and keeping its times.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::timeout};

use super::{Connector, Pool, core::Id};
use crate::backend::{BackendError, ErrorKind};

/// A connection that does not answer for so long is closed.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// The keeper never looks more often than this.
const SHORTEST_NAP: Duration = Duration::from_millis(1);

/// A place whose connection is with a task. Dropped without a connection, the place is given up: a task that panics or is
/// dropped loses its connection but not the place.
pub(super) struct Seat<C: Connector> {
    pool: Arc<Pool<C>>,
    id: Id,
    with: With,
}

/// What a task does with its place.
enum With {
    Opening,
    Connection,
    Nothing,
}

impl<C: Connector> Seat<C> {
    pub(super) fn new(pool: Arc<Pool<C>>, id: Id) -> Self {
        Self { pool, id, with: With::Connection }
    }

    pub(super) fn empty(pool: Arc<Pool<C>>, id: Id) -> Self {
        Self { pool, id, with: With::Opening }
    }

    fn opened(mut self, result: Result<C::Connection, BackendError>) {
        self.with = With::Nothing;
        match result {
            Ok(connection) => self.pool.event(|core, now| core.opened(now, self.id, connection)),
            Err(error) => self.pool.event(|core, now| core.connect_failed(now, self.id, error)),
        }
    }

    fn prepared(mut self, connection: C::Connection) {
        self.with = With::Nothing;
        self.pool.event(|core, now| core.prepared(now, self.id, connection));
    }
}

impl<C: Connector> Drop for Seat<C> {
    fn drop(&mut self) {
        match self.with {
            With::Nothing => {}
            With::Connection => self.pool.event(|core, now| core.unusable(now, self.id)),
            With::Opening => {
                let error = BackendError::new(self.pool.name(), ErrorKind::Unavailable, "connecting was given up");
                self.pool.event(|core, now| core.connect_failed(now, self.id, error));
            }
        }
    }
}

/// Opens a connection.
pub(super) async fn open<C: Connector>(seat: Seat<C>) {
    let pool = seat.pool.clone();
    let limit = pool.settings().connect_timeout;
    let opened = timeout(limit, pool.connector().connect()).await.unwrap_or_else(|_| {
        let detail = format!("no connection within {} ms", limit.as_millis());
        Err(BackendError::new(pool.name(), ErrorKind::Unavailable, detail))
    });
    if let Err(error) = &opened {
        tracing::warn!(pool = &**pool.name(), %error, "no connection");
    }
    seat.opened(opened);
}

/// Checks a connection that was idle for long.
pub(super) async fn check<C: Connector>(seat: Seat<C>, mut connection: C::Connection) {
    let pool = seat.pool.clone();
    if let Ok(Ok(())) = timeout(ANSWER_TIME, pool.connector().check(&mut connection)).await {
        seat.prepared(connection);
    }
}

/// Ends what an earlier user left open.
pub(super) async fn reset<C: Connector>(seat: Seat<C>, mut connection: C::Connection) {
    let pool = seat.pool.clone();
    if let Ok(Ok(())) = timeout(ANSWER_TIME, pool.connector().reset(&mut connection)).await {
        seat.prepared(connection);
    }
}

/// Ends what a connection does, waits until it answers, and resets it.
pub(super) async fn rescue<C: Connector>(seat: Seat<C>, mut connection: C::Connection, kill: C::Kill) {
    let pool = seat.pool.clone();
    let connector = pool.connector();
    match timeout(ANSWER_TIME, connector.kill(&kill)).await {
        Ok(Ok(())) => pool.event(|core, _| core.cancelled()),
        // The check will tell whether the statement goes on.
        Ok(Err(error)) => tracing::warn!(pool = &**pool.name(), %error, "a statement could not be ended"),
        Err(_) => tracing::warn!(pool = &**pool.name(), "a statement could not be ended in time"),
    }
    let answers = match timeout(ANSWER_TIME, connector.check(&mut connection)).await {
        Ok(Ok(())) => true,
        // The kill may have come late and hit the check itself.
        Ok(Err(_)) => matches!(timeout(ANSWER_TIME, connector.check(&mut connection)).await, Ok(Ok(()))),
        Err(_) => false,
    };
    if answers && matches!(timeout(ANSWER_TIME, connector.reset(&mut connection)).await, Ok(Ok(()))) {
        seat.prepared(connection);
    }
}

/// Wakes a pool when it has something to do that nobody asks for: growing, shrinking, another attempt to connect.
pub(super) async fn keep_times<C: Connector>(pool: Weak<Pool<C>>, bell: Arc<Notify>) {
    loop {
        let Some(wake) = pool.upgrade().and_then(|pool| pool.tick()) else { return };
        match wake {
            None => bell.notified().await,
            Some(at) => {
                let at = at.max(Instant::now() + SHORTEST_NAP);
                tokio::select! {
                    () = tokio::time::sleep_until(at.into()) => {}
                    () = bell.notified() => {}
                }
            }
        }
    }
}
