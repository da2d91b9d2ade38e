//! What is stored of each collection: the shape it was loaded for, and the length and checksum of each blob.
//!
//! An entry is the format's version (4 bytes), a postcard body, and the BLAKE3 of both (32 bytes).

use std::{fmt::Display, path::Path};

use redb::{ReadTransaction, ReadableTable, TableDefinition, TableError, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::{
    StorageError,
    file::{damaged, failed},
};
use crate::{
    backend::embedded::Parts,
    catalog::CollectionSchema,
    value::{AttributeType, IdType},
};

/// Version of entries, blobs and their order.
const FORMAT: u32 = 1;
const CHECKSUM_BYTES: usize = 32;
const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("forebay collections");

/// The parts of a schema that stored data depends on. The metric is none: the same vectors serve every metric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shape {
    id_type: IdType,
    attributes: Vec<(String, AttributeType)>,
    vectors: Vec<(String, u64)>,
    edges: Option<Vec<String>>,
}

impl Shape {
    pub(super) fn of(schema: &CollectionSchema) -> Self {
        Self {
            id_type: schema.id_type,
            attributes: schema.attributes.iter().map(|a| (a.name.to_string(), a.kind)).collect(),
            vectors: schema.vectors.iter().map(|v| (v.name.to_string(), v.dimensions as u64)).collect(),
            edges: schema.graph.as_ref().map(|graph| graph.edges.iter().map(ToString::to_string).collect()),
        }
    }

    /// What differs between this, the stored shape, and the configured one.
    pub(super) fn differences(&self, configured: &Self) -> Vec<String> {
        let mut all = Vec::new();
        if self.id_type != configured.id_type {
            all.push(differs("id type", Some(self.id_type.as_str()), Some(configured.id_type.as_str())));
        }
        let kinds =
            |shape: &Self| -> Vec<_> { shape.attributes.iter().map(|(n, kind)| (n.clone(), kind.as_str())).collect() };
        compare("attribute", &kinds(self), &kinds(configured), &mut all);
        compare("dimensions of vector", &self.vectors, &configured.vectors, &mut all);
        let edges =
            |shape: &Self| -> Vec<_> { shape.edges.iter().flatten().map(|name| (name.clone(), "there")).collect() };
        compare("edge type", &edges(self), &edges(configured), &mut all);
        if self.edges.is_some() != configured.edges.is_some() {
            let side = |shape: &Self| shape.edges.as_ref().map(|_| "there");
            all.push(differs("graph side", side(self), side(configured)));
        }
        all
    }
}

/// Adds a line for each name that two sorted lists do not agree on.
fn compare<T: PartialEq + Display>(
    what: &str,
    loaded: &[(String, T)],
    configured: &[(String, T)],
    all: &mut Vec<String>,
) {
    let find = |list: &[(String, T)], name: &str| list.iter().position(|(other, _)| other == name);
    for (name, value) in loaded {
        let other = find(configured, name).map(|index| &configured[index].1);
        if other != Some(value) {
            all.push(differs(&format!("{what} `{name}`"), Some(value), other));
        }
    }
    for (name, value) in configured.iter().filter(|(name, _)| find(loaded, name).is_none()) {
        all.push(differs(&format!("{what} `{name}`"), None, Some(value)));
    }
}

fn differs<T: Display>(what: &str, loaded: Option<T>, configured: Option<T>) -> String {
    let word = |value: Option<T>| value.map_or("missing".to_owned(), |value| value.to_string());
    format!("{what}: loaded {}, configured {}", word(loaded), word(configured))
}

/// What the manifest knows of one blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BlobEntry {
    pub(super) bytes: u64,
    pub(super) checksum: [u8; CHECKSUM_BYTES],
}

/// What is stored of one collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) shape: Shape,
    pub(super) blobs: Vec<BlobEntry>,
    nodes: u64,
    vectors: u64,
    edges: u64,
}

impl Manifest {
    pub(super) fn new(schema: &CollectionSchema, parts: &Parts, blobs: Vec<BlobEntry>) -> Self {
        Self {
            shape: Shape::of(schema),
            blobs,
            nodes: parts.ids.len() as u64,
            vectors: parts.vectors.iter().map(|vectors| vectors.rows.len() as u64).sum(),
            edges: parts.edges.iter().map(|edges| edges.sources.len() as u64).sum(),
        }
    }
}

