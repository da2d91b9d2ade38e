//! The two listeners: bound, serving, drained.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{Admin, Api, Authenticator, Server, admin::Readiness},
    config::Config,
    request::Gateway,
};

/// Why a listener cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("{key} cannot be {address}: {source}")]
pub struct BindError {
    /// The key of the configuration.
    pub key: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

/// Listeners that are bound and do not answer yet.
pub struct Listeners {
    query: Server,
    admin: Server,
}

/// Listeners that answer.
pub struct Serving {
    query: Listener,
    admin: Listener,
    readiness: Arc<Readiness>,
}

/// A running listener. Returns how many connections were cut.
struct Listener {
    stop: CancellationToken,
    task: JoinHandle<usize>,
}

impl Listeners {
    /// Binds both, so that a port that is taken is known before any data is opened.
    pub async fn bind(config: &Config) -> Result<Self, BindError> {
        let query = bind("server.listen", config.server.listen, config).await?;
        let admin = bind("admin.listen", config.admin.listen, config).await?;
        Ok(Self { query, admin })
    }

    /// Where queries are answered.
    pub fn query_address(&self) -> SocketAddr {
        self.query.local_addr()
    }

    /// Where operators are answered.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.local_addr()
    }

    /// Answers with this gateway. Call it in a runtime.
    pub fn serve(self, gateway: &Arc<Gateway>, authenticator: Authenticator, config: &Config) -> Serving {
        let readiness = Arc::new(Readiness::default());
        let api = Api::new(gateway.clone(), authenticator, &config.server);
        let admin = Admin::new(gateway.clone(), readiness.clone(), config.clone());
        Serving { query: Listener::start(self.query, api), admin: Listener::start(self.admin, admin), readiness }
    }
}

impl Serving {
    /// What stands in the way of being ready.
    pub fn readiness(&self) -> &Arc<Readiness> {
        &self.readiness
    }

    /// Says that it is not ready, takes no new queries, lets those that run end within the configured time. Returns how
    /// many connections had to be cut. The admin listener goes last, so that operators can watch.
    pub async fn drain(self) -> usize {
        self.readiness.drain();
        let cut = self.query.end().await;
        self.admin.end().await;
        cut
    }
}

impl Listener {
    fn start<H: crate::api::Handler>(server: Server, handler: H) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(server.run(Arc::new(handler), stop.clone()));
        Self { stop, task }
    }

    async fn end(self) -> usize {
        self.stop.cancel();
        // A listener that panicked has no connections left.
        self.task.await.unwrap_or(0)
    }
}

async fn bind(key: &'static str, address: SocketAddr, config: &Config) -> Result<Server, BindError> {
    Server::bind(address, &config.server).await.map_err(|source| BindError { key, address, source })
}
