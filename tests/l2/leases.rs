//! One gateway fills a key; the others have its entry, or go on without.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use forebay::{
    cache::{FarTier as _, LookupOutcome, StoreOutcome, l2::Leased},
    config::L2Config,
};
use tokio::task::JoinSet;

use super::ground::*;

on_every_topology! {
    of_many_gateways_one_fills_and_the_others_have_its_entry
    a_lease_that_is_dropped_or_whose_entry_is_not_kept_goes_to_the_next
    an_entry_that_is_refused_is_made_anew_by_one
    a_follower_waits_no_longer_than_it_wants_to
    a_lease_lasts_as_long_as_its_holder_fills
    a_look_that_is_given_up_keeps_nobody_waiting
}

const NO_TIME: Duration = Duration::ZERO;

async fn of_many_gateways_one_fills_and_the_others_have_its_entry(config: L2Config) {
    let (sought, fills) = (sought(), Arc::new(AtomicUsize::new(0)));
    let mut gateways = JoinSet::new();
    for _ in 0..12 {
        let (tier, sought, fills) = (tier(&config), sought.clone(), fills.clone());
        gateways.spawn(async move {
            match lease(&tier, &sought, 3 * AMPLE).await {
                Leased::Found { entry, .. } => text(&entry).to_owned(),
                Leased::Fill { lease: Some(lease), outcome: LookupOutcome::Miss, .. } => {
                    fills.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    assert_eq!(lease.store(answer("made once")), StoreOutcome::Stored);
                    tier.flush().await;
                    "made once".into()
                }
                Leased::Fill { outcome, waited, .. } => panic!("{outcome:?}, waited: {waited}"),
            }
        });
    }
    while let Some(had) = gateways.join_next().await {
        assert_eq!(had.expect("no panic"), "made once");
    }
    assert_eq!(fills.load(Ordering::Relaxed), 1);
    let left: i64 = ask(&config, &[b"EXISTS", &name(&config, &sought.key, 'l')]).await;
    assert_eq!(left, 0, "the lease ended with the entry");
}

async fn a_lease_that_is_dropped_or_whose_entry_is_not_kept_goes_to_the_next(config: L2Config) {
    let (first, second, sought) = (tier(&config), tier(&config), sought());
    for kept in [false, true] {
        // The one before is given back in a moment.
        let Leased::Fill { lease: Some(lease), .. } = lease(&first, &sought, AMPLE).await else { panic!("a lease") };
        let follower = tokio::spawn({
            let (second, sought) = (second.clone(), sought.clone());
            async move { super::ground::lease(&second, &sought, AMPLE).await }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        let dropped = Instant::now();
        if kept {
            let mut entry = Arc::unwrap_or_clone(answer("too cheap"));
            entry.cost = NO_TIME;
            assert_eq!(lease.store(Arc::new(entry)), StoreOutcome::TooCheap);
        } else {
            drop(lease);
        }
        let Leased::Fill { lease: Some(_), waited: true, .. } = follower.await.expect("no panic") else {
            panic!("it is the follower's turn")
        };
        // The lease would have lasted for two seconds, and been renewed.
        assert!(dropped.elapsed() < AMPLE);
    }
}

async fn an_entry_that_is_refused_is_made_anew_by_one(config: L2Config) {
    let (first, second, sought) = (tier(&config), tier(&config), sought());
    keep(&first, &sought, "outdated").await;
    let judge = |entry: &_| if text(entry) == "outdated" { Err(LookupOutcome::Invalidated) } else { Ok(()) };
    let filled = first.look_or_lease(&sought, NO_TIME, &judge).await;
    let Leased::Fill { lease: Some(lease), outcome: LookupOutcome::Invalidated, .. } = filled else {
        panic!("a lease")
    };
    let follower = tokio::spawn({
        let sought = sought.clone();
        async move { second.look_or_lease(&sought, AMPLE, &judge).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!follower.is_finished(), "it waits");
    lease.store(answer("new"));
    let Leased::Found { entry, waited: true } = follower.await.expect("no panic") else { panic!("an entry") };
    assert_eq!(text(&entry), "new");
}

async fn a_follower_waits_no_longer_than_it_wants_to(config: L2Config) {
    let (first, second, sought) = (tier(&config), tier(&config), sought());
    let Leased::Fill { lease: Some(_held), .. } = lease(&first, &sought, NO_TIME).await else { panic!("a lease") };
    for (wait, waits) in [(NO_TIME, false), (Duration::from_millis(200), true)] {
        let begun = Instant::now();
        let Leased::Fill { lease: None, outcome: LookupOutcome::Miss, waited } = lease(&second, &sought, wait).await
        else {
            panic!("it has to fill itself")
        };
        assert!(waited == waits && begun.elapsed() >= wait);
    }
}

async fn a_lease_lasts_as_long_as_its_holder_fills(config: L2Config) {
    let (first, second, sought) = (tier(&config), tier(&config), sought());
    let Leased::Fill { lease: Some(held), .. } = lease(&first, &sought, NO_TIME).await else { panic!("a lease") };
    // Longer than a lease lasts that is not renewed.
    let Leased::Fill { lease: None, waited: true, .. } = lease(&second, &sought, Duration::from_millis(2_700)).await
    else {
        panic!("it is held")
    };
    assert_eq!(held.store(answer("slowly made")), StoreOutcome::Stored);
    first.flush().await;
    assert_eq!(get(&second, &sought).await.as_deref(), Ok("slowly made"));
}

async fn a_look_that_is_given_up_keeps_nobody_waiting(config: L2Config) {
    let (first, second) = (tier(&config), tier(&config));
    // Connected.
    assert_eq!(get(&first, &sought()).await, Err(LookupOutcome::Miss));
    for micros in (0..1_000).step_by(50) {
        let sought = sought();
        let given_up = tokio::time::timeout(Duration::from_micros(micros), lease(&first, &sought, NO_TIME)).await;
        drop(given_up);
        let taken = lease(&second, &sought, AMPLE).await;
        assert!(matches!(taken, Leased::Fill { lease: Some(_), .. }), "{micros}");
    }
}
