//! Gateways with their entries in one tier each, and with them in all.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use redis::Value;

use super::{
    super::{BenchError, Corpus},
    TierAddresses,
};
use crate::{
    cache::{
        CachePolicy, FarTier, Tier, Tiers, WallTime,
        coherence::{Alone, Coherence as _, RedisCoherence},
        l2::RedisTier,
        l3::{self, L3},
        redis::{RedisLink, RedisSettings},
    },
    catalog::{Catalog, Collection},
    config::{CacheConfig, CollectionCacheConfig, L1Config, L2Config, L3Config, ServerConfig, TierName},
    request::Gateway,
    telemetry::Metrics,
};

/// What is left behind by a bench that is killed goes by itself.
const TTL_MS: u64 = 600_000;
/// Longer than any look-up should take.
const AMPLE_MS: u64 = 5_000;

const ALL: [TierName; 3] = [TierName::L1, TierName::L2, TierName::L3];

/// A gateway.
#[derive(Clone)]
pub(super) struct Side {
    pub(super) name: &'static str,
    /// Where its hits come from.
    pub(super) tier: Tier,
    pub(super) gateway: Arc<Gateway>,
}

impl Side {
    /// Waits until what was made is stored.
    pub(super) async fn settle(&self) {
        for tier in self.gateway.tiers().far() {
            tier.flush().await;
        }
    }
}

/// All of them.
pub(super) struct Sides {
    pub(super) hits: Vec<Side>,
    pub(super) memory_alone: Side,
    pub(super) all: Side,
    redis: Option<(L2Config, Arc<RedisCoherence>)>,
    bucket: Option<L3Config>,
    _folder: Folder,
}

impl Sides {
    pub(super) async fn open(corpus: &Corpus, addresses: &TierAddresses) -> Result<Self, BenchError> {
        let unique = format!("bench-{:016x}", rand::random::<u64>());
        let folder = Folder(std::env::temp_dir().join(&unique));
        let redis = match &addresses.redis {
            Some(url) => Some(follow(url, &unique).await?),
            None => None,
        };
        let bucket = addresses.s3.as_ref().map(|at| L3Config {
            url: Some(format!("s3://{}/{unique}", at.bucket)),
            endpoint: Some(at.endpoint.clone()),
            region: Some("eu-central-1".into()),
            access_key_id: at.access_key_id.clone(),
            secret_access_key_file: at.secret_access_key_file.clone(),
            ..objects()
        });
        let in_folder = |name: &str| L3Config { directory: Some(folder.0.join(name)), ..objects() };

        let near = Kind { name: "memory", tier: Tier::L1, names: &[TierName::L1] };
        let mut hits = vec![near.open(corpus, None, None)?];
        if redis.is_some() {
            let kind = Kind { name: "Redis", tier: Tier::L2, names: &[TierName::L2] };
            hits.push(kind.open(corpus, redis.as_ref(), None)?);
        }
        let kind = Kind { name: "objects in a folder", tier: Tier::L3, names: &[TierName::L3] };
        hits.push(kind.open(corpus, None, Some(&in_folder("hits")))?);
        if let Some(bucket) = &bucket {
            let kind = Kind { name: "objects in a bucket", tier: Tier::L3, names: &[TierName::L3] };
            hits.push(kind.open(corpus, None, Some(bucket))?);
        }
        let kind = Kind { name: "all", tier: Tier::L3, names: &ALL };
        let farthest = bucket.clone().unwrap_or_else(|| in_folder("misses"));
        let all = kind.open(corpus, redis.as_ref(), Some(&farthest))?;
        let memory_alone = near.open(corpus, None, None)?;
        Ok(Self { hits, memory_alone, all, redis, bucket, _folder: folder })
    }

    /// Which tiers were asked in vain.
    pub(super) fn names(&self) -> String {
        let redis = if self.redis.is_some() { "one Redis" } else { "no Redis" };
        let bucket = if self.bucket.is_some() { "a bucket" } else { "no bucket, but a folder" };
        format!("{redis} and {bucket} behind the memory that misses asked")
    }

    /// Removes what was stored.
    pub(super) async fn close(self) -> Result<(), BenchError> {
        for side in self.hits.iter().chain([&self.all]) {
            side.settle().await;
        }
        leave(self.redis.as_ref()).await?;
        match &self.bucket {
            Some(bucket) => l3::remove_all(bucket).await.map_err(|error| BenchError::Other(error.to_string())),
            None => Ok(()),
        }
    }
}

/// One gateway with its entries in all tiers: memory, a Redis if there is one, and objects in a folder.
pub(in crate::bench) struct Layered {
    side: Side,
    redis: Option<(L2Config, Arc<RedisCoherence>)>,
    _folder: Folder,
}

impl Layered {
    /// Opens it, with the Redis at this URL.
    pub(in crate::bench) async fn open(corpus: &Corpus, redis: Option<&str>) -> Result<Self, BenchError> {
        let unique = format!("bench-{:016x}", rand::random::<u64>());
        let folder = Folder(std::env::temp_dir().join(&unique));
        let redis = match redis {
            Some(url) => Some(follow(url, &unique).await?),
            None => None,
        };
        let objects = L3Config { directory: Some(folder.0.clone()), ..objects() };
        let kind = Kind { name: "all", tier: Tier::L1, names: &ALL };
        let side = kind.open(corpus, redis.as_ref(), Some(&objects))?;
        Ok(Self { side, redis, _folder: folder })
    }

