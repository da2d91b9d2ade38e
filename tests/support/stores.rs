//! The packages collection on real servers, put there by the `forebay` binary as a user would.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
};

use forebay::{
    api::Authenticator,
    assemble::{Listeners, Running, Serving, Source, warm_up},
    cli::client::Client,
    request::Gateway,
};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions};

use super::servers;

/// Where the relations are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphIn {
    Neo4j,
    Postgres,
}

/// A database and labels of their own, and a configuration that names them.
pub struct Stores {
    pub directory: tempfile::TempDir,
    pub config: PathBuf,
    postgres: String,
    database: String,
    neo4j: Option<(String, String)>,
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

impl Stores {
    /// The example's configuration for the servers that tests may use; `None` where one is missing.
    pub async fn prepare(graph: GraphIn) -> Option<Self> {
        let neo4j = match graph {
            GraphIn::Neo4j => Some(servers::neo4j()?),
            GraphIn::Postgres => None,
        };
        Some(Self::on(servers::postgres()?, neo4j).await)
    }

    /// The example's configuration for these servers; without a Neo4j the relations are in Postgres.
    pub async fn on(server: String, neo4j: Option<String>) -> Self {
        let suffix = uuid::Uuid::from_u128(rand::random()).simple().to_string();
        let database = format!("forebay_packages_{suffix}");
        execute(&server, &format!("CREATE DATABASE {database}")).await;
        let options: PgConnectOptions = server.parse().expect("a URL of Postgres");
        let url = options.database(&database).to_url_lossy().to_string();

        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(directory.path().join("secrets")).unwrap();
        std::fs::write(directory.path().join("secrets/postgres-url"), format!("{url}\n")).unwrap();
        let text = std::fs::read_to_string(root().join("examples/postgres-neo4j/forebay.toml")).unwrap();
        let label = format!("Package_{suffix}");
        let text = match &neo4j {
            Some(uri) => {
                let replaced = text
                    .replace("bolt://127.0.0.1:7687", uri)
                    .replace("user = \"neo4j\"\npassword_file = \"secrets/neo4j-password\"\n", "")
                    .replace("Package = {", &format!("{label} = {{"));
                assert!(!replaced.contains("secrets/neo4j"), "the example names its password differently now");
                replaced
            }
            None => {
                // One Postgres: the backend of the graph goes, and a table of edges takes its place.
                let (before, after) = text.split_once("[backends.neo4j]").expect("the example has Neo4j");
                let (_, after) = after.split_once("[collections.packages]").expect("the example has packages");
                format!("{before}[collections.packages]{after}").replace(
                    "backend = \"neo4j\"\n",
                    "backend = \"pg\"\ntable = \"public.dependencies\"\nsource = \"src\"\ntarget = \"dst\"\ntype = \"kind\"\n",
                ).replace("{ id = \"name\" }", "{}")
            }
        };
        let config = directory.path().join("forebay.toml");
        std::fs::write(&config, text).unwrap();
        let neo4j = neo4j.map(|uri| (uri, label));
        Self { directory, config, postgres: server, database, neo4j }
    }

    /// The URL of the database.
    pub fn postgres(&self) -> String {
        let options: PgConnectOptions = self.postgres.parse().expect("a URL of Postgres");
        options.database(&self.database).to_url_lossy().to_string()
    }

    /// The label of the nodes.
    pub fn label(&self) -> &str {
        self.neo4j.as_ref().map(|(_, label)| label).expect("the relations are in Neo4j")
    }

    /// Runs `forebay` with this configuration.
    pub fn forebay(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_forebay"))
            .args(arguments)
            .arg("--config")
            .arg(&self.config)
            .output()
            .expect("the binary runs")
    }

    /// Loads the packages, as the example says.
    pub fn load(&self) -> String {
        let file = |name: &str| root().join("examples/packages").join(name).display().to_string();
        let (nodes, edges, vectors) = (file("nodes.jsonl.zst"), file("edges.csv.zst"), file("embeddings.npy"));
        let output = self.forebay(&[
            "load",
            "packages",
            "--create",
            "--nodes",
            &nodes,
            "--vectors",
            &vectors,
            "--edges",
            &edges,
            "--id-field",
            "name",
            "--endpoint-field",
            "id",
        ]);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{out}{err}");
        out
    }

    /// A gateway over them.
    pub async fn serve(&self) -> Served {
        Served::start(self.config.clone()).await
    }

