//! The tier on stores in memory, in a folder and in a bucket, and on broken ones.

mod bucket;
mod faults;
mod held;

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory};

use super::*;
use crate::{
    cache::{Digest, ETag, Groups, Stamp, StoredPayload},
    catalog::CollectionSchema,
    query::testing::packages,
};

/// The time at which tests begin. Stores date objects by the machine's clock.
static NOW: LazyLock<WallTime> = LazyLock::new(WallTime::of_system);

fn clock() -> Clock {
    Arc::new(|| *NOW)
}

fn config() -> L3Config {
    // Long, since tests share the machine: what is slow on purpose has its own.
    L3Config { budget_ms: 20_000, ..L3Config::default() }
}

fn over(store: &Arc<dyn ObjectStore>, config: &L3Config) -> Arc<L3> {
    L3::over(Place { store: store.clone(), directory: None }, config, clock(), Writers::Several)
}

fn in_memory() -> Arc<dyn ObjectStore> {
    Arc::new(InMemory::new())
}

fn key(i: u32) -> Digest {
    *blake3::hash(&i.to_le_bytes()).as_bytes()
}

fn sought(i: u32) -> Sought {
    thread_local!(static SCHEMA: Arc<CollectionSchema> = packages());
    Sought { key: key(i), tenant: None, schema: SCHEMA.with(Clone::clone) }
}

fn answer(body: impl Into<Bytes>, cost_ms: u64) -> Arc<Stored> {
    let body = body.into();
    let payload = StoredPayload::Answer { etag: ETag::of(&body), body, groups: Groups::from_iter(["packages"]) };
    let stamp = Stamp { incarnation: 1, all: 0, slots: [(7, 1)].into_iter().collect() };
    let expires = NOW.after(Duration::from_secs(3_600));
    Arc::new(Stored { payload, stamp, created: *NOW, expires, cost: Duration::from_millis(cost_ms) })
}

/// Bodies that have something in common, as answers do.
fn text(i: u32) -> String {
    let digest = blake3::hash(&i.to_le_bytes()).to_hex();
    let item =
        format!("{{\"id\":\"{}\",\"score\":0.{i},\"summary\":\"a library of {}\"}},", &digest[..8], &digest[8..12]);
    format!("{{\"items\":[{}]}}", item.repeat(4))
}

fn noise(i: u32, bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().update(&i.to_le_bytes()).finalize_xof().fill(&mut noise);
    noise
}

async fn get(l3: &L3, i: u32) -> Result<Stored, LookupOutcome> {
    l3.get(&[sought(i)]).await.remove(0)
}

async fn outcome(l3: &L3, i: u32) -> Option<LookupOutcome> {
    get(l3, i).await.err()
}

fn body_of(entry: &Stored) -> &[u8] {
    match &entry.payload {
        StoredPayload::Answer { body, .. } => body,
        other => panic!("no answer but {other:?}"),
    }
}

async fn put_all(l3: &L3, entries: impl IntoIterator<Item = (u32, Arc<Stored>)>) {
    for (i, entry) in entries {
        assert_eq!(l3.put(sought(i), entry), StoreOutcome::Stored);
        l3.flush().await;
    }
}

async fn names(store: &dyn ObjectStore, prefix: &str) -> Vec<String> {
    let objects: Vec<_> = store.list(Some(&prefix.into())).try_collect().await.unwrap();
    objects.into_iter().map(|object| object.location.to_string()).collect()
}

