//! Sentinels: who is the primary of a group.

use std::time::Duration;

use futures_util::future::join_all;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, aio::MultiplexedConnection};
use tokio::{sync::Mutex, time::timeout};

use super::RedisError;

/// The sentinels of a group.
pub(super) struct Sentinels {
    group: String,
    members: Vec<Sentinel>,
}

struct Sentinel {
    address: ConnectionInfo,
    connection: Mutex<Option<MultiplexedConnection>>,
}

/// Host and port.
pub(super) type Address = (String, u16);

impl Sentinels {
    pub(super) fn new(group: String, addresses: Vec<ConnectionInfo>) -> Self {
        let members = addresses.into_iter().map(|address| Sentinel { address, connection: Mutex::new(None) });
        Self { group, members: members.collect() }
    }

    /// The primaries that sentinels name, those that most name first. None of them may be it any more.
    pub(super) async fn primaries(&self, within: Duration) -> Result<Vec<Address>, RedisError> {
        let mut votes: Vec<(Address, usize)> = Vec::new();
        let mut trouble = None;
        for answer in self.ask(within).await {
            match answer {
                Err(error) => trouble = Some(error),
                Ok(address) => match votes.iter_mut().find(|(named, _)| *named == address) {
                    Some((_, count)) => *count += 1,
                    None => votes.push((address, 1)),
                },
            }
        }
        votes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        match trouble {
            Some(error) if votes.is_empty() => Err(error),
            Some(_) | None => Ok(votes.into_iter().map(|(address, _)| address).collect()),
        }
    }

    /// Whether most sentinels answer, and all that do name this primary.
    pub(super) async fn confirm(&self, primary: &Address, within: Duration) -> Result<(), RedisError> {
        let answers = self.ask(within).await;
        let named = answers.iter().flatten().count();
        if let Some((host, port)) = answers.iter().flatten().find(|address| *address != primary) {
            return Err(RedisError::Unreachable(format!("sentinels name another primary: {host}:{port}")));
        }
        if named * 2 <= self.members.len() {
            let all = self.members.len();
            return Err(RedisError::Unreachable(format!("{named} of {all} sentinels answer, which are not most")));
        }
        Ok(())
    }

    async fn ask(&self, within: Duration) -> Vec<Result<Address, RedisError>> {
        let asking = self.members.iter().map(async |sentinel| {
            timeout(within, sentinel.primary_of(&self.group)).await.unwrap_or(Err(RedisError::TimedOut))
        });
        join_all(asking).await
    }
}

impl Sentinel {
    async fn primary_of(&self, group: &str) -> Result<Address, RedisError> {
        let mut kept = self.connection.lock().await;
        // Put back only after an answer: after anything else the next call makes another connection.
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => {
                let settings = AsyncConnectionConfig::new().set_response_timeout(None);
                let client = Client::open(self.address.clone())?;
                client.get_multiplexed_async_connection_with_config(&settings).await?
            }
        };
        let mut command = redis::cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(group);
        let named: Option<Address> = command.query_async(&mut connection).await?;
        *kept = Some(connection);
        named.ok_or_else(|| RedisError::Unreachable(format!("a sentinel does not know the group `{group}`")))
    }
}
