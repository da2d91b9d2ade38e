//! The real servers that a test may use: their addresses come from the environment, as `tests/servers env` prints them.
//! Where there is none, a test is skipped, which is noted and fails under CI. The suites in `tests` share this file.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::Write as _;

/// A Postgres server with pgvector where databases may be made.
pub(crate) fn postgres() -> Option<String> {
    find("FOREBAY_TEST_POSTGRES_URL").or_skip()
}

/// The same, where text does not sort by bytes. Few systems can have one, so even CI may lack it.
pub(crate) fn collated_postgres() -> Option<String> {
    match find("FOREBAY_TEST_POSTGRES_COLLATED_URL") {
        Look::Found(url) => Some(url),
        Look::Missing(reason) => {
            note(&reason);
            None
        }
    }
}

/// A Neo4j server without authentication.
pub(crate) fn neo4j() -> Option<String> {
    find("FOREBAY_TEST_NEO4J_URI").or_skip()
}

/// An embedding server with OpenAI's `/v1/embeddings` and Ollama's `/api/embed`, and all-MiniLM-L6-v2 under the name
/// `all-minilm`: 384 components in float32.
pub(crate) fn embeddings() -> Option<String> {
    find("FOREBAY_TEST_EMBEDDINGS_URL").or_skip()
}

/// A Redis on its own, without a password, as `redis://HOST:PORT`. Everybody's keys are in it: a test uses a prefix.
pub(crate) fn redis() -> Option<String> {
    find("FOREBAY_TEST_REDIS_URL").or_skip()
}

/// Sentinels and the name of what they watch, as `redis+sentinel://HOST:PORT,HOST:PORT,HOST:PORT/NAME`.
pub(crate) fn redis_sentinel() -> Option<String> {
    find("FOREBAY_TEST_REDIS_SENTINEL").or_skip()
}

/// The nodes of a Redis Cluster, each as `redis://HOST:PORT`.
pub(crate) fn redis_cluster() -> Option<Vec<String>> {
    let nodes = find("FOREBAY_TEST_REDIS_CLUSTER").or_skip()?;
    Some(nodes.split(',').map(str::to_owned).collect())
}

/// The endpoint of an S3 server. It has the bucket [`S3_BUCKET`], and takes any credentials and any region.
pub(crate) fn s3() -> Option<String> {
    find("FOREBAY_TEST_S3_URL").or_skip()
}

/// The bucket that is there. Everybody's objects are in it: a test uses a prefix.
pub(crate) const S3_BUCKET: &str = "forebay";

/// Leaves the running test out. The caller returns next.
///
/// # Panics
/// Under CI, where nothing may be left out.
pub(crate) fn skip(reason: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "under CI nothing may be skipped: {reason}");
    note(reason);
}

/// A server's address, or why there is none.
enum Look {
    Found(String),
    Missing(String),
}

impl Look {
    fn or_skip(self) -> Option<String> {
        match self {
            Self::Found(address) => Some(address),
            Self::Missing(reason) => {
                skip(&reason);
                None
            }
        }
    }
}

/// Looks for an address in this variable, and else for the reason in the one that ends in `_MISSING` instead.
fn find(variable: &str) -> Look {
    let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(address) = read(variable) {
        return Look::Found(address);
    }
    let stem = variable.trim_end_matches("_URL").trim_end_matches("_URI");
    Look::Missing(match read(&format!("{stem}_MISSING")) {
        Some(reason) => format!("{variable} is not set: {reason}"),
        None => format!("{variable} is not set: `tests/servers up` starts servers, `tests/servers env` tells where"),
    })
}

/// Says what is left out, and adds it to the file of `FOREBAY_TEST_SKIPS`, which `tests/run` counts: the test runner
/// hides what a passing test prints. A line is the test's name, a tab, the reason.
fn note(reason: &str) {
    eprintln!("skipped: {reason}");
    let Ok(file) = std::env::var("FOREBAY_TEST_SKIPS") else { return };
    let thread = std::thread::current();
    let line = format!("{}\t{reason}\n", thread.name().unwrap_or("unnamed"));
    let written = std::fs::OpenOptions::new().append(true).create(true).open(&file);
    // One write, so that lines of several processes do not mix.
    written.and_then(|mut file| file.write_all(line.as_bytes())).unwrap_or_else(|error| panic!("{file}: {error}"));
}
