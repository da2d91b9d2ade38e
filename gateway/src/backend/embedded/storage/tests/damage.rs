//! A damaged file is an error, or what the damage hit was not needed: never a panic, never other data.

use std::{fs, path::Path};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use redb::ReadableTable as _;

use super::{
    super::{FILE_NAME, StorageError, file, open, save},
    data::{assert_same, parts, schema},
};
use crate::{backend::embedded::Parts, catalog::CollectionSchema, value::IdType};

type Chunks = redb::TableDefinition<'static, (u32, u32), &'static [u8]>;
const CHUNKS: Chunks = redb::TableDefinition::new("forebay data of things");
const MANIFESTS: redb::TableDefinition<'static, &str, &[u8]> = redb::TableDefinition::new("forebay collections");

fn saved() -> (tempfile::TempDir, CollectionSchema, Parts) {
    let dir = tempfile::tempdir().unwrap();
    let (schema, parts) = (schema(IdType::Text, 4), parts(IdType::Text, 60, 4, 3));
    save(dir.path(), "things", &schema, &parts).unwrap();
    (dir, schema, parts)
}

/// Changes the stored entries through redb, as somebody who writes redb files could.
fn tamper(dir: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = file::open_for_writing(&dir.join(FILE_NAME)).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&transaction);
    transaction.commit().unwrap();
}

#[test]
fn a_changed_bit_anywhere_in_any_blob_is_noticed() {
    let (dir, schema, _) = saved();
    let chunks: Vec<((u32, u32), Vec<u8>)> = {
        let database = file::open_for_writing(&dir.path().join(FILE_NAME)).unwrap();
        let transaction = database.begin_write().unwrap();
        let table = transaction.open_table(CHUNKS).unwrap();
        table.iter().unwrap().map(|entry| entry.unwrap()).map(|(k, v)| (k.value(), v.value().to_vec())).collect()
    };
    assert!(chunks.len() > 20);
    let mut random = StdRng::seed_from_u64(1);
    for (key, chunk) in chunks.iter().filter(|(_, chunk)| !chunk.is_empty()) {
        let mut changed = chunk.clone();
        let position = random.random_range(0..changed.len());
        changed[position] ^= 1 << random.random_range(0..8);
        for wrong in
            [Some(changed), Some(chunk[..chunk.len() - 1].to_vec()), Some([&chunk[..], &[0; 8]].concat()), None]
        {
            tamper(dir.path(), |transaction| {
                let mut table = transaction.open_table(CHUNKS).unwrap();
                match &wrong {
                    Some(wrong) => drop(table.insert(*key, wrong.as_slice()).unwrap()),
                    None => drop(table.remove(*key).unwrap()),
                };
            });
            let result = open(dir.path(), "things", &schema);
            assert!(matches!(result, Err(StorageError::Damaged { .. })), "{key:?} {result:?}");
        }
        tamper(dir.path(), |transaction| {
            transaction.open_table(CHUNKS).unwrap().insert(*key, chunk.as_slice()).unwrap();
        });
    }
    assert!(open(dir.path(), "things", &schema).is_ok());
}

#[test]
fn a_changed_or_cut_manifest_is_noticed_and_another_format_is_named() {
    let (dir, schema, _) = saved();
    let mut entry = Vec::new();
    tamper(dir.path(), |transaction| {
        entry = transaction.open_table(MANIFESTS).unwrap().get("things").unwrap().unwrap().value().to_vec();
    });
    let open_with = |entry: &[u8]| {
        tamper(dir.path(), |transaction| {
            transaction.open_table(MANIFESTS).unwrap().insert("things", entry).unwrap();
        });
        open(dir.path(), "things", &schema)
    };
    for length in (0..entry.len()).step_by(7) {
        let result = open_with(&entry[..length]);
        assert!(matches!(result, Err(StorageError::Damaged { .. })), "{length} {result:?}");
    }
    for position in (4..entry.len()).step_by(5) {
        let mut changed = entry.clone();
        changed[position] ^= 0x10;
        let result = open_with(&changed);
        assert!(matches!(result, Err(StorageError::Damaged { .. })), "{position} {result:?}");
    }
    let mut newer = entry.clone();
    newer[0] += 1;
    assert!(matches!(open_with(&newer), Err(StorageError::Version { found: 2, .. })));
    assert!(open_with(&entry).is_ok());
}

