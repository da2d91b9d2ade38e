//! How a query's life may end: served from the cache, coalesced, out of time, partial, in a batch.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::world::{Node, World, ask, schema};
use crate::{
    backend::{
        BackendError, CallContext, Checked, Entity, GraphCapabilities, GraphStatistics, GraphStore, Neighbour,
        NodeScope, Path, Projection, RankedCursor, Reach, ReachRequest, Search, VectorCapabilities, VectorStatistics,
        VectorStore,
        embedded::{Dataset, EmbeddedStore},
    },
    cache::{ETag, LookupOutcome, StoreOutcome, coherence::Bump},
    catalog::{Catalog, Collection, Metric},
    config::{CacheConfig, ServerConfig},
    governor::Level,
    principal::Principal,
    problem::Code,
    query::{CacheMode, Filter, Walk},
    request::{Answer, Endpoint, Gateway, Hints, Incoming, Reply, Step},
    telemetry::Metrics,
    value::EntityId,
};

/// The embedded store behind a counter, and slowed down where a test needs time to pass.
struct Counted {
    inner: Arc<EmbeddedStore>,
    searches: AtomicU32,
    reaches: AtomicU32,
    checks: AtomicU32,
    slow: Duration,
}

#[async_trait]
impl VectorStore for Counted {
    fn backend(&self) -> &Arc<str> {
        VectorStore::backend(&*self.inner)
    }
    fn capabilities(&self) -> VectorCapabilities {
        VectorStore::capabilities(&*self.inner)
    }
    fn statistics(&self) -> Arc<VectorStatistics> {
        VectorStore::statistics(&*self.inner)
    }
    async fn refresh(&self) -> Result<(), BackendError> {
        VectorStore::refresh(&*self.inner).await
    }
    async fn search(&self, ctx: &CallContext, search: Search) -> Result<Box<dyn RankedCursor>, BackendError> {
        self.searches.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.slow).await;
        self.inner.search(ctx, search).await
    }
    async fn matching(
        &self,
        ctx: &CallContext,
        ids: &[EntityId],
        filter: &Filter,
        space: Option<u16>,
    ) -> Result<Vec<bool>, BackendError> {
        self.inner.matching(ctx, ids, filter, space).await
    }
    async fn fetch(
        &self,
        ctx: &CallContext,
        ids: &[EntityId],
        projection: &Projection,
    ) -> Result<Vec<Option<Entity>>, BackendError> {
        self.inner.fetch(ctx, ids, projection).await
    }
}

#[async_trait]
impl GraphStore for Counted {
    fn backend(&self) -> &Arc<str> {
        GraphStore::backend(&*self.inner)
    }
    fn capabilities(&self) -> GraphCapabilities {
        // One candidate a check: several checks are needed, so that time can run out between them.
        GraphCapabilities { max_check: 1 }
    }
    fn statistics(&self) -> Arc<GraphStatistics> {
        GraphStore::statistics(&*self.inner)
    }
    async fn refresh(&self) -> Result<(), BackendError> {
        GraphStore::refresh(&*self.inner).await
    }
    async fn reach(&self, ctx: &CallContext, request: &ReachRequest) -> Result<Reach, BackendError> {
        self.reaches.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.slow).await;
        self.inner.reach(ctx, request).await
    }
    async fn check(
        &self,
        ctx: &CallContext,
        request: &ReachRequest,
        candidates: &[EntityId],
    ) -> Result<Checked, BackendError> {
        self.checks.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.slow).await;
        self.inner.check(ctx, request, candidates).await
    }
    async fn expand(
        &self,
        ctx: &CallContext,
        ids: &[EntityId],
        walk: &Walk,
        scope: Option<&NodeScope>,
        per_item: usize,
        paths: bool,
    ) -> Result<Vec<Vec<Neighbour>>, BackendError> {
        self.inner.expand(ctx, ids, walk, scope, per_item, paths).await
    }
    async fn paths(
        &self,
        ctx: &CallContext,
        request: &ReachRequest,
        targets: &[EntityId],
    ) -> Result<Vec<Option<Path>>, BackendError> {
        self.inner.paths(ctx, request, targets).await
    }
}

