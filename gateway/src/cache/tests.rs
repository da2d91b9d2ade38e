//! Tier 1 alone.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::*;
use crate::{
    backend::Hit,
    config::L1Config,
    query::{Comparison, Field, Filter},
    value::{EntityId, Literal, Number},
};

struct Fixture {
    l1: L1,
    epochs: Arc<Epochs>,
    tag: Arc<str>,
    stamp: Stamp,
}

fn fixture(max_bytes: u64) -> Fixture {
    let epochs = Arc::new(Epochs::default());
    let config = L1Config { max_bytes, max_entry_bytes: max_bytes / 4, ttl_ms: 60_000 };
    let tag: Arc<str> = "packages".into();
    let stamp = epochs.stamp([&*tag]);
    Fixture { l1: L1::new(&config, epochs.clone()), epochs, tag, stamp }
}

fn answer(body: &str, created: Instant) -> StoredAnswer {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let etag = ETag::of(&body);
    StoredAnswer {
        body,
        etag,
        groups: Groups::from_iter([""; 0]),
        created,
        cost: Duration::ZERO,
        validity: validity(created),
    }
}

/// Fresh for a minute, and of use for ten seconds more.
fn validity(created: Instant) -> Validity {
    let fresh_until = created + Duration::from_secs(60);
    let revalidate_until = fresh_until + Duration::from_secs(10);
    Validity { fresh_until, revalidate_until, error_until: fresh_until, grace: Duration::ZERO }
}

fn list(filter: Filter, ids: std::ops::Range<i64>, exhausted: bool) -> RankedList {
    let hits = ids.map(|id| Hit { id: EntityId::Integer(id), score: -(id as f64) }).collect();
    RankedList { filter, hits, exhausted, exact: true }
}

fn below(limit: i128) -> Filter {
    Filter::Compare(Field::Attribute(0), Comparison::Less, Literal::Number(Number::Integer(limit)))
}

#[test]
fn an_answer_is_served_until_its_time_is_over_or_its_data_moves() {
    let f = fixture(1 << 20);
    let now = Instant::now();
    assert_eq!(f.l1.answer(&[1; 32], now, None).unwrap_err().outcome, LookupOutcome::Miss);
    assert_eq!(f.l1.admit_answer([1; 32], answer("a", now), &f.stamp), StoreOutcome::Stored);
    let (stored, ttl) = f.l1.answer(&[1; 32], now + Duration::from_secs(10), None).unwrap();
    assert_eq!((&*stored.body, ttl), (&b"a"[..], Duration::from_secs(50)));
    let young = Some(Duration::from_secs(5));
    assert_eq!(f.l1.answer(&[1; 32], now + Duration::from_secs(10), young).unwrap_err().outcome, LookupOutcome::TooOld);
    assert!(f.l1.answer(&[1; 32], now + Duration::from_secs(3), young).is_ok(), "too old for one is not for all");
    let expired = f.l1.answer(&[1; 32], now + Duration::from_secs(60), None).unwrap_err();
    assert_eq!(expired.outcome, LookupOutcome::Expired);
    assert_eq!(&*expired.stale.expect("it may still be served while another is made").answer.body, b"a");
    let gone = f.l1.answer(&[1; 32], now + Duration::from_secs(70), None).unwrap_err();
    assert!(gone.outcome == LookupOutcome::Expired && gone.stale.is_none());
    assert_eq!(f.l1.answer(&[1; 32], now, None).unwrap_err().outcome, LookupOutcome::Miss, "it takes no room any more");

    f.l1.admit_answer([2; 32], answer("b", now), &f.stamp);
    f.epochs.bump(&f.tag);
    assert_eq!(f.l1.answer(&[2; 32], now, None).unwrap_err().outcome, LookupOutcome::Invalidated);
    assert_eq!(f.l1.admit_answer([2; 32], answer("b", now), &f.stamp), StoreOutcome::Moved);
}

#[test]
fn the_tier_never_holds_more_than_it_may() {
    let f = fixture(256 << 10);
    let now = Instant::now();
    let large = "x".repeat(65 << 10);
    assert_eq!(f.l1.admit_answer([0; 32], answer(&large, now), &f.stamp), StoreOutcome::TooLarge);
    for i in 0..2_000_u32 {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&i.to_le_bytes());
        f.l1.admit_answer(key, answer(&"y".repeat(1 << 10), now), &f.stamp);
        let statistics = f.l1.statistics();
        assert!(statistics.bytes <= statistics.max_bytes, "{statistics:?}");
    }
    assert!(f.l1.statistics().entries > 50);
}

