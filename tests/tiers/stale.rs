//! How old an answer may be, and whose.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    gateway::{self, until},
    ground::{Ground, Setup, past, query},
    support::proxy::{Fault, FaultProxy},
};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_answer_is_served_at_once_while_a_new_one_is_made() {
    let Some(ground) = Ground::prepare().await else { return };
    let Some(setup) = ground.with_redis() else { return };
    let cache = "max_ttl_ms = 300\nstale_while_revalidate_ms = 60000\n".into();
    let mut gateway = ground.serve(&Setup { cache, l3: ground.l3(), ..setup }).await;
    let (body, began) = (query(), Instant::now());
    assert_eq!(gateway.ask(&body).await.version(), 1);
    let made = Instant::now();
    let held = ground.hold().await;
    past(made, ms(301)).await;
    // It comes although nothing can be made now.
    let stale = gateway.ask(&body).await;
    assert!(made.elapsed() >= ms(300) && began.elapsed() < Duration::from_secs(30));
    assert_eq!(stale.version(), 1);
    assert!(stale.cache.contains("hit; ttl=-") && stale.cache.contains("stale-while-revalidate"), "{}", stale.cache);
    held.change(2).await;
    until("the new one is there", async || {
        let reply = gateway.ask(&body).await;
        (reply.version() == 2, reply)
    })
    .await;
    ground.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_backend_fails_a_stale_answer_is_served_for_a_while_and_an_error_after_that() {
    let Some(ground) = Ground::prepare().await else { return };
    let Some(setup) = ground.with_redis() else { return };
    let proxy = FaultProxy::before(&ground.url).await;
    let (ttl, window) = (ms(300), ms(2500));
    let cache = "max_ttl_ms = 300\nstale_while_revalidate_ms = 0\nstale_if_error_ms = 2500\n".into();
    let more = "[backends.pg.breaker]\nopen_ms = 50\nmax_open_ms = 100\n".into();
    let setup = Setup { cache, url: proxy.url.clone(), more, ..setup };
    // Two gateways: one has it in memory, the other in Redis alone.
    let (mut near, mut far) = tokio::join!(ground.serve(&setup), ground.serve(&setup));
    let (body, purged) = (query(), query());
    let began = Instant::now();
    assert_eq!(near.ask(&body).await.version(), 1);
    let made = Instant::now();
    proxy.set(Fault::Refuse);
    past(made, ttl).await;
    let mut excused = [0, 0];
    while began.elapsed() < ttl + window + ms(1) {
        let (asked, replies) = (Instant::now(), [near.ask(&body).await, far.ask(&body).await]);
        for (reply, excused) in replies.iter().zip(&mut excused) {
            // Only before the end of the window was it sure to be within.
            if asked.elapsed() + asked.duration_since(began) < ttl + window {
                assert_eq!(reply.version(), 1, "{}", reply.cache);
                assert!(reply.cache.contains("stale-if-error"), "{}", reply.cache);
                *excused += 1;
            }
        }
        tokio::time::sleep(ms(20)).await;
    }
    assert!(excused.iter().all(|excused| *excused > 3), "{excused:?}");
    past(made, ttl + window).await;
    for gateway in [&mut near, &mut far] {
        let reply = gateway.ask(&body).await;
        assert!(reply.status == 502 || reply.status == 503, "{}: {}", reply.status, reply.json());
        assert!(["backend-failed", "backend-unavailable"].contains(&&*reply.code()), "{}", reply.json());
    }
    proxy.set(Fault::Pass);
    for gateway in [&mut near, &mut far] {
        until("it answers again", async || {
            let reply = gateway.ask(&purged).await;
            (reply.status == 200, reply)
        })
        .await;
    }
    // What was purged is no excuse.
    assert_eq!(near.purge().await.status, 200);
    proxy.set(Fault::Refuse);
    for gateway in [&mut near, &mut far] {
        let reply = gateway.ask(&purged).await;
        assert_ne!(reply.status, 200, "{}", reply.cache);
    }
    ground.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_many_want_is_made_anew_before_its_time_is_over() {
    let Some(ground) = Ground::prepare().await else { return };
    let proxy = FaultProxy::before(&ground.url).await;
    let cache = "max_ttl_ms = 1500\nstale_while_revalidate_ms = 0\nstale_if_error_ms = 0\n".into();
    let mut gateway = ground.serve(&Setup { cache, url: proxy.url.clone(), ..ground.alone() }).await;
    // Dear enough to be worth it.
    proxy.set(Fault::Delay(ms(30)));
    until("one is made early", async || {
        let body = query();
        assert_eq!(gateway.ask(&body).await.version(), 1);
        let before = gateway.calls().await;
        loop {
            let reply = gateway.ask(&body).await;
            assert_eq!(reply.version(), 1);
            // Too late: whoever comes makes it.
            if !reply.cache.starts_with("forebay-l1; hit; ttl=") {
                return (false, reply);
            }
            // It was made anew, and nobody waited.
            if gateway.calls().await > before {
                return (true, reply);
            }
            tokio::time::sleep(ms(10)).await;
        }
    })
    .await;
    ground.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_items_has_a_time_to_live_of_its_own_in_every_tier() {
    let Some(ground) = Ground::prepare().await else { return };
    let Some(setup) = ground.with_redis() else { return };
    let cache = format!("{}empty_ttl_ms = 700\n", setup.cache);
    let setup = Setup { cache, l3: ground.l3(), ..setup };
    let (mut a, mut b) = tokio::join!(ground.serve(&setup), ground.serve(&setup));
    let (full, mut empty) = (query(), query());
    empty["filter"]["version"] = json!(2);
    let began = Instant::now();
    for _ in 0..2 {
        let reply = a.ask(&empty).await;
        assert_eq!(reply.json()["items"], json!([]));
    }
    assert_eq!(a.ask(&full).await.version(), 1);
    ground.set_version(2).await;
    past(began, ms(1)).await;
    let made = Instant::now();
    past(made, ms(701)).await;
    for gateway in [&mut a, &mut b] {
        assert_eq!(gateway.ask(&empty).await.version(), 2);
        assert_eq!(gateway.ask(&full).await.version(), 1, "the other one lives on");
    }
    ground.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_wish_for_the_cache_is_heard_by_all_tiers() {
    let Some(ground) = Ground::prepare().await else { return };
    let Some(setup) = ground.with_redis() else { return };
    let setup = Setup { l3: ground.l3(), ..setup };
    let (mut a, mut b) = tokio::join!(ground.serve(&setup), ground.serve(&setup));
    let body = query();
    let before = a.calls().await;
    let none = a.ask_with(&body, json!({ "cache": "only" })).await;
    assert_eq!((none.status, &*none.code()), (504, "only-if-cached"));
    assert!((a.calls().await - before).abs() < 0.5, "it asks no backend");
    assert_eq!(a.ask(&body).await.version(), 1);
    until("it is in Redis", async || {
        let reply = b.ask_with(&body, json!({ "cache": "only" })).await;
        (reply.is_from("l2"), reply)
    })
    .await;
    ground.set_version(2).await;
    // Older than allowed in every tier.
    let young = b.ask_with(&body, json!({ "max_staleness_ms": 0 })).await;
    assert_eq!(young.version(), 2, "{}", young.cache);
    assert!(young.cache.contains("too-old"), "{}", young.cache);
    assert_eq!(a.ask(&body).await.version(), 1, "who allows it gets what is there");
    let bypassed = a.ask_with(&body, json!({ "cache": "bypass" })).await;
    assert!(bypassed.version() == 2 && !bypassed.cache.contains("stored"), "{}", bypassed.cache);
    ground.set_version(3).await;
    let refreshed = a.ask_with(&body, json!({ "cache": "refresh" })).await;
    assert_eq!(refreshed.version(), 3);
    assert_eq!(a.ask(&body).await.version(), 3, "it took the place of the old one");
    let mut third = ground.serve(&setup).await;
    until("in Redis, too", async || {
        let reply = third.ask_with(&body, json!({ "cache": "only" })).await;
        (reply.is_from("l2") && reply.version() == 3, reply)
    })
    .await;
    ground.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_never_see_each_others_entries_in_any_tier() {
    let Some(ground) = Ground::prepare().await else { return };
    let Some(setup) = ground.with_redis() else { return };
    let principal = |tenant: &str| {
        let digest = Sha256::digest(tenant).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        format!("[[principals]]\nname = \"{tenant}\"\ntoken_sha256 = \"{digest}\"\ntenant = \"{tenant}\"\n")
    };
    let setup = Setup {
        l3: ground.l3(),
        collection: "tenant_filter = { attribute = \"owner\" }".into(),
        more: format!("{}{}", principal("acme"), principal("bolt")),
        ..setup
    };
    let file = ground.write(&setup);
    let (a, b) = tokio::join!(gateway::Gateway::begin(&file), gateway::Gateway::begin(&file));
    let queries: Vec<Value> = (0..10).map(|_| query()).collect();
    let mut from_far = 0;
    for (number, body) in queries.iter().enumerate() {
        let order = if number.is_multiple_of(2) { ["acme", "bolt"] } else { ["bolt", "acme"] };
        for gateway in [&a, &b, &b, &b] {
            for tenant in order {
                let reply = gateway::ask(&mut gateway.client(Some(tenant)), body).await;
                assert_eq!(reply.status, 200, "{}", reply.json());
                from_far += u32::from(reply.is_from("l2"));
                let answer = reply.json();
                let items = answer["items"].as_array().expect("items");
                assert_eq!(items.len(), 5);
                for item in items {
                    let number: u32 = item["id"].as_str().expect("an id")[1..].parse().expect("a number");
                    assert_eq!(if number.is_multiple_of(2) { "acme" } else { "bolt" }, tenant, "{answer}");
                }
            }
        }
    }
    assert!(from_far > 0, "far entries were served");
    ground.remove().await;
}
