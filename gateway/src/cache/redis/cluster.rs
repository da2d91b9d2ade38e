//! A cluster: which member is asked for what. Each has a wire of its own, so that one that is away keeps nobody from the
//! others.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, select_ok},
};
use rand::seq::SliceRandom as _;
use redis::{Cmd, ConnectionAddr, ErrorKind, Value};
use tokio::time::timeout;

use super::{
    RedisError, RedisSettings, Refusal, Subscription,
    sentinels::Address,
    slots::{Table, slot_of},
    wire::Wire,
};

/// Longest time for the table of one member.
const TABLE_WITHIN: Duration = Duration::from_secs(1);
/// Members that are asked for their table at a time; the first answer counts.
const ASKED_AT_ONCE: usize = 5;
/// Time between two tables, where the first is doubted.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// The longest such time: it doubles with every table that changes nothing.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How often a command follows members that name others.
const REDIRECTS: usize = 3;

/// A cluster. Clones share it.
#[derive(Clone)]
pub(super) struct Cluster(Arc<Inner>);

struct Inner {
    settings: RedisSettings,
    /// Members as the settings name them.
    seeds: Vec<Address>,
    wires: Mutex<HashMap<Address, Wire>>,
    table: ArcSwapOption<Table<Member>>,
    looks: Mutex<Looks>,
    /// Which member is subscribed to next.
    turn: AtomicUsize,
}

#[derive(Clone)]
struct Member {
    address: Address,
    wire: Wire,
}

type Look = Shared<BoxFuture<'static, Result<(), RedisError>>>;

/// Looks at who has which slots.
struct Looks {
    running: Option<Look>,
    pause: Duration,
    /// How the last one ended, and when there may be another.
    last: Option<(Result<(), RedisError>, Instant)>,
}

impl Cluster {
    pub(super) fn new(settings: RedisSettings) -> Result<Self, redis::RedisError> {
        let mut seeds = Vec::with_capacity(settings.nodes.len());
        for node in &settings.nodes {
            match node.addr() {
                ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                    seeds.push((host.clone(), *port));
                }
                _ => return Err((ErrorKind::InvalidClientConfig, "a member of a cluster has host and port").into()),
            }
        }
        let inner = Inner {
            settings,
            seeds,
            wires: Mutex::default(),
            table: ArcSwapOption::empty(),
            looks: Mutex::new(Looks { running: None, pause: SHORTEST_PAUSE, last: None }),
            turn: AtomicUsize::new(0),
        };
        for seed in &inner.seeds {
            inner.member(seed.clone())?;
        }
        Ok(Self(Arc::new(inner)))
    }

    pub(super) fn is_connected(&self) -> bool {
        self.0.wires().values().any(Wire::is_connected)
    }

    /// What a command gives, from the member that has its key. It may have been carried out even where there is an error.
    pub(super) async fn value(&self, command: &Cmd, within: Duration) -> Result<Value, RedisError> {
        let begun = Instant::now();
        let mut member = match timeout(within, self.member_for(command)).await {
            Ok(member) => member?,
            Err(_) => return Err(RedisError::TimedOut),
        };
        let mut asking = false;
        for _ in 0..=REDIRECTS {
            let left = within.saturating_sub(begun.elapsed());
            let result = match asking {
                false => member.wire.value(command, left).await,
                true => member.wire.value_for_asking(command, left).await,
            };
            let Err(error) = &result else { return result };
            if error.is_about_member() {
                self.doubt();
            }
            let RedisError::Elsewhere { host, port, only_now } = error else { return result };
            let host = if host.is_empty() { member.address.0.clone() } else { host.clone() };
            (member, asking) = (self.0.member((host, *port))?, *only_now);
        }
        Err(RedisError::Refused { why: Refusal::NotReady, message: "the members do not agree who has it".into() })
    }

    /// Hears a channel. What is said to one member is heard at all; each time another one is asked, as it may be away.
    pub(super) async fn subscribe(&self, channel: &str, within: Duration) -> Result<Subscription, RedisError> {
        let turn = self.0.turn.fetch_add(1, Ordering::Relaxed);
        let seed = &self.0.seeds[turn % self.0.seeds.len()];
        self.0.member(seed.clone())?.wire.subscribe(channel, within).await
    }

    async fn member_for(&self, command: &Cmd) -> Result<Member, RedisError> {
        let table = match self.0.table.load_full() {
            Some(table) => table,
            None => {
                self.look().await?;
                let gone = || RedisError::Unreachable("nobody knows the members of the cluster".into());
                self.0.table.load_full().ok_or_else(gone)?
            }
        };
        let member = match slot_of(command) {
            Some(slot) => table.owner(slot),
            None => {
                let mut members: Vec<_> = table.owners().collect();
                members.shuffle(&mut rand::rng());
                members.iter().find(|member| member.wire.is_connected()).or(members.first()).copied()
            }
        };
        member.cloned().ok_or_else(|| {
            self.doubt();
            RedisError::Refused { why: Refusal::NotReady, message: "no member has its slot".into() }
        })
    }

    /// Looks again who has which slots, soon; nobody waits for it.
    fn doubt(&self) {
        drop(self.look());
    }

    /// A look at who has which slots, or how the last one ended if that was a moment ago. It goes on by itself.
    fn look(&self) -> Look {
        let mut looks = self.0.looks();
        if let Some(running) = &looks.running {
            return running.clone();
        }
        if let Some((ended, until)) = &looks.last
            && Instant::now() < *until
        {
            return std::future::ready(ended.clone()).boxed().shared();
        }
        let inner = Arc::clone(&self.0);
        let task = tokio::spawn(async move {
            let read = inner.read_table().await;
            inner.concluded(read)
        });
        let gone = |_| RedisError::Unreachable("the look at the cluster was given up".into());
        let look = async move { task.await.map_err(gone)? }.boxed().shared();
        looks.running.insert(look).clone()
    }
}

