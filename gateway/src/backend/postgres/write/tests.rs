//! Writing into a real server.

use super::{Target, write};
use crate::{
    backend::{
        embedded::testing::{Size, random},
        postgres::{
            AttributeColumn, EdgeTable, EntityTable,
            testing::{Database, count, execute},
        },
    },
    catalog::CollectionSchema,
    load::Silent,
};

fn plain(schema: &CollectionSchema) -> (EntityTable, EdgeTable) {
    let column = |name: &str| AttributeColumn { column: name.to_owned(), path: Vec::new() };
    let entities = EntityTable {
        table: "data.things".into(),
        id: "id".into(),
        attributes: schema.attributes.iter().map(|attribute| column(&attribute.name)).collect(),
        vectors: schema.vectors.iter().map(|vector| vector.name.to_string()).collect(),
    };
    let edges = EdgeTable {
        table: "data.\"odd.edges\"".into(),
        source: "from".into(),
        target: "to".into(),
        kind: "kind".into(),
        types: vec!["LIKES".into(), "it's".into()],
    };
    (entities, edges)
}

#[tokio::test]
async fn what_was_written_is_there_once_however_often_it_was_written() {
    let Some(database) = Database::new().await else { return };
    let mut connection = database.connect().await;
    for seed in 0..4 {
        let (schema, parts) = random(seed, Size { rows: 200, edges: 300 });
        let (entities, edges) = plain(&schema);
        let target = Target { schema: &schema, entities: Some(&entities), edges: Some(&edges), create: true };
        for _ in 0..2 {
            write(&mut connection, target, &parts, &mut Silent).await.unwrap();
            assert_eq!(count(&mut connection, "SELECT count(*) FROM data.things").await, 200);
            let written = count(&mut connection, r#"SELECT count(*) FROM data."odd.edges""#).await;
            assert_eq!(written as usize, parts.edges.iter().map(|edges| edges.sources.len()).sum::<usize>());
        }
        let tags = count(&mut connection, "SELECT coalesce(sum(cardinality(tags)), 0)::bigint FROM data.things").await;
        let present = |index: usize| parts.columns[index].present().len() as i64;
        assert_eq!(count(&mut connection, "SELECT count(tags) FROM data.things").await, present(5));
        assert_eq!(count(&mut connection, "SELECT count(time) FROM data.things").await, present(6));
        assert_eq!(
            tags as usize,
            (0..200).map(|row| parts.columns[5].elements(row).len()).sum::<usize>(),
            "empty lists are there, and empty"
        );
        let vectors = count(&mut connection, "SELECT count(taste) FROM data.things").await;
        assert_eq!(vectors as usize, parts.vectors[2].rows.len());
        execute(&mut connection, "DROP SCHEMA data CASCADE").await;
        execute(&mut connection, "DISCARD TEMP").await;
    }
    drop(connection);
    database.remove().await;
}

#[tokio::test]
async fn a_table_of_other_types_is_filled_without_a_change_to_it() {
    let Some(database) = Database::new().await else { return };
    let mut connection = database.connect().await;
    let (schema, parts) = random(0, Size { rows: 50, edges: 60 });
    execute(
        &mut connection,
        "CREATE EXTENSION vector; CREATE SCHEMA data; CREATE TABLE data.things (id int PRIMARY KEY, amount float4, \
         flag bool, owner varchar(40), size numeric, tags varchar[], document jsonb, \"default\" halfvec(3), \
         place vector(2), taste vector(19)); INSERT INTO data.things (id, document) SELECT g, '{\"kept\": 1}' \
         FROM generate_series(-50, 200) g",
    )
    .await;
    let (mut entities, _) = plain(&schema);
    let inside = |path: &[&str]| AttributeColumn {
        column: "document".into(),
        path: path.iter().map(|key| (*key).to_owned()).collect(),
    };
    entities.attributes[4] = inside(&["text", "summary"]);
    entities.attributes[6] = inside(&["text", "time"]);
    let target = Target { schema: &schema, entities: Some(&entities), edges: None, create: false };
    write(&mut connection, target, &parts, &mut Silent).await.unwrap();
    let present = parts.columns[4].present().len() as i64;
    let sql = "SELECT count(document #>> '{text,summary}') FROM data.things";
    assert_eq!(count(&mut connection, sql).await, present);
    assert_eq!(count(&mut connection, "SELECT count(*) FROM data.things WHERE document ? 'kept'").await, 251);
    let vectors = count(&mut connection, "SELECT count(\"default\") FROM data.things").await;
    assert_eq!(vectors as usize, parts.vectors[0].rows.len());
    drop(connection);
    database.remove().await;
}

#[tokio::test]
async fn a_missing_table_or_column_is_named() {
    let Some(database) = Database::new().await else { return };
    let mut connection = database.connect().await;
    let (schema, parts) = random(1, Size { rows: 3, edges: 0 });
    let (entities, _) = plain(&schema);
    let target = Target { schema: &schema, entities: Some(&entities), edges: None, create: false };
    let error = write(&mut connection, target, &parts, &mut Silent).await.unwrap_err().to_string();
    assert!(error.contains("no table data.things"), "{error}");
    execute(&mut connection, "CREATE SCHEMA data; CREATE TABLE data.things (id uuid PRIMARY KEY)").await;
    let error = write(&mut connection, target, &parts, &mut Silent).await.unwrap_err().to_string();
    assert!(error.contains("no column `amount`"), "{error}");
    drop(connection);
    database.remove().await;
}
