use std::path::Path;

use super::*;
use crate::{
    backend::embedded::{Column, storage},
    load::Silent,
    value::{EntityId, IdType},
};

#[test]
fn the_packages_load_without_a_single_problem() {
    let (schema, parts, report) = packages(&mut Silent).unwrap();
    assert_eq!((report.node_lines, report.vector_rows, report.edge_records), (8_520, 8_000, 48_095));
    assert_eq!((report.nodes, report.left_out()), (8_520, 0));
    assert_eq!(report.vectors, [("default".into(), 8_000)]);
    assert_eq!(report.edges.iter().map(|(_, count)| count).sum::<u64>(), 48_095);
    // The one thing said is that `alt` means nothing to the collection.
    let kinds: Vec<_> = report.problems.iter().map(|(kind, problem)| (*kind, problem.count)).collect();
    assert_eq!(kinds, [(load::ProblemKind::IgnoredColumn, 1)]);
    assert_eq!(parts.ids.len(), 8_520);
    assert_eq!(schema.embedding_version.as_ref(), Some(embedder().version()));
}

#[test]
fn a_package_has_the_attributes_and_edges_that_the_files_state() {
    let (schema, parts, _) = packages(&mut Silent).unwrap();
    let row_of = |name: &str| parts.ids.binary_search(&IdType::Text.parse(name).unwrap()).unwrap();
    let row = row_of("a2jmidid");
    let column = |name: &str| &parts.columns[usize::from(schema.attribute(name).unwrap())];
    let Column::Integer { values, present } = column("installed_size_kb") else { panic!("an integer") };
    assert!(present.contains(row as u32) && values[row] == 118);
    let Column::Text { dictionary, codes, .. } = column("section") else { panic!("a keyword") };
    assert_eq!(&*dictionary[codes[row] as usize], "sound");
    let Column::Keywords { dictionary, offsets, codes, .. } = column("tags") else { panic!("a list") };
    let tags = codes[offsets[row] as usize..offsets[row + 1] as usize].iter().map(|code| &*dictionary[*code as usize]);
    assert_eq!(tags.collect::<Vec<_>>(), ["implemented-in::c", "role::program", "sound::midi"]);

    let depends = &parts.edges[usize::from(schema.graph.as_ref().unwrap().edge("depends").unwrap())];
    let targets = depends.sources.iter().zip(&depends.targets).filter(|(source, _)| **source as usize == row);
    let targets: Vec<String> = targets.map(|(_, target)| parts.ids[*target as usize].to_string()).collect();
    assert!(targets.contains(&"libc6".into()) && targets.contains(&"libjack-jackd2-0".into()), "{targets:?}");
}

/// The recorded answers are exact, so a plain scan over what was loaded has to find them: names, vectors and edges are
/// then where they belong.
#[test]
fn a_plain_scan_of_what_was_loaded_finds_the_recorded_answers() {
    let (_, parts, _) = packages(&mut Silent).unwrap();
    let vectors = &parts.vectors[0];
    let unconstrained: Vec<DemoQuery> = queries()
        .into_iter()
        .filter(|q| q.body().get("filter").is_none() && q.body().get("within").is_none())
        .collect();
    assert!(unconstrained.len() >= 10, "{}", unconstrained.len());
    for query in unconstrained.iter().take(20) {
        let mut scored: Vec<(f64, &EntityId)> = vectors
            .rows
            .iter()
            .zip(vectors.values.chunks_exact(384))
            .map(|(row, vector)| (cosine(&query.vector, vector), &parts.ids[*row as usize]))
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let found: Vec<String> = scored.iter().take(query.k as usize).map(|(_, id)| id.to_string()).collect();
        assert!(query.accepts(found.iter().map(String::as_str)), "{}: {found:?} {:?}", query.qid, query.expected);
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn there_are_300_queries_and_what_they_ask_holds_nothing_of_their_answers() {
    let queries = queries();
    assert_eq!(queries.len(), 300);
    for query in &queries {
        assert!(query.vector.len() == 384 && query.expected.len() <= query.k as usize);
        assert_eq!(query.scores.len(), query.expected.len());
        assert!(query.accepts(query.expected.iter().map(String::as_str)));
        let body = query.body();
        for key in body.as_object().unwrap().keys() {
            assert!(["collection", "vector", "filter", "within", "limit"].contains(&key.as_str()), "{key}");
        }
    }
    assert!(queries.iter().any(|query| query.body()["filter"]["tags"]["$all"].is_array()));
    assert!(queries.iter().any(|query| query.body()["filter"]["section"]["$in"].is_array()));
    assert!(queries.iter().any(|query| query.body()["filter"]["installed_size_kb"]["$gte"].is_i64()));
    assert!(queries.iter().any(|query| query.body()["within"]["direction"] == "both"));
}

#[test]
fn a_wrong_answer_is_not_accepted() {
    for query in queries().iter().filter(|query| query.expected.len() > 1) {
        let mut ids: Vec<&str> = query.expected.iter().map(String::as_str).collect();
        assert!(!query.accepts(ids[1..].iter().copied()), "{}: one is missing", query.qid);
        ids[0] = "no-such-package";
        assert!(!query.accepts(ids.iter().copied()), "{}: one is another", query.qid);
    }
}

#[test]
fn the_configuration_beside_the_data_is_sound() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/packages/forebay.toml");
    let loaded = config::load_with(Some(&file), []).unwrap();
    assert_eq!(loaded.config.collections, config().collections);
}

#[test]
fn the_packages_survive_a_data_directory() {
    let (schema, parts, _) = packages(&mut Silent).unwrap();
    let dir = tempfile::tempdir().unwrap();
    storage::save(dir.path(), COLLECTION, &schema, &parts).unwrap();
    let opened = storage::open(dir.path(), COLLECTION, &schema).unwrap();
    assert_eq!(format!("{opened:?}"), format!("{parts:?}"));
}
