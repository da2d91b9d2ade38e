//! Once a purge is acknowledged, nobody serves what was there before, whoever slept meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    gateway::{self, Gateway, until},
    ground::{Ground, Setup, past, query},
    support::{self, private_server::PrivateServer},
};

/// Gateways of one setup.
async fn three(ground: &Ground, setup: &Setup) -> [Gateway; 3] {
    let (a, b, c) = tokio::join!(ground.serve(setup), ground.serve(setup), ground.serve(setup));
    [a, b, c]
}

/// Every gateway has all of these in memory.
async fn warm(gateways: &mut [Gateway], queries: &[Value], version: i64) {
    for body in queries {
        for gateway in &mut *gateways {
            until("it is in memory", async || {
                let reply = gateway.ask(body).await;
                assert_eq!(reply.version(), version);
                (reply.is_from("l1"), reply)
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_purge_nobody_serves_what_was_before_not_even_one_that_was_stopped_meanwhile() {
    let Some(ground) = Ground::prepare().await else { return };
    let Some(setup) = ground.with_redis() else { return };
    let mut gateways = three(&ground, &Setup { l3: ground.l3(), ..setup }).await;
    let queries: Vec<Value> = (0..10).map(|_| query()).collect();
    for version in 1..4 {
        warm(&mut gateways, &queries, version).await;
        gateways[2].signal("STOP");
        // Some ask the one that sleeps. It hears of them when it wakes up.
        let early: Vec<_> = queries
            .iter()
            .map(|body| {
                let (mut client, body) = (gateways[2].client(None), body.clone());
                tokio::spawn(async move { gateway::ask(&mut client, &body).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(50)).await;
        ground.set_version(version + 1).await;
        let purged = gateways[0].purge().await;
        let said = support::json(&purged);
        assert_eq!((&said["bumped"], &said["confirmed"], &said["lapsed"]), (&json!(1), &json!(2), &json!(1)), "{said}");
        gateways[2].signal("CONT");
        for reply in early {
            assert_eq!(reply.await.expect("it is answered").version(), version + 1, "asked while it was stopped");
        }
        for body in &queries {
            for gateway in gateways.iter_mut().rev() {
                assert_eq!(gateway.ask(body).await.version(), version + 1);
            }
        }
    }
    ground.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_asks_after_a_purge_gets_no_older_answer_while_many_ask_all_the_time() {
    let Some(ground) = Ground::prepare().await else { return };
    let Some(setup) = ground.with_redis() else { return };
    // Stale answers are old, but a purge ends them, too.
    let cache = "stale_while_revalidate_ms = 60000\nstale_if_error_ms = 60000\nmax_ttl_ms = 100\n".into();
    let mut gateways = three(&ground, &Setup { l3: ground.l3(), cache, ..setup }).await;
    let queries: Arc<Vec<Value>> = Arc::new((0..5).map(|_| query()).collect());
    let over = Arc::new(AtomicBool::new(false));
    let mut asking = Vec::new();
    for gateway in &gateways {
        for first in 0..3 {
            let (mut client, queries, over) = (gateway.client(None), queries.clone(), over.clone());
            asking.push(tokio::spawn(async move {
                let mut seen: Vec<(Instant, i64)> = Vec::new();
                for number in (first..).take_while(|_| !over.load(Relaxed)) {
                    let began = Instant::now();
                    let reply = gateway::ask(&mut client, &queries[number % queries.len()]).await;
                    seen.push((began, reply.version()));
                }
                seen
            }));
        }
    }
    let mut acknowledged = Vec::new();
    for version in 2..12 {
        ground.set_version(version).await;
        assert_eq!(gateways[version as usize % 3].purge().await.status, 200);
        acknowledged.push((Instant::now(), version));
        tokio::time::sleep(Duration::from_millis(120)).await;
    }
    over.store(true, Relaxed);
    let mut count = 0;
    for seen in asking {
        for (began, version) in seen.await.expect("all are answered") {
            let due = acknowledged.iter().rev().find(|(at, _)| *at <= began).map_or(1, |(_, version)| *version);
            assert!(version >= due, "version {version} where {due} was acknowledged before");
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
    ground.remove().await;
}

/// With `available`: how long it may be unknown whether data has changed.
const STALENESS: Duration = Duration::from_secs(3);
/// The longest lease of a gateway that hears nothing.
const LEASE: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_a_strict_collection_serves_nothing_stored_and_an_available_one_for_a_while() {
    let Some(ground) = Ground::prepare().await else { return };
    let Some(mut redis) = PrivateServer::redis(&[]) else { return };
    let setup = Setup { redis: Some(redis.url.clone()), ..ground.alone() };
    let strict = Setup { cache: format!("{}consistency = \"strict\"\n", setup.cache), ..setup.clone() };
    let available = Setup { cache: format!("{}max_staleness_ms = {}\n", setup.cache, STALENESS.as_millis()), ..setup };
    let (strict, available) = tokio::join!(ground.serve(&strict), ground.serve(&available));
    let mut gateways = [strict, available];
    let queries: Vec<Value> = (0..150).map(|_| query()).collect();
    warm(&mut gateways, &queries, 1).await;

    redis.signal("KILL");
    redis.wait_for_end();
    let killed = Instant::now();
    ground.set_version(2).await;
    let (mut stored, mut asked) = (0, queries.iter().cycle());
    while killed.elapsed() < STALENESS + Duration::from_millis(300) {
        let (began, body) = (Instant::now(), asked.next().expect("it goes round"));
        let [strict, available] = [gateways[0].ask(body).await, gateways[1].ask(body).await];
        if began > killed + LEASE {
            assert!(!strict.is_stored() && strict.version() == 2, "{}", strict.cache);
            stored += u32::from(available.is_stored() && available.version() == 1);
        }
        if began > killed + STALENESS {
            assert_eq!(available.version(), 2, "{}", available.cache);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(stored > 10, "the available one served what it had: {stored}");

    // Nobody can be told, but who is asked forgets.
    ground.set_version(3).await;
    let [strict, available] = &mut gateways;
    assert_eq!(available.purge().await.status, 503);
    assert_eq!(available.ask(&queries[0]).await.version(), 3);

    redis.restart();
    until("purges are acknowledged again", async || {
        let status = strict.purge().await.status;
        (status == 200, status)
    })
    .await;
    ground.set_version(4).await;
    until("and again", async || (available.purge().await.status == 200, ())).await;
    let body = query();
    until("entries are shared again", async || {
        let made = strict.ask(&body).await;
        assert_eq!(made.version(), 4);
        let found = available.ask_with(&body, json!({ "cache": "only" })).await;
        (found.is_from("l2"), (made, found))
    })
    .await;
    ground.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_was_being_made_when_its_data_was_purged_is_nobody_elses() {
    let Some(ground) = Ground::prepare().await else { return };
    let Some(setup) = ground.with_redis() else { return };
    let (mut a, mut b) = tokio::join!(ground.serve(&setup), ground.serve(&setup));
    let body = query();
    let held = ground.hold().await;
    let (mut client, asked) = (b.client(None), body.clone());
    let early = tokio::spawn(async move { gateway::ask(&mut client, &asked).await });
    until("its statement waits", async || (ground.waiting().await == 1, ())).await;
    assert_eq!(a.purge().await.status, 200);
    let began = Instant::now();
    let (mut client, asked) = (b.client(None), body.clone());
    let late = tokio::spawn(async move { gateway::ask(&mut client, &asked).await });
    past(began, Duration::from_millis(100)).await;
    held.change(2).await;
    let early = early.await.expect("it is answered");
    assert!(early.cache.contains("moved") && !early.cache.contains("stored"), "{}", early.cache);
    assert_eq!(late.await.expect("it is answered").version(), 2);
    assert_eq!(a.ask(&body).await.version(), 2);
    assert_eq!(b.ask(&body).await.version(), 2);
    ground.remove().await;
}
