//! The link: one connection that everybody shares, made again when it is lost.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, join_all},
};
use redis::{Cmd, FromRedisValue, Value, aio::ConnectionLike as _};
use tokio::time::timeout;

use super::{
    RedisError, RedisSettings, Refusal, Script, SettingsProblem, Subscription,
    connect::{Connected, Connector, Server},
};

/// A connection that has not said a word for so long, although it was asked, is given up.
const SILENCE: Duration = Duration::from_secs(2);
/// After an attempt to connect failed, the next is not made before this time, which doubles with every failure.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A link to Redis. Clones share it.
#[derive(Clone)]
pub struct RedisLink(Arc<Inner>);

struct Inner {
    connector: Connector,
    current: ArcSwapOption<Connected>,
    attempts: Mutex<Attempts>,
    /// When the server last said something, in milliseconds since `origin`.
    heard: AtomicU64,
    origin: Instant,
    /// Which member of a cluster is subscribed to next.
    turn: AtomicUsize,
}

type Attempt = Shared<BoxFuture<'static, Result<Arc<Connected>, RedisError>>>;

struct Attempts {
    running: Option<Attempt>,
    pause: Duration,
    /// Why the last attempt failed, and when there may be another.
    failed: Option<(RedisError, Instant)>,
}

impl RedisLink {
    /// A link that connects when it is first used.
    ///
    /// # Errors
    /// The settings cannot be meant: certificates, for instance, that make no sense.
    pub fn new(settings: RedisSettings) -> Result<Self, SettingsProblem> {
        Ok(Self(Arc::new(Inner {
            connector: Connector::new(settings).map_err(|error| SettingsProblem::Contradictory(error.to_string()))?,
            current: ArcSwapOption::empty(),
            attempts: Mutex::new(Attempts { running: None, pause: SHORTEST_PAUSE, failed: None }),
            heard: AtomicU64::new(0),
            origin: Instant::now(),
            turn: AtomicUsize::new(0),
        })))
    }

    /// Whether there is a connection at present.
    pub fn is_connected(&self) -> bool {
        self.0.current.load().is_some()
    }

    /// Whether commands on keys of different slots cannot be carried out together.
    pub fn is_cluster(&self) -> bool {
        matches!(self.0.connector, Connector::Cluster { .. })
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
        let client = match &self.0.connector {
            Connector::Standalone(client) => (**client).clone(),
            Connector::Cluster { members, .. } => {
                // What is said to one member is heard at all; each time another one is asked, as it may be away.
                let turn = self.0.turn.fetch_add(1, Ordering::Relaxed);
                members[turn % members.len()].clone()
            }
            Connector::Sentinel { .. } => return self.subscribe_at_primary(channel, within).await,
        };
        Subscription::open(&client, channel, within).await
    }

    async fn subscribe_at_primary(&self, channel: &str, within: Duration) -> Result<Subscription, RedisError> {
        let begun = Instant::now();
        let connected = timeout(within, self.connected()).await.map_err(|_| RedisError::TimedOut)??;
        let Server::One { client, .. } = &connected.to else {
            return Err(RedisError::Unreachable("a cluster under sentinels".into()));
        };
        let subscription = Subscription::open(client, channel, within.saturating_sub(begun.elapsed())).await;
        if subscription.is_err() {
            // Another may be the primary by now, and nobody may have noticed yet that this connection is dead.
            self.0.discard(&connected);
        }
        subscription
    }

    /// Asks whether the server that is connected to is still the one to talk to. Where sentinels decide that, most have to
    /// answer and none may name another; elsewhere there is nothing to ask.
    pub async fn confirm_primary(&self, within: Duration) -> Result<(), RedisError> {
        let Connector::Sentinel { sentinels, .. } = &self.0.connector else { return Ok(()) };
        let begun = Instant::now();
        let connected = timeout(within, self.connected()).await.map_err(|_| RedisError::TimedOut)??;
        let Server::One { address: Some(address), .. } = &connected.to else { return Ok(()) };
        let confirmed = sentinels.confirm(address, within.saturating_sub(begun.elapsed())).await;
        if confirmed.is_err() {
            self.0.discard(&connected);
        }
        confirmed
    }

    async fn value(&self, command: &Cmd, within: Duration) -> Result<Value, RedisError> {
        let mut used = None;
        let sending = async {
            let value = match &used.insert(self.connected().await?).to {
                Server::One { connection, .. } => connection.clone().send_packed_command(command).await,
                Server::Cluster(cluster) => cluster.clone().req_packed_command(command).await,
            };
            // An error that the server answers with may come as a value.
            Ok(value.and_then(Value::extract_error)?)
        };
        let result = timeout(within, sending).await.unwrap_or(Err(RedisError::TimedOut));
        if let Some(connected) = used {
            self.0.learn(&connected, result.as_ref().err());
        }
        result
    }

    /// The connection; where there is none, the one that an attempt which may be running makes.
    async fn connected(&self) -> Result<Arc<Connected>, RedisError> {
        match self.0.current.load_full() {
            Some(connected) => Ok(connected),
            None => self.attempt()?.await,
        }
    }

    fn attempt(&self) -> Result<Attempt, RedisError> {
        let mut attempts = self.0.attempts();
        if let Some(running) = &attempts.running {
            return Ok(running.clone());
        }
        match &attempts.failed {
            Some((error, until)) if Instant::now() < *until => return Err(error.clone()),
            Some(_) | None => {}
        }
        // A task of its own: it goes on when whoever asked first has no more time.
        let inner = Arc::clone(&self.0);
        let task = tokio::spawn(async move {
            let result = inner.connector.connect().await.map(Arc::new);
            inner.concluded(&result);
            result
        });
        let gone = |_| RedisError::Unreachable("the attempt to connect was given up".into());
        let attempt = async move { task.await.map_err(gone)? }.boxed().shared();
        attempts.running = Some(attempt.clone());
        Ok(attempt)
    }
}

impl Inner {
    fn attempts(&self) -> std::sync::MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn concluded(&self, result: &Result<Arc<Connected>, RedisError>) {
        let mut attempts = self.attempts();
        attempts.running = None;
        match result {
            Ok(connected) => {
                (attempts.pause, attempts.failed) = (SHORTEST_PAUSE, None);
                self.current.store(Some(Arc::clone(connected)));
            }
            Err(error) => {
                attempts.failed = Some((error.clone(), Instant::now() + attempts.pause));
                attempts.pause = (attempts.pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Draws conclusions about a connection from what came of a command.
    fn learn(&self, connected: &Arc<Connected>, error: Option<&RedisError>) {
        let now = self.origin.elapsed().as_millis() as u64;
        match error {
            Some(RedisError::TimedOut) => {
                let heard = Duration::from_millis(now.saturating_sub(self.heard.load(Ordering::Relaxed)));
                if heard > SILENCE && connected.since.elapsed() > SILENCE {
                    self.discard(connected);
                }
            }
            // A cluster's connection mends itself.
            Some(error) if error.ends_connection() && !matches!(connected.to, Server::Cluster(_)) => {
                self.discard(connected);
            }
            Some(RedisError::Unreachable(_)) => {}
            Some(_) | None => {
                self.heard.fetch_max(now, Ordering::Relaxed);
            }
        }
    }

    /// Lets a connection go, if it is still the one in use.
    fn discard(&self, connected: &Arc<Connected>) {
        let current = self.current.load();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, connected)) {
            self.current.compare_and_swap(&current, None);
        }
    }
}
