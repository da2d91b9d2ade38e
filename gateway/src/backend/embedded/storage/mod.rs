//! The data directory: one redb file that keeps the [`Parts`] of every embedded collection.
//!
//! A [`save`] is one write transaction that replaces one collection: a load that is killed, or runs out of disk, leaves
//! what was there before. [`open`] reads a collection into memory and closes the file again, so a running gateway holds
//! no lock and a load may run beside it; the gateway sees the new data when it opens the directory again. While a load
//! has the file open (redb locks it as a whole), every other open fails with [`StorageError::InUse`].
//!
//! What is read is not trusted. A collection's manifest names the length and the BLAKE3 checksum of each blob, and
//! nothing is allocated by a length that the file itself does not have. The room knows bytes and columns; what makes
//! columns *meaningful* (ids ascending, codes in range) is the store's to check when it is built from them.
//!
//! `file` opens and locks, `manifest` says what is stored, `blob` reads and writes checked bytes, `layout` knows the
//! order of a collection's blobs.

mod blob;
mod error;
mod file;
mod layout;
mod manifest;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use error::StorageError;
pub use file::FILE_NAME;
pub use manifest::StoredCollection;
use manifest::{Manifest, Shape};

use super::Parts;
use crate::catalog::CollectionSchema;

/// Keeps a collection in a data directory, in place of what was there under its name. The directory is made if there
/// is none. Either all of it is kept or nothing has changed.
///
/// # Errors
/// The directory cannot be written, holds something else, or another process has it open.
pub fn save(dir: &Path, collection: &str, schema: &CollectionSchema, parts: &Parts) -> Result<(), StorageError> {
    if !layout::fits(parts, schema) {
        return Err(StorageError::NotOfSchema { collection: collection.to_owned() });
    }
    let path = file::prepare(dir)?;
    file::guarded(&path, || {
        let database = file::open_for_writing(&path)?;
        let mut transaction = database.begin_write().map_err(|error| file::failed(&path, error))?;
        // Commits keep what redb needs to open the file at once after a load was killed.
        transaction.set_quick_repair(true);
        write(&transaction, collection, schema, parts).map_err(|error| file::failed(&path, error))?;
        transaction.commit().map_err(|error| file::failed(&path, error))
    })
}

/// Everything of a save but its commit.
fn write(
    transaction: &redb::WriteTransaction,
    collection: &str,
    schema: &CollectionSchema,
    parts: &Parts,
) -> Result<(), redb::Error> {
    let blobs = blob::replace(transaction, collection, |writer| layout::write(writer, parts, schema.id_type))?;
    manifest::put(transaction, collection, &Manifest::new(schema, parts, blobs))
}

/// Reads a collection from a data directory.
///
/// # Errors
/// There is no directory, file or collection; the file is in use, damaged or not ours; or the data was loaded for
/// another shape of the collection, in which case the error says what differs.
pub fn open(dir: &Path, collection: &str, schema: &CollectionSchema) -> Result<Parts, StorageError> {
    let path = file::existing(dir)?;
    file::guarded(&path, || {
        let (database, bytes_in_file) = file::open_for_reading(&path)?;
        let transaction = file::begin_read(&path, &database)?;
        let manifest = manifest::get(&path, &transaction, collection)?;
        let differences = manifest.shape.differences(&Shape::of(schema));
        if !differences.is_empty() {
            let collection = collection.to_owned();
            return Err(StorageError::OtherShape { collection, differences: differences.join("; ") });
        }
        let mut reader = blob::Reader::open(&path, &transaction, collection, &manifest, bytes_in_file)?;
        layout::read(&mut reader, schema)
    })
}

/// The collections that a data directory holds, by name.
///
/// # Errors
/// As [`open`], but for what concerns one collection's data.
pub fn list(dir: &Path) -> Result<Vec<StoredCollection>, StorageError> {
    let path = file::existing(dir)?;
    file::guarded(&path, || {
        let (database, _) = file::open_for_reading(&path)?;
        let transaction = file::begin_read(&path, &database)?;
        manifest::all(&path, &transaction)
    })
}
