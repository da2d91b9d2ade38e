//! The packages data set inside the binary: what `forebay demo` serves, and real data with known answers for tests.
//!
//! It goes through the ordinary configuration and the ordinary loader; only its bytes come from the binary instead of
//! `examples/packages`. [`queries`] are 300 questions with their exact answers. An answer is for comparing only: what
//! is asked ([`DemoQuery::body`]) never holds any of it.

mod queries;

use std::sync::{Arc, LazyLock};

pub use queries::{DemoQuery, queries};

use crate::{
    backend::embedded::Parts,
    catalog::CollectionSchema,
    config::{self, CollectionConfig, Config},
    embed::{Embedder, StudentEmbedder},
    load::{self, LoadError, LoadPlan, LoadReport, Progress, Source},
};

macro_rules! packages_file {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/packages/", $name))
    };
}
use packages_file;

/// The collection's name.
pub const COLLECTION: &str = "packages";

/// `examples/packages/forebay.toml`: the configuration for data in the directory `data` beside it.
pub const CONFIG: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/packages/forebay.toml"));

/// [`CONFIG`]. Its data directory means nothing here.
pub fn config() -> Config {
    toml::from_str(CONFIG).expect("the bundled configuration is sound; a test reads it")
}

/// The demo's embedder, made once.
pub fn embedder() -> Arc<StudentEmbedder> {
    static EMBEDDER: LazyLock<Arc<StudentEmbedder>> = LazyLock::new(|| Arc::new(StudentEmbedder::bundled()));
    EMBEDDER.clone()
}

/// The packages collection: 8,520 nodes, 8,000 of them with a vector, and 48,095 edges.
///
/// # Errors
/// None with the bundled bytes; the loader's signature is kept.
pub fn packages(progress: &mut dyn Progress) -> Result<(CollectionSchema, Parts, LoadReport), LoadError> {
    let collection = collection();
    let schema = config::schema_of(COLLECTION, &collection, Some(embedder().version().clone()));
    let source = |name, bytes| Source::Bytes { name, bytes };
    let mut plan = LoadPlan::new(Arc::new(schema.clone()));
    plan.edge_types = config::edge_types(&collection);
    plan.nodes.push(source("nodes.jsonl.zst", packages_file!("nodes.jsonl.zst")));
    plan.vectors.push(("default".into(), source("embeddings.npy", packages_file!("embeddings.npy"))));
    plan.edges.push(source("edges.csv.zst", packages_file!("edges.csv.zst")));
    plan.id_field = "name".into();
    plan.endpoint_field = Some("id".into());
    let outcome = load::load(&plan, progress)?;
    Ok((schema, outcome.parts, outcome.report))
}

fn collection() -> CollectionConfig {
    config().collections.remove(COLLECTION).expect("the bundled configuration has it; a test reads it")
}

#[cfg(test)]
mod tests;
