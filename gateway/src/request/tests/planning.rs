//! What planning learns from whole lives of queries, and that nothing of it changes an answer.

use std::{
    cell::Cell,
    hash::{Hash, Hasher},
    path::Path,
    sync::Arc,
};

use planner_model::{
    Feature, Features, LatencyModel, Prediction, Silence,
    record::{Mode, Outcome, Record},
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use serde_json::{Value, json};

use super::{
    equivalence::expected,
    world::{Node, World, ask, ask_as, query, tenant, world},
};
use crate::{
    catalog::Metric,
    governor::Level,
    planner::{
        PlanKind,
        experience::{DuelRefusal, JournalSettings},
    },
    pool::{BreakerState, Counters, Registry, ResizeError, Snapshot, Watched},
    request::{Gateway, Planning, PlanningSettings},
};

/// Predicts whatever the features and a seed make of it, so that all plans come up: but always the same of the same.
struct Whim(u64);

impl LatencyModel for Whim {
    fn name(&self) -> &'static str {
        "whim"
    }

    fn predict(&self, plan: usize, features: &Features) -> Result<Prediction, Silence> {
        let mut hasher = std::hash::DefaultHasher::new();
        (self.0, plan).hash(&mut hasher);
        features.values().iter().for_each(|value| value.to_bits().hash(&mut hasher));
        let us = 1.0 + (hasher.finish() % 1_000) as f64 / 10.0;
        Ok(Prediction { us, q95_us: Some(2.0 * us), spread: Some(0.3) })
    }
}

/// Plans by whims, replans whenever it can, and holds as many duels as there are runs.
fn restless(seed: u64) -> Planning {
    let settings = PlanningSettings { sample: 1.0, duels: 1.0, duel_time: 1e9, replan_factor: 0.0 };
    Planning::new(Some(Arc::new(Whim(seed))), settings)
}

fn logging(folder: &Path, settings: PlanningSettings) -> Planning {
    let log = JournalSettings { folder: folder.to_owned(), max_bytes: 1 << 20 };
    Planning::open(settings, Some(&log), None).unwrap()
}

fn records(folder: &Path) -> Vec<Record> {
    let mut reader = planner_model::log::read(&[folder]).unwrap();
    let records: Vec<Record> = reader.by_ref().collect();
    assert!(reader.skipped().is_empty(), "{}", reader.skipped());
    records
}

/// Thirty nodes in a ring, with chords.
fn ring() -> World {
    let node = |i: i64| Node {
        colour: Some((i % 4) as usize),
        size: Some(i % 12),
        weight: None,
        tags: None,
        owner: Some((i % 2) as usize),
        vector: Some([1, (i % 3) as i8, (i % 2) as i8]),
    };
    let edges = (0..30).flat_map(|i| [(0, i, (i + 1) % 30), (1, i, (i + 7) % 30)]).collect();
    World { metric: Metric::Ip, nodes: (0..30).map(node).collect(), edges }
}

fn hybrid(from: usize) -> Value {
    json!({
        "collection": "things", "vector": { "values": [1, 1, 0] }, "limit": 3, "select": [],
        "filter": { "size": { "$gte": 1 } },
        "within": { "from": [super::world::name(from)], "edges": ["likes", "needs"], "hops": 3 },
    })
}

fn with_options(body: &Value, options: Value) -> Value {
    let mut body = body.clone();
    body["options"] = options;
    body
}

