//! The cache tiers, and how collections use them.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The cache tiers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CacheConfig {
    /// This process' memory.
    pub l1: L1Config,
    /// Redis, shared by gateways. Without it, only this process' memory and objects are used, and gateways do not hear of
    /// each other's purges.
    pub l2: Option<L2Config>,
    /// Objects: a folder, or a bucket.
    pub l3: Option<L3Config>,
    /// Most answers that are made anew at once before anybody waits for them. They run as batch work until somebody does.
    pub max_refreshes: usize,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { l1: L1Config::default(), l2: None, l3: None, max_refreshes: 16 }
    }
}

/// This process' memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct L1Config {
    /// Most memory for entries, keys and accounts included. Request bodies that are remembered, so that an exact repeat
    /// skips JSON, take an eighth of this beside it. in bytes.
    #[schemars(range(min = 1))]
    pub max_bytes: u64,
    /// Largest single entry, in bytes.
    #[schemars(range(min = 1))]
    pub max_entry_bytes: u64,
    /// Time to live of an entry, in milliseconds.
    #[schemars(range(min = 1))]
    pub ttl_ms: u64,
}

impl Default for L1Config {
    fn default() -> Self {
        Self { max_bytes: 64 << 20, max_entry_bytes: 1 << 20, ttl_ms: 60_000 }
    }
}

/// Redis 7.0 or later, or a server that speaks its protocol, shared by gateways.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct L2Config {
    /// `redis://host:port/db`, or `rediss://` for TLS: one server, some members of a cluster, or the sentinels of a group.
    pub urls: Vec<String>,
    /// A file that holds the URL of one server, credentials included. A relative path starts at the configuration file.
    pub url_file: Option<PathBuf>,
    /// What is found at the addresses.
    pub topology: RedisTopology,
    /// The name of the group that sentinels watch.
    pub sentinel_group: Option<String>,
    /// The user, where the server has several.
    pub username: Option<String>,
    /// A file that holds the password. A relative path starts at the configuration file.
    pub password_file: Option<PathBuf>,
    /// A file with certificates (PEM) that are trusted besides those of the system. A relative path starts at the
    /// configuration file.
    pub ca_file: Option<PathBuf>,
    /// What the names of all keys begin with. Gateways that share entries have the same.
    pub prefix: String,
    /// Time to live of an entry, in milliseconds.
    #[schemars(range(min = 1))]
    pub ttl_ms: u64,
    /// Longest time that a request waits for a look-up, in milliseconds. What takes longer counts as a miss, and the tier is
    /// left alone for a while when that happens often.
    #[schemars(range(min = 1))]
    pub budget_ms: u64,
    /// Largest single entry, in bytes as stored.
    #[schemars(range(min = 1))]
    pub max_entry_bytes: u64,
    /// Answers that took less than this to make are not kept here, in milliseconds.
    pub min_cost_ms: f64,
    /// Most bytes that wait to be written; beyond, entries are let go.
    #[schemars(range(min = 1))]
    pub max_queued_bytes: u64,
}

impl Default for L2Config {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            url_file: None,
            topology: RedisTopology::default(),
            sentinel_group: None,
            username: None,
            password_file: None,
            ca_file: None,
            prefix: "forebay".into(),
            ttl_ms: 3_600_000,
            budget_ms: 5,
            max_entry_bytes: 1 << 20,
            min_cost_ms: 1.0,
            max_queued_bytes: 16 << 20,
        }
    }
}

/// What is found at the addresses of a Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RedisTopology {
    /// One server.
    #[default]
    Standalone,
    /// Sentinels that know the present primary of a group.
    Sentinel,
    /// Members of a cluster.
    Cluster,
}

/// Objects: a folder, or a bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct L3Config {
    /// A folder; it is made where it is missing. A relative path starts at the configuration file.
    pub directory: Option<PathBuf>,
    /// `s3://bucket/prefix` (and `gs://`, `az://` where compiled in), in place of a folder.
    pub url: Option<String>,
    /// The address of a server that speaks the S3 protocol, where it is not Amazon's.
    pub endpoint: Option<String>,
    /// The bucket's region.
    pub region: Option<String>,
    /// The access key; found as the provider's own tools do when not given.
    pub access_key_id: Option<String>,
    /// A file that holds the secret of the access key. A relative path starts at the configuration file.
    pub secret_access_key_file: Option<PathBuf>,
    /// Time to live of an entry, in milliseconds.
    #[schemars(range(min = 1))]
    pub ttl_ms: u64,
    /// Longest time that a request waits for a look-up, in milliseconds.
    #[schemars(range(min = 1))]
    pub budget_ms: u64,
    /// Most bytes of objects. Beyond, those that save least time for their size go.
    #[schemars(range(min = 1))]
    pub max_bytes: u64,
    /// Largest single entry, in bytes before compression.
    #[schemars(range(min = 1))]
    pub max_entry_bytes: u64,
    /// Answers that took less than this to make are not kept here, in milliseconds.
    pub min_cost_ms: f64,
    /// Most bytes that wait to be written; beyond, entries are let go.
    #[schemars(range(min = 1))]
    pub max_queued_bytes: u64,
    /// The level of zstd, 1 to 19.
    #[schemars(range(min = 1, max = 19))]
    pub zstd_level: i32,
}

impl Default for L3Config {
    fn default() -> Self {
        Self {
            directory: None,
            url: None,
            endpoint: None,
            region: None,
            access_key_id: None,
            secret_access_key_file: None,
            ttl_ms: 86_400_000,
            budget_ms: 100,
            max_bytes: 4 << 30,
            max_entry_bytes: 16 << 20,
            min_cost_ms: 10.0,
            max_queued_bytes: 32 << 20,
            zstd_level: 3,
        }
    }
}

/// How answers of a collection are cached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CollectionCacheConfig {
    /// Which tiers take its entries, of those that are configured.
    pub tiers: Vec<TierName>,
    /// Longest time to live in any tier, in milliseconds; the tier's own where it is shorter.
    pub max_ttl_ms: Option<u64>,
    /// What is served while it is not known whether data has changed, because the shared epochs cannot be reached.
    pub consistency: Consistency,
    /// With `available`: how long the gateway may have been without word of changes, in milliseconds.
    pub max_staleness_ms: u64,
    /// So long after its time to live an answer is still served while a new one is made, in milliseconds.
    pub stale_while_revalidate_ms: u64,
    /// So long after its time to live an answer is still served when a backend fails, in milliseconds.
    pub stale_if_error_ms: u64,
    /// Time to live of an answer without items, in milliseconds; that of other answers where it is shorter.
    pub empty_ttl_ms: u64,
}

impl Default for CollectionCacheConfig {
    fn default() -> Self {
        Self {
            tiers: vec![TierName::L1, TierName::L2, TierName::L3],
            max_ttl_ms: None,
            consistency: Consistency::default(),
            max_staleness_ms: 60_000,
            stale_while_revalidate_ms: 10_000,
            stale_if_error_ms: 300_000,
            empty_ttl_ms: 10_000,
        }
    }
}

/// A tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TierName {
    /// This process' memory.
    L1,
    /// Redis.
    L2,
    /// Objects.
    L3,
}

/// What is served while it is not known whether data has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Consistency {
    /// Stored answers, as long as the last word of changes is not too old.
    #[default]
    Available,
    /// Nothing that is stored.
    Strict,
}
