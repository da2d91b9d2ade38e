//! Putting data into a database: nodes and relationships in batches, each batch one explicit transaction.
//!
//! Everything is a `MERGE` by id, so that an interrupted load is begun again from the start or from any batch.

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use neo4rs::{BoltList, BoltType};
use tokio_util::sync::CancellationToken;

use super::{BoltServer, GraphMapping, cypher::quoted, keys, server::Work, statement::Statement};
use crate::{
    backend::{
        BackendError, CallContext, ErrorKind,
        embedded::{Edges, Parts},
    },
    catalog::CollectionSchema,
    load::{Progress, Step},
    query::Priority,
    value::{AttributeType, AttributeValue, EntityId},
};

/// Rows of one batch: large enough that a transaction's overhead is small, small enough for a modest heap.
pub const BATCH: usize = 5_000;

/// Longest time that one batch may take.
const LONGEST: Duration = Duration::from_secs(600);

/// How often a batch is tried when the server reports a passing failure, a deadlock for example.
const TRIES: u32 = 5;

/// Writes a collection's graph into the labels and types of its mapping.
pub struct Writer {
    server: Arc<BoltServer>,
    schema: Arc<CollectionSchema>,
    mapping: GraphMapping,
}

/// An attribute that is kept as a property of nodes.
#[derive(Debug, Clone)]
pub struct Property {
    /// An index into the attributes of the schema.
    pub attribute: u16,
    /// The property's name.
    pub name: String,
}

impl Writer {
    /// A writer for a collection with a graph side.
    pub fn new(server: Arc<BoltServer>, schema: Arc<CollectionSchema>, mapping: GraphMapping) -> Self {
        Self { server, schema, mapping }
    }

    /// Writes all nodes of a data set, with their attributes as properties, and all edges. With `create`, ids are made
    /// unique first.
    pub(crate) async fn everything(
        &self,
        parts: &Parts,
        create: bool,
        progress: &mut dyn Progress,
    ) -> Result<(), BackendError> {
        if create {
            self.constrain(&patient()).await?;
        }
        let label = self.schema.graph.as_ref().map_or(0, |graph| graph.entity_label);
        let properties: Vec<Property> = self.properties();
        progress.begin(Step::WriteEntities, Some(parts.ids.len() as u64));
        for from in (0..parts.ids.len()).step_by(BATCH) {
            let to = (from + BATCH).min(parts.ids.len());
            let value = |place: usize, attribute: u16| {
                let attribute = usize::from(attribute);
                parts.columns[attribute].value((from + place) as u32, self.schema.attributes[attribute].kind)
            };
            self.nodes(&patient(), label, &parts.ids[from..to], &properties, value).await?;
            progress.advance(to as u64);
        }
        progress.end();
        let total: usize = parts.edges.iter().map(|edges| edges.sources.len()).sum();
        progress.begin(Step::WriteEdges, Some(total as u64));
        let mut done = 0;
        for (edge, edges) in (0_u16..).zip(&parts.edges) {
            for from in (0..edges.sources.len()).step_by(BATCH) {
                let to = (from + BATCH).min(edges.sources.len());
                self.edge_rows(&patient(), edge, edges, from..to, &parts.ids).await?;
                done += to - from;
                progress.advance(done as u64);
            }
        }
        progress.end();
        Ok(())
    }

    /// Every attribute under its own name, and the tenant's under the name that walks look for.
    fn properties(&self) -> Vec<Property> {
        let attributes = self.schema.attributes.iter().zip(0_u16..).map(|(attribute, index)| {
            let tenant = self.mapping.tenant.as_ref().filter(|_| self.schema.tenant_attribute == Some(index));
            Property { attribute: index, name: tenant.cloned().unwrap_or_else(|| attribute.name.to_string()) }
        });
        attributes.collect()
    }

    /// Makes ids unique, and with that found by an index, unless they are. The server answers when its
    /// index is ready.
    ///
    /// # Errors
    /// The server does not do it: two nodes have one id, for example.
    pub async fn constrain(&self, ctx: &CallContext) -> Result<(), BackendError> {
        for label in &self.mapping.labels {
            let (label, id) = (quoted(&label.label), quoted(&label.id));
            let text = format!("CREATE CONSTRAINT IF NOT EXISTS FOR (n:{label}) REQUIRE n.{id} IS UNIQUE");
            self.server.change_schema(ctx, &Statement::new(text)).await?;
        }
        Ok(())
    }

