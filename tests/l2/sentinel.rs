//! Redis under Sentinel, whose master is gone.

use std::time::{Duration, Instant};

use forebay::{
    cache::{FarTier as _, LookupOutcome, l2::Leased},
    config::{L2Config, RedisTopology},
};
use redis::Value;

use super::{ground::*, support::private_server::PrivateServer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_the_new_master_is_asked_and_written_to() {
    let Some(server) = PrivateServer::redis_sentinel(&[]) else { return };
    let config = L2Config { budget_ms: 150, ..under_sentinel(&server.url) };
    let (tier, sought) = (tier(&config), sought());
    keep(&tier, &sought, "kept").await;
    server.member("server-1").signal("KILL");
    // Whether the replica has got it before is not promised.
    let begun = Instant::now();
    while matches!(
        get(&tier, &sought).await,
        Err(LookupOutcome::TooSlow | LookupOutcome::Failed | LookupOutcome::Skipped)
    ) {
        assert!(begun.elapsed() < 6 * AMPLE, "no failover");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    recovers(&tier, &sought, "kept").await;
    recovers(&tier, &super::ground::sought(), "new").await;
    assert!(matches!(lease(&tier, &super::ground::sought(), AMPLE).await, Leased::Fill { lease: Some(_), .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_became_a_replica_is_left_for_the_new_one() {
    let Some(server) = PrivateServer::redis_sentinel(&[]) else { return };
    let config = L2Config { budget_ms: 150, ..under_sentinel(&server.url) };
    let tier = tier(&config);
    keep(&tier, &sought(), "kept").await;
    let sentinel = server.member("sentinel-1").port;
    let at_sentinel = at(vec![format!("redis://127.0.0.1:{sentinel}")], RedisTopology::Standalone);
    let _: Value = ask(&at_sentinel, &[b"SENTINEL", b"FAILOVER", b"mymaster"]).await;
    let begun = Instant::now();
    // Both of them serve all the time.
    while ask::<Vec<Vec<u8>>>(&at_sentinel, &[b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", b"mymaster"]).await[1]
        == server.member("server-1").port.to_string().as_bytes()
    {
        assert!(begun.elapsed() < 6 * AMPLE, "no failover");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let counted = tier.statistics();
    while tier.statistics().written == counted.written {
        assert!(begun.elapsed() < 6 * AMPLE, "nothing is written: {:?}", tier.statistics());
        tier.put(sought(), answer("after it"));
        tier.flush().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    recovers(&tier, &sought(), "new").await;
    assert!(matches!(lease(&tier, &sought(), AMPLE).await, Leased::Fill { lease: Some(_), .. }));
}