/// What a data directory holds of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCollection {
    /// Its name.
    pub name: String,
    /// Number of nodes.
    pub nodes: u64,
    /// Number of vectors of all spaces.
    pub vectors: u64,
    /// Number of edges of all types.
    pub edges: u64,
    /// Size of its data in bytes.
    pub bytes: u64,
}

pub(super) fn put(transaction: &WriteTransaction, collection: &str, manifest: &Manifest) -> Result<(), redb::Error> {
    transaction.open_table(TABLE)?.insert(collection, encode(manifest).as_slice())?;
    Ok(())
}

fn encode(manifest: &Manifest) -> Vec<u8> {
    let body = postcard::to_stdvec(manifest).expect("a manifest is plain data");
    let mut entry = FORMAT.to_le_bytes().to_vec();
    entry.extend_from_slice(&body);
    entry.extend_from_slice(blake3::hash(&entry).as_bytes());
    entry
}

pub(super) fn get(path: &Path, transaction: &ReadTransaction, collection: &str) -> Result<Manifest, StorageError> {
    let table = open_table(path, transaction)?;
    match table.get(collection).map_err(|error| failed(path, error))? {
        Some(entry) => decode(path, collection, entry.value()),
        None => {
            let names: Vec<String> =
                all(path, transaction)?.into_iter().map(|held| format!("`{}`", held.name)).collect();
            let held = if names.is_empty() { "none at all".into() } else { format!("only {}", names.join(", ")) };
            Err(StorageError::NoCollection { path: path.to_path_buf(), collection: collection.into(), held })
        }
    }
}

pub(super) fn all(path: &Path, transaction: &ReadTransaction) -> Result<Vec<StoredCollection>, StorageError> {
    let table = open_table(path, transaction)?;
    let entries = table.iter().map_err(|error| failed(path, error))?;
    let stored = entries.map(|entry| {
        let (name, entry) = entry.map_err(|error| failed(path, error))?;
        let manifest = decode(path, name.value(), entry.value())?;
        let bytes = manifest.blobs.iter().fold(0, |sum: u64, blob| sum.saturating_add(blob.bytes));
        let Manifest { nodes, vectors, edges, .. } = manifest;
        Ok(StoredCollection { name: name.value().to_owned(), nodes, vectors, edges, bytes })
    });
    stored.collect()
}

fn open_table(
    path: &Path,
    transaction: &ReadTransaction,
) -> Result<redb::ReadOnlyTable<&'static str, &'static [u8]>, StorageError> {
    transaction.open_table(TABLE).map_err(|error| match error {
        TableError::Storage(error) => failed(path, error),
        // A first load that was killed leaves a file without tables.
        TableError::TableDoesNotExist(_) if is_empty(transaction) => StorageError::Missing(path.to_path_buf()),
        other => StorageError::Foreign { path: path.to_path_buf(), detail: other.to_string() },
    })
}

fn is_empty(transaction: &ReadTransaction) -> bool {
    transaction.list_tables().is_ok_and(|mut tables| tables.next().is_none())
}

fn decode(path: &Path, collection: &str, entry: &[u8]) -> Result<Manifest, StorageError> {
    let damage = |what: &str| damaged(path, format!("the manifest of collection `{collection}` {what}"));
    let Some((version, _)) = entry.split_first_chunk::<4>() else { return Err(damage("is too short")) };
    // Before the checksum: another version may have another one.
    let found = u32::from_le_bytes(*version);
    if found != FORMAT {
        let (path, collection) = (path.to_path_buf(), collection.to_owned());
        return Err(StorageError::Version { path, collection, found, supported: FORMAT });
    }
    let Some((signed, checksum)) = entry.split_last_chunk::<CHECKSUM_BYTES>() else {
        return Err(damage("is too short"));
    };
    if blake3::hash(signed) != *checksum {
        return Err(damage("does not match its checksum"));
    }
    let body = signed.get(version.len()..).unwrap_or_default();
    postcard::from_bytes(body).map_err(|error| damage(&format!("cannot be read: {error}")))
}
