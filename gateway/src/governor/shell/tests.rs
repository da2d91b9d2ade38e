use std::{
    fs,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
};

use super::*;
use crate::governor::LimitSource;

const MIB: u64 = 1 << 20;

/// A process made of files, with two caches and a clock that is turned by hand.
struct World {
    root: tempfile::TempDir,
    shell: Shell,
    caches: [Arc<Double>; 2],
    now: Instant,
}

/// Something that holds bytes and remembers what it was told.
struct Double {
    name: &'static str,
    memory: Arc<Memory>,
    held: AtomicU64,
    allowed: AtomicU64,
    refuses: AtomicBool,
    /// Batch work ran on while it was shed.
    too_early: AtomicBool,
}

impl Sheddable for Double {
    fn name(&self) -> &'static str {
        self.name
    }

    fn held(&self) -> u64 {
        self.held.load(SeqCst)
    }

    fn most(&self) -> u64 {
        100 * MIB
    }

    fn shed(&self, bytes: u64) -> u64 {
        self.too_early.fetch_or(self.memory.level() == Level::Calm, SeqCst);
        let freed = bytes.min(self.held());
        self.held.fetch_sub(freed, SeqCst);
        freed
    }

    fn allow(&self, bytes: u64) {
        self.allowed.store(bytes, SeqCst);
    }

    fn refuse(&self, refuse: bool) {
        self.refuses.store(refuse, SeqCst);
    }
}

impl World {
    /// A process that may have 1,000 MiB, of which its caches hold so much.
    fn with(held: [u64; 2]) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("proc/self")).unwrap();
        set_ram(&root, 1_000);
        set_resident(&root, 100);
        let memory = Arc::<Memory>::default();
        let mut names = ["first", "second"].into_iter();
        let caches = held.map(|held| {
            Arc::new(Double {
                name: names.next().unwrap(),
                memory: memory.clone(),
                held: (held * MIB).into(),
                allowed: 0.into(),
                refuses: false.into(),
                too_early: false.into(),
            })
        });
        let sheddable = caches.each_ref().map(|cache| Arc::clone(cache) as Arc<dyn Sheddable>);
        let config = MemoryConfig::default();
        let shell = Shell::new(root.path().to_owned(), &config, memory, sheddable.into()).unwrap();
        Self { root, shell, caches, now: Instant::now() }
    }

    fn look_at(&mut self, resident: u64) -> Duration {
        set_resident(&self.root, resident);
        self.now += Duration::from_secs(1);
        self.shell.look(self.now)
    }

    fn held(&self) -> [u64; 2] {
        self.caches.each_ref().map(|cache| cache.held() / MIB)
    }
}

fn set_ram(root: &tempfile::TempDir, mib: u64) {
    fs::write(root.path().join("proc/meminfo"), format!("MemTotal: {} kB\n", mib << 10)).unwrap();
}

fn set_resident(root: &tempfile::TempDir, mib: u64) {
    let status = format!("VmSize: {} kB\nVmRSS: {} kB\n", mib << 11, mib << 10);
    fs::write(root.path().join("proc/self/status"), status).unwrap();
}

#[test]
fn the_least_valuable_goes_first_and_batch_work_pauses_before() {
    let mut world = World::with([30, 300]);
    world.look_at(700);
    assert!(!world.shell.memory.refuses_batch());
    world.look_at(860);
    // 61 MiB are to go.
    assert_eq!(world.held(), [0, 269]);
    assert!(world.shell.memory.refuses_batch());
    assert!(world.caches.iter().all(|cache| !cache.too_early.load(SeqCst) && !cache.refuses.load(SeqCst)));
    let snapshot = world.shell.memory.snapshot();
    assert_eq!((snapshot.level, snapshot.usage, snapshot.refused), (Level::Shed, 860 * MIB, 1));
    assert_eq!(snapshot.shed[0], ("first", 30 * MIB));
    assert_eq!(snapshot.shed[1].1.div_ceil(MIB), 31);
}

#[test]
fn in_an_emergency_nothing_is_taken_and_when_it_is_over_all_is_as_before() {
    let mut world = World::with([30, 300]);
    world.look_at(920);
    let refuse = |world: &World| world.caches.each_ref().map(|cache| cache.refuses.load(SeqCst));
    assert_eq!(refuse(&world), [true, true]);
    world.look_at(500);
    assert_eq!(refuse(&world), [false, false]);
    for _ in 0..12 {
        world.look_at(500);
    }
    assert!(!world.shell.memory.refuses_batch());
    // Half of what is free below the calm mark each, since they are configured alike.
    let held = world.caches.each_ref().map(|cache| (cache.allowed.load(SeqCst) - cache.held()) / MIB);
    assert_eq!(held, [149, 149]);
}

#[test]
fn a_limit_that_changes_is_noticed() {
    let mut world = World::with([0, 300]);
    world.look_at(500);
    assert_eq!(world.held(), [0, 300]);
    set_ram(&world.root, 500);
    for _ in 0..6 {
        world.look_at(500);
    }
    assert_eq!(world.shell.memory.snapshot().limit, Some(Limit { bytes: 500 * MIB, source: LimitSource::Ram }));
    assert!(world.held()[1] < 300);
}

#[test]
fn use_that_cannot_be_read_for_once_is_as_it_was() {
    let mut world = World::with([0, 300]);
    world.look_at(500);
    fs::remove_file(world.root.path().join("proc/self/status")).unwrap();
    world.shell.look(world.now + Duration::from_secs(1));
    assert_eq!(world.shell.memory.snapshot().usage, 500 * MIB);
    assert_eq!(world.held(), [0, 300]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_watch_looks_and_ends_with_its_value() {
    let memory = Arc::<Memory>::default();
    let watch = Watch::start(&MemoryConfig::default(), memory.clone(), Vec::new());
    while memory.snapshot().usage == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(watch);
    assert_eq!(Arc::strong_count(&memory), 1, "its thread is gone");
}
