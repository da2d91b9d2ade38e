//! Walking over the log.

use std::{
    collections::VecDeque,
    fmt, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    lines::{End, Line, Lines},
    names,
};
use crate::{
    record::{RECORD_VERSION, Record},
    schema_hash, short_hex,
};

/// Longest line, in bytes. A record of a dozen candidates has some 6 KiB.
pub const LONGEST_LINE: usize = 1 << 20;

/// What was passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Records of another version.
    pub other_version: u64,
    /// Records whose features are not the ones of this build.
    pub other_schema: u64,
    /// Lines that are no record.
    pub garbage: u64,
    /// Lines of more than [`LONGEST_LINE`] bytes.
    pub too_long: u64,
    /// Files whose end is missing or damaged; what was before it is read.
    pub damaged: Vec<PathBuf>,
    /// Files that unfold to more than a log does; what was before that is read.
    pub bombs: Vec<PathBuf>,
    /// Files that could not be opened.
    pub unreadable: Vec<PathBuf>,
}

impl Skipped {
    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = |files: &[PathBuf]| files.len() as u64;
        let parts = [
            (self.other_version, "records of another version"),
            (self.other_schema, "records with other features"),
            (self.garbage, "lines that are no record"),
            (self.too_long, "lines that are too long"),
            (files(&self.damaged), "files with a damaged end"),
            (files(&self.bombs), "files that unfold to too much"),
            (files(&self.unreadable), "files that cannot be opened"),
        ];
        let parts = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        f.write_str(&parts.collect::<Vec<_>>().join(", "))
    }
}

/// The records of a log, oldest segment first. Holds one line at a time.
pub struct Reader {
    files: VecDeque<PathBuf>,
    open: Option<(PathBuf, Lines)>,
    schema: String,
    skipped: Skipped,
}

/// The records of folders (their segments, oldest first) and single files (`.zst` or plain lines), in the order given. Only
/// a path that does not exist, or a folder that cannot be listed, is an error; everything else that is wrong is counted
/// in [`Reader::skipped`].
pub fn read(paths: &[impl AsRef<Path>]) -> io::Result<Reader> {
    let mut files = VecDeque::new();
    for path in paths {
        let path = path.as_ref();
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        if std::fs::metadata(path).map_err(named)?.is_dir() {
            files.extend(names::segments(path).map_err(named)?);
        } else {
            files.push_back(path.to_owned());
        }
    }
    Ok(Reader { files, open: None, schema: short_hex(&schema_hash()), skipped: Skipped::default() })
}

impl Reader {
    /// What was passed over so far.
    pub fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    /// A record of this build, or its reason counted.
    fn understand(line: &[u8], schema: &str, skipped: &mut Skipped) -> Option<Record> {
        /// What every version has.
        #[derive(Deserialize)]
        struct Head {
            v: u64,
        }
        let counter = match serde_json::from_slice::<Record>(line) {
            Ok(record) if record.v != RECORD_VERSION => &mut skipped.other_version,
            Ok(record) if record.schema != schema => &mut skipped.other_schema,
            Ok(record) => return Some(record),
            Err(_) => match serde_json::from_slice::<Head>(line) {
                Ok(Head { v }) if v != u64::from(RECORD_VERSION) => &mut skipped.other_version,
                _ => &mut skipped.garbage,
            },
        };
        *counter += 1;
        None
    }
}

impl Iterator for Reader {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        loop {
            let Some((path, lines)) = &mut self.open else {
                let path = self.files.pop_front()?;
                match Lines::open(&path, LONGEST_LINE) {
                    Ok(lines) => self.open = Some((path, lines)),
                    Err(_) => self.skipped.unreadable.push(path),
                }
                continue;
            };
            match lines.next() {
                Line::Text(line) => {
                    if let Some(record) = Self::understand(line, &self.schema, &mut self.skipped) {
                        return Some(record);
                    }
                }
                Line::TooLong => self.skipped.too_long += 1,
                Line::End(end) => {
                    match end {
                        End::Whole => {}
                        End::Damaged => self.skipped.damaged.push(path.clone()),
                        End::Bomb => self.skipped.bombs.push(path.clone()),
                    }
                    self.open = None;
                }
            }
        }
    }
}