/// Twenty nodes on a star around `n00`, their vectors fanning out.
fn fixture(slow: Duration) -> (Arc<Gateway>, Arc<Counted>) {
    let nodes = (0..20).map(|i| Node {
        colour: Some(i % 4),
        size: Some(i as i64),
        weight: None,
        tags: None,
        owner: None,
        vector: Some([20 - i as i8, i as i8, 0]),
    });
    let world = World { metric: Metric::Cosine, nodes: nodes.collect(), edges: (1..20).map(|i| (0, 0, i)).collect() };
    let schema = Arc::new(schema(world.metric));
    let dataset = Dataset::build(schema.clone(), world.parts()).expect("a world is valid");
    let inner = EmbeddedStore::new("local".into(), Arc::new(dataset));
    let store = Arc::new(Counted {
        inner,
        searches: AtomicU32::new(0),
        reaches: AtomicU32::new(0),
        checks: AtomicU32::new(0),
        slow,
    });
    let collection = Collection::new(schema, store.clone(), Some(store.clone()), None);
    let gateway = Gateway::new(
        Catalog::new([collection]),
        &ServerConfig::default(),
        &CacheConfig::default(),
        None,
        Arc::new(Metrics::default()),
    );
    (Arc::new(gateway), store)
}

fn hybrid() -> Value {
    json!({
        "collection": "things", "vector": { "values": [1, 0, 0] }, "limit": 3,
        "within": { "from": ["n00"], "edges": ["likes"] },
    })
}

fn incoming(body: &Value, hints: Hints) -> Incoming {
    Incoming {
        endpoint: Endpoint::Query,
        principal: Arc::new(Principal::local()),
        body: body.to_string().into(),
        hints,
        received: Instant::now(),
        request_id: "test".into(),
    }
}

async fn reply(gateway: &Gateway, body: &Value) -> Reply {
    gateway.answer(incoming(body, Hints::default())).await
}

fn with_options(body: &Value, options: Value) -> Value {
    let mut body = body.clone();
    body["options"] = options;
    body
}

fn steps(answer: &Answer) -> Vec<Step> {
    answer.timing.iter().map(|(step, _)| step).collect()
}

