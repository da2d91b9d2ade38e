//! What is kept is what was stated.

use proptest::prelude::*;

use super::inputs::*;
use crate::{
    load::{LoadPlan, Progress, Step, load},
    value::{EntityId, IdType},
};

#[test]
fn every_type_of_attribute_is_kept_as_it_was_stated() {
    let nodes = r#"
        {"id":"b","count":9007199254740993,"flag":false,"kind":"k","size":-0.5,"tags":["y","x","y"],"when":"1970-01-01T00:00:01Z"}
        {"id":"a","count":-7.0,"flag":true,"kind":"","size":3,"tags":[],"when":"1970-01-01T01:00:00.5+01:00"}
        {"id":"c","count":null,"flag":null,"kind":null,"size":null,"tags":null,"when":null,"vector":null,"vectors":null}
        {"id":"d"}"#;
    let outcome = run(&files(nodes, "")).unwrap();
    assert_eq!(counts(&outcome), []);
    let row = |row| -> Vec<Option<String>> { (0..6).map(|column| value(&outcome.parts, column, row)).collect() };
    let some = |values: [&str; 6]| values.map(|value| Some(value.to_owned())).to_vec();
    assert_eq!(row(0), some(["-7", "true", "", "3", "", "500000"]));
    assert_eq!(row(1), some(["9007199254740993", "false", "k", "-0.5", "y,x,y", "1000000"]));
    assert_eq!((row(2), row(3)), (vec![None; 6], vec![None; 6]));
}

#[test]
fn vectors_by_name_belong_to_their_nodes_whatever_the_order() {
    let nodes = r#"{"id":"b","vector":[1,2],"vectors":{"image":[7,8,9]}}
{"id":"a","vectors":{"default":[3,4],"image":null}}
{"id":"c"}"#;
    let parts = run(&files(nodes, "")).unwrap().parts;
    assert_eq!((&parts.vectors[0].rows[..], &parts.vectors[0].values[..]), (&[0, 1][..], &[3.0, 4.0, 1.0, 2.0][..]));
    assert_eq!((&parts.vectors[1].rows[..], &parts.vectors[1].values[..]), (&[1][..], &[7.0, 8.0, 9.0][..]));
}

#[test]
fn rows_of_vector_files_follow_node_lines_over_files_and_past_bad_lines() {
    let mut plan = files("{\"id\":\"d\"}\n\nnot json\n{\"id\":\"c\"}\n{\"id\":\"d\"}\n", "");
    plan.nodes.push(source("more", "{\"id\":\"b\"}\n{\"id\":\"a\"}"));
    plan.vectors.push(("default".into(), source("1.npy", npy(&[&[1.0, 1.0], &[2.0, 2.0], &[3.0, 3.0]]))));
    plan.vectors.push(("default".into(), source("2.npy", npy(&[&[4.0, 4.0], &[5.0, 5.0]]))));
    let outcome = run(&plan).unwrap();
    let vectors = &outcome.parts.vectors[0];
    // `a` has none: there are fewer rows than lines. Those of the bad line and of the second `d` are gone.
    assert_eq!(ids(&outcome.parts), ["a", "b", "c", "d"]);
    assert_eq!((&vectors.rows[..], &vectors.values[..]), (&[1, 2, 3][..], &[5.0, 5.0, 3.0, 3.0, 1.0, 1.0][..]));
}

#[test]
fn ids_of_every_type_are_ordered_and_found_by_edges() {
    let cases = [
        (IdType::Text, "\"b\"", "\"a\"", "b,a", "b>a"),
        (IdType::Integer, "10", "\"-9\"", "10,-9", "10>-9"),
        (
            IdType::Uuid,
            "\"6BA7B810-9DAD-11D1-80B4-00C04FD430C8\"",
            "\"00000000-0000-0000-0000-000000000001\"",
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8,00000000-0000-0000-0000-000000000001",
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8>00000000-0000-0000-0000-000000000001",
        ),
    ];
    for (id_type, larger, smaller, edge, expected) in cases {
        let mut plan = plan(id_type);
        plan.nodes.push(source("nodes", format!("{{\"id\":{larger}}}\n{{\"id\":{smaller}}}")));
        plan.edges.push(source("edges", format!("src,dst,type\n{edge},needs")));
        let outcome = run(&plan).unwrap();
        assert_eq!(counts(&outcome), [], "{id_type:?}");
        assert!(outcome.parts.ids[0] < outcome.parts.ids[1]);
        assert_eq!(edges(&outcome.parts, 1), [expected]);
    }
}

