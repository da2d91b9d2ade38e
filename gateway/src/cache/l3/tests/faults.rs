//! Stores that are slow, away, full or full of nonsense: misses and counters, never more.

use object_store::throttle::{ThrottleConfig, ThrottledStore};

use super::*;

fn slow(config: ThrottleConfig) -> Arc<dyn ObjectStore> {
    Arc::new(ThrottledStore::new(InMemory::new(), config))
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_objects_and_those_of_other_versions_are_counted_misses_until_they_are_written_anew() {
    let store = in_memory();
    let l3 = over(&store, &config());
    put_all(&l3, [(1, answer(text(1), 5))]).await;
    let name = names::entry(&key(1));
    let whole = store.get(&name).await.unwrap().bytes().await.unwrap();
    type Damage = fn(&mut Vec<u8>);
    let damages: [(Flaw, Damage); 6] = [
        (Flaw::Truncated, |bytes| bytes.truncate(100)),
        (Flaw::Truncated, Vec::clear),
        (Flaw::NotAnEntry, |bytes| bytes[0] ^= 1),
        (Flaw::OtherVersion, |bytes| bytes[4] += 1),
        (Flaw::Checksum, |bytes| *bytes.last_mut().unwrap() ^= 1),
        (Flaw::Checksum, |bytes| bytes.push(0)),
    ];
    for (flaw, damage) in damages {
        let mut bytes = whole.to_vec();
        damage(&mut bytes);
        store.put(&name, bytes.into()).await.unwrap();
        let before = l3.statistics().flaws[flaw as usize];
        assert_eq!(outcome(&l3, 1).await, Some(LookupOutcome::Damaged), "{flaw:?}");
        assert_eq!(l3.statistics().flaws[flaw as usize], before + 1, "{flaw:?}");
    }
    store.put(&names::entry(&key(2)), whole.into()).await.unwrap();
    assert_eq!(outcome(&l3, 2).await, Some(LookupOutcome::Damaged));
    assert_eq!(l3.statistics().flaws[Flaw::OtherKey as usize], 1);
    assert!(l3.is_available(), "the store itself is well");
    put_all(&l3, [(1, answer(text(1), 5))]).await;
    assert!(get(&l3, 1).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_store_costs_its_budget_a_few_times_and_is_then_left_alone() {
    let store = slow(ThrottleConfig { wait_get_per_call: Duration::from_secs(600), ..Default::default() });
    let l3 = over(&store, &L3Config { budget_ms: 1, ..config() });
    let mut slow = 0;
    while l3.is_available() {
        assert_eq!(outcome(&l3, 1).await, Some(LookupOutcome::TooSlow));
        slow += 1;
        assert!(slow < 100);
    }
    assert_eq!(outcome(&l3, 1).await, Some(LookupOutcome::Skipped));
    until("it is asked again", async || outcome(&l3, 1).await == Some(LookupOutcome::TooSlow)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_full_lets_entries_go_and_counts_them() {
    let store = slow(ThrottleConfig { wait_put_per_call: Duration::from_millis(20), ..Default::default() });
    let l3 = over(&store, &L3Config { max_queued_bytes: 10_000, max_entry_bytes: 5_000, ..config() });
    let outcomes: Vec<_> = (0..100).map(|i| l3.put(sought(i), answer(noise(i, 1_000), 5))).collect();
    let stored = outcomes.iter().filter(|outcome| **outcome == StoreOutcome::Stored).count() as u64;
    let full = outcomes.iter().filter(|outcome| **outcome == StoreOutcome::QueueFull).count() as u64;
    assert!(stored > 0 && full > 0 && stored + full == 100, "{stored} and {full}");
    l3.flush().await;
    let statistics = l3.statistics();
    assert_eq!((statistics.queued, statistics.written, statistics.dropped), (0, stored, full));
    assert_eq!(l3.put(sought(0), answer(noise(0, 5_001), 5)), StoreOutcome::TooLarge);
    assert_eq!(names(&*store, "v1").await.len() as u64, stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_is_a_failure_and_then_skipped_for_reading_and_writing() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let directory = tempfile::tempdir().unwrap();
    let l3 = L3::open(&bucket::config(&endpoint, "refused", directory.path()), directory.path(), clock()).unwrap();
    while l3.is_available() {
        assert_eq!(outcome(&l3, 1).await, Some(LookupOutcome::Failed));
    }
    assert_eq!(outcome(&l3, 1).await, Some(LookupOutcome::Skipped));
    let puts = (0..1_000).map(async |i| {
        let outcome = l3.put(sought(i), answer(text(i), 5));
        l3.flush().await;
        outcome
    });
    let mut last = StoreOutcome::Stored;
    for put in puts {
        last = put.await;
        if last != StoreOutcome::Stored {
            break;
        }
    }
    assert_eq!(last, StoreOutcome::Unavailable);
    assert!(l3.statistics().failed >= 7 && l3.statistics().written == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_or_read_any_more_is_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    let l3 = L3::open(&L3Config { directory: Some(".".into()), ..config() }, directory.path(), clock()).unwrap();
    put_all(&l3, [(1, answer(text(1), 5))]).await;
    std::fs::remove_dir_all(directory.path().join("v1")).unwrap();
    std::fs::write(directory.path().join("v1"), "in the way").unwrap();
    assert!(matches!(outcome(&l3, 1).await, Some(LookupOutcome::Failed | LookupOutcome::Miss)));
    put_all(&l3, [(2, answer(text(2), 5))]).await;
    assert_eq!((l3.statistics().failed, l3.statistics().written), (1, 1));
    std::fs::remove_file(directory.path().join("v1")).unwrap();
    put_all(&l3, [(2, answer(text(2), 5))]).await;
    assert!(get(&l3, 2).await.is_ok(), "it is well again as soon as the folder is");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_no_look_does_not_pass_for_a_store_that_is_well() {
    let place = |store| Place { store, directory: None };
    let store = slow(ThrottleConfig { wait_get_per_call: Duration::from_secs(600), ..Default::default() });
    let l3 = L3::over(place(store), &L3Config { budget_ms: 1, ..config() }, clock(), Writers::This);
    put_all(&l3, [(1, answer(text(1), 5))]).await;
    until("all is listed", async || l3.inner.index().lacks(&key(9))).await;
    let mut slow = 0;
    while l3.is_available() {
        assert_eq!(outcome(&l3, 9).await, Some(LookupOutcome::Miss));
        assert_eq!(outcome(&l3, 1).await, Some(LookupOutcome::TooSlow));
        slow += 1;
        assert!(slow < 100, "it is never left alone");
    }
    for _ in 0..20 {
        assert_eq!(outcome(&l3, 9).await, Some(LookupOutcome::Miss));
    }
    assert!(!l3.is_available(), "nobody has asked the store");
}

/// A small file system in memory; `None` where this user may not mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
            .arg(directory.path())
            .stderr(std::process::Stdio::null())
            .status();
        mount.is_ok_and(|status| status.success()).then(|| Self(directory))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_writes_fail_and_what_is_there_is_still_found() {
    let Some(disk) = SmallDisk::mount() else { return eprintln!("skipped: this user may not mount a small disk") };
    let l3 = L3::open(&L3Config { directory: Some(".".into()), ..config() }, disk.0.path(), clock()).unwrap();
    put_all(&l3, [(0, answer(text(0), 5))]).await;
    let mut outcomes = Vec::new();
    for i in 1..200 {
        outcomes.push(l3.put(sought(i), answer(noise(i, 10_000), 5)));
        l3.flush().await;
    }
    assert!(outcomes.contains(&StoreOutcome::Unavailable), "it is not tried for ever");
    let statistics = l3.statistics();
    assert!(statistics.failed > 0 && statistics.written > 1, "{statistics:?}");
    assert_eq!(body_of(&get(&l3, 0).await.unwrap()), text(0).as_bytes());
    for i in 1..200 {
        if let Ok(entry) = get(&l3, i).await {
            assert!(body_of(&entry) == noise(i, 10_000), "what is found is whole");
        }
    }
}
