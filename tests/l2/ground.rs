//! A tier, its Redis, and things to keep there.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use forebay::{
    cache::{
        Digest, ETag, FarStatistics, FarTier as _, Flaw, Groups, LookupOutcome, Sought, Stamp, StoreOutcome, Stored,
        StoredPayload, WallTime,
        coherence::Alone,
        l2::{Leased, RedisTier},
        redis::{RedisLink, RedisSettings},
    },
    catalog::CollectionSchema,
    config::{L2Config, RedisTopology},
    demo_data,
    load::Silent,
};
use redis::{FromRedisValue, Value};

use super::support::servers;

/// Long enough for whatever is not harmed.
pub(crate) const AMPLE: Duration = Duration::from_secs(10);

/// A Redis as the shared servers have it, under a prefix of its own. Time budgets are ample.
pub(crate) fn standalone() -> Option<L2Config> {
    Some(at(vec![servers::redis()?], RedisTopology::Standalone))
}

/// The one under Sentinel.
pub(crate) fn sentinel() -> Option<L2Config> {
    Some(under_sentinel(&servers::redis_sentinel()?))
}

/// The Cluster.
pub(crate) fn cluster() -> Option<L2Config> {
    Some(at(servers::redis_cluster()?, RedisTopology::Cluster))
}

/// The configuration for `redis+sentinel://HOST:PORT,…/GROUP`.
pub(crate) fn under_sentinel(url: &str) -> L2Config {
    let (addresses, group) = url.trim_start_matches("redis+sentinel://").split_once('/').expect("a group");
    let urls = addresses.split(',').map(|address| format!("redis://{address}")).collect();
    L2Config { sentinel_group: Some(group.to_owned()), ..at(urls, RedisTopology::Sentinel) }
}

/// The configuration for these addresses.
pub(crate) fn at(urls: Vec<String>, topology: RedisTopology) -> L2Config {
    let prefix = format!("test-{:016x}", rand::random::<u64>());
    L2Config { urls, topology, prefix, budget_ms: AMPLE.as_millis() as u64, ..L2Config::default() }
}

/// The same property on one server, under Sentinel and on a Cluster.
macro_rules! on_every_topology {
    ($($property:ident)*) => {
        mod standalone { $(crate::ground::on_every_topology!(@one $property standalone);)* }
        mod sentinel { $(crate::ground::on_every_topology!(@one $property sentinel);)* }
        mod cluster { $(crate::ground::on_every_topology!(@one $property cluster);)* }
    };
    (@one $property:ident $topology:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $property() {
            let Some(config) = crate::ground::$topology() else { return };
            super::$property(config).await;
        }
    };
}
pub(crate) use on_every_topology;

/// A gateway's tier.
pub(crate) fn tier(config: &L2Config) -> Arc<RedisTier> {
    RedisTier::new(link(config), config, Arc::new(Alone::default()))
}

/// A connection to look behind a tier's back.
pub(crate) fn link(config: &L2Config) -> RedisLink {
    RedisLink::new(RedisSettings::read(config).expect("sound settings")).expect("sound settings")
}

/// What a command gives.
pub(crate) async fn ask<T: FromRedisValue>(config: &L2Config, words: &[&[u8]]) -> T {
    let (name, arguments) = words.split_first().expect("a command");
    let mut command = redis::cmd(str::from_utf8(name).expect("a name"));
    command.arg(arguments);
    link(config).query(&command, AMPLE).await.expect("Redis does it")
}

/// The name of what Redis has of a key: `e` is the entry, `l` the lease, `f` the fence.
pub(crate) fn name(config: &L2Config, key: &Digest, thing: char) -> Vec<u8> {
    let digest: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}:v1:{{{digest}}}:{thing}", config.prefix).into_bytes()
}

/// The bytes of an entry.
pub(crate) async fn raw(config: &L2Config, key: &Digest) -> Option<Vec<u8>> {
    ask(config, &[b"GET", &name(config, key, 'e')]).await
}

/// Puts bytes where an entry would be.
pub(crate) async fn plant(config: &L2Config, key: &Digest, bytes: &[u8]) {
    let _: Value = ask(config, &[b"SET", &name(config, key, 'e'), bytes]).await;
}

/// The schema of all that is sought.
pub(crate) fn schema() -> Arc<CollectionSchema> {
    static SCHEMA: std::sync::OnceLock<Arc<CollectionSchema>> = std::sync::OnceLock::new();
    let read = || Arc::new(demo_data::packages(&mut Silent).expect("the bundled data is sound").0);
    SCHEMA.get_or_init(read).clone()
}

/// Something new to look for.
pub(crate) fn sought() -> Sought {
    Sought { key: rand::random(), tenant: None, schema: schema() }
}

/// An answer of this text that took 20 ms and lives for a minute.
pub(crate) fn answer(text: &str) -> Arc<Stored> {
    let body = Bytes::copy_from_slice(text.as_bytes());
    let groups = Groups::from_iter(["packages"]);
    let created = WallTime::of_system();
    Arc::new(Stored {
        payload: StoredPayload::Answer { etag: ETag::of(&body), body, groups },
        stamp: Stamp { incarnation: 7, all: 1, slots: [(3, 4)].into_iter().collect() },
        created,
        expires: created.after(Duration::from_secs(60)),
        cost: Duration::from_millis(20),
    })
}

/// The text of an answer.
pub(crate) fn text(entry: &Stored) -> &str {
    let StoredPayload::Answer { body, .. } = &entry.payload else { panic!("an answer: {entry:?}") };
    str::from_utf8(body).expect("text")
}

/// What a look for one thing gives.
pub(crate) async fn get(tier: &RedisTier, sought: &Sought) -> Result<String, LookupOutcome> {
    let found = tier.get(std::slice::from_ref(sought)).await;
    assert_eq!(found.len(), 1);
    found.into_iter().next().expect("one").map(|entry| text(&entry).to_owned())
}

/// Puts an entry and waits until it is written, which has to succeed.
pub(crate) async fn keep(tier: &RedisTier, sought: &Sought, text: &str) {
    let before = tier.statistics();
    assert_eq!(tier.put(sought.clone(), answer(text)), StoreOutcome::Stored);
    tier.flush().await;
    let after = tier.statistics();
    assert_eq!((after.written, after.failed), (before.written + 1, before.failed), "{after:?}");
}

/// How many entries had this flaw.
pub(crate) fn flawed(statistics: &FarStatistics, flaw: Flaw) -> u64 {
    statistics.flaws[Flaw::ALL.iter().position(|other| *other == flaw).expect("all are there")]
}

/// A look with the wish to fill, that takes every entry.
pub(crate) async fn lease(tier: &RedisTier, sought: &Sought, wait_at_most: Duration) -> Leased {
    tier.look_or_lease(sought, wait_at_most, &|_| Ok(())).await
}

/// Tries until a look-up says this and a write after it succeeds: all is well again.
pub(crate) async fn recovers(tier: &RedisTier, sought: &Sought, text: &str) {
    let begun = Instant::now();
    loop {
        let found = get(tier, sought).await;
        if found.as_deref() == Ok(text) {
            return;
        }
        assert!(found.is_err(), "a wrong entry: {found:?}");
        assert!(begun.elapsed() < 6 * AMPLE, "no recovery: {found:?}");
        if found == Err(LookupOutcome::Miss) {
            tier.put(sought.clone(), answer(text));
            tier.flush().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
