//! Which labels, properties and relationship types stand for what. Names come from the configuration only.

/// The graph side of a collection in a property graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphMapping {
    /// One a label of the schema, in its order.
    pub labels: Vec<LabelMapping>,
    /// The relationship type of each edge type of the schema, in its order.
    pub types: Vec<String>,
    /// The property of nodes that names their tenant. Nodes without it are shared.
    pub tenant: Option<String>,
}

/// A node label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelMapping {
    /// The label.
    pub label: String,
    /// The property that holds a node's id.
    pub id: String,
}
