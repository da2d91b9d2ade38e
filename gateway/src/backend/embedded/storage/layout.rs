//! The order of a collection's blobs: ids, then each attribute, each vector and each edge type in the schema's order.
//!
//! Text is two blobs, the length of each string and all bytes; a bitmap is one, in roaring's portable format.

use std::sync::Arc;

use roaring::RoaringBitmap;
use uuid::Uuid;

use super::{
    StorageError,
    blob::{Reader, Writer},
};
use crate::{
    backend::embedded::{Column, Edges, Parts, Vectors},
    catalog::{AttributeSchema, CollectionSchema},
    value::{AttributeType, EntityId, IdType},
};

/// Whether the data is of the schema's types; the layout takes it for granted.
pub(super) fn fits(parts: &Parts, schema: &CollectionSchema) -> bool {
    let column_fits = |(attribute, column): (&AttributeSchema, &Column)| match column {
        Column::Text { .. } => matches!(attribute.kind, AttributeType::Keyword | AttributeType::Text),
        Column::Integer { .. } => matches!(attribute.kind, AttributeType::Integer | AttributeType::Timestamp),
        Column::Float { .. } => attribute.kind == AttributeType::Float,
        Column::Boolean { .. } => attribute.kind == AttributeType::Boolean,
        Column::Keywords { .. } => attribute.kind == AttributeType::Keywords,
    };
    let id_fits = |id: &EntityId| match id {
        EntityId::Integer(_) => schema.id_type == IdType::Integer,
        EntityId::Uuid(_) => schema.id_type == IdType::Uuid,
        EntityId::Text(_) => schema.id_type == IdType::Text,
    };
    parts.ids.iter().all(id_fits)
        && parts.columns.len() == schema.attributes.len()
        && schema.attributes.iter().zip(&parts.columns).all(column_fits)
        && parts.vectors.len() == schema.vectors.len()
        && parts.edges.len() == schema.graph.as_ref().map_or(0, |graph| graph.edges.len())
}

pub(super) fn write(writer: &mut Writer<'_>, parts: &Parts, id_type: IdType) -> Result<(), redb::StorageError> {
    write_ids(writer, &parts.ids, id_type)?;
    for column in &parts.columns {
        write_column(writer, column)?;
    }
    for vectors in &parts.vectors {
        writer.put(&vectors.rows)?;
        writer.put(&vectors.values)?;
    }
    for edges in &parts.edges {
        writer.put(&edges.sources)?;
        writer.put(&edges.targets)?;
    }
    Ok(())
}

pub(super) fn read(reader: &mut Reader<'_>, schema: &CollectionSchema) -> Result<Parts, StorageError> {
    let ids = read_ids(reader, schema.id_type)?;
    let columns = schema.attributes.iter().map(|attribute| {
        let what = format!("attribute `{}`", attribute.name);
        read_column(reader, attribute.kind, ids.len(), &what)
    });
    let columns = columns.collect::<Result<_, _>>()?;
    let vectors = schema.vectors.iter().map(|vector| {
        let what = format!("vector `{}`", vector.name);
        read_vectors(reader, vector.dimensions, ids.len(), &what)
    });
    let vectors = vectors.collect::<Result<_, _>>()?;
    let edges = schema.graph.iter().flat_map(|graph| &graph.edges).map(|name| {
        let what = format!("edges `{name}`");
        let edges = Edges { sources: reader.take(&what)?, targets: reader.take(&what)? };
        check(reader, &what, edges.sources.len() == edges.targets.len(), "sources and targets differ in number")?;
        let rows = ids.len();
        let in_range = edges.sources.iter().chain(&edges.targets).all(|row| (*row as usize) < rows);
        check(reader, &what, in_range, "an end is no row")?;
        Ok(edges)
    });
    let edges = edges.collect::<Result<_, StorageError>>()?;
    reader.finish()?;
    Ok(Parts { ids, columns, vectors, edges })
}