/// Waits for duels in the background, then for what is noted.
async fn settled(gateway: &Gateway, duels: u64) {
    for _ in 0..10_000 {
        gateway.planning().notebook().settle();
        if gateway.planning().now().counters.duels.iter().sum::<u64>() >= duels {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{:?}", gateway.planning().now());
}

#[test]
fn runs_that_change_plans_in_the_middle_and_duels_beside_them_change_no_answer() {
    let replanned = [Cell::new(0_u64), Cell::new(0)];
    let config = Config { cases: 250, failure_persistence: None, ..Config::default() };
    let cases = (world(), prop::collection::vec(query(), 1..4), any::<u64>());
    let run = |(world, bodies, seed): (World, Vec<Value>, u64)| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let gateway = world.gateway().with_planning(restless(seed));
        for body in &bodies {
            let mut body = body.clone();
            body["select"] = json!([]);
            // Of answers that were stored nothing is to be learnt here, of legs there is.
            for options in [json!({ "cache": "bypass" }), json!({}), json!({ "cache": "refresh" })] {
                let asked = with_options(&body, options);
                for principal in [None, Some("acme")] {
                    let expected = expected(&world, &body, principal);
                    let reply = runtime.block_on(async {
                        match principal {
                            None => ask(&gateway, &asked).await,
                            Some(name) => ask_as(&gateway, &tenant(name), &asked)
                                .await
                                .map(|body| serde_json::from_slice(&body).unwrap()),
                        }
                    });
                    match (expected, reply) {
                        (Ok(expected), Ok(reply)) => prop_assert_eq!(&expected, &reply["items"], "{}", asked),
                        (Err(_), Err(_)) => {}
                        (expected, reply) => {
                            return Err(TestCaseError::fail(format!("{asked}: {expected:?}, got {reply:?}")));
                        }
                    }
                }
            }
        }
        let counts = gateway.planning().now().counters.replanned;
        counts.iter().zip(&replanned).for_each(|(count, sum)| sum.set(sum.get() + count));
        Ok(())
    };
    TestRunner::new(config).run(&cases, run).unwrap();
    let [reach, _] = replanned.map(|count| count.get());
    assert!(reach > 50, "{reach}");
}

#[test]
fn runs_whose_first_page_lets_too_few_through_give_the_same_answer_by_another_way() {
    // Half of the nodes are within, and all of those that rank first are not.
    let node = |i: i8| Node {
        colour: None,
        size: None,
        weight: None,
        tags: None,
        owner: Some(0),
        vector: Some([60 - i, 0, 0]),
    };
    let edges = (16..30).map(|to| (0, 15, to)).collect();
    let world = World { metric: Metric::Ip, nodes: (0..30).map(node).collect(), edges };
    let body = json!({
        "collection": "things", "vector": { "values": [1, 0, 0] }, "limit": 3, "select": [],
        "within": { "from": ["n15", "unheard-of"], "edges": ["likes"] },
    });
    let expected = expected(&world, &body, None).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut replanned = 0;
    for seed in 0..100 {
        let gateway = world.gateway().with_planning(restless(seed));
        let forced = with_options(&body, json!({ "plan": "vector-first", "cache": "bypass" }));
        let plain = runtime.block_on(ask(&gateway, &forced)).unwrap();
        for cache in ["bypass", "default"] {
            let asked = with_options(&body, json!({ "cache": cache }));
            let reply = runtime.block_on(ask(&gateway, &asked)).unwrap();
            assert_eq!(reply["items"], expected, "seed {seed}");
            assert_eq!(reply["warnings"], plain["warnings"], "one anchor is unknown, seed {seed}");
        }
        replanned += gateway.planning().now().counters.replanned[1];
    }
    assert!(replanned >= 10, "{replanned}");
}

#[tokio::test]
async fn what_is_logged_is_what_the_model_was_asked_bit_by_bit() {
    let folder = tempfile::tempdir().unwrap();
    let settings = PlanningSettings { sample: 1.0, replan_factor: f64::INFINITY, ..PlanningSettings::default() };
    {
        let planning = logging(folder.path(), settings);
        let planning = planning.modelled(Arc::new(Whim(7)));
        let gateway = ring().gateway().with_planning(planning);
        for from in 0..20 {
            ask(&gateway, &hybrid(from)).await.unwrap();
            ask(&gateway, &with_options(&hybrid(from), json!({ "plan": "graph-first", "cache": "look" })))
                .await
                .unwrap();
        }
        ask_as(&gateway, &tenant("acme"), &hybrid(3)).await.unwrap();
    }
    let records = records(folder.path());
    assert_eq!(records.len(), 41);
    let model = Whim(7);
    for record in &records {
        assert!(record.candidates.len() >= 4 && record.ranked_us > 0.0 && record.total_us >= record.ranked_us);
        assert_eq!((&*record.model, record.outcome), ("whim", Outcome::Ok));
        for candidate in &record.candidates {
            let features = candidate.features().expect("sound features");
            let plan = PlanKind::parse(&candidate.plan).unwrap() as usize;
            let predicted = model.predict(plan, &features).unwrap();
            assert_eq!((candidate.predicted_us, candidate.q95_us), (predicted.us, predicted.q95_us));
        }
        let ran = record.candidate().unwrap();
        if record.mode == Mode::Forced {
            assert_eq!((&*ran.plan, record.cache.reach), ("graph-first", true), "the first run left the reach");
            let walked = record.operators.iter().find(|operator| operator.operator == "Reach").unwrap();
            assert_eq!(record.actual.reach, Some(walked.rows_out as f64));
        }
    }
    let digests = |mode| -> Vec<&str> {
        records.iter().filter(|record| record.mode == mode).map(|record| &*record.query).collect()
    };
    assert_eq!(digests(Mode::Chosen)[..20], digests(Mode::Forced)[..], "the same queries");
    assert_eq!(records.iter().filter(|record| record.tenant.is_some()).count(), 1);
    let template = &records[0].template;
    assert!(records.iter().all(|record| record.template == *template), "one shape");
}

#[tokio::test]
async fn no_literal_id_vector_or_tenant_is_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    {
        let settings = PlanningSettings { sample: 1.0, duels: 1.0, duel_time: 1e9, replan_factor: f64::INFINITY };
        let gateway = ring().gateway().with_planning(logging(folder.path(), settings));
        let mut body = hybrid(17);
        body["filter"] = json!({ "colour": "violet", "size": { "$lt": 11 } });
        ask_as(&gateway, &tenant("acme"), &body).await.unwrap();
        settled(&gateway, 1).await;
    }
    let records = records(folder.path());
    assert_eq!(records.len(), 3);
    let text = serde_json::to_string(&records).unwrap();
    for secret in ["violet", "acme", "n17", "likes", "colour"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn of_the_chosen_plans_a_sample_is_logged_and_of_the_forced_ones_all() {
    let folder = tempfile::tempdir().unwrap();
    {
        let settings = PlanningSettings { sample: 0.0, ..PlanningSettings::default() };
        let gateway = ring().gateway().with_planning(logging(folder.path(), settings));
        for from in 0..10 {
            ask(&gateway, &hybrid(from)).await.unwrap();
            ask(&gateway, &with_options(&hybrid(from), json!({ "plan": "vector-first" }))).await.unwrap();
        }
        settled(&gateway, 0).await;
        assert_eq!(gateway.planning().now().counters.logged, [10, 0, 0]);
    }
    assert!(records(folder.path()).iter().all(|record| record.mode == Mode::Forced));
}

#[tokio::test]
async fn without_a_folder_nothing_is_logged_and_runs_are_learnt_from_all_the_same() {
    let gateway = ring().gateway();
    for _ in 0..3 {
        ask(&gateway, &with_options(&hybrid(1), json!({ "cache": "bypass" }))).await.unwrap();
    }
    settled(&gateway, 0).await;
    let now = gateway.planning().now();
    assert_eq!((now.counters.logged, now.counters.choices.iter().sum::<u64>()), ([0; 3], 3));
    let explained =
        ask(&gateway, &with_options(&hybrid(1), json!({ "cache": "bypass", "explain": "plan" }))).await.unwrap();
    assert_eq!(explained["plan"]["candidates"][0]["source"], "table");
    let reason = explained["plan"]["reason"].as_str().unwrap();
    assert!(reason.contains("runs of this very query"), "{reason}");
}

#[tokio::test]
async fn a_duel_is_two_runs_of_one_query_and_leaves_the_cache_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let settings = PlanningSettings { sample: 0.0, duels: 1.0, duel_time: 1e9, ..PlanningSettings::default() };
    let (duelling, quiet) = (ring().gateway().with_planning(logging(folder.path(), settings)), ring().gateway());
    for from in 0..10 {
        let answers = [ask(&duelling, &hybrid(from)).await.unwrap(), ask(&quiet, &hybrid(from)).await.unwrap()];
        assert_eq!(answers[0], answers[1]);
        settled(&duelling, from as u64 + 1).await;
    }
    let l1 = |gateway: &Gateway| gateway.cache_statistics().l1.entries;
    // Plans of equal cost may leave other stages, but no second plan adds any.
    assert!(l1(&duelling) <= 3 * 10 && l1(&quiet) <= 3 * 10, "{} {}", l1(&duelling), l1(&quiet));
    let explained = ask(&duelling, &with_options(&hybrid(1), json!({ "explain": "plan" }))).await.unwrap();
    let regret = &explained["plan"]["regret"];
    assert!(regret["duels"].as_u64().unwrap() >= 10 && regret["regret"].as_f64().unwrap() >= 1.0, "{regret}");
    settled(&duelling, 11).await;
    drop(duelling);
    let records = records(folder.path());
    let groups: std::collections::BTreeSet<_> = records.iter().filter_map(|record| record.group.clone()).collect();
    assert!(groups.len() >= 10);
    for group in groups {
        let of_group: Vec<_> = records.iter().filter(|record| record.group.as_ref() == Some(&group)).collect();
        let [one, other] = of_group[..] else { panic!("{} runs", of_group.len()) };
        assert_eq!((&one.query, one.cache), (&other.query, other.cache), "the same question in the same state");
        assert_ne!(one.ran, other.ran);
        assert_eq!([one.mode, other.mode], [Mode::Shadow; 2], "the caller's run is no part of it");
    }
}

#[tokio::test]
async fn no_duel_is_held_while_memory_is_short_or_beyond_its_share_of_time() {
    let settings = |duel_time| PlanningSettings { duels: 1.0, duel_time, ..PlanningSettings::default() };
    let bypassed = with_options(&hybrid(1), json!({ "cache": "bypass" }));
    let gateway = ring().gateway().with_planning(Planning::new(None, settings(1e9)));
    gateway.memory().set_level(Level::Shed);
    ask(&gateway, &bypassed).await.unwrap();
    settled(&gateway, 0).await;
    let refused = |gateway: &Gateway, why: DuelRefusal| gateway.planning().now().counters.refusals[why as usize];
    assert_eq!(refused(&gateway, DuelRefusal::Memory), 1);

    let gateway = ring().gateway().with_planning(Planning::new(None, settings(0.0)));
    for _ in 0..5 {
        ask(&gateway, &bypassed).await.unwrap();
    }
    settled(&gateway, 0).await;
    let now = gateway.planning().now().counters;
    assert_eq!(now.refusals[DuelRefusal::Budget as usize] + now.refusals[DuelRefusal::NoRival as usize], 5);
    assert_eq!((now.duels, now.spent_seconds[1]), ([0; 3], 0.0));
}

/// A pool with so many of ten connections in use.
struct Used(Arc<str>, usize);

impl Watched for Used {
    fn name(&self) -> &Arc<str> {
        &self.0
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            min: 0,
            max: 10,
            reserve: 2,
            in_use: self.1,
            idle: 0,
            parked: 0,
            connecting: 0,
            preparing: 0,
            in_doubt: 0,
            waiting: [0; 3],
            breaker: BreakerState::Closed,
            breaker_reason: None,
            counters: Counters::default(),
        }
    }

    fn resize(&self, _: usize, _: usize) -> Result<(), ResizeError> {
        Ok(())
    }

    fn close(&self) {}
}

