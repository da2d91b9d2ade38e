//! The canonical text of a query: compact JSON, every default written out, fields in one order.
//!
//! It is what plans and logs show. `parse` of it gives the query again, so it says everything that can change the answer. Cache
//! keys are made from the same with the components of vectors as they are in memory: printing them takes longer than all else.

mod filter;

pub(super) use filter::required_elements;

use super::{Anchors, Query, VectorClause, VectorInput, VectorTerm, Walk};
use crate::catalog::{CollectionSchema, GraphSchema};

pub(super) fn print(query: &Query, schema: &CollectionSchema) -> String {
    let mut out = Text::default();
    write(&mut out, query, schema);
    String::from_utf8(out.bytes).expect("only strings were written")
}

pub(super) fn key_bytes(query: &Query, schema: &CollectionSchema) -> Vec<u8> {
    let mut out = Text { raw_vectors: true, ..Text::default() };
    write(&mut out, query, schema);
    out.bytes
}

fn write(out: &mut Text, query: &Query, schema: &CollectionSchema) {
    out.raw("{\"collection\":").string(&schema.name);
    out.raw(",\"vector\":");
    match &query.vector {
        Some(clause) => vector(out, clause, schema),
        None => out.null(),
    }
    out.raw(",\"filter\":");
    filter::print(out, &query.filter, schema);
    out.raw(",\"within\":");
    match (&query.within, &schema.graph) {
        (Some(within), Some(graph)) => {
            out.raw("{\"from\":");
            anchors(out, &within.from, schema, graph);
            walk(out, &within.walk, graph);
            out.raw(",\"include_anchors\":").boolean(within.include_anchors).raw("}");
        }
        _ => out.null(),
    }
    out.raw(",\"expand\":");
    match (&query.expand, &schema.graph) {
        (Some(expand), Some(graph)) => {
            out.raw("{\"per_item\":").integer(expand.per_item);
            walk(out, &expand.walk, graph);
            out.raw("}");
        }
        _ => out.null(),
    }
    out.raw(",\"limit\":").integer(query.limit);
    out.raw(",\"offset\":").integer(query.offset);
    out.raw(",\"score_threshold\":");
    match query.score_threshold {
        Some(threshold) => out.double(threshold),
        None => out.null(),
    }
    out.raw(",\"exact\":").boolean(query.exact);
    out.raw(",\"select\":[");
    out.separated(&query.select, |out, index| {
        out.string(&schema.attributes[usize::from(*index)].name);
    });
    out.raw("],\"include\":{\"scores\":").boolean(query.include.scores);
    out.raw(",\"paths\":").boolean(query.include.paths);
    out.raw(",\"vectors\":").boolean(query.include.vectors).raw("}}");
}

fn vector(out: &mut Text, clause: &VectorClause, schema: &CollectionSchema) {
    out.raw("{\"name\":").string(&schema.vectors[usize::from(clause.space)].name).raw(",");
    match &clause.input {
        VectorInput::Single(input) => term(out, input),
        VectorInput::Combine(inputs) => {
            out.raw("\"combine\":[");
            out.separated(inputs, |out, (input, weight)| {
                out.raw("{");
                term(out, input);
                out.raw(",\"weight\":").double(*weight);
                out.raw("}");
            });
            out.raw("]");
        }
    }
    out.raw("}");
}

fn term(out: &mut Text, term: &VectorTerm) {
    match term {
        VectorTerm::Values(values) if out.raw_vectors => out.components(values),
        VectorTerm::Values(values) => {
            out.raw("\"values\":[");
            out.separated(values.iter(), |out, value| out.single(*value));
            out.raw("]");
        }
        VectorTerm::Like(id) => {
            out.raw("\"like\":").string(&id.to_string());
        }
        VectorTerm::Text(text) => {
            out.raw("\"text\":").string(text);
        }
    }
}

fn anchors(out: &mut Text, anchors: &Anchors, schema: &CollectionSchema, graph: &GraphSchema) {
    match anchors {
        Anchors::Nodes(nodes) => {
            out.raw("[");
            out.separated(nodes, |out, node| {
                out.raw("{\"label\":").string(&graph.labels[usize::from(node.label)]);
                out.raw(",\"id\":").string(&node.id.to_string()).raw("}");
            });
            out.raw("]");
        }
        Anchors::Nearest { vector: clause, filter: seeds, top } => {
            out.raw("{\"vector\":");
            vector(out, clause, schema);
            out.raw(",\"filter\":");
            filter::print(out, seeds, schema);
            out.raw(",\"top\":").integer(*top).raw("}");
        }
    }
}

fn walk(out: &mut Text, walk: &Walk, graph: &GraphSchema) {
    out.raw(",\"edges\":[");
    out.separated(&walk.edges, |out, edge| {
        out.string(&graph.edges[usize::from(*edge)]);
    });
    out.raw("],\"direction\":").string(walk.direction.as_str());
    out.raw(",\"hops\":").integer(walk.hops);
}

/// JSON text under construction.
#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    /// The components of vectors are written as they are in memory.
    raw_vectors: bool,
}

impl Text {
    /// Components after their number, so that where they end does not depend on what they are. −0 is not among them.
    fn components(&mut self, values: &[f32]) {
        self.raw("\"values\":");
        self.bytes.extend_from_slice(&(values.len() as u64).to_le_bytes());
        values.iter().for_each(|value| self.bytes.extend_from_slice(&value.to_le_bytes()));
    }

    fn raw(&mut self, text: &str) -> &mut Self {
        self.bytes.extend_from_slice(text.as_bytes());
        self
    }

    fn null(&mut self) {
        self.raw("null");
    }

    fn boolean(&mut self, value: bool) -> &mut Self {
        self.raw(if value { "true" } else { "false" })
    }

    fn string(&mut self, text: &str) -> &mut Self {
        self.serialized(text)
    }

    fn integer(&mut self, value: impl Into<i128>) -> &mut Self {
        self.serialized(&value.into())
    }

    fn double(&mut self, value: f64) {
        self.serialized(&value);
    }

    /// The shortest digits that read as this value. The reader goes by way of a double, which for a few values (such as
    /// 7.038531e-26) leads from the shortest digits to a neighbour; those are printed as doubles.
    fn single(&mut self, value: f32) {
        let start = self.bytes.len();
        self.serialized(&value);
        let digits = std::str::from_utf8(&self.bytes[start..]).unwrap_or_default();
        let reads_back = digits.parse::<f64>().is_ok_and(|read| read as f32 == value);
        if !reads_back {
            self.bytes.truncate(start);
            self.serialized(&f64::from(value));
        }
    }

    fn serialized<T: serde::Serialize + ?Sized>(&mut self, value: &T) -> &mut Self {
        serde_json::to_writer(&mut self.bytes, value).expect("plain data is JSON");
        self
    }

    fn separated<I: IntoIterator>(&mut self, items: I, mut print: impl FnMut(&mut Self, I::Item)) {
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            print(self, item);
        }
    }
}
