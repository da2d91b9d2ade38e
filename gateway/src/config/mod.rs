//! The configuration: one TOML file, overridden by `FOREBAY_*` environment variables. Unknown keys are rejected, every
//! key has a default or is required, units stand in names.
//!
//! [`load`] reads it in passes, each of which reports everything that it finds: syntax (`tree`), overrides
//! (`environment`), keys and types (`shape`, held against the generated JSON Schema), meaning (`meaning`). Nothing here
//! opens data; the digest files of [`credentials`] are the only other files read.

mod collection;
mod credentials;
mod environment;
mod load;
mod locations;
mod masked;
mod meaning;
mod model;
mod path;
mod problem;
mod reference;
mod schema;
mod shape;
mod tree;

pub use collection::{edge_types, schema_of};
pub use credentials::{Credential, credentials};
pub use load::{Loaded, load, load_with};
pub use locations::Locations;
pub use model::{
    AdminConfig, AttributeConfig, BackendConfig, BreakerConfig, CacheConfig, CollectionCacheConfig, CollectionConfig,
    Config, Consistency, EdgeConfig, EmbedderConfig, EntitiesConfig, GraphConfig, HttpEmbedderConfig, L1Config,
    L2Config, L3Config, LogConfig, LogFormat, MemoryConfig, Neo4jConfig, NodeConfig, PlannerConfig, PlannerLogConfig,
    PoolConfig, PostgresConfig, PrincipalConfig, RedisTopology, ServerConfig, TenantFilterConfig, TierName,
    VectorConfig,
};
pub use path::KeyPath;
pub use problem::{ConfigProblem, Origin, ProblemKind};
pub use reference::reference;
pub use schema::{json_schema, json_schema_text};
