//! Makes the embedder of a collection. No server is asked: it may come up later than the gateway.

use std::{sync::Arc, time::Duration};

use crate::{
    config::{CollectionConfig, ConfigProblem, EmbedderConfig, HttpEmbedderConfig, KeyPath, Loaded, ProblemKind},
    embed::{
        Embedder, HttpEmbedder, HttpEmbedderError, HttpEmbedderSettings,
        http::{ApiKey, Protocol},
    },
};

/// The embedder of the collection at `path`. It is of use if some vector has as many components as it makes.
pub(super) fn open_embedder(
    loaded: &Loaded,
    path: &KeyPath,
    config: &EmbedderConfig,
    collection: &CollectionConfig,
) -> Result<Arc<dyn Embedder>, Box<ConfigProblem>> {
    let path = path.key("embedder");
    let embedder = match config {
        EmbedderConfig::Student => student().map_err(|message| {
            let origin = loaded.locations.key(&path);
            Box::new(ConfigProblem::new(ProblemKind::Contradiction, origin, path.clone(), message))
        })?,
        EmbedderConfig::OpenAi(config) => over_http(loaded, &path, Protocol::OpenAi, config)?,
        EmbedderConfig::Ollama(config) => over_http(loaded, &path, Protocol::Ollama, config)?,
    };
    let made = embedder.dimensions();
    if collection.vectors.values().any(|vector| vector.dimensions == made) {
        return Ok(embedder);
    }
    let message = format!("it makes vectors of {made} components, and the collection has none with as many");
    Err(Box::new(ConfigProblem::new(ProblemKind::Contradiction, loaded.locations.key(&path), path, message)))
}

fn over_http(
    loaded: &Loaded,
    path: &KeyPath,
    protocol: Protocol,
    config: &HttpEmbedderConfig,
) -> Result<Arc<dyn Embedder>, Box<ConfigProblem>> {
    let settings = HttpEmbedderSettings {
        url: config.url.clone(),
        model: config.model.clone(),
        model_version: config.model_version.clone(),
        dimensions: config.dimensions,
        send_dimensions: config.send_dimensions,
        api_key: api_key(loaded, path, config)?,
        normalize: config.normalize,
        max_batch: config.max_batch,
        batch_wait: Duration::from_millis(config.batch_wait_ms),
        timeout: Duration::from_millis(config.timeout_ms),
        max_in_flight: config.max_in_flight,
    };
    let embedder = HttpEmbedder::new(protocol, settings).map_err(|error| {
        let (key, kind) = match &error {
            HttpEmbedderError::Url(_) => ("url", ProblemKind::WrongValue),
            HttpEmbedderError::Key => ("api_key_file", ProblemKind::WrongValue),
            HttpEmbedderError::Certificates(_) => ("url", ProblemKind::Unreadable),
        };
        problem(loaded, path.key(key), kind, error.to_string())
    })?;
    Ok(embedder)
}

fn api_key(loaded: &Loaded, path: &KeyPath, config: &HttpEmbedderConfig) -> Result<Option<ApiKey>, Box<ConfigProblem>> {
    let Some(file) = &config.api_key_file else { return Ok(None) };
    let unreadable = |reason: String| {
        let message = format!("{} {reason}", file.display());
        problem(loaded, path.key("api_key_file"), ProblemKind::Unreadable, message)
    };
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(format!("cannot be read: {error}")))?;
    let key = ApiKey::new(&text);
    if key.is_empty() { Err(unreadable("is empty".into())) } else { Ok(Some(key)) }
}

fn problem(loaded: &Loaded, path: KeyPath, kind: ProblemKind, message: String) -> Box<ConfigProblem> {
    Box::new(ConfigProblem::new(kind, loaded.locations.value(&path), path, message))
}

#[cfg(feature = "demo-data")]
fn student() -> Result<Arc<dyn Embedder>, String> {
    Ok(Arc::new(crate::embed::StudentEmbedder::bundled()))
}

#[cfg(not(feature = "demo-data"))]
fn student() -> Result<Arc<dyn Embedder>, String> {
    Err("this build has no student in it (feature `demo-data`)".into())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;

    /// Opens the embedder of a collection with vectors of 3 components.
    fn open(directory: &Path, embedder: &str) -> Result<Arc<dyn Embedder>, (ProblemKind, String)> {
        let file = directory.join("forebay.toml");
        let text = format!(
            "[backends.main]\nkind = \"embedded\"\npath = \"data\"\n[collections.a]\nentities.backend = \"main\"\n\
             vectors.default.dimensions = 3\n[collections.a.embedder]\nurl = \"http://127.0.0.1:9\"\nmodel = \"m\"\n{embedder}"
        );
        std::fs::write(&file, text).unwrap();
        let loaded = config::load_with(Some(&file), []).unwrap();
        let collection = &loaded.config.collections["a"];
        let path = KeyPath::of(["collections", "a"]);
        open_embedder(&loaded, &path, collection.embedder.as_ref().unwrap(), collection)
            .map_err(|problem| (problem.kind, problem.to_string().replace(&*directory.to_string_lossy(), "D")))
    }

    #[test]
    fn an_embedder_is_made_while_its_server_is_down() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("key"), "hunter2\n").unwrap();
        for kind in ["openai", "ollama"] {
            let config = format!("kind = \"{kind}\"\ndimensions = 3\nmodel_version = \"7\"\napi_key_file = \"key\"");
            let embedder = open(directory.path(), &config).unwrap();
            assert_eq!(embedder.dimensions(), 3);
            assert!(embedder.version().contains(kind) && embedder.version().contains('7'), "{}", embedder.version());
        }
    }

    #[test]
    fn a_key_that_cannot_be_used_is_a_problem_with_its_place() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("empty"), " \n").unwrap();
        std::fs::write(directory.path().join("lines"), "hunter2\nhunter3\n").unwrap();
        let open = |file| {
            let config = format!("kind = \"openai\"\ndimensions = 3\napi_key_file = \"{file}\"");
            open(directory.path(), &config).err().unwrap()
        };
        let at = "D/forebay.toml:12:16: collections.a.embedder.api_key_file: ";
        let (kind, shown) = open("absent");
        assert_eq!(kind, ProblemKind::Unreadable);
        assert!(shown.starts_with(&format!("{at}D/absent cannot be read")), "{shown}");
        assert_eq!(open("empty"), (ProblemKind::Unreadable, format!("{at}D/empty is empty")));
        let (kind, shown) = open("lines");
        assert_eq!(kind, ProblemKind::WrongValue);
        assert!(shown.starts_with(at) && !shown.contains("hunter"), "{shown}");
    }

    #[test]
    fn vectors_that_nothing_can_be_compared_with_are_a_contradiction() {
        let directory = tempfile::tempdir().unwrap();
        let (kind, shown) = open(directory.path(), "kind = \"ollama\"\ndimensions = 4").err().unwrap();
        assert_eq!(kind, ProblemKind::Contradiction);
        assert!(
            shown.contains("it makes vectors of 4 components, and the collection has none with as many"),
            "{shown}"
        );
    }
}
