//! Dictionaries, prepared for both directions.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use zstd::dict::{DecoderDictionary, EncoderDictionary};

/// The first 128 bits of the BLAKE3 digest of a dictionary.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DictionaryId(pub [u8; 16]);

impl fmt::Display for DictionaryId {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for DictionaryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl DictionaryId {
    /// The name of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut id = [0; 16];
        id.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
        Self(id)
    }
}

/// A dictionary, ready for use.
pub struct Dictionary {
    id: DictionaryId,
    bytes: Vec<u8>,
    level: i32,
    /// Made when something is first packed: dictionaries of older entries are only read with.
    encoder: OnceLock<EncoderDictionary<'static>>,
    pub(super) decoder: DecoderDictionary<'static>,
}

impl Dictionary {
    /// Largest dictionary that is made or read, in bytes.
    pub const MAX_BYTES: usize = 256 << 10;

    /// Prepares a dictionary; what is packed with it is packed at this level. `None` if it is too large or zstd does not
    /// take it for one.
    pub fn new(bytes: Vec<u8>, level: i32) -> Option<Self> {
        if bytes.len() > Self::MAX_BYTES || ::zstd::zstd_safe::get_dict_id_from_dict(&bytes).is_none() {
            return None;
        }
        let decoder = DecoderDictionary::try_copy(&bytes).ok()?;
        Some(Self { id: DictionaryId::of(&bytes), bytes, level, encoder: OnceLock::new(), decoder })
    }

    /// Its name.
    pub fn id(&self) -> DictionaryId {
        self.id
    }

    pub(super) fn encoder(&self) -> &EncoderDictionary<'static> {
        self.encoder.get_or_init(|| EncoderDictionary::copy(&self.bytes, self.level))
    }

    /// As it is stored.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dictionary({}, {} bytes)", self.id, self.bytes.len())
    }
}

/// Where dictionaries are looked up.
pub trait Dictionaries: Send + Sync {
    /// The dictionary of this name, if it is at hand.
    fn get(&self, id: &DictionaryId) -> Option<Arc<Dictionary>>;
}

/// For a tier that has none.
pub struct NoDictionaries;

impl Dictionaries for NoDictionaries {
    fn get(&self, _: &DictionaryId) -> Option<Arc<Dictionary>> {
        None
    }
}
