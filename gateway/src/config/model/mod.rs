//! The shape of the configuration, and its defaults.

mod cache;
mod planner;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

pub use cache::{
    CacheConfig, CollectionCacheConfig, Consistency, L1Config, L2Config, L3Config, RedisTopology, TierName,
};
pub use planner::{PlannerConfig, PlannerLogConfig};
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
    /// The planner.
    pub planner: PlannerConfig,
    /// Memory of the process.
    pub memory: MemoryConfig,
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

/// Memory of the process. What it may use is the smallest of what its control groups, its limit of address space and the
/// machine have; near that, caches let go of entries and batch queries are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MemoryConfig {
    /// A lower limit than the system's, in bytes.
    #[schemars(range(min = 1))]
    pub limit_bytes: Option<u64>,
    /// At this part of the limit caches begin to let go of entries, and batch queries are refused; greater than 0.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub shed_at: f64,
    /// At this part of the limit they let go fast and take no new entries; greater than `shed_at`, less than 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub emergency_at: f64,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self { limit_bytes: None, shed_at: 0.85, emergency_at: 0.90 }
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
    /// A Postgres server with the `vector` extension (pgvector 0.8 or later) for entities; a table of edges there can be a
    /// graph.
    Postgres(PostgresConfig),
    /// A Neo4j server, or another one that speaks Bolt 4.4.
    Neo4j(Neo4jConfig),
}

/// A Postgres server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct PostgresConfig {
    /// `postgres://user:password@host:port/database?sslmode=…`.
    #[serde(default)]
    pub url: Option<String>,
    /// A file that holds the URL. A relative path starts at the configuration file.
    #[serde(default)]
    pub url_file: Option<PathBuf>,
    /// Longest time that one statement may take whatever the query's deadline, in milliseconds.
    #[serde(default = "thirty_seconds")]
    #[schemars(range(min = 1))]
    pub statement_timeout_ms: u64,
    /// Its connections.
    #[serde(default)]
    pub pool: PoolConfig,
    /// When to stop asking a server that fails.
    #[serde(default)]
    pub breaker: BreakerConfig,
}

/// A Neo4j server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Neo4jConfig {
    /// `bolt://host:port`, or `bolt+s://` for TLS.
    pub uri: String,
    /// The user; none where the server asks for none.
    #[serde(default)]
    pub user: Option<String>,
    /// The password.
    #[serde(default)]
    pub password: Option<String>,
    /// A file that holds the password. A relative path starts at the configuration file.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// The database; the user's home database when not given.
    #[serde(default)]
    pub database: Option<String>,
    /// Longest time that one statement may take whatever the query's deadline, in milliseconds.
    #[serde(default = "thirty_seconds")]
    #[schemars(range(min = 1))]
    pub statement_timeout_ms: u64,
    /// Its connections.
    #[serde(default)]
    pub pool: PoolConfig,
    /// When to stop asking a server that fails.
    #[serde(default)]
    pub breaker: BreakerConfig,
}

fn thirty_seconds() -> u64 {
    30_000
}

/// An elastic pool of connections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PoolConfig {
    /// Connections that are kept even when idle.
    pub min: usize,
    /// Most connections, those for cancelling not counted (one, opened when needed).
    #[schemars(range(min = 1))]
    pub max: usize,
    /// Connections that batch queries leave free; normal queries leave half of them free, rounded down. At most `max` − 1.
    pub reserve: usize,
    /// Most queries that wait in each class; further ones are refused.
    #[schemars(range(min = 1))]
    pub max_waiting: usize,
    /// The pool grows while the predicted wait is longer than this, in milliseconds.
    pub wait_target_ms: u64,
    /// Longest time for opening a connection, in milliseconds.
    #[schemars(range(min = 1))]
    pub connect_timeout_ms: u64,
    /// Most connections being opened at once.
    #[schemars(range(min = 1))]
    pub max_connecting: usize,
    /// A connection above `min` that was idle for so long is closed, in milliseconds.
    #[schemars(range(min = 1))]
    pub idle_timeout_ms: u64,
    /// A connection is replaced at about this age (each at its own, up to a tenth earlier), in milliseconds.
    #[schemars(range(min = 1))]
    pub max_lifetime_ms: u64,
    /// A connection that was idle for so long is asked whether it still answers before it is used, in milliseconds.
    pub check_after_idle_ms: u64,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            min: 0,
            max: 16,
            reserve: 2,
            max_waiting: 1_024,
            wait_target_ms: 2,
            connect_timeout_ms: 5_000,
            max_connecting: 4,
            idle_timeout_ms: 60_000,
            max_lifetime_ms: 1_800_000,
            check_after_idle_ms: 10_000,
        }
    }
}

