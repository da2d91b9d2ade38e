//! The format on its own: every entry comes back as it was, and nothing else does.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*};
use uuid::Uuid;

use super::{wire::Reader, *};
use crate::{
    backend::{Hit, IdSet, Reach},
    cache::{ETag, Groups, RankedList, Stamp, StoredPayload, WallTime, codec::NoDictionaries},
    catalog::CollectionSchema,
    query::{
        Filter, NodeRef,
        testing::{everything, filters},
    },
    value::{EntityId, IdType, Literal},
};

const ID_TYPES: [IdType; 3] = [IdType::Text, IdType::Integer, IdType::Uuid];

fn ids(id_type: IdType) -> BoxedStrategy<EntityId> {
    match id_type {
        IdType::Integer => prop_oneof![any::<i64>(), -300..300_i64].prop_map(EntityId::Integer).boxed(),
        IdType::Uuid => any::<u128>().prop_map(|bits| EntityId::Uuid(Uuid::from_u128(bits))).boxed(),
        IdType::Text => {
            prop_oneof!["lib[a-c]{0,3}", any::<String>()].prop_map(|text| EntityId::Text(text.into())).boxed()
        }
    }
}

fn answers() -> impl Strategy<Value = StoredPayload> {
    let body = prop_oneof![vec(any::<u8>(), 0..300), "(\\{\"id\":\"[a-f]{3}\"\\},){0,60}".prop_map(String::into_bytes)];
    (body, vec(any::<String>(), 0..4)).prop_map(|(body, groups)| {
        let body = Bytes::from(body);
        StoredPayload::Answer { etag: ETag::of(&body), body, groups: groups.iter().collect() }
    })
}

fn reaches(schema: &CollectionSchema) -> impl Strategy<Value = StoredPayload> + use<> {
    let labels = schema.graph.as_ref().map_or(0, |graph| graph.labels.len()) as u16;
    let unknown = vec((0..labels, ids(schema.id_type)), 0..4);
    (vec(ids(schema.id_type), 0..60), unknown, any::<u64>()).prop_map(|(ids, unknown, examined)| {
        let unknown: BTreeSet<_> = unknown.into_iter().map(|(label, id)| NodeRef { label, id }).collect();
        let unknown = unknown.into_iter().collect();
        StoredPayload::Reach(Arc::new(Reach { ids: IdSet::from_ids(ids), unknown, examined }))
    })
}

fn ranked(schema: &Arc<CollectionSchema>) -> impl Strategy<Value = StoredPayload> + use<> {
    let score = prop_oneof![
        (-1.0..1.0_f32).prop_map(f64::from),
        any::<f64>().prop_filter("finite", |score| score.is_finite()),
        Just(0.0),
        Just(-0.0)
    ];
    let hits = vec((ids(schema.id_type), score), 0..20).prop_map(|pairs| {
        let mut hits: Vec<Hit> = pairs.into_iter().map(|(id, score)| Hit { id, score }).collect();
        hits.sort_by(Hit::order);
        hits.dedup_by(|a, b| Hit::order(a, b).is_eq());
        hits
    });
    let list = (filters(schema), hits, any::<bool>(), any::<bool>());
    vec(list, 0..4).prop_map(|lists| {
        let list = |(filter, hits, exhausted, exact): (Filter, Vec<Hit>, bool, bool)| RankedList {
            filter,
            hits: hits.into(),
            exhausted,
            exact,
        };
        StoredPayload::Lists(lists.into_iter().map(list).collect())
    })
}

fn embeddings() -> impl Strategy<Value = StoredPayload> {
    let component = any::<f32>().prop_filter("finite", |component| component.is_finite());
    let half = (-2_000..2_000_i16).prop_map(|steps| f32::from(steps) / 1_024.0);
    prop_oneof![vec(component, 1..50), vec(half, 1..50)].prop_map(|vector| StoredPayload::Embedding(vector.into()))
}

