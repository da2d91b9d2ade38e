//! One execution for all who wait, through tiers that lose, delay and lie.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::world::{Node, World, schema};
use crate::{
    backend::{
        BackendError, CallContext, Entity, ErrorKind, Projection, RankedCursor, Search, VectorCapabilities,
        VectorStatistics, VectorStore,
        embedded::{Dataset, EmbeddedStore},
    },
    cache::{
        CachePolicy, Digest, FarStatistics, FarTier, LookupOutcome, Sought, StoreOutcome, Stored, Tier, Tiers,
        codec::{Codec, NoDictionaries},
        coherence::{Alone, Bump},
        format,
    },
    catalog::{Catalog, Collection, Metric},
    config::{CacheConfig, CollectionCacheConfig, L1Config, L2Config, L3Config, ServerConfig},
    principal::Principal,
    problem::Code,
    query::Filter,
    request::{Endpoint, Gateway, Hints, Incoming, Reply},
    telemetry::Metrics,
    value::EntityId,
};

/// Versions of the data that there are.
const VERSIONS: usize = 256;

/// A store whose data changes as a whole: items have the number of its version as their size.
struct Changing {
    versions: Vec<Arc<EmbeddedStore>>,
    version: AtomicU64,
    searches: AtomicU32,
    fails: AtomicBool,
    /// A search takes one permit and gives it back.
    gate: Semaphore,
}

impl Changing {
    fn new(versions: usize) -> Arc<Self> {
        let store = |version: usize| {
            let nodes = (0..4).map(|number| Node {
                colour: Some(number),
                size: Some(version as i64),
                weight: None,
                tags: None,
                owner: None,
                vector: Some([1, number as i8, 0]),
            });
            let world = World { metric: Metric::Cosine, nodes: nodes.collect(), edges: Vec::new() };
            let dataset = Dataset::build(Arc::new(schema(world.metric)), world.parts()).expect("a world is valid");
            EmbeddedStore::new("changing".into(), Arc::new(dataset))
        };
        Arc::new(Self {
            versions: (0..versions).map(store).collect(),
            version: AtomicU64::new(0),
            searches: AtomicU32::new(0),
            fails: AtomicBool::new(false),
            gate: Semaphore::new(1_000),
        })
    }

    fn now(&self) -> &Arc<EmbeddedStore> {
        &self.versions[self.version.load(Relaxed) as usize % self.versions.len()]
    }
}

#[async_trait]
impl VectorStore for Changing {
    fn backend(&self) -> &Arc<str> {
        VectorStore::backend(&*self.versions[0])
    }
    fn capabilities(&self) -> VectorCapabilities {
        VectorStore::capabilities(&*self.versions[0])
    }
    fn statistics(&self) -> Arc<VectorStatistics> {
        VectorStore::statistics(&*self.versions[0])
    }
    async fn refresh(&self) -> Result<(), BackendError> {
        Ok(())
    }
    async fn search(&self, ctx: &CallContext, search: Search) -> Result<Box<dyn RankedCursor>, BackendError> {
        self.searches.fetch_add(1, Relaxed);
        let _permit = self.gate.acquire().await.expect("it is never closed");
        if self.fails.load(Relaxed) {
            return Err(BackendError::new(self.backend(), ErrorKind::Unavailable, "it was told to fail"));
        }
        self.now().search(ctx, search).await
    }
    async fn matching(
        &self,
        ctx: &CallContext,
        ids: &[EntityId],
        filter: &Filter,
        space: Option<u16>,
    ) -> Result<Vec<bool>, BackendError> {
        self.now().matching(ctx, ids, filter, space).await
    }
    async fn fetch(
        &self,
        ctx: &CallContext,
        ids: &[EntityId],
        projection: &Projection,
    ) -> Result<Vec<Option<Entity>>, BackendError> {
        self.now().fetch(ctx, ids, projection).await
    }
}

/// A far tier in memory, which may lose, delay and corrupt what it holds.
struct Unreliable {
    tier: Tier,
    held: Mutex<HashMap<Digest, Vec<u8>>>,
    /// Of 100 look-ups so many go wrong.
    unreliable: AtomicU32,
    found: AtomicU32,
    /// A look-up takes one permit and gives it back.
    gate: Semaphore,
}

impl Unreliable {
    fn new(tier: Tier) -> Arc<Self> {
        Arc::new(Self {
            tier,
            held: Mutex::default(),
            unreliable: AtomicU32::new(0),
            found: AtomicU32::new(0),
            gate: Semaphore::new(1_000),
        })
    }
}

