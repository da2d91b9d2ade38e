//! The configuration: one TOML file, overridden by `FOREBAY_*` environment variables. Unknown keys are rejected, every
//! key has a default or is required, units stand in names.

mod model;

pub use model::{
    AdminConfig, AttributeConfig, BackendConfig, CacheConfig, CollectionConfig, Config, EdgeConfig, EmbedderConfig,
    EntitiesConfig, GraphConfig, L1Config, LogConfig, LogFormat, NodeConfig, PrincipalConfig, ServerConfig,
    TenantFilterConfig, VectorConfig,
};
