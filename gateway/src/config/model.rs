//! The shape of the configuration, and its defaults.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    catalog::{Metric, QueryLimits},
    query::Priority,
    value::{AttributeType, IdType},
};

/// The configuration of a gateway.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The query listener.
    pub server: ServerConfig,
    /// The admin listener.
    pub admin: AdminConfig,
    /// The cache tiers.
    pub cache: CacheConfig,
    /// Logs.
    pub log: LogConfig,
    /// Who may ask. Without any, only callers on loopback are served.
    pub principals: Vec<PrincipalConfig>,
    /// Where data lives, by name.
    pub backends: BTreeMap<String, BackendConfig>,
    /// What can be asked, by name.
    pub collections: BTreeMap<String, CollectionConfig>,
}

/// The query listener.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address and port; port 0 picks a free one. Addresses beyond loopback need at least one principal.
    #[schemars(extend("format" = "socket-address"))]
    pub listen: SocketAddr,
    /// Most open connections; further ones wait to be accepted.
    #[schemars(range(min = 1))]
    pub max_connections: usize,
    /// Largest request body, in bytes.
    #[schemars(range(min = 1))]
    pub max_body_bytes: usize,
    /// Largest header section of a request, in bytes.
    #[schemars(range(min = 1))]
    pub max_header_bytes: usize,
    /// Longest time for a request's headers to arrive, in milliseconds.
    #[schemars(range(min = 1))]
    pub header_timeout_ms: u64,
    /// Longest time for a request's body to arrive, in milliseconds.
    #[schemars(range(min = 1))]
    pub body_timeout_ms: u64,
    /// Longest time that a connection may be idle, in milliseconds.
    #[schemars(range(min = 1))]
    pub idle_timeout_ms: u64,
    /// Longest time that running requests get when the gateway stops, in milliseconds.
    pub drain_timeout_ms: u64,
    /// Deadline of a query that states none, in milliseconds.
    #[schemars(range(min = 1))]
    pub default_deadline_ms: u64,
    /// Most queries in one batch.
    #[schemars(range(min = 1))]
    pub max_batch: usize,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7700)),
            max_connections: 4_096,
            max_body_bytes: 4 << 20,
            max_header_bytes: 16 << 10,
            header_timeout_ms: 5_000,
            body_timeout_ms: 5_000,
            idle_timeout_ms: 75_000,
            drain_timeout_ms: 10_000,
            default_deadline_ms: 10_000,
            max_batch: 128,
        }
    }
}

/// The admin listener. It is meant for operators: whoever reaches it may purge, and sees counts of all data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// Address and port; port 0 picks a free one.
    #[schemars(extend("format" = "socket-address"))]
    pub listen: SocketAddr,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 7701)) }
    }
}

/// The cache tiers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CacheConfig {
    /// This process' memory.
    pub l1: L1Config,
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

/// Logs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `json` or `text`.
    pub format: LogFormat,
    /// A `tracing` filter: `info`, `forebay=debug`, …
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Json, filter: "info".into() }
    }
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// Somebody who may ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrincipalConfig {
    /// A name for logs.
    pub name: String,
    /// SHA-256 of the bearer token, 64 hexadecimal digits (`printf %s "$TOKEN" | sha256sum`).
    #[serde(default)]
    #[schemars(regex(pattern = "^[0-9A-Fa-f]{64}$"), extend("format" = "sha256"))]
    pub token_sha256: Option<String>,
    /// A file that holds such a digest. A relative path starts at the configuration file.
    #[serde(default)]
    pub token_sha256_file: Option<PathBuf>,
    /// The tenant that it is bound to.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The highest priority that it may ask for.
    #[serde(default = "interactive")]
    pub priority_ceiling: Priority,
    /// The collections that it may ask; all when not given.
    #[serde(default)]
    pub collections: Option<Vec<String>>,
}

fn interactive() -> Priority {
    Priority::Interactive
}

/// Where data lives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum BackendConfig {
    /// In this process, loaded by `forebay load`.
    Embedded {
        /// The data directory. A relative path starts at the configuration file.
        path: PathBuf,
    },
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CollectionConfig {
    /// Where entities are.
    pub entities: EntitiesConfig,
    /// The attribute that must equal a principal's tenant.
    #[serde(default)]
    pub tenant_filter: Option<TenantFilterConfig>,
    /// Vectors by name; the one used unless a query says otherwise is `default`.
    #[serde(default)]
    pub vectors: BTreeMap<String, VectorConfig>,
    /// Attributes by the names that queries use.
    #[serde(default)]
    pub attributes: BTreeMap<String, AttributeConfig>,
    /// The graph side.
    #[serde(default)]
    pub graph: Option<GraphConfig>,
    /// What turns `vector.text` into a vector.
    #[serde(default)]
    pub embedder: Option<EmbedderConfig>,
    /// What one query may ask for.
    #[serde(default)]
    pub limits: QueryLimits,
}

/// Where entities are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntitiesConfig {
    /// The name of a backend.
    pub backend: String,
    /// The type of the ids.
    #[serde(default)]
    pub id_type: IdType,
}

/// The attribute that must equal a principal's tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantFilterConfig {
    /// The name of a `keyword` attribute.
    pub attribute: String,
}

/// A named vector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VectorConfig {
    /// Number of components, 1 to 65,535.
    #[schemars(range(min = 1, max = 65_535))]
    pub dimensions: usize,
    /// How similarity is measured.
    #[serde(default)]
    pub metric: Metric,
}

/// An attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttributeConfig {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: AttributeType,
}

/// The graph side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GraphConfig {
    /// The name of a backend.
    pub backend: String,
    /// Node labels; exactly one for an embedded graph.
    pub nodes: BTreeMap<String, NodeConfig>,
    /// Edge types by the names that queries use.
    pub edges: BTreeMap<String, EdgeConfig>,
}

/// A node label.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// Whether its nodes are the collection's entities; needed where there are several labels.
    pub entities: bool,
}

/// An edge type.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EdgeConfig {
    /// Its name in the data; the name that queries use when not given.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// What turns `vector.text` into a vector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum EmbedderConfig {
    /// The small offline model of the demo: word vectors that imitate all-MiniLM-L6-v2 for texts about software. For
    /// trying things out, not for search quality.
    Student,
}
