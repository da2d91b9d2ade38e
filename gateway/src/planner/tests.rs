//! The planner alone, on made-up statistics.

mod choice;

use std::{sync::Arc, time::Duration};

use planner_model::{Features, Prediction, Silence};

use super::*;
use crate::{
    backend::{
        AnnCosts, DegreeStatistics, EdgeStatistics, GraphCosts, GraphStatistics, ReachRequest, VectorCosts,
        VectorStatistics,
    },
    cache::Digest,
    catalog::{AttributeSchema, CollectionSchema, GraphSchema, Metric, QueryLimits, VectorSchema},
    query::{Direction, Field, Filter, Include, NodeRef, Query, VectorClause, VectorInput, VectorTerm, Walk},
    value::{AttributeType, EntityId, IdType, Literal},
};

const KEY: Digest = [7; 32];

fn vectors(rows: u64) -> VectorStatistics {
    let costs = VectorCosts {
        call_us: 5.0,
        score_ns: 10.0,
        order_ns: 2.0,
        test_ns: 5.0,
        index_ns: 1.0,
        id_ns: 20.0,
        fetch_ns: 200.0,
        ..VectorCosts::default()
    };
    let keyword = crate::backend::AttributeStatistics {
        null_fraction: 0.0,
        distinct: 2.0,
        common: [("rare", 0.001), ("usual", 0.999)].map(|(v, f)| (Literal::Text(v.into()), f)).into(),
        histogram: None,
    };
    VectorStatistics {
        rows,
        usable: vec![rows],
        attributes: vec![keyword],
        costs,
        epoch: 1,
        ..VectorStatistics::default()
    }
}

