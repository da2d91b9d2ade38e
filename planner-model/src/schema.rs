//! Which features a model was trained on.

use crate::Feature;

/// BLAKE3 over names and units of all features in order. A model file carries it: a model is only ever asked with the
/// features that it was trained on.
pub fn schema_hash() -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for feature in Feature::ALL {
        for text in [feature.name(), feature.unit()] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
    }
    hasher.finalize().into()
}

/// The first sixteen hexadecimal digits of a hash, for people.
pub fn short_hex(hash: &[u8]) -> String {
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
