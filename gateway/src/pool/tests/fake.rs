//! A backend that does as it is told, and remembers what was done to it.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::sync::Semaphore;

use crate::{
    backend::{BackendError, ErrorKind},
    config::{BreakerConfig, PoolConfig},
    pool::{Connector, Demand, Pool, Settings, Snapshot},
    query::Priority,
};

/// What the server sees.
#[derive(Debug, Default)]
pub(in crate::pool) struct Server {
    pub(in crate::pool) next: AtomicUsize,
    /// Open connections.
    pub(in crate::pool) open: Mutex<BTreeSet<usize>>,
    /// Most connections that were open at once.
    pub(in crate::pool) most: AtomicUsize,
    /// Every call in order.
    pub(in crate::pool) calls: Mutex<Vec<String>>,
    pub(in crate::pool) refuses: AtomicBool,
    /// Connections that do not answer a check.
    pub(in crate::pool) mute: Mutex<BTreeSet<usize>>,
    /// Checks that fail before one succeeds.
    pub(in crate::pool) failing_checks: AtomicUsize,
    /// Connecting waits for a permit of this.
    pub(in crate::pool) gate: Option<Semaphore>,
    pub(in crate::pool) panics: AtomicBool,
}

impl Server {
    pub(in crate::pool) fn said(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    pub(in crate::pool) fn open_count(&self) -> usize {
        self.open.lock().unwrap().len()
    }

    fn note(&self, what: &str, number: usize) {
        self.calls.lock().unwrap().push(format!("{what} {number}"));
    }
}

pub(in crate::pool) struct Fake(pub(super) Arc<Server>);

#[derive(Debug)]
pub(in crate::pool) struct Connection {
    pub(in crate::pool) number: usize,
    server: Arc<Server>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        assert!(self.server.open.lock().unwrap().remove(&self.number), "closed twice");
        self.server.note("close", self.number);
    }
}

fn error() -> BackendError {
    BackendError::new(&"fake".into(), ErrorKind::Unavailable, "as told")
}

#[async_trait]
impl Connector for Fake {
    type Connection = Connection;
    type Kill = usize;

    async fn connect(&self) -> Result<Connection, BackendError> {
        assert!(!self.0.panics.load(SeqCst), "as told");
        if let Some(gate) = &self.0.gate {
            gate.acquire().await.unwrap().forget();
        }
        if self.0.refuses.load(SeqCst) {
            return Err(error());
        }
        let number = self.0.next.fetch_add(1, SeqCst);
        let mut open = self.0.open.lock().unwrap();
        open.insert(number);
        self.0.most.fetch_max(open.len(), SeqCst);
        Ok(Connection { number, server: self.0.clone() })
    }

    async fn check(&self, connection: &mut Connection) -> Result<(), BackendError> {
        self.0.note("check", connection.number);
        if self.0.mute.lock().unwrap().contains(&connection.number) {
            return Err(error());
        }
        let failing = self.0.failing_checks.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        failing.map_or(Ok(()), |_| Err(error()))
    }

    async fn reset(&self, connection: &mut Connection) -> Result<(), BackendError> {
        self.0.note("reset", connection.number);
        Ok(())
    }

    fn kill_handle(&self, connection: &Connection) -> usize {
        connection.number
    }

    async fn kill(&self, victim: &usize) -> Result<(), BackendError> {
        self.0.note("kill", *victim);
        Ok(())
    }
}

pub(in crate::pool) fn settings(max: usize) -> Settings {
    let pool = PoolConfig { max, reserve: 0, ..PoolConfig::default() };
    (&pool, &BreakerConfig::default()).into()
}

pub(in crate::pool) fn pool(settings: Settings) -> (Arc<Pool<Fake>>, Arc<Server>) {
    over(Server::default(), settings)
}

pub(in crate::pool) fn over(server: Server, settings: Settings) -> (Arc<Pool<Fake>>, Arc<Server>) {
    let server = Arc::new(server);
    (Pool::new("fake".into(), Fake(server.clone()), settings), server)
}

/// Somebody with a lot of time and little to do.
pub(in crate::pool) fn demand(class: Priority) -> Demand {
    let deadline = Instant::now() + Duration::from_secs(600);
    Demand { class, tenant: None, deadline, predicted: Duration::from_millis(1) }
}

/// Waits until the pool is in a state.
pub(in crate::pool) async fn until(pool: &Pool<Fake>, holds: impl Fn(&Snapshot) -> bool) {
    let waiting = async {
        while !holds(&pool.snapshot()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    in_time.unwrap_or_else(|_| panic!("it never came to hold: {:?}", pool.snapshot()));
}