fn entries(id_type: IdType) -> impl Strategy<Value = (Sought, Stored)> {
    let schema = everything(id_type);
    let payload = prop_oneof![answers(), reaches(&schema), ranked(&schema), embeddings()];
    let stamp = (any::<u64>(), any::<u64>(), vec(any::<(u16, u64)>(), 0..6));
    let sought = (any::<[u8; 32]>(), option::of("[a-z]{0,3}"));
    (payload, stamp, any::<[u64; 3]>(), sought).prop_map(move |(payload, stamp, times, (key, tenant))| {
        let (incarnation, all, slots) = stamp;
        let entry = Stored {
            payload,
            stamp: Stamp { incarnation, all, slots: slots.into() },
            created: WallTime(times[0]),
            expires: WallTime(times[1]),
            cost: Duration::from_nanos(times[2]),
        };
        (Sought { key, tenant: tenant.map(Into::into), schema: schema.clone() }, entry)
    })
}

fn any_entry() -> impl Strategy<Value = (Sought, Stored)> {
    let [text, integer, uuid] = ID_TYPES.map(entries);
    prop_oneof![text, integer, uuid]
}

fn codecs() -> impl Strategy<Value = Codec> {
    prop_oneof![Just(Codec::Plain), (1..8).prop_map(Codec::Zstd)]
}

/// Bit for bit, as far as a test can see.
fn same(a: &Stored, b: &Stored) -> bool {
    let payloads = match (&a.payload, &b.payload) {
        (
            StoredPayload::Answer { body, etag, groups },
            StoredPayload::Answer { body: body2, etag: etag2, groups: groups2 },
        ) => body == body2 && etag == etag2 && groups == groups2,
        (StoredPayload::Reach(a), StoredPayload::Reach(b)) => {
            a.ids.iter().eq(b.ids.iter()) && a.unknown == b.unknown && a.examined == b.examined
        }
        (StoredPayload::Lists(a), StoredPayload::Lists(b)) => {
            let of = |list: &RankedList| {
                let hits: Vec<_> = list.hits.iter().map(|hit| (hit.id.clone(), hit.score.to_bits())).collect();
                (list.filter.clone(), hits, list.exhausted, list.exact)
            };
            a.iter().map(of).eq(b.iter().map(of))
        }
        (StoredPayload::Embedding(a), StoredPayload::Embedding(b)) => {
            a.iter().map(|c| c.to_bits()).eq(b.iter().map(|c| c.to_bits()))
        }
        _ => false,
    };
    payloads && (&a.stamp, a.created, a.expires, a.cost) == (&b.stamp, b.created, b.expires, b.cost)
}

proptest! {
    #[test]
    fn every_entry_comes_back_as_it_was((sought, entry) in any_entry(), codec in codecs()) {
        let bytes = encode(&sought, &entry, &codec);
        let decoded = decode(&sought, &bytes, &NoDictionaries);
        prop_assert!(decoded.as_ref().is_ok_and(|decoded| same(decoded, &entry)), "{decoded:?} is not {entry:?}");
    }

    #[test]
    fn no_flipped_bit_goes_unnoticed((sought, entry) in any_entry(), codec in codecs(), at in any::<prop::sample::Index>()) {
        let mut bytes = encode(&sought, &entry, &codec);
        let bit = at.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let flaw = decode(&sought, &bytes, &NoDictionaries).err();
        let expected = match bit / 8 {
            0..4 => &[Flaw::NotAnEntry][..],
            4..6 => &[Flaw::OtherVersion],
            6..10 => &[Flaw::Truncated, Flaw::Checksum],
            _ => &[Flaw::Checksum],
        };
        prop_assert!(flaw.is_some_and(|flaw| expected.contains(&flaw)), "{flaw:?} at bit {bit}");
    }

    #[test]
    fn what_is_cut_off_or_appended_to_is_no_entry((sought, entry) in any_entry(), at in any::<prop::sample::Index>()) {
        let mut bytes = encode(&sought, &entry, &Codec::Zstd(3));
        let cut = at.index(bytes.len());
        prop_assert_eq!(decode(&sought, &bytes[..cut], &NoDictionaries).err(), Some(Flaw::Truncated));
        bytes.push(0);
        prop_assert_eq!(decode(&sought, &bytes, &NoDictionaries).err(), Some(Flaw::Checksum));
    }

    #[test]
    fn an_entry_is_nobody_elses((sought, entry) in any_entry(), key in any::<[u8; 32]>(), tenant in option::of("[a-z]{0,3}")) {
        let bytes = encode(&sought, &entry, &Codec::Plain);
        let other_key = Sought { key, ..sought.clone() };
        prop_assert_eq!(decode(&other_key, &bytes, &NoDictionaries).err(), Some(Flaw::OtherKey));
        let other_tenant = Sought { tenant: tenant.map(Into::into), ..sought.clone() };
        let expected = (other_tenant.tenant != sought.tenant).then_some(Flaw::OtherTenant);
        prop_assert_eq!(decode(&other_tenant, &bytes, &NoDictionaries).err(), expected);
    }

    #[test]
    fn a_body_of_any_bytes_is_refused_or_valid(kind in 0..6_u8, body in vec(any::<u8>(), 0..200), id_type in prop::sample::select(&ID_TYPES)) {
        let schema = everything(id_type);
        if let Some(payload) = payload::read(kind, &mut Reader::new(&body), &schema) {
            let again = payload::write(&payload, &schema);
            prop_assert!(payload::read(kind, &mut Reader::new(&again), &schema).is_some(), "{payload:?}");
        }
    }
}