fn graph(nodes: u64, fan_out: f64) -> GraphStatistics {
    let degrees =
        DegreeStatistics { mean: fan_out, p99: fan_out, max: fan_out as u64, mean_after_step: fan_out, known: None };
    let edge =
        EdgeStatistics { count: (nodes as f64 * fan_out) as u64, out: degrees.clone(), r#in: degrees, turns: None };
    let costs = GraphCosts { call_us: 5.0, edge_ns: 5.0, node_ns: 2.0, start_ns: 0.0 };
    GraphStatistics { nodes, edges: vec![edge], costs, epoch: 1, ..GraphStatistics::default() }
}

fn schema() -> CollectionSchema {
    CollectionSchema {
        name: "things".into(),
        id_type: IdType::Integer,
        attributes: vec![AttributeSchema { name: "kind".into(), kind: AttributeType::Keyword }],
        vectors: vec![VectorSchema { name: "default".into(), dimensions: 384, metric: Metric::Cosine }],
        graph: Some(GraphSchema { labels: vec!["Thing".into()], entity_label: 0, edges: vec!["cites".into()] }),
        tenant_attribute: None,
        embedding_version: None,
        limits: QueryLimits::default(),
    }
}

fn query(filter: Filter) -> Query {
    Query {
        vector: Some(VectorClause {
            space: 0,
            input: VectorInput::Single(VectorTerm::Values(Arc::from(vec![1.0; 384]))),
        }),
        filter,
        within: None,
        expand: None,
        limit: 10,
        offset: 0,
        score_threshold: None,
        exact: false,
        select: Vec::new(),
        include: Include::default(),
    }
}

fn walk() -> ReachRequest {
    ReachRequest {
        anchors: vec![NodeRef { label: 0, id: EntityId::Integer(1) }],
        walk: Walk { edges: vec![0], direction: Direction::Out, hops: 2 },
        include_anchors: false,
        scope: None,
    }
}

fn plan(
    query: &Query,
    request: Option<&ReachRequest>,
    graph: Option<&GraphStatistics>,
    probe: Probe<'_>,
    forced: Option<PlanKind>,
) -> Result<Arc<Planned>, NotApplicable> {
    let vectors = vectors(60_000);
    let input = Input {
        query,
        schema: &schema(),
        filter: &query.filter,
        dimensions: 384,
        usable: 60_000,
        ann: (!query.exactly()).then(|| vectors.ann_of(0)).flatten(),
        request,
        vectors: &vectors,
        graph,
        max_check: 1_000,
        joined: false,
        probe,
        keeps: true,
        down: Down::default(),
        waits: Waits::default(),
        forced: forced.map(Forced::from),
        left: Duration::MAX,
        true_reach: None,
        key: KEY,
    };
    Planner::new(None).plan(&input)
}

fn kinds(planned: &Planned) -> Vec<PlanKind> {
    let mut kinds: Vec<_> = planned.candidates.iter().map(|c| c.plan.kind).collect();
    kinds.dedup();
    kinds
}

#[test]
fn the_candidates_follow_the_shape_of_the_query() {
    let graph = graph(60_000, 5.0);
    let usual = Filter::equals(Field::Attribute(0), Literal::Text("usual".into()));
    let bare = plan(&query(Filter::Everything), None, None, Probe::default(), None).unwrap();
    assert_eq!(kinds(&bare), [PlanKind::VectorFirst]);
    assert_eq!(bare.choice, Choice::Only);
    let filtered = plan(&query(usual.clone()), None, None, Probe::default(), None).unwrap();
    assert_eq!(kinds(&filtered), [PlanKind::VectorFirst, PlanKind::FilteredVector]);
    let hybrid = plan(&query(usual), Some(&walk()), Some(&graph), Probe::default(), None).unwrap();
    assert_eq!(
        kinds(&hybrid),
        [PlanKind::VectorFirst, PlanKind::GraphFirst, PlanKind::Parallel, PlanKind::FilteredVector]
    );
    let probe = Probe { reach: Some(30), list: None };
    let cached = plan(&query(Filter::Everything), Some(&walk()), Some(&graph), probe, None).unwrap();
    assert!(kinds(&cached).contains(&PlanKind::CachedPartial));
}

#[test]
fn a_selective_filter_is_materialised_and_a_small_reach_is_walked_first() {
    let rare = Filter::equals(Field::Attribute(0), Literal::Text("rare".into()));
    let planned = plan(&query(rare), None, None, Probe::default(), None).unwrap();
    assert_eq!(planned.plan().kind, PlanKind::FilteredVector);
    let small = graph(60_000, 3.0);
    let planned = plan(&query(Filter::Everything), Some(&walk()), Some(&small), Probe::default(), None).unwrap();
    assert!(matches!(planned.plan().kind, PlanKind::GraphFirst | PlanKind::FilteredVector), "{planned:?}");
}

#[test]
fn a_forced_plan_runs_or_is_refused_with_the_reason() {
    let bare = query(Filter::Everything);
    let refused = plan(&bare, None, None, Probe::default(), Some(PlanKind::GraphFirst)).unwrap_err();
    assert!(refused.to_string().contains("no `within`"), "{refused}");
    let graph = graph(60_000, 3.0);
    for kind in [PlanKind::VectorFirst, PlanKind::GraphFirst, PlanKind::Parallel, PlanKind::FilteredVector] {
        let planned = plan(&bare, Some(&walk()), Some(&graph), Probe::default(), Some(kind)).unwrap();
        assert_eq!((planned.plan().kind, planned.choice), (kind, Choice::Forced));
    }
    let refused =
        plan(&bare, Some(&walk()), Some(&graph), Probe::default(), Some(PlanKind::CachedPartial)).unwrap_err();
    assert!(refused.to_string().contains("in the cache"), "{refused}");
}

#[test]
fn a_decision_is_remembered_until_something_that_it_went_by_changes() {
    let planner = Planner::new(None);
    let query = query(Filter::Everything);
    let mut statistics = vectors(60_000);
    let plan = |statistics: &VectorStatistics, forced| {
        let input = Input {
            query: &query,
            schema: &schema(),
            filter: &query.filter,
            dimensions: 384,
            usable: 60_000,
            ann: None,
            request: None,
            vectors: statistics,
            graph: None,
            max_check: 0,
            joined: false,
            probe: Probe::default(),
            keeps: true,
            down: Down::default(),
            waits: Waits::default(),
            forced,
            left: Duration::MAX,
            true_reach: None,
            key: KEY,
        };
        planner.plan(&input).unwrap()
    };
    let first = plan(&statistics, None);
    assert!(Arc::ptr_eq(&first, &plan(&statistics, None)));
    assert!(!Arc::ptr_eq(&first, &plan(&statistics, Some(PlanKind::VectorFirst.into()))));
    statistics.epoch += 1;
    assert!(!Arc::ptr_eq(&first, &plan(&statistics, None)));
}

#[test]
fn a_decision_for_a_list_of_one_filter_is_not_reused_for_a_list_of_another() {
    let planner = Planner::new(None);
    let query = query(Filter::equals(Field::Attribute(0), Literal::Text("rare".into())));
    let statistics = vectors(60_000);
    let refilters = |made_with: &Filter| {
        let list = Some(ListProbe { length: 200, exhausted: false, filter: made_with, exact: true, met: None });
        let input = Input {
            query: &query,
            schema: &schema(),
            filter: &query.filter,
            dimensions: 384,
            usable: 60_000,
            ann: None,
            request: None,
            vectors: &statistics,
            graph: None,
            max_check: 0,
            joined: false,
            probe: Probe { reach: None, list },
            keeps: true,
            down: Down::default(),
            waits: Waits::default(),
            forced: Some(PlanKind::CachedPartial.into()),
            left: Duration::MAX,
            true_reach: None,
            key: KEY,
        };
        planner.plan(&input).unwrap().plan().root.clone()
    };
    assert_eq!(refilters(&query.filter), Operator::CachedList { refilter: false });
    assert_eq!(refilters(&Filter::Everything), Operator::CachedList { refilter: true }, "as long, but wider");
}

#[test]
fn a_model_is_believed_before_the_analytic_costs() {
    struct Contrary;
    impl LatencyModel for Contrary {
        fn name(&self) -> &'static str {
            "contrary"
        }
        fn predict(&self, plan: usize, _: &Features) -> Result<Prediction, Silence> {
            let us = if plan == PlanKind::Parallel as usize { 0.001 } else { 7.0 };
            Ok(Prediction { us, q95_us: None, spread: None })
        }
    }
    let (vectors, graph, query, walk) = (vectors(60_000), graph(60_000, 3.0), query(Filter::Everything), walk());
    let input = Input {
        query: &query,
        schema: &schema(),
        filter: &query.filter,
        dimensions: 384,
        usable: 60_000,
        ann: None,
        request: Some(&walk),
        vectors: &vectors,
        graph: Some(&graph),
        max_check: 1_000,
        joined: false,
        probe: Probe::default(),
        keeps: true,
        down: Down::default(),
        waits: Waits::default(),
        forced: None,
        left: Duration::MAX,
        true_reach: None,
        key: KEY,
    };
    let planned = Planner::new(Some(Arc::new(Contrary))).plan(&input).unwrap();
    assert_eq!(planned.plan().kind, PlanKind::Parallel);
    assert_eq!(&*planned.model, "contrary");
}

