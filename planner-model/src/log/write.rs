//! Appending to the log, for one thread that has nothing else to do: calls wait for the disk.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use zstd::bulk::Compressor;

use super::names;
use crate::record::Record;

/// A frame is written when so many bytes of lines are there, or on [`SegmentWriter::flush`].
const FRAME_BYTES: usize = 256 << 10;

/// zstd's default level: a tenth of the bytes at some 300 MB/s.
const LEVEL: i32 = 3;

/// How much of the log is kept, and in which portions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A segment with so many bytes on disk is full.
    pub segment_bytes: u64,
    /// A segment is closed at this age, so that a quiet gateway's records reach those who copy closed segments.
    pub segment_age: Duration,
    /// The oldest segments are deleted while all of them hold more bytes than this. The one being written is never deleted.
    pub folder_bytes: u64,
}

impl Default for Limits {
    /// 16 MiB or a day each, 256 MiB together.
    fn default() -> Self {
        Self { segment_bytes: 16 << 20, segment_age: Duration::from_secs(24 * 3600), folder_bytes: 256 << 20 }
    }
}

/// Writes segments into a folder.
///
/// What was appended after the last [`flush`](Self::flush), at most one frame, is lost when the process dies. Dropping
/// flushes.
pub struct SegmentWriter {
    folder: PathBuf,
    limits: Limits,
    /// Lines of the frame to come.
    lines: Vec<u8>,
    compressor: Compressor<'static>,
    segment: Option<Segment>,
    /// The start of the segment after this one is later, whatever the clock says: names sort by age.
    last_start: u64,
}

struct Segment {
    file: File,
    path: PathBuf,
    bytes: u64,
    opened: Instant,
}

impl std::fmt::Debug for SegmentWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentWriter").field("folder", &self.folder).field("limits", &self.limits).finish()
    }
}

impl SegmentWriter {
    /// A writer into a folder, which is made where it is missing. The first segment is opened when there is something to
    /// write; segments of earlier processes are left as they are.
    pub fn open(folder: impl Into<PathBuf>, limits: Limits) -> io::Result<Self> {
        let folder = folder.into();
        std::fs::create_dir_all(&folder)?;
        let mut compressor = Compressor::new(LEVEL)?;
        compressor.include_checksum(true)?;
        Ok(Self {
            folder,
            limits,
            lines: Vec::with_capacity(FRAME_BYTES + (16 << 10)),
            compressor,
            segment: None,
            last_start: 0,
        })
    }

    /// Adds a record. Writes a frame where one is full. After an error the frame's records are gone, and the next append
    /// starts a new segment.
    pub fn append(&mut self, record: &Record) -> io::Result<()> {
        serde_json::to_writer(&mut self.lines, record)?;
        self.lines.push(b'\n');
        if self.lines.len() >= FRAME_BYTES { self.flush() } else { Ok(()) }
    }

    /// Hands what was appended to the operating system. Not to the disk: a record that a power failure takes is no loss
    /// worth a wait.
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.lines.is_empty() {
            let frame = self.compressor.compress(&self.lines);
            self.lines.clear();
            let written = frame.and_then(|frame| self.write(&frame));
            if written.is_err() {
                // Its last frame may be incomplete, and what came after would be lost with it.
                self.segment = None;
            }
            written?;
        }
        if self.segment.as_ref().is_some_and(|segment| segment.is_full(&self.limits)) {
            self.segment = None;
            self.shed()?;
        }
        Ok(())
    }

    /// The segment that is being written.
    pub fn current(&self) -> Option<&Path> {
        self.segment.as_ref().map(|segment| segment.path.as_path())
    }

    fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        if self.segment.is_none() {
            let (segment, start) = Segment::create(&self.folder, self.last_start + 1)?;
            (self.segment, self.last_start) = (Some(segment), start);
            self.shed()?;
        }
        let segment = self.segment.as_mut().expect("just made");
        segment.file.write_all(frame)?;
        segment.bytes += frame.len() as u64;
        Ok(())
    }

    /// Deletes the oldest segments while all of them hold more than they may.
    fn shed(&self) -> io::Result<()> {
        let mut sized = Vec::new();
        for path in names::segments(&self.folder)? {
            // Another gateway with the same folder may have deleted it since.
            let bytes = std::fs::metadata(&path).map_or(0, |about| about.len());
            sized.push((path, bytes));
        }
        let mut total: u64 = sized.iter().map(|(_, bytes)| bytes).sum();
        // Room for the segment that is being written.
        let room = self.limits.folder_bytes.saturating_sub(self.limits.segment_bytes.min(self.limits.folder_bytes / 2));
        for (path, bytes) in sized {
            if total <= room {
                break;
            }
            if self.current() == Some(&path) {
                continue;
            }
            match std::fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            total -= bytes;
        }
        Ok(())
    }
}

impl Drop for SegmentWriter {
    fn drop(&mut self) {
        // Whoever wants to know calls it before.
        let _ = self.flush();
    }
}

impl Segment {
    /// A new segment and when it starts: now, or a little later where the name is taken.
    fn create(folder: &Path, earliest: u64) -> io::Result<(Self, u64)> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut start = u64::try_from(now.as_millis()).unwrap_or(earliest).max(earliest);
        loop {
            let path = folder.join(names::name(start));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((Self { file, path, bytes: 0, opened: Instant::now() }, start)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => start += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn is_full(&self, limits: &Limits) -> bool {
        self.bytes >= limits.segment_bytes || self.opened.elapsed() >= limits.segment_age
    }
}