impl Inner {
    fn wires(&self) -> MutexGuard<'_, HashMap<Address, Wire>> {
        self.wires.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn looks(&self) -> MutexGuard<'_, Looks> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn member(&self, address: Address) -> Result<Member, redis::RedisError> {
        let mut wires = self.wires();
        let wire = match wires.get(&address) {
            Some(wire) => wire.clone(),
            None => {
                let wire = Wire::to_member(&self.settings, &address)?;
                wires.insert(address.clone(), wire.clone());
                wire
            }
        };
        Ok(Member { address, wire })
    }

    /// The table of the first member that has one.
    async fn read_table(&self) -> Result<Table<Address>, RedisError> {
        let mut members: Vec<_> = {
            let wires = self.wires();
            wires.iter().map(|(address, wire)| Member { address: address.clone(), wire: wire.clone() }).collect()
        };
        members.shuffle(&mut rand::rng());
        // Those that are connected are the most likely to answer.
        members.sort_by_key(|member| !member.wire.is_connected());
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        let mut trouble = RedisError::Unreachable("the cluster has no members".into());
        for some in members.chunks(ASKED_AT_ONCE) {
            let tables = some.iter().map(|member| {
                let (command, host) = (&command, member.address.0.as_str());
                async move {
                    let table = Table::read(member.wire.value(command, TABLE_WITHIN).await?, host)?;
                    // One that has met nobody yet knows of no slots.
                    if table.owners().next().is_none() {
                        return Err(RedisError::Unreachable("a member knows of no slots".into()));
                    }
                    Ok(table)
                }
                .boxed()
            });
            match select_ok(tables).await {
                Ok((table, _)) => return Ok(table),
                Err(error) => trouble = error,
            }
        }
        Err(trouble)
    }

    fn concluded(&self, read: Result<Table<Address>, RedisError>) -> Result<(), RedisError> {
        let adopted = read.and_then(|table| {
            let known: HashSet<Address> = self.seeds.iter().chain(table.owners()).cloned().collect();
            let table = table.try_map(|address| self.member(address))?;
            self.wires().retain(|address, _| known.contains(address));
            let same = |known: &Arc<Table<Member>>| **known == table;
            let changed = !self.table.load().as_ref().is_some_and(same);
            self.table.store(Some(Arc::new(table)));
            Ok(changed)
        });
        let mut looks = self.looks();
        looks.running = None;
        let pause = if adopted == Ok(true) { SHORTEST_PAUSE } else { looks.pause };
        looks.pause = (pause * 2).min(LONGEST_PAUSE);
        let ended = adopted.map(drop);
        looks.last = Some((ended.clone(), Instant::now() + pause));
        ended
    }
}

impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address
    }
}