    /// Writes one batch of nodes of a label with their attributes; a missing value removes the property. `value` reads an
    /// attribute of the node at a place among `ids`.
    ///
    /// # Errors
    /// The batch was not written.
    pub async fn nodes(
        &self,
        ctx: &CallContext,
        label: u16,
        ids: &[EntityId],
        properties: &[Property],
        value: impl Fn(usize, u16) -> AttributeValue,
    ) -> Result<(), BackendError> {
        let mapped = &self.mapping.labels[usize::from(label)];
        let set = properties.iter().zip(1..).map(|(property, place)| {
            let kind = self.schema.attributes[usize::from(property.attribute)].kind;
            let value = match kind {
                AttributeType::Timestamp => format!(
                    "CASE WHEN r[{place}] IS NULL THEN null ELSE \
                     datetime({{epochSeconds: r[{place}][0], nanosecond: r[{place}][1]}}) END"
                ),
                _ => format!("r[{place}]"),
            };
            format!("n.{} = {value}", quoted(&property.name))
        });
        let set = set.collect::<Vec<_>>().join(", ");
        let set = if set.is_empty() { set } else { format!(" SET {set}") };
        let rows = ids.iter().enumerate().map(|(place, id)| {
            let values = properties.iter().map(|property| bolt(value(place, property.attribute)));
            BoltType::List(std::iter::once(keys::parameter(id)).chain(values).collect())
        });
        let text =
            format!("UNWIND $rows AS r MERGE (n:{} {{{}: r[0]}}){set}", quoted(&mapped.label), quoted(&mapped.id));
        self.batch(ctx, "write nodes", text, rows.collect()).await
    }

    /// Writes one batch of relationships of an edge type between entities. Both ends must be there; a relationship that is
    /// there already stays one.
    ///
    /// # Errors
    /// The batch was not written.
    pub async fn edges<'a>(
        &self,
        ctx: &CallContext,
        edge: u16,
        ends: impl Iterator<Item = (&'a EntityId, &'a EntityId)>,
    ) -> Result<(), BackendError> {
        let entity = self.schema.graph.as_ref().map_or(0, |graph| usize::from(graph.entity_label));
        let mapped = &self.mapping.labels[entity];
        let (label, id, kind) =
            (quoted(&mapped.label), quoted(&mapped.id), quoted(&self.mapping.types[usize::from(edge)]));
        let rows = ends.map(|(source, target)| {
            BoltType::List([source, target].into_iter().map(keys::parameter).collect::<BoltList>())
        });
        let text = format!(
            "UNWIND $rows AS r MATCH (s:{label} {{{id}: r[0]}}) MATCH (e:{label} {{{id}: r[1]}}) \
             MERGE (s)-[:{kind}]->(e)"
        );
        self.batch(ctx, "write edges", text, rows.collect()).await
    }

    /// Writes a stretch of an edge type's relationships in one batch; `ids` are those of all rows.
    ///
    /// # Errors
    /// The batch was not written.
    pub async fn edge_rows(
        &self,
        ctx: &CallContext,
        edge: u16,
        edges: &Edges,
        stretch: Range<usize>,
        ids: &[EntityId],
    ) -> Result<(), BackendError> {
        let ends = edges.sources[stretch.clone()].iter().zip(&edges.targets[stretch]);
        self.edges(ctx, edge, ends.map(|(source, target)| (&ids[*source as usize], &ids[*target as usize]))).await
    }

    async fn batch(
        &self,
        ctx: &CallContext,
        kind: &'static str,
        text: String,
        rows: BoltList,
    ) -> Result<(), BackendError> {
        if rows.is_empty() {
            return Ok(());
        }
        let work = Work { kind, size: rows.len() };
        let statement = Statement::new(text).with("rows", BoltType::List(rows));
        let mut tries = 0;
        loop {
            let outcome = self.server.write(ctx, work, &statement).await;
            tries += 1;
            match outcome {
                // It is a MERGE: doing it again does nothing twice.
                Err(error) if error.kind == ErrorKind::Unavailable && tries < TRIES => {
                    tokio::time::sleep(Duration::from_millis(50 << tries)).await;
                }
                outcome => return outcome,
            }
        }
    }
}

/// A batch that nobody waits for but the load.
fn patient() -> CallContext {
    CallContext {
        priority: Priority::Batch.into(),
        tenant: None,
        deadline: Instant::now() + LONGEST,
        cancelled: CancellationToken::new(),
        request_id: "load".into(),
    }
}

/// A value as a property. Timestamps become seconds and nanoseconds, of which the statement makes a date and time.
fn bolt(value: AttributeValue) -> BoltType {
    match value {
        AttributeValue::Null => BoltType::Null(neo4rs::BoltNull),
        AttributeValue::Text(text) => BoltType::from(&*text),
        AttributeValue::Integer(value) => BoltType::from(value),
        AttributeValue::Float(value) => BoltType::from(value),
        AttributeValue::Boolean(value) => BoltType::from(value),
        AttributeValue::Timestamp(micros) => {
            let (seconds, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
            BoltType::List([seconds, rest * 1_000].into_iter().collect())
        }
        AttributeValue::Keywords(words) => BoltType::List(words.iter().map(|word| BoltType::from(&**word)).collect()),
    }
}
