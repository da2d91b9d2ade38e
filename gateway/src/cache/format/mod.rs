//! The stored format: an entry as the far tiers hold it. One for all of them.
//!
//! ```text
//! magic "fbay" · version u16 · length of all u32 · XXH3-64 of all that follows u64
//! key 32 · digest of the tenant 16
//! incarnation u64 · epoch of everything · created · expires · cost in ns
//! kind u8 · codec u8 · dictionary 16 (where the codec has one) · length of the body · slots and their epochs
//! body, packed
//! ```
//!
//! Numbers are little-endian where their width is given, else LEB128. What is read was written by somebody else: nothing is
//! allocated, walked or believed beyond what is there, and whatever is off has its [`Flaw`].

mod embedding;
mod filter;
mod header;
mod ids;
mod lists;
mod payload;
#[cfg(test)]
mod tests;
mod wire;

use header::Header;

use super::{
    Flaw, Sought, Stored,
    codec::{self, Codec, Dictionaries, DictionaryId, Packing},
};
use wire::Reader;

/// Grows by one whenever the bytes mean something else. Gateways of two versions read each other's entries as misses.
pub const VERSION: u16 = 1;

/// Largest body before packing that is read, in bytes. A lying length costs no more memory than this.
pub const MAX_BODY: usize = 64 << 20;

/// An entry as it is stored.
pub fn encode(sought: &Sought, entry: &Stored, codec: &Codec) -> Vec<u8> {
    pack(sought, entry, &body(sought, entry), codec)
}

/// What of an entry gets packed. Dictionaries are trained from such bodies.
pub fn body(sought: &Sought, entry: &Stored) -> Vec<u8> {
    payload::write(&entry.payload, &sought.schema)
}

/// An entry with its [`body`] as it is stored.
pub fn pack(sought: &Sought, entry: &Stored, body: &[u8], codec: &Codec) -> Vec<u8> {
    let packed = codec.pack(body);
    let (packing, packed) = packed.as_ref().map_or((Packing::Plain, body), |(packing, packed)| (*packing, packed));
    let header = Header {
        stamp: entry.stamp.clone(),
        created: entry.created,
        expires: entry.expires,
        cost: entry.cost,
        kind: payload::kind(&entry.payload),
        packing,
        length: body.len(),
    };
    header::seal(sought, &header, packed)
}

/// Reads an entry, which is exactly what was sought and intact, or has a flaw.
pub fn decode(sought: &Sought, bytes: &[u8], dictionaries: &dyn Dictionaries) -> Result<Stored, Flaw> {
    let (header, packed) = header::open(sought, bytes)?;
    let body = codec::unpack(header.packing, packed, header.length, dictionaries)?;
    let payload = payload::read(header.kind, &mut Reader::new(&body), &sought.schema).ok_or(Flaw::Content)?;
    let Header { stamp, created, expires, cost, .. } = header;
    Ok(Stored { payload, stamp, created, expires, cost })
}

/// The dictionary that is needed to read an entry, so that it can be fetched before.
pub fn dictionary_of(sought: &Sought, bytes: &[u8]) -> Result<Option<DictionaryId>, Flaw> {
    let (header, _) = header::open(sought, bytes)?;
    Ok(if let Packing::Trained(id) = header.packing { Some(id) } else { None })
}
