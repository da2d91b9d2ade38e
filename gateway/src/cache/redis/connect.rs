//! Making connections.

use std::time::{Duration, Instant};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, aio::MultiplexedConnection,
};
use tokio::time::timeout;

use super::{
    RedisError, RedisSettings, Refusal,
    sentinels::{Address, Sentinels},
};

/// Longest time that one server is given to be connected to.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// What makes connections.
pub(super) enum Connector {
    /// To one server.
    Standalone(Box<Client>),
    /// To the present primary of a group.
    Sentinel { sentinels: Sentinels, settings: Box<RedisSettings> },
}

/// A connection to one server.
pub(super) struct Connected {
    pub(super) connection: MultiplexedConnection,
    pub(super) client: Client,
    /// Under sentinels, the address that they name.
    pub(super) address: Option<Address>,
    pub(super) since: Instant,
}

impl Connector {
    /// Connections to the primary that the sentinels of these settings name.
    pub(super) fn to_primary(settings: RedisSettings) -> Result<Self, redis::RedisError> {
        let addresses: Result<Vec<_>, _> = settings.nodes.iter().map(|node| settings.with_tls(node.clone())).collect();
        let sentinels = Sentinels::new(settings.group.clone(), addresses?);
        Ok(Self::Sentinel { sentinels, settings: Box::new(settings) })
    }

    pub(super) async fn connect(&self) -> Result<Connected, RedisError> {
        match self {
            Self::Standalone(client) => one(client, None).await,
            Self::Sentinel { sentinels, settings } => primary(sentinels, settings).await,
        }
    }
}

/// A connection to the first of the servers that sentinels name that is a primary by its own word, too.
async fn primary(sentinels: &Sentinels, settings: &RedisSettings) -> Result<Connected, RedisError> {
    let mut trouble = RedisError::Unreachable("the sentinels name no primary".into());
    for address in sentinels.primaries(CONNECT_WITHIN).await? {
        match settings.server_at(&address) {
            Err(error) => trouble = error.into(),
            Ok(client) => match one(&client, Some(address)).await {
                Ok(connected) => return Ok(connected),
                Err(error) => trouble = error,
            },
        }
    }
    Err(trouble)
}

/// A connection to one server. Under sentinels it has to be a primary by its own word.
async fn one(client: &Client, address: Option<Address>) -> Result<Connected, RedisError> {
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
        Ok(Connected { connection, client: client.clone(), address, since: Instant::now() })
    };
    timeout(CONNECT_WITHIN, connecting).await.unwrap_or(Err(RedisError::TimedOut))
}

impl RedisSettings {
    pub(super) fn client(&self, node: ConnectionInfo) -> Result<Client, redis::RedisError> {
        match (&self.tls, node.addr()) {
            (Some(tls), ConnectionAddr::TcpTls { .. }) => Client::build_with_tls(node, tls.clone()),
            _ => Client::open(node),
        }
    }

    /// The same address with what is trusted there.
    fn with_tls(&self, node: ConnectionInfo) -> Result<ConnectionInfo, redis::RedisError> {
        Ok(self.client(node)?.get_connection_info().clone())
    }

    /// The server that sentinels or members of a cluster name. It is talked to as they are: with TLS or without.
    pub(super) fn server_at(&self, (host, port): &Address) -> Result<Client, redis::RedisError> {
        let secure = self.nodes.iter().any(|node| matches!(node.addr(), ConnectionAddr::TcpTls { .. }));
        let (host, port) = (host.clone(), *port);
        let address = if secure {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        self.client(address.into_connection_info()?.set_redis_settings(self.login.clone()))
    }
}