#[test]
fn a_later_page_goes_on_with_an_approximate_list_and_with_no_other_plan() {
    let page = Query { offset: 10, ..query(Filter::Everything) };
    let list = |exact| ListProbe { length: 40, exhausted: false, filter: &Filter::Everything, exact, met: None };
    let probe = |exact| Probe { reach: Some(3), list: Some(list(exact)) };
    let graph = graph(60_000, 3.0);
    let planned = plan(&page, Some(&walk()), Some(&graph), probe(false), None).unwrap();
    assert_eq!(planned.choice, Choice::Paging);
    assert!(planned.plan().root.uses_list());
    // With an exact list every plan gives the same pages, and three reached ids are ranked soonest.
    let planned = plan(&page, Some(&walk()), Some(&graph), probe(true), None).unwrap();
    assert_eq!(planned.choice, Choice::Cheapest);
    assert!(!planned.plan().root.uses_list(), "{planned:?}");
}

#[test]
fn an_approximate_index_makes_ranking_first_cheap_until_the_filter_is_selective() {
    let mut statistics = vectors(60_000);
    let filter = |word: &str| Filter::equals(Field::Attribute(0), Literal::Text(word.into()));
    let mut kind = |word: &str, ann| {
        let query = query(filter(word));
        statistics.epoch += 1;
        let input = Input {
            query: &query,
            schema: &schema(),
            filter: &query.filter,
            dimensions: 384,
            usable: 60_000,
            ann,
            request: None,
            vectors: &statistics,
            graph: None,
            max_check: 0,
            joined: false,
            probe: Probe::default(),
            keeps: true,
            down: Down::default(),
            waits: Waits::default(),
            forced: None,
            left: Duration::MAX,
            true_reach: None,
            key: KEY,
        };
        Planner::new(None).plan(&input).unwrap().plan().kind
    };
    let ann = Some(AnnCosts { start_us: 300.0, visit_ns: 2_000.0, max_rows: 20_000.0 });
    assert_eq!(kind("usual", ann), PlanKind::VectorFirst);
    assert_eq!(kind("rare", ann), PlanKind::FilteredVector);
    let slow = Some(AnnCosts { start_us: 1e6, visit_ns: 2_000.0, max_rows: 20_000.0 });
    assert_eq!(kind("usual", slow), PlanKind::FilteredVector, "an index that is slower than a scan is not used");
}

