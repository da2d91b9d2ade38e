//! What operators see of the cache: which tier has an answer, and what it saved.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use serde_json::{Value, json};

use super::world::{Node, World, ask, schema};
use crate::{
    backend::embedded::{Dataset, EmbeddedStore},
    cache::{
        CachePolicy, LookupOutcome, Tier, Tiers, WallTime,
        coherence::{Alone, Bump},
        l3::L3,
    },
    catalog::{Catalog, Collection, Metric},
    config::{CacheConfig, CollectionCacheConfig, L3Config, ServerConfig},
    request::{Gateway, Inspected},
};

/// A gateway with memory, and objects in a folder.
fn gateway(folder: &Path) -> Gateway {
    let node = Node { colour: Some(0), size: None, weight: None, tags: None, owner: Some(0), vector: Some([1, 0, 0]) };
    let world = World { metric: Metric::Ip, nodes: vec![node.clone(), node], edges: Vec::new() };
    let schema = Arc::new(schema(world.metric));
    let store = EmbeddedStore::new(
        "local".into(),
        Arc::new(Dataset::build(schema.clone(), world.parts()).expect("a world is valid")),
    );
    let l3 = L3Config { directory: Some(folder.to_owned()), min_cost_ms: 0.0, ..L3Config::default() };
    let far = L3::open(&l3, Path::new(""), Arc::new(WallTime::of_system)).expect("a folder");
    let cache = CacheConfig { l3: Some(l3), ..CacheConfig::default() };
    let policy = CachePolicy::new(&cache, &CollectionCacheConfig::default());
    let collection = Collection::new(schema, store.clone(), Some(store), None).cached(policy);
    let tiers = Tiers::new(&cache.l1, vec![far], Arc::new(Alone::default()));
    let catalog = Catalog::new([collection]);
    Gateway::over(catalog, &ServerConfig::default(), &cache, Arc::new(tiers), None, Arc::default())
}

fn query() -> Value {
    json!({ "collection": "things", "vector": { "values": [1, 0, 0] }, "limit": 2 })
}

async fn inspected(gateway: &Gateway, tenant: Option<&str>) -> Inspected {
    gateway.inspect_cache(Bytes::from(query().to_string()), tenant.map(Into::into)).await.expect("a sound query")
}

fn outcomes(inspected: &Inspected) -> Vec<(Tier, Option<LookupOutcome>)> {
    inspected.tiers.iter().map(|tier| (tier.tier, tier.outcome)).collect()
}

/// A counter of the page for Prometheus.
fn counter(gateway: &Gateway, series: &str) -> f64 {
    let (cache, memory, planner) = (gateway.cache_statistics(), gateway.memory_snapshot(), gateway.planning().now());
    let page = gateway.metrics().page(&cache, gateway.pools(), &memory, &planner);
    let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or_else(|| panic!("{series} in\n{page}"))
}

async fn stored(gateway: &Gateway) {
    for tier in gateway.tiers().far() {
        tier.flush().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hit_saves_is_counted_for_the_tier_that_had_it() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = gateway(folder.path());
    let saved = |tier: &str| counter(&gateway, &format!("forebay_cache_saved_seconds_total{{tier=\"{tier}\"}}"));
    ask(&gateway, &query()).await.unwrap();
    assert_eq!((saved("forebay-l1"), saved("forebay-l3")), (0.0, 0.0), "making it saves nothing");
    stored(&gateway).await;

    ask(&gateway, &query()).await.unwrap();
    let once = saved("forebay-l1");
    assert!(once > 0.0 && saved("forebay-l3") == 0.0);
    gateway.tiers().l1().clear();
    ask(&gateway, &query()).await.unwrap();
    assert!(saved("forebay-l1") == once && saved("forebay-l3") > 0.0);
    assert!((saved("forebay-l3") - once).abs() < 1e-6, "the same answer costs the same wherever it lies");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_says_where_an_answer_lies_and_whether_it_would_be_served_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = gateway(folder.path());
    let (near, far) = (Tier::L1, Tier::L3);
    let both = |outcome| vec![(near, Some(outcome)), (far, Some(outcome))];
    assert_eq!(outcomes(&inspected(&gateway, None).await), both(LookupOutcome::Miss));
    ask(&gateway, &query()).await.unwrap();
    stored(&gateway).await;

    let found = inspected(&gateway, None).await;
    assert_eq!(outcomes(&found), both(LookupOutcome::Hit));
    for tier in &found.tiers {
        let entry = tier.entry.as_ref().unwrap();
        assert!(entry.bytes > 0 && entry.left.is_some() && !entry.cost.is_zero(), "{entry:?}");
        assert_eq!(entry.groups.iter().collect::<Vec<_>>(), ["things"]);
    }
    let of_tenant = inspected(&gateway, Some("acme")).await;
    assert_ne!(of_tenant.key, found.key);
    assert_eq!(outcomes(&of_tenant), both(LookupOutcome::Miss));

    gateway.purge(&Bump::Tags(vec!["things".into()])).await.unwrap();
    for _ in 0..2 {
        let outdated = inspected(&gateway, None).await;
        assert_eq!(outcomes(&outdated), both(LookupOutcome::Invalidated));
        assert!(outdated.tiers.iter().all(|tier| tier.entry.is_some()), "it lies there all the same");
    }
    assert_eq!(counter(&gateway, "forebay_cache_lookup_total{tier=\"forebay-l1\",outcome=\"hit\"}"), 0.0);
    let unknown = Bytes::from_static(br#"{"collection":"nothing"}"#);
    assert!(gateway.inspect_cache(unknown, None).await.is_err());
}
