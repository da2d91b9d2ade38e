//! Hearing what is said in a channel.

use std::time::Duration;

use futures_util::StreamExt as _;
use redis::{Client, aio::PubSubStream};
use tokio::time::timeout;

use super::RedisError;

/// A connection of its own that hears one channel, from the moment it is there until the connection is lost.
pub struct Subscription {
    messages: PubSubStream,
}

impl Subscription {
    pub(super) async fn open(client: &Client, channel: &str, within: Duration) -> Result<Self, RedisError> {
        let opening = async {
            let mut connection = client.get_async_pubsub().await?;
            // Returns once the server has confirmed it: whatever is said from then on is heard.
            connection.subscribe(channel).await?;
            Ok(Self { messages: connection.into_on_message() })
        };
        timeout(within, opening).await.unwrap_or(Err(RedisError::TimedOut))
    }

    /// The next message; `None` once the connection is lost, after which others may have been said that nobody heard.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        self.messages.next().await.map(|message| message.get_payload_bytes().to_vec())
    }
}
