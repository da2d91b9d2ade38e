//! The listeners, the cache, memory, the planner, the log.

use tracing_subscriber::EnvFilter;

use super::Checker;
use crate::config::{path::KeyPath, problem::ProblemKind};

pub(super) fn check(checker: &mut Checker<'_>) {
    check_listeners(checker);
    let l1 = &checker.config.cache.l1;
    if l1.max_entry_bytes > l1.max_bytes {
        let message = format!(
            "an entry of {} bytes would not fit into cache.l1.max_bytes, which is {}",
            l1.max_entry_bytes, l1.max_bytes
        );
        checker.value(ProblemKind::Contradiction, KeyPath::of(["cache", "l1", "max_entry_bytes"]), message);
    }
    check_memory(checker);
    check_planner(checker);
    if let Err(error) = EnvFilter::builder().parse(&checker.config.log.filter) {
        let message = format!("this is no tracing filter: {error}");
        let problem = checker.value(ProblemKind::WrongValue, KeyPath::of(["log", "filter"]), message);
        problem.suggestion = Some("for example `info` or `warn,forebay=debug`".into());
    }
}

fn check_memory(checker: &mut Checker<'_>) {
    let (shed_at, emergency_at) = (checker.config.memory.shed_at, checker.config.memory.emergency_at);
    let path = |key| KeyPath::of(["memory", key]);
    for (key, part) in [("shed_at", shed_at), ("emergency_at", emergency_at)] {
        if !(part > 0.0 && part < 1.0) {
            let message = format!("must be greater than 0 and less than 1, got {part}");
            checker.value(ProblemKind::WrongValue, path(key), message);
            return;
        }
    }
    if shed_at >= emergency_at {
        let message = format!("must be less than memory.emergency_at, which is {emergency_at}");
        checker.value(ProblemKind::Contradiction, path("shed_at"), message);
    }
}

fn check_planner(checker: &mut Checker<'_>) {
    let planner = &checker.config.planner;
    let parts = [
        (&["planner", "duels"][..], planner.duels),
        (&["planner", "duel_time"], planner.duel_time),
        (&["planner", "log", "sample"], planner.log.sample),
    ];
    let factor = planner.replan_factor;
    for (path, part) in parts {
        if !(0.0..=1.0).contains(&part) {
            let message = format!("must be from 0 to 1, got {part}");
            checker.value(ProblemKind::WrongValue, KeyPath::of(path.iter().copied()), message);
        }
    }
    if factor.is_nan() || factor < 1.0 {
        let message = format!("must be at least 1, got {factor}");
        checker.value(ProblemKind::WrongValue, KeyPath::of(["planner", "replan_factor"]), message);
    }
}

fn check_listeners(checker: &mut Checker<'_>) {
    let (query, admin) = (checker.config.server.listen, checker.config.admin.listen);
    let principals = KeyPath::of(["principals"]);
    // Principals that are written but faulty count: they are reported for what they are.
    let anyone = checker.config.principals.is_empty() && !checker.locations.contains(&principals.index(0));
    if anyone && !query.ip().is_loopback() {
        let message = format!(
            "without principals everybody is served everything, so only loopback may be listened on, not {}",
            query.ip()
        );
        let problem = checker.value(ProblemKind::Contradiction, KeyPath::of(["server", "listen"]), message);
        problem.suggestion = Some("add [[principals]] with name and token_sha256, or listen on 127.0.0.1".into());
    }
    let overlap = query.ip() == admin.ip() || query.ip().is_unspecified() || admin.ip().is_unspecified();
    if query.port() != 0 && query.port() == admin.port() && overlap {
        let message = format!("the query listener has port {} too", query.port());
        checker.value(ProblemKind::Contradiction, KeyPath::of(["admin", "listen"]), message);
    }
}