/// Somebody may write a manifest whose checksum is right: its lengths still allocate nothing that is not there.
#[test]
fn a_manifest_that_claims_huge_blobs_is_refused_before_anything_is_allocated() {
    let (dir, schema, parts) = saved();
    for bytes in [u64::MAX, 1 << 60, 1 << 40] {
        tamper(dir.path(), |transaction| {
            let blobs = super::super::blob::replace(transaction, "things", |writer| {
                super::super::layout::write(writer, &parts, IdType::Text)
            });
            let mut blobs = blobs.unwrap();
            blobs[3].bytes = bytes;
            let manifest = super::super::Manifest::new(&schema, &parts, blobs);
            super::super::manifest::put(transaction, "things", &manifest).unwrap();
        });
        let result = open(dir.path(), "things", &schema);
        assert!(matches!(result, Err(StorageError::Damaged { .. })), "{result:?}");
    }
}

/// Every checksum is right but the columns contradict each other.
#[test]
fn columns_that_do_not_fit_together_are_refused() {
    let (schema, good) = (schema(IdType::Text, 4), parts(IdType::Text, 60, 4, 3));
    let changes: [&dyn Fn(&mut Parts); 9] = [
        &|parts| drop(parts.ids.pop()),
        &|parts| parts.vectors[0].values.truncate(7),
        &|parts| parts.vectors[0].rows[0] = 60,
        &|parts| parts.edges[0].targets[0] = 60,
        &|parts| parts.edges[1].sources.truncate(9),
        &|parts| with_tags(parts, |offsets, _| offsets[1] = 1_000),
        &|parts| with_tags(parts, |offsets, _| offsets[0] = 1),
        &|parts| with_tags(parts, |_, codes| codes[0] = 9),
        &|parts| match &mut parts.columns[0] {
            crate::backend::embedded::Column::Integer { present, .. } => drop(present.insert(60)),
            _ => unreachable!("the first column is `count`"),
        },
    ];
    for (number, change) in changes.iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let mut parts = good.clone();
        change(&mut parts);
        save(dir.path(), "things", &schema, &parts).unwrap();
        let result = open(dir.path(), "things", &schema);
        assert!(matches!(result, Err(StorageError::Damaged { .. })), "{number} {result:?}");
    }
}

fn with_tags(parts: &mut Parts, change: impl FnOnce(&mut Vec<u32>, &mut Vec<u32>)) {
    match &mut parts.columns[4] {
        crate::backend::embedded::Column::Keywords { offsets, codes, .. } => change(offsets, codes),
        _ => unreachable!("the fifth column is `tags`"),
    }
}

#[test]
fn a_file_with_changed_bits_or_a_lost_end_never_panics_and_never_gives_other_data() {
    let (dir, schema, parts) = saved();
    let file = dir.path().join(FILE_NAME);
    let whole = fs::read(&file).unwrap();
    let mut random = StdRng::seed_from_u64(2);
    let used: Vec<usize> = (0..whole.len()).filter(|position| whole[*position] != 0).collect();
    let mut refused = 0;
    for round in 0..600 {
        let mut changed = whole.clone();
        match round % 4 {
            // A page somewhere, the header, a cut, and a run of noise.
            0 => changed[used[random.random_range(0..used.len())]] ^= 1 << random.random_range(0..8),
            1 => changed[random.random_range(0..512)] ^= 1 << random.random_range(0..8),
            2 => changed.truncate(random.random_range(0..whole.len())),
            _ => {
                let start = used[random.random_range(0..used.len())];
                let end = (start + random.random_range(1..300)).min(changed.len());
                random.fill(&mut changed[start..end]);
            }
        }
        fs::write(&file, &changed).unwrap();
        match open(dir.path(), "things", &schema) {
            Ok(opened) => assert_same(&opened, &parts),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 100, "{refused}");
}
