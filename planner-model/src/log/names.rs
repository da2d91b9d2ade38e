//! Names of segments: `queries-<milliseconds since 1970, 13 digits>.jsonl.zst`, so that names sort by age.

use std::{
    io,
    path::{Path, PathBuf},
};

const PREFIX: &str = "queries-";
const SUFFIX: &str = ".jsonl.zst";

/// The name of a segment that starts at this time.
pub(super) fn name(start_ms: u64) -> String {
    format!("{PREFIX}{start_ms:013}{SUFFIX}")
}

/// When a segment with this name starts; `None` for other files.
fn start(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// The segments of a folder, oldest first. Other files are passed over; a folder that does not exist is an error.
pub fn segments(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if let Some(start) = entry.file_name().to_str().and_then(start) {
            found.push((start, entry.path()));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_when_its_segment_starts() {
        assert_eq!(name(1_700_000_000_000), "queries-1700000000000.jsonl.zst");
        assert_eq!(start(&name(5)), Some(5));
        for other in ["queries-.jsonl.zst", "queries-+5.jsonl.zst", "queries-5.jsonl", "model.fpm", ""] {
            assert_eq!(start(other), None, "{other}");
        }
    }
}