fn sought(id_type: IdType) -> Sought {
    Sought { key: [7; 32], tenant: None, schema: everything(id_type) }
}

fn entry(payload: StoredPayload) -> Stored {
    let stamp = Stamp { incarnation: 1, all: 2, slots: [(3, 4)].into_iter().collect() };
    let cost = Duration::from_millis(12);
    Stored { payload, stamp, created: WallTime(1_000), expires: WallTime(2_000), cost }
}

#[test]
fn no_tenant_is_not_a_tenant_without_a_name() {
    let nobody = sought(IdType::Text);
    let unnamed = Sought { tenant: Some("".into()), ..nobody.clone() };
    let bytes = encode(&nobody, &entry(StoredPayload::Embedding([1.0].into())), &Codec::Plain);
    assert_eq!(decode(&unnamed, &bytes, &NoDictionaries).err(), Some(Flaw::OtherTenant));
}

/// An entry that is intact, of this kind, and has these bytes for a body.
fn forged(sought: &Sought, kind: u8, length: usize, packing: Packing, packed: &[u8]) -> Vec<u8> {
    let Stored { stamp, created, expires, cost, .. } = entry(StoredPayload::Embedding([1.0].into()));
    header::seal(sought, &Header { stamp, created, expires, cost, kind, packing, length }, packed)
}

#[test]
fn a_lying_length_is_a_flaw_whichever_way_it_lies() {
    let sought = sought(IdType::Text);
    let (packing, packed) = Codec::Zstd(3).pack(&[9; 10_000]).unwrap();
    for length in [0, 9_999, 10_001, MAX_BODY, MAX_BODY + 1, usize::MAX] {
        let bytes = forged(&sought, 1, length, packing, &packed);
        assert_eq!(decode(&sought, &bytes, &NoDictionaries).err(), Some(Flaw::Compression), "{length}");
    }
    let bytes = forged(&sought, 1, 10_000, packing, &packed[..packed.len() - 1]);
    assert_eq!(decode(&sought, &bytes, &NoDictionaries).err(), Some(Flaw::Compression));
}

