//! The tiers outside this process: how they are reached.

use super::Checker;
use crate::config::{L2Config, RedisTopology, path::KeyPath, problem::ProblemKind};

pub(super) fn check(checker: &mut Checker<'_>) {
    let config = checker.config;
    if let Some(l2) = &config.cache.l2 {
        check_l2(checker, l2, &KeyPath::of(["cache", "l2"]));
    }
}

fn check_l2(checker: &mut Checker<'_>, l2: &L2Config, path: &KeyPath) {
    match (checker.written(path, "urls"), checker.written(path, "url_file")) {
        (false, false) => {
            checker.key(ProblemKind::MissingKey, path.clone(), "the servers' URLs are missing: give urls or url_file");
        }
        (true, true) => checker.one_of_two(path, "urls", "url_file"),
        (true, false) if l2.urls.is_empty() => {
            checker.value(ProblemKind::WrongValue, path.key("urls"), "expected at least one URL");
        }
        (true, false) | (false, true) => {}
    }
    for (index, url) in l2.urls.iter().enumerate() {
        // The URL is not shown: it may hold a password.
        if !["redis://", "rediss://"].iter().any(|scheme| url.starts_with(scheme)) {
            let message = "expected a URL that begins with redis:// or, for TLS, rediss://";
            checker.value(ProblemKind::WrongValue, path.key("urls").index(index), message);
        }
    }
    if l2.topology == RedisTopology::Standalone && l2.urls.len() > 1 {
        let message = format!("{} URLs are given, and one server is expected", l2.urls.len());
        let problem = checker.value(ProblemKind::Contradiction, path.key("urls"), message);
        problem.suggestion = Some("say topology = \"cluster\" or topology = \"sentinel\"".into());
    }
    match (l2.topology, checker.written(path, "sentinel_group")) {
        (RedisTopology::Sentinel, false) => {
            let message = "sentinel_group is missing: the name of the group that the sentinels watch";
            checker.key(ProblemKind::MissingKey, path.key("topology"), message);
        }
        (RedisTopology::Standalone | RedisTopology::Cluster, true) => {
            let message = "only sentinels watch groups, and topology is not \"sentinel\"";
            checker.key(ProblemKind::Contradiction, path.key("sentinel_group"), message);
        }
        (RedisTopology::Sentinel, true) | (RedisTopology::Standalone | RedisTopology::Cluster, false) => {}
    }
    checker.not_empty(path.key("sentinel_group"), l2.sentinel_group.as_deref());
}
