//! The counters as a page for Prometheus (OpenMetrics text).

use std::{
    fmt::Error,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelValue, LabelValueEncoder, MetricEncoder, text},
    metrics::{MetricType, exemplar::Exemplar},
    registry::{Registry, Unit},
};

use super::{
    far, memory,
    metrics::{ENDPOINTS, LEGS, LOOKUPS, Metrics, RESULTS, Route, STORES, StatusClass, TIERS, endpoint_name},
    planner, pools,
    sheet::{DurationsRead, Row},
};
use crate::{
    cache::{LookupOutcome, StoreOutcome, Tier},
    governor::MemorySnapshot,
    planner::{PlanKind, experience::PlannerNow},
    pool,
    problem::Code,
    request::{CacheStatistics, Refresh, Step},
};

/// The media type of the page.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Metrics {
    /// The page. The cache, the pools and whoever governs memory count for themselves.
    pub fn page(
        &self,
        cache: &CacheStatistics,
        pools: &pool::Registry,
        memory: &MemorySnapshot,
        planner: &PlannerNow,
    ) -> String {
        let mut registry = Registry::with_prefix("forebay");
        registry.register_collector(Box::new(Page(self.families(cache, pools, memory, planner))));
        let mut page = String::with_capacity(32 << 10);
        text::encode(&mut page, &registry).expect("writing to a string does not fail");
        page
    }

    /// Every metric that there is, as it stands. `docs/operations.md` lists them too; a test compares.
    fn families(
        &self,
        cache: &CacheStatistics,
        pools: &pool::Registry,
        memory: &MemorySnapshot,
        planner: &PlannerNow,
    ) -> Vec<Family> {
        let at = &self.at;
        let mut families = vec![
            Family::counter(
                "request",
                "Finished queries by how they ended.",
                // Most errors never happen; a counter appears with its first one.
                self.table(at.requests, ["endpoint", "result"], &ENDPOINTS.map(endpoint_name), &results())
                    .into_iter()
                    .filter(|(labels, n)| *n > 0 || labels[1].1 == Word::Fixed(OK))
                    .collect(),
            ),
            Family::durations(
                "request_duration",
                "Time from understanding a query to its answer.",
                (ENDPOINTS.iter().zip(at.durations))
                    .map(|(e, place)| (vec![("endpoint", endpoint_name(*e).into())], self.sheet.read_durations(place)))
                    .collect(),
            ),
            Family::durations(
                "request_step",
                "Time in each step of a query's life.",
                (Step::ALL.iter().zip(at.steps))
                    .map(|(step, place)| (vec![("step", step.as_str().into())], self.sheet.read_durations(place)))
                    .collect(),
            ),
            Family::counter(
                "cache_lookup",
                "What a tier said when it was asked for an answer.",
                self.table(
                    at.lookups,
                    ["tier", "outcome"],
                    &TIERS.map(Tier::as_str),
                    &LOOKUPS.map(LookupOutcome::as_str),
                ),
            ),
            Family::counter(
                "cache_store",
                "What became of answers that were offered to a tier.",
                self.table(at.stores, ["tier", "outcome"], &TIERS.map(Tier::as_str), &STORES.map(StoreOutcome::as_str)),
            ),
            Family::counter(
                "cache_collapsed",
                "Requests that waited for another that was making the same answer.",
                self.row(at.collapsed, "tier", &TIERS.map(Tier::as_str)),
            ),
            Family::sums(
                "cache_saved",
                "What it took to make the answers that a tier served fresh.",
                (self.row(at.saved, "tier", &TIERS.map(Tier::as_str)).into_iter())
                    .map(|(labels, nanoseconds)| (labels, nanoseconds as f64 / 1e9))
                    .collect(),
            ),
            Family::counter(
                "cache_refresh",
                "Answers that were made anew before anybody waited for them.",
                self.row(at.refreshes, "reason", &Refresh::ALL.map(Refresh::as_str)),
            ),
            Family::gauge("cache_entries", None, "Entries in memory: answers and stages.", cache.l1.entries),
            Family::gauge("cache", Some(Unit::Bytes), "Memory held by cache entries.", cache.l1.bytes),
            Family::gauge(
                "cache_max",
                Some(Unit::Bytes),
                "Most memory that cache entries may hold.",
                cache.l1.max_bytes,
            ),
            Family::counter(
                "planner_plan",
                "Plans that ran, by kind.",
                self.row(at.plans, "kind", &PlanKind::ALL.map(PlanKind::as_str)),
            ),
            Family::counter("execute_leg", "Calls to backends, by leg.", self.row(at.legs, "leg", &LEGS)),
            Family::counter(
                "api_response",
                "Responses of the query listener.",
                self.table(
                    at.responses,
                    ["route", "status"],
                    &Route::ALL.map(Route::as_str),
                    &StatusClass::ALL.map(StatusClass::as_str),
                ),
            ),
            Family::gauge(
                "api_connections",
                None,
                "Open connections to the query listener.",
                u64::try_from(self.connections.load(Relaxed)).unwrap_or(0),
            ),
            Family {
                name: "build",
                unit: None,
                help: "The version that runs.",
                values: Values::Info(("version", env!("CARGO_PKG_VERSION"))),
            },
        ];
        families.extend(far::families(cache));
        families.extend(pools::families(pools));
        families.extend(memory::families(memory));
        families.extend(planner::families(planner));
        families
    }

    fn row(&self, row: Row, label: &'static str, words: &[&'static str]) -> Vec<(Labels, u64)> {
        let read =
            |(index, word): (usize, &&'static str)| (vec![(label, (*word).into())], self.sheet.read(row.slot(index)));
        words.iter().enumerate().map(read).collect()
    }

    fn table(
        &self,
        row: Row,
        labels: [&'static str; 2],
        outer: &[&'static str],
        inner: &[&'static str],
    ) -> Vec<(Labels, u64)> {
        let pairs = outer
            .iter()
            .flat_map(|a| inner.iter().map(move |b| vec![(labels[0], (*a).into()), (labels[1], (*b).into())]));
        pairs.enumerate().map(|(index, labels)| (labels, self.sheet.read(row.slot(index)))).collect()
    }
}

const OK: &str = "ok";

fn results() -> [&'static str; RESULTS] {
    std::array::from_fn(|index| if index == 0 { OK } else { Code::ALL[index - 1].as_str() })
}

/// Names and values of the labels of a sample.
pub(super) type Labels = Vec<(&'static str, Word)>;

/// The value of a label: a word of ours, or the name that the configuration gives to a backend.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Word {
    Fixed(&'static str),
    Configured(Arc<str>),
}

impl From<&'static str> for Word {
    fn from(word: &'static str) -> Self {
        Self::Fixed(word)
    }
}

impl From<Arc<str>> for Word {
    fn from(name: Arc<str>) -> Self {
        Self::Configured(name)
    }
}

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), Error> {
        match self {
            Self::Fixed(word) => word.encode(encoder),
            Self::Configured(name) => (&**name).encode(encoder),
        }
    }
}

/// One metric with all its label values.
#[derive(Debug)]
pub(super) struct Family {
    name: &'static str,
    unit: Option<Unit>,
    help: &'static str,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Counter(Vec<(Labels, u64)>),
    Durations(Vec<(Labels, DurationsRead)>),
    Gauge(u64),
    Gauges(Vec<(Labels, u64)>),
    /// Seconds that only grow.
    Sums(Vec<(Labels, f64)>),
    /// Seconds, or a ratio, as they are now.
    Number(Option<f64>),
    Info((&'static str, &'static str)),
}

impl Family {
    pub(super) fn counter(name: &'static str, help: &'static str, values: Vec<(Labels, u64)>) -> Self {
        Self { name, unit: None, help, values: Values::Counter(values) }
    }

    pub(super) fn durations(name: &'static str, help: &'static str, values: Vec<(Labels, DurationsRead)>) -> Self {
        Self { name, unit: Some(Unit::Seconds), help, values: Values::Durations(values) }
    }

    pub(super) fn counter_of(name: &'static str, unit: Unit, help: &'static str, values: Vec<(Labels, u64)>) -> Self {
        Self { name, unit: Some(unit), help, values: Values::Counter(values) }
    }

    pub(super) fn gauge(name: &'static str, unit: Option<Unit>, help: &'static str, value: u64) -> Self {
        Self { name, unit, help, values: Values::Gauge(value) }
    }

    pub(super) fn gauges(
        name: &'static str,
        unit: Option<Unit>,
        help: &'static str,
        values: Vec<(Labels, u64)>,
    ) -> Self {
        Self { name, unit, help, values: Values::Gauges(values) }
    }

    pub(super) fn sums(name: &'static str, help: &'static str, values: Vec<(Labels, f64)>) -> Self {
        Self { name, unit: Some(Unit::Seconds), help, values: Values::Sums(values) }
    }

    pub(super) fn time(name: &'static str, help: &'static str, value: Option<f64>) -> Self {
        Self { name, unit: Some(Unit::Seconds), help, values: Values::Number(value) }
    }

    pub(super) fn ratio(name: &'static str, help: &'static str, value: Option<f64>) -> Self {
        Self { name, unit: None, help, values: Values::Number(value) }
    }

    fn kind(&self) -> MetricType {
        match self.values {
            Values::Counter(_) | Values::Sums(_) => MetricType::Counter,
            Values::Durations(_) => MetricType::Histogram,
            Values::Gauge(_) | Values::Gauges(_) | Values::Number(_) => MetricType::Gauge,
            Values::Info(_) => MetricType::Info,
        }
    }

    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), Error> {
        match &self.values {
            Values::Counter(values) => values.iter().try_for_each(|(labels, value)| {
                encoder.encode_family(labels)?.encode_counter(value, None::<&Exemplar<Labels, u64>>)
            }),
            Values::Durations(values) => values.iter().try_for_each(|(labels, read)| {
                encoder.encode_family(labels)?.encode_histogram::<Labels>(read.sum, read.count, &read.buckets, None)
            }),
            Values::Gauge(value) => encoder.encode_gauge(value),
            Values::Gauges(values) => values.iter().try_for_each(|(labels, value)| match labels.is_empty() {
                true => encoder.encode_gauge(value),
                false => encoder.encode_family(labels)?.encode_gauge(value),
            }),
            Values::Sums(values) => values.iter().try_for_each(|(labels, value)| {
                encoder.encode_family(labels)?.encode_counter(value, None::<&Exemplar<Labels, f64>>)
            }),
            Values::Number(value) => value.iter().try_for_each(|value| encoder.encode_gauge(value)),
            Values::Info(label) => encoder.encode_info(&[*label]),
        }
    }
}

