//! The protocol on a real Redis: a task that follows the ledger, and bumps.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use redis::FromRedisValue;
use tokio::{sync::Notify, task::AbortHandle, time::sleep};

use super::{
    CoherenceStatistics,
    bumping::Waiting,
    follower::{Follower, Heard, Renewed},
    ledger::{Counted, Holders, Ledger, Message, Names, Renewal, Scripts, holders},
    pending::Pending,
};
use crate::{
    cache::{
        Epochs, WallTime,
        coherence::{Acknowledged, Bump, Coherence, Unacknowledged},
        redis::{RedisError, RedisLink, RedisSettings, Script, SettingsProblem, Subscription},
    },
    config::L2Config,
};

/// Time between renewals: a lease survives two that fail.
const RENEW_EVERY: Duration = Duration::from_millis(300);
/// Longest time that Redis is given for one answer. What takes longer would leave little of a lease.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);
/// An attempt to follow a Redis that is out of reach ends at the latest so long after it began: it asks for little.
const ASKED_WITHIN: Duration = Duration::from_secs(2);
/// A renewal that named bumps which have not been heard of is repeated after this time.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// So often; then the subscription is not what it seems.
const LOOKS: u32 = 5;
/// Pauses between attempts to follow again: from this, doubling, to the longest.
const RETRY_AFTER: Duration = Duration::from_millis(50);
/// The longest.
const RETRY_AT_LEAST_EVERY: Duration = Duration::from_millis(500);
/// Pauses between looks whether others have taken a bump over: from this, doubling, to the longest.
const ASK_AFTER: Duration = Duration::from_millis(1);
/// The longest.
const ASK_AT_LEAST_EVERY: Duration = Duration::from_millis(50);

/// Epochs that gateways share in Redis.
///
/// It is there whether Redis is or not: it goes on trying, and until Redis answers there is no lease.
pub struct RedisCoherence {
    shared: Arc<Shared>,
    following: AbortHandle,
}

struct Shared {
    link: RedisLink,
    names: Names,
    scripts: Scripts,
    /// What the other gateways know this one by: another name at each start.
    gateway: String,
    epochs: Arc<Epochs>,
    follower: Mutex<Follower>,
    renewals: AtomicU64,
    /// When Redis last answered.
    contact: Mutex<Option<Instant>>,
    /// There are bumps to be counted.
    has_pending: Notify,
}

impl RedisCoherence {
    /// Epochs as the configuration says, on a link of their own. Has to be called in a runtime.
    ///
    /// # Errors
    /// The settings are wrong, or their files cannot be read. Never because Redis is away.
    pub fn connect(config: &L2Config) -> Result<Arc<Self>, SettingsProblem> {
        let link = RedisLink::new(RedisSettings::read(config)?)?;
        Ok(Self::over(link, &config.prefix))
    }

    /// Epochs of the gateways with this prefix, on a link that may have other users. Has to be called in a runtime.
    pub fn over(link: RedisLink, prefix: &str) -> Arc<Self> {
        let epochs = Arc::new(Epochs::shared());
        let shared = Arc::new(Shared {
            link,
            names: Names::new(prefix),
            scripts: Scripts::new(),
            gateway: format!("{:032x}", rand::random::<u128>()),
            follower: Mutex::new(Follower::new(Arc::clone(&epochs), Instant::now())),
            epochs,
            renewals: AtomicU64::new(0),
            contact: Mutex::new(None),
            has_pending: Notify::new(),
        });
        let following = tokio::spawn(Arc::clone(&shared).keep_following()).abort_handle();
        Arc::new(Self { shared, following })
    }

    /// In numbers.
    pub fn statistics(&self) -> CoherenceStatistics {
        let now = Instant::now();
        let follower = self.shared.follower();
        let contact = *self.shared.contact.lock().unwrap_or_else(PoisonError::into_inner);
        CoherenceStatistics {
            is_leased: self.shared.epochs.is_leased(now),
            last_contact: contact.map(|contact| now.saturating_duration_since(contact)),
            pending: follower.pending().len(),
            ..follower.statistics.clone()
        }
    }

    /// Gives the lease back, so that nobody waits for it to end; for an orderly end. Nothing is followed afterwards.
    pub async fn leave(&self) {
        self.following.abort();
        {
            let mut follower = self.shared.follower();
            follower.miss();
            self.shared.epochs.surrender();
        }
        let left: Result<i64, _> = self.shared.run(&self.shared.scripts.leave, &[&self.shared.gateway]).await;
        if let Err(error) = left {
            tracing::debug!(%error, "the lease was not given back: it ends by itself");
        }
    }
}

impl Drop for RedisCoherence {
    fn drop(&mut self) {
        self.following.abort();
        self.shared.epochs.surrender();
    }
}

