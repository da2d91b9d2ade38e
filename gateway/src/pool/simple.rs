//! A pool without any of the care that is still to come.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::{Connector, Demand, Lease, PoolError, Settings};

/// Connections to one backend.
pub struct Pool<C: Connector> {
    connector: C,
    free: Semaphore,
    idle: Mutex<Vec<C::Connection>>,
}

impl<C: Connector> Pool<C> {
    /// A pool that opens connections when they are asked for. `name` is the backend's.
    pub fn new(_name: Arc<str>, connector: C, settings: Settings) -> Arc<Self> {
        Arc::new(Self { connector, free: Semaphore::new(settings.max), idle: Mutex::default() })
    }

    /// What opens the connections.
    pub fn connector(&self) -> &C {
        &self.connector
    }

    /// A connection for this demand.
    pub async fn checkout(self: &Arc<Self>, demand: &Demand) -> Result<Lease<C>, PoolError> {
        let permit = tokio::time::timeout_at(demand.deadline.into(), self.free.acquire()).await;
        permit.map_err(|_| PoolError::DeadlineExceeded)?.map_err(|_| PoolError::Closed)?.forget();
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => Ok(connection),
            None => self.connector.connect().await,
        };
        match connection {
            Ok(connection) => Ok(Lease::new(self.clone(), connection)),
            Err(error) => {
                self.forget();
                Err(PoolError::Connect(error))
            }
        }
    }

    pub(super) fn give_back(&self, connection: C::Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }

    pub(super) fn forget(&self) {
        self.free.add_permits(1);
    }
}
