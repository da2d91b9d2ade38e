//! Servers with the packages that only these tests use.

use std::sync::{Arc, Weak};

use tokio::sync::{Mutex, MutexGuard};

use crate::support::{private_server::PrivateServer, stores::Stores};

/// A Postgres and a Neo4j, loaded.
pub(crate) struct Ground {
    pub(crate) postgres: PrivateServer,
    pub(crate) neo4j: PrivateServer,
    pub(crate) stores: Stores,
    turn: Mutex<()>,
}

/// The ground of the tests that do no harm to servers. It lives as long as one of them holds it.
static SHARED: Mutex<Weak<Ground>> = Mutex::const_new(Weak::new());

impl Ground {
    /// One for a test that harms it; `None` where there is none, and the test is skipped.
    pub(crate) async fn start() -> Option<Self> {
        let (postgres, neo4j) = tokio::task::block_in_place(|| {
            std::thread::scope(|scope| {
                // A test that is skipped is known by the name of its thread.
                let name = std::thread::current().name().unwrap_or("unnamed").to_owned();
                let neo4j = std::thread::Builder::new().name(name).spawn_scoped(scope, PrivateServer::neo4j);
                let neo4j = neo4j.expect("a thread");
                (PrivateServer::postgres(), neo4j.join().expect("it starts or is missing"))
            })
        });
        let (postgres, neo4j) = (postgres?, neo4j?);
        let stores = Stores::on(postgres.url.clone(), Some(neo4j.url.clone())).await;
        tokio::task::block_in_place(|| stores.load());
        Some(Self { postgres, neo4j, stores, turn: Mutex::default() })
    }

    /// The one that tests share which do it no harm; `None` where there is none.
    pub(crate) async fn shared() -> Option<Arc<Self>> {
        let mut shared = SHARED.lock().await;
        if let Some(ground) = shared.upgrade() {
            return Some(ground);
        }
        let ground = Arc::new(Self::start().await?);
        *shared = Arc::downgrade(&ground);
        Some(ground)
    }

    /// One test at a time: what they see on the servers is then their own doing.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }
}