#[test]
fn a_store_that_fails_is_not_asked_where_the_cache_suffices() {
    let (vectors, graph, query, walk) = (vectors(60_000), graph(60_000, 3.0), query(Filter::Everything), walk());
    let choose = |probe, down| {
        let input = Input {
            query: &query,
            schema: &schema(),
            filter: &query.filter,
            dimensions: 384,
            usable: 60_000,
            ann: None,
            request: Some(&walk),
            vectors: &vectors,
            graph: Some(&graph),
            max_check: 100,
            joined: false,
            probe,
            keeps: true,
            down,
            waits: Waits::default(),
            forced: None,
            left: Duration::MAX,
            true_reach: None,
            key: KEY,
        };
        Planner::new(None).plan(&input).unwrap()
    };
    // A reach of nearly everything: checking a few candidates is the cheapest, as long as the graph store answers.
    let probe = Probe { reach: Some(59_000), list: None };
    let down = Down { graph: true, vectors: false };
    let planned = choose(probe, down);
    assert_eq!(planned.choice, Choice::Spared);
    assert!(!planned.plan().root.asks_graph(), "{planned:?}");
    // Without anything in the cache the query is sent to where it has to go, and fails there.
    assert_eq!(choose(Probe::default(), down).choice, Choice::Cheapest);
    assert_eq!(choose(probe, Down { graph: true, vectors: true }).choice, Choice::Cheapest);
}

#[test]
fn where_one_store_holds_both_sides_a_small_reach_is_ranked_in_one_call() {
    let (query, request, graph, vectors) = (query(Filter::Everything), walk(), graph(60_000, 5.0), vectors(60_000));
    let plan = |joined| {
        let input = Input {
            query: &query,
            schema: &schema(),
            filter: &query.filter,
            dimensions: 384,
            usable: 60_000,
            ann: None,
            request: Some(&request),
            vectors: &vectors,
            graph: Some(&graph),
            max_check: 1_000,
            joined,
            probe: Probe::default(),
            keeps: true,
            down: Down::default(),
            waits: Waits::default(),
            forced: Some(PlanKind::GraphFirst.into()),
            left: Duration::MAX,
            true_reach: None,
            key: KEY,
        };
        Planner::new(None).plan(&input).unwrap()
    };
    assert_eq!(plan(false).plan().root.to_string(), "RankExact(Reach)");
    let joined = plan(true);
    assert_eq!(joined.plan().root, Operator::RankReached);
    assert!(joined.plan().root.asks_graph() && joined.plan().root.asks_vectors());
    let other = joined.candidates.iter().find(|other| other.plan.root.to_string() == "RankExact(Reach)").unwrap();
    assert!(joined.candidates[joined.chosen].analytic_us < other.analytic_us);
}
