//! The redb file of a data directory: where it is, how it is opened, and what its errors mean.

use std::{
    fs, io,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
};

use redb::{Database, DatabaseError, ReadOnlyDatabase, ReadTransaction, ReadableDatabase};

use super::StorageError;

/// The file's name in its directory.
pub const FILE_NAME: &str = "forebay.redb";

/// redb's page cache: everything is read or written once, in order, so a small one does.
const CACHE_BYTES: usize = 16 << 20;

/// The path of an existing file.
pub(super) fn existing(dir: &Path) -> Result<PathBuf, StorageError> {
    let path = dir.join(FILE_NAME);
    if path.is_file() { Ok(path) } else { Err(StorageError::Missing(path)) }
}

/// Makes the directory and an empty file where there is none. The file appears under its name only when it is whole,
/// so that being killed in here leaves no half a file that nobody can open.
pub(super) fn prepare(dir: &Path) -> Result<PathBuf, StorageError> {
    fs::create_dir_all(dir).map_err(|error| StorageError::Io { path: dir.to_path_buf(), error })?;
    let path = dir.join(FILE_NAME);
    if path.exists() {
        return Ok(path);
    }
    let new = dir.join(format!("{FILE_NAME}.new-{}", std::process::id()));
    let created = redb::Builder::new().set_cache_size(CACHE_BYTES).create(&new).map(drop);
    let linked = created.map_err(|error| failed(&new, error)).and_then(|()| match fs::hard_link(&new, &path) {
        // Another process was faster: its file is as good.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(_) => fs::rename(&new, &path).map_err(|error| StorageError::Io { path: path.clone(), error }),
        Ok(()) => Ok(()),
    });
    // After a rename there is nothing left to remove.
    let _ = fs::remove_file(&new);
    linked.map(|()| path)
}

pub(super) fn open_for_writing(path: &Path) -> Result<Database, StorageError> {
    redb::Builder::new().set_cache_size(CACHE_BYTES).open(path).map_err(|error| failed(path, error))
}

/// Opens for reading, and says how long the file is. Several processes may read at once.
pub(super) fn open_for_reading(path: &Path) -> Result<(ReadOnlyDatabase, u64), StorageError> {
    let mut builder = redb::Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    let opened = match builder.open_read_only(path) {
        // A load was killed: opening for writing rolls its traces back.
        Err(DatabaseError::RepairAborted) => {
            builder.open(path).map(drop).map_err(|error| failed(path, error))?;
            builder.open_read_only(path)
        }
        other => other,
    };
    let database = opened.map_err(|error| failed(path, error))?;
    let length = fs::metadata(path).map_err(|error| StorageError::Io { path: path.to_path_buf(), error })?.len();
    Ok((database, length))
}

pub(super) fn begin_read(path: &Path, database: &ReadOnlyDatabase) -> Result<ReadTransaction, StorageError> {
    database.begin_read().map_err(|error| failed(path, error))
}

/// Runs something that uses the file through redb. redb asserts what it expects of pages; in a damaged file that may
/// fail, which must not take the process down.
pub(super) fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T, StorageError>) -> Result<T, StorageError> {
    panic::catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(damaged(path, "its pages are inconsistent")))
}

/// What an error of redb means.
pub(super) fn failed(path: &Path, error: impl Into<redb::Error>) -> StorageError {
    let path = path.to_path_buf();
    match error.into() {
        redb::Error::DatabaseAlreadyOpen => StorageError::InUse(path),
        redb::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            StorageError::Foreign { path, detail: error.to_string() }
        }
        // A length beyond the end is asked for by a page that is not what it was.
        redb::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            StorageError::Damaged { path, detail: "it ends early".into() }
        }
        redb::Error::Io(error) => StorageError::Io { path, error },
        redb::Error::UpgradeRequired(version) => {
            StorageError::Foreign { path, detail: format!("redb file format {version}") }
        }
        other => StorageError::Damaged { path, detail: other.to_string() },
    }
}

pub(super) fn damaged(path: &Path, detail: impl Into<String>) -> StorageError {
    StorageError::Damaged { path: path.to_path_buf(), detail: detail.into() }
}
