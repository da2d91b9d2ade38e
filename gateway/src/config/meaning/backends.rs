//! Servers: how they are reached, and the pools in front of them.

use super::Checker;
use crate::config::{
    BackendConfig, BreakerConfig, Neo4jConfig, PoolConfig, PostgresConfig, path::KeyPath, problem::ProblemKind,
};

pub(super) fn check(checker: &mut Checker<'_>, name: &str, backend: &BackendConfig) {
    let path = KeyPath::of(["backends", name]);
    match backend {
        BackendConfig::Embedded { .. } => {}
        BackendConfig::Postgres(postgres) => {
            check_postgres(checker, postgres, &path);
            check_pool(checker, &postgres.pool, &path.key("pool"));
            check_breaker(checker, &postgres.breaker, &path.key("breaker"));
        }
        BackendConfig::Neo4j(neo4j) => {
            check_neo4j(checker, neo4j, &path);
            check_pool(checker, &neo4j.pool, &path.key("pool"));
            check_breaker(checker, &neo4j.breaker, &path.key("breaker"));
        }
    }
}

fn check_postgres(checker: &mut Checker<'_>, postgres: &PostgresConfig, path: &KeyPath) {
    match (checker.written(path, "url"), checker.written(path, "url_file")) {
        (false, false) => {
            checker.key(ProblemKind::MissingKey, path.clone(), "the server's URL is missing: give url or url_file");
        }
        (true, true) => checker.one_of_two(path, "url", "url_file"),
        (true, false) | (false, true) => {}
    }
    // The URL is not shown: it may hold a password.
    if let Some(url) = &postgres.url
        && !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme))
    {
        let message = "expected a URL that begins with postgres:// or postgresql://";
        checker.value(ProblemKind::WrongValue, path.key("url"), message);
    }
}

fn check_neo4j(checker: &mut Checker<'_>, neo4j: &Neo4jConfig, path: &KeyPath) {
    let (scheme, rest) = neo4j.uri.split_once("://").unwrap_or_default();
    if let ("neo4j" | "neo4j+s" | "neo4j+ssc", _) = (scheme, rest) {
        let message = "statements are sent to one server, not routed among the servers of a cluster";
        let problem = checker.value(ProblemKind::WrongValue, path.key("uri"), message);
        problem.suggestion = Some(format!("use {}://…", scheme.replace("neo4j", "bolt")));
    } else if !matches!(scheme, "bolt" | "bolt+s" | "bolt+ssc") || rest.is_empty() {
        let message = "expected bolt://host:port, or bolt+s:// or bolt+ssc:// for TLS";
        checker.value(ProblemKind::WrongValue, path.key("uri"), message);
    } else if rest.contains('@') {
        // The URI is not shown: it holds a password.
        checker.value(ProblemKind::WrongValue, path.key("uri"), "give the user and the password by keys of their own");
    }
    let (inline, file) = (checker.written(path, "password"), checker.written(path, "password_file"));
    if inline && file {
        checker.one_of_two(path, "password", "password_file");
    }
    match (checker.written(path, "user"), inline || file) {
        (true, false) => {
            let message = "the user's password is missing: give password or password_file";
            checker.key(ProblemKind::MissingKey, path.key("user"), message);
        }
        (false, true) => {
            let key = if inline { "password" } else { "password_file" };
            checker.key(ProblemKind::Contradiction, path.key(key), "there is no user that the password belongs to");
        }
        (true, true) | (false, false) => {}
    }
}

fn check_pool(checker: &mut Checker<'_>, pool: &PoolConfig, path: &KeyPath) {
    // A value that was not written does not contradict one that was: it gives way.
    if pool.min > pool.max && checker.written(path, "min") {
        let message = format!("the pool has at most {} connections, so it cannot keep {}", pool.max, pool.min);
        checker.value(ProblemKind::Contradiction, path.key("min"), message);
    }
    if pool.reserve >= pool.max && checker.written(path, "reserve") {
        let message = format!("of {} connections at most {} can be reserved", pool.max, pool.max.saturating_sub(1));
        checker.value(ProblemKind::Contradiction, path.key("reserve"), message);
    }
}

fn check_breaker(checker: &mut Checker<'_>, breaker: &BreakerConfig, path: &KeyPath) {
    if breaker.open_ms > breaker.max_open_ms {
        let key = if checker.written(path, "open_ms") { "open_ms" } else { "max_open_ms" };
        let message = format!("open_ms is {}, and max_open_ms is {}", breaker.open_ms, breaker.max_open_ms);
        checker.value(ProblemKind::Contradiction, path.key(key), message);
    }
}
