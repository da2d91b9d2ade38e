//! Every kind of problem is counted with its place, and only what it concerns is left out.

use super::inputs::*;
use crate::{
    load::{LoadError, ProblemKind, Severity},
    value::IdType,
};

/// Node lines, edges, the one problem expected with its first example, and the ids kept.
type Case = (&'static str, &'static str, ProblemKind, u64, (&'static str, &'static str), &'static [&'static str]);

const GOOD: &str = "{\"id\":\"a\"}\n{\"id\":\"b\"}\n";

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("{\"id\":\"a\"}\nnot json\n\n{\"id\":\"b\"", "", ProblemKind::MalformedLine, 2, ("nodes:2", "expected"), &["a"]),
    ("[1]\n{\"id\":\"a\"}\n\"x\"\n{\"id\":\"b\"} {}\n\u{7f}", "", ProblemKind::MalformedLine, 4, ("nodes:1", "a JSON object"), &["a"]),
    ("{\"id\":\"a\",\"count\":NaN}\n{\"id\":\"b\",\"size\":1e999}", "", ProblemKind::MalformedLine, 2, ("nodes:1", "expected"), &[]),
    ("{\"id\":\"a\",\"count\":1,\"count\":2}", "", ProblemKind::FieldTwice, 1, ("nodes:1", "`count`"), &["a"]),
    ("{\"id\":\"a\",\"id\":\"b\"}", "", ProblemKind::FieldTwice, 1, ("nodes:1", "`id`"), &["a"]),
    ("{}\n{\"id\":null}\n{\"id\":\"a\"}", "", ProblemKind::MissingId, 2, ("nodes:1", "no `id`"), &["a"]),
    ("{\"id\":7}\n{\"id\":[\"a\"]}\n{\"id\":\"a\"}", "", ProblemKind::WrongIdType, 2, ("nodes:1", "ids are text, found 7"), &["a"]),
    ("{\"id\":\"a\",\"count\":1}\n{\"id\":\"a\",\"count\":2}", "", ProblemKind::DuplicateId, 1, ("nodes:2", "`a`"), &["a"]),
    ("{\"id\":\"a\",\"color\":\"red\",\"count\":1}", "", ProblemKind::UnknownField, 1, ("nodes:1", "`color`"), &["a"]),
    ("{\"id\":\"a\",\"count\":\"1\",\"kind\":\"k\"}", "", ProblemKind::WrongType, 1, ("nodes:1", "`count` is integer, found \"1\""), &["a"]),
    ("{\"id\":\"a\",\"vectors\":{\"sound\":[1,2]}}", "", ProblemKind::UnknownVector, 1, ("nodes:1", "`sound`"), &["a"]),
    ("{\"id\":\"a\",\"vector\":\"x\"}\n{\"id\":\"b\",\"vector\":[1,\"2\"]}\n{\"id\":\"c\",\"vectors\":7}", "", ProblemKind::MalformedVector, 3, ("nodes:1", "`default` is no list"), &["a", "b", "c"]),
    ("{\"id\":\"a\",\"vector\":[1,2,3]}\n{\"id\":\"b\",\"vector\":[]}", "", ProblemKind::WrongDimension, 2, ("nodes:1", "has 2 components, found 3"), &["a", "b"]),
    ("{\"id\":\"a\",\"vector\":[1,1e39]}", "", ProblemKind::NotFinite, 1, ("nodes:1", "`default`"), &["a"]),
    ("{\"id\":\"a\",\"vector\":[1,2],\"vectors\":{\"default\":[3,4]}}", "", ProblemKind::VectorTwice, 1, ("nodes:1", "`default`"), &["a"]),
    ("{\"id\":\"a\",\"vector\":[0,-0.0]}", "", ProblemKind::ZeroVector, 1, ("nodes:1", "`default`"), &["a"]),
    (GOOD, "src,dst,type\na,z,likes\ny,b,likes\na,b,likes", ProblemKind::UnknownNode, 2, ("edges:2", "`z`"), &["a", "b"]),
    (GOOD, "src,dst,type\na,b,hates\na,b,likes", ProblemKind::UnknownEdgeType, 1, ("edges:2", "`hates`"), &["a", "b"]),
    (GOOD, "src,dst,type\na,b\na,b,likes", ProblemKind::MalformedLine, 1, ("edges:2", "too few columns"), &["a", "b"]),
    (GOOD, "{\"src\":\"a\",\"dst\":1.5,\"type\":\"likes\"}\n{\"src\":\"a\",\"dst\":\"b\",\"type\":\"likes\"}\n{\"src\":\n", ProblemKind::MalformedLine, 2, ("edges:1", "are expected"), &["a", "b"]),
    (GOOD, "src,dst,type\na,b,likes\na,b,likes\na,b,likes", ProblemKind::ParallelEdge, 2, ("edges:3", "came before"), &["a", "b"]),
    (GOOD, "src,dst,type\na,a,likes\na,b,likes", ProblemKind::SelfLoop, 1, ("edges:2", "`a`"), &["a", "b"]),
    (GOOD, "type,weight,dst,src\nlikes,1,b,a", ProblemKind::IgnoredColumn, 1, ("edges:1", "`weight`"), &["a", "b"]),
    (GOOD, "{\"src\":\"a\",\"dst\":\"b\",\"type\":\"likes\",\"w\":1}\n{\"src\":\"b\",\"dst\":\"a\",\"type\":\"needs\",\"w\":2}", ProblemKind::IgnoredColumn, 1, ("edges:1", "`w`"), &["a", "b"]),
];

