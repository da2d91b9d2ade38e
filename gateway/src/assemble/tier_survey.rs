//! What `forebay check` says of the cache's tiers.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use super::Survey;
use crate::{
    backend::Finding,
    cache::{
        coherence::{Coherence as _, RedisCoherence},
        l2::{self, RedisFacts},
        l3,
    },
    config::{ConfigProblem, KeyPath, L2Config, L3Config, Loaded, ProblemKind, TierName},
};

/// Under this name findings about the cache are shown.
const CACHE: &str = "cache";
/// The oldest Redis that has all that is asked of it: flags of scripts.
const OLDEST: (u32, u32) = (7, 0);
/// A gateway has a lease after some milliseconds where Redis is there.
const LEASED_WITHIN: Duration = Duration::from_secs(5);

/// Looks at what `cache` names, and at collections that name what is not there.
pub(super) async fn look(loaded: &Loaded, survey: &mut Survey) {
    let cache = &loaded.config.cache;
    let problem = |key: &str, message: String| {
        let at = KeyPath::of(["cache", key]);
        ConfigProblem::new(ProblemKind::Data, loaded.locations.key(&at), at, message)
    };
    if let Some(config) = &cache.l2 {
        match redis(config).await {
            Ok(findings) => survey.note(findings),
            Err(message) => survey.problems.push(problem("l2", message)),
        }
    }
    if let Some(config) = &cache.l3 {
        match objects(config).await {
            Ok(finding) => survey.note([finding]),
            Err(message) => survey.problems.push(problem("l3", message)),
        }
        if cache.l2.is_none() && config.directory.is_none() {
            survey.note([Finding::advice(
                "l3",
                "without Redis ([cache.l2]) every start of a gateway has epochs of its own: what is in the bucket is of no \
                 use to other gateways, nor to this one after a restart",
            )]);
        }
    }
    for (name, collection) in &loaded.config.collections {
        let path = KeyPath::of(["collections", name.as_str()]).key("cache").key("tiers");
        // The default names all tiers, so that a tier is used once it is configured.
        if !loaded.locations.contains(&path) {
            continue;
        }
        for (tier, is_there, section) in
            [(TierName::L2, cache.l2.is_some(), "cache.l2"), (TierName::L3, cache.l3.is_some(), "cache.l3")]
        {
            if collection.cache.tiers.contains(&tier) && !is_there {
                let text = format!("it names a tier that is not there: [{section}] is missing");
                survey.findings.push((name.clone(), Finding::advice("cache.tiers", text)));
            }
        }
    }
}

impl Survey {
    fn note(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings.into_iter().map(|finding| (CACHE.to_owned(), finding)));
    }
}

/// Asks Redis as a gateway would, epochs included.
async fn redis(config: &L2Config) -> Result<Vec<Finding>, String> {
    let facts = l2::probe(config).await.map_err(|error| error.to_string())?;
    let mut findings = Vec::new();
    if let Some(found @ (major, minor)) = facts.version {
        if found < OLDEST {
            return Err(format!("this is Redis {major}.{minor}, and {}.{} or later is needed", OLDEST.0, OLDEST.1));
        }
        findings.push(Finding::fact("l2", format!("Redis {major}.{minor}, which takes and gives entries")));
    } else {
        findings
            .push(Finding::advice("l2", "the server does not say which version it is; Redis 7.0 or later is needed"));
    }
    findings.extend(memory(&facts));
    follow(config).await?;
    findings.push(Finding::fact("l2", "the shared epochs can be followed"));
    Ok(findings)
}

/// What is to be said of its bounds.
fn memory(facts: &RedisFacts) -> Option<Finding> {
    let eviction = facts.eviction.as_deref()?;
    match facts.max_memory? {
        0 => Some(Finding::advice("l2", "it has no maxmemory: entries may take all memory of its machine")),
        _ if eviction == "noeviction" => Some(Finding::advice(
            "l2",
            "its maxmemory-policy is noeviction: once it is full, nothing new is stored; allkeys-lfu suits a cache",
        )),
        bytes => Some(Finding::fact("l2", format!("{} MiB, and {eviction} when they are full", bytes >> 20))),
    }
}

/// Joins the gateways that share the epochs, and leaves them.
async fn follow(config: &L2Config) -> Result<(), String> {
    let shared = RedisCoherence::connect(config).map_err(|error| error.to_string())?;
    let begun = Instant::now();
    while !shared.epochs().is_leased(Instant::now()) {
        if begun.elapsed() > LEASED_WITHIN {
            return Err(
                "entries can be stored, but the shared epochs cannot be followed: the user may lack a right that \
                        docs/redis.md lists, or the clock or the channel is not there"
                    .into(),
            );
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shared.leave().await;
    Ok(())
}

/// Writes, reads and removes an object. A folder that was not there is not left behind.
async fn objects(config: &L3Config) -> Result<Finding, String> {
    let missing = config.directory.as_deref().filter(|folder| !folder.exists());
    let outcome = l3::probe(config).await;
    if let Some(folder) = missing {
        // Only an empty folder goes; parents that were made for it stay.
        let _ = std::fs::remove_dir(folder);
    }
    outcome.map_err(|error| error.to_string())?;
    let place = match (&config.directory, &config.url) {
        (Some(folder), _) => Path::new(folder).display().to_string(),
        (None, url) => url.clone().unwrap_or_default(),
    };
    Ok(Finding::fact("l3", format!("objects can be written, read and removed in {place}")))
}
