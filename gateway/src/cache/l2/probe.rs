//! What a Redis says of itself, and whether it does what a gateway that starts on it will ask of it.

use std::time::Duration;

use redis::{FromRedisValue as _, Value};

use super::names::{Names, Thing};
use crate::{
    cache::redis::{RedisError, RedisLink, RedisSettings, SettingsProblem},
    config::L2Config,
};

/// Longest time for one command.
const WITHIN: Duration = Duration::from_secs(5);

/// What a server says of itself. Of a cluster, what the member said that answered first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RedisFacts {
    /// Its version: major, minor.
    pub version: Option<(u32, u32)>,
    /// The most memory for data, in bytes; 0: no bound.
    pub max_memory: Option<u64>,
    /// What goes when that is full.
    pub eviction: Option<String>,
}

/// Why it does not do.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It cannot be logged in to.
    #[error(transparent)]
    Settings(#[from] SettingsProblem),
    /// A command failed.
    #[error("{command}: {error}")]
    Failed {
        /// Which.
        command: &'static str,
        /// Why.
        error: RedisError,
    },
}

/// Asks a Redis what it is, and writes, reads and removes an entry of no meaning.
///
/// # Errors
/// It cannot be reached, or refuses.
pub async fn probe(config: &L2Config) -> Result<RedisFacts, ProbeError> {
    let link = RedisLink::new(RedisSettings::read(config)?)?;
    let failed = |command| move |error| ProbeError::Failed { command, error };
    // The epochs' scripts need it, too.
    let answer: Value = link.query(&redis::cmd("INFO"), WITHIN).await.map_err(failed("INFO"))?;
    let mut facts = RedisFacts::default();
    facts.read(&text(&answer));
    let name = Names::new(&config.prefix).of(&rand::random(), Thing::Entry);
    let command = |words: &[&str]| {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command
    };
    let set = command(&["SET", &name, "check", "PX", "10000"]);
    let _: Value = link.query(&set, WITHIN).await.map_err(failed("SET"))?;
    let _: Value = link.query(&command(&["GETRANGE", &name, "0", "9"]), WITHIN).await.map_err(failed("GETRANGE"))?;
    let _: Value = link.query(&command(&["DEL", &name]), WITHIN).await.map_err(failed("DEL"))?;
    Ok(facts)
}

/// The text of a reply to INFO: of one server, or of the first of several.
fn text(answer: &Value) -> String {
    match answer {
        Value::Map(members) => members.first().map(|(_, said)| text(said)).unwrap_or_default(),
        Value::Array(members) => members.first().map(text).unwrap_or_default(),
        Value::VerbatimString { text, .. } => text.clone(),
        other => String::from_redis_value(other.clone()).unwrap_or_default(),
    }
}

impl RedisFacts {
    fn read(&mut self, info: &str) {
        for (name, value) in info.lines().filter_map(|line| line.trim_end().split_once(':')) {
            match name {
                "redis_version" => {
                    let mut parts = value.split('.').map(str::parse);
                    if let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) {
                        self.version = Some((major, minor));
                    }
                }
                "maxmemory" => self.max_memory = value.parse().ok(),
                "maxmemory_policy" => self.eviction = Some(value.to_owned()),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_what_it_says_and_nothing_is_made_up() {
        let mut facts = RedisFacts::default();
        facts.read("# Server\r\nredis_version:7.2.4\r\n# Memory\r\nmaxmemory:1024\r\nmaxmemory_policy:noeviction\r\n");
        let expected =
            RedisFacts { version: Some((7, 2)), max_memory: Some(1024), eviction: Some("noeviction".into()) };
        assert_eq!(facts, expected);
        let mut other = RedisFacts::default();
        other.read("redis_version:next\nmaxmemory:much\nno colon");
        assert_eq!(other, RedisFacts::default());
    }
}
