//! What no schema can say: names that have to exist, values that have to fit together. Pure: nothing is opened, nothing
//! is read.
//!
//! Parts that were faulty in shape are not there any more; a name that was at least written counts as existing, so that
//! one mistake is not reported twice.

mod backends;
mod cache;
mod collections;
mod entities;
mod graph;
mod principals;
mod server;

use super::{
    Config,
    locations::Locations,
    path::KeyPath,
    problem::{ConfigProblem, Origin, ProblemKind},
};

/// Everything that is wrong with the meaning.
pub(super) fn check(config: &Config, locations: &Locations) -> Vec<ConfigProblem> {
    let mut checker = Checker { config, locations, problems: Vec::new() };
    server::check(&mut checker);
    cache::check(&mut checker);
    principals::check(&mut checker);
    for (name, backend) in &config.backends {
        backends::check(&mut checker, name, backend);
    }
    for (name, collection) in &config.collections {
        collections::check(&mut checker, name, collection);
    }
    checker.problems
}

struct Checker<'a> {
    config: &'a Config,
    locations: &'a Locations,
    problems: Vec<ConfigProblem>,
}

impl Checker<'_> {
    /// Reports a problem with a value.
    fn value(&mut self, kind: ProblemKind, path: KeyPath, message: impl Into<String>) -> &mut ConfigProblem {
        let origin = self.locations.value(&path);
        self.push(kind, origin, path, message.into())
    }

    /// Reports a problem with a key, or with what is not in the table behind it.
    fn key(&mut self, kind: ProblemKind, path: KeyPath, message: impl Into<String>) -> &mut ConfigProblem {
        let origin = self.locations.key(&path);
        self.push(kind, origin, path, message.into())
    }

    fn push(&mut self, kind: ProblemKind, origin: Origin, path: KeyPath, message: String) -> &mut ConfigProblem {
        self.problems.push(ConfigProblem::new(kind, origin, path, message));
        self.problems.last_mut().expect("one was just pushed")
    }

    /// Reports a name that is not a key of the table at `table`.
    fn known<'n>(
        &mut self,
        what: &str,
        name: &str,
        table: &KeyPath,
        names: impl Iterator<Item = &'n str>,
        path: KeyPath,
    ) {
        let names: Vec<&str> = names.collect();
        if names.contains(&name) || self.locations.contains(&table.key(name)) {
            return;
        }
        let origin = self.locations.value(&path);
        let message = format!("there is no {what} `{name}`");
        let problem = ConfigProblem::new(ProblemKind::UnknownName, origin, path, message).suggest_nearest(name, names);
        self.problems.push(problem);
    }

    /// Reports a backend that is not configured.
    fn known_backend(&mut self, name: &str, path: KeyPath) {
        let config = self.config;
        self.known("backend", name, &KeyPath::of(["backends"]), config.backends.keys().map(String::as_str), path);
    }

    /// Whether a key of the table at `table` was written, faulty or not.
    fn written(&self, table: &KeyPath, key: &str) -> bool {
        self.locations.contains(&table.key(key))
    }

    /// Reports the second of two keys that say the same thing.
    fn one_of_two(&mut self, table: &KeyPath, first: &str, second: &str) {
        let message = format!("{first} is given too; which of the two counts would be a guess");
        self.key(ProblemKind::Contradiction, table.key(second), message);
    }

    /// Reports a name that is an empty text.
    fn not_empty(&mut self, path: KeyPath, name: Option<&str>) {
        if name == Some("") {
            self.value(ProblemKind::WrongValue, path, "must not be empty");
        }
    }

    /// Reports what cannot name a table: `table` or `schema.table`, each of which may stand in double quotes.
    fn table_name(&mut self, table: &str, path: KeyPath) {
        let (mut parts, mut quoted) = (vec![0_usize], false);
        for character in table.chars() {
            match character {
                '"' => quoted = !quoted,
                '.' if !quoted => parts.push(0),
                _ => *parts.last_mut().expect("there is a first") += 1,
            }
        }
        if quoted || parts.len() > 2 || parts.contains(&0) {
            self.value(ProblemKind::WrongValue, path, "expected a table, or a schema and a table: `public.packages`");
        }
    }
}