#[async_trait]
impl FarTier for Unreliable {
    fn tier(&self) -> Tier {
        self.tier
    }
    async fn get(&self, sought: &[Sought]) -> Vec<Result<Stored, LookupOutcome>> {
        let _permit = self.gate.acquire().await.expect("it is never closed");
        let goes_wrong = rand::random_range(0..100) < self.unreliable.load(Relaxed);
        let kind = rand::random_range(0..4);
        if goes_wrong && kind == 0 {
            tokio::task::yield_now().await;
            return sought.iter().map(|_| Err(LookupOutcome::TooSlow)).collect();
        }
        let mut held = self.held.lock().unwrap();
        let one = |sought: &Sought| {
            let mut bytes = held.get(&sought.key).cloned().ok_or(LookupOutcome::Miss)?;
            match kind {
                1 if goes_wrong => {
                    let at = rand::random_range(0..bytes.len());
                    bytes[at] ^= 1 << rand::random_range(0..8);
                }
                2 if goes_wrong => bytes.truncate(rand::random_range(0..bytes.len())),
                // That of another key.
                3 if goes_wrong => bytes = held.values().next().cloned().ok_or(LookupOutcome::Miss)?,
                _ => {}
            }
            let stored = format::decode(sought, &bytes, &NoDictionaries).map_err(|_| LookupOutcome::Damaged)?;
            self.found.fetch_add(1, Relaxed);
            Ok(stored)
        };
        let found = sought.iter().map(one).collect();
        if goes_wrong && rand::random_range(0..50) == 0 {
            held.clear();
        }
        found
    }
    fn put(&self, sought: Sought, entry: Arc<Stored>) -> StoreOutcome {
        if rand::random_range(0..100) < self.unreliable.load(Relaxed) {
            return StoreOutcome::QueueFull;
        }
        let bytes = format::encode(&sought, &entry, &Codec::Plain);
        self.held.lock().unwrap().insert(sought.key, bytes);
        StoreOutcome::Stored
    }
    fn is_available(&self) -> bool {
        true
    }
    fn statistics(&self) -> FarStatistics {
        FarStatistics::default()
    }
    async fn flush(&self) {}
}

/// Times to live, in milliseconds.
#[derive(Clone, Copy)]
struct Times {
    l1: u64,
    far: u64,
    revalidate: u64,
    error: u64,
}

const LONG: Times = Times { l1: 600_000, far: 600_000, revalidate: 0, error: 0 };

/// What gateways share.
struct Shared {
    store: Arc<Changing>,
    far: Vec<Arc<Unreliable>>,
    coherence: Arc<Alone>,
    times: Times,
}

impl Shared {
    fn new(versions: usize, tiers: &[Tier], times: Times) -> Self {
        let far = tiers.iter().map(|tier| Unreliable::new(*tier)).collect();
        Self { store: Changing::new(versions), far, coherence: Arc::default(), times }
    }

    fn gateway(&self) -> Arc<Gateway> {
        let Times { l1, far, revalidate, error } = self.times;
        let cache = CacheConfig {
            l1: L1Config { ttl_ms: l1, ..L1Config::default() },
            l2: Some(L2Config { ttl_ms: far, min_cost_ms: 0.0, ..L2Config::default() }),
            l3: Some(L3Config { ttl_ms: far, min_cost_ms: 0.0, ..L3Config::default() }),
            ..CacheConfig::default()
        };
        let collection = CollectionCacheConfig {
            stale_while_revalidate_ms: revalidate,
            stale_if_error_ms: error,
            ..CollectionCacheConfig::default()
        };
        let tiers = self.far.iter().map(|tier| tier.clone() as Arc<dyn FarTier>).collect();
        let tiers = Arc::new(Tiers::new(&cache.l1, tiers, self.coherence.clone()));
        let policy = CachePolicy::new(&cache, &collection);
        let collection = Collection::new(Arc::new(schema(Metric::Cosine)), self.store.clone(), None, None);
        let catalog = Catalog::new([collection.of_data(&[7; 32]).cached(policy)]);
        let metrics = Arc::new(Metrics::default());
        Arc::new(Gateway::over(catalog, &ServerConfig::default(), &cache, tiers, None, metrics))
    }
}

fn query(nearest: usize, least: i64, limit: usize) -> Value {
    json!({
        "collection": "things", "vector": { "values": [1, nearest, 0] }, "limit": limit,
        "filter": { "size": { "$gte": least } }, "select": ["size"], "exact": true,
    })
}

async fn reply(gateway: &Gateway, body: &Value) -> Reply {
    let incoming = Incoming {
        endpoint: Endpoint::Query,
        principal: Arc::new(Principal::local()),
        body: body.to_string().into(),
        hints: Hints::default(),
        received: Instant::now(),
        request_id: "test".into(),
    };
    gateway.answer(incoming).await
}

