//! Gateways that do not answer from the same data in the same way share nothing, whatever else they share.

use std::process::Command;

use redis::{Cmd, Value as RedisValue};
use serde_json::{Value, json};

use crate::{
    gateway::{Gateway, until},
    ground::{Ground, Setup, query},
    support::servers,
};

/// Runs a command on a Redis.
pub(crate) async fn on_redis<T: redis::FromRedisValue>(url: &str, command: &Cmd) -> T {
    let client = redis::Client::open(url).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
    command.query_async(&mut connection).await.expect("Redis does it")
}

/// The names of all entries under a prefix.
pub(crate) async fn entries(url: &str, prefix: &str) -> Vec<Vec<u8>> {
    on_redis(url, redis::cmd("KEYS").arg(format!("{prefix}:*:e"))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_over_other_data_or_with_another_meaning_never_share() {
    let Some(ground) = Ground::prepare().await else { return };
    let Some(other) = Ground::prepare().await else { return };
    let Some(setup) = ground.with_redis() else { return };
    let setup = Setup { l3: ground.l3(), ..setup };
    other.set_version(7).await;
    let elsewhere = Setup { url: other.url.clone(), ..setup.clone() };
    let otherwise = Setup {
        collection: "[collections.things.vectors.other]\ncolumn = \"embedding\"\ndimensions = 2".into(),
        ..setup.clone()
    };
    // How long entries live is nobody's meaning.
    let same = Setup { cache: format!("{}max_ttl_ms = 1000000\n", setup.cache), ..setup.clone() };
    let [setup, elsewhere, otherwise, same] = [&setup, &elsewhere, &otherwise, &same].map(|setup| ground.serve(setup));
    let (mut a, mut elsewhere, mut otherwise, mut same) = tokio::join!(setup, elsewhere, otherwise, same);
    for _ in 0..5 {
        let body = query();
        assert_eq!(a.ask(&body).await.version(), 1);
        until("it is shared where it may be", async || {
            let reply = same.ask_with(&body, json!({ "cache": "only" })).await;
            (reply.is_from("l2"), reply)
        })
        .await;
        assert_eq!(elsewhere.ask_with(&body, json!({ "cache": "only" })).await.status, 504);
        assert_eq!(otherwise.ask_with(&body, json!({ "cache": "only" })).await.status, 504);
        assert_eq!(elsewhere.ask(&body).await.version(), 7);
        assert_eq!(otherwise.ask(&body).await.version(), 1);
        assert_eq!(a.ask(&body).await.version(), 1);
    }
    other.remove().await;
    ground.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_of_another_format_is_not_there_for_this_one() {
    let Some(ground) = Ground::prepare().await else { return };
    let Some(url) = servers::redis() else { return };
    let Some(setup) = ground.with_redis() else { return };
    let (mut a, mut b) = tokio::join!(ground.serve(&setup), ground.serve(&setup));
    let body = query();
    assert_eq!(a.ask(&body).await.version(), 1);
    until("it is in Redis", async || {
        let reply = b.ask_with(&body, json!({ "cache": "only" })).await;
        (reply.is_from("l2"), reply)
    })
    .await;
    let names = entries(&url, &ground.prefix).await;
    for name in &names {
        let mut bytes: Vec<u8> = on_redis(&url, redis::cmd("GET").arg(name)).await;
        assert_eq!(&bytes[..MAGIC.len()], MAGIC);
        // The next version.
        bytes[MAGIC.len()] += 1;
        let _: RedisValue = on_redis(&url, redis::cmd("SET").arg(name).arg(bytes)).await;
    }
    let refused = b.ask_with(&body, json!({ "cache": "only" })).await;
    assert!(refused.status == 504 && refused.cache.is_empty() || refused.cache.contains("damaged"), "{refused:?}");
    ground.set_version(2).await;
    let made = b.ask(&body).await;
    assert!(
        made.version() == 2 && made.cache.contains("forebay-l2; fwd=miss; stored; detail=damaged"),
        "{}",
        made.cache
    );
    ground.remove().await;
}

/// What an entry begins with; the format's version is the byte that follows.
const MAGIC: &[u8] = b"fbay";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_with_data_of_their_own_never_share() {
    let Some(redis) = servers::redis() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("forebay.toml");
    let prefix = format!("test-{:016x}", rand::random::<u64>());
    let text = format!(
        "[cache.l2]\nurls = [{redis:?}]\nprefix = {prefix:?}\nmin_cost_ms = 0\nbudget_ms = 5000\n
         [backends.local]\nkind = \"embedded\"\npath = \"data\"\n
         [collections.things]\nentities = {{ backend = \"local\" }}\nvectors.default.dimensions = 2
         attributes = {{ version = {{ type = \"integer\" }}, size = {{ type = \"integer\" }} }}\n"
    );
    std::fs::write(&file, text).expect("written");
    let load = |version: i64| {
        let nodes = folder.path().join("nodes.jsonl");
        let line = json!({ "id": "a", "vector": [1, 0], "version": version, "size": 1 });
        std::fs::write(&nodes, format!("{line}\n")).expect("written");
        let output = Command::new(env!("CARGO_BIN_EXE_forebay"))
            .args(["load", "things", "--strict", "--config"])
            .arg(&file)
            .arg("--nodes")
            .arg(&nodes)
            .output()
            .expect("the binary runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    load(1);
    let mut one = Gateway::start(&file).await;
    load(2);
    let mut two = Gateway::start(&file).await;
    for _ in 0..5 {
        let body: Value = query();
        for _ in 0..2 {
            assert_eq!(one.ask(&body).await.version(), 1);
            assert_eq!(two.ask(&body).await.version(), 2);
        }
    }
}