#[async_trait]
impl Coherence for RedisCoherence {
    fn epochs(&self) -> &Arc<Epochs> {
        &self.shared.epochs
    }

    async fn bump(&self, what: &Bump) -> Result<Acknowledged, Unacknowledged> {
        let begun = Instant::now();
        let pending = Pending::of(what);
        let bumped = pending.len();
        if bumped == 0 {
            return Ok(Acknowledged { bumped, confirmed: 1, lapsed: 0, waited: Duration::ZERO });
        }
        match self.shared.count(&pending).await {
            Err(error) => {
                self.shared.follower().not_counted(pending);
                self.shared.has_pending.notify_one();
                Err(Unacknowledged::Unreachable(error.to_string()))
            }
            Ok(mut waiting) => {
                self.shared.acknowledged(&mut waiting).await;
                self.shared.follower().statistics.acknowledged += 1;
                let (confirmed, lapsed) = (waiting.confirmed, waiting.lapsed().len());
                Ok(Acknowledged { bumped, confirmed, lapsed, waited: begun.elapsed() })
            }
        }
    }

    fn now(&self) -> WallTime {
        self.shared.follower().clock.at(Instant::now())
    }

    fn statistics(&self) -> Option<CoherenceStatistics> {
        Some(Self::statistics(self))
    }
}

impl Shared {
    fn follower(&self) -> MutexGuard<'_, Follower> {
        self.follower.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the ledger for as long as the gateway lives.
    async fn keep_following(self: Arc<Self>) {
        let mut pause = RETRY_AFTER;
        let mut was_following = false;
        loop {
            let mut following = false;
            let asked = Instant::now();
            let Err(error) = self.follow(&mut following).await;
            if following || was_following {
                tracing::warn!(%error, "the shared epochs cannot be followed");
            }
            was_following = following;
            {
                let mut follower = self.follower();
                follower.miss();
                follower.statistics.disconnects += u64::from(following);
            }
            pause = if following { RETRY_AFTER } else { (pause * 2).min(RETRY_AT_LEAST_EVERY) };
            // What was asked while there was a lease may have failed because this process slept.
            if !self.epochs.is_leased(asked) {
                self.epochs.set_away(Instant::now() + pause + ASKED_WITHIN);
            }
            sleep(pause).await;
        }
    }

    /// Follows the ledger until that fails. `following` is set once it does.
    async fn follow(&self, following: &mut bool) -> Result<Infallible, RedisError> {
        // First, so that nothing is said between the ledger as it is read and what is heard.
        let mut subscription = self.link.subscribe(&self.names.channel, ANSWER_WITHIN).await?;
        let mut behind = 0;
        let mut renewed = Renewed::Lost;
        loop {
            let wait = match renewed {
                Renewed::Leased => {
                    if !*following {
                        tracing::info!("following the shared epochs");
                    }
                    *following = true;
                    RENEW_EVERY
                }
                _ if behind > LOOKS => return Err(RedisError::Unreachable("bumps are not heard of".into())),
                Renewed::Behind => LOOK_EVERY,
                Renewed::Stepped => {
                    tracing::warn!("the clock of Redis was set: what was cached before is distrusted");
                    self.restart().await?;
                    Duration::ZERO
                }
                Renewed::Lost => {
                    self.catch_up().await?;
                    // Again and again only where something is wrong.
                    if behind == 0 { Duration::ZERO } else { LOOK_EVERY }
                }
            };
            behind = if renewed == Renewed::Leased { 0 } else { behind + 1 };
            tokio::select! {
                message = subscription.next() => {
                    let message = message.ok_or_else(|| RedisError::Unreachable("the subscription was lost".into()))?;
                    self.hear(message, &mut subscription);
                }
                () = self.has_pending.notified() => {}
                () = sleep(wait) => {}
            }
            // Says what was taken over, too.
            renewed = self.renew().await?;
        }
    }

    /// Takes over a message and those that have come behind it.
    fn hear(&self, first: Vec<u8>, subscription: &mut Subscription) {
        let mut follower = self.follower();
        let mut next = Some(first);
        while let Some(message) = next {
            match Message::read(&message) {
                Err(_) => follower.statistics.garbled += 1,
                Ok(message) => match follower.hear(&message) {
                    // What is missing shows at the next renewal.
                    Heard::Next | Heard::Known | Heard::Gap => {}
                },
            }
            // The end of the subscription is seen by whoever asks next.
            next = subscription.next().now_or_never().flatten();
        }
    }

