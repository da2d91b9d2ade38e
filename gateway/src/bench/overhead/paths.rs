//! The ways that a statement goes.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use bytes::Bytes;
use http::Method;
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::{
    backend::{
        Access, GraphStore, IdSet, Ranking, ReachRequest, Search, VectorStore, embedded::EmbeddedStore,
        neo4j::Neo4jGraph, postgres::PgEntities,
    },
    bench::{
        BenchError, Corpus,
        corpus::incoming,
        l1::Running,
        stores::{Question, Scratch, connect, patient},
        timing::{Samples, us},
    },
    catalog::{Catalog, Collection, CollectionSchema},
    cli::client::Client,
    config::{CacheConfig, ServerConfig},
    principal::Principal,
    query::{Filter, NodeRef},
    request::{Gateway, Step},
    telemetry::Metrics,
    value::{EntityId, IdType},
};

/// How a statement gets to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    /// By a driver that is asked directly.
    Direct,
    /// By the store, which has a pool.
    Store,
    /// As a query of the gateway, in this process.
    InProcess,
    /// As a query over HTTP.
    Http,
}

impl Path {
    pub(super) const ALL: [Self; 4] = [Self::Direct, Self::Store, Self::InProcess, Self::Http];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct driver",
            Self::Store => "store",
            Self::InProcess => "gateway in process",
            Self::Http => "gateway over HTTP",
        }
    }
}

/// A gateway in process, and one behind a listener.
struct Gateways {
    near: Gateway,
    principal: Arc<Principal>,
    _far: Running,
    client: Client,
    /// Microseconds that each step of an answer in process took.
    steps: BTreeMap<Step, Samples>,
}

impl Gateways {
    fn new(near: Gateway, far: Gateway) -> Result<Self, BenchError> {
        let far = Running::forebay(Arc::new(far))?;
        let address = format!("http://{}", far.address());
        let client = Client::new(&address, None).map_err(|error| BenchError::Other(error.to_string()))?;
        Ok(Self { near, principal: Arc::new(Principal::local()), _far: far, client, steps: BTreeMap::new() })
    }

    async fn ask(&mut self, path: Path, body: &Bytes) -> Result<(), BenchError> {
        if path == Path::InProcess {
            let answer = self.near.answer(incoming(&self.principal, body.clone())).await;
            let text = || String::from_utf8_lossy(body).into_owned();
            let answer = answer.map_err(|problem| BenchError::Query(problem, text()))?;
            for (step, spent) in answer.timing.iter() {
                self.steps.entry(step).or_default().push(us(spent));
            }
            return Ok(());
        }
        let sent = self.client.send(Method::POST, "/v1/query", body.clone()).await;
        let response = sent.map_err(|error| BenchError::Other(error.to_string()))?;
        if response.status.is_success() {
            Ok(())
        } else {
            Err(BenchError::Other(format!("the gateway answered {}", response.status)))
        }
    }
}

impl Gateways {
    /// The median time of each step, in one line.
    fn steps(&self) -> String {
        let medians = self.steps.iter().map(|(step, times)| format!("{} {:.0}", step.as_str(), times.median()));
        medians.collect::<Vec<_>>().join(", ")
    }
}

fn gateway(collection: Collection) -> Gateway {
    let (server, cache) = (ServerConfig::default(), CacheConfig::default());
    Gateway::new(Catalog::new([collection]), &server, &cache, None, Arc::<Metrics>::default())
}

/// Attributes would be one more statement, so none are asked for.
fn search_body(question: &Question) -> Bytes {
    let mut body = question.body.clone();
    body["exact"] = json!(true);
    body["select"] = json!([]);
    body["options"] = json!({ "cache": "bypass" });
    Bytes::from(body.to_string())
}

/// The walk alone: what is reached, by id.
fn walk_body(question: &Question) -> Bytes {
    let mut body = question.body.clone();
    if let Some(fields) = body.as_object_mut() {
        fields.remove("vector");
    }
    body["select"] = json!([]);
    body["options"] = json!({ "cache": "bypass", "plan": "graph-first" });
    Bytes::from(body.to_string())
}

/// Exact searches in Postgres.
pub(super) struct Vectors {
    questions: Vec<(Search, usize, Bytes)>,
    direct: PgConnection,
    store: Arc<PgEntities>,
    gateways: Gateways,
}

impl Vectors {
    pub(super) async fn new(
        scratch: &Scratch,
        schema: &Arc<CollectionSchema>,
        questions: Vec<Question>,
    ) -> Result<Self, BenchError> {
        let mut direct = connect(&scratch.url()?).await?;
        // As our own connections are, so that both get the same plans.
        let set_up = sqlx::raw_sql("SET plan_cache_mode = force_custom_plan; SET jit = off").execute(&mut direct).await;
        set_up.map_err(refused)?;
        let open = async || {
            let store = scratch.entities(&scratch.postgres()?);
            store.refresh().await?;
            Ok::<_, BenchError>(store)
        };
        let (store, near, far) = (open().await?, open().await?, open().await?);
        let of = |store: Arc<PgEntities>| gateway(Collection::new(schema.clone(), store, None, None));
        let questions = questions.into_iter().map(|question| {
            let search = Search {
                ranking: Ranking::Similarity { space: 0, vector: question.vector.clone() },
                filter: question.filter.clone(),
                within: None,
                access: Access::FilterThenRank,
                threshold: None,
                excluded: Vec::new(),
                exact: true,
                expected: question.limit,
                widens: false,
            };
            (search, question.limit, search_body(&question))
        });
        let gateways = Gateways::new(of(near), of(far))?;
        Ok(Self { questions: questions.collect(), direct, store, gateways })
    }

