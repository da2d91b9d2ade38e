//! The wire: one connection to one server that everybody shares, made again when it is lost.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use redis::{Cmd, Value};
use tokio::time::timeout;

use super::{
    RedisError, RedisSettings, Subscription,
    connect::{Connected, Connector},
    sentinels::Address,
};

/// A connection that has not said a word for so long, although it was asked, is given up.
const SILENCE: Duration = Duration::from_secs(2);
/// After an attempt to connect failed, the next is not made before this time, which doubles with every failure.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A connection that is made when it is first used. Clones share it.
#[derive(Clone)]
pub(super) struct Wire(Arc<Inner>);

struct Inner {
    connector: Connector,
    current: ArcSwapOption<Connected>,
    attempts: Mutex<Attempts>,
    /// Whether commands wait for an attempt to connect after others have failed.
    is_patient: bool,
    /// When the server last said something, in milliseconds since `origin`.
    heard: AtomicU64,
    origin: Instant,
}

type Attempt = Shared<BoxFuture<'static, Result<Arc<Connected>, RedisError>>>;

struct Attempts {
    running: Option<Attempt>,
    pause: Duration,
    /// Why the last attempt failed, and when there may be another.
    failed: Option<(RedisError, Instant)>,
}

impl Wire {
    pub(super) fn new(connector: Connector) -> Self {
        Self::with_patience(connector, true)
    }

    /// To a member of a cluster. While it is away others serve, so that nobody waits to see whether it is back.
    pub(super) fn to_member(settings: &RedisSettings, address: &Address) -> Result<Self, redis::RedisError> {
        Ok(Self::with_patience(Connector::Standalone(Box::new(settings.server_at(address)?)), false))
    }

    fn with_patience(connector: Connector, is_patient: bool) -> Self {
        Self(Arc::new(Inner {
            connector,
            current: ArcSwapOption::empty(),
            attempts: Mutex::new(Attempts { running: None, pause: SHORTEST_PAUSE, failed: None }),
            is_patient,
            heard: AtomicU64::new(0),
            origin: Instant::now(),
        }))
    }

    pub(super) fn is_connected(&self) -> bool {
        self.0.current.load().is_some()
    }

    /// What a command gives. It may have been carried out even where there is an error.
    pub(super) async fn value(&self, command: &Cmd, within: Duration) -> Result<Value, RedisError> {
        self.send(within, async |connected| {
            connected.connection.clone().send_packed_command(command).await.and_then(Value::extract_error)
        })
        .await
    }

    /// What a command gives that another member of the cluster has sent here, while this one takes a slot over from it.
    pub(super) async fn value_for_asking(&self, command: &Cmd, within: Duration) -> Result<Value, RedisError> {
        let mut both = redis::pipe();
        both.cmd("ASKING").add_command(command.clone());
        self.send(within, async |connected| {
            // Of two answers, the second.
            let mut answers = connected.connection.clone().send_packed_commands(&both, 1, 1).await?;
            answers.pop().unwrap_or(Value::Nil).extract_error()
        })
        .await
    }

    async fn send(
        &self,
        within: Duration,
        saying: impl AsyncFnOnce(&Connected) -> Result<Value, redis::RedisError>,
    ) -> Result<Value, RedisError> {
        let mut used = None;
        let sending = async { Ok(saying(used.insert(self.connected().await?)).await?) };
        let result = timeout(within, sending).await.unwrap_or(Err(RedisError::TimedOut));
        if let Some(connected) = used {
            self.0.learn(&connected, result.as_ref().err());
        }
        result
    }

    /// Hears a channel, on another connection to the same server.
    pub(super) async fn subscribe(&self, channel: &str, within: Duration) -> Result<Subscription, RedisError> {
        if let Connector::Standalone(client) = &self.0.connector {
            return Subscription::open(client, channel, within).await;
        }
        let begun = Instant::now();
        let connected = timeout(within, self.connected()).await.map_err(|_| RedisError::TimedOut)??;
        let subscription = Subscription::open(&connected.client, channel, within.saturating_sub(begun.elapsed())).await;
        if subscription.is_err() {
            // Another may be the primary by now, and nobody may have noticed yet that this connection is dead.
            self.0.discard(&connected);
        }
        subscription
    }

    /// Asks whether the server that is connected to is still the one to talk to. Where sentinels decide that, most have to
    /// answer and none may name another; elsewhere there is nothing to ask.
    pub(super) async fn confirm_primary(&self, within: Duration) -> Result<(), RedisError> {
        let Connector::Sentinel { sentinels, .. } = &self.0.connector else { return Ok(()) };
        let begun = Instant::now();
        let connected = timeout(within, self.connected()).await.map_err(|_| RedisError::TimedOut)??;
        let Some(address) = &connected.address else { return Ok(()) };
        let confirmed = sentinels.confirm(address, within.saturating_sub(begun.elapsed())).await;
        if confirmed.is_err() {
            self.0.discard(&connected);
        }
        confirmed
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
        let failed = attempts.failed.clone();
        if let Some((error, until)) = &failed
            && Instant::now() < *until
        {
            return Err(error.clone());
        }
        let running = match &attempts.running {
            Some(running) => running.clone(),
            None => attempts.running.insert(self.begin()).clone(),
        };
        match failed {
            Some((error, _)) if !self.0.is_patient => Err(error),
            Some(_) | None => Ok(running),
        }
    }

    /// An attempt to connect. A task of its own: it goes on when whoever asked first has no more time.
    fn begin(&self) -> Attempt {
        let inner = Arc::clone(&self.0);
        let task = tokio::spawn(async move {
            let result = inner.connector.connect().await.map(Arc::new);
            inner.concluded(&result);
            result
        });
        let gone = |_| RedisError::Unreachable("the attempt to connect was given up".into());
        async move { task.await.map_err(gone)? }.boxed().shared()
    }
}

impl Inner {
    fn attempts(&self) -> MutexGuard<'_, Attempts> {
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
                let error = match error {
                    // Whoever hears of it from now on has not waited.
                    RedisError::TimedOut if !self.is_patient => {
                        RedisError::Unreachable("the server could not be connected to in time".into())
                    }
                    error => error.clone(),
                };
                attempts.failed = Some((error, Instant::now() + attempts.pause));
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
            Some(error) if error.ends_connection() => self.discard(connected),
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
