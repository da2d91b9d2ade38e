//! What lies in Redis is not believed.

use forebay::{
    cache::{FarTier as _, Flaw, LookupOutcome, l2::Leased},
    config::L2Config,
};
use redis::Value;

use super::ground::*;

on_every_topology! {
    whatever_is_changed_about_an_entry_makes_it_a_counted_miss
    what_is_no_entry_at_all_is_a_counted_miss_that_can_be_filled
    what_is_larger_than_any_entry_is_not_read_to_its_end
    leases_that_are_none_keep_nobody_from_filling
}

async fn whatever_is_changed_about_an_entry_makes_it_a_counted_miss(config: L2Config) {
    let (tier, original, lies) = (tier(&config), sought(), sought());
    keep(&tier, &original, &"an answer ".repeat(200)).await;
    let bytes = raw(&config, &original.key).await.expect("an entry");
    plant(&config, &lies.key, &bytes).await;
    assert_eq!(get(&tier, &lies).await, Err(LookupOutcome::Damaged));
    assert_eq!(flawed(&tier.statistics(), Flaw::OtherKey), 1);
    let mut counted = 1;
    for step in 0..40 {
        let at = step * bytes.len() / 40;
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (step % 8);
        let longer = [&bytes[..], b"x"].concat();
        for bad in [&flipped[..], &bytes[..at.max(1)], &longer] {
            plant(&config, &original.key, bad).await;
            assert_eq!(get(&tier, &original).await, Err(LookupOutcome::Damaged), "{at}");
            counted += 1;
        }
    }
    assert_eq!(tier.statistics().flaws.iter().sum::<u64>(), counted);
    plant(&config, &original.key, &bytes).await;
    assert!(get(&tier, &original).await.is_ok(), "as it was");
}

async fn what_is_no_entry_at_all_is_a_counted_miss_that_can_be_filled(config: L2Config) {
    let tier = tier(&config);
    let other_types: [&[&[u8]]; 4] = [
        &[b"RPUSH", b"", b"a", b"b"],
        &[b"SADD", b"", b"a"],
        &[b"HSET", b"", b"a", b"b"],
        &[b"XADD", b"", b"*", b"a", b"b"],
    ];
    for words in other_types {
        let (sought, mut words) = (sought(), words.to_vec());
        let name = name(&config, &sought.key, 'e');
        words[1] = &name;
        let _: Value = ask(&config, &words).await;
        let neighbour = super::ground::sought();
        keep(&tier, &neighbour, "well").await;
        let found = tier.get(&[sought.clone(), neighbour]).await;
        assert!(matches!(found[0], Err(LookupOutcome::Damaged)), "{found:?}");
        assert_eq!(text(found[1].as_ref().expect("it is well")), "well");
        let Leased::Fill { lease: Some(lease), outcome, waited: false } = lease(&tier, &sought, AMPLE).await else {
            panic!("nobody fills it")
        };
        assert_eq!(outcome, LookupOutcome::Damaged);
        lease.store(answer("good"));
        tier.flush().await;
        assert_eq!(get(&tier, &sought).await.as_deref(), Ok("good"));
    }
    // Each was seen by a look-up and by a look for a lease.
    assert_eq!(flawed(&tier.statistics(), Flaw::NotAnEntry), 8);
}

async fn what_is_larger_than_any_entry_is_not_read_to_its_end(config: L2Config) {
    let (tier, huge) = (tier(&L2Config { max_entry_bytes: 1_000, ..config.clone() }), sought());
    keep(&super::ground::tier(&config), &huge, &(0..2_000).map(|_| rand::random_range('a'..='z')).collect::<String>())
        .await;
    assert_eq!(get(&tier, &huge).await, Err(LookupOutcome::Damaged));
    assert_eq!(flawed(&tier.statistics(), Flaw::Truncated), 1);
    let Leased::Fill { lease: Some(lease), outcome, .. } = lease(&tier, &huge, AMPLE).await else { panic!("a lease") };
    assert_eq!(outcome, LookupOutcome::Damaged);
    lease.store(answer("small"));
    tier.flush().await;
    assert_eq!(get(&tier, &huge).await.as_deref(), Ok("small"));
}

async fn leases_that_are_none_keep_nobody_from_filling(config: L2Config) {
    let tier = tier(&config);
    for thing in ['l', 'f'] {
        let (eternal, list) = (sought(), sought());
        let _: Value = ask(&config, &[b"SET", &name(&config, &eternal.key, thing), b"99999999999999999999"]).await;
        let _: Value = ask(&config, &[b"RPUSH", &name(&config, &list.key, thing), b"a"]).await;
        for sought in [eternal, list] {
            let Leased::Fill { lease: Some(lease), outcome: LookupOutcome::Miss, .. } =
                lease(&tier, &sought, AMPLE).await
            else {
                panic!("nobody fills it")
            };
            lease.store(answer("good"));
            tier.flush().await;
            assert_eq!(get(&tier, &sought).await.as_deref(), Ok("good"));
        }
    }
}
