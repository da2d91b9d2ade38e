//! The link: Redis as everybody else sees it, whatever servers it is made of.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use redis::{Cmd, ErrorKind, FromRedisValue, Value};

use super::{
    RedisError, RedisSettings, Refusal, Script, SettingsProblem, Subscription, cluster::Cluster, connect::Connector,
    wire::Wire,
};
use crate::config::RedisTopology;

/// A link to Redis. Clones share it.
#[derive(Clone)]
pub struct RedisLink(To);

#[derive(Clone)]
enum To {
    /// One server, or the present primary of a group.
    One(Wire),
    /// All members of a cluster.
    Cluster(Cluster),
}

impl RedisLink {
    /// A link that connects when it is first used.
    ///
    /// # Errors
    /// The settings cannot be meant: certificates, for instance, that make no sense.
    pub fn new(settings: RedisSettings) -> Result<Self, SettingsProblem> {
        To::new(settings).map(Self).map_err(|error| SettingsProblem::Contradictory(error.to_string()))
    }

    /// Whether there is a connection at present.
    pub fn is_connected(&self) -> bool {
        match &self.0 {
            To::One(wire) => wire.is_connected(),
            To::Cluster(cluster) => cluster.is_connected(),
        }
    }

    /// Whether commands on keys of different slots cannot be carried out together.
    pub fn is_cluster(&self) -> bool {
        matches!(self.0, To::Cluster(_))
    }

    /// What a command gives. It may have been carried out even where there is an error.
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd, within: Duration) -> Result<T, RedisError> {
        Ok(redis::from_redis_value(self.value(command, within).await?)?)
    }

    /// What several commands give, sent together. The time is for all of them.
    pub async fn query_all(&self, commands: &[Cmd], within: Duration) -> Vec<Result<Value, RedisError>> {
        // Commands that are sent at once share a connection and so a packet, and go to the nodes of their keys.
        join_all(commands.iter().map(|command| self.value(command, within))).await
    }

    /// What a script gives. All keys have to be of one slot.
    pub async fn script<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[&str],
        arguments: &[&[u8]],
        within: Duration,
    ) -> Result<T, RedisError> {
        let begun = Instant::now();
        let value = match self.value(&script.by_digest(keys, arguments), within).await {
            Err(RedisError::Refused { why: Refusal::NoScript, .. }) => {
                self.value(&script.by_text(keys, arguments), within.saturating_sub(begun.elapsed())).await
            }
            other => other,
        };
        Ok(redis::from_redis_value(value?)?)
    }

    /// Hears a channel, on a connection of its own. Once this returns, nothing is missed until the subscription ends.
    pub async fn subscribe(&self, channel: &str, within: Duration) -> Result<Subscription, RedisError> {
        match &self.0 {
            To::One(wire) => wire.subscribe(channel, within).await,
            To::Cluster(cluster) => cluster.subscribe(channel, within).await,
        }
    }

    /// Asks whether the server that is connected to is still the one to talk to. Where sentinels decide that, most have to
    /// answer and none may name another; elsewhere there is nothing to ask.
    pub async fn confirm_primary(&self, within: Duration) -> Result<(), RedisError> {
        match &self.0 {
            To::One(wire) => wire.confirm_primary(within).await,
            To::Cluster(_) => Ok(()),
        }
    }

    async fn value(&self, command: &Cmd, within: Duration) -> Result<Value, RedisError> {
        match &self.0 {
            To::One(wire) => wire.value(command, within).await,
            To::Cluster(cluster) => cluster.value(command, within).await,
        }
    }
}

impl To {
    fn new(settings: RedisSettings) -> Result<Self, redis::RedisError> {
        Ok(match settings.topology {
            RedisTopology::Standalone => {
                let server = settings.nodes.first().cloned();
                let nothing = (ErrorKind::InvalidClientConfig, "there is no address");
                Self::One(Wire::new(Connector::Standalone(Box::new(settings.client(server.ok_or(nothing)?)?))))
            }
            RedisTopology::Sentinel => Self::One(Wire::new(Connector::to_primary(settings)?)),
            RedisTopology::Cluster => Self::Cluster(Cluster::new(settings)?),
        })
    }
}
