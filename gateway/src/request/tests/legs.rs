//! Stages of a query in the tiers: what they cost to make, and that telling somebody of them changes nothing.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};

use super::world::{Node, World, ask, schema};
use crate::{
    backend::{
        BackendError, CallContext, Entity, Projection, RankedCursor, Search, VectorCapabilities, VectorStatistics,
        VectorStore,
        embedded::{Dataset, EmbeddedStore},
    },
    cache::{
        CachePolicy, Digest, FarStatistics, FarTier, LookupOutcome, Sought, StoreOutcome, Stored, StoredPayload, Tier,
        Tiers, coherence::Alone,
    },
    catalog::{Catalog, Collection, CollectionSchema, Metric},
    config::{CacheConfig, CollectionCacheConfig, L3Config, ServerConfig},
    embed::Embedder,
    principal::Principal,
    query::Filter,
    request::{Endpoint, Gateway, Hints, Incoming},
    value::EntityId,
};

/// What a search takes, and what an embedding does.
const SLOW: Duration = Duration::from_millis(40);

/// A store whose searches are slow, and whose walks are not.
struct Slow(Arc<EmbeddedStore>);

#[async_trait]
impl VectorStore for Slow {
    fn backend(&self) -> &Arc<str> {
        VectorStore::backend(&*self.0)
    }
    fn capabilities(&self) -> VectorCapabilities {
        VectorStore::capabilities(&*self.0)
    }
    fn statistics(&self) -> Arc<VectorStatistics> {
        VectorStore::statistics(&*self.0)
    }
    async fn refresh(&self) -> Result<(), BackendError> {
        Ok(())
    }
    async fn search(&self, ctx: &CallContext, search: Search) -> Result<Box<dyn RankedCursor>, BackendError> {
        tokio::time::sleep(SLOW).await;
        self.0.search(ctx, search).await
    }
    async fn matching(
        &self,
        ctx: &CallContext,
        ids: &[EntityId],
        filter: &Filter,
        space: Option<u16>,
    ) -> Result<Vec<bool>, BackendError> {
        self.0.matching(ctx, ids, filter, space).await
    }
    async fn fetch(
        &self,
        ctx: &CallContext,
        ids: &[EntityId],
        projection: &Projection,
    ) -> Result<Vec<Option<Entity>>, BackendError> {
        self.0.fetch(ctx, ids, projection).await
    }
}

/// Every text is its length.
struct Lengths(Arc<str>);

#[async_trait]
impl Embedder for Lengths {
    fn version(&self) -> &Arc<str> {
        &self.0
    }
    fn dimensions(&self) -> usize {
        3
    }
    async fn embed(&self, _: &CallContext, texts: &[Arc<str>]) -> Result<Vec<Option<Arc<[f32]>>>, BackendError> {
        tokio::time::sleep(SLOW).await;
        Ok(texts.iter().map(|text| Some(Arc::from([1.0, text.len() as f32, 0.0]))).collect())
    }
}

/// A far tier that remembers what was done with it.
#[derive(Default)]
struct Recorder {
    held: Mutex<HashMap<Digest, Arc<Stored>>>,
    served: AtomicU32,
    told: AtomicU32,
    taken: AtomicU32,
}

impl Recorder {
    fn find(&self, sought: &[Sought]) -> Vec<Result<Stored, LookupOutcome>> {
        let held = self.held.lock().unwrap();
        let one = |sought: &Sought| held.get(&sought.key).map(|stored| (**stored).clone()).ok_or(LookupOutcome::Miss);
        sought.iter().map(one).collect()
    }

    /// What the one entry cost that is of this kind.
    fn cost_of(&self, is_it: impl Fn(&StoredPayload) -> bool) -> Duration {
        let held = self.held.lock().unwrap();
        let costs: Vec<_> = held.values().filter(|stored| is_it(&stored.payload)).map(|stored| stored.cost).collect();
        assert_eq!(costs.len(), 1, "{held:?}");
        costs[0]
    }
}

#[async_trait]
impl FarTier for Recorder {
    fn tier(&self) -> Tier {
        Tier::L3
    }
    async fn get(&self, sought: &[Sought]) -> Vec<Result<Stored, LookupOutcome>> {
        self.served.fetch_add(1, Relaxed);
        self.find(sought)
    }
    async fn peek(&self, sought: &[Sought]) -> Vec<Result<Stored, LookupOutcome>> {
        self.told.fetch_add(1, Relaxed);
        self.find(sought)
    }
    fn put(&self, sought: Sought, entry: Arc<Stored>) -> StoreOutcome {
        self.taken.fetch_add(1, Relaxed);
        self.held.lock().unwrap().insert(sought.key, entry);
        StoreOutcome::Stored
    }
    fn is_available(&self) -> bool {
        true
    }
    fn statistics(&self) -> FarStatistics {
        FarStatistics::default()
    }
    async fn flush(&self) {}
}

