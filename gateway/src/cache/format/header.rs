//! What stands before a body, and the seal on both.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use super::{
    MAX_BODY, VERSION,
    wire::{Reader, Writer},
};
use crate::cache::{
    Flaw, KeyBuilder, Sought, Stamp, WallTime,
    codec::{DictionaryId, Packing},
};

const MAGIC: [u8; 4] = *b"fbay";
/// Magic, version and length.
const UNSEALED: usize = 10;
/// The above and the checksum.
const PREFIX: usize = UNSEALED + 8;

/// Everything about an entry but its body.
pub(super) struct Header {
    pub(super) stamp: Stamp,
    pub(super) created: WallTime,
    pub(super) expires: WallTime,
    pub(super) cost: Duration,
    pub(super) kind: u8,
    pub(super) packing: Packing,
    /// Of the body before packing, in bytes.
    pub(super) length: usize,
}

/// Whose an entry is. No tenant differs from one without a name.
fn tenant_digest(sought: &Sought) -> [u8; 16] {
    let digest = KeyBuilder::new("tenant").optional(sought.tenant.as_deref().map(str::as_bytes)).finish();
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}

/// Puts an entry together.
pub(super) fn seal(sought: &Sought, header: &Header, packed: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(PREFIX + 160 + packed.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[0; PREFIX - 6]);
    out.extend_from_slice(&sought.key);
    out.extend_from_slice(&tenant_digest(sought));
    out.extend_from_slice(&header.stamp.incarnation.to_le_bytes());
    out.number(header.stamp.all);
    out.number(header.created.0);
    out.number(header.expires.0);
    out.number(u64::try_from(header.cost.as_nanos()).unwrap_or(u64::MAX));
    out.push(header.kind);
    match header.packing {
        Packing::Plain => out.push(0),
        Packing::Zstd => out.push(1),
        Packing::Trained(id) => {
            out.push(2);
            out.extend_from_slice(&id.0);
        }
    }
    out.number(header.length as u64);
    out.number(header.stamp.slots.len() as u64);
    for (slot, epoch) in &header.stamp.slots {
        out.extend_from_slice(&slot.to_le_bytes());
        out.number(*epoch);
    }
    out.extend_from_slice(packed);
    // What is too long to say so is truncated to its readers.
    let length = u32::try_from(out.len()).unwrap_or(u32::MAX);
    out[6..UNSEALED].copy_from_slice(&length.to_le_bytes());
    let checksum = xxh3_64(&out[PREFIX..]);
    out[UNSEALED..PREFIX].copy_from_slice(&checksum.to_le_bytes());
    out
}

/// Takes an entry apart, if it is intact and what was sought.
pub(super) fn open<'a>(sought: &Sought, bytes: &'a [u8]) -> Result<(Header, &'a [u8]), Flaw> {
    let mut prefix = Reader::new(bytes);
    let mut magic = || prefix.array::<4>();
    if magic().ok_or(Flaw::Truncated)? != MAGIC {
        return Err(Flaw::NotAnEntry);
    }
    if prefix.array().map(u16::from_le_bytes).ok_or(Flaw::Truncated)? != VERSION {
        return Err(Flaw::OtherVersion);
    }
    let length = prefix.array().map(u32::from_le_bytes).ok_or(Flaw::Truncated)? as usize;
    let checksum = prefix.array().map(u64::from_le_bytes).ok_or(Flaw::Truncated)?;
    if bytes.len() < length {
        return Err(Flaw::Truncated);
    }
    let sealed = prefix.rest();
    if bytes.len() > length || xxh3_64(sealed) != checksum {
        return Err(Flaw::Checksum);
    }
    let mut reader = Reader::new(sealed);
    if reader.array::<32>().ok_or(Flaw::Truncated)? != sought.key {
        return Err(Flaw::OtherKey);
    }
    if reader.array::<16>().ok_or(Flaw::Truncated)? != tenant_digest(sought) {
        return Err(Flaw::OtherTenant);
    }
    let header = read(&mut reader).ok_or(Flaw::Content)?;
    if header.length > MAX_BODY {
        return Err(Flaw::Compression);
    }
    Ok((header, reader.rest()))
}

fn read(reader: &mut Reader<'_>) -> Option<Header> {
    let incarnation = u64::from_le_bytes(reader.array()?);
    let all = reader.number()?;
    let created = WallTime(reader.number()?);
    let expires = WallTime(reader.number()?);
    let cost = Duration::from_nanos(reader.number()?);
    let kind = reader.byte()?;
    let packing = match reader.byte()? {
        0 => Packing::Plain,
        1 => Packing::Zstd,
        2 => Packing::Trained(DictionaryId(reader.array()?)),
        _ => return None,
    };
    let length = usize::try_from(reader.number()?).ok()?;
    let count = reader.count(3)?;
    let slots =
        (0..count).map(|_| Some((u16::from_le_bytes(reader.array()?), reader.number()?))).collect::<Option<_>>()?;
    Some(Header { stamp: Stamp { incarnation, all, slots }, created, expires, cost, kind, packing, length })
}
