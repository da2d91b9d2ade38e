//! A collection of eight nodes that can be checked on paper.
//!
//! Under cosine with the query (1, 0):
//!
//! | id | vector  | score | size | team | edges                             |
//! |----|---------|-------|------|------|-----------------------------------|
//! | a  | (1, 0)  |  1.0  | 10   | red  | uses b; has b, d                  |
//! | b  | (4, 3)  |  0.8  | 20   | red  | uses c, f                         |
//! | c  | (3, 4)  |  0.6  | 30   | blue | uses a                            |
//! | d  | (0, 2)  |  0.0  |      | red  | has e                             |
//! | e  | (-1, 0) | -1.0  | 50   | red  |                                   |
//! | f  | none    |       |      |      | uses e                            |
//! | g  | (0, 0)  |       | 70   | red  |                                   |
//! | h  | (8, 6)  |  0.8  | 20   | red  |                                   |

use std::sync::Arc;

use super::*;
use crate::{
    backend::embedded::{Column, Edges, Parts, Vectors},
    catalog::{AttributeSchema, CollectionSchema, GraphSchema, Metric, QueryLimits, VectorSchema},
    query::{
        Comparison, Direction, Expand, Field, Filter, Include, VectorClause, VectorInput, VectorTerm, Walk, Within,
    },
    value::{AttributeType, Literal, Number},
};

const SIZE: Field = Field::Attribute(0);
const HAS: u16 = 0;
const USES: u16 = 1;

fn schema(metric: Metric) -> CollectionSchema {
    let attribute = |name: &str, kind| AttributeSchema { name: name.into(), kind };
    CollectionSchema {
        name: "letters".into(),
        id_type: crate::value::IdType::Text,
        attributes: vec![attribute("size", AttributeType::Integer), attribute("team", AttributeType::Keyword)],
        vectors: vec![VectorSchema { name: "default".into(), dimensions: 2, metric }],
        graph: Some(GraphSchema {
            labels: vec!["Letter".into()],
            entity_label: 0,
            edges: vec!["has".into(), "uses".into()],
        }),
        tenant_attribute: Some(1),
        embedding_version: None,
        limits: QueryLimits::default(),
    }
}

fn parts() -> Parts {
    Parts {
        ids: ["a", "b", "c", "d", "e", "f", "g", "h"].into_iter().map(id).collect(),
        columns: vec![
            Column::Integer { values: vec![10, 20, 30, 0, 50, 0, 70, 20], present: [0, 1, 2, 4, 6, 7].into() },
            Column::Text {
                dictionary: vec!["blue".into(), "red".into()],
                codes: vec![1, 1, 0, 1, 1, 0, 1, 1],
                present: [0, 1, 2, 3, 4, 6, 7].into(),
            },
        ],
        vectors: vec![Vectors {
            rows: vec![0, 1, 2, 3, 4, 6, 7],
            values: vec![1., 0., 4., 3., 3., 4., 0., 2., -1., 0., 0., 0., 8., 6.],
        }],
        edges: vec![
            Edges { sources: vec![0, 0, 3], targets: vec![1, 3, 4] },
            Edges { sources: vec![0, 1, 1, 2, 5], targets: vec![1, 2, 5, 0, 4] },
        ],
    }
}

fn id(text: &str) -> EntityId {
    EntityId::Text(text.into())
}

fn values(x: f32, y: f32) -> VectorTerm {
    VectorTerm::Values(Arc::from([x, y]))
}

fn single(term: VectorTerm) -> VectorClause {
    VectorClause { space: 0, input: VectorInput::Single(term) }
}

fn walk(edges: &[u16], direction: Direction, hops: u8) -> Walk {
    Walk { edges: edges.to_vec(), direction, hops }
}

fn from(anchors: &[&str], walk: Walk) -> Within {
    let nodes = anchors.iter().map(|a| NodeRef { label: 0, id: id(a) }).collect();
    Within { from: Anchors::Nodes(nodes), walk, include_anchors: false }
}

/// Ranked by (1, 0), nothing else.
fn ranked() -> Query {
    Query { vector: Some(single(values(1., 0.))), ..unranked() }
}

fn unranked() -> Query {
    Query {
        vector: None,
        filter: Filter::Everything,
        within: None,
        expand: None,
        limit: 100,
        offset: 0,
        score_threshold: None,
        exact: false,
        select: Vec::new(),
        include: Include::default(),
    }
}

