//! Tiers that are slow, away, full, empty or full of nonsense: every answer is right and in time, and none is refused that a
//! healthy backend could give.

use std::time::Duration;

use redis::Value as RedisValue;
use serde_json::{Value, json};

use crate::{
    gateway::{Gateway, until},
    ground::{Ground, Setup, query},
    separate::{entries, on_redis},
    support::{
        private_server::PrivateServer,
        proxy::{Fault, FaultProxy},
    },
};

/// What every request is given. Far more than it needs, and less than a fault lasts.
const DEADLINE: Duration = Duration::from_secs(8);

/// A gateway with all tiers, whose look-ups are given up soon.
fn impatient(ground: &Ground, redis: &str) -> Setup {
    Setup {
        redis: Some(redis.to_owned()),
        l2: "min_cost_ms = 0\nbudget_ms = 50".into(),
        server: format!("default_deadline_ms = {}\n", DEADLINE.as_millis()),
        ..ground.alone()
    }
}

/// Some queries.
pub(crate) fn queries() -> Vec<Value> {
    (0..8).map(|_| query()).collect()
}

/// Every one is answered, rightly and in time.
pub(crate) async fn all_right(gateway: &mut Gateway, queries: &[Value], versions: std::ops::RangeInclusive<i64>) {
    for body in queries {
        let reply = gateway.ask(body).await;
        assert!(versions.contains(&reply.version()), "{} of {versions:?}: {}", reply.version(), reply.cache);
        assert!(reply.took < DEADLINE, "{:?}", reply.took);
    }
}