#[tokio::test]
async fn no_duel_is_held_while_more_than_seven_of_ten_connections_are_in_use() {
    let settings = PlanningSettings { duels: 1.0, duel_time: 1e9, ..PlanningSettings::default() };
    for (in_use, busy) in [(7, 0), (8, 1)] {
        let pools = Arc::new(Registry::default());
        pools.insert(Arc::new(Used("pg".into(), in_use)));
        let planning = Planning::new(None, settings.clone());
        let gateway = ring().gateway().with_pools(pools).with_planning(planning);
        ask(&gateway, &hybrid(1)).await.unwrap();
        settled(&gateway, 1 - busy).await;
        let now = gateway.planning().now().counters;
        assert_eq!(now.refusals[DuelRefusal::Busy as usize], busy, "{in_use} in use");
        assert_eq!(now.duels.iter().sum::<u64>(), 1 - busy);
    }
}

#[tokio::test]
async fn explain_says_where_every_prediction_comes_from() {
    let planning = Planning::new(Some(Arc::new(Whim(3))), PlanningSettings::default());
    let gateway = ring().gateway().with_planning(planning);
    let explained = ask(&gateway, &with_options(&hybrid(1), json!({ "cache": "bypass", "explain": "plan" }))).await;
    let plan = &explained.unwrap()["plan"];
    assert_eq!(plan["model"], "whim");
    assert!(plan["confidence"].as_f64().unwrap() >= 0.0);
    for candidate in plan["candidates"].as_array().unwrap() {
        assert_eq!(candidate["source"], "model");
        let (predicted, q95) = (candidate["predicted_us"].as_f64().unwrap(), candidate["q95_us"].as_f64().unwrap());
        assert!((q95 / predicted - 2.0).abs() < 1e-3);
        assert_eq!(candidate["features"].as_object().unwrap().len(), Feature::ALL.len());
    }
    let gateway = ring().gateway();
    let explained = ask(&gateway, &with_options(&hybrid(1), json!({ "cache": "bypass", "explain": "plan" }))).await;
    let candidate = &explained.unwrap()["plan"]["candidates"][0];
    assert_eq!(
        (&candidate["source"], &candidate["because"]),
        (&json!("analytic"), &json!("there is no trained model"))
    );
}