fn at_most(size: i128) -> Filter {
    Filter::Compare(SIZE, Comparison::LessOrEqual, Literal::Number(Number::Integer(size)))
}

fn answer_for(query: &Query, tenant: Option<&str>) -> Result<ReferenceAnswer, Unanswerable> {
    let embed = |text: &str| (text == "up").then(|| vec![0.0, 1.0]);
    Asked { schema: &schema(Metric::Cosine), parts: &parts(), tenant }.answer(query, &embed)
}

fn answer(query: &Query) -> ReferenceAnswer {
    answer_for(query, None).expect("the query has an answer")
}

/// The ids of an answer in one word.
fn word(answer: &ReferenceAnswer) -> String {
    answer.items.iter().map(|(id, _)| id.to_string()).collect()
}

fn path_text(path: &Path) -> String {
    path.steps.iter().fold(path.from.to_string(), |text, step| {
        let edge = ["has", "uses"][step.edge as usize];
        format!(
            "{text}{}{edge}{}{}",
            if step.along { " -" } else { " <-" },
            if step.along { "> " } else { "- " },
            step.to
        )
    })
}

#[test]
fn every_clause_means_what_the_paper_says() {
    let like = |letter| Query { vector: Some(single(VectorTerm::Like(id(letter)))), ..ranked() };
    let within = |anchors: &[&str], edges: &[u16], direction, hops| Query {
        within: Some(from(anchors, walk(edges, direction, hops))),
        ..ranked()
    };
    let with_anchors =
        |query: Query| Query { within: query.within.map(|within| Within { include_anchors: true, ..within }), ..query };
    let table = [
        ("all, ties by id", ranked(), "abhcde"),
        ("by id", unranked(), "abcdeh"),
        ("limit", Query { limit: 2, ..ranked() }, "ab"),
        ("offset", Query { limit: 2, offset: 2, ..ranked() }, "hc"),
        ("offset past the end", Query { offset: 6, ..ranked() }, ""),
        ("threshold is inclusive", Query { score_threshold: Some(0.8), ..ranked() }, "abh"),
        ("threshold before offset", Query { score_threshold: Some(0.8), offset: 2, ..ranked() }, "h"),
        ("filter", Query { filter: at_most(20), ..ranked() }, "abh"),
        ("a missing value passes a negation", Query { filter: Filter::negate(at_most(20)), ..ranked() }, "cde"),
        ("nothing", Query { filter: Filter::Nothing, ..ranked() }, ""),
        ("by an embedded text", Query { vector: Some(single(VectorTerm::Text("up".into()))), ..ranked() }, "dcbhae"),
        ("like leaves itself out", like("b"), "hcade"),
        ("one step out", within(&["a"], &[USES], Direction::Out, 1), "b"),
        ("two steps out, through no vector", within(&["a"], &[USES], Direction::Out, 2), "bc"),
        ("three steps out; the cycle leads back to the anchor", within(&["a"], &[USES], Direction::Out, 3), "bce"),
        ("anchors when asked for", with_anchors(within(&["a"], &[USES], Direction::Out, 2)), "abc"),
        ("against the edges", within(&["a"], &[USES], Direction::In, 2), "bc"),
        ("either way", within(&["e"], &[HAS, USES], Direction::Both, 2), "abd"),
        ("another type", within(&["a"], &[HAS], Direction::Out, 2), "bde"),
        ("several anchors reach each other and are left out", within(&["a", "b"], &[USES], Direction::Out, 1), "c"),
        ("an unknown anchor reaches nothing", within(&["zz"], &[USES], Direction::Out, 3), ""),
        ("graph and filter", Query { filter: at_most(25), ..within(&["a"], &[USES], Direction::Out, 3) }, "b"),
        ("graph without vector", Query { vector: None, ..within(&["c"], &[USES], Direction::Out, 3) }, "ab"),
    ];
    for (what, query, expected) in table {
        assert_eq!(word(&answer(&query)), expected, "{what}");
    }
}

#[test]
fn scores_are_cosines() {
    let scores: Vec<f64> = answer(&ranked()).items.iter().map(|(_, score)| *score).collect();
    assert_eq!(scores, [1.0, 0.8, 0.8, 0.6, 0.0, -1.0]);
}

