//! Holders that are gone, or come back too late. A gateway here is a runtime of its own: one that is not driven is frozen,
//! one that is shut down is killed.

use std::time::Duration;

use forebay::{
    cache::{FarTier as _, StoreOutcome, l2::Leased},
    config::L2Config,
};
use tokio::runtime::{Builder, Runtime};

use super::ground::*;

on_every_topology! {
    a_gateway_that_is_killed_while_it_fills_frees_the_key
    a_holder_that_slept_through_its_lease_does_not_overwrite
    a_holder_that_slept_while_nobody_came_still_writes
    fences_grow_even_where_redis_forgot_them
}

/// A runtime that moves only while it is told to.
fn gateway() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

async fn a_gateway_that_is_killed_while_it_fills_frees_the_key(config: L2Config) {
    let sought = sought();
    let (theirs, of_theirs) = (config.clone(), sought.clone());
    tokio::task::spawn_blocking(move || {
        let gateway = gateway();
        let leased = gateway.block_on(async { lease(&tier(&theirs), &of_theirs, Duration::ZERO).await });
        assert!(matches!(leased, Leased::Fill { lease: Some(_), .. }));
        gateway.shutdown_background();
        // Who is killed gives nothing back.
        std::mem::forget(leased);
    })
    .await
    .expect("no panic");
    let left: i64 = ask(&config, &[b"PTTL", &name(&config, &sought.key, 'l')]).await;
    assert!(left > 0 && left <= 2_000, "{left} ms");
    let next = lease(&tier(&config), &sought, AMPLE).await;
    assert!(matches!(next, Leased::Fill { lease: Some(_), waited: true, .. }));
}

/// A gateway takes the lease, and stops. Then `meanwhile` happens, and it goes on to write "old".
async fn frozen(config: &L2Config, meanwhile: impl AsyncFnOnce(&forebay::cache::Sought)) -> Option<String> {
    let sought = sought();
    let (theirs, of_theirs) = (config.clone(), sought.clone());
    let (frozen, (resume, resumed)) = (tokio::sync::oneshot::channel(), std::sync::mpsc::channel::<()>());
    let holder = std::thread::spawn(move || {
        let gateway = gateway();
        let tier = gateway.block_on(async { tier(&theirs) });
        let leased = gateway.block_on(lease(&tier, &of_theirs, Duration::ZERO));
        let Leased::Fill { lease: Some(lease), .. } = leased else { panic!("a lease") };
        frozen.0.send(()).expect("somebody waits");
        resumed.recv().expect("somebody resumes it");
        gateway.block_on(async {
            assert_eq!(lease.store(answer("old")), StoreOutcome::Stored);
            tier.flush().await;
        });
    });
    frozen.1.await.expect("it holds the lease");
    meanwhile(&sought).await;
    resume.send(()).expect("it waits");
    tokio::task::spawn_blocking(move || holder.join().expect("no panic")).await.expect("no panic");
    get(&tier(config), &sought).await.ok()
}

async fn a_holder_that_slept_through_its_lease_does_not_overwrite(config: L2Config) {
    let next = tier(&config);
    let kept = frozen(&config, async |sought| {
        let Leased::Fill { lease: Some(lease), .. } = lease(&next, sought, AMPLE).await else { panic!("a lease") };
        lease.store(answer("new"));
        next.flush().await;
    });
    assert_eq!(kept.await.as_deref(), Some("new"));
    // Nor while the next one still fills.
    let mut held = None;
    let kept = frozen(&config, async |sought| held = Some(lease(&next, sought, AMPLE).await));
    assert_eq!(kept.await, None);
    assert!(matches!(held, Some(Leased::Fill { lease: Some(_), .. })));
}

async fn a_holder_that_slept_while_nobody_came_still_writes(config: L2Config) {
    let kept = frozen(&config, async |sought| {
        let name = name(&config, &sought.key, 'l');
        while ask::<i64>(&config, &[b"EXISTS", &name]).await == 1 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    assert_eq!(kept.await.as_deref(), Some("old"));
}

async fn fences_grow_even_where_redis_forgot_them(config: L2Config) {
    let (tier, sought) = (tier(&config), sought());
    let fence = async || -> u64 {
        let leased = lease(&tier, &sought, AMPLE).await;
        assert!(matches!(leased, Leased::Fill { lease: Some(_), .. }));
        ask(&config, &[b"GET", &name(&config, &sought.key, 'f')]).await
    };
    let first = fence().await;
    let second = fence().await;
    let _: i64 = ask(&config, &[b"DEL", &name(&config, &sought.key, 'f'), &name(&config, &sought.key, 'l')]).await;
    let third = fence().await;
    // Redis' clock may have been set back.
    let ahead = (third + 1_000_000_000_000).to_string();
    let _: redis::Value = ask(&config, &[b"SET", &name(&config, &sought.key, 'f'), ahead.as_bytes()]).await;
    let fourth = fence().await;
    assert!(first < second && second < third && third + 1_000_000_000_000 < fourth);
}
