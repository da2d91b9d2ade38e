//! What goes wrong with a data directory.

use std::{io, path::PathBuf};

/// Why a data directory cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Nothing was ever loaded here.
    #[error("{}: there is no data here yet; `forebay load` makes it", .0.display())]
    Missing(PathBuf),
    /// The operating system refuses.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
    /// Another process writes it.
    #[error("{}: another process has it open for writing (a load that runs?); try again when it is done", .0.display())]
    InUse(PathBuf),
    /// The file is something else.
    #[error("{}: this file was not written by Forebay: {detail}", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What tells.
        detail: String,
    },
    /// The file was written by another version.
    #[error("{}: collection `{collection}` is stored in format {found}, this version reads format {supported}; load it again", .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The collection.
        collection: String,
        /// The format found.
        found: u32,
        /// The format of this version.
        supported: u32,
    },
    /// The file was damaged after it was written.
    #[error("{}: damaged: {detail}; load the data again", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        detail: String,
    },
    /// The directory has no such collection.
    #[error("{}: there is no collection `{collection}` here ({held}); load it first", .path.display())]
    NoCollection {
        /// The file.
        path: PathBuf,
        /// The collection asked for.
        collection: String,
        /// What there is.
        held: String,
    },
    /// What shall be kept is not data of the collection.
    #[error("the data is not of collection `{collection}`: its ids, attributes, vectors or edge types are others")]
    NotOfSchema {
        /// The collection.
        collection: String,
    },
    /// The data was loaded for another configuration of the collection.
    #[error(
        "collection `{collection}` was loaded for another configuration: {differences}; load it again, or undo the change"
    )]
    OtherShape {
        /// The collection.
        collection: String,
        /// What differs, each as `what: loaded …, configured …`.
        differences: String,
    },
}

impl StorageError {
    /// Whether trying again later may help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::InUse(_))
    }
}
