//! Entity tags of bodies.

/// The entity tag of a stored body: the first 128 bits of its BLAKE3 digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ETag(pub [u8; 16]);

impl ETag {
    /// The tag of a body.
    pub fn of(body: &[u8]) -> Self {
        let mut tag = [0; 16];
        tag.copy_from_slice(&blake3::hash(body).as_bytes()[..16]);
        Self(tag)
    }
}

impl std::fmt::Display for ETag {
    /// The opaque tag without quotes: 32 hexadecimal digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
