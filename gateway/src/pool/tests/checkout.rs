//! Getting a connection, or not.

use std::{
    sync::{Arc, Mutex, atomic::Ordering::SeqCst},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::fake::{Server, demand, over, pool, settings, until};
use crate::{
    backend::{CallContext, Urgency},
    pool::{Demand, Lease, Pool, PoolError, RefusalKind, ResizeError, Settings, WaitHistogram},
    query::Priority::{Batch, Interactive, Normal},
};

#[tokio::test]
async fn a_connection_that_comes_back_is_used_again() {
    let (pool, server) = pool(settings(4));
    for _ in 0..10 {
        pool.checkout(&demand(Normal)).await.unwrap().done();
    }
    assert_eq!(server.open_count(), 1);
    assert_eq!(server.said(), Vec::<String>::new(), "nothing was open on it, so nothing had to be reset");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_clients_never_exceed_the_maximum_and_all_are_served() {
    let (pool, server) = pool(settings(8));
    let clients = (0..500).map(|client: usize| {
        let pool = pool.clone();
        tokio::spawn(async move {
            let class = [Interactive, Normal, Batch][client % 3];
            for _ in 0..20 {
                let lease = pool.checkout(&demand(class)).await.unwrap();
                tokio::task::yield_now().await;
                lease.done();
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    assert!(server.most.load(SeqCst) <= 8, "{}", server.most.load(SeqCst));
    let now = pool.snapshot();
    assert_eq!((now.in_use, now.waiting, now.idle), (0, [0; 3], server.open_count()));
    assert_eq!(now.counters.waits.iter().map(WaitHistogram::count).sum::<u64>(), 10_000);
}

#[tokio::test]
async fn a_waiter_that_goes_away_frees_its_place_wherever_it_was() {
    let server = Server { gate: Some(Semaphore::new(0)), ..Server::default() };
    let (pool, server) = over(server, settings(1));
    // While the connection is opened.
    let waiter = tokio::spawn({
        let pool = pool.clone();
        async move { pool.checkout(&demand(Normal)).await.map(|_| ()) }
    });
    until(&pool, |now| now.waiting == [0, 1, 0] && now.connecting == 1).await;
    waiter.abort();
    until(&pool, |now| now.waiting == [0; 3]).await;
    server.gate.as_ref().unwrap().add_permits(1);
    until(&pool, |now| now.idle == 1).await;
    // While somebody else has it.
    let lease = pool.checkout(&demand(Normal)).await.unwrap();
    let waiter = tokio::spawn({
        let pool = pool.clone();
        async move { pool.checkout(&demand(Normal)).await.map(|_| ()) }
    });
    until(&pool, |now| now.waiting == [0, 1, 0]).await;
    waiter.abort();
    until(&pool, |now| now.waiting == [0; 3]).await;
    // When the connection is on its way to it already.
    let waiting_demand = demand(Normal);
    let mut waiting = Box::pin(pool.checkout(&waiting_demand));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    lease.done();
    assert_eq!(pool.snapshot().in_use, 1);
    drop(waiting);
    assert_eq!((pool.snapshot().in_use, pool.snapshot().idle), (0, 1));
    assert_eq!((server.open_count(), server.said()), (1, vec![]), "nobody has touched it, so it is not in doubt");
}

#[tokio::test]
async fn nobody_waits_beyond_its_deadline() {
    let (pool, _) = pool(settings(1));
    let lease = pool.checkout(&demand(Normal)).await.unwrap();
    let short = Demand { deadline: Instant::now() + Duration::from_millis(30), ..demand(Normal) };
    assert!(matches!(pool.checkout(&short).await, Err(PoolError::DeadlineExceeded | PoolError::TooLate { .. })));
    lease.done();
    assert_eq!(pool.snapshot().waiting, [0; 3]);
    let over = Demand { deadline: Instant::now(), ..demand(Normal) };
    assert!(matches!(pool.checkout(&over).await, Err(PoolError::DeadlineExceeded)));
}

#[tokio::test]
async fn what_cannot_be_done_in_time_is_refused_at_once_with_the_prediction() {
    let (pool, _) = pool(settings(1));
    let long = Demand { predicted: Duration::from_secs(100), ..demand(Normal) };
    let lease = pool.checkout(&long).await.unwrap();
    let short = Demand { deadline: Instant::now() + Duration::from_secs(50), ..demand(Normal) };
    match pool.checkout(&short).await.map(|_| ()).unwrap_err() {
        PoolError::TooLate { left, wait, work } => {
            assert!(left <= Duration::from_secs(50) && wait > left, "{left:?} {wait:?}");
            assert_eq!(work, Duration::from_millis(1));
        }
        other => panic!("{other}"),
    }
    assert_eq!(pool.snapshot().counters.refused[RefusalKind::TooLate as usize], 1);
    lease.done();
}

#[tokio::test]
async fn a_backend_that_cannot_be_reached_is_an_error_and_not_a_wait() {
    let (pool, server) = pool(settings(4));
    server.refuses.store(true, SeqCst);
    for _ in 0..3 {
        assert!(matches!(pool.checkout(&demand(Normal)).await, Err(PoolError::Connect(_))));
    }
    let error = pool.checkout(&demand(Normal)).await.map(|_| ()).unwrap_err();
    assert!(matches!(&error, PoolError::Connect(error) if error.retry_after.is_some()), "{error}");
    server.refuses.store(false, SeqCst);
    let mut tries = 0;
    while pool.checkout(&demand(Normal)).await.map(Lease::done).is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
        tries += 1;
        assert!(tries < 2_000);
    }
}

#[tokio::test]
async fn a_connector_that_panics_costs_no_place() {
    let (pool, server) = pool(settings(1));
    server.panics.store(true, SeqCst);
    assert!(matches!(pool.checkout(&demand(Normal)).await, Err(PoolError::Connect(_))));
    assert_eq!(pool.snapshot().total(), 0);
}

#[tokio::test]
async fn a_pool_keeps_its_least_and_ends_with_its_last_user() {
    let (pool, server) = pool(Settings { min: 3, ..settings(8) });
    until(&pool, |now| now.idle == 3).await;
    assert_eq!(server.open_count(), 3);
    let keeper = Arc::downgrade(&pool);
    drop(pool);
    assert!(keeper.upgrade().is_none(), "the task that keeps its times does not keep it");
    assert_eq!(server.open_count(), 0);
}

#[tokio::test]
async fn idle_connections_are_closed_and_none_stays_where_none_is_kept() {
    let (pool, server) = pool(Settings { idle_timeout: Duration::from_millis(20), ..settings(8) });
    let leases = [pool.checkout(&demand(Normal)).await.unwrap(), pool.checkout(&demand(Normal)).await.unwrap()];
    leases.into_iter().for_each(Lease::done);
    until(&pool, |now| now.total() == 0).await;
    assert_eq!((server.open_count(), pool.snapshot().counters.shrunk), (0, 2));
}

#[tokio::test]
async fn a_pool_can_be_resized_while_it_runs() {
    let (pool, server) = pool(settings(1));
    let first = pool.checkout(&demand(Normal)).await.unwrap();
    let waiting_demand = demand(Normal);
    let second = pool.checkout(&waiting_demand);
    pool.resize(0, 2).unwrap();
    let second = second.await.unwrap();
    pool.resize(0, 1).unwrap();
    first.done();
    assert_eq!(server.open_count(), 1, "the one too many is closed when it comes back");
    second.done();
    assert_eq!(server.open_count(), 1);
    assert_eq!(pool.resize(0, 0), Err(ResizeError::MaxIsZero));
    assert_eq!(pool.resize(3, 2), Err(ResizeError::MinAboveMax { min: 3, max: 2 }));
    pool.resize(2, 2).unwrap();
    until(&pool, |now| now.idle == 2).await;
}

#[tokio::test]
async fn a_closed_pool_sends_everybody_away() {
    let (pool, server) = pool(settings(1));
    let lease = pool.checkout(&demand(Normal)).await.unwrap();
    let waiter = tokio::spawn({
        let pool: Arc<Pool<_>> = pool.clone();
        async move { pool.checkout(&demand(Batch)).await.map(|_| ()) }
    });
    until(&pool, |now| now.waiting == [0, 0, 1]).await;
    pool.close();
    assert!(matches!(waiter.await.unwrap(), Err(PoolError::Closed)));
    assert!(matches!(pool.checkout(&demand(Normal)).await, Err(PoolError::Closed)));
    lease.done();
    assert_eq!((server.open_count(), pool.snapshot().total()), (0, 0));
}

#[tokio::test]
async fn a_connection_that_was_idle_for_long_is_checked_first() {
    let (pool, server) = pool(Settings { check_after_idle: Duration::ZERO, ..settings(2) });
    pool.checkout(&demand(Normal)).await.unwrap().done();
    pool.checkout(&demand(Normal)).await.unwrap().done();
    assert_eq!(server.said(), ["check 0"]);
    server.mute.lock().unwrap().insert(0);
    let lease = pool.checkout(&demand(Normal)).await.unwrap();
    assert_eq!(lease.number, 1, "one that does not answer is replaced");
    assert_eq!(server.said(), ["check 0", "close 0"]);
    lease.done();
}

#[tokio::test]
async fn a_call_that_becomes_more_urgent_while_it_waits_overtakes() {
    let (pool, _) = pool(settings(1));
    let held = pool.checkout(&demand(Batch)).await.unwrap();
    let (urgency, order) = (Urgency::shared(Batch), Arc::new(Mutex::new(Vec::new())));
    let queue = |name: &'static str, priority: Urgency| {
        let (pool, order) = (pool.clone(), order.clone());
        let ctx = CallContext {
            priority,
            tenant: None,
            deadline: Instant::now() + Duration::from_secs(60),
            cancelled: CancellationToken::new(),
            request_id: "test".into(),
        };
        tokio::spawn(async move {
            let lease = pool.checkout_for(&ctx, Duration::from_millis(1)).await.unwrap();
            order.lock().unwrap().push(name);
            lease.done();
        })
    };
    let before: Vec<_> = (0..6).map(|_| queue("batch", Batch.into())).collect();
    until(&pool, |now| now.waiting == [0, 0, 6]).await;
    let raised = queue("raised", urgency.clone());
    until(&pool, |now| now.waiting == [0, 0, 7]).await;
    urgency.raise(Interactive);
    until(&pool, |now| now.waiting == [1, 0, 6]).await;
    held.done();
    for client in before.into_iter().chain([raised]) {
        client.await.unwrap();
    }
    // What batch work holds the connection for counts against batch.
    assert!(order.lock().unwrap()[..2].contains(&"raised"), "{order:?}");
}
