//! Blobs: arrays of little-endian numbers and bytes, in chunks, with a checksum over each blob.
//!
//! A collection's blobs are numbered in the order in which [`super::layout`] writes them, and are read in the same
//! order. Each collection has its own table, so that replacing it drops the old one as a whole.

use std::path::{Path, PathBuf};

use redb::{ReadOnlyTable, ReadTransaction, Table, TableDefinition, TableError, WriteTransaction};

use super::{
    StorageError,
    file::{damaged, failed},
    manifest::{BlobEntry, Manifest},
};

/// Bytes of a full chunk: a multiple of every number's size, and with redb's own header just below a power of two,
/// because redb gives a value pages of the next one.
const CHUNK_BYTES: usize = (1 << 20) - 4_096;

/// (blob, chunk) to bytes.
type ChunkTable<'a> = TableDefinition<'a, (u32, u32), &'static [u8]>;

fn table_name(collection: &str) -> String {
    format!("forebay data of {collection}")
}

/// A number as it is stored.
pub(super) trait Scalar: Copy {
    /// Size in bytes; divides [`CHUNK_BYTES`].
    const BYTES: usize;

    /// Appends numbers, little-endian.
    fn encode(values: &[Self], out: &mut Vec<u8>);

    /// Appends the numbers in a chunk whose length is a multiple of [`Self::BYTES`].
    fn decode(chunk: &[u8], out: &mut Vec<Self>);
}

macro_rules! scalar {
    ($($type:ty),*) => {$(
        impl Scalar for $type {
            const BYTES: usize = size_of::<$type>();

            fn encode(values: &[Self], out: &mut Vec<u8>) {
                out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            }

            fn decode(chunk: &[u8], out: &mut Vec<Self>) {
                out.extend(chunk.as_chunks().0.iter().map(|bytes| <$type>::from_le_bytes(*bytes)));
            }
        }
    )*};
}

scalar!(u8, u32, i64, f32, f64);

/// Writes the blobs of one collection.
pub(super) struct Writer<'a> {
    table: Table<'a, (u32, u32), &'static [u8]>,
    entries: Vec<BlobEntry>,
    buffer: Vec<u8>,
}

/// Writes all blobs of a collection in place of what was there.
pub(super) fn replace(
    transaction: &WriteTransaction,
    collection: &str,
    write: impl FnOnce(&mut Writer<'_>) -> Result<(), redb::StorageError>,
) -> Result<Vec<BlobEntry>, redb::Error> {
    let name = table_name(collection);
    transaction.delete_table(ChunkTable::new(&name))?;
    let table = transaction.open_table(ChunkTable::new(&name))?;
    let mut writer = Writer { table, entries: Vec::new(), buffer: Vec::with_capacity(CHUNK_BYTES) };
    write(&mut writer)?;
    Ok(writer.entries)
}

impl Writer<'_> {
    /// Writes the next blob.
    pub(super) fn put<T: Scalar>(&mut self, values: &[T]) -> Result<(), redb::StorageError> {
        let blob = self.entries.len() as u32;
        let mut hasher = blake3::Hasher::new();
        let mut bytes = 0;
        for (chunk, values) in values.chunks(CHUNK_BYTES / T::BYTES).enumerate() {
            self.buffer.clear();
            T::encode(values, &mut self.buffer);
            hasher.update(&self.buffer);
            bytes += self.buffer.len() as u64;
            self.table.insert((blob, chunk as u32), self.buffer.as_slice())?;
        }
        self.entries.push(BlobEntry { bytes, checksum: hasher.finalize().into() });
        Ok(())
    }
}

/// Reads the blobs of one collection.
pub(super) struct Reader<'a> {
    path: PathBuf,
    collection: &'a str,
    table: ReadOnlyTable<(u32, u32), &'static [u8]>,
    entries: &'a [BlobEntry],
    next: u32,
}

impl<'a> Reader<'a> {
    /// Opens the blobs that a manifest describes. `bytes_in_file` bounds what may be allocated.
    pub(super) fn open(
        path: &Path,
        transaction: &ReadTransaction,
        collection: &'a str,
        manifest: &'a Manifest,
        bytes_in_file: u64,
    ) -> Result<Self, StorageError> {
        let claimed = manifest.blobs.iter().try_fold(0_u64, |sum, blob| sum.checked_add(blob.bytes));
        if claimed.is_none_or(|claimed| claimed > bytes_in_file) {
            return Err(damaged(path, format!("collection `{collection}` claims to be larger than the file")));
        }
        let table = transaction.open_table(ChunkTable::new(&table_name(collection))).map_err(|error| match error {
            TableError::Storage(error) => failed(path, error),
            other => damaged(path, other.to_string()),
        })?;
        Ok(Self { path: path.to_path_buf(), collection, table, entries: &manifest.blobs, next: 0 })
    }

    /// An error that names what is being read.
    pub(super) fn damage(&self, what: &str, detail: &str) -> StorageError {
        damaged(&self.path, format!("collection `{}`, {what}: {detail}", self.collection))
    }

    /// The next blob. `what` names it in errors.
    pub(super) fn take<T: Scalar>(&mut self, what: &str) -> Result<Vec<T>, StorageError> {
        let blob = self.next;
        let Some(entry) = self.entries.get(blob as usize) else {
            return Err(self.damage(what, "it is not there"));
        };
        self.next += 1;
        if !entry.bytes.is_multiple_of(T::BYTES as u64) {
            return Err(self.damage(what, "its length is no multiple of its elements' size"));
        }
        // Not more than the file is long, as `open` made sure.
        let mut values = Vec::with_capacity((entry.bytes / T::BYTES as u64) as usize);
        let mut hasher = blake3::Hasher::new();
        let mut bytes = 0_u64;
        let chunks = self.table.range((blob, 0)..=(blob, u32::MAX)).map_err(|error| failed(&self.path, error))?;
        for (expected, chunk) in (0..).zip(chunks) {
            let (key, chunk) = chunk.map_err(|error| failed(&self.path, error))?;
            let chunk = chunk.value();
            bytes += chunk.len() as u64;
            if key.value().1 != expected || bytes > entry.bytes || chunk.len() % T::BYTES != 0 {
                return Err(self.damage(what, "its chunks do not fit together"));
            }
            hasher.update(chunk);
            T::decode(chunk, &mut values);
        }
        if bytes != entry.bytes {
            return Err(self.damage(what, "it is shorter than it should be"));
        }
        if hasher.finalize() != entry.checksum {
            return Err(self.damage(what, "it does not match its checksum"));
        }
        Ok(values)
    }

    /// All blobs have been taken.
    pub(super) fn finish(&self) -> Result<(), StorageError> {
        if self.next as usize == self.entries.len() {
            Ok(())
        } else {
            Err(self.damage("the end", "there are more blobs than the collection has parts"))
        }
    }
}