/// Waits for what goes on in the background.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..2_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_found_by_whoever_seeks_just_it_from_any_gateway() {
    let directory = tempfile::tempdir().unwrap();
    let config = L3Config { directory: Some("made/where/missing".into()), ..config() };
    let open = || L3::open(&config, directory.path(), clock()).unwrap();
    let (first, second) = (open(), open());
    assert_eq!(outcome(&first, 1).await, Some(LookupOutcome::Miss));
    put_all(&first, [(1, answer(text(1), 5)), (2, answer(noise(2, 600 << 10), 5))]).await;
    for l3 in [&first, &second] {
        let found = l3.get(&[sought(2), sought(3), sought(1)]).await;
        let found: Vec<_> = found.into_iter().map(|found| found.map(|entry| blake3::hash(body_of(&entry)))).collect();
        let hash = |bytes: &[u8]| Ok(blake3::hash(bytes));
        assert_eq!(found, [hash(&noise(2, 600 << 10)), Err(LookupOutcome::Miss), hash(text(1).as_bytes())]);
    }
    let other = Sought { tenant: Some("a".into()), ..sought(1) };
    assert_eq!(second.get(&[other]).await.remove(0).err(), Some(LookupOutcome::Damaged));
    assert_eq!(second.statistics().flaws[Flaw::OtherTenant as usize], 1);
    assert!(directory.path().join("made/where/missing/v1").is_dir());
}

#[tokio::test(flavor = "multi_thread")]
async fn dictionaries_are_trained_from_answers_and_found_by_others_and_after_a_restart() {
    let store = in_memory();
    let l3 = over(&store, &config());
    let mut next = 0;
    until("a dictionary", async || {
        put_all(&l3, (next..next + 50).map(|i| (i, answer(text(i), 5)))).await;
        next += 50;
        l3.inner.trainer.dictionary().is_some()
    })
    .await;
    let before = store.get(&names::entry(&key(0))).await.unwrap().meta.size;
    put_all(&l3, [(0, answer(text(0), 5))]).await;
    let after = store.get(&names::entry(&key(0))).await.unwrap().meta.size;
    assert!(after < before, "{after} against {before}");
    let id = l3.inner.trainer.dictionary().unwrap().id();
    assert_eq!(names(&*store, "dict").await, [format!("dict/{id}")]);
    drop(l3);

    let again = over(&store, &config());
    assert_eq!(body_of(&get(&again, 0).await.unwrap()), text(0).as_bytes());
    until("the dictionary of before is in use", async || again.inner.trainer.dictionary().is_some()).await;

    store.delete(&names::dictionary(&id)).await.unwrap();
    let without = over(&store, &config());
    assert_eq!(outcome(&without, 0).await, Some(LookupOutcome::Damaged));
    assert_eq!(without.statistics().flaws[Flaw::UnknownDictionary as usize], 1);
    store.put(&names::dictionary(&id), Bytes::from_static(b"another").into()).await.unwrap();
    let damaged = over(&store, &config());
    assert_eq!(outcome(&damaged, 0).await, Some(LookupOutcome::Damaged));
    assert_eq!(damaged.statistics().flaws[Flaw::UnknownDictionary as usize], 1);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "").unwrap();
    let open = |config: L3Config| L3::open(&config, directory.path(), clock()).err();
    let url = |url: &str| L3Config { url: Some(url.into()), ..config() };
    assert!(matches!(open(config()), Some(L3Error::Nowhere)));
    let both = L3Config { directory: Some("x".into()), ..url("s3://bucket") };
    assert!(matches!(open(both), Some(L3Error::Nowhere)));
    let file = L3Config { directory: Some("file/below".into()), ..config() };
    assert!(matches!(open(file), Some(L3Error::Directory { .. })));
    for wrong in ["bucket", "http://bucket", "s3://", "s3://a@b/c", "s3:///prefix"] {
        assert!(matches!(open(url(wrong)), Some(L3Error::Url(_))), "{wrong}");
    }
    let secret = L3Config { secret_access_key_file: Some("missing".into()), ..url("s3://bucket") };
    assert!(matches!(open(secret), Some(L3Error::Secret { .. })));
    if cfg!(not(feature = "gcs")) {
        assert!(matches!(open(url("gs://bucket")), Some(L3Error::NotCompiledIn { feature: "gcs", .. })));
    }
    if cfg!(not(feature = "azure")) {
        assert!(matches!(open(url("az://bucket")), Some(L3Error::NotCompiledIn { feature: "azure", .. })));
    }
}
