//! The reference against the answers that came with the packages, which were computed by other means.

use super::Asked;
use crate::{
    demo_data,
    load::Silent,
    query::{JsonLimits, parse, read_json},
};

#[test]
fn the_reference_gives_the_recorded_answers_of_the_packages() {
    let (schema, parts, _) = demo_data::packages(&mut Silent).unwrap();
    let asked = Asked { schema: &schema, parts: &parts, tenant: None };
    let queries = demo_data::queries();
    let check = |recorded: &demo_data::DemoQuery| {
        let json = read_json(recorded.body().to_string().as_bytes(), JsonLimits::default()).unwrap();
        let query = parse(&json, &schema).unwrap().query;
        let answer = asked.answer(&query, &|_| None).unwrap();
        let ids: Vec<String> = answer.items.iter().map(|(id, _)| id.to_string()).collect();
        assert!(recorded.accepts(ids.iter().map(String::as_str)), "{}: {ids:?}", recorded.qid);
        assert_eq!(answer.total_matches, recorded.matches, "{}", recorded.qid);
        for ((_, score), expected) in answer.items.iter().zip(&recorded.scores) {
            assert!((score - expected).abs() < 1e-6, "{}: {score} {expected}", recorded.qid);
        }
    };
    std::thread::scope(|scope| {
        for share in queries.chunks(queries.len().div_ceil(4)) {
            scope.spawn(move || share.iter().for_each(check));
        }
    });
}
