//! What an entry holds, by kind.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    embedding, ids, lists,
    wire::{Reader, Writer},
};
use crate::{
    backend::Reach,
    cache::{ETag, Groups, StoredPayload},
    catalog::CollectionSchema,
    query::NodeRef,
};

const ANSWER: u8 = 1;
const REACH: u8 = 2;
const LISTS: u8 = 3;
const EMBEDDING: u8 = 4;

/// The kind of a payload.
pub(super) fn kind(payload: &StoredPayload) -> u8 {
    match payload {
        StoredPayload::Answer { .. } => ANSWER,
        StoredPayload::Reach(_) => REACH,
        StoredPayload::Lists(_) => LISTS,
        StoredPayload::Embedding(_) => EMBEDDING,
    }
}

/// A payload as a body.
pub(super) fn write(payload: &StoredPayload, schema: &CollectionSchema) -> Vec<u8> {
    let mut out = Vec::new();
    match payload {
        // Its tag is made again from the body: a digest does not compress.
        StoredPayload::Answer { body, etag: _, groups } => {
            out.reserve(body.len() + groups.weight() + 16);
            out.number(groups.iter().count() as u64);
            groups.iter().for_each(|group| out.string(group.as_bytes()));
            out.extend_from_slice(body);
        }
        StoredPayload::Reach(reach) => {
            out.number(reach.examined);
            out.number(reach.unknown.len() as u64);
            for node in &reach.unknown {
                out.number(u64::from(node.label));
                ids::write_one(&mut out, &node.id, schema.id_type);
            }
            ids::write_set(&mut out, &reach.ids, schema.id_type);
        }
        StoredPayload::Lists(ranked) => lists::write(&mut out, ranked, schema),
        StoredPayload::Embedding(vector) => embedding::write(&mut out, vector),
    }
    out
}

/// The payload that a body holds, to its last byte.
pub(super) fn read(kind: u8, reader: &mut Reader<'_>, schema: &CollectionSchema) -> Option<StoredPayload> {
    let payload = match kind {
        ANSWER => {
            let count = reader.count(1)?;
            let groups = (0..count).map(|_| reader.text()).collect::<Option<Groups>>()?;
            let body = Bytes::copy_from_slice(reader.rest());
            StoredPayload::Answer { etag: ETag::of(&body), body, groups }
        }
        REACH => StoredPayload::Reach(Arc::new(read_reach(reader, schema)?)),
        LISTS => StoredPayload::Lists(lists::read(reader, schema)?),
        EMBEDDING => StoredPayload::Embedding(embedding::read(reader)?),
        _ => return None,
    };
    reader.is_empty().then_some(payload)
}

fn read_reach(reader: &mut Reader<'_>, schema: &CollectionSchema) -> Option<Reach> {
    let labels = schema.graph.as_ref().map_or(0, |graph| graph.labels.len());
    let examined = reader.number()?;
    let count = reader.count(2)?;
    let mut unknown = Vec::with_capacity(count);
    for _ in 0..count {
        let label = u16::try_from(reader.number()?).ok().filter(|label| usize::from(*label) < labels)?;
        let node = NodeRef { label, id: ids::read_one(reader, schema.id_type)? };
        if unknown.last().is_some_and(|last| *last >= node) {
            return None;
        }
        unknown.push(node);
    }
    Some(Reach { ids: ids::read_set(reader, schema.id_type)?, unknown, examined })
}