#[test]
fn a_stage_and_an_answer_are_not_taken_for_each_other() {
    let f = fixture(1 << 20);
    let now = Instant::now();
    f.l1.admit_stage([1; 32], Stage::Embedding(Arc::from([1.0])), Duration::ZERO, now, validity(now), &f.stamp);
    f.l1.admit_answer([2; 32], answer("a", now), &f.stamp);
    assert!(f.l1.answer(&[1; 32], now, None).is_err());
    assert!(f.l1.stage(&[2; 32], now, None).is_none());
    assert!(f.l1.stage(&[1; 32], now, None).is_some());
}

#[test]
fn who_only_looks_does_not_keep_an_entry_from_going() {
    let f = fixture(64 << 10);
    let now = Instant::now();
    let stage = || Stage::Embedding(Arc::from(vec![1.0; 250]));
    let (told, used) = ([1; 32], [2; 32]);
    for key in [told, used] {
        f.l1.admit_stage(key, stage(), Duration::from_millis(1), now, validity(now), &f.stamp);
    }
    let mut gone = false;
    for i in 0..2_000_u32 {
        let mut key = [3; 32];
        key[..4].copy_from_slice(&i.to_le_bytes());
        f.l1.admit_stage(key, stage(), Duration::from_millis(1), now, validity(now), &f.stamp);
        assert!(f.l1.stage(&used, now, None).is_some(), "what is used stays");
        gone |= (0..10).any(|_| f.l1.peek_stage(&told, now, None).is_none());
    }
    assert!(gone);
    let over = now + Duration::from_secs(100);
    assert!(f.l1.peek_stage(&used, over, None).is_none() && f.l1.peek_stage(&used, now, None).is_some());
    f.epochs.bump(&f.tag);
    assert!(f.l1.peek_stage(&used, now, None).is_none());
}

#[test]
fn lists_of_one_vector_are_kept_side_by_side_and_needless_ones_go() {
    let f = fixture(1 << 20);
    let (key, now) = ([1; 32], Instant::now());
    let lists = |at| match f.l1.stage(&key, at, None) {
        Some((Stage::Lists(lists), since)) => (lists, since),
        other => panic!("no lists but {other:?}"),
    };
    f.l1.admit_list(key, list(Filter::Everything, 0..200, false), Duration::ZERO, now, validity(now), &f.stamp);
    let later = now + Duration::from_secs(5);
    f.l1.admit_list(key, list(below(9), 0..50, true), Duration::ZERO, later, validity(later), &f.stamp);
    let (kept, since) = lists(later);
    assert_eq!(kept.len(), 2);
    assert_eq!(since, now, "the entry is as old as its oldest list");
    f.l1.admit_list(key, list(Filter::Everything, 0..400, false), Duration::ZERO, later, validity(later), &f.stamp);
    let (kept, _) = lists(later);
    assert_eq!(
        kept.iter().map(|l| l.hits.len()).collect::<Vec<_>>(),
        [400, 50],
        "a longer list replaces a shorter one"
    );
    f.l1.admit_list(key, list(Filter::Everything, 0..100, false), Duration::ZERO, later, validity(later), &f.stamp);
    assert!(lists(later).0.iter().any(|l| l.hits.len() == 400), "a shorter list replaces nothing longer");
    for limit in 10..30 {
        f.l1.admit_list(key, list(below(limit), 0..10, true), Duration::ZERO, later, validity(later), &f.stamp);
    }
    assert!(lists(later).0.len() <= 4);
}

#[test]
fn a_list_covers_exactly_the_filters_that_imply_its_own() {
    let wide = list(below(9), 0..10, true);
    assert!(wide.covers(&below(5), true) && wide.covers(&below(9), true));
    assert!(!wide.covers(&Filter::Everything, false) && !wide.covers(&below(10), false));
    let approximate = RankedList { exact: false, ..wide };
    assert!(approximate.covers(&below(5), false) && !approximate.covers(&below(5), true));
}
