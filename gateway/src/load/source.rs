//! Where bytes come from: a file, standard input, or the binary itself; plain or zstd by the name's ending.

use std::{
    cell::Cell,
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    rc::Rc,
};

use super::LoadError;

const BUFFER_BYTES: usize = 256 << 10;

/// Where the bytes of one input come from. A name that ends in `.zst` is decompressed on the way.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// Standard input, always plain.
    StandardInput,
    /// Bytes in memory, under the name that messages use.
    Bytes {
        /// The name, whose ending says whether they are compressed.
        name: &'static str,
        /// The bytes as a file would hold them.
        bytes: &'static [u8],
    },
}

impl Source {
    /// A path from a command line: `-` is standard input.
    pub fn from_argument(path: &Path) -> Self {
        if path.as_os_str() == "-" { Self::StandardInput } else { Self::File(path.to_path_buf()) }
    }

    pub(super) fn is_standard_input(&self) -> bool {
        matches!(self, Self::StandardInput)
    }

    /// Size in bytes as they lie on disk, where that is known without reading.
    pub(super) fn size(&self) -> Option<u64> {
        match self {
            Self::File(path) => path.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len()),
            Self::StandardInput => None,
            Self::Bytes { bytes, .. } => Some(bytes.len() as u64),
        }
    }

    /// Opens it. Every byte taken from the disk is counted in `taken`.
    pub(super) fn open(&self, taken: &Taken) -> Result<Box<dyn BufRead>, LoadError> {
        let (raw, name): (Box<dyn Read>, String) = match self {
            Self::File(path) => {
                let file = File::open(path).map_err(|error| self.failed(error))?;
                (Box::new(file), path.to_string_lossy().into_owned())
            }
            Self::StandardInput => (Box::new(io::stdin().lock()), String::new()),
            Self::Bytes { name, bytes } => (Box::new(*bytes), (*name).to_owned()),
        };
        let counted = BufReader::with_capacity(BUFFER_BYTES, Counted { inner: raw, taken: taken.clone() });
        if name.ends_with(".zst") {
            let decoder = zstd::Decoder::with_buffer(counted).map_err(|error| self.failed(error))?;
            return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder)));
        }
        Ok(Box::new(counted))
    }

    /// The error of a read that failed.
    pub(super) fn failed(&self, error: io::Error) -> LoadError {
        LoadError::Read { source_name: self.to_string(), error }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::StandardInput => f.write_str("standard input"),
            Self::Bytes { name, .. } => f.write_str(name),
        }
    }
}

/// Counts bytes over the sources of one step.
#[derive(Debug, Clone, Default)]
pub(super) struct Taken(Rc<Cell<u64>>);

impl Taken {
    pub(super) fn bytes(&self) -> u64 {
        self.0.get()
    }
}

/// The size of all sources together, where each is known.
pub(super) fn total_size<'a>(sources: impl Iterator<Item = &'a Source>) -> Option<u64> {
    sources.map(Source::size).sum()
}

struct Counted<R> {
    inner: R,
    taken: Taken,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.taken.0.set(self.taken.0.get() + count as u64);
        Ok(count)
    }
}
