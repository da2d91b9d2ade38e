//! The query log on disk: segments `queries-<start>.jsonl.zst` of [`Record`](crate::record::Record)s, one a line.
//!
//! - [`SegmentWriter`] appends, rotates and keeps the folder within its bytes;
//! - [`read`] walks over segments, oldest first, and counts what it had to skip.
//!
//! A segment is a row of zstd frames, each written at once and decodable without the ones before it. A process that dies
//! leaves at most its last frame incomplete, and a new one starts a new segment.

mod lines;
mod names;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use names::segments;
pub use read::{LONGEST_LINE, Reader, Skipped, read};
pub use write::{Limits, SegmentWriter};
