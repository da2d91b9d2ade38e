//! That benchmarks run and say what they promise; never how fast anything is.

use std::sync::Arc;

use super::*;
use crate::workload::sample;

fn corpus() -> Corpus {
    Corpus::new(Arc::new(sample::schema()), sample::parts(600))
}

/// All figures of a report are numbers, and all baselines were measured.
fn assert_sound(report: &Report) {
    assert!(!report.figures.is_empty() && !report.notes.is_empty());
    for figure in &report.figures {
        assert!(figure.value.is_finite() && figure.value > 0.0, "{figure:?}");
        assert!(figure.ratio.is_none_or(|ratio| ratio.is_finite() && ratio > 0.0), "{figure:?}");
    }
}

fn names(report: &Report) -> Vec<&str> {
    report.figures.iter().map(|figure| figure.metric.as_str()).collect()
}

#[test]
fn the_filter_bench_compares_every_selectivity_with_a_scan() {
    let report = filter(&corpus(), Effort::Quick).unwrap();
    assert_sound(&report);
    for selectivity in ["0.1 %", "1 %", "10 %"] {
        let of_it = |figure: &&Figure| figure.metric.contains(&format!(" {selectivity},")) && figure.ratio.is_some();
        assert_eq!(report.figures.iter().filter(of_it).count(), 3, "{:?}", names(&report));
    }
}

#[test]
fn the_plan_bench_measures_every_kind_of_plan() {
    let report = plan(&corpus(), None, Effort::Quick).unwrap();
    assert_sound(&report);
    for kind in crate::planner::PlanKind::ALL {
        assert!(names(&report).contains(&format!("plan/{}, p50", kind.as_str()).as_str()), "{:?}", names(&report));
    }
    let goal = report.figures.iter().find_map(|figure| figure.goal);
    assert_eq!(goal, Some(Goal::AtMost(25.0)), "planning has a goal");
}

#[test]
fn the_l1_bench_holds_hits_against_a_bare_server() {
    let redis = crate::backend::testing_servers::redis();
    let report = l1(&corpus(), redis.as_deref(), Effort::Quick).unwrap();
    assert_sound(&report);
    for workload in ["like", "like, all tiers", "values", "values, all tiers"] {
        let name = format!("l1/{workload}, requests");
        let figure = report.figures.iter().find(|figure| figure.metric == name).unwrap();
        assert_eq!((figure.goal, figure.baseline.is_some()), (Some(Goal::RatioAtLeast(0.95)), true));
    }
}

#[test]
fn the_tiers_bench_asks_every_tier_that_there_is() {
    use crate::backend::testing_servers;
    let secrets = tempfile::tempdir().unwrap();
    std::fs::write(secrets.path().join("secret"), "not really\n").unwrap();
    let s3 = testing_servers::s3().map(|endpoint| BucketAddress {
        endpoint,
        bucket: testing_servers::S3_BUCKET.into(),
        access_key_id: Some("somebody".into()),
        secret_access_key_file: Some(secrets.path().join("secret")),
    });
    let addresses = TierAddresses { redis: testing_servers::redis(), s3 };
    let report = tiers(&corpus(), &addresses, Effort::Quick).unwrap();
    assert_sound(&report);
    let bucket = addresses.s3.as_ref().map(|_| "objects in a bucket");
    let redis = addresses.redis.as_ref().map(|_| "Redis");
    for name in ["memory", "objects in a folder"].into_iter().chain(redis).chain(bucket) {
        assert!(names(&report).contains(&format!("tiers/{name}, hit p99").as_str()), "{:?}", names(&report));
    }
    let asking = report.figures.iter().filter(|figure| figure.metric.contains("asking all tiers"));
    assert!(asking.clone().count() == 2 && asking.clone().all(|figure| figure.baseline.is_some()));
}

#[test]
#[cfg(feature = "demo-data")]
fn the_zstd_bench_judges_answers_that_no_dictionary_was_trained_on() {
    let report = zstd(&Corpus::demo().unwrap(), Effort::Quick).unwrap();
    assert_sound(&report);
    let ratio = |name: &str| report.figures.iter().find(|figure| figure.metric.contains(name)).unwrap().ratio.unwrap();
    assert!(ratio("packed with a dictionary") > ratio("packed without a dictionary"));
}

#[test]
fn the_evict_bench_compares_what_every_rule_saves() {
    let report = evict(&corpus(), None, Effort::Quick, &mut crate::load::Silent).unwrap();
    assert!(report.figures.iter().all(|figure| (0.0..=100.0).contains(&figure.value)), "{:?}", names(&report));
    for part in ["5 %", "20 %"] {
        for rule in ["LRU", "quick_cache", "S3-FIFO", "ours, cost^0.75"] {
            for what in ["backend time saved", "hits"] {
                let name = format!("evict/embedded, {part} of the bytes, {rule}, {what}");
                let figure = report.figures.iter().find(|figure| figure.metric == name).expect(&name);
                assert!(figure.value > 0.0, "{figure:?}");
                assert_eq!(figure.goal.is_some(), rule.starts_with("ours"));
            }
        }
    }
}

#[test]
fn a_collection_without_vectors_is_refused_in_words() {
    let mut schema = sample::schema();
    schema.vectors.clear();
    let parts = crate::backend::embedded::Parts { vectors: Vec::new(), ..sample::parts(50) };
    let corpus = Corpus::new(Arc::new(schema), parts);
    assert!(filter(&corpus, Effort::Quick).unwrap_err().to_string().contains("no vectors"));
    assert!(l1(&corpus, None, Effort::Quick).unwrap_err().to_string().contains("no vectors"));
}
