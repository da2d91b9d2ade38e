//! What is in the database for a collection, for `forebay check`.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Neo4jGraph, cypher::quoted, server::Work, statement::Statement, statistics};
use crate::{
    backend::{BackendError, CallContext, Finding},
    value::IdType,
};

/// The oldest server that understands the statements: subqueries with a scope clause.
const OLDEST: (u32, u32) = (5, 23);

/// Nodes of a label that are looked at for ids of another type.
const LOOKED_AT: u64 = 100_000;

const WORK: Work = Work { kind: "inspect", size: 1 };

/// Everything found.
pub(super) async fn inspect(graph: &Neo4jGraph, ctx: &CallContext) -> Result<Vec<Finding>, BackendError> {
    let mut findings = vec![version(graph, ctx).await?];
    let indexes = indexes(graph, ctx).await?;
    for label in 0..graph.mapping.labels.len() {
        inspect_label(graph, ctx, label, &indexes, &mut findings).await?;
    }
    let existing = names(graph, ctx, "CALL db.relationshipTypes() YIELD relationshipType AS name").await?;
    let names = graph.schema.graph.iter().flat_map(|schema| &schema.edges).zip(&graph.mapping.types);
    for (edge, (name, kind)) in names.enumerate() {
        let key = format!("graph.edges.{name}.type");
        if existing.contains(kind) {
            let count = statistics::type_count(graph, ctx, edge).await?;
            findings.push(Finding::fact(key, format!("relationship type {kind}: {count} relationships")));
        } else {
            findings.push(Finding::problem(key, format!("there is no relationship type {kind}")));
        }
    }
    if let Some(tenant) = &graph.mapping.tenant {
        let keys = self::names(graph, ctx, "CALL db.propertyKeys() YIELD propertyKey AS name").await?;
        if !keys.contains(tenant) {
            let text = format!("no node has the property {tenant}, so all nodes are shared by all tenants");
            findings.push(Finding::advice("graph.tenant_property", text));
        }
    }
    Ok(findings)
}

async fn version(graph: &Neo4jGraph, ctx: &CallContext) -> Result<Finding, BackendError> {
    #[derive(Deserialize)]
    struct Component {
        name: String,
        versions: Vec<String>,
        edition: String,
    }
    let statement =
        Statement::new("CALL dbms.components() YIELD name, versions, edition RETURN name, versions, edition");
    let components: Vec<Component> = graph.server.read(ctx, WORK, &statement).await?;
    let Some(kernel) = components.into_iter().find(|component| component.name == "Neo4j Kernel") else {
        return Ok(Finding::advice("", "the server does not call itself Neo4j; it is not one that was tried"));
    };
    let version = kernel.versions.first().map_or("", String::as_str);
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let number = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let text = format!("Neo4j {version}, {} edition", kernel.edition);
    Ok(if number < OLDEST {
        Finding::problem("", format!("{text}: {}.{} or newer is needed", OLDEST.0, OLDEST.1))
    } else {
        Finding::fact("", text)
    })
}

/// Labels with single properties by which nodes are found, and whether values are unique.
async fn indexes(graph: &Neo4jGraph, ctx: &CallContext) -> Result<BTreeSet<(String, String, bool)>, BackendError> {
    #[derive(Deserialize)]
    struct Index {
        label: String,
        property: String,
        unique: bool,
    }
    let statement = Statement::new(
        "SHOW INDEXES YIELD type, entityType, labelsOrTypes, properties, state, owningConstraint \
         WHERE type = 'RANGE' AND entityType = 'NODE' AND state = 'ONLINE' AND size(properties) = 1 \
         RETURN labelsOrTypes[0] AS label, properties[0] AS property, owningConstraint IS NOT NULL AS unique",
    );
    let found: Vec<Index> = graph.server.read(ctx, WORK, &statement).await?;
    Ok(found.into_iter().map(|Index { label, property, unique }| (label, property, unique)).collect())
}

async fn inspect_label(
    graph: &Neo4jGraph,
    ctx: &CallContext,
    label: usize,
    indexes: &BTreeSet<(String, String, bool)>,
    findings: &mut Vec<Finding>,
) -> Result<(), BackendError> {
    let mapped = &graph.mapping.labels[label];
    let name = graph.schema.graph.as_ref().and_then(|schema| schema.labels.get(label));
    let key = format!("graph.nodes.{}", name.map_or("", |name| &**name));
    let id_key = format!("{key}.id");
    let nodes = statistics::label_count(graph, ctx, label).await?;
    if nodes == 0 {
        findings.push(Finding::problem(key, format!("no node has the label {}", mapped.label)));
        return Ok(());
    }
    findings.push(Finding::fact(key, format!("label {}: {nodes} nodes", mapped.label)));

    let indexed = |unique| indexes.contains(&(mapped.label.clone(), mapped.id.clone(), unique));
    let (label_words, id_words) = (quoted(&mapped.label), quoted(&mapped.id));
    let constraint = format!("CREATE CONSTRAINT FOR (n:{label_words}) REQUIRE n.{id_words} IS UNIQUE");
    findings.push(if indexed(true) {
        Finding::fact(&id_key, format!("a constraint keeps {} unique and finds nodes by it", mapped.id))
    } else if indexed(false) {
        let text = format!("an index finds nodes by {}, but nothing keeps it unique: {constraint}", mapped.id);
        Finding::advice(&id_key, text)
    } else {
        let text = format!(
            "every query goes through all nodes with the label, as no index finds them by {}: {constraint}",
            mapped.id
        );
        Finding::advice(&id_key, text)
    });

    let exists = graph.cypher.found_exists("n", label, false);
    let others = format!(
        "MATCH (n:{label_words}) WITH n LIMIT {LOOKED_AT} WHERE NOT (n.{id_words} IS NOT NULL AND {exists}) RETURN count(n) AS count"
    );
    let others = statistics::count(graph, ctx, others).await?;
    let looked_at = nodes.min(LOOKED_AT);
    if others > 0 {
        let kind = match graph.schema.id_type {
            IdType::Integer => "INTEGER",
            IdType::Text | IdType::Uuid => "STRING",
        };
        let text = format!(
            "{others} of {looked_at} nodes have no {kind} in {}: they are as if they were not there",
            mapped.id
        );
        findings.push(if others == looked_at {
            Finding::problem(&id_key, text)
        } else {
            Finding::advice(&id_key, text)
        });
    }
    if graph.schema.id_type == IdType::Uuid {
        let spelling = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";
        let text = format!(
            "MATCH (n:{label_words}) WITH n LIMIT {LOOKED_AT} WHERE NOT n.{id_words} =~ '{spelling}' RETURN count(n) AS count"
        );
        let others = statistics::count(graph, ctx, text).await?;
        if others > 0 {
            let text = format!("{others} of {looked_at} ids are not UUIDs in the hyphenated spelling in lower case");
            findings.push(Finding::problem(&id_key, text));
        }
    }
    Ok(())
}

async fn names(graph: &Neo4jGraph, ctx: &CallContext, call: &str) -> Result<BTreeSet<String>, BackendError> {
    #[derive(Deserialize)]
    struct Names {
        names: Vec<String>,
    }
    let statement = Statement::new(format!("{call} RETURN collect(name) AS names"));
    let Names { names } = graph.server.read_one(ctx, WORK, &statement).await?;
    Ok(names.into_iter().collect())
}
