//! More clients than connections.

use std::time::Duration;

use crate::{
    crowd::{Asking, Crowd},
    ground::Ground,
    support::stores::Setup,
    watch::{self, Neo4jView, PostgresView, until_whole},
};

/// Enough for everybody, however busy the machine.
const LONG: Duration = Duration::from_secs(30);

/// Looks at both servers until the crowd is done. Returns the most connections that each had.
async fn most_connections(crowd: &Crowd, pg: &mut PostgresView, neo4j: &Neo4jView) -> (i64, i64) {
    let mut most = (0, 0);
    while !crowd.is_done() {
        most = (most.0.max(pg.connections("true").await), most.1.max(neo4j.connections().await));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    most
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn five_hundred_clients_share_eight_connections() {
    let Some(ground) = Ground::shared().await else { return };
    let _turn = ground.turn().await;
    let served = ground.stores.serve_as(&Setup { pool: "min = 0\nmax = 8", ..Setup::default() }).await;
    let mut pg = PostgresView::of(&ground.stores.postgres()).await;
    let neo4j = Neo4jView::of(&ground.neo4j.url);
    let crowd = Crowd::start(&served, 500, 2, Asking::within(LONG));
    let most = most_connections(&crowd, &mut pg, &neo4j).await;
    let counts = crowd.finish().await;
    println!("500 clients: {counts:?}, at most {most:?} connections");
    assert_eq!(counts.right + counts.errors(), 1_000);
    assert!(counts.right >= 500, "{counts:?}");
    assert!((2..=8).contains(&most.0) && (2..=8).contains(&most.1), "{most:?}");
    until_whole(&served).await;
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn plans_that_cross_do_not_block_each_other_on_pools_of_one() {
    let Some(ground) = Ground::shared().await else { return };
    let _turn = ground.turn().await;
    let served = ground.stores.serve_as(&Setup { pool: "min = 0\nmax = 1", ..Setup::default() }).await;
    let mut pg = PostgresView::of(&ground.stores.postgres()).await;
    let neo4j = Neo4jView::of(&ground.neo4j.url);
    // The search through the index holds a cursor of Postgres while Neo4j is asked.
    let plans = [("vector-first", false), ("parallel", true), ("graph-first", true)];
    let crowds =
        plans.map(|(plan, exact)| Crowd::start(&served, 17, 3, Asking { deadline: LONG, plan: Some(plan), exact }));
    for ((plan, _), crowd) in plans.into_iter().zip(crowds) {
        let most = most_connections(&crowd, &mut pg, &neo4j).await;
        let counts = crowd.finish().await;
        println!("{plan}: {counts:?}, at most {most:?} connections");
        assert!(counts.right >= 17 && counts.failed == 0, "{plan}: {counts:?}");
        assert!(most.0 <= 1 && most.1 <= 1, "{most:?}");
    }
    let counters = watch::pool(&served, "pg").await["counters"].clone();
    println!("pg: {counters}");
    assert!(counters["parked"].as_u64().is_some_and(|parked| parked > 0), "no cursor was open: {counters}");
    assert!(counters["reclaimed"].as_u64().is_some_and(|taken| taken > 0), "nobody needed its connection: {counters}");
    until_whole(&served).await;
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_pool_is_resized_while_clients_ask() {
    let Some(ground) = Ground::shared().await else { return };
    let _turn = ground.turn().await;
    let served = ground.stores.serve_as(&Setup { pool: "min = 0\nmax = 8", ..Setup::default() }).await;
    let mut pg = PostgresView::of(&ground.stores.postgres()).await;
    let crowd = Crowd::start(&served, 50, usize::MAX, Asking::within(LONG));
    watch::until("it grows", async || pg.connections("true").await, |seen| *seen > 2).await;
    watch::resize(&served, "pg", 2).await;
    watch::until("it shrinks", async || pg.connections("true").await, |seen| *seen <= 2).await;
    let before = crowd.counts();
    let answered = async || (pg.connections("true").await, crowd.counts().since(before).right);
    let seen = watch::until("it answers", answered, |(connections, right)| *connections > 2 || *right >= 100).await;
    assert!(seen.0 <= 2, "{seen:?}");
    watch::resize(&served, "pg", 6).await;
    watch::until("it grows again", async || pg.connections("true").await, |seen| *seen > 2).await;
    let counts = crowd.stop().await;
    assert_eq!(counts.errors(), 0, "{counts:?}");
    until_whole(&served).await;
    served.stop().await;
}
