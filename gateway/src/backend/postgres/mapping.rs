//! Which tables and columns stand for what. Names come from the configuration only.

/// The table of a collection's entities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityTable {
    /// As configured: `schema.table`, or a name for the search path.
    pub table: String,
    /// The column of the id.
    pub id: String,
    /// One an attribute of the schema, in its order.
    pub attributes: Vec<AttributeColumn>,
    /// The column of each vector of the schema, in its order.
    pub vectors: Vec<String>,
}

/// Where an attribute is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeColumn {
    /// The column.
    pub column: String,
    /// Keys inside the column's JSON, outermost first; none where the column holds the value itself.
    pub path: Vec<String>,
}

/// A table of edges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeTable {
    /// As configured: `schema.table`, or a name for the search path.
    pub table: String,
    /// The column of the id where an edge starts.
    pub source: String,
    /// The column of the id where an edge ends.
    pub target: String,
    /// The column of the type.
    pub kind: String,
    /// The type's value in that column for each edge type of the schema, in its order.
    pub types: Vec<String>,
}
