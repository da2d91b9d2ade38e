//! Node files: one JSON object a line.

use std::collections::{HashMap, hash_map::Entry};

use serde_json::Value;

use super::{
    LoadError, LoadPlan, LoadReport, Progress, Step,
    columns::{ColumnBuilder, Refusal, VectorBuilder},
    line::{NodeLine, Roles},
    lines::{Line, Lines, MAX_LINE_BYTES},
    report::{Place, ProblemKind},
    source::{Taken, total_size},
};
use crate::value::{EntityId, IdType};

/// Lines between two words to the progress.
const REPORT_EVERY: u64 = 2_048;

/// All nodes, numbered as they come.
pub(super) struct Nodes {
    pub(super) ids: Vec<EntityId>,
    /// The node of each line that is not blank; `None` where the line was left out.
    pub(super) by_line: Vec<Option<u32>>,
    pub(super) columns: Vec<ColumnBuilder>,
    pub(super) vectors: Vec<VectorBuilder>,
    by_id: HashMap<EntityId, u32>,
    /// By the field that edges refer to, where that is not the id.
    by_endpoint: Option<HashMap<String, u32>>,
    id_type: IdType,
}

impl Nodes {
    fn new(plan: &LoadPlan) -> Self {
        let schema = &plan.schema;
        Self {
            ids: Vec::new(),
            by_line: Vec::new(),
            columns: schema.attributes.iter().map(|attribute| ColumnBuilder::new(attribute.kind)).collect(),
            vectors: schema.vectors.iter().map(|vector| VectorBuilder::new(vector.dimensions)).collect(),
            by_id: HashMap::new(),
            by_endpoint: plan.separate_endpoint_field().map(|_| HashMap::new()),
            id_type: schema.id_type,
        }
    }

    /// The node that an end of an edge names.
    pub(super) fn endpoint(&self, text: &str) -> Option<u32> {
        match &self.by_endpoint {
            Some(by_endpoint) => by_endpoint.get(text).copied(),
            None => self.by_id.get(&self.id_type.parse(text)?).copied(),
        }
    }
}

/// Reads all node files.
pub(super) fn read(plan: &LoadPlan, report: &mut LoadReport, progress: &mut dyn Progress) -> Result<Nodes, LoadError> {
    plan.check()?;
    let roles = Roles::of(plan);
    let mut nodes = Nodes::new(plan);
    let taken = Taken::default();
    progress.begin(Step::Nodes, total_size(plan.nodes.iter()));
    for (number, source) in plan.nodes.iter().enumerate() {
        let mut lines = Lines::new(source.open(&taken)?);
        while let Some((line, text)) = lines.next().map_err(|error| source.failed(error))? {
            let place = Place { source: number as u16, line };
            let node = match text {
                Line::Text(text) => Reader { plan, nodes: &mut nodes, report, place }.read(text, &roles),
                Line::TooLong => {
                    report.add(ProblemKind::MalformedLine, place, || format!("longer than {MAX_LINE_BYTES} bytes"));
                    None
                }
            };
            nodes.by_line.push(node);
            if nodes.ids.len() >= u32::MAX as usize {
                return Err(LoadError::TooLarge { what: "nodes" });
            }
            if line % REPORT_EVERY == 0 {
                progress.advance(taken.bytes());
            }
        }
    }
    progress.end();
    report.node_lines = nodes.by_line.len() as u64;
    Ok(nodes)
}

/// Reads one line.
struct Reader<'a> {
    plan: &'a LoadPlan,
    nodes: &'a mut Nodes,
    report: &'a mut LoadReport,
    place: Place,
}