#[test]
fn other_metrics_rank_by_their_own_definition_and_know_zero_vectors() {
    let parts = parts();
    for (metric, expected) in [
        (Metric::Ip, vec![("h", 8.0), ("b", 4.0), ("c", 3.0), ("a", 1.0), ("d", 0.0), ("g", 0.0), ("e", -1.0)]),
        (Metric::L2, vec![("a", 0.0), ("g", -1.0), ("e", -2.0), ("d", -f64::sqrt(5.0))]),
    ] {
        let schema = schema(metric);
        let asked = Asked { schema: &schema, parts: &parts, tenant: None };
        let found = asked.answer(&Query { limit: expected.len() as u32, ..ranked() }, &|_| None).unwrap().items;
        let expected: Vec<_> = expected.into_iter().map(|(letter, score)| (id(letter), score)).collect();
        assert_eq!(found, expected, "{metric:?}");
    }
}

#[test]
fn all_matches_are_counted_whatever_the_page() {
    let found = answer(&Query { limit: 1, offset: 1, score_threshold: Some(0.0), ..ranked() });
    assert_eq!((word(&found).as_str(), found.total_matches), ("b", 5));
}

#[test]
fn unknown_anchors_are_reported_and_the_others_still_count() {
    let found = answer(&Query { within: Some(from(&["a", "zz"], walk(&[USES], Direction::Out, 1))), ..ranked() });
    assert_eq!(word(&found), "b");
    assert_eq!(found.unknown_anchors, [NodeRef { label: 0, id: id("zz") }]);
}

#[test]
fn combine_normalises_its_inputs_and_leaves_out_the_liked() {
    let combine =
        |terms| Query { vector: Some(VectorClause { space: 0, input: VectorInput::Combine(terms) }), ..ranked() };
    // (1, 0) + 2·(0, 1) = (1, 2), although h is stored as (8, 6) and d as (0, 2): c leads b and d has less of x.
    let more = answer(&combine(vec![(VectorTerm::Like(id("d")), 2.0), (values(5., 0.), 1.0)]));
    assert_eq!(word(&more), "cbhae");
    // More like c, less like a: 2·(0.6, 0.8) − (1, 0) = (0.2, 1.6).
    let less = answer(&combine(vec![(VectorTerm::Like(id("c")), 2.0), (VectorTerm::Like(id("a")), -1.0)]));
    assert_eq!(word(&less), "dbhe");
    let zero = answer_for(&combine(vec![(VectorTerm::Like(id("a")), 1.0), (VectorTerm::Like(id("e")), 1.0)]), None);
    assert_eq!(zero, Err(Unanswerable::ZeroSum));
}

#[test]
fn inputs_without_a_usable_vector_have_no_answer() {
    let like = |letter| Query { vector: Some(single(VectorTerm::Like(id(letter)))), ..ranked() };
    assert_eq!(answer_for(&like("zz"), None), Err(Unanswerable::UnknownEntity(id("zz"))));
    assert_eq!(answer_for(&like("f"), None), Err(Unanswerable::UnusableVector));
    assert_eq!(answer_for(&like("g"), None), Err(Unanswerable::UnusableVector));
    assert_eq!(answer_for(&like("c"), Some("red")), Err(Unanswerable::UnknownEntity(id("c"))));
    let text = Query { vector: Some(single(VectorTerm::Text("down".into()))), ..ranked() };
    assert_eq!(answer_for(&text, None), Err(Unanswerable::UnusableVector));
}

#[test]
fn a_tenant_gets_its_own_and_walks_over_its_own_and_what_is_shared() {
    let tenant = |query: &Query, tenant| word(&answer_for(query, Some(tenant)).unwrap());
    assert_eq!(tenant(&ranked(), "red"), "abhde");
    assert_eq!(tenant(&ranked(), "green"), "");
    let reach =
        |anchor, direction, hops| Query { within: Some(from(&[anchor], walk(&[USES], direction, hops))), ..ranked() };
    // b uses c, which is blue, and f, which is nobody's and leads to e.
    assert_eq!(tenant(&reach("b", Direction::Out, 2), "red"), "e");
    // The only way from b back to a is through c.
    assert_eq!(tenant(&reach("b", Direction::Out, 3), "red"), "e");
    assert_eq!(tenant(&reach("b", Direction::Both, 1), "red"), "a");
    let foreign = answer_for(&reach("c", Direction::Out, 1), Some("red")).unwrap();
    assert_eq!((word(&foreign).as_str(), foreign.unknown_anchors.len()), ("", 1));
    let shared = answer_for(&reach("f", Direction::Out, 1), Some("red")).unwrap();
    assert_eq!((word(&shared).as_str(), shared.unknown_anchors.len()), ("e", 0));
}

