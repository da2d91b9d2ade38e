//! Finished forests in a folder, so that training that was interrupted does not begin again.

use std::fs;
use std::path::{Path, PathBuf};

use super::TrainError;
use crate::file::{Reader, decode_forest, encode_forest};
use crate::serve::duel::PairInput;
use crate::serve::forest::Forest;

/// A forest with what it looks at, if that is not the features themselves.
pub(super) type Kept = (Forest, Vec<PairInput>);

/// Takes a forest from the folder, or builds and keeps it. `key` is a hash of everything that it depends on. A file that is
/// damaged, or of an interrupted write, is built again.
pub(super) fn keep(
    folder: Option<&Path>,
    key: &[u8; 32],
    build: impl FnOnce() -> Result<Kept, TrainError>,
) -> Result<Kept, TrainError> {
    let Some(folder) = folder else { return build() };
    let path = folder.join(format!("{}.forest", crate::short_hex(key)));
    if let Some(kept) = read(&path, key) {
        return Ok(kept);
    }
    let kept = build()?;
    write(folder, &path, key, &kept)?;
    Ok(kept)
}

fn read(path: &Path, key: &[u8; 32]) -> Option<Kept> {
    let bytes = fs::read(path).ok()?;
    let (content, checksum) = bytes.split_last_chunk::<32>()?;
    if blake3::hash(content) != *checksum {
        return None;
    }
    let mut reader = Reader(content);
    if reader.array::<32>("checkpoint").ok()? != *key {
        return None;
    }
    let length = reader.u32("checkpoint").ok()? as usize;
    let inputs: Vec<PairInput> = serde_json::from_slice(reader.take(length, "checkpoint").ok()?).ok()?;
    let width = if inputs.is_empty() { crate::Feature::ALL.len() } else { inputs.len() };
    let forest = decode_forest(&mut reader, "checkpoint", width).ok()??;
    Some((forest, inputs))
}

fn write(folder: &Path, path: &Path, key: &[u8; 32], (forest, inputs): &Kept) -> Result<(), TrainError> {
    let inputs = serde_json::to_vec(inputs).unwrap_or_default();
    let mut bytes = key.to_vec();
    bytes.extend((inputs.len() as u32).to_le_bytes());
    bytes.extend(inputs);
    encode_forest(forest, &mut bytes)?;
    let checksum = blake3::hash(&bytes);
    bytes.extend(checksum.as_bytes());
    let unfinished = path.with_extension("unfinished");
    let failed = |path: &Path| {
        let path: PathBuf = path.into();
        move |source| TrainError::Checkpoint { path, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    fs::write(&unfinished, bytes).map_err(failed(&unfinished))?;
    fs::rename(&unfinished, path).map_err(failed(path))
}