#[test]
fn names_in_the_data_map_onto_the_collection() {
    let mut plan = files(
        "{\"name\":\"a\",\"nr\":1,\"Count\":5,\"junk\":{}}\n{\"name\":\"b\",\"nr\":\"2\",\"count\":6}",
        "{\"src\":1,\"dst\":\"2\",\"type\":\"LIKES\"}",
    );
    plan.id_field = "name".into();
    plan.endpoint_field = Some("nr".into());
    plan.renames.insert("Count".into(), "count".into());
    plan.ignored_fields.insert("junk".into());
    plan.edge_types = [("LIKES".into(), 0), ("NEEDS".into(), 1)].into();
    let outcome = run(&plan).unwrap();
    assert_eq!(counts(&outcome), []);
    assert_eq!(edges(&outcome.parts, 0), ["a>b"]);
    assert_eq!([0, 1].map(|row| value(&outcome.parts, 0, row)), [Some("5".into()), Some("6".into())]);
}

#[test]
fn an_attribute_may_be_the_id_or_be_called_vector() {
    let mut schema = schema(IdType::Text);
    schema.attributes[2].name = "vector".into();
    schema.attributes.sort_by(|a, b| a.name.cmp(&b.name));
    let vector = usize::from(schema.attribute("vector").unwrap());
    let mut plan = LoadPlan::new(schema.into());
    plan.nodes.push(source("nodes", "{\"vector\":\"a\"}"));
    plan.id_field = "vector".into();
    let outcome = run(&plan).unwrap();
    assert_eq!(counts(&outcome), []);
    assert_eq!((ids(&outcome.parts), value(&outcome.parts, vector, 0)), (vec!["a".into()], Some("a".into())));
}

#[test]
fn compressed_and_plain_inputs_are_the_same() {
    let text = "{\"id\":\"a\",\"count\":1}\n{\"id\":\"b\"}\n";
    let mut compressed = plan(IdType::Text);
    compressed.nodes.push(source("nodes.jsonl.zst", zstd::encode_all(text.as_bytes(), 3).unwrap()));
    let parts = |plan| format!("{:?}", run(&plan).unwrap().parts);
    assert_eq!(parts(compressed), parts(files(text, "")));
}

#[test]
fn progress_reaches_the_size_of_each_input() {
    #[derive(Default)]
    struct Recorded(Vec<(Step, Option<u64>)>, u64, bool);
    impl Progress for Recorded {
        fn begin(&mut self, step: Step, total: Option<u64>) {
            assert!(!self.2, "steps are not nested");
            (self.1, self.2) = (0, true);
            self.0.push((step, total));
        }
        fn advance(&mut self, done: u64) {
            assert!(done >= self.1 && self.0.last().unwrap().1.is_some_and(|total| done <= total));
            self.1 = done;
        }
        fn end(&mut self) {
            self.2 = false;
        }
    }
    let nodes: String = (0..20_000).map(|i| format!("{{\"id\":\"{i}\"}}\n")).collect();
    let mut recorded = Recorded::default();
    load(&files(&nodes, "src,dst,type\n0,1,likes\n"), &mut recorded).unwrap();
    let steps: Vec<Step> = recorded.0.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [Step::Nodes, Step::Order, Step::Edges, Step::Assemble]);
    assert_eq!(recorded.0[0].1, Some(nodes.len() as u64));
    assert!(!recorded.2);
}

proptest! {
    /// Whatever the order of the lines, the same data comes out, in the order of the ids.
    #[test]
    fn the_order_of_the_input_does_not_matter(
        (lines, shuffled) in prop::collection::btree_map("[a-z]{1,3}", (any::<Option<i32>>(), any::<Option<[i8; 2]>>()), 0..40)
            .prop_map(|nodes| {
                let line = |(id, (count, vector)): (String, (Option<i32>, Option<[i8; 2]>))| {
                    serde_json::json!({ "id": id, "count": count, "vector": vector }).to_string()
                };
                nodes.into_iter().map(line).collect::<Vec<_>>()
            })
            .prop_flat_map(|lines| (Just(lines.clone()), Just(lines).prop_shuffle())),
    ) {
        let [sorted, shuffled] = [lines, shuffled].map(|lines| run(&files(&lines.join("\n"), "")).unwrap().parts);
        prop_assert!(sorted.ids.is_sorted_by(|a: &EntityId, b| a < b));
        prop_assert_eq!(format!("{sorted:?}"), format!("{shuffled:?}"));
    }

    /// No line, however strange, stops a load or takes another line with it.
    #[test]
    fn arbitrary_lines_never_panic_and_leave_the_good_ones(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        let noise: Vec<u8> = noise.into_iter().filter(|byte| *byte != b'\n').collect();
        let mut plan = plan(IdType::Text);
        plan.nodes.push(source("nodes", [&noise[..], b"\n{\"id\":\"good\"}\n"].concat()));
        let outcome = run(&plan).unwrap();
        prop_assert_eq!(ids(&outcome.parts), ["good"]);
    }
}
