//! `Cache-Status` (RFC 9211): what a tier did for a request, in the words of the cache room.

use std::sync::LazyLock;

use http::HeaderValue;

use super::fields::{decimal, numbered};
use crate::cache::{CacheReport, FarReports, LookupOutcome, StoreOutcome, Tier};

/// What is said of hits, by seconds left to live.
static HITS: LazyLock<Box<[HeaderValue]>> = LazyLock::new(|| {
    numbered(|text, left| {
        text.extend_from_slice(b"forebay-l1; hit; ttl=");
        decimal(text, left);
    })
});

/// The value for a plain hit, which is there already.
pub(super) fn ready(report: &CacheReport) -> Option<HeaderValue> {
    let CacheReport { tier: Tier::L1, lookup: LookupOutcome::Hit, ttl: Some(ttl), store: None, collapsed: false } =
        report
    else {
        return None;
    };
    HITS.get(usize::try_from(*ttl).ok()?).cloned()
}

/// Writes a member for each tier that was asked; the one nearest to the caller comes last.
pub(super) fn write_all(text: &mut Vec<u8>, near: &CacheReport, far: &FarReports) {
    for report in far.iter().rev().flatten() {
        write(text, report);
        text.extend_from_slice(b", ");
    }
    write(text, near);
}

/// Writes the member of one tier.
fn write(text: &mut Vec<u8>, report: &CacheReport) {
    text.extend_from_slice(report.tier.as_str().as_bytes());
    text.extend_from_slice(match report.lookup {
        LookupOutcome::Hit | LookupOutcome::Stale | LookupOutcome::StaleOnError => b"; hit".as_slice(),
        LookupOutcome::Miss => b"; fwd=miss",
        LookupOutcome::Expired | LookupOutcome::Invalidated => b"; fwd=stale",
        LookupOutcome::TooOld => b"; fwd=request",
        LookupOutcome::Uncertain => b"; fwd=stale",
        LookupOutcome::Damaged | LookupOutcome::TooSlow | LookupOutcome::Failed | LookupOutcome::Skipped => {
            b"; fwd=miss"
        }
        LookupOutcome::Bypassed => b"; fwd=bypass",
    });
    if let Some(ttl) = report.ttl {
        text.extend_from_slice(b"; ttl=");
        if ttl < 0 {
            text.push(b'-');
        }
        decimal(text, ttl.unsigned_abs());
    }
    if report.store == Some(StoreOutcome::Stored) {
        text.extend_from_slice(b"; stored");
    }
    if report.collapsed {
        text.extend_from_slice(b"; collapsed");
    }
    detail(text, report);
}

/// Our own words, where the standard's do not say it all: why there was no hit, why the answer was not stored. All of
/// them are tokens; two make a string.
fn detail(text: &mut Vec<u8>, report: &CacheReport) {
    let lookup = match report.lookup {
        LookupOutcome::Hit | LookupOutcome::Miss | LookupOutcome::Bypassed => None,
        other => Some(other.as_str()),
    };
    let store = report.store.filter(|outcome| *outcome != StoreOutcome::Stored).map(StoreOutcome::as_str);
    match (lookup, store) {
        (None, None) => {}
        (Some(one), None) | (None, Some(one)) => {
            text.extend_from_slice(b"; detail=");
            text.extend_from_slice(one.as_bytes());
        }
        (Some(one), Some(two)) => {
            text.extend_from_slice(b"; detail=\"");
            text.extend_from_slice(one.as_bytes());
            text.extend_from_slice(b", ");
            text.extend_from_slice(two.as_bytes());
            text.push(b'"');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Tier;

    fn written(lookup: LookupOutcome, ttl: Option<i64>, store: Option<StoreOutcome>, collapsed: bool) -> String {
        let mut text = Vec::new();
        write(&mut text, &CacheReport { tier: Tier::L1, lookup, ttl, store, collapsed });
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_value_that_is_there_already_is_the_one_that_would_be_written() {
        for (lookup, ttl, store, collapsed, is_ready) in [
            (LookupOutcome::Hit, Some(0), None, false, true),
            (LookupOutcome::Hit, Some(255), None, false, true),
            (LookupOutcome::Hit, Some(256), None, false, false),
            (LookupOutcome::Hit, None, None, false, false),
            (LookupOutcome::Hit, Some(7), None, true, false),
            (LookupOutcome::Miss, Some(7), None, false, false),
        ] {
            let report = CacheReport { tier: Tier::L1, lookup, ttl, store, collapsed };
            let value = ready(&report);
            assert_eq!(value.is_some(), is_ready, "{report:?}");
            if let Some(value) = value {
                assert_eq!(value, written(lookup, ttl, store, collapsed));
            }
        }
    }

    #[test]
    fn every_outcome_has_its_words() {
        use LookupOutcome::{Bypassed, Expired, Hit, Invalidated, Miss, Stale, StaleOnError, TooOld};
        use StoreOutcome::{Explained, Moved, NotWanted, Partial, Stored, TooLarge};
        let stored = Some(Stored);
        assert_eq!(written(Hit, Some(57), None, false), "forebay-l1; hit; ttl=57");
        assert_eq!(written(Miss, None, stored, false), "forebay-l1; fwd=miss; stored");
        assert_eq!(written(Miss, None, stored, true), "forebay-l1; fwd=miss; stored; collapsed");
        assert_eq!(written(Miss, None, None, true), "forebay-l1; fwd=miss; collapsed");
        assert_eq!(written(Miss, None, Some(TooLarge), false), "forebay-l1; fwd=miss; detail=too-large");
        assert_eq!(written(Miss, None, Some(Partial), false), "forebay-l1; fwd=miss; detail=partial");
        assert_eq!(written(Expired, None, stored, false), "forebay-l1; fwd=stale; stored; detail=expired");
        assert_eq!(
            written(Invalidated, None, Some(Moved), false),
            "forebay-l1; fwd=stale; detail=\"invalidated, moved\""
        );
        assert_eq!(written(TooOld, None, stored, false), "forebay-l1; fwd=request; stored; detail=too-old");
        assert_eq!(written(Bypassed, None, Some(NotWanted), false), "forebay-l1; fwd=bypass; detail=not-wanted");
        assert_eq!(written(Bypassed, None, Some(Explained), false), "forebay-l1; fwd=bypass; detail=explained");
        assert_eq!(written(Bypassed, None, stored, false), "forebay-l1; fwd=bypass; stored");
        assert_eq!(written(Stale, Some(-3), None, false), "forebay-l1; hit; ttl=-3; detail=stale-while-revalidate");
        assert_eq!(
            written(StaleOnError, Some(-3), None, true),
            "forebay-l1; hit; ttl=-3; collapsed; detail=stale-if-error"
        );
    }

    #[test]
    fn tiers_are_named_from_the_farthest_to_the_nearest() {
        let (mut text, of) = (Vec::new(), CacheReport::of);
        let far = [Some(of(Tier::L2, LookupOutcome::TooSlow)), Some(of(Tier::L3, LookupOutcome::Miss))];
        write_all(&mut text, &of(Tier::L1, LookupOutcome::Expired), &far);
        let expected =
            "forebay-l3; fwd=miss, forebay-l2; fwd=miss; detail=too-slow, forebay-l1; fwd=stale; detail=expired";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