fn write_ids(writer: &mut Writer<'_>, ids: &[EntityId], id_type: IdType) -> Result<(), redb::StorageError> {
    match id_type {
        IdType::Integer => {
            let values: Vec<i64> = ids.iter().filter_map(as_integer).collect();
            writer.put(&values)
        }
        IdType::Uuid => {
            let bytes: Vec<u8> = ids.iter().filter_map(as_uuid).flat_map(|id| *id.as_bytes()).collect();
            writer.put(&bytes)
        }
        IdType::Text => write_strings(writer, ids.iter().filter_map(as_text)),
    }
}

fn read_ids(reader: &mut Reader<'_>, id_type: IdType) -> Result<Vec<EntityId>, StorageError> {
    Ok(match id_type {
        IdType::Integer => reader.take("ids")?.into_iter().map(EntityId::Integer).collect(),
        IdType::Uuid => {
            let bytes: Vec<u8> = reader.take("ids")?;
            let (ids, rest) = bytes.as_chunks::<16>();
            check(reader, "ids", rest.is_empty(), "the last one is cut off")?;
            ids.iter().map(|id| EntityId::Uuid(Uuid::from_bytes(*id))).collect()
        }
        IdType::Text => read_strings(reader, "ids")?.into_iter().map(EntityId::Text).collect(),
    })
}

fn write_column(writer: &mut Writer<'_>, column: &Column) -> Result<(), redb::StorageError> {
    match column {
        Column::Text { dictionary, codes, present } => {
            write_strings(writer, dictionary.iter().map(AsRef::as_ref))?;
            writer.put(codes)?;
            write_bitmap(writer, present)
        }
        Column::Integer { values, present } => {
            writer.put(values)?;
            write_bitmap(writer, present)
        }
        Column::Float { values, present } => {
            writer.put(values)?;
            write_bitmap(writer, present)
        }
        Column::Boolean { truths, present } => {
            write_bitmap(writer, truths)?;
            write_bitmap(writer, present)
        }
        Column::Keywords { dictionary, offsets, codes, present } => {
            write_strings(writer, dictionary.iter().map(AsRef::as_ref))?;
            writer.put(offsets)?;
            writer.put(codes)?;
            write_bitmap(writer, present)
        }
    }
}

fn read_column(reader: &mut Reader<'_>, kind: AttributeType, rows: usize, what: &str) -> Result<Column, StorageError> {
    const ONE_A_ROW: &str = "there is not one value a row";
    Ok(match kind {
        AttributeType::Keyword | AttributeType::Text => {
            let dictionary = read_strings(reader, what)?;
            let codes: Vec<u32> = reader.take(what)?;
            check(reader, what, codes.len() == rows, ONE_A_ROW)?;
            let present = read_bitmap(reader, rows, what)?;
            let in_range = present.iter().all(|row| (codes[row as usize] as usize) < dictionary.len());
            check(reader, what, in_range, "a code is not in the dictionary")?;
            Column::Text { dictionary, codes, present }
        }
        AttributeType::Integer | AttributeType::Timestamp => {
            let values: Vec<i64> = reader.take(what)?;
            check(reader, what, values.len() == rows, ONE_A_ROW)?;
            Column::Integer { values, present: read_bitmap(reader, rows, what)? }
        }
        AttributeType::Float => {
            let values: Vec<f64> = reader.take(what)?;
            check(reader, what, values.len() == rows, ONE_A_ROW)?;
            Column::Float { values, present: read_bitmap(reader, rows, what)? }
        }
        AttributeType::Boolean => {
            Column::Boolean { truths: read_bitmap(reader, rows, what)?, present: read_bitmap(reader, rows, what)? }
        }
        AttributeType::Keywords => {
            let dictionary = read_strings(reader, what)?;
            let offsets: Vec<u32> = reader.take(what)?;
            let codes: Vec<u32> = reader.take(what)?;
            check(reader, what, offsets.len() == rows + 1 && offsets[0] == 0, ONE_A_ROW)?;
            let fits = offsets.is_sorted() && offsets[rows] as usize == codes.len();
            check(reader, what, fits, "the lists do not fit together")?;
            let in_range = codes.iter().all(|code| (*code as usize) < dictionary.len());
            check(reader, what, in_range, "a code is not in the dictionary")?;
            Column::Keywords { dictionary, offsets, codes, present: read_bitmap(reader, rows, what)? }
        }
    })
}