impl Reader<'_> {
    /// The new node, or `None` when the line has to be left out.
    fn read(mut self, text: &[u8], roles: &Roles) -> Option<u32> {
        let line = match NodeLine::parse(text, roles) {
            Ok(line) => line,
            Err(error) => {
                self.problem(ProblemKind::MalformedLine, || error.to_string());
                return None;
            }
        };
        for name in &line.twice {
            self.problem(ProblemKind::FieldTwice, || format!("`{name}`"));
        }
        let node = self.add(line.id.as_ref())?;
        for name in &line.unknown {
            self.problem(ProblemKind::UnknownField, || format!("`{name}`"));
        }
        self.endpoint(node, line.endpoint.as_ref());
        for (index, value) in &line.attributes {
            let attribute = &self.plan.schema.attributes[usize::from(*index)];
            if !self.nodes.columns[usize::from(*index)].set(node, value) {
                let (name, kind) = (&attribute.name, attribute.kind.as_str());
                self.problem(ProblemKind::WrongType, || format!("`{name}` is {kind}, found {value}"));
            }
        }
        for (name, value) in &line.vectors {
            self.vector(node, name, value);
        }
        Some(node)
    }

    fn problem(&mut self, kind: ProblemKind, detail: impl FnOnce() -> String) {
        self.report.add(kind, self.place, detail);
    }

    fn add(&mut self, value: Option<&Value>) -> Option<u32> {
        let field = &self.plan.id_field;
        let Some(value) = value.filter(|value| !value.is_null()) else {
            self.problem(ProblemKind::MissingId, || format!("no `{field}`"));
            return None;
        };
        let id_type = self.plan.schema.id_type;
        let id = match (id_type, value) {
            (_, Value::String(text)) => id_type.parse(text),
            (IdType::Integer, number) => number.as_i64().map(EntityId::Integer),
            _ => None,
        };
        let Some(id) = id else {
            self.problem(ProblemKind::WrongIdType, || format!("ids are {}, found {value}", id_type.as_str()));
            return None;
        };
        let node = self.nodes.ids.len() as u32;
        if self.nodes.by_id.contains_key(&id) {
            self.problem(ProblemKind::DuplicateId, || format!("`{id}`"));
            return None;
        }
        self.nodes.by_id.insert(id.clone(), node);
        self.nodes.ids.push(id);
        Some(node)
    }

    fn endpoint(&mut self, node: u32, value: Option<&Value>) {
        let (Some(by_endpoint), Some(value)) = (&mut self.nodes.by_endpoint, value) else { return };
        let key = match value {
            Value::Null => return,
            Value::String(text) => text.clone(),
            Value::Number(number) if !number.is_f64() => number.to_string(),
            other => return self.problem(ProblemKind::WrongEndpointType, || format!("found {other}")),
        };
        match by_endpoint.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(node);
            }
            Entry::Occupied(entry) => {
                let key = entry.key().clone();
                self.problem(ProblemKind::DuplicateEndpoint, || format!("`{key}`"));
            }
        }
    }

    fn vector(&mut self, node: u32, name: &str, value: &Value) {
        if value.is_null() {
            return;
        }
        let Some(index) = self.plan.schema.vector(name) else {
            // A malformed `vectors` comes here under that name.
            let kind = if value.is_array() { ProblemKind::UnknownVector } else { ProblemKind::MalformedVector };
            return self.problem(kind, || format!("`{name}`"));
        };
        // A component beyond the range of a 32-bit float becomes infinite here and is refused below.
        let components: Option<Vec<f32>> =
            value.as_array().and_then(|list| list.iter().map(|c| c.as_f64().map(|c| c as f32)).collect());
        let Some(components) = components else {
            return self.problem(ProblemKind::MalformedVector, || format!("`{name}` is no list of numbers"));
        };
        add_vector(self.plan, self.nodes, self.report, self.place, (node, index), &components);
    }
}

/// Gives a node a vector, or counts why not.
pub(super) fn add_vector(
    plan: &LoadPlan,
    nodes: &mut Nodes,
    report: &mut LoadReport,
    place: Place,
    (node, vector): (u32, u16),
    components: &[f32],
) {
    let schema = &plan.schema.vectors[usize::from(vector)];
    let name = &schema.name;
    match nodes.vectors[usize::from(vector)].add(node, components) {
        Ok(()) => {
            if components.iter().all(|component| *component == 0.0) && schema.metric == crate::catalog::Metric::Cosine {
                report.add(ProblemKind::ZeroVector, place, || format!("`{name}`"));
            }
        }
        Err(Refusal::WrongDimension) => report.add(ProblemKind::WrongDimension, place, || {
            format!("`{name}` has {} components, found {}", schema.dimensions, components.len())
        }),
        Err(Refusal::NotFinite) => report.add(ProblemKind::NotFinite, place, || format!("`{name}`")),
        Err(Refusal::Twice) => report.add(ProblemKind::VectorTwice, place, || format!("`{name}`")),
    }
}
