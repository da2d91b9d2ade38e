//! One Redis that is killed, frozen, slow, emptied or full.

use std::time::Duration;

use forebay::{
    cache::{FarTier as _, LookupOutcome, StoreOutcome, l2::Leased},
    config::{L2Config, RedisTopology},
};
use redis::Value;

use super::{
    ground::*,
    support::{
        private_server::PrivateServer,
        proxy::{Fault, FaultProxy},
    },
};

/// The configuration of a server that is harmed: look-ups have the time that a healthy one needs on a busy machine.
fn of(url: &str) -> L2Config {
    L2Config { budget_ms: 150, ..at(vec![url.to_owned()], RedisTopology::Standalone) }
}

/// Nothing is found, and nobody is kept from going on: look-ups fail until they are skipped, whoever wants to fill does.
async fn is_away(tier: &forebay::cache::l2::RedisTier) {
    let mut skipped = 0;
    for _ in 0..30 {
        match get(tier, &sought()).await {
            Err(LookupOutcome::Skipped) => skipped += 1,
            Err(LookupOutcome::TooSlow | LookupOutcome::Failed) => {}
            other => panic!("it is away: {other:?}"),
        }
        let sought = sought();
        let Leased::Fill { lease: None, outcome, waited: false } = lease(tier, &sought, AMPLE).await else {
            panic!("it is away")
        };
        assert!(
            matches!(outcome, LookupOutcome::Skipped | LookupOutcome::TooSlow | LookupOutcome::Failed),
            "{outcome:?}"
        );
        tier.put(sought, answer("lost"));
    }
    assert!(skipped > 0, "it is left alone for a while");
    tier.flush().await;
    let counted = tier.statistics();
    assert_eq!(counted.queued, 0, "{counted:?}");
    assert!(counted.failed > 0, "{counted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_it_is_a_miss_and_back_again_it_has_what_it_kept() {
    let Some(mut server) = PrivateServer::redis(&[]) else { return };
    let (tier, sought) = (tier(&of(&server.url)), sought());
    keep(&tier, &sought, "kept").await;
    server.signal("KILL");
    server.wait_for_end();
    is_away(&tier).await;
    server.restart();
    recovers(&tier, &sought, "kept").await;
    recovers(&tier, &super::ground::sought(), "new").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frozen_it_is_a_miss_in_time_and_afterwards_all_is_well() {
    let Some(server) = PrivateServer::redis(&[]) else { return };
    let (tier, sought) = (tier(&of(&server.url)), sought());
    keep(&tier, &sought, "kept").await;
    server.signal("STOP");
    is_away(&tier).await;
    server.signal("CONT");
    recovers(&tier, &sought, "kept").await;
    recovers(&tier, &super::ground::sought(), "new").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_it_is_skipped_and_quick_again_it_is_asked() {
    let Some(server) = PrivateServer::redis(&[]) else { return };
    let proxy = FaultProxy::before(&server.url).await;
    let (tier, sought) = (tier(&of(&proxy.url)), sought());
    keep(&tier, &sought, "kept").await;
    for fault in [Fault::Delay(Duration::from_millis(600)), Fault::BlackHole, Fault::Refuse, Fault::Reset] {
        proxy.set(fault);
        let mut skipped = false;
        for _ in 0..30 {
            let found = get(&tier, &sought).await;
            assert!(found.is_err(), "{fault:?}: {found:?}");
            skipped |= found == Err(LookupOutcome::Skipped);
        }
        assert!(skipped, "{fault:?}");
        proxy.set(Fault::Pass);
        recovers(&tier, &sought, "kept").await;
        assert!(tier.is_available(), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_comes_too_late_is_given_back() {
    let Some(server) = PrivateServer::redis(&[]) else { return };
    let proxy = FaultProxy::before(&server.url).await;
    let through = of(&proxy.url);
    let (late, sought) = (tier(&through), sought());
    // Connected, and the server knows the script.
    drop(lease(&late, &super::ground::sought(), AMPLE).await);
    proxy.set(Fault::Delay(Duration::from_millis(400)));
    let filled = lease(&late, &sought, AMPLE).await;
    assert!(matches!(filled, Leased::Fill { lease: None, outcome: LookupOutcome::TooSlow, waited: false }));
    proxy.set(Fault::Pass);
    let name = name(&through, &sought.key, 'l');
    let direct = of(&server.url);
    let mut left = ask::<i64>(&direct, &[b"PTTL", &name]).await;
    assert!(left > 0, "Redis gave it");
    loop {
        match ask::<i64>(&direct, &[b"PTTL", &name]).await {
            more if more > left => panic!("it is renewed, and nobody has it"),
            less if less > 0 => left = less,
            _ => break,
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(left > 500, "it was not given back but lapsed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emptied_it_is_a_miss_and_a_holder_of_a_lost_lease_does_not_write() {
    let Some(server) = PrivateServer::redis(&[]) else { return };
    let config = at(vec![server.url.clone()], RedisTopology::Standalone);
    let (tier, kept, filled) = (tier(&config), sought(), sought());
    keep(&tier, &kept, "kept").await;
    let Leased::Fill { lease: Some(lease), .. } = lease(&tier, &filled, Duration::ZERO).await else {
        panic!("a lease")
    };
    let _: Value = ask(&config, &[b"FLUSHALL"]).await;
    assert_eq!(get(&tier, &kept).await, Err(LookupOutcome::Miss));
    assert_eq!(lease.store(answer("whose?")), StoreOutcome::Stored);
    tier.flush().await;
    assert_eq!(get(&tier, &filled).await, Err(LookupOutcome::Miss));
    recovers(&tier, &filled, "new").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_it_is_read_and_nobody_waits_for_it() {
    let Some(server) = PrivateServer::redis(&["maxmemory-policy=noeviction"]) else { return };
    let config = at(vec![server.url.clone()], RedisTopology::Standalone);
    let (tier, sought) = (tier(&config), sought());
    keep(&tier, &sought, "kept").await;
    let _: Value = ask(&config, &[b"CONFIG", b"SET", b"maxmemory", b"1"]).await;
    for _ in 0..20 {
        tier.put(super::ground::sought(), answer("no room"));
        tier.flush().await;
        assert_eq!(get(&tier, &sought).await.as_deref(), Ok("kept"));
        let Leased::Found { .. } = lease(&tier, &sought, AMPLE).await else { panic!("it is there") };
        let none = lease(&tier, &super::ground::sought(), AMPLE).await;
        assert!(matches!(none, Leased::Fill { lease: None, outcome: LookupOutcome::Miss, waited: false }));
    }
    let counted = tier.statistics();
    assert!(counted.failed > 0 && counted.written == 1, "{counted:?}");
    assert_eq!(tier.put(super::ground::sought(), answer("no room")), StoreOutcome::Unavailable, "it is left alone");
    let _: Value = ask(&config, &[b"CONFIG", b"SET", b"maxmemory", b"0"]).await;
    recovers(&tier, &super::ground::sought(), "new").await;
}
