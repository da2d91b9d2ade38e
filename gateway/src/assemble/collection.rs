//! Opens what collections are made of.

use std::sync::Arc;

use crate::{
    backend::embedded::{Parts, storage},
    catalog::CollectionSchema,
    config::{BackendConfig, CollectionConfig, ConfigProblem, EmbedderConfig, KeyPath, Loaded, ProblemKind, schema_of},
    embed::Embedder,
};

/// A collection's data and embedder, read and held against its configuration.
pub struct Opened {
    /// Names and types.
    pub schema: Arc<CollectionSchema>,
    /// The configured name of the backend that the data came from.
    pub backend: Arc<str>,
    /// The data.
    pub parts: Parts,
    /// Turns `vector.text` into a vector.
    pub embedder: Option<Arc<dyn Embedder>>,
}

/// Opens every collection. All problems are returned at once.
pub fn open_all(loaded: &Loaded) -> Result<Vec<Opened>, Vec<ConfigProblem>> {
    let mut opened = Vec::new();
    let mut problems = Vec::new();
    for (name, collection) in &loaded.config.collections {
        match open_collection(loaded, name, collection) {
            Ok(collection) => opened.push(collection),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(opened) } else { Err(problems) }
}

/// What is wrong with the data that a configuration names. Holds one collection in memory at a time.
pub fn check_data(loaded: &Loaded) -> Vec<ConfigProblem> {
    let collections = loaded.config.collections.iter();
    collections.filter_map(|(name, collection)| open_collection(loaded, name, collection).err()).flatten().collect()
}

/// Opens one collection of a sound configuration.
pub fn open_collection(
    loaded: &Loaded,
    name: &str,
    collection: &CollectionConfig,
) -> Result<Opened, Vec<ConfigProblem>> {
    let path = KeyPath::of(["collections", name]);
    let mut problems = Vec::new();
    let embedder = match collection.embedder.as_ref().map(|config| embedder(config, collection)).transpose() {
        Ok(embedder) => embedder,
        Err(message) => {
            let at = path.key("embedder");
            problems.push(ConfigProblem::new(ProblemKind::Contradiction, loaded.locations.key(&at), at, message));
            None
        }
    };
    let version = embedder.as_ref().map(|embedder| embedder.version().clone());
    let schema = Arc::new(schema_of(name, collection, version));
    match open_parts(loaded, &schema, collection) {
        Ok(parts) if problems.is_empty() => {
            Ok(Opened { schema, backend: collection.entities.backend.as_str().into(), parts, embedder })
        }
        Ok(_) => Err(problems),
        Err(message) => {
            let at = path.key("entities").key("backend");
            let origin = loaded.locations.value(&at);
            problems.push(ConfigProblem::new(ProblemKind::Data, origin, at, message));
            Err(problems)
        }
    }
}

/// The data of a collection, where it is loaded and valid.
fn open_parts(loaded: &Loaded, schema: &CollectionSchema, collection: &CollectionConfig) -> Result<Parts, String> {
    let backend = &collection.entities.backend;
    match loaded.config.backends.get(backend) {
        None => Err(format!("there is no backend `{backend}`")),
        Some(BackendConfig::Embedded { path }) => {
            storage::open(path, &schema.name, schema).map_err(|error| error.to_string())
        }
    }
}

/// The embedder of a collection. It is of use if some vector has as many components as it makes.
fn embedder(config: &EmbedderConfig, collection: &CollectionConfig) -> Result<Arc<dyn Embedder>, String> {
    let embedder = match config {
        EmbedderConfig::Student => student()?,
    };
    let made = embedder.dimensions();
    if collection.vectors.values().any(|vector| vector.dimensions == made) {
        Ok(embedder)
    } else {
        Err(format!("it makes vectors of {made} components, and the collection has none with as many"))
    }
}

#[cfg(feature = "demo-data")]
fn student() -> Result<Arc<dyn Embedder>, String> {
    Ok(Arc::new(crate::embed::StudentEmbedder::bundled()))
}

#[cfg(not(feature = "demo-data"))]
fn student() -> Result<Arc<dyn Embedder>, String> {
    Err("this build has no student in it (feature `demo-data`)".into())
}
