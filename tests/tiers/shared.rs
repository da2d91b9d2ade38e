//! What one gateway made is served by another, or by itself after a restart.

use serde_json::json;

use crate::{
    gateway::{Gateway, Reply, until},
    ground::{Ground, Setup, query},
    support::servers,
};

/// Waits until a gateway has an answer without making it.
async fn found(gateway: &mut Gateway, body: &serde_json::Value) -> Reply {
    until("it is found", async || {
        let reply = gateway.ask_with(body, json!({ "cache": "only" })).await;
        (reply.status == 200, reply)
    })
    .await
}

fn assert_same(one: &Reply, other: &Reply) {
    assert_eq!((&one.body, &one.etag), (&other.body, &other.etag));
    assert!(one.etag.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_gateway_made_another_serves_from_redis_and_then_from_memory() {
    let Some(ground) = Ground::prepare().await else { return };
    let Some(setup) = ground.with_redis() else { return };
    let (mut a, mut b) = tokio::join!(ground.serve(&setup), ground.serve(&setup));
    let body = query();
    let made = a.ask(&body).await;
    assert_eq!(made.version(), 1);
    assert!(made.cache.contains("forebay-l2; fwd=miss; stored, forebay-l1; fwd=miss; stored"), "{}", made.cache);
    let before = b.calls().await;
    let first = found(&mut b, &body).await;
    assert!(first.cache.starts_with("forebay-l2; hit; ttl=") && first.cache.ends_with("forebay-l1; fwd=miss"));
    let second = b.ask(&body).await;
    assert!(second.is_from("l2"), "{}", second.cache);
    let third = b.ask(&body).await;
    assert!(third.cache.starts_with("forebay-l1; hit"), "promoted on the second hit: {}", third.cache);
    for reply in [&first, &second, &third] {
        assert_same(&made, reply);
    }
    assert!((b.calls().await - before).abs() < 0.5, "nothing was asked of the backend");
    ground.remove().await;
}

/// What was made before a restart is served after it.
async fn outlives_a_restart(ground: &Ground, setup: &Setup) {
    let mut gateway = ground.serve(setup).await;
    let body = query();
    let made = gateway.ask(&body).await;
    assert!(made.cache.contains("forebay-l3; fwd=miss; stored, "), "{}", made.cache);
    gateway.stop();
    let mut gateway = ground.serve(setup).await;
    let before = gateway.calls().await;
    let found = gateway.ask(&body).await;
    assert!(found.is_from("l3"), "{}", found.cache);
    assert_same(&made, &found);
    assert!((gateway.calls().await - before).abs() < 0.5, "nothing was asked of the backend");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_alone_serves_from_its_folder_what_it_made_before_a_restart() {
    let Some(ground) = Ground::prepare().await else { return };
    outlives_a_restart(&ground, &Setup { l3: ground.l3(), ..ground.alone() }).await;
    ground.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_before_a_restart_counts_after_it() {
    let Some(ground) = Ground::prepare().await else { return };
    let setup = Setup { l3: ground.l3(), ..ground.alone() };
    let mut gateway = ground.serve(&setup).await;
    let body = query();
    assert_eq!(gateway.ask(&body).await.version(), 1);
    ground.set_version(2).await;
    assert_eq!(gateway.purge().await.status, 200);
    // Not in order: what was acknowledged is on the disk.
    gateway.signal("KILL");
    drop(gateway);
    let mut gateway = ground.serve(&setup).await;
    assert_eq!(gateway.ask(&body).await.version(), 2);
    ground.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_share_a_bucket() {
    let Some(ground) = Ground::prepare().await else { return };
    let (Some(setup), Some(s3)) = (ground.with_redis(), servers::s3()) else { return };
    let secret = ground.folder.path().join("secret");
    std::fs::write(&secret, "any\n").expect("written");
    let bucket = format!(
        "url = \"s3://{}/{}\"\nendpoint = {s3:?}\nregion = \"any\"\naccess_key_id = \"any\"\n\
         secret_access_key_file = {secret:?}\nmin_cost_ms = 0\nbudget_ms = 10000",
        servers::S3_BUCKET,
        ground.prefix
    );
    // Redis has the epochs, and none of the entries.
    let cache = format!("{}tiers = [\"l1\", \"l3\"]\n", setup.cache);
    let setup = Setup { l3: bucket, cache, ..setup };
    outlives_a_restart(&ground, &setup).await;
    let (mut a, mut b) = tokio::join!(ground.serve(&setup), ground.serve(&setup));
    let body = query();
    let made = a.ask(&body).await;
    let first = found(&mut b, &body).await;
    assert!(first.cache.starts_with("forebay-l3; hit; ttl="), "{}", first.cache);
    assert_same(&made, &first);
    ground.set_version(2).await;
    assert_eq!(a.purge().await.status, 200);
    for gateway in [&mut a, &mut b] {
        assert_eq!(gateway.ask(&body).await.version(), 2);
    }
    ground.remove().await;
}
