//! Ids: alone, and as sets. Sets of integers are compressed bitmaps, others are sorted and front-coded: each id is the
//! number of bytes that it shares with the one before, and what follows.

use roaring::RoaringTreemap;
use uuid::Uuid;

use super::wire::{Reader, Writer, unzigzag, zigzag};
use crate::{
    backend::IdSet,
    value::{EntityId, IdType},
};

/// Stands where ids are not of the collection's type, so that what cannot be read back is not read as something else.
const UNREADABLE: u8 = 0xff;
const READABLE: u8 = 0;

fn is_of(id: &EntityId, id_type: IdType) -> bool {
    matches!(
        (id, id_type),
        (EntityId::Integer(_), IdType::Integer) | (EntityId::Uuid(_), IdType::Uuid) | (EntityId::Text(_), IdType::Text)
    )
}

/// An integer so that unsigned order is its order.
fn ordered(value: i64) -> u64 {
    value as u64 ^ (1 << 63)
}

/// Appends one id.
pub(super) fn write_one(out: &mut Vec<u8>, id: &EntityId, id_type: IdType) {
    if !is_of(id, id_type) {
        // An endless number: no reader gets past it.
        return out.extend_from_slice(&[UNREADABLE; 16]);
    }
    match id {
        EntityId::Integer(value) => out.number(zigzag(*value)),
        EntityId::Uuid(value) => {
            out.push(READABLE);
            out.extend_from_slice(value.as_bytes());
        }
        EntityId::Text(value) => out.string(value.as_bytes()),
    }
}

/// Reads one id of the collection's type.
pub(super) fn read_one(reader: &mut Reader<'_>, id_type: IdType) -> Option<EntityId> {
    Some(match id_type {
        IdType::Integer => EntityId::Integer(unzigzag(reader.number()?)),
        IdType::Uuid => {
            (reader.byte()? == READABLE).then_some(())?;
            EntityId::Uuid(Uuid::from_bytes(reader.array()?))
        }
        IdType::Text => EntityId::Text(reader.text()?.into()),
    })
}

/// Appends a set, which is the last thing of its body.
pub(super) fn write_set(out: &mut Vec<u8>, ids: &IdSet, id_type: IdType) {
    if ids.iter().any(|id| !is_of(&id, id_type)) {
        return out.push(UNREADABLE);
    }
    out.push(READABLE);
    out.number(ids.len() as u64);
    if id_type == IdType::Integer {
        let numbers =
            ids.iter().filter_map(|id| if let EntityId::Integer(value) = id { Some(ordered(value)) } else { None });
        let bitmap: RoaringTreemap = numbers.collect();
        return bitmap.serialize_into(out).expect("memory takes what is written");
    }
    let mut before: Vec<u8> = Vec::new();
    for id in ids.iter() {
        let bytes = match &id {
            EntityId::Uuid(value) => &value.as_bytes()[..],
            EntityId::Text(value) => value.as_bytes(),
            EntityId::Integer(_) => &[],
        };
        let shared = before.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        out.number(shared as u64);
        out.string(&bytes[shared..]);
        before.clear();
        before.extend_from_slice(bytes);
    }
}

/// Reads a set to the end of the body. Its ids are ascending and distinct.
pub(super) fn read_set(reader: &mut Reader<'_>, id_type: IdType) -> Option<IdSet> {
    (reader.byte()? == READABLE).then_some(())?;
    if id_type == IdType::Integer {
        return read_integers(reader);
    }
    let count = reader.count(2)?;
    let mut ids: Vec<EntityId> = Vec::with_capacity(count);
    let mut bytes: Vec<u8> = Vec::new();
    for _ in 0..count {
        let shared = usize::try_from(reader.number()?).ok().filter(|shared| *shared <= bytes.len())?;
        bytes.truncate(shared);
        bytes.extend_from_slice(reader.string()?);
        let id = match id_type {
            IdType::Uuid => EntityId::Uuid(Uuid::from_slice(&bytes).ok()?),
            _ => EntityId::Text(str::from_utf8(&bytes).ok()?.into()),
        };
        if ids.last().is_some_and(|last| *last >= id) {
            return None;
        }
        ids.push(id);
    }
    Some(IdSet::Sorted(ids.into()))
}

fn read_integers(reader: &mut Reader<'_>) -> Option<IdSet> {
    let count = reader.number()?;
    let mut bytes = reader.rest();
    // A bitmap as it is written here holds at most eight ids in a byte. Runs, which are not written, could hold any number.
    if count > 8 * bytes.len() as u64 {
        return None;
    }
    let bitmap = RoaringTreemap::deserialize_from(&mut bytes).ok()?;
    if !bytes.is_empty() || bitmap.len() != count {
        return None;
    }
    Some(IdSet::Sorted(bitmap.iter().map(|number| EntityId::Integer(ordered(number as i64) as i64)).collect()))
}
