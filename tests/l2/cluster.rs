//! A Cluster, of which a member is gone or replaced.

use std::time::{Duration, Instant};

use forebay::{
    cache::{FarTier as _, LookupOutcome, Sought, StoreOutcome, l2::Leased},
    config::{L2Config, RedisTopology},
};
use redis::Value;

use super::{ground::*, support::private_server::PrivateServer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_node_of_a_cluster_the_others_serve_on() {
    one_node_is_gone("KILL", PrivateServer::restart).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_node_of_a_cluster_is_frozen_the_others_serve_on() {
    one_node_is_gone("STOP", |server| server.member("node-2").signal("CONT")).await;
}

async fn one_node_is_gone(signal: &str, bring_back: impl FnOnce(&mut PrivateServer)) {
    let Some(mut server) = PrivateServer::redis_cluster(&["cluster-require-full-coverage=no"]) else { return };
    let urls = server.url.split(',').map(str::to_owned).collect();
    let config = L2Config { budget_ms: 1_000, ..at(urls, RedisTopology::Cluster) };
    let tier = tier(&config);
    let sought: Vec<_> = (0..30).map(|_| sought()).collect();
    for sought in &sought {
        keep(&tier, sought, "kept").await;
    }
    server.member("node-2").signal(signal);
    let (mut in_a_row, killed) = (0, Instant::now());
    while in_a_row < 10 {
        let found = tier.get(&sought).await;
        for found in &found {
            match found {
                Ok(entry) => assert_eq!(text(entry), "kept"),
                Err(LookupOutcome::Failed | LookupOutcome::TooSlow) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        let there = found.iter().filter(|found| found.is_ok()).count();
        assert!(there < 30, "a node is gone");
        in_a_row = if there > 0 { in_a_row + 1 } else { 0 };
        assert!(killed.elapsed() < Duration::from_secs(30), "the others do not serve on");
    }
    bring_back(&mut server);
    for sought in &sought {
        recovers(&tier, sought, "kept").await;
    }
    recovers(&tier, &super::ground::sought(), "new").await;
}

/// While one node is away, in whatever way, the keys of the others are found all the time, although those of that node are
/// looked for and written as eagerly.
async fn others_are_found_without_a_break(signal: &str) {
    let Some(server) = PrivateServer::redis_cluster(&["cluster-require-full-coverage=no"]) else { return };
    let urls = server.url.split(',').map(str::to_owned).collect();
    let config = L2Config { budget_ms: 50, ..at(urls, RedisTopology::Cluster) };
    let tier = tier(&config);
    let sought: Vec<_> = (0..30).map(|_| sought()).collect();
    for sought in &sought {
        recovers(&tier, sought, "kept").await;
    }
    server.member("node-2").signal(signal);
    // What is found at once is somebody else's.
    let elsewhere: Vec<_> = tier.get(&sought).await.iter().map(Result::is_ok).collect();
    let gone = elsewhere.iter().filter(|there| !**there).count();
    assert!((1..30).contains(&gone), "a third is gone: {gone}");
    let (begun, mut served) = (Instant::now(), vec![Instant::now(); sought.len()]);
    while begun.elapsed() < AMPLE {
        for (found, (elsewhere, served)) in tier.get(&sought).await.iter().zip(elsewhere.iter().zip(&mut served)) {
            match (found, elsewhere) {
                (Ok(entry), true) => {
                    assert_eq!(text(entry), "kept");
                    *served = Instant::now();
                }
                (Ok(_), false) => panic!("its node is gone"),
                (Err(LookupOutcome::Failed | LookupOutcome::TooSlow | LookupOutcome::Skipped), _) => {}
                (Err(other), _) => panic!("{other:?}"),
            }
            assert!(!elsewhere || served.elapsed() < AMPLE / 2, "not found for long: {found:?}");
        }
        for sought in &sought {
            tier.put(sought.clone(), answer("kept"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_often_a_killed_node_is_asked_the_others_are_not_left_alone() {
    let Some(server) = PrivateServer::redis_cluster(&["cluster-require-full-coverage=no"]) else { return };
    let config = at(server.url.split(',').map(str::to_owned).collect(), RedisTopology::Cluster);
    let tier = tier(&config);
    let is_gone = |sought: &Sought| {
        let name = name(&config, &sought.key, 'e');
        let node = at(vec![format!("redis://127.0.0.1:{}", server.member("node-1").port)], RedisTopology::Standalone);
        async move { (ask::<u64>(&node, &[b"CLUSTER", b"KEYSLOT", &name]).await * 3 / 16_384) == 1 }
    };
    let (mut gone, mut left) = (Vec::new(), Vec::new());
    while gone.len() < 5 || left.len() < 5 {
        let sought = sought();
        keep(&tier, &sought, "kept").await;
        if is_gone(&sought).await { gone.push(sought) } else { left.push(sought) }
    }
    server.member("node-2").signal("KILL");
    // Until everybody knows.
    let begun = Instant::now();
    while get(&tier, &gone[0]).await != Err(LookupOutcome::Failed) {
        assert!(begun.elapsed() < AMPLE, "it is still asked");
    }
    for left in left.iter().cycle().take(40) {
        for gone in &gone {
            assert_eq!(get(&tier, gone).await, Err(LookupOutcome::Failed));
            let Leased::Fill { lease: None, outcome, .. } = lease(&tier, gone, AMPLE).await else {
                panic!("it is away")
            };
            assert_eq!(outcome, LookupOutcome::Failed);
            assert_eq!(tier.put(gone.clone(), answer("lost")), StoreOutcome::Stored);
            tier.flush().await;
        }
        assert_eq!(get(&tier, left).await.as_deref(), Ok("kept"));
        assert!(matches!(lease(&tier, left, AMPLE).await, Leased::Found { .. }));
        keep(&tier, left, "kept").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_of_a_cluster_keeps_nobody_from_the_others() {
    others_are_found_without_a_break("KILL").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_node_of_a_cluster_keeps_nobody_from_the_others() {
    others_are_found_without_a_break("STOP").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_takes_the_place_of_a_killed_node_of_a_cluster_is_found() {
    let Some(server) = PrivateServer::redis_cluster(&["cluster-require-full-coverage=no"]) else { return };
    // Where members talk to each other: below the ports that the system hands out.
    let bus = format!("cluster-port={}", rand::random_range(20_000..30_000));
    let settings = ["cluster-enabled=yes", "cluster-node-timeout=2000", "cluster-announce-ip=127.0.0.1", &bus];
    let Some(replica) = PrivateServer::redis(&settings) else { return };
    let at_node =
        |node: &str| at(vec![format!("redis://127.0.0.1:{}", server.member(node).port)], RedisTopology::Standalone);
    let (master, new) = (at_node("node-2"), at(vec![replica.url.clone()], RedisTopology::Standalone));
    let id = ask::<String>(&master, &[b"CLUSTER", b"MYID"]).await;
    let port = server.member("node-1").port.to_string();
    let _: Value = ask(&new, &[b"CLUSTER", b"MEET", b"127.0.0.1", port.as_bytes()]).await;
    let begun = Instant::now();
    let nodes = async |of: &L2Config| ask::<String>(of, &[b"CLUSTER", b"NODES"]).await;
    let new_id = ask::<String>(&new, &[b"CLUSTER", b"MYID"]).await;
    while !nodes(&new).await.contains(&id) || !nodes(&master).await.contains(&new_id) {
        assert!(begun.elapsed() < 6 * AMPLE, "they do not meet");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let _: Value = ask(&new, &[b"CLUSTER", b"REPLICATE", id.as_bytes()]).await;
    let config = at(server.url.split(',').map(str::to_owned).collect(), RedisTopology::Cluster);
    let tier = tier(&config);
    let sought: Vec<_> = (0..30).map(|_| sought()).collect();
    for sought in &sought {
        keep(&tier, sought, "kept").await;
    }
    while !ask::<String>(&new, &[b"INFO", b"replication"]).await.contains("master_link_status:up") {
        assert!(begun.elapsed() < 6 * AMPLE, "it does not follow");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Written once more, so that the replica has them for sure.
    for sought in &sought {
        keep(&tier, sought, "kept").await;
    }
    let entries = ask::<u64>(&master, &[b"DBSIZE"]).await;
    while ask::<u64>(&new, &[b"DBSIZE"]).await < entries {
        assert!(begun.elapsed() < 6 * AMPLE, "it does not take them over");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.member("node-2").signal("KILL");
    let written = tier.statistics().written;
    for sought in &sought {
        recovers(&tier, sought, "kept").await;
    }
    assert_eq!(tier.statistics().written, written, "they were found there, not written anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_moves_to_another_node_of_a_cluster_is_followed() {
    let Some(server) = PrivateServer::redis_cluster(&[]) else { return };
    let config = at(server.url.split(',').map(str::to_owned).collect(), RedisTopology::Cluster);
    let (tier, sought) = (tier(&config), sought());
    keep(&tier, &super::ground::sought(), "so that it knows the nodes").await;
    let nodes: Vec<_> = ["node-1", "node-2", "node-3"]
        .map(|node| at(vec![format!("redis://127.0.0.1:{}", server.member(node).port)], RedisTopology::Standalone))
        .into();
    let slot = ask::<u64>(&nodes[0], &[b"CLUSTER", b"KEYSLOT", &name(&config, &sought.key, 'e')]).await;
    let from = (slot * 3 / 16_384) as usize;
    let to = (from + 1) % 3;
    let (from_id, to_id): (String, String) =
        (ask(&nodes[from], &[b"CLUSTER", b"MYID"]).await, ask(&nodes[to], &[b"CLUSTER", b"MYID"]).await);
    let text_of_slot = slot.to_string();
    let set = async |node: usize, how: &str, id: &str| {
        let words: [&[u8]; 5] = [b"CLUSTER", b"SETSLOT", text_of_slot.as_bytes(), how.as_bytes(), id.as_bytes()];
        ask::<Value>(&nodes[node], &words).await
    };
    set(to, "IMPORTING", &from_id).await;
    set(from, "MIGRATING", &to_id).await;
    // The old node has nothing of the slot any more, and names the new one for this time only.
    keep(&tier, &sought, "on its way").await;
    assert_eq!(get(&tier, &sought).await.as_deref(), Ok("on its way"));
    for node in [to, from, (to + 1) % 3] {
        set(node, "NODE", &to_id).await;
    }
    for _ in 0..20 {
        assert_eq!(get(&tier, &sought).await.as_deref(), Ok("on its way"));
    }
    assert!(matches!(lease(&tier, &sought, AMPLE).await, Leased::Found { .. }), "scripts follow, too");
    keep(&tier, &sought, "there").await;
    assert_eq!(get(&tier, &sought).await.as_deref(), Ok("there"));
}
