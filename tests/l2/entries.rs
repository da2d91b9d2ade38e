//! What is kept, for how long, and for whom.

use std::{sync::Arc, time::Duration};

use forebay::{
    cache::{FarTier as _, LookupOutcome, Sought, StoreOutcome, Stored, WallTime},
    config::L2Config,
};

use super::ground::*;

on_every_topology! {
    what_is_put_is_found_as_it_was
    an_entry_lives_as_long_as_it_says_and_no_longer_than_the_tier_says
    what_does_not_fit_or_is_not_worth_it_is_not_kept
    a_full_queue_lets_entries_go_and_never_waits
}

async fn what_is_put_is_found_as_it_was(config: L2Config) {
    let (one, other) = (tier(&config), tier(&config));
    let long = "a hybrid query ".repeat(2_000);
    let texts: Vec<String> = (0..60).map(|n| if n % 3 == 0 { format!("{n} {long}") } else { n.to_string() }).collect();
    let mut sought: Vec<_> = texts.iter().map(|_| sought()).collect();
    for (sought, text) in sought.iter().zip(&texts) {
        assert_eq!(one.put(sought.clone(), answer(text)), StoreOutcome::Stored);
    }
    one.flush().await;
    assert_eq!((one.statistics().written, one.statistics().queued), (60, 0));
    sought.insert(30, super::ground::sought());
    let found = other.get(&sought).await;
    assert_eq!(found.len(), 61);
    for (n, found) in found.iter().enumerate() {
        match (n, found) {
            (30, found) => assert!(matches!(found, Err(LookupOutcome::Miss)), "{found:?}"),
            (n, Ok(entry)) => assert_eq!(text(entry), texts[if n < 30 { n } else { n - 1 }]),
            (n, other) => panic!("{n}: {other:?}"),
        }
    }
    let (entry, kept) = (answer("whole"), found[0].as_ref().expect("an entry"));
    assert_eq!((&kept.stamp, kept.cost), (&entry.stamp, entry.cost));
    assert!(raw(&config, &sought[0].key).await.expect("bytes").len() < long.len() / 4, "long ones are packed");

    let elsewhere = L2Config { prefix: format!("{}-2", config.prefix), ..config.clone() };
    assert_eq!(get(&tier(&elsewhere), &sought[0]).await, Err(LookupOutcome::Miss), "another prefix");
    let theirs = Sought { tenant: Some("acme".into()), ..sought[0].clone() };
    assert_eq!(get(&other, &theirs).await, Err(LookupOutcome::Damaged), "another tenant's key is another, or a lie");
}

async fn an_entry_lives_as_long_as_it_says_and_no_longer_than_the_tier_says(config: L2Config) {
    let config = L2Config { ttl_ms: 20_000, ..config };
    let tier = tier(&config);
    for (lives, most) in [(5, 5_000), (60, 20_000)] {
        let (sought, mut entry) = (sought(), Arc::unwrap_or_clone(answer("mortal")));
        entry.expires = WallTime::of_system().after(Duration::from_secs(lives));
        assert_eq!(tier.put(sought.clone(), Arc::new(entry)), StoreOutcome::Stored);
        tier.flush().await;
        let left: i64 = ask(&config, &[b"PTTL", &name(&config, &sought.key, 'e')]).await;
        // Of two clocks that count in whole milliseconds one may be behind.
        assert!(left > 0 && left <= most + 1, "{left} of {most} ms");
    }
}

async fn what_does_not_fit_or_is_not_worth_it_is_not_kept(config: L2Config) {
    let config = L2Config { max_entry_bytes: 1_000, min_cost_ms: 5.0, ..config };
    let tier = tier(&config);
    let with = |change: fn(&mut Stored)| {
        let mut entry = Arc::unwrap_or_clone(answer("x"));
        change(&mut entry);
        Arc::new(entry)
    };
    let put = |entry| tier.put(sought(), entry);
    assert_eq!(put(with(|entry| entry.cost = Duration::from_millis(4))), StoreOutcome::TooCheap);
    assert_eq!(put(with(|entry| entry.expires = WallTime(1))), StoreOutcome::NotWanted);
    assert_eq!(put(answer(&"x".repeat(20_000))), StoreOutcome::TooLarge);
    // Whether this one fits shows when it is packed.
    let noise: String = (0..3_000).map(|_| char::from(rand::random_range(b' '..b'~'))).collect();
    let large = sought();
    assert_eq!(tier.put(large.clone(), answer(&noise)), StoreOutcome::Stored);
    tier.flush().await;
    assert_eq!(raw(&config, &large.key).await, None);
    let counted = tier.statistics();
    assert_eq!((counted.written, counted.dropped, counted.failed), (0, 1, 0));
}

async fn a_full_queue_lets_entries_go_and_never_waits(config: L2Config) {
    let config = L2Config { max_queued_bytes: 50_000, ..config };
    let tier = tier(&config);
    let text = "x".repeat(10_000);
    // No writer runs in between.
    let outcomes: Vec<_> = (0..100).map(|_| tier.put(sought(), answer(&text))).collect();
    let kept = outcomes.iter().filter(|outcome| **outcome == StoreOutcome::Stored).count() as u64;
    let full = outcomes.iter().filter(|outcome| **outcome == StoreOutcome::QueueFull).count() as u64;
    assert!(kept >= 4 && full > 0 && kept + full == 100, "{outcomes:?}");
    tier.flush().await;
    let counted = tier.statistics();
    assert_eq!((counted.written, counted.dropped), (kept, full));
    assert_eq!(tier.put(sought(), answer(&text)), StoreOutcome::Stored, "there is room again");
}