fn asking(gateway: &Arc<Gateway>, body: &Value) -> tokio::task::JoinHandle<Reply> {
    let (gateway, body) = (gateway.clone(), body.clone());
    tokio::spawn(async move { reply(&gateway, &body).await })
}

/// The version of the data that an answer shows, after the number of versions.
fn version(reply: Reply) -> u64 {
    let body: Value = serde_json::from_slice(&reply.expect("an answer").body).unwrap();
    body["items"][0]["attributes"]["size"].as_u64().expect("a version")
}

async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn ten_thousand_requests_for_one_answer_make_one_search() {
    let shared = Shared::new(1, &[Tier::L2, Tier::L3], LONG);
    let (gateway, body) = (shared.gateway(), query(1, 0, 2));
    let held = shared.store.gate.acquire_many(1_000).await.unwrap();
    let asked: Vec<_> = (0..10_000).map(|_| asking(&gateway, &body)).collect();
    until(|| shared.store.searches.load(Relaxed) == 1).await;
    drop(held);
    let mut all = Vec::new();
    for one in asked {
        all.push(one.await.unwrap().unwrap());
    }
    assert!(all.iter().all(|answer| (&answer.body, answer.etag) == (&all[0].body, all[0].etag)));
    assert_eq!(shared.store.searches.load(Relaxed), 1);
}

#[tokio::test]
async fn a_failure_reaches_all_who_wait_and_is_not_tried_again_for_them() {
    let shared = Shared::new(1, &[Tier::L2], LONG);
    let (gateway, body) = (shared.gateway(), query(1, 0, 2));
    shared.store.fails.store(true, Relaxed);
    let held = shared.store.gate.acquire_many(1_000).await.unwrap();
    let asked: Vec<_> = (0..1_000).map(|_| asking(&gateway, &body)).collect();
    until(|| shared.store.searches.load(Relaxed) == 1).await;
    drop(held);
    for one in asked {
        assert_eq!(one.await.unwrap().unwrap_err().code, Code::BackendUnavailable);
    }
    assert_eq!(shared.store.searches.load(Relaxed), 1);
    shared.store.fails.store(false, Relaxed);
    assert_eq!(version(reply(&gateway, &body).await), 0, "the next one tries again");
}

#[tokio::test]
async fn who_waits_for_an_answer_that_is_older_than_allowed_gets_another() {
    let shared = Shared::new(2, &[Tier::L2], LONG);
    let body = query(1, 0, 2);
    reply(&shared.gateway(), &body).await.unwrap();
    shared.store.version.store(1, Relaxed);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let gateway = shared.gateway();
    let held = shared.far[0].gate.acquire_many(1_000).await.unwrap();
    let patient = asking(&gateway, &body);
    tokio::time::sleep(Duration::from_millis(5)).await;
    let mut strict = body.clone();
    strict["options"] = json!({ "max_staleness_ms": 10 });
    let strict = asking(&gateway, &strict);
    tokio::time::sleep(Duration::from_millis(5)).await;
    drop(held);
    assert_eq!(version(patient.await.unwrap()), 0, "it found what is there");
    assert_eq!(version(strict.await.unwrap()), 1);
}

#[tokio::test]
async fn a_stale_answer_that_was_purged_meanwhile_excuses_no_failure() {
    let shared = Shared::new(2, &[], Times { l1: 1, error: 600_000, ..LONG });
    let (gateway, body) = (shared.gateway(), query(1, 0, 2));
    reply(&gateway, &body).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    shared.store.fails.store(true, Relaxed);
    assert_eq!(version(reply(&gateway, &body).await), 0, "it is excused");
    let before = shared.store.searches.load(Relaxed);
    let held = shared.store.gate.acquire_many(1_000).await.unwrap();
    let asked: Vec<_> = (0..3).map(|_| asking(&gateway, &body)).collect();
    until(|| shared.store.searches.load(Relaxed) > before).await;
    gateway.purge(&Bump::Tags(vec!["things".into()])).await.unwrap();
    drop(held);
    for one in asked {
        assert_eq!(one.await.unwrap().unwrap_err().code, Code::BackendUnavailable);
    }
}

/// The plain reference: since when each version of the data is, and which were outdated by a purge.
struct Reference {
    /// Of the last versions, the newest last.
    since: Vec<Instant>,
    first: u64,
    least: u64,
    /// An answer may be served so long after its data has changed without a word.
    longest: Duration,
}