    /// Asks for a renewal of the lease.
    async fn renew(&self) -> Result<Renewed, RedisError> {
        let asked = Instant::now();
        let position = self.follower().position();
        let renewal = async {
            self.link.confirm_primary(ANSWER_WITHIN).await?;
            let (incarnation, seq) = position
                .map_or_else(Default::default, |position| (position.incarnation.to_string(), position.seq.to_string()));
            let count = self.renewals.fetch_add(1, Ordering::Relaxed).to_string();
            let arguments = [&self.gateway, &incarnation, &seq, &count];
            self.run(&self.scripts.renew, &arguments.map(String::as_str)).await.map(Renewal::read)
        };
        match renewal.await {
            Ok(renewal) => Ok(self.follower().renewed(&renewal, asked, Instant::now())),
            Err(error) => {
                self.follower().statistics.failed_renewals += 1;
                Err(error)
            }
        }
    }

    /// Takes over the whole ledger, after bumps that it lacks were counted there.
    async fn catch_up(&self) -> Result<(), RedisError> {
        let pending = self.follower().take_pending();
        if let Some(pending) = pending
            && let Err(error) = self.count(&pending).await
        {
            self.follower().put_back(pending);
            return Err(error);
        }
        let mut command = redis::cmd("HGETALL");
        command.arg(&self.names.ledger);
        let fields = self.link.query(&command, ANSWER_WITHIN).await?;
        match Ledger::read(fields) {
            // One of another incarnation is read again, after a renewal.
            Ok(ledger) => drop(self.follower().adopt(&ledger)),
            Err(garbled) => {
                tracing::warn!(%garbled, "another incarnation is begun");
                self.follower().statistics.garbled += 1;
                self.restart().await?;
            }
        }
        Ok(())
    }

    /// Begins another incarnation in place of the one that is known.
    async fn restart(&self) -> Result<(), RedisError> {
        let known = self.follower().incarnation();
        let _: i64 = self.run(&self.scripts.restart, &[&known.unwrap_or_default().to_string()]).await?;
        Ok(())
    }

    /// Counts a bump. From then on nothing from before is served here.
    async fn count(&self, what: &Pending) -> Result<Waiting, RedisError> {
        let fields = what.fields();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let (message, named): (Vec<u8>, BTreeMap<String, String>) = self.run(&self.scripts.bump, &fields).await?;
        let received = Instant::now();
        let message = Message::read(&message).map_err(|garbled| RedisError::Nonsense(garbled.to_string()))?;
        let known_since = self.follower().counted(&message, what, received);
        // A primary whose place another has taken counts for nobody.
        self.link.confirm_primary(ANSWER_WITHIN).await?;
        let counted = Counted { message, holders: holders(named) };
        Ok(Waiting::new(counted, &self.gateway, received, known_since))
    }

    /// Waits until nobody serves anything from before. Once it is counted, a bump needs Redis no more: leases end by themselves.
    async fn acknowledged(&self, waiting: &mut Waiting) {
        let mut pause = ASK_AFTER;
        while !waiting.is_over(Instant::now()) {
            let left = waiting.longest_wait(Instant::now());
            sleep(pause.min(left)).await;
            pause = (pause * 2).min(ASK_AT_LEAST_EVERY);
            if waiting.lapsed().is_empty() {
                continue;
            }
            let asked: Result<(u64, BTreeMap<String, String>), _> = self.run(&self.scripts.holders, &[]).await;
            if let Ok((incarnation, named)) = asked {
                waiting.observe(incarnation, &holders(named));
            }
        }
        if !waiting.lapsed().is_empty() {
            self.forget(waiting.incarnation(), waiting.lapsed()).await;
        }
    }

    /// Takes gateways out whose leases have ended, so that nobody waits for them again. One that has renewed its lease
    /// meanwhile stays.
    async fn forget(&self, incarnation: u64, lapsed: &Holders) {
        let incarnation = incarnation.to_string();
        let mut arguments = vec![incarnation.as_str()];
        arguments.extend(lapsed.iter().flat_map(|(name, holder)| [name.as_str(), holder.0.as_str()]));
        if let Err(error) = self.run::<i64>(&self.scripts.forget, &arguments).await {
            tracing::debug!(%error, "gateways that are gone were not taken out");
        }
    }

    async fn run<T: FromRedisValue>(&self, script: &Script, arguments: &[&str]) -> Result<T, RedisError> {
        let keys = [self.names.ledger.as_str(), self.names.gateways.as_str()];
        let fresh = (rand::random::<u64>() | 1).to_string();
        let mut all = vec![self.names.channel.as_bytes(), fresh.as_bytes()];
        all.extend(arguments.iter().map(|argument| argument.as_bytes()));
        let result = self.link.script(script, &keys, &all, ANSWER_WITHIN).await;
        if result.is_ok() {
            *self.contact.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        result
    }
}
