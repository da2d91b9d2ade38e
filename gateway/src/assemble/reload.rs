//! What a new configuration can change in a running gateway.

use crate::config::Config;

/// The sections in which two configurations differ in something that is read once, at the start: a gateway that reloads
/// goes on with the old values and says so. Backends, collections, and of the server `default_deadline_ms` and `max_batch`
/// are taken over.
pub fn needs_restart(running: &Config, wanted: &Config) -> Vec<&'static str> {
    let mut server = wanted.server.clone();
    server.default_deadline_ms = running.server.default_deadline_ms;
    server.max_batch = running.server.max_batch;
    let sections = [
        ("server", running.server == server),
        ("admin", running.admin == wanted.admin),
        ("cache", running.cache == wanted.cache),
        ("planner", running.planner == wanted.planner),
        ("memory", running.memory == wanted.memory),
        ("log", running.log == wanted.log),
        ("principals", running.principals == wanted.principals),
    ];
    sections.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BackendConfig, LogFormat};

    #[test]
    fn only_sections_that_are_read_once_need_a_restart() {
        let running = Config::default();
        let mut wanted = running.clone();
        wanted.backends.insert("a".into(), BackendConfig::Embedded { path: "b".into() });
        wanted.server.max_batch += 1;
        assert!(needs_restart(&running, &wanted).is_empty());
        wanted.log.format = LogFormat::Text;
        wanted.server.max_connections += 1;
        assert_eq!(needs_restart(&running, &wanted), ["server", "log"]);
    }
}