    pub(super) fn len(&self) -> usize {
        self.questions.len()
    }

    /// Where the gateway's time goes.
    pub(super) fn steps(&self) -> String {
        self.gateways.steps()
    }

    /// The time of an answer in microseconds.
    pub(super) async fn ask(&mut self, path: Path, number: usize) -> Result<f64, BenchError> {
        let (search, limit, body) = &self.questions[number];
        let ctx = patient();
        let (search, limit) = (search.clone(), *limit);
        // Putting the statement together is the store's work.
        let (text, arguments) = self.store.exact_statement(&ctx, &search, limit).await?;
        let started = Instant::now();
        match path {
            Path::Direct => {
                let query = sqlx::query_with(AssertSqlSafe(text), arguments);
                let rows = query.fetch_all(&mut self.direct).await.map_err(refused)?;
                std::hint::black_box(rows);
            }
            Path::Store => {
                let mut cursor = self.store.search(&ctx, search).await?;
                std::hint::black_box(cursor.next(&ctx, limit).await?);
            }
            Path::InProcess | Path::Http => self.gateways.ask(path, body).await?,
        }
        Ok(us(started.elapsed()))
    }
}

fn refused(error: sqlx::Error) -> BenchError {
    BenchError::Other(format!("Postgres, asked directly: {error}"))
}

/// Walks in Neo4j.
pub(super) struct Graph {
    questions: Vec<(ReachRequest, usize, Bytes)>,
    direct: neo4rs::Graph,
    /// Ranks what was reached, whoever asks.
    entities: Arc<EmbeddedStore>,
    store: Arc<Neo4jGraph>,
    gateways: Gateways,
}

impl Graph {
    /// `entities` ranks what was reached.
    pub(super) async fn new(
        scratch: &Scratch,
        data: &Corpus,
        questions: Vec<Question>,
        entities: &Arc<EmbeddedStore>,
    ) -> Result<Self, BenchError> {
        if data.schema.id_type != IdType::Text {
            return Err(BenchError::Other("this needs a collection with text ids".into()));
        }
        let missing = || BenchError::Other("this needs a Neo4j".into());
        let open = async || {
            let store = scratch.graph(&scratch.bolt()?.ok_or_else(missing)?);
            store.refresh().await?;
            Ok::<_, BenchError>(store)
        };
        let (store, near, far) = (open().await?, open().await?, open().await?);
        let of =
            |store: Arc<Neo4jGraph>| gateway(Collection::new(data.schema.clone(), entities.clone(), Some(store), None));
        let label = data.schema.graph.as_ref().map_or(0, |graph| graph.entity_label);
        let questions = questions.iter().filter_map(|question| {
            let within = question.within.as_ref()?;
            let anchors =
                within.anchors.iter().filter_map(|id| Some(NodeRef { label, id: data.schema.id_type.parse(id)? }));
            let request = ReachRequest {
                anchors: anchors.collect(),
                walk: within.walk.clone(),
                include_anchors: false,
                scope: None,
            };
            Some((request, question.limit, walk_body(question)))
        });
        let direct = scratch.driver()?.ok_or_else(missing)?;
        let gateways = Gateways::new(of(near), of(far))?;
        Ok(Self { questions: questions.collect(), direct, entities: entities.clone(), store, gateways })
    }

    /// The first of what was reached, as a query for them has to find them: what any client does with a walk's answer is no
    /// part of what the gateway adds.
    async fn rank(&self, ids: IdSet, limit: usize) -> Result<(), BenchError> {
        let search = Search {
            ranking: Ranking::ById,
            filter: Filter::Everything,
            within: Some(ids),
            access: Access::IdsThenFilter,
            threshold: None,
            excluded: Vec::new(),
            exact: true,
            expected: limit,
            widens: false,
        };
        let ctx = patient();
        std::hint::black_box(self.entities.search(&ctx, search).await?.next(&ctx, limit).await?);
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.questions.len()
    }

    /// Where the gateway's time goes.
    pub(super) fn steps(&self) -> String {
        self.gateways.steps()
    }

    /// The time of an answer in microseconds.
    pub(super) async fn ask(&mut self, path: Path, number: usize) -> Result<f64, BenchError> {
        let (request, limit, body) = &self.questions[number];
        let limit = *limit;
        let ctx = patient();
        let query = self.store.reach_query(request);
        let started = Instant::now();
        match path {
            Path::Direct => {
                let failed = |error: String| BenchError::Other(format!("Neo4j, asked directly: {error}"));
                let mut stream = self.direct.execute(query).await.map_err(|error| failed(error.to_string()))?;
                let mut reached: Vec<EntityId> = Vec::new();
                while let Some(row) = stream.next().await.map_err(|error| failed(error.to_string()))? {
                    let ids: Vec<String> = row.get("ids").map_err(|error| failed(error.to_string()))?;
                    reached.extend(ids.into_iter().map(|id| EntityId::Text(id.into())));
                }
                self.rank(IdSet::from_ids(reached), limit).await?;
            }
            Path::Store => {
                let reached = self.store.reach(&ctx, request).await?;
                self.rank(reached.ids, limit).await?;
            }
            Path::InProcess | Path::Http => self.gateways.ask(path, body).await?,
        }
        Ok(us(started.elapsed()))
    }
}