#[tokio::test]
async fn an_exact_repeat_is_served_from_l1_without_key_or_plan() {
    let (gateway, store) = fixture(Duration::ZERO);
    let first = reply(&gateway, &hybrid()).await.unwrap();
    assert_eq!(first.cache.lookup, LookupOutcome::Miss);
    assert_eq!(first.cache.store, Some(StoreOutcome::Stored));
    let again = reply(&gateway, &hybrid()).await.unwrap();
    assert_eq!(again.cache.lookup, LookupOutcome::Hit);
    assert_eq!(steps(&again), [Step::Lookup]);
    assert_eq!((again.body, again.etag), (first.body, first.etag));
    // Another spelling of the same query hits too, after its key was made.
    let mut respelt = hybrid();
    respelt["within"]["from"] = json!(["n00", "n00"]);
    respelt["offset"] = json!(0);
    let respelt = reply(&gateway, &respelt).await.unwrap();
    assert_eq!(respelt.cache.lookup, LookupOutcome::Hit);
    assert_eq!(steps(&respelt), [Step::Understand, Step::Key, Step::Lookup]);
    assert_eq!(store.searches.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn each_cache_mode_does_what_it_says() {
    let (gateway, _) = fixture(Duration::ZERO);
    let with = |mode: &str| with_options(&hybrid(), json!({ "cache": mode }));
    let only = reply(&gateway, &with("only")).await.unwrap_err();
    assert_eq!(only.code, Code::OnlyIfCached);
    let bypassed = reply(&gateway, &with("bypass")).await.unwrap();
    assert_eq!((bypassed.cache.lookup, bypassed.cache.store), (LookupOutcome::Bypassed, Some(StoreOutcome::NotWanted)));
    assert!(reply(&gateway, &with("only")).await.is_err(), "a bypassing query leaves nothing");
    let refreshed = reply(&gateway, &with("refresh")).await.unwrap();
    assert_eq!((refreshed.cache.lookup, refreshed.cache.store), (LookupOutcome::Bypassed, Some(StoreOutcome::Stored)));
    assert_eq!(reply(&gateway, &with("only")).await.unwrap().cache.lookup, LookupOutcome::Hit);
    let too_old = with_options(&hybrid(), json!({ "max_staleness_ms": 0 }));
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(reply(&gateway, &too_old).await.unwrap().cache.lookup, LookupOutcome::TooOld);
    let hints = Hints { cache: Some(CacheMode::Bypass), ..Hints::default() };
    let hinted = gateway.answer(incoming(&hybrid(), hints)).await.unwrap();
    assert_eq!(hinted.cache.lookup, LookupOutcome::Bypassed, "a header counts where the body says nothing");
}

#[tokio::test]
async fn a_purge_of_a_group_that_an_answer_names_outdates_it() {
    let (gateway, _) = fixture(Duration::ZERO);
    let body = json!({ "collection": "things", "vector": { "like": "n03" }, "limit": 2 });
    let first = reply(&gateway, &body).await.unwrap();
    assert_eq!(first.groups.iter().collect::<Vec<_>>(), ["things", "things;id=n03"]);
    for group in first.groups.iter() {
        assert_eq!(reply(&gateway, &body).await.unwrap().cache.lookup, LookupOutcome::Hit);
        gateway.purge(&Bump::Tags(vec![group.to_string()])).await.unwrap();
        assert_eq!(reply(&gateway, &body).await.unwrap().cache.lookup, LookupOutcome::Invalidated);
    }
    gateway.purge(&Bump::Tags(vec!["things;id=n04".into()])).await.unwrap();
    assert_eq!(
        reply(&gateway, &body).await.unwrap().cache.lookup,
        LookupOutcome::Hit,
        "another entity is another group"
    );
}

#[tokio::test]
async fn a_caller_that_has_the_answer_is_not_sent_it_again() {
    let (gateway, _) = fixture(Duration::ZERO);
    let first = reply(&gateway, &hybrid()).await.unwrap();
    let hints = Hints { if_none_match: vec![first.etag.unwrap()], ..Hints::default() };
    let again = gateway.answer(incoming(&hybrid(), hints)).await.unwrap();
    assert!(again.not_modified && again.body.is_empty());
}

#[tokio::test]
async fn concurrent_requests_for_one_answer_make_it_once() {
    let (gateway, store) = fixture(Duration::from_millis(30));
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let gateway = gateway.clone();
            tokio::spawn(async move { reply(&gateway, &hybrid()).await })
        })
        .collect();
    let mut collapsed = 0;
    for task in tasks {
        let answer = task.await.unwrap().unwrap();
        collapsed += u32::from(answer.cache.collapsed);
    }
    assert_eq!(collapsed, 49);
    let calls = store.searches.load(Ordering::Relaxed) + store.reaches.load(Ordering::Relaxed);
    assert!(calls <= 2, "one query makes at most a search and a reach, there were {calls} calls");
}

#[tokio::test]
async fn a_look_uses_stages_and_leaves_none() {
    let (gateway, store) = fixture(Duration::ZERO);
    let look = |plan: &str| with_options(&hybrid(), json!({ "plan": plan, "cache": "look", "explain": "analyze" }));
    for plan in ["graph-first", "vector-first", "graph-first"] {
        ask(&gateway, &look(plan)).await.unwrap();
    }
    assert_eq!(gateway.cache_statistics().l1.entries, 0, "nothing was stored");
    assert_eq!(store.reaches.load(Ordering::Relaxed), 2, "and nothing found");
    reply(&gateway, &with_options(&hybrid(), json!({ "plan": "graph-first" }))).await.unwrap();
    let body = ask(&gateway, &look("cached-partial")).await.unwrap();
    assert_eq!((&body["plan"]["cached"], store.reaches.load(Ordering::Relaxed)), (&json!(["reach"]), 3));
}

