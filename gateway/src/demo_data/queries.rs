//! The 300 questions about the packages, with exact answers.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{COLLECTION, packages_file};
use crate::load::npy;

/// A question and its exact answer.
#[derive(Debug, Clone)]
pub struct DemoQuery {
    /// Its name: `d0000`, …
    pub qid: String,
    /// What was asked in words, for those that were; the vector is the embedding of it.
    pub text: Option<String>,
    /// How many answers are asked for.
    pub k: u32,
    /// The query vector, 384 components.
    pub vector: Vec<f32>,
    /// Package names, best first. Fewer than `k`: there are no more.
    pub expected: Vec<String>,
    /// The cosine of each.
    pub scores: Vec<f64>,
    /// Packages beyond the `k`-th within 1e-6 of its score: as correct in its place.
    pub ties: Vec<String>,
    /// How many packages satisfy the question at all.
    pub matches: usize,
    filter: Option<RecordedFilter>,
    graph: Option<RecordedGraph>,
}

/// A line of `queries.jsonl`. `meta` is for analysis and not read.
#[derive(Deserialize)]
struct Recorded {
    qid: String,
    text: Option<String>,
    k: u32,
    filter: Option<RecordedFilter>,
    graph: Option<RecordedGraph>,
    answer: RecordedAnswer,
}

#[derive(Debug, Clone, Deserialize)]
struct RecordedFilter {
    section_in: Option<Vec<String>>,
    size_kb: Option<RecordedRange>,
    tags_all: Option<Vec<String>>,
}

#[derive(Debug, Clone, Deserialize)]
struct RecordedRange {
    min: Option<i64>,
    max: Option<i64>,
}

#[derive(Debug, Clone, Deserialize)]
struct RecordedGraph {
    anchor: String,
    edge_types: Vec<String>,
    direction: String,
    hops: u8,
}

#[derive(Deserialize)]
struct RecordedAnswer {
    ids: Vec<usize>,
    scores: Vec<f64>,
    n_match: usize,
    tie_ids: Vec<usize>,
}

impl DemoQuery {
    /// The body of the query. Nothing of the answer is in it.
    pub fn body(&self) -> Value {
        let mut body = json!({
            "collection": COLLECTION,
            "vector": { "values": self.vector },
            "limit": self.k,
        });
        if let Some(filter) = &self.filter {
            body["filter"] = filter.body();
        }
        if let Some(graph) = &self.graph {
            body["within"] = json!({
                "from": [graph.anchor],
                "edges": graph.edge_types,
                "direction": graph.direction,
                "hops": graph.hops,
            });
        }
        body
    }

    /// Whether an answer is right: the expected ids in their order, or at the end one of the ties.
    pub fn accepts<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> bool {
        let ids: Vec<&str> = ids.into_iter().collect();
        if ids.len() != self.expected.len() {
            return false;
        }
        let tied_from = self.scores.last().map_or(0, |last| self.scores.partition_point(|score| score - last > 1e-6));
        let tied: Vec<&str> = self.expected[tied_from..].iter().chain(&self.ties).map(String::as_str).collect();
        let (sure, open) = ids.split_at(if self.ties.is_empty() { ids.len() } else { tied_from });
        let distinct = open.iter().all(|id| open.iter().filter(|other| *other == id).count() == 1);
        sure.iter().zip(&self.expected).all(|(id, expected)| id == expected)
            && distinct
            && open.iter().all(|id| tied.contains(id))
    }
}

impl RecordedFilter {
    fn body(&self) -> Value {
        let mut filter = Map::new();
        if let Some(sections) = &self.section_in {
            filter.insert("section".into(), json!({ "$in": sections }));
        }
        if let Some(RecordedRange { min, max }) = &self.size_kb {
            let bounds = [("$gte", min), ("$lte", max)].into_iter();
            let bounds: Map<String, Value> =
                bounds.filter_map(|(operator, bound)| Some((operator.into(), json!((*bound)?)))).collect();
            filter.insert("installed_size_kb".into(), bounds.into());
        }
        if let Some(tags) = &self.tags_all {
            filter.insert("tags".into(), json!({ "$all": tags }));
        }
        filter.into()
    }
}

/// All 300, in a random order: a prefix is a fair sample.
pub fn queries() -> Vec<DemoQuery> {
    const SOUND: &str = "the bundled queries are sound; a test reads them";
    let names = names();
    let name = |id: usize| names[id].clone();
    let mut vectors = npy::Rows::open(&packages_file!("query_embeddings.npy")[..]).expect(SOUND);
    let lines = packages_file!("queries.jsonl").split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let read = |line: &[u8]| {
        let recorded: Recorded = serde_json::from_slice(line).expect(SOUND);
        let mut vector = Vec::new();
        vectors.next_into(&mut vector).expect(SOUND);
        DemoQuery {
            qid: recorded.qid,
            text: recorded.text,
            k: recorded.k,
            vector,
            expected: recorded.answer.ids.into_iter().map(name).collect(),
            scores: recorded.answer.scores,
            ties: recorded.answer.tie_ids.into_iter().map(name).collect(),
            matches: recorded.answer.n_match,
            filter: recorded.filter,
            graph: recorded.graph,
        }
    };
    lines.map(read).collect()
}

/// The name of each node by its number in the data set.
fn names() -> Vec<String> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let lines = zstd::decode_all(&packages_file!("nodes.jsonl.zst")[..]).expect("the bundled nodes are whole");
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice::<Named>(line).expect("the bundled nodes are sound").name).collect()
}
