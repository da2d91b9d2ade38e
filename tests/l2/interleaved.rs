//! Many gateways, few keys, everything at once: leases that are kept, dropped, forgotten and given up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use forebay::{
    cache::{FarTier as _, LookupOutcome, Sought, l2::Leased},
    config::L2Config,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{task::JoinSet, time::timeout};

use super::ground::*;

on_every_topology! {
    no_two_gateways_hold_a_key_and_nobody_has_anothers_entry
}

const GATEWAYS: u64 = 6;
const KEYS: usize = 4;
const STEPS: usize = 120;

/// A key, and how it is filled.
struct Key {
    sought: Sought,
    /// How many hold its lease.
    holders: AtomicU64,
    /// The round that its entries have to be of; earlier ones are refused.
    round: AtomicU64,
}

async fn no_two_gateways_hold_a_key_and_nobody_has_anothers_entry(config: L2Config) {
    let new = |_| Key { sought: sought(), holders: AtomicU64::new(0), round: AtomicU64::new(0) };
    let keys: Arc<Vec<Key>> = Arc::new((0..KEYS).map(new).collect());
    let mut gateways = JoinSet::new();
    for seed in 0..GATEWAYS {
        gateways.spawn(live(config.clone(), keys.clone(), StdRng::seed_from_u64(seed)));
    }
    let mut filled = 0;
    while let Some(fills) = gateways.join_next().await {
        filled += fills.expect("no panic");
    }
    assert!(filled > GATEWAYS * STEPS as u64 / 10, "{filled} were filled");
    // Nothing is left that keeps a key.
    let tier = tier(&config);
    for key in keys.iter() {
        let refuse = |_: &_| Err(LookupOutcome::Invalidated);
        let leased = tier.look_or_lease(&key.sought, AMPLE, &refuse).await;
        assert!(matches!(leased, Leased::Fill { lease: Some(_), .. }));
    }
}

/// One gateway's life; how often it filled.
async fn live(config: L2Config, keys: Arc<Vec<Key>>, mut dice: StdRng) -> u64 {
    let (tier, mut fills) = (tier(&config), 0);
    for _ in 0..STEPS {
        let number = dice.random_range(0..KEYS);
        let key = &keys[number];
        let round = key.round.load(Ordering::SeqCst);
        let judge = |entry: &_| match text(entry).split_once('/').expect("a key and a round") {
            (of, _) if of != number.to_string() => panic!("{of} under {number}"),
            (_, of) if of.parse::<u64>().expect("a number") < round => Err(LookupOutcome::Invalidated),
            _ => Ok(()),
        };
        let looking = tier.look_or_lease(&key.sought, AMPLE, &judge);
        let patience =
            if dice.random_bool(0.2) { Duration::from_micros(dice.random_range(0..3_000)) } else { 6 * AMPLE };
        let Ok(leased) = timeout(patience, looking).await else { continue };
        let Leased::Fill { lease, outcome, .. } = leased else {
            // Now and then the data changes.
            key.round.fetch_add(u64::from(dice.random_bool(0.5)), Ordering::SeqCst);
            continue;
        };
        let lease = lease.unwrap_or_else(|| panic!("its turn comes: {outcome:?}"));
        assert_eq!(key.holders.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..8))).await;
        key.holders.fetch_sub(1, Ordering::SeqCst);
        if dice.random_bool(0.3) {
            drop(lease);
        } else {
            lease.store(answer(&format!("{number}/{round}")));
            fills += 1;
        }
    }
    tier.flush().await;
    fills
}
