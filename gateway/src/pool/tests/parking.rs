//! Connections whose users wait for something else.

use std::{sync::Arc, time::Duration};

use super::fake::{Fake, demand, pool, settings, until};
use crate::{
    pool::Pool,
    query::Priority::{Interactive, Normal},
};

#[tokio::test]
async fn a_parked_connection_can_be_taken_up_again() {
    let (pool, server) = pool(settings(1));
    let parked = pool.checkout(&demand(Normal)).await.unwrap().park();
    assert_eq!((pool.snapshot().parked, pool.snapshot().in_use), (1, 0));
    parked.resume().expect("nobody wanted it").done();
    assert_eq!(server.said(), Vec::<String>::new());
}

#[tokio::test]
async fn whoever_needs_it_takes_a_parked_connection_and_its_cursor_is_closed_first() {
    let (pool, server) = pool(settings(1));
    let parked = pool.checkout(&demand(Normal)).await.unwrap().park();
    let lease = pool.checkout(&demand(Interactive)).await.unwrap();
    assert_eq!(server.said(), ["reset 0"]);
    assert!(parked.resume().is_none());
    // Parked by another one, it is not the first one's.
    let other = lease.park();
    assert_eq!(pool.snapshot().counters.reclaimed, 1);
    other.resume().unwrap().done();
}

#[tokio::test]
async fn a_ticket_is_good_for_one_parking_only() {
    let (pool, _) = pool(settings(1));
    let first = pool.checkout(&demand(Normal)).await.unwrap().park();
    let second = pool.checkout(&demand(Normal)).await.unwrap().park();
    assert!(first.resume().is_none(), "the same connection, but another parking");
    assert!(second.resume().is_some());
}

#[tokio::test]
async fn parking_that_nobody_ends_is_reset_and_free() {
    let (pool, server) = pool(settings(1));
    drop(pool.checkout(&demand(Normal)).await.unwrap().park());
    until(&pool, |now| now.idle == 1).await;
    assert_eq!(server.said(), ["reset 0"]);
}

/// Every query opens a cursor in one pool and then needs the other one, half of them the other way round.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn queries_that_cross_two_pools_of_one_connection_do_not_wait_for_each_other() {
    async fn query(cursor: Arc<Pool<Fake>>, other: Arc<Pool<Fake>>) {
        let mut lease = cursor.checkout(&demand(Normal)).await.unwrap();
        for _ in 0..3 {
            let parked = lease.park();
            other.checkout(&demand(Normal)).await.unwrap().done();
            lease = match parked.resume() {
                Some(lease) => lease,
                None => cursor.checkout(&demand(Normal)).await.unwrap(),
            };
        }
        lease.done();
    }
    let ((vectors, vector_server), (graph, graph_server)) = (pool(settings(1)), pool(settings(1)));
    let queries = (0..100).map(|number| {
        let (a, b) = (vectors.clone(), graph.clone());
        tokio::spawn(if number % 2 == 0 { query(a, b) } else { query(b, a) })
    });
    let all = futures_util::future::join_all(queries.collect::<Vec<_>>());
    let all = tokio::time::timeout(Duration::from_secs(60), all).await.expect("nobody waits for ever");
    all.into_iter().for_each(|query| query.unwrap());
    assert_eq!((vector_server.open_count(), graph_server.open_count()), (1, 1));
}