    /// A gateway over them that differs from the example.
    pub async fn serve_as(&self, setup: &Setup<'_>) -> Served {
        let mut text = std::fs::read_to_string(&self.config).expect("it was written");
        let pools = "min = 2\nmax = 16\n";
        assert_eq!(text.matches(pools).count(), 2, "the example's pools are other ones now");
        text = text.replace(pools, &format!("{}\n", setup.pool));
        if let Some(url) = setup.postgres {
            std::fs::write(self.directory.path().join("secrets/other-url"), url).expect("written");
            text = text.replace("secrets/postgres-url", "secrets/other-url");
        }
        if let (Some(other), Some((uri, _))) = (setup.neo4j, &self.neo4j) {
            text = text.replace(uri, other);
        }
        for (backend, kind) in [("pg", "postgres"), ("neo4j", "neo4j")] {
            let first = format!("kind = \"{kind}\"\n");
            text = text.replacen(&first, &format!("{first}{}\n", setup.backend), 1);
            text += &format!("\n[backends.{backend}.breaker]\n{}\n", setup.breaker);
        }
        let file = self.directory.path().join(format!("forebay-{:016x}.toml", rand::random::<u64>()));
        std::fs::write(&file, text).expect("written");
        Served::start(file).await
    }

    /// Leaves the servers as they were.
    pub async fn remove(self) {
        execute(&self.postgres, &format!("DROP DATABASE {} WITH (FORCE)", self.database)).await;
        if let Some((uri, label)) = &self.neo4j {
            let graph = neo4rs::Graph::new(uri.as_str(), "", "").expect("the address of Neo4j");
            let text = format!("MATCH (n:`{label}`) CALL {{ WITH n DETACH DELETE n }} IN TRANSACTIONS OF 5000 ROWS");
            graph.run(neo4rs::query(&text)).await.expect("the nodes go");
            for statement in constraints(&graph, label).await {
                graph.run(neo4rs::query(&statement)).await.expect("the constraint goes");
            }
        }
    }
}

async fn constraints(graph: &neo4rs::Graph, label: &str) -> Vec<String> {
    let query = neo4rs::query("SHOW CONSTRAINTS YIELD name, labelsOrTypes WHERE $label IN labelsOrTypes RETURN name");
    let mut rows = graph.execute(query.param("label", label)).await.expect("constraints are listed");
    let mut statements = Vec::new();
    while let Ok(Some(row)) = rows.next().await {
        statements.push(format!("DROP CONSTRAINT `{}`", row.get::<String>("name").expect("a name")));
    }
    statements
}

/// How a gateway differs from that of the example.
#[derive(Debug, Default)]
pub struct Setup<'a> {
    /// Where it reaches Postgres, or another one with the same tables.
    pub postgres: Option<&'a str>,
    /// Where it reaches Neo4j.
    pub neo4j: Option<&'a str>,
    /// The settings of both backends, lines of TOML.
    pub backend: &'a str,
    /// The settings of both pools, lines of TOML.
    pub pool: &'a str,
    /// The settings of both breakers, lines of TOML.
    pub breaker: &'a str,
}

/// A running gateway.
pub struct Served {
    pub gateway: Arc<Gateway>,
    pub url: String,
    pub admin: String,
    serving: Serving,
}

impl Served {
    async fn start(config: PathBuf) -> Self {
        let source = Source { file: Some(config), port: Some(0), admin_port: Some(0) };
        let loaded = source.load().expect("the configuration is sound");
        let config = loaded.config.clone();
        let running = Running::start(source, loaded, Arc::default()).expect("the collections open");
        let listeners = Listeners::bind(&config).await.expect("free ports of loopback");
        let url = format!("http://{}", listeners.query_address());
        let admin = format!("http://{}", listeners.admin_address());
        let serving = listeners.serve(running.gateway(), Authenticator::new([]), &config);
        warm_up(&running.gateway().catalog(), Some(serving.readiness()));
        while !serving.readiness().blockers().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Self { gateway: running.gateway().clone(), url, admin, serving }
    }

    /// A client with a connection of its own.
    pub fn client(&self) -> Client {
        Client::new(&self.url, None).expect("a sound address")
    }

    /// Drains and ends.
    pub async fn stop(self) {
        self.serving.drain().await;
    }
}

/// Runs a statement on a server.
pub async fn execute(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.expect("the server for tests answers");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.expect(sql);
}

/// What a process printed.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