#[tokio::test]
async fn every_candidate_that_explain_counts_can_be_run_and_gives_the_same_items() {
    let (gateway, _) = fixture(Duration::ZERO);
    for plan in ["graph-first", "vector-first"] {
        reply(&gateway, &with_options(&hybrid(), json!({ "plan": plan }))).await.unwrap();
    }
    let explained =
        ask(&gateway, &with_options(&hybrid(), json!({ "cache": "look", "explain": "plan" }))).await.unwrap();
    let candidates = explained["plan"]["candidates"].as_array().unwrap();
    assert!(candidates.iter().any(|candidate| candidate["variant"] == 2), "{candidates:#?}");
    for candidate in candidates {
        let options = json!({
            "plan": candidate["plan"], "variant": candidate["variant"], "cache": "look", "explain": "analyze",
        });
        let body = ask(&gateway, &with_options(&hybrid(), options)).await.unwrap();
        assert_eq!(body["items"], explained["items"], "{candidate}");
        // What ran is this candidate and no other of its kind.
        let root = candidate["operators"].as_str().unwrap().split('(').next().unwrap();
        let ran = body["plan"]["operators"].as_array().unwrap();
        assert!(ran.iter().any(|operator| operator["operator"] == root), "{root} in {ran:?}");
    }
    let options = json!({ "plan": "vector-first", "variant": 2 });
    let problem = ask(&gateway, &with_options(&hybrid(), options)).await.unwrap_err();
    assert_eq!((problem.code, problem.pointer.as_deref()), (Code::PlanNotApplicable, Some("/options/plan")));
}