/// Answers are shared again.
async fn shared_again(a: &mut Gateway, b: &mut Gateway) {
    until("entries are shared", async || {
        let body = query();
        a.ask(&body).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let reply = b.ask_with(&body, json!({ "cache": "only" })).await;
        (reply.is_from("l2"), reply)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_frozen_killed_or_flushed_costs_no_answer() {
    let Some(ground) = Ground::prepare().await else { return };
    let Some(mut redis) = PrivateServer::redis(&[]) else { return };
    let setup = impatient(&ground, &redis.url);
    let (mut a, mut b) = tokio::join!(ground.serve(&setup), ground.serve(&setup));
    let known = queries();
    all_right(&mut a, &known, 1..=1).await;
    shared_again(&mut a, &mut b).await;

    redis.signal("STOP");
    ground.set_version(2).await;
    all_right(&mut a, &known, 1..=2).await;
    all_right(&mut b, &known, 1..=2).await;
    all_right(&mut b, &queries(), 2..=2).await;
    redis.signal("CONT");
    shared_again(&mut a, &mut b).await;

    let _: RedisValue = on_redis(&redis.url, &redis::cmd("FLUSHALL")).await;
    ground.set_version(3).await;
    until("a purge is acknowledged", async || (a.purge().await.status == 200, ())).await;
    all_right(&mut a, &known, 3..=3).await;
    all_right(&mut b, &known, 3..=3).await;
    shared_again(&mut a, &mut b).await;

    redis.signal("KILL");
    redis.wait_for_end();
    ground.set_version(4).await;
    all_right(&mut b, &known, 3..=4).await;
    all_right(&mut a, &queries(), 4..=4).await;
    redis.restart();
    shared_again(&mut a, &mut b).await;
    until("a purge is acknowledged", async || (a.purge().await.status == 200, ())).await;
    all_right(&mut a, &known, 4..=4).await;
    all_right(&mut b, &known, 4..=4).await;
    ground.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_slow_or_cut_off_is_left_alone() {
    let Some(ground) = Ground::prepare().await else { return };
    let Some(redis) = PrivateServer::redis(&[]) else { return };
    let proxy = FaultProxy::before(&redis.url).await;
    let setup = impatient(&ground, &proxy.url);
    let (mut a, mut b) = tokio::join!(ground.serve(&setup), ground.serve(&setup));
    let faults = [Fault::Delay(Duration::from_millis(300)), Fault::BlackHole, Fault::HalfClose, Fault::Refuse];
    for fault in faults {
        let known = queries();
        all_right(&mut a, &known, 1..=1).await;
        proxy.set(fault);
        all_right(&mut b, &known, 1..=1).await;
        all_right(&mut b, &queries(), 1..=1).await;
        let mut words = String::new();
        for body in queries() {
            words += &b.ask(&body).await.cache;
        }
        let told = ["too-slow", "skipped", "failed"].iter().any(|word| words.contains(word));
        assert!(told, "{fault:?}: {words}");
        proxy.set(Fault::Pass);
        shared_again(&mut a, &mut b).await;
    }
    ground.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_full_or_holds_nonsense_costs_no_answer() {
    let Some(ground) = Ground::prepare().await else { return };
    let Some(redis) = PrivateServer::redis(&["maxmemory=6mb", "maxmemory-policy=noeviction"]) else { return };
    let setup = impatient(&ground, &redis.url);
    let (mut a, mut b) = tokio::join!(ground.serve(&setup), ground.serve(&setup));
    let known = queries();
    all_right(&mut a, &known, 1..=1).await;
    until("all are in Redis", async || {
        let count = entries(&redis.url, &ground.prefix).await.len();
        (count >= known.len(), count)
    })
    .await;
    ground.set_version(2).await;
    for (number, name) in entries(&redis.url, &ground.prefix).await.iter().enumerate() {
        let mut bytes: Vec<u8> = on_redis(&redis.url, redis::cmd("GET").arg(name)).await;
        match number % 5 {
            0 => bytes.truncate(bytes.len() / 2),
            1 => *bytes.last_mut().expect("it is not empty") ^= 1,
            2 => bytes.fill_with(rand::random),
            3 => bytes.clear(),
            _ => {
                let _: RedisValue = on_redis(&redis.url, redis::cmd("DEL").arg(name)).await;
                let _: RedisValue = on_redis(&redis.url, redis::cmd("HSET").arg(name).arg("a").arg("b")).await;
                continue;
            }
        }
        let _: RedisValue = on_redis(&redis.url, redis::cmd("SET").arg(name).arg(bytes)).await;
    }
    all_right(&mut b, &known, 2..=2).await;

    let filler = "x".repeat(100_000);
    let client = redis::Client::open(&*redis.url).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
    let mut key = 0;
    while redis::cmd("SET").arg(key).arg(&filler).exec_async(&mut connection).await.is_ok() {
        key += 1;
        assert!(key < 1000, "it never fills up");
    }
    all_right(&mut a, &queries(), 2..=2).await;
    all_right(&mut b, &queries(), 2..=2).await;
    ground.set_version(3).await;
    assert_eq!(a.purge().await.status, 200, "bumps are still counted");
    all_right(&mut a, &known, 3..=3).await;
    all_right(&mut b, &known, 3..=3).await;
    let _: RedisValue = on_redis(&redis.url, redis::cmd("DEL").arg((0..key).collect::<Vec<_>>())).await;
    shared_again(&mut a, &mut b).await;
    ground.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_removed_or_cannot_be_written_or_holds_nonsense_costs_no_answer() {
    let Some(ground) = Ground::prepare().await else { return };
    let setup = Setup { l3: ground.l3(), server: "default_deadline_ms = 8000\n".into(), ..ground.alone() };
    // Nothing stays in memory for long.
    let setup = Setup { more: "[cache.l1]\nttl_ms = 1\n".into(), ..setup };
    let mut gateway = ground.serve(&setup).await;
    let known = queries();
    let kept = async |gateway: &mut Gateway, known: &[Value]| {
        all_right(gateway, known, 1..=1).await;
        until("it is in the folder", async || {
            let reply = gateway.ask(&known[0]).await;
            (reply.is_from("l3"), reply)
        })
        .await;
    };
    kept(&mut gateway, &known).await;
    let objects = ground.objects();
    let aside = ground.folder.path().join("aside");

    // Somebody may be writing into it.
    until("it is gone", async || (std::fs::remove_dir_all(&objects).is_ok(), ())).await;
    all_right(&mut gateway, &known, 1..=1).await;
    all_right(&mut gateway, &queries(), 1..=1).await;

    // A file in its place: nothing can be read there or written.
    until("it is there", async || {
        // What is being written makes the folder again.
        std::fs::remove_dir_all(&objects).ok();
        (std::fs::write(&objects, "not a folder").is_ok(), ())
    })
    .await;
    all_right(&mut gateway, &known, 1..=1).await;
    all_right(&mut gateway, &queries(), 1..=1).await;
    std::fs::rename(&objects, &aside).expect("moved");
    until("it is used again", async || {
        let body = query();
        gateway.ask(&body).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let reply = gateway.ask(&body).await;
        (reply.is_from("l3"), reply)
    })
    .await;

    let more = queries();
    kept(&mut gateway, &more).await;
    ground.set_version(2).await;
    let mut spoilt = 0;
    let mut folders = vec![objects];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::metadata(&path).is_ok_and(|file| file.len() > 0) {
                let mut bytes = std::fs::read(&path).expect("a file");
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0x55;
                std::fs::write(&path, bytes).expect("written");
                spoilt += 1;
            }
        }
    }
    assert!(spoilt > 0);
    // The ones that are intact are of version 1.
    all_right(&mut gateway, &more, 2..=2).await;
    ground.remove().await;
}