/// When to stop asking a server that fails, and how to begin again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerConfig {
    /// Fewest calls in the window before it is judged.
    #[schemars(range(min = 1))]
    pub min_calls: u32,
    /// Length of the window, in milliseconds.
    #[schemars(range(min = 1))]
    pub window_ms: u64,
    /// Percentage of failed calls that opens it.
    #[schemars(range(min = 1, max = 100))]
    pub failure_percent: u8,
    /// A call that takes longer counts as slow, in milliseconds.
    #[schemars(range(min = 1))]
    pub slow_call_ms: u64,
    /// Percentage of slow calls that opens it.
    #[schemars(range(min = 1, max = 100))]
    pub slow_percent: u8,
    /// Time that it stays open at first, in milliseconds; doubled each time that the probes fail.
    #[schemars(range(min = 1))]
    pub open_ms: u64,
    /// Longest time that it stays open, in milliseconds.
    #[schemars(range(min = 1))]
    pub max_open_ms: u64,
    /// Probes that have to succeed before it closes.
    #[schemars(range(min = 1))]
    pub probes: u32,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            min_calls: 20,
            window_ms: 10_000,
            failure_percent: 50,
            slow_call_ms: 10_000,
            slow_percent: 80,
            open_ms: 500,
            max_open_ms: 30_000,
            probes: 3,
        }
    }
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
    /// How its answers are cached.
    #[serde(default)]
    pub cache: CollectionCacheConfig,
}

/// Where entities are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntitiesConfig {
    /// The name of a backend.
    pub backend: String,
    /// The table or view, `schema.table` or found by the search path; for Postgres.
    #[serde(default)]
    pub table: Option<String>,
    /// The column that holds the id, of type `text`, `varchar`, `uuid`, `int4` or `int8`; `id` when not given; for Postgres.
    #[serde(default)]
    pub id: Option<String>,
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
    /// The column that holds it, of type `vector` or `halfvec`; the vector's name when not given; for Postgres.
    #[serde(default)]
    pub column: Option<String>,
}

/// An attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttributeConfig {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: AttributeType,
    /// The column that holds it; the attribute's name when not given; for Postgres.
    #[serde(default)]
    pub column: Option<String>,
    /// Where it is in a column of type `json` or `jsonb`: the column, then keys, separated by dots (`meta.license.name`);
    /// for Postgres.
    #[serde(default)]
    pub json_path: Option<String>,
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
    /// The table of edges, `schema.table` or found by the search path; for Postgres.
    #[serde(default)]
    pub table: Option<String>,
    /// The column of the id where an edge starts; `source` when not given; for Postgres.
    #[serde(default)]
    pub source: Option<String>,
    /// The column of the id where an edge ends; `target` when not given; for Postgres.
    #[serde(default)]
    pub target: Option<String>,
    /// The column of the edge's type; `type` when not given; for Postgres.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// The property of nodes (in Postgres the attribute of entities) that names the tenant they belong to; the attribute
    /// of `tenant_filter` when not given. Nodes without it are shared by all tenants.
    #[serde(default)]
    pub tenant_property: Option<String>,
}

/// A node label.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// Whether its nodes are the collection's entities; needed where there are several labels.
    pub entities: bool,
    /// The property that holds a node's id; `id` when not given; for Neo4j.
    pub id: Option<String>,
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
    /// A server with OpenAI's `/v1/embeddings`.
    OpenAi(HttpEmbedderConfig),
    /// An Ollama server (`/api/embed`).
    Ollama(HttpEmbedderConfig),
}

/// An embedding server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct HttpEmbedderConfig {
    /// Where it answers: `http://host:port` or `https://…`, with a path before `/v1/embeddings` or `/api/embed` if it has one.
    pub url: String,
    /// The model's name, sent with each request.
    pub model: String,
    /// What tells one state of the model from another under the same name; part of every cache key.
    #[serde(default)]
    pub model_version: Option<String>,
    /// Number of components; checked against what the server sends.
    #[schemars(range(min = 1, max = 65_535))]
    pub dimensions: usize,
    /// Whether the server is asked for this number of components, for models that can make shorter vectors (`dimensions`
    /// in the request). Other models reject that.
    #[serde(default)]
    pub send_dimensions: bool,
    /// A file that holds the key sent as `Authorization: Bearer …`. A relative path starts at the configuration file.
    #[serde(default)]
    pub api_key_file: Option<PathBuf>,
    /// Whether vectors are scaled to length 1.
    #[serde(default)]
    pub normalize: bool,
    /// Most texts in one request to the server.
    #[serde(default = "max_batch_texts")]
    #[schemars(range(min = 1))]
    pub max_batch: usize,
    /// How long a text may wait for others to share its request, in milliseconds.
    #[serde(default = "batch_wait")]
    pub batch_wait_ms: u64,
    /// Longest time that one request may take, in milliseconds.
    #[serde(default = "embed_timeout")]
    #[schemars(range(min = 1))]
    pub timeout_ms: u64,
    /// Most requests at once.
    #[serde(default = "embed_in_flight")]
    #[schemars(range(min = 1))]
    pub max_in_flight: usize,
}

fn max_batch_texts() -> usize {
    64
}

fn batch_wait() -> u64 {
    2
}

fn embed_timeout() -> u64 {
    10_000
}

fn embed_in_flight() -> usize {
    8
}
