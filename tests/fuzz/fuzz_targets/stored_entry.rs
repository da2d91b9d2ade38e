//! Any bytes as a stored entry, and any bytes as the body of one that is intact otherwise: the decoder refuses them or
//! understands them, never panics, and what it understands is stored and read again as the same.

#![no_main]

mod schemas;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use forebay::{
    backend::{IdSet, Reach},
    cache::{
        ETag, Flaw, Groups, Sought, Stamp, Stored, StoredPayload, WallTime,
        codec::{Codec, NoDictionaries},
        format,
    },
    value::IdType,
};
use libfuzzer_sys::fuzz_target;

/// One of each kind. What they hold does not matter.
fn kinds() -> [StoredPayload; 4] {
    let (body, groups) = (Bytes::new(), Groups::from_iter([""; 0]));
    let reach = Reach { ids: IdSet::from_ids(Vec::new()), unknown: Vec::new(), examined: 0 };
    [
        StoredPayload::Answer { etag: ETag::of(&body), body, groups },
        StoredPayload::Reach(Arc::new(reach)),
        StoredPayload::Lists(Arc::from([])),
        StoredPayload::Embedding(Arc::from([1.0])),
    ]
}

fn check(sought: &Sought, bytes: &[u8]) -> Result<(), Flaw> {
    let entry = format::decode(sought, bytes, &NoDictionaries)?;
    let body = format::body(sought, &entry);
    let again = format::encode(sought, &entry, &Codec::Zstd(1));
    let again = format::decode(sought, &again, &NoDictionaries).expect("what was understood is stored and read");
    assert_eq!(format::body(sought, &again), body);
    assert_eq!((again.stamp, again.created, again.expires, again.cost), (entry.stamp, entry.created, entry.expires, entry.cost));
    Ok(())
}

fuzz_target!(|input: &[u8]| {
    let [choice, bytes @ ..] = input else { return };
    for schema in schemas::SCHEMAS.iter() {
        let mut schema = schema.clone();
        schema.id_type = [IdType::Text, IdType::Integer, IdType::Uuid][usize::from(choice >> 2) % 3];
        let sought = Sought { key: [0; 32], tenant: None, schema: Arc::new(schema) };
        let _ = check(&sought, bytes);
        let payload = kinds()[usize::from(choice & 3)].clone();
        let stamp = Stamp { incarnation: 1, all: 0, slots: Default::default() };
        let (created, expires, cost) = (WallTime(0), WallTime(1), Duration::ZERO);
        let entry = Stored { payload, stamp, created, expires, cost };
        let _ = check(&sought, &format::pack(&sought, &entry, bytes, &Codec::Plain));
    }
});
