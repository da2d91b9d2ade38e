//! Making connections.

use std::time::{Duration, Instant};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo as _, TlsMode,
    aio::MultiplexedConnection,
    cluster::{ClusterClient, ClusterClientBuilder},
    cluster_async::ClusterConnection,
};
use tokio::time::timeout;

use super::{
    RedisError, RedisSettings, Refusal,
    sentinels::{Address, Sentinels},
};
use crate::config::RedisTopology;

/// Longest time that one server is given to be connected to.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// What makes connections.
pub(super) enum Connector {
    /// To one server.
    Standalone(Box<Client>),
    /// To the present primary of a group.
    Sentinel { sentinels: Sentinels, settings: Box<RedisSettings> },
    /// To all members of a cluster.
    Cluster { cluster: Box<ClusterClient>, members: Vec<Client> },
}

/// A connection.
pub(super) struct Connected {
    pub(super) to: Server,
    pub(super) since: Instant,
}

/// What a connection ends at.
pub(super) enum Server {
    /// One server; under sentinels with the address that they name.
    One { connection: MultiplexedConnection, client: Box<Client>, address: Option<Address> },
    /// A cluster.
    Cluster(ClusterConnection),
}

impl Connector {
    pub(super) fn new(settings: RedisSettings) -> Result<Self, redis::RedisError> {
        Ok(match settings.topology {
            RedisTopology::Standalone => {
                let server = settings.nodes.first().cloned();
                let nothing = (ErrorKind::InvalidClientConfig, "there is no address");
                Self::Standalone(Box::new(settings.client(server.ok_or(nothing)?)?))
            }
            RedisTopology::Sentinel => {
                let addresses: Result<Vec<_>, _> =
                    settings.nodes.iter().map(|node| settings.with_tls(node.clone())).collect();
                Self::Sentinel {
                    sentinels: Sentinels::new(settings.group.clone(), addresses?),
                    settings: Box::new(settings),
                }
            }
            RedisTopology::Cluster => {
                let members: Result<Vec<_>, _> =
                    settings.nodes.iter().cloned().map(|node| settings.client(node)).collect();
                Self::Cluster { cluster: Box::new(settings.cluster()?), members: members? }
            }
        })
    }

    pub(super) async fn connect(&self) -> Result<Connected, RedisError> {
        let to = match self {
            Self::Standalone(client) => one(client, None).await?,
            Self::Sentinel { sentinels, settings } => primary(sentinels, settings).await?,
            Self::Cluster { cluster, .. } => {
                // It asks one member for all others.
                let connecting = timeout(2 * CONNECT_WITHIN, cluster.get_async_connection());
                Server::Cluster(connecting.await.map_err(|_| RedisError::TimedOut)??)
            }
        };
        Ok(Connected { to, since: Instant::now() })
    }
}

/// A connection to the first of the servers that sentinels name that is a primary by its own word, too.
async fn primary(sentinels: &Sentinels, settings: &RedisSettings) -> Result<Server, RedisError> {
    let mut trouble = RedisError::Unreachable("the sentinels name no primary".into());
    for address in sentinels.primaries(CONNECT_WITHIN).await? {
        match settings.server_at(&address) {
            Err(error) => trouble = error.into(),
            Ok(client) => match one(&client, Some(address)).await {
                Ok(server) => return Ok(server),
                Err(error) => trouble = error,
            },
        }
    }
    Err(trouble)
}

/// A connection to one server. Under sentinels it has to be a primary by its own word.
async fn one(client: &Client, address: Option<Address>) -> Result<Server, RedisError> {
    let connecting = async {
        let settings =
            AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_WITHIN)).set_response_timeout(None);
        let mut connection = client.get_multiplexed_async_connection_with_config(&settings).await?;
        if address.is_some() {
            let role: Vec<redis::Value> = redis::cmd("ROLE").query_async(&mut connection).await?;
            let role: String = redis::from_redis_value(role.into_iter().next().unwrap_or(redis::Value::Nil))?;
            if role != "master" {
                let message = format!("the server that the sentinels name says that it is a {role}");
                return Err(RedisError::Refused { why: Refusal::ReadOnly, message });
            }
        }
        Ok(Server::One { connection, client: Box::new(client.clone()), address })
    };
    timeout(CONNECT_WITHIN, connecting).await.unwrap_or(Err(RedisError::TimedOut))
}

impl RedisSettings {
    fn client(&self, node: ConnectionInfo) -> Result<Client, redis::RedisError> {
        match (&self.tls, node.addr()) {
            (Some(tls), ConnectionAddr::TcpTls { .. }) => Client::build_with_tls(node, tls.clone()),
            _ => Client::open(node),
        }
    }

    /// The same address with what is trusted there.
    fn with_tls(&self, node: ConnectionInfo) -> Result<ConnectionInfo, redis::RedisError> {
        Ok(self.client(node)?.get_connection_info().clone())
    }

    /// The server that sentinels name. It is talked to as the sentinels are: with TLS or without.
    fn server_at(&self, (host, port): &Address) -> Result<Client, redis::RedisError> {
        let secure = self.nodes.iter().any(|node| matches!(node.addr(), ConnectionAddr::TcpTls { .. }));
        let (host, port) = (host.clone(), *port);
        let address = if secure {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        self.client(address.into_connection_info()?.set_redis_settings(self.login.clone()))
    }

    fn cluster(&self) -> Result<ClusterClient, redis::RedisError> {
        let mut cluster = ClusterClientBuilder::new(self.nodes.clone())
            .connection_timeout(CONNECT_WITHIN)
            .response_timeout(CONNECT_WITHIN)
            // Whoever asks decides whether it is worth another try.
            .retries(2)
            .database_id(self.login.db());
        if let Some(user) = self.login.username() {
            cluster = cluster.username(user);
        }
        if let Some(password) = self.login.password() {
            cluster = cluster.password(password);
        }
        if self.nodes.iter().any(|node| matches!(node.addr(), ConnectionAddr::TcpTls { .. })) {
            cluster = cluster.tls(TlsMode::Secure);
        }
        if let Some(tls) = &self.tls {
            cluster = cluster.certs(tls.clone());
        }
        cluster.build()
    }
}