/// The crate's encoder is only reachable from a registered collector, so this page is one, made for one reading.
#[derive(Debug)]
struct Page(Vec<Family>);

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        self.0.iter().try_for_each(|family| {
            family.encode(encoder.encode_descriptor(family.name, family.help, family.unit.as_ref(), family.kind())?)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        cache::{CacheReport, FarNow, FarStatistics, Flaw, L1Statistics, coherence::CoherenceStatistics},
        query::Priority,
        request::{Endpoint, Finished, LegCalls, Saved, Timing},
    };

    fn finished() -> Finished {
        let mut timing = Timing::default();
        timing.add(Step::Lookup, Duration::from_micros(3));
        timing.add(Step::Execute, Duration::from_millis(2));
        Finished {
            endpoint: Endpoint::Query,
            priority: Priority::Normal,
            result: Ok(()),
            cache: Some(CacheReport {
                tier: Tier::L1,
                lookup: LookupOutcome::Miss,
                ttl: None,
                store: Some(StoreOutcome::Stored),
                collapsed: false,
            }),
            far: [None; 2],
            plan: Some(PlanKind::GraphFirst),
            legs: LegCalls { vector: 3, graph: 1, embed: 0 },
            saved: Some(Saved { tier: Tier::L3, cost: Duration::from_millis(250) }),
            refresh: Some(Refresh::Stale),
            timing,
        }
    }

    fn statistics() -> CacheStatistics {
        let mut flaws = [0; Flaw::ALL.len()];
        flaws[Flaw::Checksum as usize] = 6;
        let statistics =
            FarStatistics { held: Some((3, 99)), queued: 2, failed: 4, evicted: 5, flaws, ..Default::default() };
        let coherence = CoherenceStatistics {
            is_leased: true,
            last_contact: Some(Duration::from_millis(250)),
            renewals: 8,
            gaps: 9,
            acknowledged: 10,
            pending: 11,
            ..Default::default()
        };
        CacheStatistics {
            l1: L1Statistics { entries: 7, bytes: 512, max_bytes: 1024 },
            far: vec![FarNow { tier: Tier::L3, is_available: false, statistics }],
            coherence: Some(coherence),
        }
    }

    fn value(page: &str, series: &str) -> Option<f64> {
        page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    #[test]
    fn a_finished_query_is_counted_under_each_of_its_outcomes() {
        let metrics = Metrics::default();
        metrics.query_finished(&finished());
        metrics.query_finished(&Finished { result: Err(Code::DeadlineExceeded), cache: None, ..finished() });
        metrics.responded(Route::Query, 504);
        let page =
            metrics.page(&statistics(), &pool::Registry::default(), &MemorySnapshot::default(), &PlannerNow::default());
        for (series, expected) in [
            (r#"forebay_request_total{endpoint="query",result="ok"}"#, 1.0),
            (r#"forebay_request_total{endpoint="query",result="deadline-exceeded"}"#, 1.0),
            (r#"forebay_request_duration_seconds_count{endpoint="query"}"#, 2.0),
            (r#"forebay_request_step_seconds_sum{step="execute"}"#, 0.004),
            (r#"forebay_request_step_seconds_bucket{le="0.005",step="execute"}"#, 2.0),
            (r#"forebay_request_step_seconds_bucket{le="+Inf",step="execute"}"#, 2.0),
            (r#"forebay_cache_lookup_total{tier="forebay-l1",outcome="miss"}"#, 1.0),
            (r#"forebay_cache_lookup_total{tier="forebay-l1",outcome="hit"}"#, 0.0),
            (r#"forebay_cache_store_total{tier="forebay-l1",outcome="stored"}"#, 1.0),
            (r#"forebay_planner_plan_total{kind="graph-first"}"#, 2.0),
            (r#"forebay_execute_leg_total{leg="vector"}"#, 6.0),
            (r#"forebay_api_response_total{route="query",status="5xx"}"#, 1.0),
            (r#"forebay_cache_saved_seconds_total{tier="forebay-l3"}"#, 0.5),
            (r#"forebay_cache_saved_seconds_total{tier="forebay-l1"}"#, 0.0),
            (r#"forebay_cache_refresh_total{reason="stale"}"#, 2.0),
            ("forebay_cache_entries", 7.0),
            ("forebay_cache_bytes", 512.0),
            (r#"forebay_cache_far_available{tier="forebay-l3"}"#, 0.0),
            (r#"forebay_cache_far_entries{tier="forebay-l3"}"#, 3.0),
            (r#"forebay_cache_far_bytes{tier="forebay-l3"}"#, 99.0),
            (r#"forebay_cache_far_queued_entries{tier="forebay-l3"}"#, 2.0),
            (r#"forebay_cache_far_write_total{tier="forebay-l3",outcome="failed"}"#, 4.0),
            (r#"forebay_cache_far_evicted_total{tier="forebay-l3"}"#, 5.0),
            (r#"forebay_cache_far_flaw_total{tier="forebay-l3",kind="checksum"}"#, 6.0),
            ("forebay_cache_epochs_leased", 1.0),
            ("forebay_cache_epochs_contact_seconds", 0.25),
            (r#"forebay_cache_epochs_renewal_total{outcome="renewed"}"#, 8.0),
            (r#"forebay_cache_epochs_event_total{event="gap"}"#, 9.0),
            (r#"forebay_cache_epochs_bump_total{outcome="acknowledged"}"#, 10.0),
            ("forebay_cache_epochs_pending", 11.0),
        ] {
            assert_eq!(value(&page, series), Some(expected), "{series}\n{page}");
        }
        assert_eq!(value(&page, r#"forebay_request_total{endpoint="query",result="internal"}"#), None);
    }

    /// The grammar of OpenMetrics, as far as this page uses it.
    #[test]
    fn the_page_is_a_metadata_block_and_samples_for_each_metric_and_ends_with_eof() {
        let metrics = Metrics::default();
        metrics.query_finished(&finished());
        let page = metrics.page(
            &CacheStatistics::default(),
            &pool::Registry::default(),
            &MemorySnapshot::default(),
            &PlannerNow::default(),
        );
        let mut family = String::new();
        let mut seen = std::collections::BTreeSet::new();
        for line in page.lines() {
            if let Some(metadata) = line.strip_prefix("# TYPE ") {
                family = metadata.split(' ').next().unwrap().to_owned();
                assert!(family.starts_with("forebay_"), "{line}");
                assert!(seen.insert(family.clone()), "{family} twice");
            } else if !line.starts_with('#') {
                let (series, value) = line.rsplit_once(' ').unwrap();
                assert!(value.parse::<f64>().is_ok(), "{line}");
                assert!(series.starts_with(&family), "{line} under {family}");
                assert_eq!(series.contains('{'), series.ends_with('}'), "{line}");
            }
        }
        assert!(page.ends_with("# EOF\n"));
        assert_eq!(
            seen.len(),
            metrics
                .families(
                    &CacheStatistics::default(),
                    &pool::Registry::default(),
                    &MemorySnapshot::default(),
                    &PlannerNow::default()
                )
                .len()
        );
    }

    #[test]
    fn the_operators_page_lists_every_metric_and_no_other() {
        let documented: std::collections::BTreeSet<_> = include_str!("../../../docs/operations.md")
            .lines()
            .filter_map(|line| line.strip_prefix("| `forebay_")?.split('`').next())
            .map(|name| name.trim_end_matches("_total").trim_end_matches("_info"))
            .collect();
        let families = Metrics::default().families(
            &CacheStatistics::default(),
            &pool::Registry::default(),
            &MemorySnapshot::default(),
            &PlannerNow::default(),
        );
        let counted: Vec<_> = families
            .iter()
            .map(|family| match &family.unit {
                Some(unit) => format!("{}_{}", family.name, unit.as_str()),
                None => family.name.to_owned(),
            })
            .collect();
        assert_eq!(documented, counted.iter().map(String::as_str).collect());
    }
}
