//! What a workload has to be, checked on a made-up collection.

use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::{
    backend::embedded::Parts,
    catalog::CollectionSchema,
    query::{Anchors, Query, parse, read_json},
    reference::Asked,
    value::EntityId,
};

fn generate(parts: &Parts, options: WorkloadOptions, count: usize) -> Vec<GeneratedQuery> {
    Generator::new(&sample::schema(), parts, options).take(count).collect()
}

fn parsed(schema: &CollectionSchema, query: &GeneratedQuery) -> Query {
    let body = query.body.to_string();
    let json = read_json(body.as_bytes(), crate::query::JsonLimits::default()).expect("a body is JSON");
    parse(&json, schema).unwrap_or_else(|error| panic!("{error} at {:?} in {body}", error.pointer)).query
}

/// Ids of the entities that pass a query's filter, by the definition.
fn passing(schema: &CollectionSchema, parts: &Parts, query: &Query) -> HashSet<EntityId> {
    let filter_only = Query {
        vector: None,
        within: None,
        offset: 0,
        limit: u32::MAX,
        score_threshold: None,
        expand: None,
        ..query.clone()
    };
    let asked = Asked { schema, parts, tenant: None };
    asked.answer(&filter_only, &|_| None).unwrap().items.into_iter().map(|(id, _)| id).collect()
}

#[test]
fn the_same_seed_and_data_give_the_same_bytes() {
    let parts = sample::parts(500);
    let bytes = |seed| -> Vec<String> {
        let options = WorkloadOptions { seed, zipf: Some(1.0), distinct: 60, ..WorkloadOptions::default() };
        generate(&parts, options, 120).iter().map(|query| query.body.to_string()).collect()
    };
    assert_eq!(bytes(3), bytes(3));
    assert_ne!(bytes(3), bytes(4));
}

#[test]
fn every_decade_of_selectivity_is_hit_and_is_what_it_says() {
    let (schema, parts) = (sample::schema(), sample::parts(3_000));
    let mut decades = BTreeMap::new();
    for query in generate(&parts, WorkloadOptions::default(), 600) {
        let Some(selectivity) = query.class.selectivity else { continue };
        let passing = passing(&schema, &parts, &parsed(&schema, &query)).len();
        assert_eq!(passing as f64 / 3_000.0, selectivity, "{}", query.body);
        assert!(passing > 0, "{}", query.body);
        *decades.entry((selectivity * 3_000.0).log10().floor() as i32).or_insert(0) += 1;
    }
    // From one entity of 3,000 to all of them; the draw is even over the logarithm.
    assert!((0..=3).all(|decade| decades[&decade] > 25), "{decades:?}");
}

#[test]
fn all_bodies_are_valid_and_their_walks_reach_what_they_say() {
    let (schema, parts) = (sample::schema(), sample::parts(500));
    let asked = Asked { schema: &schema, parts: &parts, tenant: None };
    for query in generate(&parts, WorkloadOptions::default(), 400) {
        let meaning = parsed(&schema, &query);
        let answer = asked.answer(&meaning, &|_| None).expect("a generated query has an answer");
        assert_eq!(meaning.limit, query.class.limit);
        let Some(reach) = query.class.reach else { continue };
        let within = meaning.within.expect("a query with a reach has a walk");
        assert!(matches!(within.from, Anchors::Nodes(_)) && answer.unknown_anchors.is_empty());
        let walk_only = Query {
            vector: None,
            filter: crate::query::Filter::Everything,
            within: Some(crate::query::Within { include_anchors: false, ..within }),
            offset: 0,
            limit: u32::MAX,
            score_threshold: None,
            ..meaning
        };
        assert_eq!(asked.answer(&walk_only, &|_| None).unwrap().total_matches as u64, reach, "{}", query.body);
    }
}

#[test]
fn all_strata_occur() {
    let parts = sample::parts(1_000);
    let options = WorkloadOptions { zipf: Some(0.5), distinct: 300, ..WorkloadOptions::default() };
    let queries = generate(&parts, options, 700);
    let seen = |what: &dyn Fn(&QueryClass) -> bool| queries.iter().filter(|query| what(&query.class)).count();
    for shape in Shape::ALL {
        assert!(seen(&|class| class.shape == *shape) >= 10, "{shape:?}");
    }
    for anchor in AnchorClass::ALL {
        assert!(seen(&|class| class.anchor == Some(*anchor)) >= 30, "{anchor:?}");
    }
    for source in VectorSource::ALL {
        assert!(seen(&|class| class.source == Some(*source)) >= 30, "{source:?}");
    }
    for drill in Drill::ALL {
        assert!(seen(&|class| matches!(class.origin, Origin::DrillDown { by, .. } if by == *drill)) >= 10, "{drill:?}");
    }
    for hops in 1..=3 {
        assert!(seen(&|class| class.hops == Some(hops)) >= 30, "{hops} hops");
    }
    assert!(seen(&|class| class.limit == 1) > 0 && seen(&|class| class.limit > 50) > 0);
    assert!(queries.iter().map(|query| &query.template_id).collect::<HashSet<_>>().len() > 100);
    let mut mix = Mix::default();
    queries.iter().for_each(|query| mix.add(&query.class));
    let report = mix.to_string();
    assert!(report.contains("vector+filter+graph") && report.contains("0.1 to 1 %"), "{report}");
}