fn read_vectors(reader: &mut Reader<'_>, dimensions: usize, rows: usize, what: &str) -> Result<Vectors, StorageError> {
    let vectors = Vectors { rows: reader.take(what)?, values: reader.take(what)? };
    let expected = vectors.rows.len().checked_mul(dimensions);
    check(reader, what, expected == Some(vectors.values.len()), "there is not one vector a row")?;
    check(reader, what, vectors.rows.iter().all(|row| (*row as usize) < rows), "a vector belongs to no row")?;
    Ok(vectors)
}

fn write_strings<'a>(
    writer: &mut Writer<'_>,
    strings: impl Iterator<Item = &'a str>,
) -> Result<(), redb::StorageError> {
    let (mut lengths, mut bytes): (Vec<u32>, Vec<u8>) = (Vec::new(), Vec::new());
    for string in strings {
        lengths.push(u32::try_from(string.len()).map_err(|_| redb::StorageError::ValueTooLarge(string.len()))?);
        bytes.extend_from_slice(string.as_bytes());
    }
    writer.put(&lengths)?;
    writer.put(&bytes)
}

fn read_strings(reader: &mut Reader<'_>, what: &str) -> Result<Vec<Arc<str>>, StorageError> {
    let lengths: Vec<u32> = reader.take(what)?;
    let bytes: Vec<u8> = reader.take(what)?;
    let mut rest = bytes.as_slice();
    let strings = lengths.iter().map(|length| {
        let (string, after) = rest.split_at_checked(*length as usize)?;
        rest = after;
        str::from_utf8(string).ok().map(Arc::from)
    });
    let strings: Option<Vec<Arc<str>>> = strings.collect();
    match strings {
        Some(strings) if rest.is_empty() => Ok(strings),
        _ => Err(reader.damage(what, "its text does not fit together")),
    }
}

fn write_bitmap(writer: &mut Writer<'_>, bitmap: &RoaringBitmap) -> Result<(), redb::StorageError> {
    let mut bytes = Vec::with_capacity(bitmap.serialized_size());
    bitmap.serialize_into(&mut bytes)?;
    writer.put(&bytes)
}

fn read_bitmap(reader: &mut Reader<'_>, rows: usize, what: &str) -> Result<RoaringBitmap, StorageError> {
    let bytes: Vec<u8> = reader.take(what)?;
    let mut rest = bytes.as_slice();
    let bitmap = RoaringBitmap::deserialize_from(&mut rest).ok().filter(|_| rest.is_empty());
    let bitmap = bitmap.filter(|bitmap| bitmap.max().is_none_or(|row| (row as usize) < rows));
    bitmap.ok_or_else(|| reader.damage(what, "the bitmap of its rows makes no sense"))
}

fn check(reader: &Reader<'_>, what: &str, holds: bool, detail: &str) -> Result<(), StorageError> {
    if holds { Ok(()) } else { Err(reader.damage(what, detail)) }
}

fn as_integer(id: &EntityId) -> Option<i64> {
    if let EntityId::Integer(value) = id { Some(*value) } else { None }
}

fn as_uuid(id: &EntityId) -> Option<&Uuid> {
    if let EntityId::Uuid(value) = id { Some(value) } else { None }
}

fn as_text(id: &EntityId) -> Option<&str> {
    if let EntityId::Text(value) = id { Some(value) } else { None }
}
