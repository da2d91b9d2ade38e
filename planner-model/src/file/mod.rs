//! The model file, `.forebay-model`: one file with everything that a gateway needs to predict.
//!
//! All numbers are little-endian.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | magic, `FOREBAYM` |
//! | 4 | format version |
//! | 32 | hash of the feature schema |
//! | 4 + n | [`Manifest`] as JSON |
//! | | for each plan of the manifest, then for the duels: a forest |
//! | 4 + n | golden vectors: inputs with the outputs that they must give |
//! | 32 | BLAKE3 of all before |
//!
//! A forest is its number of trees (0 for none) and of nodes, where each tree starts, the nodes as they are walked, and
//! for each leaf in order the variance and the number of its training rows. [`Model::decode`](crate::Model::decode) takes
//! nothing on trust: a file that is off in any way is refused with a [`ModelError`] that says what is.

mod bytes;
mod decode;
mod encode;
mod error;
mod golden;
mod manifest;
mod parts;

#[cfg(feature = "train")]
pub(crate) use bytes::Reader;
#[cfg(feature = "train")]
pub(crate) use decode::decode_forest;
#[cfg(feature = "train")]
pub(crate) use encode::encode_forest;
pub use error::{ModelError, NodeFault};
pub(crate) use golden::Golden;
pub use manifest::{Card, Manifest, PlanEntry, SplitEntry};
#[cfg(feature = "train")]
pub(crate) use parts::Parts;

/// How model files are named.
pub const EXTENSION: &str = "forebay-model";

pub(crate) const MAGIC: [u8; 8] = *b"FOREBAYM";
/// The version of the format that is written and read.
pub const FORMAT_VERSION: u32 = 2;
/// The largest file that is read.
pub const MAX_BYTES: usize = 256 << 20;
const MAX_MANIFEST_BYTES: usize = 4 << 20;
const MAX_PLANS: usize = 32;
const MAX_GOLDEN: usize = 4096;
const CHECKSUM_BYTES: usize = 32;
