//! Connections whose users left without a word, and backends that fail.

use std::{
    sync::atomic::Ordering::SeqCst,
    time::{Duration, Instant},
};

use super::fake::{demand, pool, settings, until};
use crate::{
    backend::ErrorKind,
    pool::{BreakerSettings, BreakerState, PoolError, Settings},
    query::Priority::Normal,
};

#[tokio::test]
async fn a_connection_in_doubt_is_killed_checked_and_reset_before_it_is_used_again() {
    let (pool, server) = pool(settings(1));
    drop(pool.checkout(&demand(Normal)).await.unwrap());
    assert_eq!(pool.snapshot().in_doubt, 1, "it counts until it answers");
    let lease = pool.checkout(&demand(Normal)).await.unwrap();
    assert_eq!(lease.number, 0);
    assert_eq!(server.said(), ["kill 0", "check 0", "reset 0"]);
    lease.done();
    assert_eq!(pool.snapshot().counters.cancelled, 1);
}

#[tokio::test]
async fn the_kill_may_hit_one_check() {
    let (pool, server) = pool(settings(1));
    let lease = pool.checkout(&demand(Normal)).await.unwrap();
    server.failing_checks.store(1, SeqCst);
    drop(lease);
    until(&pool, |now| now.idle == 1).await;
    assert_eq!(server.said(), ["kill 0", "check 0", "check 0", "reset 0"]);
}

#[tokio::test]
async fn a_connection_that_stays_in_doubt_is_closed() {
    let (pool, server) = pool(settings(1));
    let lease = pool.checkout(&demand(Normal)).await.unwrap();
    server.mute.lock().unwrap().insert(0);
    drop(lease);
    let lease = pool.checkout(&demand(Normal)).await.unwrap();
    assert_eq!(lease.number, 1);
    lease.done();
    assert_eq!(server.said(), ["kill 0", "check 0", "check 0", "close 0"]);
    assert_eq!(server.most.load(SeqCst), 1, "the new one was opened after the old one was closed");
}

#[tokio::test]
async fn a_thousand_clients_that_leave_leak_nothing() {
    let (pool, server) = pool(settings(8));
    let clients = (0..1_000_u32).map(|client| {
        let pool = pool.clone();
        tokio::spawn(async move {
            let asked = demand(Normal);
            let work = async {
                let lease = pool.checkout(&asked).await.unwrap();
                tokio::time::sleep(Duration::from_millis(3)).await;
                lease.done();
            };
            // Some leave in the queue, some in mid-query, some not at all.
            let _ = tokio::time::timeout(Duration::from_millis(u64::from(client % 40)), work).await;
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    until(&pool, |now| now.idle == now.total()).await;
    assert!(server.most.load(SeqCst) <= 8);
    assert_eq!(server.open_count(), pool.snapshot().idle);
}

#[tokio::test]
async fn clients_that_leave_do_not_open_the_breaker_and_failures_do() {
    let breaker = BreakerSettings {
        min_calls: 10,
        window: Duration::from_secs(600),
        failure_ratio: 0.5,
        slow_call: Duration::from_secs(600),
        slow_ratio: 1.0,
        open: Duration::from_millis(50),
        max_open: Duration::from_millis(50),
        probes: 2,
    };
    let (pool, server) = pool(Settings { breaker, ..settings(2) });
    for _ in 0..40 {
        drop(pool.checkout(&demand(Normal)).await.unwrap());
    }
    assert_eq!(pool.snapshot().breaker, BreakerState::Closed);
    for failure in 0..10 {
        let lease = pool.checkout(&demand(Normal)).await.unwrap();
        if failure % 2 == 0 { lease.failed() } else { lease.broken() }
    }
    assert_eq!(pool.snapshot().breaker, BreakerState::Open);
    let error = pool.checkout(&demand(Normal)).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, PoolError::BreakerOpen { .. }), "{error}");
    let error = error.into_backend_error(pool.name());
    assert_eq!((error.kind, error.retry_after.is_some()), (ErrorKind::Unavailable, true));
    let given_up = Instant::now() + Duration::from_secs(30);
    while pool.snapshot().breaker != BreakerState::Closed {
        if let Ok(lease) = pool.checkout(&demand(Normal)).await {
            lease.done();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(Instant::now() < given_up, "it closes again");
    }
    until(&pool, |now| now.idle == now.total()).await;
    assert_eq!(server.open_count(), pool.snapshot().idle);
}
