//! What a store finds when it looks at the tables, indexes and rights that it was configured with, for `forebay check`.

use std::fmt;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// What is there.
    Fact,
    /// Works, but something is likely to be slow or not what was meant.
    Advice,
    /// Cannot work.
    Problem,
}

impl Weight {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fact => "found",
            Self::Advice => "advice",
            Self::Problem => "problem",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub weight: Weight,
    /// The key of the collection's configuration that it is about: `entities.table`, `attributes.size.column`. Empty for
    /// the server as a whole.
    pub key: String,
    /// One sentence.
    pub text: String,
}

impl Finding {
    /// Something that is there.
    pub fn fact(key: impl Into<String>, text: impl Into<String>) -> Self {
        Self { weight: Weight::Fact, key: key.into(), text: text.into() }
    }

    /// Something that could be better.
    pub fn advice(key: impl Into<String>, text: impl Into<String>) -> Self {
        Self { weight: Weight::Advice, key: key.into(), text: text.into() }
    }

    /// Something that cannot work.
    pub fn problem(key: impl Into<String>, text: impl Into<String>) -> Self {
        Self { weight: Weight::Problem, key: key.into(), text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "{}: {}", self.weight.as_str(), self.text),
            key => write!(f, "{}: {key}: {}", self.weight.as_str(), self.text),
        }
    }
}
