//! Opens what collections are made of.

use std::sync::Arc;

use super::embedder::open_embedder;
use crate::{
    backend::{
        GraphStore,
        embedded::{Dataset, EmbeddedStore, storage},
    },
    catalog::{Catalog, Collection, CollectionSchema},
    config::{BackendConfig, CollectionConfig, ConfigProblem, KeyPath, Loaded, ProblemKind, schema_of},
};

/// Opens every collection. All problems are returned at once.
pub fn open_catalog(loaded: &Loaded) -> Result<Catalog, Vec<ConfigProblem>> {
    let mut collections = Vec::new();
    let mut problems = Vec::new();
    for (name, collection) in &loaded.config.collections {
        match open_collection(loaded, name, collection) {
            Ok(collection) => collections.push(collection),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(Catalog::new(collections)) } else { Err(problems) }
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
) -> Result<Collection, Vec<ConfigProblem>> {
    let path = KeyPath::of(["collections", name]);
    let (mut embedder, mut problems) = (None, Vec::new());
    match collection.embedder.as_ref().map(|config| open_embedder(loaded, &path, config, collection)).transpose() {
        Ok(opened) => embedder = opened,
        Err(problem) => problems.push(*problem),
    }
    let version = embedder.as_ref().map(|embedder| embedder.version().clone());
    let schema = Arc::new(schema_of(name, collection, version));
    match open_store(loaded, &schema, collection) {
        Ok(store) if problems.is_empty() => {
            // The configuration says that an embedded graph is in the data set of its entities.
            let graph = schema.graph.is_some().then(|| store.clone() as Arc<dyn GraphStore>);
            Ok(Collection::new(schema, store, graph, embedder))
        }
        Ok(_) => Err(problems),
        Err(message) => {
            let at = path.key("entities").key("backend");
            problems.push(ConfigProblem::new(ProblemKind::Data, loaded.locations.value(&at), at, message));
            Err(problems)
        }
    }
}

/// A store over the data of a collection, where it was loaded and is valid.
fn open_store(
    loaded: &Loaded,
    schema: &Arc<CollectionSchema>,
    collection: &CollectionConfig,
) -> Result<Arc<EmbeddedStore>, String> {
    let backend = &collection.entities.backend;
    match loaded.config.backends.get(backend) {
        None => Err(format!("there is no backend `{backend}`")),
        Some(BackendConfig::Postgres(_) | BackendConfig::Neo4j(_)) => Err("this kind is not connected yet".into()),
        Some(BackendConfig::Embedded { path }) => {
            let parts = storage::open(path, &schema.name, schema).map_err(|error| error.to_string())?;
            let data = Dataset::build(schema.clone(), parts).map_err(|error| error.to_string())?;
            Ok(EmbeddedStore::new(backend.as_str().into(), Arc::new(data)))
        }
    }
}
