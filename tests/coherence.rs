//! Gateways that share epochs in Redis: once a bump is acknowledged, none serves what was before. On servers of every
//! topology, and while these are killed, frozen, flushed, full, or replaced.

mod support;

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use forebay::{
    cache::{
        Stamp,
        coherence::{Acknowledged, Bump, Coherence as _, RedisCoherence, Unacknowledged},
        redis::{RedisLink, RedisSettings},
    },
    config::{L2Config, RedisTopology},
};
use support::{private_server::PrivateServer, servers};

const AMPLE: Duration = Duration::from_secs(30);
/// Where the child of a test finds its Redis and its prefix.
const CHILD: &str = "FOREBAY_TEST_COHERENCE_CHILD";

fn at(urls: Vec<String>, topology: RedisTopology) -> L2Config {
    L2Config { urls, topology, prefix: format!("test-{:016x}", rand::random::<u64>()), ..L2Config::default() }
}

fn alone(url: &str) -> L2Config {
    at(vec![url.to_owned()], RedisTopology::Standalone)
}

fn under_sentinel(url: &str) -> L2Config {
    let (addresses, group) = url.trim_start_matches("redis+sentinel://").split_once('/').expect("a group");
    let urls = addresses.split(',').map(|address| format!("redis://{address}")).collect();
    L2Config { sentinel_group: Some(group.to_owned()), ..at(urls, RedisTopology::Sentinel) }
}

/// Gateways that all have a lease.
async fn gateways<const N: usize>(config: &L2Config) -> [Arc<RedisCoherence>; N] {
    let gateways = std::array::from_fn(|_| RedisCoherence::connect(config).expect("sound settings"));
    leased(&gateways).await;
    gateways
}

