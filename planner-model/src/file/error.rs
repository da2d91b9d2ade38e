use std::fmt;

use super::{FORMAT_VERSION, MAX_BYTES};

/// Why a model file is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// Larger than any model.
    #[error("{bytes} bytes are more than a model file may have ({MAX_BYTES})")]
    TooLarge {
        /// The file's size.
        bytes: usize,
    },
    /// It ends before a part that it announces.
    #[error("the file ends within the {part}")]
    Truncated {
        /// What was being read.
        part: &'static str,
    },
    /// Not a model file.
    #[error("this is no Forebay model file")]
    Magic,
    /// Another version of the format.
    #[error("format version {found}; this build reads {FORMAT_VERSION}")]
    Version {
        /// The version in the file.
        found: u32,
    },
    /// Trained on other features.
    #[error("trained on feature schema {found}; this build has {expected}")]
    Schema {
        /// Short hash in the file.
        found: String,
        /// Short hash of this build.
        expected: String,
    },
    /// The content is not what was written.
    #[error("the checksum does not match the content")]
    Checksum,
    /// The manifest is not JSON of the expected shape.
    #[error("manifest: {0}")]
    Manifest(String),
    /// The manifest has a part that makes no sense.
    #[error("manifest: {field} of {whose}: {what}")]
    Field {
        /// The part.
        field: &'static str,
        /// The plan, or the model.
        whose: String,
        /// What is off.
        what: &'static str,
    },
    /// A number of things that is over its cap.
    #[error("{count} {things} are more than a model may have")]
    TooMany {
        /// How many.
        count: usize,
        /// Of what.
        things: &'static str,
    },
    /// A forest that cannot be walked.
    #[error("forest of {whose}: {fault}")]
    Forest {
        /// The plan, or `duels`.
        whose: String,
        /// What is off.
        fault: NodeFault,
    },
    /// A leaf of the duel forest says something else than yes or no.
    #[error("forest of duels: a leaf has a value other than 0 and 1")]
    DuelLeaf,
    /// A golden vector does not give its output.
    #[error("golden vector {index}: expected {expected}, the forests say {found}")]
    Golden {
        /// Which.
        index: usize,
        /// What the file says.
        expected: f32,
        /// What came out.
        found: f32,
    },
    /// Bytes after the last part.
    #[error("{bytes} bytes after the last part")]
    Trailing {
        /// How many.
        bytes: usize,
    },
}

/// What is off with a forest. Numbers are places of nodes and of trees within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeFault {
    /// No tree, or more than the cap.
    Trees(usize),
    /// More nodes than the cap.
    Nodes(usize),
    /// A tree does not start where the one before ends, or is empty.
    Root(usize),
    /// A threshold or a leaf's value is not finite.
    NotFinite(usize),
    /// A leaf that leads elsewhere than to itself, or whose variance or support is negative or not finite.
    Leaf(usize),
    /// A node tests an input that does not exist.
    Input {
        /// The node.
        node: usize,
        /// What it tests.
        input: u8,
    },
    /// Children that are not where breadth-first order has them, or are of another tree.
    Child(usize),
    /// Deeper than the cap.
    Depth(usize),
    /// A node that no other leads to.
    Orphan(usize),
}

impl fmt::Display for NodeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trees(count) => write!(f, "{count} trees"),
            Self::Nodes(count) => write!(f, "{count} nodes"),
            Self::Root(tree) => write!(f, "tree {tree} does not start where it should"),
            Self::NotFinite(node) => write!(f, "node {node} has a value that is not finite"),
            Self::Leaf(node) => write!(f, "leaf {node} is not sound"),
            Self::Input { node, input } => write!(f, "node {node} tests input {input}, which does not exist"),
            Self::Child(node) => write!(f, "the children of node {node} are not where they should be"),
            Self::Depth(node) => write!(f, "node {node} is too deep"),
            Self::Orphan(node) => write!(f, "nothing leads to node {node}"),
        }
    }
}