#[test]
fn each_problem_is_counted_with_its_place_and_nothing_else_is() {
    for (nodes, edges_text, kind, count, (place, detail), kept) in CASES {
        let outcome = run(&files(nodes, edges_text)).unwrap();
        assert_eq!(counts(&outcome), [(*kind, *count)], "{nodes} {edges_text}");
        let example = &outcome.report.problems[kind].examples[0];
        assert_eq!(example.place, *place, "{nodes} {edges_text}");
        assert!(example.detail.contains(detail), "{example:?}");
        assert_eq!(ids(&outcome.parts), *kept, "{nodes}");
        if !edges_text.is_empty() {
            assert_eq!(edges(&outcome.parts, 0), ["a>b"], "{edges_text}");
        }
    }
}

#[test]
fn a_strict_load_refuses_what_would_be_left_out_and_only_that() {
    for (nodes, edges_text, kind, count, ..) in CASES {
        let mut plan = files(nodes, edges_text);
        plan.strict = true;
        match run(&plan) {
            Err(LoadError::Refused(report)) => {
                assert_eq!((kind.severity(), report.left_out()), (Severity::LeftOut, *count), "{kind:?}");
            }
            Ok(_) => assert_eq!(kind.severity(), Severity::Harmless, "{kind:?}"),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn every_kind_of_problem_has_a_case() {
    // Those that need another plan than `files` makes have a test of their own below.
    let elsewhere = [ProblemKind::DuplicateEndpoint, ProblemKind::WrongEndpointType];
    for kind in ProblemKind::ALL {
        let here = CASES.iter().any(|case| case.2 == *kind);
        assert!(here != elsewhere.contains(kind), "{kind:?}");
    }
}

#[test]
fn only_the_first_few_examples_are_kept_and_long_ones_are_cut() {
    let nodes = format!("{{\"kind\":\"{}\"}}\n", "x".repeat(10_000)).repeat(50);
    let mut plan = files(&nodes, "");
    plan.id_field = "kind".into();
    let outcome = run(&plan).unwrap();
    let problem = &outcome.report.problems[&ProblemKind::DuplicateId];
    assert_eq!((problem.count, problem.examples.len()), (49, 3));
    assert!(problem.examples[0].detail.len() < 200);
}

#[test]
fn a_second_node_with_the_same_endpoint_key_is_kept_but_edges_mean_the_first() {
    let mut plan = files(
        "{\"id\":\"a\",\"key\":1}\n{\"id\":\"b\",\"key\":1}\n{\"id\":\"c\",\"key\":2}\n{\"id\":\"d\",\"key\":true}",
        "src,dst,type\n1,2,likes",
    );
    plan.endpoint_field = Some("key".into());
    let outcome = run(&plan).unwrap();
    assert_eq!(counts(&outcome), [(ProblemKind::DuplicateEndpoint, 1), (ProblemKind::WrongEndpointType, 1)]);
    assert_eq!(ids(&outcome.parts), ["a", "b", "c", "d"]);
    assert_eq!(edges(&outcome.parts, 0), ["a>c"]);
}

#[test]
fn vectors_of_a_file_are_checked_like_those_of_lines() {
    let mut plan = files("{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"c\",\"vector\":[9,9]}\n{\"id\":\"d\"}", "");
    let rows: [&[f32]; 3] = [&[f32::NAN, 0.0], &[1.0, 2.0], &[3.0, 4.0]];
    plan.vectors.push(("default".into(), source("vectors.npy", npy(&rows))));
    let outcome = run(&plan).unwrap();
    assert_eq!(counts(&outcome), [(ProblemKind::NotFinite, 1), (ProblemKind::VectorTwice, 1)]);
    assert_eq!(outcome.report.problems[&ProblemKind::NotFinite].examples[0].place, "vectors.npy:0");
    let vectors = &outcome.parts.vectors[0];
    assert_eq!((&vectors.rows[..], &vectors.values[..]), (&[1, 2][..], &[1.0, 2.0, 9.0, 9.0][..]));
}

#[test]
fn what_makes_a_whole_file_meaningless_stops_the_load() {
    let with_vectors = |bytes: Vec<u8>| {
        let mut plan = files(GOOD, "");
        plan.vectors.push(("default".into(), source("vectors.npy", bytes)));
        plan
    };
    let three: [&[f32]; 3] = [&[1.0, 2.0], &[3.0, 4.0], &[5.0, 6.0]];
    let error = |plan| run(&plan).unwrap_err();
    assert!(matches!(error(with_vectors(npy(&three))), LoadError::MoreVectorsThanNodes { rows: 3, lines: 2, .. }));
    assert!(matches!(error(with_vectors(npy(&[&[1.0]]))), LoadError::NpyShape { dimensions: 2, .. }));
    assert!(matches!(error(with_vectors(b"nonsense".to_vec())), LoadError::Npy { .. }));
    assert!(matches!(error(with_vectors(npy(&three[..2])[..84].to_vec())), LoadError::Npy { .. }));
    assert!(matches!(error(files(GOOD, "from,to,type\na,b,likes")), LoadError::EdgeHeader { .. }));

    let mut two_files = with_vectors(npy(&three[..2]));
    two_files.vectors.push(("default".into(), source("more.npy", npy(&three[..1]))));
    assert!(matches!(error(two_files), LoadError::MoreVectorsThanNodes { rows: 3, lines: 2, .. }));

    let mut unknown = with_vectors(npy(&three[..2]));
    unknown.vectors[0].0 = "sound".into();
    assert!(matches!(error(unknown), LoadError::UnknownVectorName { .. }));

    let mut rename = files(GOOD, "");
    rename.renames.insert("x".into(), "y".into());
    assert!(matches!(error(rename), LoadError::UnknownRename { .. }));

    let mut no_graph = schema(IdType::Text);
    no_graph.graph = None;
    let mut plan = files(GOOD, "src,dst,type\n");
    plan.schema = no_graph.into();
    assert!(matches!(error(plan), LoadError::NoGraph { .. }));

    let mut missing = files("", "");
    missing.nodes.push(crate::load::Source::File("/nowhere/at/all.jsonl".into()));
    let message = error(missing).to_string();
    assert!(message.starts_with("/nowhere/at/all.jsonl: "), "{message}");

    let mut damaged = files("", "");
    damaged.nodes.push(source("nodes.zst", "no frame of zstd"));
    assert!(matches!(error(damaged), LoadError::Read { .. }));
}
