//! Reads the configuration: file, then environment, then every check that needs nothing but the text.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    BackendConfig, Config, EmbedderConfig, environment,
    locations::Locations,
    meaning,
    path::KeyPath,
    problem::{ConfigProblem, Origin, ProblemKind},
    schema::json_schema,
    shape,
    tree::{self, Node, Value},
};

/// A sound configuration and where each part of it was written.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration; relative paths start at the file's directory.
    pub config: Config,
    /// Where each part was written.
    pub locations: Locations,
    /// The file it came from.
    pub file: Option<PathBuf>,
}

/// Reads a file (none: all defaults) and the process' environment. All problems are returned at once, in the order of
/// the file.
pub fn load(path: Option<&Path>) -> Result<Loaded, Vec<ConfigProblem>> {
    // Names and values that are not UTF-8 cannot be ours.
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    load_with(path, variables)
}

/// Reads a file with these environment variables.
pub fn load_with(
    path: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, Vec<ConfigProblem>> {
    let text = match path {
        None => String::new(),
        Some(path) => std::fs::read_to_string(path).map_err(|error| vec![unreadable(path, &error)])?,
    };
    let mut loaded = read(path, &text, variables)?;
    loaded.config.resolve_paths(path.and_then(Path::parent).unwrap_or(Path::new("")));
    Ok(loaded)
}

/// Reads a configuration that is already in memory. `path` names it in problems.
fn read(
    path: Option<&Path>,
    text: &str,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, Vec<ConfigProblem>> {
    let (mut root, syntax) = match path {
        Some(path) => tree::read(text, &Arc::from(path)),
        None => (Node { value: Value::Table(Vec::new()), origin: Origin::Default, raw: None }, Vec::new()),
    };
    let schema = json_schema().to_value();
    let sections: Vec<&str> =
        schema["properties"].as_object().into_iter().flat_map(serde_json::Map::keys).map(String::as_str).collect();
    let mut problems = environment::overlay(&mut root, variables, &sections);
    let shape = shape::check(&root, &schema);
    problems.extend(shape.problems);
    let config = match serde_json::from_value::<Config>(shape.sound) {
        Ok(config) => {
            problems.extend(meaning::check(&config, &shape.locations));
            config
        }
        Err(error) => {
            let message = format!("the configuration cannot be used: {error}");
            problems.push(ConfigProblem::new(ProblemKind::WrongValue, root.origin, KeyPath::default(), message));
            Config::default()
        }
    };
    if !syntax.is_empty() {
        problems = beside_syntax_errors(syntax, problems);
    }
    if problems.is_empty() {
        return Ok(Loaded { config, locations: shape.locations, file: path.map(Path::to_owned) });
    }
    problems.sort_by_key(|problem| match &problem.origin {
        Origin::Place { line, column, .. } => (0, *line, *column),
        Origin::File(_) => (1, 0, 0),
        Origin::Environment(_) | Origin::Default => (2, 0, 0),
    });
    Err(problems)
}

/// What a syntax error swallowed may look missing or unknown; only what was plainly read elsewhere is trusted.
fn beside_syntax_errors(syntax: Vec<ConfigProblem>, others: Vec<ConfigProblem>) -> Vec<ConfigProblem> {
    let broken: BTreeSet<_> = syntax.iter().filter_map(|problem| problem.origin.line()).collect();
    let trusted = others.into_iter().filter(|problem| {
        let plain = matches!(
            problem.kind,
            ProblemKind::UnknownKey | ProblemKind::WrongValue | ProblemKind::Unsupported | ProblemKind::Unreadable
        );
        plain && problem.origin.line().is_none_or(|line| !broken.contains(&line))
    });
    syntax.into_iter().chain(trusted).collect()
}

fn unreadable(path: &Path, error: &std::io::Error) -> ConfigProblem {
    let message = format!("cannot be read: {error}");
    ConfigProblem::new(ProblemKind::Unreadable, Origin::File(path.into()), KeyPath::default(), message)
}

impl Config {
    /// Makes relative paths start at `base`.
    fn resolve_paths(&mut self, base: &Path) {
        let resolve = |path: &mut PathBuf| *path = base.join(&*path);
        for backend in self.backends.values_mut() {
            match backend {
                BackendConfig::Embedded { path } => resolve(path),
                BackendConfig::Postgres(postgres) => drop(postgres.url_file.as_mut().map(resolve)),
                BackendConfig::Neo4j(neo4j) => drop(neo4j.password_file.as_mut().map(resolve)),
            }
        }
        for collection in self.collections.values_mut() {
            if let Some(EmbedderConfig::OpenAi(http) | EmbedderConfig::Ollama(http)) = &mut collection.embedder {
                http.api_key_file.as_mut().map(resolve);
            }
        }
        if let Some(l2) = &mut self.cache.l2 {
            for path in [&mut l2.url_file, &mut l2.password_file, &mut l2.ca_file] {
                path.as_mut().map(resolve);
            }
        }
        if let Some(l3) = &mut self.cache.l3 {
            for path in [&mut l3.directory, &mut l3.secret_access_key_file] {
                path.as_mut().map(resolve);
            }
        }
        for path in [&mut self.planner.model, &mut self.planner.log.dir] {
            path.as_mut().map(resolve);
        }
        for principal in &mut self.principals {
            principal.token_sha256_file.as_mut().map(resolve);
        }
    }
}
