//! The real servers that a test may use: their addresses come from the environment, as `tests/servers env` prints them.

/// A Postgres server with pgvector where databases may be made.
pub(crate) fn postgres() -> Option<String> {
    find("FOREBAY_TEST_POSTGRES_URL")
}

/// A Neo4j server without authentication.
pub(crate) fn neo4j() -> Option<String> {
    find("FOREBAY_TEST_NEO4J_URI")
}

/// The value, or a word about what is left out. Under CI nothing may be left out.
fn find(variable: &str) -> Option<String> {
    let found = std::env::var(variable).ok().filter(|value| !value.is_empty());
    if found.is_none() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "{variable} is not set: `tests/servers up` starts servers"
        );
        eprintln!("skipped: {variable} is not set");
    }
    found
}
