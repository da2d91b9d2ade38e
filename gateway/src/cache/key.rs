//! Keys: 256-bit BLAKE3 digests over versioned canonical bytes, the same on every gateway.

/// A key.
pub type Digest = [u8; 32];

/// Grows by one whenever the meaning of the hashed bytes changes, so that gateways of two versions never share entries.
const FORMAT: u32 = 1;

/// Hashes the parts of a key. Each part is preceded by its length, so that no two lists of parts give the same bytes.
pub struct KeyBuilder(blake3::Hasher);

impl KeyBuilder {
    /// A key of this kind (`answer`, `reach`, …).
    pub fn new(kind: &str) -> Self {
        let mut builder = Self(blake3::Hasher::new_derive_key("forebay 2026-11 cache key"));
        builder.0.update(&FORMAT.to_le_bytes());
        builder.part(kind.as_bytes())
    }

    /// Adds a part.
    #[must_use]
    pub fn part(mut self, bytes: &[u8]) -> Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds a part that may be absent; absent differs from empty.
    #[must_use]
    pub fn optional(self, bytes: Option<&[u8]>) -> Self {
        match bytes {
            Some(bytes) => self.part(&[1]).part(bytes),
            None => self.part(&[0]),
        }
    }

    /// The key.
    pub fn finish(self) -> Digest {
        *self.0.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_part_ends_is_part_of_the_key() {
        let key = |parts: &[&str]| {
            parts.iter().fold(KeyBuilder::new("test"), |builder, part| builder.part(part.as_bytes())).finish()
        };
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["a"]), key(&["a", ""]));
        assert_eq!(key(&["a", "b"]), key(&["a", "b"]));
        assert_ne!(KeyBuilder::new("x").optional(None).finish(), KeyBuilder::new("x").optional(Some(b"")).finish());
    }
}
