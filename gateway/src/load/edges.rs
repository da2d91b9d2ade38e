//! Edge files: CSV with a header, or one JSON object a line. Which of the two is seen from the first byte.

use std::io::{self, BufRead};

use serde_json::{Map, Value};

use super::{
    LoadError, LoadPlan, LoadReport, Progress, Source, Step,
    assemble::Order,
    lines::{Line, Lines, MAX_LINE_BYTES},
    nodes::Nodes,
    report::{Place, ProblemKind},
    source::{Taken, total_size},
};

const REPORT_EVERY: u64 = 4_096;
const COLUMNS: [&str; 3] = ["src", "dst", "type"];

/// One edge as it was read: rows, and where it stood.
pub(super) type PlacedEdge = (u32, u32, Place);

/// Reads all edge files: one list an edge type of the collection, not in order, with parallel edges.
pub(super) fn read(
    plan: &LoadPlan,
    nodes: &Nodes,
    order: &Order,
    report: &mut LoadReport,
    progress: &mut dyn Progress,
) -> Result<Vec<Vec<PlacedEdge>>, LoadError> {
    let types = plan.schema.graph.as_ref().map_or(0, |graph| graph.edges.len());
    let mut reader = Reader { plan, nodes, order, report, edges: vec![Vec::new(); types] };
    if plan.edges.is_empty() {
        return Ok(reader.edges);
    }
    let taken = Taken::default();
    progress.begin(Step::Edges, total_size(plan.edges.iter()));
    for (index, source) in plan.edges.iter().enumerate() {
        let number = (plan.nodes.len() + plan.vectors.len() + index) as u16;
        let mut bytes = source.open(&taken)?;
        let first = first_byte(&mut *bytes).map_err(|error| source.failed(error))?;
        let mut on_record = |record: u64| {
            if record.is_multiple_of(REPORT_EVERY) {
                progress.advance(taken.bytes());
            }
        };
        match first {
            None => {}
            Some(b'{') => reader.json(source, number, bytes, &mut on_record)?,
            Some(_) => reader.csv(source, number, bytes, &mut on_record)?,
        }
    }
    progress.end();
    let mut edges = reader.edges;
    for list in &mut edges {
        deduplicate(list, report);
    }
    Ok(edges)
}

/// The first byte that is no white space, left in the reader. `None` in an empty file.
fn first_byte(reader: &mut dyn BufRead) -> io::Result<Option<u8>> {
    loop {
        let available = reader.fill_buf()?;
        if available.is_empty() {
            return Ok(None);
        }
        match available.iter().position(|byte| !byte.is_ascii_whitespace()) {
            Some(position) => return Ok(Some(available[position])),
            None => {
                let blank = available.len();
                reader.consume(blank);
            }
        }
    }
}

struct Reader<'a> {
    plan: &'a LoadPlan,
    nodes: &'a Nodes,
    order: &'a Order,
    report: &'a mut LoadReport,
    edges: Vec<Vec<PlacedEdge>>,
}

impl Reader<'_> {
    fn csv(
        &mut self,
        source: &Source,
        number: u16,
        bytes: Box<dyn BufRead>,
        on_record: &mut dyn FnMut(u64),
    ) -> Result<(), LoadError> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes);
        let failed = |error: csv::Error| source.failed(io::Error::other(error));
        let header = reader.byte_headers().map_err(failed)?.clone();
        let position = |wanted: &str| header.iter().position(|name| name == wanted.as_bytes());
        let [Some(from), Some(to), Some(kind)] = COLUMNS.map(position) else {
            let found = header.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect::<Vec<_>>();
            let found = super::report::shorten(found.join(","));
            return Err(LoadError::EdgeHeader { source_name: source.to_string(), found });
        };
        for name in header.iter().filter(|name| COLUMNS.iter().all(|column| column.as_bytes() != *name)) {
            let place = Place { source: number, line: 1 };
            self.report.add(ProblemKind::IgnoredColumn, place, || format!("`{}`", String::from_utf8_lossy(name)));
        }
        let mut record = csv::ByteRecord::new();
        while reader.read_byte_record(&mut record).map_err(failed)? {
            let place = Place { source: number, line: record.position().map_or(0, csv::Position::line) };
            let text = |column| record.get(column).and_then(|bytes| str::from_utf8(bytes).ok());
            match (text(from), text(to), text(kind)) {
                (Some(from), Some(to), Some(kind)) => self.add(place, from, to, kind),
                _ => self.report.add(ProblemKind::MalformedLine, place, || "too few columns, or not UTF-8".into()),
            }
            self.report.edge_records += 1;
            on_record(place.line);
        }
        Ok(())
    }

    fn json(
        &mut self,
        source: &Source,
        number: u16,
        bytes: Box<dyn BufRead>,
        on_record: &mut dyn FnMut(u64),
    ) -> Result<(), LoadError> {
        let mut lines = Lines::new(bytes);
        let mut ignored: Vec<String> = Vec::new();
        while let Some((line, text)) = lines.next().map_err(|error| source.failed(error))? {
            let place = Place { source: number, line };
            self.report.edge_records += 1;
            on_record(line);
            let parsed = match text {
                Line::Text(text) => serde_json::from_slice::<Map<String, Value>>(text).map_err(|e| e.to_string()),
                Line::TooLong => Err(format!("longer than {MAX_LINE_BYTES} bytes")),
            };
            let fields = match parsed {
                Ok(fields) => fields,
                Err(detail) => {
                    self.report.add(ProblemKind::MalformedLine, place, || detail);
                    continue;
                }
            };
            for name in fields.keys().filter(|name| !COLUMNS.contains(&name.as_str())) {
                if !ignored.contains(name) {
                    self.report.add(ProblemKind::IgnoredColumn, place, || format!("`{name}`"));
                    ignored.push(name.clone());
                }
            }
            let end = |name: &str| fields.get(name).and_then(end_of_edge);
            match (end("src"), end("dst"), fields.get("type").and_then(Value::as_str)) {
                (Some(from), Some(to), Some(kind)) => self.add(place, &from, &to, kind),
                _ => self.report.add(ProblemKind::MalformedLine, place, || {
                    "`src` and `dst` (text or integer) and `type` (text) are expected".into()
                }),
            }
        }
        Ok(())
    }

    fn add(&mut self, place: Place, from: &str, to: &str, kind: &str) {
        let Some(edge_type) = self.plan.edge_types.get(kind) else {
            return self.report.add(ProblemKind::UnknownEdgeType, place, || format!("`{kind}`"));
        };
        let (source, target) = match (self.nodes.endpoint(from), self.nodes.endpoint(to)) {
            (Some(source), Some(target)) => (self.order.row(source), self.order.row(target)),
            (source, _) => {
                let missing = if source.is_none() { from } else { to };
                return self.report.add(ProblemKind::UnknownNode, place, || format!("`{missing}`"));
            }
        };
        if source == target {
            return self.report.add(ProblemKind::SelfLoop, place, || format!("`{from}`"));
        }
        self.edges[usize::from(*edge_type)].push((source, target, place));
    }
}

/// The text of an end in JSON, as CSV would state it.
fn end_of_edge(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}

/// Sorts by (source, target) and keeps the first of parallel edges.
fn deduplicate(edges: &mut Vec<PlacedEdge>, report: &mut LoadReport) {
    edges.sort_unstable();
    edges.dedup_by(|later, earlier| {
        let parallel = (later.0, later.1) == (earlier.0, earlier.1);
        if parallel {
            report.add(ProblemKind::ParallelEdge, later.2, || "the same edge came before".into());
        }
        parallel
    });
}
