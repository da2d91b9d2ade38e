//! Ranked lists: a filter, ids and scores. Scores come back bit by bit; where all are single-precision floats, as
//! stores of such vectors often give, they take four bytes each.

use std::sync::Arc;

use super::{
    filter, ids,
    wire::{Reader, Writer},
};
use crate::{backend::Hit, cache::RankedList, catalog::CollectionSchema};

/// Appends lists.
pub(super) fn write(out: &mut Vec<u8>, lists: &[RankedList], schema: &CollectionSchema) {
    out.number(lists.len() as u64);
    for list in lists {
        filter::write(out, &list.filter, schema.id_type);
        out.push(u8::from(list.exhausted));
        out.push(u8::from(list.exact));
        let single = list.hits.iter().all(|hit| f64::from(hit.score as f32).to_bits() == hit.score.to_bits());
        out.push(u8::from(single));
        out.number(list.hits.len() as u64);
        list.hits.iter().for_each(|hit| ids::write_one(out, &hit.id, schema.id_type));
        for hit in &*list.hits {
            if single {
                out.extend_from_slice(&(hit.score as f32).to_le_bytes());
            } else {
                out.extend_from_slice(&hit.score.to_le_bytes());
            }
        }
    }
}

/// Reads lists.
pub(super) fn read(reader: &mut Reader<'_>, schema: &CollectionSchema) -> Option<Arc<[RankedList]>> {
    let count = reader.count(5)?;
    (0..count).map(|_| read_list(reader, schema)).collect()
}

fn read_list(reader: &mut Reader<'_>, schema: &CollectionSchema) -> Option<RankedList> {
    let filter = filter::read(reader, schema)?;
    let exhausted = reader.flag()?;
    let exact = reader.flag()?;
    let single = reader.flag()?;
    let count = reader.count(if single { 5 } else { 9 })?;
    let ids: Vec<_> = (0..count).map(|_| ids::read_one(reader, schema.id_type)).collect::<Option<_>>()?;
    let mut hits: Vec<Hit> = Vec::with_capacity(count);
    for id in ids {
        let score =
            if single { f64::from(f32::from_le_bytes(reader.array()?)) } else { f64::from_le_bytes(reader.array()?) };
        let hit = Hit { id, score };
        if !score.is_finite() || hits.last().is_some_and(|last| !Hit::order(last, &hit).is_lt()) {
            return None;
        }
        hits.push(hit);
    }
    Some(RankedList { filter, hits: hits.into(), exhausted, exact })
}
