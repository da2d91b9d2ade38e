//! The servers that tests run on are what they are said to be, and `tests/servers` harms nobody else's.

mod support;

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use forebay::{
    cli::client::{Client, Response},
    demo_data,
};
use half::f16;
use http::Method;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, Row as _};
use support::{private_server::PrivateServer, servers};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/servers");

async fn ask(url: &str, path: &str, body: &Value) -> Response {
    let mut client = Client::new(url, None).expect("a sound address");
    client.send(Method::POST, path, body.to_string().into()).await.expect("the embedding server answers")
}

fn floats(value: &Value) -> Vec<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "the server's numbers are float32")]
    let float = |number: &Value| number.as_f64().expect("a number") as f32;
    value.as_array().expect("a vector").iter().map(float).collect()
}

#[tokio::test]
async fn the_embedding_server_has_the_model_that_embedded_the_packages() {
    let Some(url) = servers::embeddings() else { return };
    let asked: Vec<_> = demo_data::queries().into_iter().filter(|query| query.text.is_some()).collect();
    assert_eq!(asked.len(), 80);
    let texts: Vec<&str> = asked.iter().filter_map(|query| query.text.as_deref()).collect();
    let answer =
        support::json(&ask(&url, "/v1/embeddings", &json!({ "model": "all-MiniLM-L6-v2", "input": texts })).await);
    for (index, query) in asked.iter().enumerate() {
        assert_eq!(answer["data"][index]["index"], index);
        let vector = floats(&answer["data"][index]["embedding"]);
        assert_eq!(vector.len(), query.vector.len());
        let unrounded = vector.iter().any(|x| f16::from_f32(*x).to_f32() != *x);
        assert!(unrounded, "{}: it answers in float32", query.qid);
        for (x, stored) in vector.iter().zip(&query.vector) {
            // What is stored was rounded to float16: it is off by half a unit in its last place at most. The rest is
            // for float32 sums in another order.
            let half_a_unit = stored.abs().max(2_f32.powi(-14)) * 2_f32.powi(-11);
            assert!((x - stored).abs() <= half_a_unit + 2e-6, "{}: {x} for {stored}", query.qid);
        }
    }
}