#[tokio::test]
async fn a_cached_reach_leaves_only_the_vector_leg_to_run() {
    let (gateway, store) = fixture(Duration::ZERO);
    reply(&gateway, &with_options(&hybrid(), json!({ "plan": "graph-first" }))).await.unwrap();
    assert_eq!(store.reaches.load(Ordering::Relaxed), 1);
    // Another vector and a filter: a different query over the same walk.
    let mut other = with_options(&hybrid(), json!({ "plan": "cached-partial", "explain": "analyze" }));
    other["vector"] = json!({ "values": [0, 1, 0] });
    other["filter"] = json!({ "size": { "$lt": 15 } });
    let body = ask(&gateway, &other).await.unwrap();
    assert_eq!(body["plan"]["chosen"], "cached-partial");
    let operators: Vec<_> =
        body["plan"]["operators"].as_array().unwrap().iter().map(|op| op["operator"].as_str().unwrap()).collect();
    assert!(operators.contains(&"CachedReach") && !operators.contains(&"Reach"), "{operators:?}");
    assert_eq!((store.reaches.load(Ordering::Relaxed), store.checks.load(Ordering::Relaxed)), (1, 0));
    assert_eq!(store.searches.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_cached_list_answers_another_page_and_a_stricter_filter_without_a_search() {
    let (gateway, store) = fixture(Duration::ZERO);
    let page = |offset: u32, filter: Value| {
        // The first page is long enough for what follows.
        let limit = if offset == 0 { 20 } else { 3 };
        json!({
            "collection": "things", "vector": { "values": [1, 0, 0] }, "limit": limit, "offset": offset,
            "filter": filter, "options": { "plan": if offset == 0 { "vector-first" } else { "cached-partial" } },
        })
    };
    ask(&gateway, &page(0, json!({}))).await.unwrap();
    assert_eq!(store.searches.load(Ordering::Relaxed), 1);
    let next = ask(&gateway, &page(3, json!({}))).await.unwrap();
    assert_eq!(next["items"][0]["id"], "n03");
    let strict = ask(&gateway, &page(1, json!({ "colour": "red" }))).await.unwrap();
    assert_eq!(strict["items"].as_array().unwrap().len(), 3);
    assert_eq!(store.searches.load(Ordering::Relaxed), 1, "both came from the list");
}

#[tokio::test]
async fn running_out_of_time_is_an_error_or_a_verified_part() {
    let (gateway, _) = fixture(Duration::from_millis(60));
    let late = with_options(&hybrid(), json!({ "deadline_ms": 30 }));
    assert_eq!(reply(&gateway, &late).await.unwrap_err().code, Code::DeadlineExceeded);
    // One check a candidate, 60 ms each: a few pass before the deadline.
    let options = json!({ "deadline_ms": 280, "on_deadline": "partial", "plan": "vector-first" });
    let mut wide = with_options(&hybrid(), options);
    wide["limit"] = json!(19);
    let answer = reply(&gateway, &wide).await.unwrap();
    assert_eq!((answer.cache.store, answer.etag), (Some(StoreOutcome::Partial), None));
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((&body["partial"], &body["warnings"][0]["code"]), (&json!(true), &json!("partial")));
    assert!(body["items"].as_array().unwrap().len() < 19);
}

#[tokio::test]
async fn a_batch_answers_each_query_alone_and_runs_equal_legs_once() {
    let (gateway, store) = fixture(Duration::from_millis(5));
    let plan = json!({ "plan": "graph-first", "cache": "bypass" });
    let mut other = with_options(&hybrid(), plan.clone());
    other["vector"] = json!({ "values": [0, 1, 0] });
    let body = json!({ "queries": [with_options(&hybrid(), plan), other, { "collection": "nothing" }, 7] });
    let bytes = gateway.batch(incoming(&body, Hints::default())).await.unwrap();
    let body: Value = serde_json::from_slice(&bytes).unwrap();
    let status: Vec<_> = body["results"].as_array().unwrap().iter().map(|r| r["status"].as_u64().unwrap()).collect();
    assert_eq!(status, [200, 200, 404, 400]);
    assert_eq!(body["results"][0]["body"]["items"].as_array().unwrap().len(), 3);
    assert_eq!(store.reaches.load(Ordering::Relaxed), 1, "the walk is the same");
    assert_eq!(store.searches.load(Ordering::Relaxed), 2, "the vectors differ");
}

#[tokio::test]
async fn a_purge_during_a_batch_outdates_every_answer_of_the_batch() {
    let (gateway, _) = fixture(Duration::from_millis(30));
    // More than run at the same time: the last ones begin after the purge and use the walk that was read before it.
    let queries: Vec<Value> = (0..12)
        .map(|i| {
            let mut query = hybrid();
            query["vector"] = json!({ "values": [1, i, 0] });
            query
        })
        .collect();
    let forced = queries.iter().map(|query| with_options(query, json!({ "plan": "graph-first" })));
    let body = json!({ "queries": forced.collect::<Vec<_>>() });
    let batch = {
        let gateway = gateway.clone();
        tokio::spawn(async move { gateway.batch(incoming(&body, Hints::default())).await })
    };
    tokio::time::sleep(Duration::from_millis(45)).await;
    gateway.purge(&Bump::Tags(vec!["things".into()])).await.unwrap();
    batch.await.unwrap().unwrap();
    for query in &queries {
        assert_ne!(reply(&gateway, query).await.unwrap().cache.lookup, LookupOutcome::Hit, "{query}");
    }
}

#[tokio::test]
async fn an_unknown_anchor_reaches_nothing_and_is_told_in_every_plan() {
    let (gateway, _) = fixture(Duration::ZERO);
    for plan in ["vector-first", "graph-first", "parallel", "filtered-vector"] {
        let mut body = with_options(&hybrid(), json!({ "plan": plan, "cache": "bypass" }));
        body["within"]["from"] = json!(["nowhere"]);
        let answer = ask(&gateway, &body).await.unwrap();
        assert_eq!(answer["items"], json!([]), "{plan}");
        assert_eq!(answer["warnings"][0]["code"], "unknown-anchor", "{plan}");
        assert_eq!(answer["warnings"][0]["id"], "nowhere", "{plan}");
    }
}

#[tokio::test]
async fn an_explained_answer_is_never_stored() {
    let (gateway, _) = fixture(Duration::ZERO);
    let explained = reply(&gateway, &with_options(&hybrid(), json!({ "explain": "plan" }))).await.unwrap();
    assert_eq!((explained.cache.store, explained.etag), (Some(StoreOutcome::Explained), None));
    let body: Value = serde_json::from_slice(&explained.body).unwrap();
    let candidates = body["plan"]["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 4);
    assert!(body["plan"]["not_applicable"]["cached-partial"].is_string());
    assert!(candidates.iter().all(|c| c["predicted_us"].as_f64().unwrap() > 0.0));
    assert_eq!(reply(&gateway, &hybrid()).await.unwrap().cache.lookup, LookupOutcome::Miss);
}

#[tokio::test]
async fn while_memory_is_short_batch_queries_are_refused_unless_their_answers_are_stored() {
    let (gateway, store) = fixture(Duration::ZERO);
    let stored = with_options(&hybrid(), json!({ "priority": "batch" }));
    let mut new = stored.clone();
    new["offset"] = json!(1);
    reply(&gateway, &stored).await.unwrap();
    let searches = store.searches.load(Ordering::Relaxed);
    for level in [Level::Shed, Level::Emergency] {
        gateway.memory().set_level(level);
        assert_eq!(reply(&gateway, &stored).await.unwrap().cache.lookup, LookupOutcome::Hit);
        let refused = reply(&gateway, &new).await.unwrap_err();
        assert_eq!((refused.code, refused.retry_after.is_some()), (Code::MemoryShort, true));
        // Its turn is over: nobody waits behind it.
        reply(&gateway, &with_options(&new, json!({ "priority": "normal", "cache": "bypass" }))).await.unwrap();
    }
    assert_eq!(gateway.memory_snapshot().refused, 2);
    assert_eq!(store.searches.load(Ordering::Relaxed), searches + 2);
    gateway.memory().set_level(Level::Calm);
    assert_eq!(reply(&gateway, &new).await.unwrap().cache.store, Some(StoreOutcome::Stored));
}

#[tokio::test]
async fn what_is_shed_goes_bodies_first_and_while_a_cache_refuses_nothing_is_stored() {
    let (gateway, _) = fixture(Duration::ZERO);
    let sheddable = gateway.sheddable();
    assert_eq!(sheddable.iter().map(|cache| cache.name()).collect::<Vec<_>>(), ["body-memo", "l1"]);
    sheddable.iter().for_each(|cache| cache.refuse(true));
    assert_eq!(reply(&gateway, &hybrid()).await.unwrap().cache.store, Some(StoreOutcome::MemoryShort));
    assert!(sheddable.iter().all(|cache| cache.held() == 0));
    sheddable.iter().for_each(|cache| cache.refuse(false));
    reply(&gateway, &hybrid()).await.unwrap();
    for cache in &sheddable {
        let held = cache.held();
        assert!(held > 0 && cache.most() > held);
        assert_eq!((cache.shed(held), cache.held()), (held, 0), "{}", cache.name());
        cache.allow(u64::MAX);
    }
    assert_eq!(gateway.cache_statistics().l1.max_bytes, CacheConfig::default().l1.max_bytes);
    assert_eq!(reply(&gateway, &hybrid()).await.unwrap().cache.store, Some(StoreOutcome::Stored));
}

#[tokio::test]
async fn a_caller_who_has_the_body_already_keeps_it_from_nobody_else() {
    let (gateway, _) = fixture(Duration::from_millis(30));
    let etag = reply(&gateway, &hybrid()).await.unwrap().etag.unwrap();
    gateway.purge(&Bump::All).await.unwrap();
    let hints = Hints { if_none_match: vec![etag], ..Hints::default() };
    let body = hybrid();
    let (knows, other) = tokio::join!(gateway.answer(incoming(&body, hints)), reply(&gateway, &body));
    let (knows, other) = (knows.unwrap(), other.unwrap());
    assert!(other.cache.collapsed, "it waited for the one that knows");
    assert!(knows.not_modified && knows.body.is_empty());
    assert!(!other.not_modified && ETag::of(&other.body) == etag);
}
