//! The names of things in Redis. Those of one key have its digest as their hash tag, so that a Cluster keeps them in one
//! slot and a script may touch them together.

use std::fmt::Write as _;

use crate::cache::{Digest, format};

/// What lies under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thing {
    /// The entry.
    Entry,
    /// The fence of whoever fills it at present; gone after at most two seconds without word.
    Lease,
    /// The fence of whoever began to fill it last.
    Fence,
}

/// What the names of a tier's keys are made of.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    /// Names that begin with this. Gateways of two versions of the stored format never see each other's entries.
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: format!("{prefix}:v{}:", format::VERSION) }
    }

    /// `<prefix>:v1:{<hex digest>}:e`, or `:l`, or `:f`.
    pub(super) fn of(&self, key: &Digest, thing: Thing) -> String {
        let mut name = String::with_capacity(self.prefix.len() + 2 * key.len() + 4);
        name.push_str(&self.prefix);
        name.push('{');
        for byte in key {
            write!(name, "{byte:02x}").expect("a string takes everything");
        }
        name.push_str(match thing {
            Thing::Entry => "}:e",
            Thing::Lease => "}:l",
            Thing::Fence => "}:f",
        });
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_and_nothing_else_is_the_hash_tag() {
        let names = Names::new("shop");
        let mut key = [0; 32];
        (key[0], key[31]) = (0xab, 1);
        let digest = format!("ab{}01", "00".repeat(30));
        assert_eq!(names.of(&key, Thing::Entry), format!("shop:v1:{{{digest}}}:e"));
        assert_eq!(names.of(&key, Thing::Lease), format!("shop:v1:{{{digest}}}:l"));
        assert_eq!(names.of(&key, Thing::Fence), format!("shop:v1:{{{digest}}}:f"));
    }
}