#[tokio::test]
async fn a_text_has_one_vector_by_whatever_interface_and_among_whatever_others() {
    let Some(url) = servers::embeddings() else { return };
    let several =
        json!({ "model": "all-minilm", "input": ["simple photo viewer", "a", "a library of fonts for printing"] });
    let open_ai = support::json(&ask(&url, "/v1/embeddings", &several).await);
    let ollama = support::json(&ask(&url, "/api/embed", &several).await);
    for index in 0..3 {
        assert_eq!(open_ai["data"][index]["embedding"], ollama["embeddings"][index]);
        let alone = json!({ "model": "all-minilm", "input": several["input"][index] });
        let alone = support::json(&ask(&url, "/api/embed", &alone).await);
        let (alone, among) = (floats(&alone["embeddings"][0]), floats(&ollama["embeddings"][index]));
        assert!(alone.iter().zip(&among).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}

#[tokio::test]
async fn a_mistake_in_a_request_for_embeddings_is_an_error_of_that_interface() {
    let Some(url) = servers::embeddings() else { return };
    let unknown = json!({ "model": "no-such-model", "input": "a" });
    let long = json!({ "model": "all-minilm", "input": vec!["a"; 257] });
    let wrong = json!({ "model": "all-minilm", "input": [1, 2] });
    for (body, status) in [(&unknown, 404), (&long, 400), (&wrong, 400)] {
        let open_ai = ask(&url, "/v1/embeddings", body).await;
        assert_eq!(open_ai.status, status, "{body}");
        assert!(support::json(&open_ai)["error"]["message"].is_string(), "{body}");
        let ollama = ask(&url, "/api/embed", body).await;
        assert_eq!(ollama.status, status, "{body}");
        assert!(support::json(&ollama)["error"].is_string(), "{body}");
    }
}

async fn pgvector_version(connection: &mut PgConnection) -> (u32, u32) {
    let row = sqlx::query("SELECT default_version FROM pg_available_extensions WHERE name = 'vector'")
        .fetch_one(connection)
        .await
        .expect("pgvector is there");
    let version: String = row.get(0);
    let mut numbers = version.split('.').map(|part| part.parse().expect("a number"));
    (numbers.next().expect("a major version"), numbers.next().expect("a minor version"))
}

#[tokio::test]
async fn postgres_has_a_pgvector_with_iterative_scans() {
    let Some(url) = servers::postgres() else { return };
    let mut connection = PgConnection::connect(&url).await.expect("it answers");
    assert!(pgvector_version(&mut connection).await >= (0, 8));
}

#[tokio::test]
async fn the_collated_postgres_does_not_sort_by_bytes() {
    let Some(url) = servers::collated_postgres() else { return };
    let mut connection = PgConnection::connect(&url).await.expect("it answers");
    assert!(pgvector_version(&mut connection).await >= (0, 8));
    let database = format!("forebay_{}", uuid::Uuid::from_u128(rand::random()).simple());
    let make = sqlx::AssertSqlSafe(format!("CREATE DATABASE {database}"));
    sqlx::raw_sql(make).execute(&mut connection).await.expect("a database");
    let options: sqlx::postgres::PgConnectOptions = url.parse().expect("a URL");
    let mut inside = PgConnection::connect_with(&options.database(&database)).await.expect("it answers");
    let row = sqlx::query(r#"SELECT 'a' < 'B', 'a' COLLATE "C" < 'B' COLLATE "C""#);
    let row = row.fetch_one(&mut inside).await.expect("a row");
    let (by_language, by_bytes): (bool, bool) = (row.get(0), row.get(1));
    drop(inside);
    let drop = sqlx::AssertSqlSafe(format!("DROP DATABASE {database} WITH (FORCE)"));
    sqlx::raw_sql(drop).execute(&mut connection).await.expect("it was made");
    assert!(by_language && !by_bytes, "also in a database that a test makes");
}

#[tokio::test]
async fn neo4j_is_a_neo4j_5() {
    let Some(uri) = servers::neo4j() else { return };
    let graph = neo4rs::Graph::new(&uri, "", "").expect("an address");
    let components = neo4rs::query("CALL dbms.components() YIELD name, versions RETURN name, versions[0] AS version");
    let mut rows = graph.execute(components).await.expect("it answers");
    let row = rows.next().await.expect("it answers").expect("a component");
    assert_eq!(row.get::<String>("name").expect("a name"), "Neo4j Kernel");
    assert!(row.get::<String>("version").expect("a version").starts_with("5."));
}

#[tokio::test]
async fn a_private_postgres_that_was_killed_starts_where_it_was_with_its_data() {
    let Some(mut server) = PrivateServer::postgres() else { return };
    let mut connection = PgConnection::connect(&server.url).await.expect("it answers");
    sqlx::raw_sql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
        .execute(&mut connection)
        .await
        .expect("made");
    server.signal("KILL");
    let before = server.pid;
    server.restart();
    assert_ne!(server.pid, before);
    let mut connection = PgConnection::connect(&server.url).await.expect("it answers again");
    let row = sqlx::query("SELECT n FROM kept").fetch_one(&mut connection).await.expect("the table is there");
    assert_eq!(row.get::<i32, _>(0), 7);
}

/// A run folder and a cache of its own for the script, and a search path without what servers need.
struct Bare {
    folder: tempfile::TempDir,
}

impl Bare {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let programs = folder.path().join("bin");
        std::fs::create_dir(&programs).expect("a folder");
        let path = std::env::var_os("PATH").expect("a search path");
        for tool in "bash env cat sed grep cut tail head tr cksum id mkdir rm chmod dirname basename uname".split(' ') {
            let found = std::env::split_paths(&path).map(|folder| folder.join(tool)).find(|file| file.is_file());
            symlink(found.unwrap_or_else(|| panic!("there is no {tool}")), programs.join(tool)).expect("a link");
        }
        Self { folder }
    }

    fn run_folder(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(SCRIPT);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", self.folder.path().join("bin"))
            .env("FOREBAY_TEST_CACHE", self.folder.path().join("cache"))
            .env("FOREBAY_TEST_RUN", self.run_folder());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("tests/servers runs")
    }
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[test]
fn a_server_that_cannot_be_had_stops_nothing_and_has_its_reason() {
    let bare = Bare::new();
    let up = bare.run(&["up"]);
    assert!(up.status.success(), "{up:?}");
    assert_eq!(bare.run(&["status"]).status.code(), Some(3), "none runs");
    let env = printed(&bare.run(&["env"]));
    for (name, reason) in [
        ("POSTGRES", "pip"),
        ("POSTGRES_COLLATED", "Debian 12"),
        ("NEO4J", "Java of version 17"),
        ("EMBEDDINGS", "pip"),
    ] {
        let line = env.lines().find(|line| line.starts_with(&format!("export FOREBAY_TEST_{name}_MISSING='")));
        assert!(line.is_some_and(|line| line.contains(reason)), "{name}: {env}");
    }
    let private = bare.run(&["private", "neo4j", &bare.folder.path().join("private").to_string_lossy()]);
    assert_eq!(private.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&private.stderr).contains("Java of version 17"), "{private:?}");
}

#[test]
fn a_server_that_is_given_is_used_as_it_is() {
    let bare = Bare::new();
    let own = "postgres://me:it's $HOME@db.example/x?a=b&c=d";
    let env = bare.command(&["env"]).env("FOREBAY_TEST_POSTGRES_URL", own).output().expect("tests/servers runs");
    let script = format!("{}\nprintf %s \"$FOREBAY_TEST_POSTGRES_URL\"", printed(&env));
    let shell = Command::new("bash").arg("-c").arg(script).output().expect("bash runs");
    assert_eq!(printed(&shell), own);
    let up = bare.command(&["up"]).env("FOREBAY_TEST_POSTGRES_URL", own).output().expect("tests/servers runs");
    assert!(printed(&up).lines().any(|line| line.starts_with("postgres ") && line.contains("given")), "{up:?}");
    assert!(!bare.run_folder().join("postgres").exists(), "nothing was started for it");
}

#[test]
fn down_ends_no_process_that_only_has_the_number_of_one_that_was_started() {
    let bare = Bare::new();
    let mut stranger = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().expect("sleep runs");
    let folder = bare.run_folder().join("neo4j");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("process"), format!("{} 12345 KILL\n", stranger.id())).expect("written");
    let down = bare.run(&["down"]);
    let alive = stranger.try_wait().expect("its state").is_none();
    stranger.kill().expect("it is ours");
    stranger.wait().expect("it ends");
    assert!(down.status.success() && alive, "{down:?}");
    assert!(!Path::new(&folder).exists(), "what is over is cleared away");
}
