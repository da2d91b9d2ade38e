//! How bodies of stored entries are packed: as they are, with zstd, or with zstd and a trained dictionary.
//!
//! An entry names its codec and its dictionary, so whoever reads it needs nothing but the dictionary. A [`Dictionary`] is
//! known by the digest of its bytes: two gateways that train the same one share it, and a damaged one is noticed.

mod dictionary;
mod trainer;
mod zstd;

pub use dictionary::{Dictionaries, Dictionary, DictionaryId, NoDictionaries};
pub use trainer::Trainer;

use super::Flaw;

/// How a body is packed.
#[derive(Debug, Clone, Default)]
pub enum Codec {
    /// As it is.
    #[default]
    Plain,
    /// With zstd at this level.
    Zstd(i32),
    /// With zstd and a dictionary, at the level that the dictionary was prepared for.
    Trained(std::sync::Arc<Dictionary>),
}

/// The codec of a stored body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As it is.
    Plain,
    /// With zstd.
    Zstd,
    /// With zstd and this dictionary.
    Trained(DictionaryId),
}

impl Codec {
    /// Packs a body; `None` where that would not make it shorter.
    pub fn pack(&self, body: &[u8]) -> Option<(Packing, Vec<u8>)> {
        let (packing, packed) = match self {
            Self::Plain => return None,
            Self::Zstd(level) => (Packing::Zstd, zstd::pack(body, *level, None)?),
            Self::Trained(dictionary) => (Packing::Trained(dictionary.id()), zstd::pack(body, 0, Some(dictionary))?),
        };
        (packed.len() < body.len()).then_some((packing, packed))
    }
}

/// Unpacks a body that says it has `length` bytes, which the caller has bounded.
pub fn unpack(
    packing: Packing,
    packed: &[u8],
    length: usize,
    dictionaries: &dyn Dictionaries,
) -> Result<Vec<u8>, Flaw> {
    match packing {
        Packing::Plain if packed.len() == length => Ok(packed.to_vec()),
        Packing::Plain => Err(Flaw::Compression),
        Packing::Zstd => zstd::unpack(packed, length, None).ok_or(Flaw::Compression),
        Packing::Trained(id) => {
            let dictionary = dictionaries.get(&id).ok_or(Flaw::UnknownDictionary)?;
            zstd::unpack(packed, length, Some(&dictionary)).ok_or(Flaw::Compression)
        }
    }
}