async fn leased(gateways: &[Arc<RedisCoherence>]) {
    until("all have a lease", || gateways.iter().all(|gateway| gateway.statistics().is_leased)).await;
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < AMPLE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn stamp(gateway: &RedisCoherence) -> Stamp {
    gateway.epochs().stamp(["packages"])
}

async fn bump(gateway: &RedisCoherence) -> Result<Acknowledged, Unacknowledged> {
    gateway.bump(&Bump::Tags(vec!["packages".into()])).await
}

/// Bumps by one, and finds that nobody takes for current what any of them stamped before.
async fn assert_coherent(gateways: &[Arc<RedisCoherence>]) -> Acknowledged {
    let stamps: Vec<Stamp> = gateways.iter().map(|gateway| stamp(gateway)).collect();
    assert!(stamps.iter().all(|stamp| gateways.iter().all(|gateway| gateway.epochs().is_current(stamp))));
    let acknowledged = bump(&gateways[0]).await.expect("Redis is there");
    for gateway in gateways {
        assert!(stamps.iter().all(|stamp| !gateway.epochs().is_current(stamp)));
    }
    acknowledged
}

async fn an_acknowledged_bump_is_known_to_all(config: L2Config) {
    let gateways: [_; 3] = gateways(&config).await;
    for _ in 0..5 {
        let acknowledged = assert_coherent(&gateways).await;
        assert_eq!((acknowledged.bumped, acknowledged.confirmed, acknowledged.lapsed), (1, 3, 0), "{acknowledged:?}");
    }
    let skewed = gateways.iter().map(|gateway| gateway.now().0);
    assert!(skewed.clone().max().unwrap() - skewed.min().unwrap() < 1000, "they share a clock");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_bump_is_known_to_all_on_one_server() {
    let Some(url) = servers::redis() else { return };
    an_acknowledged_bump_is_known_to_all(alone(&url)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_bump_is_known_to_all_under_sentinel() {
    let Some(url) = servers::redis_sentinel() else { return };
    an_acknowledged_bump_is_known_to_all(under_sentinel(&url)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_bump_is_known_to_all_on_a_cluster() {
    let Some(urls) = servers::redis_cluster() else { return };
    an_acknowledged_bump_is_known_to_all(at(urls, RedisTopology::Cluster)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_is_given_back_is_not_waited_for_and_one_that_is_not_only_once() {
    let Some(url) = servers::redis() else { return };
    let [one, orderly, killed] = gateways(&alone(&url)).await;
    orderly.leave().await;
    assert!(!orderly.statistics().is_leased);
    let acknowledged = assert_coherent(&[Arc::clone(&one), Arc::clone(&killed)]).await;
    assert_eq!((acknowledged.confirmed, acknowledged.lapsed), (2, 0));
    drop(killed);
    assert_eq!(bump(&one).await.expect("Redis is there").lapsed, 1);
    let acknowledged = bump(&one).await.expect("Redis is there");
    assert_eq!((acknowledged.confirmed, acknowledged.lapsed), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_was_stopped_serves_nothing_from_before_when_it_goes_on() {
    let Some(url) = servers::redis() else { return };
    let config = alone(&url);
    let [one] = gateways(&config).await;
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["a_gateway_in_a_process_of_its_own", "--exact", "--nocapture"])
        .env(CHILD, format!("{url} {}", config.prefix))
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program runs again");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("served ")), "it serves what it has");
    signal("STOP", child.id());
    until_stopped(child.id());
    let acknowledged = bump(&one).await.expect("Redis is there");
    let after = micros();
    signal("CONT", child.id());
    assert_eq!((acknowledged.confirmed, acknowledged.lapsed), (1, 1), "it could not confirm");
    let mut later = 0;
    for line in lines {
        let Some((word, time)) = line.split_once(' ') else { continue };
        let Ok(time) = time.parse::<u128>() else { continue };
        if time > after {
            assert_eq!(word, "withheld", "{} µs after the bump was acknowledged", time - after);
            later += 1;
        }
        if later == 200 {
            break;
        }
    }
    assert_eq!(later, 200, "it went on");
    child.kill().expect("it can be ended");
    child.wait().expect("it ends");
}

/// Not a test by itself: what the test above starts. Serves an entry as long as it may, and says when it looked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_in_a_process_of_its_own() {
    let Ok(place) = std::env::var(CHILD) else { return };
    let (url, prefix) = place.split_once(' ').expect("two words");
    let [gateway] = gateways(&L2Config { prefix: prefix.to_owned(), ..alone(url) }).await;
    let (entry, made) = (stamp(&gateway), Instant::now());
    loop {
        let looked = micros();
        let epochs = gateway.epochs();
        // What is uncertain is not served by a strict collection.
        let may = epochs.uncertainty(made, Instant::now()).is_zero() && epochs.is_current(&entry);
        println!("{} {looked}", if may { "served" } else { "withheld" });
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until no thread of a process runs any more: a signal arrives a little after it was sent.
fn until_stopped(process: u32) {
    let is_stopped = |thread: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['T', 't']))
    };
    let threads = || std::fs::read_dir(format!("/proc/{process}/task")).expect("it is there").map_while(Result::ok);
    while !threads().all(is_stopped) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn micros() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_micros()
}

fn signal(signal: &str, process: u32) {
    let sent = Command::new("kill").args(["-s", signal, "--", &process.to_string()]).status();
    assert!(sent.expect("there is `kill`").success());
}

/// While Redis is away: no lease; a bump is not acknowledged, and outdates here all the same.
async fn assert_away([one, other]: &[Arc<RedisCoherence>; 2]) {
    until("no lease outlives Redis", || !one.statistics().is_leased && !other.statistics().is_leased).await;
    let before = stamp(one);
    assert!(one.epochs().is_current(&before));
    let error = bump(one).await.expect_err("nobody else can know");
    assert!(matches!(error, Unacknowledged::Unreachable(_)));
    assert!(!one.epochs().is_current(&before), "here it counts at once");
    let between = stamp(one);
    assert!(one.epochs().is_current(&between) && !other.epochs().is_current(&between), "nobody else's epochs");
}

/// When Redis is back: what could not be counted is, before anybody has a lease.
async fn assert_back(gateways: &[Arc<RedisCoherence>; 2], before: &Stamp) {
    leased(gateways).await;
    until("nothing is pending", || gateways[0].statistics().pending == 0).await;
    leased(gateways).await;
    assert!(gateways.iter().all(|gateway| !gateway.epochs().is_current(before)), "the bump reached everybody");
    until("all follow one table", || stamp(&gateways[0]) == stamp(&gateways[1])).await;
    assert_coherent(gateways).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_takes_the_leases_along_and_what_was_before_when_it_is_back() {
    let Some(mut server) = PrivateServer::redis(&[]) else { return };
    let gateways: [_; 2] = gateways(&alone(&server.url)).await;
    let before = stamp(&gateways[1]);
    server.signal("KILL");
    server.wait_for_end();
    assert_away(&gateways).await;
    server.restart();
    assert_back(&gateways, &before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_stopped_for_a_while_is_followed_again() {
    let Some(server) = PrivateServer::redis(&[]) else { return };
    let gateways: [_; 2] = gateways(&alone(&server.url)).await;
    let before = stamp(&gateways[1]);
    server.signal("STOP");
    assert_away(&gateways).await;
    server.signal("CONT");
    assert_back(&gateways, &before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_flushed_outdates_everything() {
    let Some(server) = PrivateServer::redis(&[]) else { return };
    let config = alone(&server.url);
    let gateways: [_; 2] = gateways(&config).await;
    let before = stamp(&gateways[0]);
    let _: String = ask(&config, &["FLUSHALL"]).await;
    let outdated = || gateways.iter().all(|gateway| !gateway.epochs().is_current(&before));
    until("all have noticed", outdated).await;
    assert_back(&gateways, &before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_still_counts_bumps() {
    let Some(server) = PrivateServer::redis(&["maxmemory=4mb", "maxmemory-policy=noeviction"]) else { return };
    let config = alone(&server.url);
    let gateways: [_; 3] = gateways(&config).await;
    let link = link(&config);
    let filler = "x".repeat(100_000);
    let mut key = 0;
    loop {
        key += 1;
        let mut set = redis::cmd("SET");
        set.arg(format!("filler-{key}")).arg(&filler);
        if link.query::<String>(&set, AMPLE).await.is_err() {
            break;
        }
        assert!(key < 1000, "it never fills up");
    }
    assert_eq!(assert_coherent(&gateways).await.confirmed, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_replica_takes_over_what_was_before_is_distrusted() {
    let Some(server) = PrivateServer::redis_sentinel(&[]) else { return };
    let gateways: [_; 2] = gateways(&under_sentinel(&server.url)).await;
    let before = stamp(&gateways[1]);
    server.member("server-1").signal("KILL");
    assert_away(&gateways).await;
    assert_back(&gateways, &before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_node_of_the_epochs_is_lost_leases_end_until_it_is_back() {
    let Some(mut server) = PrivateServer::redis_cluster(&[]) else { return };
    let urls = server.url.split(',').map(str::to_owned).collect();
    let config = at(urls, RedisTopology::Cluster);
    let gateways: [_; 2] = gateways(&config).await;
    let before = stamp(&gateways[1]);
    let slot: u32 = ask(&config, &["CLUSTER", "KEYSLOT", &format!("{{{}:epochs:1}}", config.prefix)]).await;
    // Each node has its third of the slots, in order.
    let node = (1..=3).find(|node| slot < node * 16384 / 3 || *node == 3).expect("one has it");
    server.member(&format!("node-{node}")).signal("KILL");
    assert_away(&gateways).await;
    server.restart();
    assert_back(&gateways, &before).await;
}

fn link(config: &L2Config) -> RedisLink {
    RedisLink::new(RedisSettings::read(config).expect("sound settings")).expect("sound settings")
}

async fn ask<T: redis::FromRedisValue>(config: &L2Config, words: &[&str]) -> T {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    link(config).query(&command, AMPLE).await.expect("Redis does it")
}