#[test]
fn seeds_are_the_nearest_that_pass_their_own_filter() {
    let nearest = |filter, top, include_anchors| Query {
        vector: None,
        within: Some(Within {
            from: Anchors::Nearest { vector: single(values(1., 0.)), filter, top },
            walk: walk(&[USES], Direction::Out, 1),
            include_anchors,
        }),
        ..ranked()
    };
    let kept = answer(&nearest(Filter::Everything, 2, true));
    assert_eq!(word(&kept), "abc");
    assert_eq!(kept.seeds, [(id("a"), 1.0), (id("b"), 0.8)]);
    // b is a seed itself, so that it is left out although a leads to it.
    assert_eq!(word(&answer(&nearest(Filter::Everything, 2, false))), "c");
    // The tie between b and h goes to b.
    let from_twenty = Filter::equals(SIZE, Literal::Number(Number::Integer(20)));
    assert_eq!(word(&answer(&nearest(from_twenty, 1, true))), "bc");
    assert_eq!(word(&answer_for(&nearest(at_most(30), 9, true), Some("blue")).unwrap()), "c");
}

#[test]
fn neighbourhoods_are_by_hops_and_then_id_and_show_nodes_without_a_vector() {
    let expand = |direction, hops, per_item| Expand { walk: walk(&[HAS, USES], direction, hops), per_item };
    let of = |letter, expand| {
        let query =
            Query { filter: Filter::equals(Field::Id, Literal::Id(id(letter))), expand: Some(expand), ..unranked() };
        answer(&query).neighbours[0].iter().map(|n| format!("{}{}", n.id, n.hops)).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(of("a", expand(Direction::Out, 1, 9)), "b1 d1");
    assert_eq!(of("a", expand(Direction::Out, 2, 9)), "b1 d1 c2 e2 f2");
    assert_eq!(of("a", expand(Direction::Out, 3, 3)), "b1 d1 c2");
    assert_eq!(of("e", expand(Direction::In, 1, 9)), "d1 f1");
    assert_eq!(of("h", expand(Direction::Both, 3, 9)), "");
}

#[test]
fn paths_are_shortest_and_smallest() {
    let query = Query {
        within: Some(from(&["a", "h"], walk(&[HAS, USES], Direction::Both, 3))),
        expand: Some(Expand { walk: walk(&[USES], Direction::In, 2), per_item: 9 }),
        include: Include { paths: true, ..Include::default() },
        ..unranked()
    };
    let found = answer(&query);
    let paths: Vec<_> = found.paths.iter().map(|path| path_text(path.as_ref().unwrap())).collect();
    assert_eq!(word(&found), "bcde");
    assert_eq!(
        paths,
        // Both types lead from a to b: has comes first. To e there is a way through d and a longer one through b and f.
        ["a -has> b", "a <-uses- c", "a -has> d", "a -has> d -has> e"]
    );
    let near_e: Vec<_> = found.neighbours[3].iter().map(|n| path_text(n.path.as_ref().unwrap())).collect();
    assert_eq!(near_e, ["e <-uses- f", "e <-uses- f <-uses- b"]);
}

#[test]
fn the_store_scores_to_the_last_bit_as_the_definition_does() {
    use rand::{RngExt, SeedableRng};
    let random = &mut rand::rngs::Xoshiro256PlusPlus::seed_from_u64(1);
    for metric in [Metric::Cosine, Metric::Ip, Metric::L2] {
        for dimensions in [1, 2, 3, 7, 16, 64, 383, 384] {
            let mut vector = || -> Vec<f32> {
                let scale = 10_f32.powi(random.random_range(-20..20));
                (0..dimensions).map(|_| random.random_range(-1.0..1.0_f32) * scale).collect()
            };
            let (query, stored) = (vector(), vector());
            for stored in [&stored, &query] {
                let (own, other) =
                    (similarity(metric, &query, stored), crate::backend::embedded::score(metric, &query, stored));
                assert_eq!(own.to_bits(), other.to_bits(), "{metric:?} of {dimensions}: {own} {other}");
            }
        }
    }
}
