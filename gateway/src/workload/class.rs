//! What is known of a generated query before it runs: the strata of the workload.

use std::sync::Arc;

use crate::query::Direction;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word used in reports.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

words! {
    /// Which clauses a query has.
    Shape {
        /// Ranked, unconstrained.
        Vector "vector",
        /// Ranked, filtered.
        VectorFilter "vector+filter",
        /// Ranked, within reach of given anchors.
        VectorGraph "vector+graph",
        /// All three.
        VectorFilterGraph "vector+filter+graph",
        /// Within reach, filtered, by id.
        FilterGraph "filter+graph",
        /// Filtered, by id.
        Filter "filter",
        /// Within reach of the nearest entities to a vector.
        Seeds "seeds",
    }
}

words! {
    /// Where a query vector comes from.
    VectorSource {
        /// A stored vector with noise, sent as it is.
        Perturbed "perturbed",
        /// An entity's own.
        Like "like",
        /// A weighted sum.
        Combine "combine",
    }
}

words! {
    /// How filter and graph are drawn relative to the query's vector.
    Correlation {
        /// Around an entity near it.
        For "for",
        /// Around an entity far from it.
        Against "against",
        /// Around any entity.
        None "none",
    }
}

words! {
    /// What kind of node a walk starts from.
    AnchorClass {
        /// A node of high degree.
        Hub "hub",
        /// A node of middling degree.
        Middling "middling",
        /// A node of the lowest degree that leads anywhere.
        Leaf "leaf",
    }
}

words! {
    /// How a query follows from an earlier one.
    Drill {
        /// The same with one more condition.
        StricterFilter "stricter-filter",
        /// The items that come next.
        NextPage "next-page",
        /// The same with another `limit`.
        AnotherLimit "another-limit",
    }
}

/// Whether a query is new. The number is the position in the stream of the query that it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Not asked before.
    Fresh,
    /// Asked before, byte for byte.
    Repeat {
        /// When.
        of: u64,
    },
    /// Follows from an earlier one.
    DrillDown {
        /// From which.
        of: u64,
        /// How.
        by: Drill,
    },
}

/// What is known of a generated query before it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryClass {
    /// Which clauses it has.
    pub shape: Shape,
    /// Whether it is new.
    pub origin: Origin,
    /// Where its vector comes from; for [`Shape::Seeds`] the one that finds the seeds.
    pub source: Option<VectorSource>,
    /// How filter and graph were drawn relative to the vector.
    pub correlation: Correlation,
    /// Fraction of the entities that pass its filter.
    pub selectivity: Option<f64>,
    /// The fraction that passes among the entities nearest to the vector, over [`Self::selectivity`].
    pub lift: Option<f64>,
    /// What kind of node its walk starts from.
    pub anchor: Option<AnchorClass>,
    /// Steps that lead away from the anchor.
    pub degree: Option<usize>,
    /// Entities within reach of given anchors.
    pub reach: Option<u64>,
    /// Most steps of its walk.
    pub hops: Option<u8>,
    /// Which way its walk goes.
    pub direction: Option<Direction>,
    /// Attributes and operators of its filter.
    pub form: Option<Arc<str>>,
    /// Edge types of its walk.
    pub edges: Option<Arc<str>>,
    /// Items wanted.
    pub limit: u32,
}

impl QueryClass {
    /// A name for all queries of this structure, whatever their operands: shape, vector source, operators, walk.
    pub fn template_id(&self) -> String {
        let mut name = self.shape.as_str().to_owned();
        let mut add = |part: &str| {
            name.push('/');
            name.push_str(part);
        };
        if let Some(source) = self.source {
            add(source.as_str());
        }
        if let Some(form) = &self.form {
            add(form);
        }
        if let (Some(edges), Some(direction), Some(hops)) = (&self.edges, self.direction, self.hops) {
            add(&format!("{edges} {} {hops}", direction.as_str()));
        }
        name
    }
}
