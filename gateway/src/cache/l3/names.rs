//! Names of objects. Those of entries begin with the version of the format, so that gateways of two versions do not even
//! see each other's, and are spread over folders by the first bytes of the key.

use object_store::path::Path;

use crate::cache::{Digest, codec::DictionaryId, format};

/// What the names of all entries begin with.
pub(super) fn entries() -> Path {
    Path::from(format!("v{}", format::VERSION))
}

/// What the names of all dictionaries begin with.
pub(super) fn dictionaries() -> Path {
    Path::from("dict")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits: Vec<u8> = text.bytes().map(|c| char::from(c).to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
    let lower = !text.bytes().any(|c| c.is_ascii_uppercase());
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    if lower && digits.len() == 2 * N { bytes.try_into().ok() } else { None }
}

/// The name of an entry.
pub(super) fn entry(key: &Digest) -> Path {
    let hex = hex(key);
    Path::from(format!("v{}/{}/{}/{hex}", format::VERSION, &hex[..2], &hex[2..4]))
}

/// The key in the name of an entry.
pub(super) fn key(name: &Path) -> Option<Digest> {
    unhex(name.filename()?)
}

/// The name of a dictionary.
pub(super) fn dictionary(id: &DictionaryId) -> Path {
    Path::from(format!("dict/{id}"))
}

/// The dictionary that has this name.
pub(super) fn dictionary_id(name: &Path) -> Option<DictionaryId> {
    unhex(name.filename()?).map(DictionaryId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_key() {
        let digest = *blake3::hash(b"x").as_bytes();
        let name = entry(&digest);
        assert_eq!(key(&name), Some(digest));
        assert_eq!(name.as_ref().split('/').map(str::len).collect::<Vec<_>>(), [2, 2, 2, 64]);
        let id = DictionaryId([0xab; 16]);
        assert_eq!(dictionary_id(&dictionary(&id)), Some(id));
        for other in ["v1/ab/cd/README", "v1/ab/cd/ABCD", "dict/é"] {
            assert_eq!((key(&Path::from(other)), dictionary_id(&Path::from(other))), (None, None), "{other}");
        }
    }
}
