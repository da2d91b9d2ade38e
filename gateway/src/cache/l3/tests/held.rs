//! What is held, and for how long.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_held_than_may_be_and_what_was_dear_to_make_stays() {
    let store = in_memory();
    let config = L3Config { max_bytes: 100_000, ..config() };
    let l3 = over(&store, &config);
    put_all(&l3, (0..300).map(|i| (i, answer(noise(i, 2_000), if i % 10 == 0 { 1_000 } else { 10 })))).await;
    let statistics = l3.statistics();
    let (entries, bytes) = statistics.held.unwrap();
    assert!(bytes <= 100_000, "{statistics:?}");
    assert_eq!(names(&*store, "v1").await.len() as u64, entries);
    assert_eq!(statistics.evicted, 300 - entries);
    let dear = (0..300).step_by(10).map(|i| get(&l3, i));
    let dear = join_all(dear).await.iter().filter(|found| found.is_ok()).count();
    assert!(dear >= 25, "{dear} of 30");
    drop(l3);

    let smaller = over(&store, &L3Config { max_bytes: 50_000, ..config });
    until("what is there is found, and is within bounds", async || {
        let held = names(&*store, "v1").await.len() as u64;
        smaller.statistics().held.is_some_and(|(entries, bytes)| entries > 0 && entries == held && bytes <= 50_000)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_looks_does_not_keep_an_object_from_going() {
    let l3 = over(&in_memory(), &L3Config { max_bytes: 10_000, ..config() });
    put_all(&l3, [(1, answer(noise(1, 4_000), 10)), (2, answer(noise(2, 4_000), 10))]).await;
    for _ in 0..10 {
        assert!(l3.peek(&[sought(1)]).await.remove(0).is_ok());
    }
    get(&l3, 2).await.unwrap();
    put_all(&l3, [(3, answer(noise(3, 4_000), 1_000))]).await;
    assert_eq!(outcome(&l3, 1).await, Some(LookupOutcome::Miss), "it was of no use to anybody");
    assert!(get(&l3, 2).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_removes_is_a_miss_and_is_not_counted_any_more() {
    let store = in_memory();
    let l3 = over(&store, &config());
    put_all(&l3, [(1, answer(text(1), 5)), (2, answer(text(2), 5))]).await;
    store.delete(&names::entry(&key(1))).await.unwrap();
    assert_eq!(outcome(&l3, 1).await, Some(LookupOutcome::Miss));
    assert_eq!(l3.statistics().held.unwrap().0, 1);
    store.delete(&names::entry(&key(2))).await.unwrap();
    l3.inner.refresh(None).await;
    assert_eq!(l3.statistics().held, Some((0, 0)));
    assert_eq!(outcome(&l3, 2).await, Some(LookupOutcome::Miss));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_alone_does_not_look_for_what_it_has_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let config = L3Config { directory: Some(".".into()), ..config() };
    let before = L3::open(&config, directory.path(), clock()).unwrap();
    put_all(&before, [(1, answer(text(1), 5))]).await;
    let alone = L3::open_alone(&config, directory.path(), clock()).unwrap();
    assert!(get(&alone, 1).await.is_ok(), "whether it has been listed or not");
    until("all is listed", async || alone.inner.index().lacks(&key(9))).await;
    assert!(get(&alone, 1).await.is_ok());
    put_all(&alone, [(2, answer(text(2), 5))]).await;
    assert!(get(&alone, 2).await.is_ok());

    // Only who does not look is not told of it.
    put_all(&before, [(3, answer(text(3), 5))]).await;
    assert_eq!(outcome(&alone, 3).await, Some(LookupOutcome::Miss));
    let shared = L3::open(&config, directory.path(), clock()).unwrap();
    until("all is listed", async || shared.inner.index().lacks(&key(9))).await;
    put_all(&before, [(4, answer(text(4), 5))]).await;
    assert!(get(&shared, 4).await.is_ok(), "others write there");
    alone.inner.refresh(None).await;
    assert!(get(&alone, 3).await.is_ok(), "a listing shows it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_is_swept_away() {
    let (store, time) = (in_memory(), Arc::new(AtomicU64::new(NOW.0)));
    let clock: Clock = {
        let time = time.clone();
        Arc::new(move || WallTime(time.load(Ordering::Relaxed)))
    };
    let place = Place { store: store.clone(), directory: None };
    let l3 = L3::over(place, &config(), clock, Writers::Several);
    put_all(&l3, [(1, answer(text(1), 5))]).await;
    l3.inner.sweep().await;
    assert_eq!(names(&*store, "v1").await.len(), 1);
    time.fetch_add(3_602_000, Ordering::Relaxed);
    l3.inner.sweep().await;
    assert_eq!(names(&*store, "v1").await, [""; 0]);
    assert_eq!(l3.statistics().held, Some((0, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn dictionaries_in_use_are_kept_and_those_that_no_entry_can_name_go() {
    let directory = tempfile::tempdir().unwrap();
    let config = L3Config { directory: Some(".".into()), ttl_ms: 1_000, ..config() };
    let samples: Vec<_> = (0..500).map(text).collect();
    let dictionary = |bytes: usize| {
        let bytes = zstd::dict::from_samples(&samples, bytes).unwrap();
        Arc::new(crate::cache::codec::Dictionary::new(bytes, 3).unwrap())
    };
    let (old, new) = (dictionary(2_000), dictionary(4_000));
    let l3 = L3::open(&config, directory.path(), clock()).unwrap();
    for dictionary in [&old, &new] {
        l3.inner.shelf.store(&*l3.inner.store, dictionary).await.unwrap();
        let file = directory.path().join(format!("dict/{}", dictionary.id()));
        let long_ago = std::time::SystemTime::now() - Duration::from_secs(24 * 3_600);
        std::fs::File::open(file).unwrap().set_modified(long_ago).unwrap();
    }
    l3.inner.trainer.adopt(new.clone());
    l3.inner.refresh(Some(directory.path())).await;
    assert_eq!(names(&*l3.inner.store, "dict").await, [format!("dict/{}", new.id())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_a_killed_gateway_was_writing_are_removed_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("v1/ab/cd");
    std::fs::create_dir_all(&folder).unwrap();
    let files = ["abandoned#1", "young#1", "whole"].map(|name| folder.join(name));
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(24 * 3_600);
    for file in &files {
        std::fs::write(file, "x").unwrap();
    }
    for i in [0, 2] {
        std::fs::File::open(&files[i]).unwrap().set_modified(long_ago).unwrap();
    }
    let l3 = L3::open(&L3Config { directory: Some(".".into()), ..config() }, directory.path(), clock()).unwrap();
    until("the abandoned file is gone", async || !files[0].exists()).await;
    assert!(files[1].exists() && files[2].exists());
    assert_eq!(l3.statistics().held, Some((0, 0)), "what is not an entry by its name is none");
}
