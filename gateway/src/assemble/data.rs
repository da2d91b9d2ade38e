//! Tells the data of collections apart: gateways that share tiers answer for each other only where they answer from the same
//! data in the same way.

use std::net::IpAddr;

use super::servers::{bolt_options, postgres_url};
use crate::config::{
    BackendConfig, CacheConfig, CollectionCacheConfig, CollectionConfig, Config, ConfigProblem, KeyPath, Loaded,
    ProblemKind,
};

/// A digest of where and what the data of a collection is, and of what in its configuration decides about answers.
///
/// Data in this process is other data than anything else. So is what is reached over loopback, for gateways on other machines
/// and in other containers, where tiers can be shared with those.
pub(super) fn digest(
    loaded: &Loaded,
    name: &str,
    collection: &CollectionConfig,
) -> Result<[u8; 32], Box<ConfigProblem>> {
    let config = &loaded.config;
    let shared = is_shared(&config.cache);
    let graph = collection.graph.as_ref().map(|graph| &graph.backend);
    let mut places = Vec::new();
    for backend in std::iter::once(&collection.entities.backend).chain(graph) {
        let place = place(config, backend, shared).map_err(|message| {
            let at = KeyPath::of(["backends", backend]);
            Box::new(ConfigProblem::new(ProblemKind::Data, loaded.locations.key(&at), at, message))
        })?;
        places.push(place);
    }
    // How long answers are kept, and how much may be asked for, changes none of them.
    let meaning =
        CollectionConfig { cache: CollectionCacheConfig::default(), limits: Default::default(), ..collection.clone() };
    // JSON writes maps in the order of their keys, so equal configurations have equal texts.
    let text = serde_json::to_vec(&(name, meaning, places)).expect("a configuration is plain data");
    Ok(blake3::derive_key("forebay 2026-11 data of a collection", &text))
}

/// Whether other gateways may use the same tiers.
fn is_shared(cache: &CacheConfig) -> bool {
    cache.l2.is_some() || cache.l3.as_ref().is_some_and(|l3| l3.url.is_some())
}

/// Where a backend's data is.
fn place(config: &Config, backend: &str, shared: bool) -> Result<String, String> {
    match config.backends.get(backend) {
        None => Err(format!("there is no backend `{backend}`")),
        Some(BackendConfig::Embedded { .. }) => Ok(format!("embedded {:032x}", rand::random::<u128>())),
        Some(BackendConfig::Postgres(postgres)) => {
            let url = postgres_url(postgres)?;
            let parsed: sqlx::postgres::PgConnectOptions =
                url.parse().map_err(|_| "the URL cannot be understood".to_owned())?;
            let (host, database) = (parsed.get_host(), parsed.get_database().unwrap_or(parsed.get_username()));
            Ok(format!("postgres {} {} {database}", located(host, shared), parsed.get_port()))
        }
        Some(BackendConfig::Neo4j(neo4j)) => {
            let options = bolt_options(neo4j)?;
            let authority = options.uri.split_once("://").map_or(&*options.uri, |(_, rest)| rest);
            let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "7687"));
            Ok(format!("bolt {} {port} {}", located(host, shared), options.database.unwrap_or_default()))
        }
    }
}

/// A host as others would name it. What is here only has the name of this machine and its network.
fn located(host: &str, shared: bool) -> String {
    let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
    let loopback = host == "localhost"
        || host.is_empty()
        || host.starts_with('/')
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if loopback && shared { format!("{host}@{}", here()) } else { host }
}

/// This machine since its start, and the network that this process sees: containers of one machine have their own.
fn here() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let network = std::fs::read_link("/proc/self/ns/net").map(|link| link.display().to_string());
    match network {
        Ok(network) if !boot.is_empty() => format!("{} {network}", boot.trim()),
        // Where it cannot be told, no other gateway is here.
        _ => format!("{:032x}", rand::random::<u128>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn loaded(text: &str) -> Loaded {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("forebay.toml");
        std::fs::write(&file, text).unwrap();
        config::load_with(Some(&file), []).unwrap()
    }

    fn of(backend: &str, more: &str) -> [u8; 32] {
        let loaded = loaded(&format!(
            "[cache.l2]\nurls = [\"redis://r\"]\n[backends.pg]\nkind = \"postgres\"\n{backend}\n[collections.c]\n\
             entities = {{ backend = \"pg\", table = \"t\" }}\nvectors.default.dimensions = 2\n{more}\n"
        ));
        digest(&loaded, "c", &loaded.config.collections["c"]).unwrap()
    }

    #[test]
    fn the_same_data_is_the_same_whatever_does_not_change_answers() {
        let base = of("url = \"postgres://a:x@db.example:5432/shop\"", "");
        assert_eq!(base, of("url = \"postgres://b:y@DB.example/shop\"", ""), "the user and the spelling");
        assert_eq!(base, of("url = \"postgres://a@db.example/shop\"\npool.max = 3", ""), "the pool");
        assert_eq!(base, of("url = \"postgres://a@db.example/shop\"", "cache.max_ttl_ms = 5"), "times to live");
    }

    #[test]
    fn other_data_and_other_meanings_are_told_apart() {
        let base = of("url = \"postgres://a@db.example/shop\"", "");
        assert_ne!(base, of("url = \"postgres://a@db.example/other\"", ""));
        assert_ne!(base, of("url = \"postgres://a@other.example/shop\"", ""));
        assert_ne!(base, of("url = \"postgres://a@db.example:5433/shop\"", ""));
        assert_ne!(base, of("url = \"postgres://a@db.example/shop\"", "vectors.default.metric = \"l2\""));
    }

    #[test]
    fn loopback_is_this_machine_only_where_tiers_are_shared() {
        assert_eq!(located("localhost", false), "localhost");
        assert!(located("127.0.0.1", true).contains('@') && located("::1", true).contains('@'));
        assert_eq!(located("localhost", true), located("LOCALHOST", true));
        assert_eq!(located("db.example", true), "db.example");
    }
}
