//! How far a load is, for whoever wants to show it.

/// What a load is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Node lines are read.
    Nodes,
    /// Vector files are read.
    Vectors,
    /// Ids are put into order.
    Order,
    /// Edges are read.
    Edges,
    /// Columns are put into the order of the ids.
    Assemble,
    /// The data directory is written.
    Save,
    /// Entities are written to a server.
    WriteEntities,
    /// Edges are written to a server.
    WriteEdges,
    /// A server makes indexes.
    Index,
}

impl Step {
    /// Whether its size is in records, not in bytes.
    pub fn counts_records(self) -> bool {
        matches!(self, Self::WriteEntities | Self::WriteEdges)
    }

    /// A few words for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nodes => "reading nodes",
            Self::Vectors => "reading vectors",
            Self::Order => "sorting ids",
            Self::Edges => "reading edges",
            Self::Assemble => "building columns",
            Self::Save => "writing",
            Self::WriteEntities => "writing entities",
            Self::WriteEdges => "writing edges",
            Self::Index => "making indexes",
        }
    }
}

/// Told how far a load is. Steps follow each other; none is inside another.
pub trait Progress {
    /// A step begins. `total` is its size, where that is known: of what is read in bytes as they lie on disk, of what is
    /// written to a server in records.
    fn begin(&mut self, step: Step, total: Option<u64>);

    /// So much of the step is done, from its beginning. Called every few thousand records.
    fn advance(&mut self, done: u64);

    /// The step is over.
    fn end(&mut self);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _step: Step, _total: Option<u64>) {}
    fn advance(&mut self, _done: u64) {}
    fn end(&mut self) {}
}
