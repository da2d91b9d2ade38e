//! The servers that tests run on are what they are said to be, and `tests/servers` harms nobody else's.

mod support;

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
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

/// All that a server answers to these bytes, after which nothing comes, until it closes the connection.
fn exchange(address: &str, sent: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    stream.write_all(sent.as_bytes()).expect("sent");
    stream.shutdown(Shutdown::Write).expect("still open");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

/// What Redis answers to these commands on one connection.
fn redis(url: &str, commands: &[&str]) -> String {
    let address = url.trim_start_matches("redis://").rsplit('@').next().expect("an address");
    exchange(address, &format!("{}\r\n", commands.join("\r\n")))
}

/// The addresses of the sentinels, and what they call the master.
fn sentinels(url: &str) -> (Vec<&str>, &str) {
    let (addresses, name) = url.trim_start_matches("redis+sentinel://").split_once('/').expect("a name");
    (addresses.split(',').collect(), name)
}

/// Where the master is, if one sentinel is asked.
fn master(sentinel: &str, name: &str) -> String {
    let answer = redis(sentinel, &[&format!("SENTINEL GET-MASTER-ADDR-BY-NAME {name}")]);
    let mut words = answer.lines().filter(|line| !line.starts_with(['*', '$']));
    let (Some(host), Some(port)) = (words.next(), words.next()) else { panic!("no master: {answer}") };
    format!("{host}:{port}")
}

#[test]
fn redis_is_a_redis_7_or_later() {
    let Some(url) = servers::redis() else { return };
    let info = redis(&url, &["INFO server"]);
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:")).expect("a version");
    let major: u32 = version.split('.').next().expect("a number").parse().expect("a number");
    assert!(major >= 7, "{version}");
}

#[test]
fn three_sentinels_know_one_master_that_has_a_replica() {
    let Some(url) = servers::redis_sentinel() else { return };
    let (sentinels, name) = sentinels(&url);
    assert_eq!(sentinels.len(), 3);
    let address = master(sentinels[0], name);
    for sentinel in sentinels {
        assert_eq!(master(sentinel, name), address);
    }
    let info = redis(&address, &["INFO replication"]);
    assert!(info.contains("role:master\r\n") && info.contains("connected_slaves:1\r\n"), "{info}");
}

#[test]
fn the_nodes_of_the_cluster_have_all_slots_between_them() {
    let Some(nodes) = servers::redis_cluster() else { return };
    assert_eq!(nodes.len(), 3);
    let (mut own, mut moved) = (0, 0);
    for node in &nodes {
        let info = redis(node, &["CLUSTER INFO"]);
        assert!(info.contains("cluster_state:ok\r\n") && info.contains("cluster_slots_ok:16384\r\n"), "{info}");
        // A key of each of the thirds of the slots: 3300, 7365 and 15495.
        for key in ["x{b}", "x{c}", "x{a}"].map(|key| format!("forebay-{key}")) {
            let answer = redis(node, &[&format!("GET {key}")]);
            match answer.strip_prefix("-MOVED ") {
                None => own += 1,
                Some(elsewhere) => {
                    let address = elsewhere.lines().next().expect("a line").split(' ').nth(1).expect("an address");
                    assert!(nodes.contains(&format!("redis://{address}")), "{answer}");
                    moved += 1;
                }
            }
        }
    }
    // Every key is at one node of the three, and each node says so.
    assert_eq!((own, moved), (3, 6));
}

#[test]
fn a_private_redis_that_was_killed_has_its_data_unless_it_was_asked_to_forget() {
    for (settings, kept) in [(&["maxmemory=4mb"][..], true), (&["maxmemory=4mb", "appendonly=no"][..], false)] {
        let Some(mut server) = PrivateServer::redis(settings) else { return };
        assert!(redis(&server.url, &["SET kept 7"]).starts_with("+OK"));
        server.signal("KILL");
        server.wait_for_end();
        let before = server.pid;
        server.restart();
        assert_ne!(server.pid, before);
        assert_eq!(redis(&server.url, &["GET kept"]).starts_with("$1\r\n7\r\n"), kept);
        assert!(redis(&server.url, &["CONFIG GET maxmemory"]).contains("\r\n4194304\r\n"), "settings are kept too");
    }
}

#[test]
fn a_private_redis_with_a_user_answers_that_one_only() {
    let Some(server) = PrivateServer::redis(&["user=forebay:secret"]) else { return };
    assert!(server.url.starts_with("redis://forebay:secret@127.0.0.1:"), "{}", server.url);
    assert!(redis(&server.url, &["GET a"]).starts_with("-NOAUTH"));
    assert!(redis(&server.url, &["AUTH forebay secret", "GET a"]).starts_with("+OK\r\n$-1\r\n"));
    assert!(redis(&server.url, &["AUTH forebay wrong"]).starts_with("-WRONGPASS"));
}

#[test]
fn a_private_redis_with_tls_has_a_certificate_of_the_authority_that_it_names() {
    let Some(server) = PrivateServer::redis(&["tls"]) else { return };
    let address = server.url.strip_prefix("rediss://").expect("an address with TLS");
    let mut client = Command::new("openssl");
    client.args(["s_client", "-quiet", "-verify_return_error", "-verify_ip", "127.0.0.1", "-connect", address]);
    client.arg("-CAfile").arg(server.authority()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = client.spawn().expect("openssl runs");
    client.stdin.take().expect("a pipe").write_all(b"PING\r\nQUIT\r\n").expect("sent");
    let output = client.wait_with_output().expect("it ends");
    assert_eq!(printed(&output), "+PONG\r\n+OK\r\n", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn sentinels_let_the_replica_take_over_from_a_killed_master_which_comes_back_where_it_was() {
    let Some(mut server) = PrivateServer::redis_sentinel(&[]) else { return };
    let url = server.url.clone();
    let (sentinels, name) = sentinels(&url);
    let address = |member: &str| format!("127.0.0.1:{}", server.member(member).port);
    let (first, second) = (address("server-1"), address("server-2"));
    assert_eq!(master(sentinels[0], name), first);
    server.member("server-1").signal("KILL");
    while master(sentinels[0], name) == first {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(master(sentinels[0], name), second);
    let before = server.members.clone();
    server.restart();
    for (was, is) in before.iter().zip(&server.members) {
        assert_eq!((&was.name, was.port), (&is.name, is.port));
        assert_eq!(was.pid == is.pid, was.name != "server-1", "only what had ended was started");
    }
    assert!(redis(&first, &["PING"]).starts_with("+PONG"));
}

#[test]
fn a_node_of_a_private_cluster_that_was_killed_comes_back_with_its_keys() {
    let Some(mut server) = PrivateServer::redis_cluster(&[]) else { return };
    let node = format!("127.0.0.1:{}", server.member("node-2").port);
    // Slot 7365, of the second third of the slots.
    assert!(redis(&node, &["SET {c} 7"]).starts_with("+OK"));
    let others = ["node-1", "node-3"].map(|name| server.member(name).clone());
    server.member("node-2").signal("KILL");
    while TcpStream::connect(&node).is_ok() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    server.restart();
    assert_eq!(["node-1", "node-3"].map(|name| server.member(name).clone()), others);
    // It has its slots by its own file, and serves them when it has heard from the others.
    loop {
        let answer = redis(&node, &["GET {c}"]);
        if !answer.starts_with("-CLUSTERDOWN") {
            assert!(answer.starts_with("$1\r\n7\r\n"), "{answer}");
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn the_s3_server_has_the_bucket_and_makes_an_object_once_if_asked_to() {
    let Some(url) = servers::s3() else { return };
    let address = url.trim_start_matches("http://");
    let key = format!("servers-{:016x}", rand::random::<u64>());
    let send = |method: &str, headers: &str, body: &str| {
        exchange(
            address,
            &format!(
                "{method} /{}/{key} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\
                 Authorization: AWS4-HMAC-SHA256 Credential=any/20260101/any/s3/aws4_request, SignedHeaders=host, \
                 Signature=00\r\n{headers}\r\n{body}",
                servers::S3_BUCKET,
                body.len()
            ),
        )
    };
    let status = |answer: &str| answer.split(' ').nth(1).map(str::to_owned);
    assert_eq!(status(&send("PUT", "If-None-Match: *\r\n", "first")).as_deref(), Some("200"));
    assert_eq!(status(&send("PUT", "If-None-Match: *\r\n", "second")).as_deref(), Some("412"));
    assert!(send("GET", "", "").ends_with("\r\n\r\nfirst"));
    assert_eq!(status(&send("DELETE", "", "")).as_deref(), Some("204"));
    assert_eq!(status(&send("GET", "", "")).as_deref(), Some("404"));
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
        ("REDIS", "apt-get"),
        ("REDIS_SENTINEL", "apt-get"),
        ("REDIS_CLUSTER", "apt-get"),
        ("S3", "pip"),
    ] {
        let line = env.lines().find(|line| line.starts_with(&format!("export FOREBAY_TEST_{name}_MISSING='")));
        assert!(line.is_some_and(|line| line.contains(reason)), "{name}: {env}");
    }
    let folder = bare.folder.path().join("private");
    for (kind, reason) in [("neo4j", "Java of version 17"), ("redis-cluster", "apt-get")] {
        let private = bare.run(&["private", kind, &folder.to_string_lossy()]);
        assert_eq!(private.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&private.stderr).contains(reason), "{private:?}");
    }
}

#[test]
fn a_setting_that_a_private_server_does_not_have_is_refused() {
    let bare = Bare::new();
    let folder = bare.folder.path().join("private");
    for (kind, setting, status) in [("neo4j", "a=b", 64), ("redis", "a", 64), ("redis-cluster", "tls", 1)] {
        let private = bare.run(&["private", kind, &folder.to_string_lossy(), setting]);
        assert_eq!(private.status.code(), Some(status), "{kind} {setting}: {private:?}");
    }
    assert!(!folder.exists());
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
