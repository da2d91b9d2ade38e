mod damage;
mod data;
mod killed;

use std::fs;

use data::{assert_same, parts, schema};

use super::*;
use crate::{
    catalog::{GraphSchema, Metric, VectorSchema},
    value::IdType,
};

#[test]
fn a_collection_comes_back_as_it_was_saved() {
    for id_type in [IdType::Text, IdType::Integer, IdType::Uuid] {
        for rows in [0, 1, 257] {
            let dir = tempfile::tempdir().unwrap();
            let (schema, parts) = (schema(id_type, 3), parts(id_type, rows, 3, 7));
            save(dir.path(), "things", &schema, &parts).unwrap();
            assert_same(&open(dir.path(), "things", &schema).unwrap(), &parts);
        }
    }
}

#[test]
fn sixty_thousand_entities_come_back_as_they_were_saved() {
    let dir = tempfile::tempdir().unwrap();
    let (schema, parts) = (schema(IdType::Text, 384), parts(IdType::Text, 60_000, 384, 1));
    save(dir.path(), "things", &schema, &parts).unwrap();
    assert_same(&open(dir.path(), "things", &schema).unwrap(), &parts);
}

#[test]
fn a_save_replaces_its_own_collection_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let schema = schema(IdType::Integer, 2);
    let [first, second, other] = [10, 20, 30].map(|rows| parts(IdType::Integer, rows, 2, rows as u64));
    save(dir.path(), "things", &schema, &first).unwrap();
    save(dir.path(), "others", &schema, &other).unwrap();
    save(dir.path(), "things", &schema, &second).unwrap();
    assert_same(&open(dir.path(), "things", &schema).unwrap(), &second);
    assert_same(&open(dir.path(), "others", &schema).unwrap(), &other);
    let held: Vec<_> = list(dir.path()).unwrap().into_iter().map(|held| (held.name, held.nodes)).collect();
    assert_eq!(held, [("others".into(), 30), ("things".into(), 20)]);
}

#[test]
fn replacing_again_and_again_does_not_grow_the_file_without_end() {
    let dir = tempfile::tempdir().unwrap();
    let (schema, parts) = (schema(IdType::Integer, 64), parts(IdType::Integer, 5_000, 64, 1));
    let mut sizes = Vec::new();
    for _ in 0..8 {
        save(dir.path(), "things", &schema, &parts).unwrap();
        sizes.push(fs::metadata(dir.path().join(FILE_NAME)).unwrap().len());
    }
    assert!(sizes.iter().all(|size| *size <= sizes[1]), "{sizes:?}");
}