#[test]
fn hubs_have_higher_degrees_than_leaves() {
    let parts = sample::parts(1_000);
    let queries = generate(&parts, WorkloadOptions::default(), 500);
    let mean = |class| {
        let of_class = queries.iter().filter(|query| query.class.anchor == Some(class));
        let degrees: Vec<f64> = of_class.filter_map(|query| Some(query.class.degree? as f64)).collect();
        degrees.iter().sum::<f64>() / degrees.len() as f64
    };
    let (hub, middling, leaf) = (mean(AnchorClass::Hub), mean(AnchorClass::Middling), mean(AnchorClass::Leaf));
    assert!(hub > 3.0 * middling && middling > 1.2 * leaf && leaf >= 1.0, "{hub} {middling} {leaf}");
}

#[test]
fn filters_lean_towards_the_vector_or_away_from_it_as_asked() {
    let parts = sample::parts(2_000);
    let queries = generate(&parts, WorkloadOptions::default(), 600);
    let mean_lift = |correlation| {
        // Where a filter passes a handful, its lift says nothing.
        let of_class = queries.iter().filter(|query| {
            query.class.correlation == correlation && query.class.selectivity.is_some_and(|share| share > 0.01)
        });
        let lifts: Vec<f64> = of_class.filter_map(|query| query.class.lift).collect();
        lifts.iter().sum::<f64>() / lifts.len() as f64
    };
    let (toward, away) = (mean_lift(Correlation::For), mean_lift(Correlation::Against));
    assert!(toward > 1.5 * mean_lift(Correlation::None) && away < 0.8, "{toward} {away}");
}

#[test]
fn drill_downs_keep_the_vector_and_ask_for_less_or_for_more_of_the_same() {
    let (schema, parts) = (sample::schema(), sample::parts(800));
    let options = WorkloadOptions { drill_downs: 0.5, ..WorkloadOptions::default() };
    let queries = generate(&parts, options, 300);
    let mut stricter = 0;
    for query in &queries {
        let Origin::DrillDown { of, by } = query.class.origin else { continue };
        let (base, next) = (parsed(&schema, &queries[of as usize]), parsed(&schema, query));
        assert_eq!(base.vector, next.vector);
        assert_eq!(base.within, next.within);
        match by {
            Drill::StricterFilter => {
                let (before, after) = (passing(&schema, &parts, &base), passing(&schema, &parts, &next));
                assert!(after.is_subset(&before) && after.len() < before.len() && !after.is_empty(), "{}", query.body);
                assert!(next.filter.implies(&base.filter), "a cache has to see that it is stricter: {}", query.body);
                stricter += 1;
            }
            Drill::NextPage => {
                assert_eq!(next, Query { offset: base.offset + base.limit, ..base });
            }
            Drill::AnotherLimit => {
                assert_ne!(next.limit, base.limit);
                assert_eq!(next, Query { limit: next.limit, ..base });
            }
        }
    }
    assert!(stricter > 20, "{stricter}");
}

#[test]
fn repeats_are_byte_for_byte_and_skewed() {
    let parts = sample::parts(300);
    let options = WorkloadOptions { zipf: Some(1.0), distinct: 100, drill_downs: 0.0, ..WorkloadOptions::default() };
    let queries = generate(&parts, options, 600);
    let mut counts = BTreeMap::new();
    for query in &queries {
        *counts.entry(query.body.to_string()).or_insert(0) += 1;
        if let Origin::Repeat { of } = query.class.origin {
            assert_eq!(query.body, queries[of as usize].body);
        }
    }
    let most = counts.values().max().copied().unwrap_or(0);
    // The first of 100 has a share of 1/H(100) = 19 % under exponent 1, and 1 % if all were equal.
    assert!((70..170).contains(&most), "{most} of 600");
    let unrepeated = WorkloadOptions { drill_downs: 0.0, ..WorkloadOptions::default() };
    assert!(generate(&parts, unrepeated, 200).iter().all(|query| query.class.origin == Origin::Fresh));
}

#[test]
fn a_collection_gets_only_queries_that_it_can_answer() {
    let full = sample::parts(300);
    let mut schema = sample::schema();
    schema.graph = None;
    let no_graph = Parts { edges: Vec::new(), ..full.clone() };
    let queries: Vec<_> = Generator::new(&schema, &no_graph, WorkloadOptions::default()).take(60).collect();
    assert!(queries.iter().all(|query| query.class.hops.is_none() && query.body.get("expand").is_none()));
    queries.iter().for_each(|query| drop(parsed(&schema, query)));

    let mut schema = sample::schema();
    schema.vectors.clear();
    schema.attributes.clear();
    let bare = Parts { vectors: Vec::new(), columns: Vec::new(), ..full };
    let queries: Vec<_> = Generator::new(&schema, &bare, WorkloadOptions::default()).take(60).collect();
    assert!(queries.iter().all(|query| query.class.source.is_none()));
    queries.iter().for_each(|query| drop(parsed(&schema, query)));

    let empty = Parts::default();
    assert_eq!(Generator::new(&schema, &empty, WorkloadOptions::default()).count(), 0);
}
