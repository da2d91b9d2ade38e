//! A load that ends early leaves what was there before: this very test program is started again as the victim.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{
    super::{StorageError, file, open, save, write},
    data::{assert_same, parts, schema},
};
use crate::{backend::embedded::Parts, catalog::CollectionSchema, value::IdType};

/// Tells the victim where to write; without it the victim does nothing.
const VICTIM_DIR: &str = "FOREBAY_TEST_VICTIM_DIR";

fn versions() -> (CollectionSchema, [Parts; 2]) {
    (schema(IdType::Integer, 64), [1, 2].map(|seed| parts(IdType::Integer, 4_000, 64, seed)))
}

fn start_victim(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "backend::embedded::storage::tests::killed::victim"])
        .env(VICTIM_DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Saves one version after the other until it is killed. Part of the next test.
#[test]
fn victim() {
    let Some(dir) = std::env::var_os(VICTIM_DIR) else { return };
    let (schema, versions) = versions();
    println!("\nready");
    for version in versions.iter().cycle() {
        save(Path::new(&dir), "things", &schema, version).unwrap();
    }
}

#[test]
fn a_load_that_is_killed_at_any_time_leaves_one_whole_version() {
    let (schema, versions) = versions();
    let dir = tempfile::tempdir().unwrap();
    let mut random = StdRng::seed_from_u64(5);
    let mut opened_versions = 0;
    let mut longest = 120;
    for round in 0..20 {
        if round >= 12 {
            // A slow machine may not have come to the end of any load yet.
            if opened_versions > 0 {
                break;
            }
            longest *= 2;
        }
        let mut victim = start_victim(dir.path());
        // Whatever was killed before, the next load finds a directory that it can use.
        let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "ready"));
        std::thread::sleep(Duration::from_millis(random.random_range(0..longest)));
        assert!(victim.try_wait().unwrap().is_none(), "round {round}: the victim ended by itself");
        victim.kill().unwrap();
        victim.wait().unwrap();
        match open(dir.path(), "things", &schema) {
            Ok(opened) => {
                let version = versions.iter().find(|version| version.vectors[0].values == opened.vectors[0].values);
                assert_same(&opened, version.expect("one of the two versions"));
                opened_versions += 1;
            }
            // Only before the first load was done.
            Err(StorageError::Missing(_)) if opened_versions == 0 => {}
            Err(error) => panic!("round {round}: {error}"),
        }
    }
    assert!(opened_versions > 0);
}

#[test]
fn a_transaction_that_is_not_committed_changes_nothing() {
    let (schema, [first, second]) = versions();
    let dir = tempfile::tempdir().unwrap();
    save(dir.path(), "things", &schema, &first).unwrap();
    let database = file::open_for_writing(&file::existing(dir.path()).unwrap()).unwrap();
    let transaction = database.begin_write().unwrap();
    write(&transaction, "things", &schema, &second).unwrap();
    drop(transaction);
    drop(database);
    assert_same(&open(dir.path(), "things", &schema).unwrap(), &first);
}

/// The state on disk while a load is at work, as a power cut would leave it.
#[test]
fn a_copy_of_the_file_from_the_middle_of_a_load_opens_with_the_old_data() {
    let (schema, [first, second]) = versions();
    let [dir, copy] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    save(dir.path(), "things", &schema, &first).unwrap();
    let path = file::existing(dir.path()).unwrap();
    let database = file::open_for_writing(&path).unwrap();
    let mut transaction = database.begin_write().unwrap();
    transaction.set_quick_repair(true);
    write(&transaction, "things", &schema, &second).unwrap();
    fs::copy(&path, copy.path().join(super::super::FILE_NAME)).unwrap();
    assert_same(&open(copy.path(), "things", &schema).unwrap(), &first);
    transaction.commit().unwrap();
    drop(database);
    assert_same(&open(dir.path(), "things", &schema).unwrap(), &second);
}