    pub(in crate::bench) fn gateway(&self) -> &Arc<Gateway> {
        &self.side.gateway
    }

    /// Waits until what was made is stored.
    pub(in crate::bench) async fn settle(&self) {
        self.side.settle().await;
    }

    /// Removes what was stored.
    pub(in crate::bench) async fn close(self) -> Result<(), BenchError> {
        self.settle().await;
        leave(self.redis.as_ref()).await
    }
}

/// Leaves a Redis without a trace.
async fn leave(redis: Option<&(L2Config, Arc<RedisCoherence>)>) -> Result<(), BenchError> {
    if let Some((config, shared)) = redis {
        shared.leave().await;
        forget(config).await?;
    }
    Ok(())
}

/// A folder that goes when this is dropped.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A gateway to be opened.
struct Kind {
    name: &'static str,
    tier: Tier,
    names: &'static [TierName],
}

impl Kind {
    fn open(
        &self,
        corpus: &Corpus,
        redis: Option<&(L2Config, Arc<RedisCoherence>)>,
        objects: Option<&L3Config>,
    ) -> Result<Side, BenchError> {
        let failed = |error: &dyn std::error::Error| BenchError::Other(error.to_string());
        let l1 = L1Config { max_bytes: 1 << 30, ttl_ms: TTL_MS, ..L1Config::default() };
        let l2 = redis.map(|(config, _)| config.clone());
        let cache = CacheConfig { l1, l2, l3: objects.cloned(), ..CacheConfig::default() };
        // Nothing expires while the bench runs, that there is nothing included.
        let of_collection = CollectionCacheConfig {
            tiers: self.names.to_vec(),
            empty_ttl_ms: TTL_MS,
            ..CollectionCacheConfig::default()
        };
        let store = corpus.store()?;
        let graph = corpus.schema.graph.is_some().then(|| store.clone() as _);
        let collection = Collection::new(corpus.schema.clone(), store, graph, corpus.embedder.clone());
        // Sides that share a Redis must not see each other's entries.
        let collection = collection
            .of_data(blake3::hash(self.name.as_bytes()).as_bytes())
            .cached(CachePolicy::new(&cache, &of_collection));

        let mut far: Vec<Arc<dyn FarTier>> = Vec::new();
        let mut leases = None;
        if let Some((config, shared)) = redis {
            let link = link(config)?;
            let tier = RedisTier::new(link, config, shared.clone());
            far.push(tier.clone());
            leases = Some(tier);
        }
        if let Some(config) = objects {
            far.push(L3::open(config, Path::new(""), Arc::new(WallTime::of_system)).map_err(|error| failed(&error))?);
        }
        let tiers = match redis {
            Some((_, shared)) => Tiers::new(&cache.l1, far, shared.clone()),
            None => Tiers::new(&cache.l1, far, Arc::new(Alone::default())),
        };
        let tiers = match leases {
            Some(leases) => tiers.leasing(leases),
            None => tiers,
        };
        let (catalog, metrics) = (Catalog::new([collection]), Arc::new(Metrics::default()));
        let gateway = Gateway::over(catalog, &ServerConfig::default(), &cache, Arc::new(tiers), None, metrics);
        Ok(Side { name: self.name, tier: self.tier, gateway: Arc::new(gateway) })
    }
}

fn objects() -> L3Config {
    L3Config { ttl_ms: TTL_MS, budget_ms: AMPLE_MS, min_cost_ms: 0.0, max_queued_bytes: 1 << 30, ..L3Config::default() }
}

fn link(config: &L2Config) -> Result<RedisLink, BenchError> {
    let settings = RedisSettings::read(config).and_then(RedisLink::new);
    settings.map_err(|error| BenchError::Other(error.to_string()))
}

/// A Redis whose epochs are known.
async fn follow(url: &str, prefix: &str) -> Result<(L2Config, Arc<RedisCoherence>), BenchError> {
    let config = L2Config {
        urls: vec![url.to_owned()],
        prefix: prefix.to_owned(),
        ttl_ms: TTL_MS,
        budget_ms: AMPLE_MS,
        min_cost_ms: 0.0,
        max_queued_bytes: 1 << 30,
        ..L2Config::default()
    };
    let shared = RedisCoherence::connect(&config).map_err(|error| BenchError::Other(error.to_string()))?;
    let begun = Instant::now();
    while !shared.epochs().is_leased(Instant::now()) {
        if begun.elapsed() > Duration::from_millis(AMPLE_MS) {
            return Err(BenchError::Other("Redis does not answer".into()));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok((config, shared))
}

/// Removes every key with the prefix.
async fn forget(config: &L2Config) -> Result<(), BenchError> {
    let (link, within) = (link(config)?, Duration::from_millis(AMPLE_MS));
    let failed = |error: crate::cache::redis::RedisError| BenchError::Other(error.to_string());
    let mut cursor = "0".to_owned();
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(&cursor).arg("MATCH").arg(format!("*{}:*", config.prefix)).arg("COUNT").arg(1_000);
        let (next, keys): (String, Vec<Vec<u8>>) = link.query(&scan, within).await.map_err(failed)?;
        if !keys.is_empty() {
            let mut remove = redis::cmd("DEL");
            remove.arg(&keys);
            let _: Value = link.query(&remove, within).await.map_err(failed)?;
        }
        if next == "0" {
            return Ok(());
        }
        cursor = next;
    }
}