#[test]
fn another_shape_is_refused_with_what_differs() {
    let dir = tempfile::tempdir().unwrap();
    let stored = schema(IdType::Text, 3);
    save(dir.path(), "things", &stored, &parts(IdType::Text, 5, 3, 1)).unwrap();
    let difference = |change: &dyn Fn(&mut CollectionSchema)| {
        let mut other = stored.clone();
        change(&mut other);
        open(dir.path(), "things", &other).unwrap_err().to_string()
    };
    type Change<'a> = &'a dyn Fn(&mut CollectionSchema);
    let cases: [(Change<'_>, &str); 7] = [
        (&|s| s.id_type = IdType::Uuid, "id type: loaded text, configured uuid"),
        (&|s| drop(s.attributes.remove(0)), "attribute `count`: loaded integer, configured missing"),
        (
            &|s| s.attributes[0].kind = crate::value::AttributeType::Float,
            "attribute `count`: loaded integer, configured float",
        ),
        (&|s| s.vectors[0].dimensions = 4, "dimensions of vector `default`: loaded 3, configured 4"),
        (&|s| s.vectors.push(vector("extra")), "dimensions of vector `extra`: loaded missing, configured 8"),
        (&|s| drop(graph(s).edges.pop()), "edge type `needs`: loaded there, configured missing"),
        (&|s| s.graph = None, "graph side: loaded there, configured missing"),
    ];
    for (change, expected) in cases {
        let message = difference(change);
        assert!(message.contains(expected), "{message}");
    }
    // Several at once are all named.
    let message = difference(&|s| {
        s.id_type = IdType::Integer;
        s.vectors.clear();
    });
    assert!(message.contains("id type") && message.contains("vector `default`"), "{message}");
}

fn vector(name: &str) -> VectorSchema {
    VectorSchema { name: name.into(), dimensions: 8, metric: Metric::Ip }
}

fn graph(schema: &mut CollectionSchema) -> &mut GraphSchema {
    schema.graph.as_mut().unwrap()
}

#[test]
fn metric_limits_and_labels_may_change_without_a_new_load() {
    let dir = tempfile::tempdir().unwrap();
    let (mut schema, parts) = (schema(IdType::Text, 3), parts(IdType::Text, 5, 3, 1));
    save(dir.path(), "things", &schema, &parts).unwrap();
    schema.vectors[0].metric = Metric::L2;
    schema.limits.max_limit = 7;
    schema.embedding_version = Some("new".into());
    graph(&mut schema).labels = vec!["Renamed".into()];
    assert_same(&open(dir.path(), "things", &schema).unwrap(), &parts);
}

#[test]
fn data_of_another_schema_is_not_saved() {
    let dir = tempfile::tempdir().unwrap();
    let refused = save(dir.path(), "things", &schema(IdType::Uuid, 3), &parts(IdType::Text, 5, 3, 1));
    assert!(matches!(refused, Err(StorageError::NotOfSchema { .. })));
    assert!(matches!(list(dir.path()), Err(StorageError::Missing(_))));
}

#[test]
fn what_is_not_there_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let schema = schema(IdType::Text, 3);
    assert!(matches!(open(dir.path(), "things", &schema), Err(StorageError::Missing(_))));
    assert!(matches!(open(&dir.path().join("nowhere"), "things", &schema), Err(StorageError::Missing(_))));
    save(dir.path(), "others", &schema, &parts(IdType::Text, 5, 3, 1)).unwrap();
    let message = open(dir.path(), "things", &schema).unwrap_err().to_string();
    assert!(message.contains("no collection `things`") && message.contains("only `others`"), "{message}");
}

#[test]
fn a_file_of_something_else_is_refused_and_left_alone() {
    let schema = schema(IdType::Text, 3);
    let parts = parts(IdType::Text, 5, 3, 1);
    for content in [&b"SQLite format 3\0 and so on, long enough to hold a header"[..], b"x", &[0; 100_000]] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(FILE_NAME);
        fs::write(&file, content).unwrap();
        for result in [open(dir.path(), "things", &schema).map(drop), save(dir.path(), "things", &schema, &parts)] {
            assert!(matches!(result, Err(StorageError::Foreign { .. })), "{result:?}");
        }
        assert_eq!(fs::read(&file).unwrap(), content);
    }
}

#[test]
fn a_redb_file_of_another_program_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let database = redb::Database::create(dir.path().join(FILE_NAME)).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(redb::TableDefinition::<u64, u64>::new("theirs")).unwrap().insert(1, 1).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let result = open(dir.path(), "things", &schema(IdType::Text, 3));
    assert!(matches!(result, Err(StorageError::Foreign { .. })), "{result:?}");
}

#[test]
fn readers_share_the_file_and_a_writer_keeps_everyone_out() {
    let dir = tempfile::tempdir().unwrap();
    let (schema, parts) = (schema(IdType::Text, 3), parts(IdType::Text, 5, 3, 1));
    save(dir.path(), "things", &schema, &parts).unwrap();
    let path = file::existing(dir.path()).unwrap();

    let reader = file::open_for_reading(&path).unwrap();
    assert_same(&open(dir.path(), "things", &schema).unwrap(), &parts);
    let refused = save(dir.path(), "things", &schema, &parts).unwrap_err();
    assert!(refused.is_retryable(), "{refused}");
    drop(reader);

    let writer = file::open_for_writing(&path).unwrap();
    for refused in [open(dir.path(), "things", &schema).map(drop), save(dir.path(), "things", &schema, &parts)] {
        assert!(matches!(refused, Err(StorageError::InUse(_))), "{refused:?}");
    }
    drop(writer);
    assert_same(&open(dir.path(), "things", &schema).unwrap(), &parts);
}
