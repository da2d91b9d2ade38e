//! The lines of a file within bounds: of a line, and of what a compressed file may unfold to.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

/// A window larger than this is refused. Our own frames need 256 KiB.
const WINDOW_LOG: u32 = 23;

/// A file may unfold to this many times its size, and some bytes more. Logs of one query over and over unfold to a few
/// hundred times; zstd itself goes to tens of thousands.
const MOST_UNFOLDED: u64 = 1_000;
const UNFOLDED_ANYWAY: u64 = 1 << 20;

/// Why lines end before the file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// They do not: it is all read.
    Whole,
    /// The last frame is incomplete or damaged.
    Damaged,
    /// It unfolds to more than a log does.
    Bomb,
}

/// What a call to [`Lines::next`] found.
pub(super) enum Line<'a> {
    /// A line without its newline.
    Text(&'a [u8]),
    /// A line that is longer than allowed. It was passed over.
    TooLong,
    /// No more.
    End(End),
}

/// The lines of one file: `.zst` is unfolded, everything else is read as it is.
pub(super) struct Lines {
    reader: BufReader<Box<dyn Read + Send>>,
    line: Vec<u8>,
    longest: usize,
}

impl Lines {
    pub(super) fn open(path: &Path, longest: usize) -> io::Result<Self> {
        let file = File::open(path)?;
        let reader: Box<dyn Read + Send> = if path.extension().is_some_and(|extension| extension == "zst") {
            let bound = file.metadata()?.len().saturating_mul(MOST_UNFOLDED).saturating_add(UNFOLDED_ANYWAY);
            let mut decoder = zstd::Decoder::new(file)?;
            decoder.window_log_max(WINDOW_LOG)?;
            Box::new(Bounded { inner: decoder, left: bound })
        } else {
            Box::new(file)
        };
        Ok(Self { reader: BufReader::with_capacity(64 << 10, reader), line: Vec::new(), longest })
    }

    pub(super) fn next(&mut self) -> Line<'_> {
        self.line.clear();
        let mut too_long = false;
        loop {
            let ready = match self.reader.fill_buf() {
                Ok(ready) => ready,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Line::End(End::Bomb),
                Err(_) => return Line::End(End::Damaged),
            };
            if ready.is_empty() {
                // A line without a newline was being written when its process died.
                let whole = self.line.is_empty() && !too_long;
                return Line::End(if whole { End::Whole } else { End::Damaged });
            }
            let newline = ready.iter().position(|&byte| byte == b'\n');
            let piece = &ready[..newline.unwrap_or(ready.len())];
            too_long |= self.line.len() + piece.len() > self.longest;
            if !too_long {
                self.line.extend_from_slice(piece);
            }
            let used = piece.len() + usize::from(newline.is_some());
            self.reader.consume(used);
            if newline.is_some() {
                return if too_long { Line::TooLong } else { Line::Text(&self.line) };
            }
        }
    }
}

/// A reader that fails with [`io::ErrorKind::FileTooLarge`] instead of reading more than it may.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Err(io::ErrorKind::FileTooLarge.into()),
        }
        Ok(read)
    }
}