/// A gateway before this tier, over the same data as any other that this makes.
fn gateway(far: &Arc<Recorder>, coherence: &Arc<Alone>) -> Gateway {
    let node = |number| Node {
        colour: Some(0),
        size: Some(1),
        weight: None,
        tags: None,
        owner: Some(0),
        vector: Some([1, number, 0]),
    };
    let edges = vec![(0, 0, 1), (0, 0, 2), (0, 1, 3)];
    let world = World { metric: Metric::Cosine, nodes: (0..5).map(node).collect(), edges };
    let schema = Arc::new(CollectionSchema { embedding_version: Some("lengths-1".into()), ..schema(world.metric) });
    let dataset = Dataset::build(schema.clone(), world.parts()).expect("a world is valid");
    let store = EmbeddedStore::new("local".into(), Arc::new(dataset));
    let cache =
        CacheConfig { l3: Some(L3Config { min_cost_ms: 0.0, ..L3Config::default() }), ..CacheConfig::default() };
    let policy = CachePolicy::new(&cache, &CollectionCacheConfig::default());
    let embedder: Arc<dyn Embedder> = Arc::new(Lengths("lengths-1".into()));
    let collection = Collection::new(schema, Arc::new(Slow(store.clone())), Some(store), Some(embedder));
    let catalog = Catalog::new([collection.of_data(&[7; 32]).cached(policy)]);
    let tiers = Tiers::new(&cache.l1, vec![far.clone() as Arc<dyn FarTier>], coherence.clone());
    Gateway::over(catalog, &ServerConfig::default(), &cache, Arc::new(tiers), None, Arc::default())
}

fn query(plan: Option<&str>) -> Value {
    let options = plan.map_or_else(|| json!({}), |plan| json!({ "plan": plan }));
    json!({
        "collection": "things", "vector": { "text": "abc" }, "limit": 2, "exact": true, "options": options,
        "within": { "from": ["n00"], "edges": ["likes"], "direction": "out", "hops": 2 },
    })
}

async fn explained(gateway: &Gateway) -> Value {
    let incoming = Incoming {
        endpoint: Endpoint::Explain,
        principal: Arc::new(Principal::local()),
        body: Bytes::from(query(None).to_string()),
        hints: Hints::default(),
        received: Instant::now(),
        request_id: "test".into(),
    };
    let answer = gateway.answer(incoming).await.expect("a plan");
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn is_answer(payload: &StoredPayload) -> bool {
    matches!(payload, StoredPayload::Answer { .. })
}

#[tokio::test]
async fn a_stage_costs_what_its_own_leg_took() {
    for plan in ["vector-first", "parallel", "graph-first"] {
        let far = Arc::new(Recorder::default());
        ask(&gateway(&far, &Arc::default()), &query(Some(plan))).await.unwrap();
        // The text is embedded first; then there is a search, and a walk before or beside it.
        let answer = far.cost_of(is_answer);
        let embedding = far.cost_of(|payload| matches!(payload, StoredPayload::Embedding(_)));
        assert!(SLOW <= embedding && embedding + SLOW <= answer, "{plan}: {embedding:?} of {answer:?}");
        if plan != "graph-first" {
            let list = far.cost_of(|payload| matches!(payload, StoredPayload::Lists(_)));
            assert!(SLOW <= list && list + SLOW <= answer, "{plan}: {list:?} of {answer:?}");
        }
        if plan != "vector-first" {
            let reach = far.cost_of(|payload| matches!(payload, StoredPayload::Reach(_)));
            let others = if plan == "graph-first" { 2 * SLOW } else { SLOW };
            assert!(reach + others <= answer, "{plan}: {reach:?} of {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_plan_that_is_explained_leaves_every_tier_as_it_was() {
    let (far, coherence) = (Arc::new(Recorder::default()), Arc::new(Alone::default()));
    ask(&gateway(&far, &coherence), &query(None)).await.unwrap();
    let answer = far.cost_of(is_answer);
    assert!(answer >= 2 * SLOW, "{answer:?}");
    let (taken, served) = (far.taken.load(Relaxed), far.served.load(Relaxed));

    let other = gateway(&far, &coherence);
    let tiers_of = |explained: &Value| {
        let tiers = explained["tiers"].as_array().expect("tiers").iter();
        tiers.map(|tier| format!("{} {}", tier["tier"], tier["outcome"]).replace('"', "")).collect::<Vec<_>>()
    };
    let far_away = ["forebay-l1 miss", "forebay-l3 hit"];
    for _ in 0..10 {
        let explained = explained(&other).await;
        assert_eq!(tiers_of(&explained), far_away);
        assert_eq!(explained["plan"]["cached"].as_array().map(Vec::is_empty), Some(false), "{explained}");
    }
    assert_eq!((far.taken.load(Relaxed), far.served.load(Relaxed)), (taken, served), "nothing was used or written");
    assert!(far.told.load(Relaxed) > 0);
    assert_eq!(other.tiers().l1().statistics().entries, 0, "nothing came nearer");

    // It is promoted by its second use, and by nothing else.
    ask(&other, &query(None)).await.unwrap();
    assert_eq!(tiers_of(&explained(&other).await), far_away);
    ask(&other, &query(None)).await.unwrap();
    assert_eq!(tiers_of(&explained(&other).await), ["forebay-l1 hit"]);
    assert_eq!(far.served.load(Relaxed), served + 2);

    // A gateway that has nothing makes nothing that it would keep.
    let empty = Arc::new(Recorder::default());
    let lonely = gateway(&empty, &coherence);
    explained(&lonely).await;
    assert_eq!((empty.taken.load(Relaxed), lonely.tiers().l1().statistics().entries), (0, 0));
}