impl Reference {
    fn newest(&self) -> u64 {
        self.first + self.since.len() as u64 - 1
    }

    fn change(&mut self, store: &Changing) {
        store.version.store(self.newest() + 1, Relaxed);
        self.since.push(Instant::now());
        if self.since.len() == VERSIONS {
            self.since.remove(0);
            self.first += 1;
        }
    }

    /// Whether this may be answered to a query that was asked then.
    fn check(&self, asked: Instant, (nearest, limit): (usize, usize), body: &[u8]) {
        let answer: Value = serde_json::from_slice(body).expect("JSON");
        let items = answer["items"].as_array().expect("items");
        assert_eq!((items.len(), &items[0]["id"]), (limit, &json!(super::world::name(nearest))), "wrong: {answer}");
        let size = items[0]["attributes"]["size"].as_u64().expect("a version");
        assert!(items.iter().all(|item| item["attributes"]["size"] == size), "wrong: {answer}");
        let newest = self.newest();
        let behind = (newest - size) % VERSIONS as u64;
        assert!(behind < self.since.len() as u64, "stale beyond memory: {size} at {newest}");
        let version = newest - behind;
        assert!(version >= self.least, "stale: {version}, and {} was purged", self.least);
        if behind > 0 {
            let outdated = self.since[(version + 1 - self.first) as usize];
            let late = asked.saturating_duration_since(outdated);
            assert!(late <= self.longest, "stale: {version} is outdated since {late:?}");
        }
    }
}

/// Operations of the model test: 100,000, or as many as `FOREBAY_TEST_TIER_OPERATIONS` says, a million in a release.
fn operations() -> u64 {
    let stated = std::env::var("FOREBAY_TEST_TIER_OPERATIONS").ok().and_then(|count| count.parse().ok());
    stated.unwrap_or(if cfg!(debug_assertions) { 100_000 } else { 1_000_000 })
}

#[tokio::test]
async fn whatever_happens_to_tiers_no_answer_is_wrong_or_older_than_promised() {
    let times = Times { l1: 15, far: 40, revalidate: 10, error: 20 };
    let shared = Shared::new(VERSIONS, &[Tier::L2, Tier::L3], times);
    let mut gateways = [shared.gateway(), shared.gateway()];
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    // Far tiers count in whole milliseconds.
    let longest = Duration::from_millis(times.far + times.error + 3);
    let mut reference = Reference { since: vec![Instant::now()], first: 0, least: 0, longest };
    let (mut hits, mut refused) = (0_u64, 0_u64);
    for _ in 0..operations() {
        match random.random_range(0..1_000) {
            0..5 => reference.change(&shared.store),
            5..15 => {
                reference.change(&shared.store);
                let purged = if random.random_bool(0.1) { Bump::All } else { Bump::Tags(vec!["things".into()]) };
                gateways[random.random_range(0..2)].purge(&purged).await.unwrap();
                reference.least = reference.newest();
            }
            15..17 => {
                shared.store.fails.fetch_not(Relaxed);
            }
            17..20 => {
                let tier = &shared.far[random.random_range(0..2)];
                tier.unreliable.store([0, 0, 20, 100][random.random_range(0..4)], Relaxed);
            }
            20..22 => gateways[random.random_range(0..2)] = shared.gateway(),
            22..24 => tokio::time::sleep(Duration::from_millis(random.random_range(0..20))).await,
            _ => {
                let (nearest, limit) = (random.random_range(0..4), random.random_range(1..3));
                let body = query(nearest, -random.random_range(0..4_i64), limit);
                let count = if random.random_range(0..50) == 0 { 8 } else { 1 };
                let asked = Instant::now();
                let replies = (0..count).map(|_| reply(&gateways[random.random_range(0..2)], &body));
                let fails = shared.store.fails.load(Relaxed);
                for reply in futures_util::future::join_all(replies.collect::<Vec<_>>()).await {
                    match reply {
                        Ok(answer) => {
                            hits += u64::from(answer.cache.lookup.is_hit());
                            reference.check(asked, (nearest, limit), &answer.body);
                        }
                        Err(problem) => {
                            assert!(fails && problem.code == Code::BackendUnavailable, "{problem:?}");
                            refused += 1;
                        }
                    }
                }
            }
        }
    }
    let found: u32 = shared.far.iter().map(|tier| tier.found.load(Relaxed)).sum();
    let searches = shared.store.searches.load(Relaxed);
    println!("{hits} hits in memory, {found} entries found farther away, {searches} searches, {refused} refused");
    assert!(hits > 1_000 && found > 1_000 && searches > 1_000 && refused > 10, "everything came up");
}