#[test]
fn content_that_makes_no_sense_is_a_flaw() {
    let hit = |id: &str, score| Hit { id: EntityId::Text(id.into()), score };
    let of = |hits: Vec<Hit>, filter| {
        let list = RankedList { filter, hits: hits.into(), exhausted: true, exact: true };
        encode(&sought(IdType::Text), &entry(StoredPayload::Lists([list].into())), &Codec::Plain)
    };
    let read = |bytes: &[u8]| decode(&sought(IdType::Text), bytes, &NoDictionaries).err();
    let beyond = crate::query::Field::Attribute(999);
    let senseless = [
        of(vec![hit("a", f64::NAN)], Filter::Everything),
        of(vec![hit("a", f64::INFINITY)], Filter::Everything),
        of(vec![hit("a", 0.5), hit("b", 0.6)], Filter::Everything),
        of(vec![hit("b", 0.5), hit("a", 0.5)], Filter::Everything),
        of(vec![hit("a", 0.5), hit("a", 0.5)], Filter::Everything),
        of(vec![Hit { id: EntityId::Integer(5), score: 0.5 }], Filter::Everything),
        of(vec![], Filter::Exists(beyond)),
        of(vec![], Filter::equals(crate::query::Field::Id, Literal::Id(EntityId::Integer(5)))),
        forged(&sought(IdType::Text), 9, 0, Packing::Plain, &[]),
    ];
    for bytes in senseless {
        assert_eq!(read(&bytes), Some(Flaw::Content));
    }
    assert_eq!(read(&of(vec![hit("a", 0.5), hit("b", 0.5)], Filter::Everything)), None);
}

#[test]
fn a_small_bitmap_that_says_that_it_holds_billions_of_ids_is_refused_before_they_are_listed() {
    // As runs: four billion ids in half a megabyte.
    let mut full = roaring::RoaringBitmap::full();
    full.optimize();
    let mut body = vec![0, 0, 0];
    super::wire::Writer::number(&mut body, full.len());
    body.extend_from_slice(&1_u64.to_le_bytes());
    body.extend_from_slice(&0_u32.to_le_bytes());
    full.serialize_into(&mut body).unwrap();
    assert!(body.len() < 1 << 20);
    let sought = sought(IdType::Integer);
    let bytes = forged(&sought, 2, body.len(), Packing::Plain, &body);
    assert_eq!(decode(&sought, &bytes, &NoDictionaries).err(), Some(Flaw::Content));
}

#[test]
fn dense_ids_and_long_common_prefixes_take_little_room() {
    let integers = IdSet::from_ids((0..100_000).map(EntityId::Integer).collect());
    let texts = IdSet::from_ids((0..1_000).map(|i| EntityId::Text(format!("a-long-prefix-{i:04}").into())).collect());
    let size = |ids: IdSet, id_type| {
        let reach = Reach { ids, unknown: Vec::new(), examined: 0 };
        encode(&sought(id_type), &entry(StoredPayload::Reach(Arc::new(reach))), &Codec::Plain).len()
    };
    assert!(size(integers, IdType::Integer) < 100_000 / 4);
    assert!(size(texts, IdType::Text) < 1_000 * 5);
}

#[test]
fn halves_are_kept_as_halves_and_singles_lose_nothing() {
    let size = |vector: &[f32]| {
        let bytes = encode(&sought(IdType::Text), &entry(StoredPayload::Embedding(vector.into())), &Codec::Plain);
        bytes.len()
    };
    let (halves, singles) = ([0.5_f32; 384], [0.1_f32; 384]);
    assert_eq!(size(&singles) - size(&halves), 2 * 384);
}

#[test]
fn the_bytes_of_the_format_stay_as_they_are() {
    // Where this changes, gateways of two versions misread each other unless `VERSION` changes too.
    let body = Bytes::from_static(b"{\"items\":[]}");
    let groups = ["packages"].iter().collect::<Groups>();
    let answer = entry(StoredPayload::Answer { etag: ETag::of(&body), body, groups });
    let tenant = Sought { tenant: Some("a".into()), ..sought(IdType::Text) };
    let hex: String = encode(&tenant, &answer, &Codec::Plain).iter().map(|byte| format!("{byte:02x}")).collect();
    insta::assert_snapshot!(hex, @"666261790100700000009f6bab2680a02bb007070707070707070707070707070707070707070707070707070707070707073c8b62abeb3543b872b446369d3702a4010000000000000002e807d00f80b6dc050100160103000401087061636b616765737b226974656d73223a5b5d7d");
}
