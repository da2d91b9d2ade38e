use std::{fs, path::Path, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::{record::Record, testing::record};

const ROOMY: Limits = Limits { segment_bytes: 1 << 30, segment_age: Duration::from_secs(3600), folder_bytes: 1 << 40 };

fn numbered(count: u32) -> impl Iterator<Item = Record> {
    (0..count).map(|repetition| Record { repetition, ..record() })
}

fn all(folder: &Path) -> (Vec<u32>, Skipped) {
    let mut reader = read(&[folder]).unwrap();
    let found = reader.by_ref().map(|record| record.repetition).collect();
    (found, reader.skipped().clone())
}

/// One segment with `frames` frames of `each` records.
fn written(folder: &Path, frames: u32, each: u32) -> std::path::PathBuf {
    let mut writer = SegmentWriter::open(folder, ROOMY).unwrap();
    for (place, record) in numbered(frames * each).enumerate() {
        writer.append(&record).unwrap();
        if (place as u32 + 1).is_multiple_of(each) {
            writer.flush().unwrap();
        }
    }
    writer.current().unwrap().to_owned()
}

#[test]
fn what_was_appended_is_read_in_order() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 3, 4);
    written(folder.path(), 1, 2);
    assert_eq!(all(folder.path()), ((0..12).chain(0..2).collect(), Skipped::default()));
}

#[test]
fn a_crash_loses_the_last_frame_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), 3, 4);
    let whole = fs::read(&path).unwrap();
    let mut least = 12;
    for cut in (1..whole.len()).rev() {
        fs::write(&path, &whole[..cut]).unwrap();
        let (found, skipped) = all(folder.path());
        assert_eq!(found, (0..found.len() as u32).collect::<Vec<_>>());
        assert!(found.len() <= least, "fewer bytes give more records");
        least = found.len();
        // A cut between frames cannot be told from a shorter log.
        assert!(skipped.damaged.len() == 1 || found.len().is_multiple_of(4));
        // All but the frame that was cut: 12 records are 3 frames of about a third of the bytes each.
        let frames = cut * 3 / whole.len();
        assert!(found.len() + 4 >= frames.saturating_sub(1) * 4);
    }
    assert_eq!(least, 0);
}

#[test]
fn a_full_or_old_segment_is_followed_by_another_and_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { segment_bytes: 1, segment_age: Duration::from_secs(3600), folder_bytes: 4_000 };
    let mut writer = SegmentWriter::open(folder.path(), limits).unwrap();
    for record in numbered(60) {
        writer.append(&record).unwrap();
        writer.flush().unwrap();
        let bytes: u64 = segments(folder.path()).unwrap().iter().map(|path| fs::metadata(path).unwrap().len()).sum();
        assert!(bytes <= limits.folder_bytes, "{bytes} bytes");
    }
    let (found, skipped) = all(folder.path());
    assert!(skipped.is_empty());
    assert_eq!(*found.last().unwrap(), 59);
    assert!(found.len() > 1 && found.len() < 60 && found.is_sorted(), "{found:?}");

    let folder = tempfile::tempdir().unwrap();
    let aged = Limits { segment_age: Duration::ZERO, ..ROOMY };
    let mut writer = SegmentWriter::open(folder.path(), aged).unwrap();
    for record in numbered(3) {
        writer.append(&record).unwrap();
        writer.flush().unwrap();
    }
    assert_eq!(segments(folder.path()).unwrap().len(), 3);
}

#[test]
fn other_versions_other_features_and_garbage_are_counted_and_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.jsonl");
    let mut text = String::new();
    for changed in [
        record(),
        Record { v: 9, ..record() },
        Record { schema: "00".into(), ..record() },
        Record { ranked_us: f64::NAN, ..record() },
    ] {
        text += &serde_json::to_string(&changed).unwrap();
        text += "\n";
    }
    text += "{\"v\": 2, \"all\": \"new\"}\n\n{}\n\u{0}\n[1]\n";
    text += &"x".repeat(LONGEST_LINE + 1);
    text += "\n";
    text += &serde_json::to_string(&record()).unwrap();
    text += "\n{\"v\": 1, \"sch";
    fs::write(&path, text).unwrap();
    let mut reader = read(&[&path]).unwrap();
    assert_eq!(reader.by_ref().count(), 2);
    let skipped = reader.skipped();
    assert_eq!((skipped.other_version, skipped.other_schema), (2, 1));
    assert_eq!((skipped.garbage, skipped.too_long), (5, 1));
    assert_eq!(skipped.damaged, [path]);
}

#[test]
fn a_bomb_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queries-0000000000001.jsonl.zst");
    let mut encoder = zstd::Encoder::new(fs::File::create(&path).unwrap(), 19).unwrap();
    let zeros = vec![b'\n'; 1 << 20];
    for _ in 0..512 {
        std::io::Write::write_all(&mut encoder, &zeros).unwrap();
    }
    encoder.finish().unwrap();
    let (found, skipped) = all(folder.path());
    assert!(found.is_empty());
    assert_eq!(skipped.bombs, std::slice::from_ref(&path));
    // It was given up long before its 2²⁹ lines.
    assert!(skipped.garbage < 100 << 20, "{} lines", skipped.garbage);

    // A window of 128 MiB is not even tried.
    let mut encoder = zstd::Encoder::new(fs::File::create(&path).unwrap(), 1).unwrap();
    encoder.window_log(27).unwrap();
    std::io::Write::write_all(&mut encoder, &serde_json::to_vec(&record()).unwrap()).unwrap();
    std::io::Write::write_all(&mut encoder, b"\n").unwrap();
    encoder.finish().unwrap();
    assert_eq!(all(folder.path()).1.damaged, [path]);
}

#[test]
fn a_folder_that_is_missing_is_an_error_and_an_empty_one_an_empty_log() {
    let folder = tempfile::tempdir().unwrap();
    assert!(all(folder.path()).0.is_empty());
    let error = read(&[folder.path().join("none")]).err().unwrap().to_string();
    assert!(error.contains("none"), "{error}");
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), at in 0usize..2000) {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path(), 2, 2);
        let mut damaged = fs::read(&path).unwrap();
        let at = at.min(damaged.len());
        let end = (at + bytes.len()).min(damaged.len());
        damaged.splice(at..end, bytes.iter().copied());
        fs::write(&path, &damaged).unwrap();
        let (found, _) = all(folder.path());
        prop_assert!(found.iter().all(|&repetition| repetition < 4));
    }
}
