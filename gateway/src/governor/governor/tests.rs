use proptest::prelude::*;

use super::*;

const THRESHOLDS: Thresholds = Thresholds { shed_at: 0.85, emergency_at: 0.90 };
const LIMIT: u64 = 1_000_000;

/// A governor with a clock that is turned by hand.
struct Clocked {
    governor: Governor,
    now: Instant,
}

impl Clocked {
    fn new() -> Self {
        Self { governor: Governor::new(THRESHOLDS), now: Instant::now() }
    }

    /// So many thousandths of the limit are used.
    fn at(&mut self, usage: u64, held: u64) -> Order {
        self.governor.decide(Look { limit: LIMIT, usage: usage * 1_000, held }, self.now)
    }

    fn after(&mut self, milliseconds: u64) -> &mut Self {
        self.now += Duration::from_millis(milliseconds);
        self
    }
}

#[test]
fn below_the_shed_mark_caches_have_what_is_free_below_the_calm_mark() {
    let mut clocked = Clocked::new();
    let order = clocked.at(300, 50_000);
    assert_eq!((order.level, order.change), (Level::Calm, Change::Allow(50_000 + 799_000 - 300_000)));
    assert_eq!(clocked.after(20).at(849, 50_000).change, Change::Allow(50_000), "and never have to give any back");
    assert_eq!(clocked.after(20).at(849, 0).level, Level::Calm);
}

#[test]
fn more_is_freed_in_an_emergency_and_never_more_than_is_held() {
    let mut clocked = Clocked::new();
    let order = clocked.at(850, 400_000);
    assert_eq!((order.level, order.change), (Level::Shed, Change::Free(51_000)));
    assert_eq!(clocked.after(20).at(860, 350_000).change, Change::Keep, "what was freed may not show yet");
    let order = clocked.after(20).at(900, 350_000);
    assert_eq!((order.level, order.change), (Level::Emergency, Change::Free(101_000)));
    let order = clocked.after(40).at(900, 40_000);
    assert_eq!((order.level, order.change), (Level::Emergency, Change::Free(40_000)));
    assert_eq!(clocked.after(40).at(990, 0).change, Change::Keep, "there is nothing left");
}

#[test]
fn memory_that_is_not_given_back_costs_everything_that_is_held_in_the_end() {
    for (usage, looks) in [(860, 100), (910, 25)] {
        let (mut clocked, mut held) = (Clocked::new(), 100_000_000_u64);
        for _ in 0..looks * 16 {
            if let Change::Free(bytes) = clocked.after(25).at(usage, held).change {
                held -= bytes;
            }
        }
        assert_eq!(held, 0, "at {usage}");
    }
}

#[test]
fn an_emergency_is_over_below_the_shed_mark_and_calm_comes_after_a_quiet_time() {
    let mut clocked = Clocked::new();
    clocked.at(950, 0);
    assert_eq!(clocked.after(100).at(880, 0).level, Level::Emergency);
    assert_eq!(clocked.after(100).at(840, 0).level, Level::Shed);
    assert_eq!(clocked.after(100).at(790, 0).level, Level::Shed);
    assert_eq!(clocked.after(900).at(790, 0).level, Level::Shed);
    assert_eq!(clocked.after(50).at(800, 0).level, Level::Shed, "that was too early: the quiet time begins anew");
    assert_eq!(clocked.after(50).at(790, 0).level, Level::Shed);
    assert_eq!(clocked.after(1_000).at(790, 0).level, Level::Calm);
}

#[test]
fn what_a_process_needs_below_the_shed_mark_stops_no_batch_work_for_good() {
    let mut clocked = Clocked::new();
    clocked.at(860, 0);
    assert_eq!(clocked.after(25).at(820, 0).level, Level::Shed);
    assert_eq!(clocked.after(9_000).at(820, 0).level, Level::Shed);
    assert_eq!(clocked.after(1_000).at(820, 0).level, Level::Calm);
}

#[test]
fn caches_get_their_room_back_bit_by_bit() {
    let mut clocked = Clocked::new();
    clocked.at(860, 100_000);
    clocked.after(25).at(299, 10_000);
    assert_eq!(clocked.after(1_000).at(299, 10_000).level, Level::Calm);
    let mut allowed = Vec::new();
    for _ in 0..12 {
        let Change::Allow(bytes) = clocked.after(1_000).at(299, 10_000).change else { panic!("it is calm") };
        allowed.push(bytes);
    }
    assert!(allowed[..9].windows(2).all(|pair| pair[0] < pair[1]), "{allowed:?}");
    assert!(allowed[0] < 200_000, "{allowed:?}");
    assert_eq!(allowed[11], 510_000);
}

#[test]
fn looks_are_closer_together_where_it_gets_tight() {
    let mut clocked = Clocked::new();
    let pauses = [100, 750, 880].map(|usage| clocked.after(1).at(usage, 0).again);
    assert!(pauses[0] > pauses[1] && pauses[1] > pauses[2], "{pauses:?}");
}

/// Steps of time in milliseconds, use in thousandths, bytes held.
fn looks() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
    proptest::collection::vec((1_u64..2_000, 0_u64..1_100, 0_u64..2_000_000), 1..200)
}

proptest! {
    #[test]
    fn no_order_is_larger_than_what_is_held_or_empty(looks in looks()) {
        let mut clocked = Clocked::new();
        for (step, usage, held) in looks {
            match clocked.after(step).at(usage, held).change {
                Change::Keep => {}
                Change::Free(bytes) => prop_assert!((1..=held).contains(&bytes)),
                Change::Allow(bytes) => prop_assert!((held..=held + LIMIT).contains(&bytes)),
            }
        }
    }

    #[test]
    fn whatever_was_it_is_calm_again_soon_after_use_has_fallen(looks in looks(), usage in 0_u64..799) {
        let mut clocked = Clocked::new();
        for (step, usage, held) in looks {
            clocked.after(step).at(usage, held);
        }
        clocked.after(25).at(usage, 0);
        prop_assert_eq!(clocked.after(1_000).at(usage, 0).level, Level::Calm);
    }

    #[test]
    fn use_that_dances_around_a_mark_changes_the_level_once(usages in proptest::collection::vec(810_u64..880, 2..300)) {
        let mut clocked = Clocked::new();
        let levels: Vec<_> = usages.into_iter().map(|usage| clocked.after(25).at(usage, 9_000).level).collect();
        let changes = levels.windows(2).filter(|pair| pair[0] != pair[1]).count();
        prop_assert!(changes <= 1, "{:?}", levels);
    }

    #[test]
    fn a_level_above_calm_lasts_a_second_at_least(looks in looks()) {
        let (mut clocked, mut rose) = (Clocked::new(), None);
        for (step, usage, held) in looks {
            match (clocked.after(step % 100).at(usage, held).level, rose) {
                (Level::Calm, Some(since)) => {
                    prop_assert!(clocked.now.duration_since(since) >= QUIET);
                    rose = None;
                }
                (Level::Shed | Level::Emergency, None) => rose = Some(clocked.now),
                _ => {}
            }
        }
    }

    /// A process whose cache costs a fifth more than it counts, with queries that come and go, and memory that is given back
    /// some looks late.
    #[test]
    fn a_cache_that_obeys_keeps_the_process_below_its_limit_and_is_full_again_afterwards(
        balloons in proptest::collection::vec(0_u64..550_000, 1..12),
        late in 0_usize..3,
    ) {
        let mut clocked = Clocked::new();
        let (mut held, mut cap, mut base) = (0_u64, u64::MAX, 100_000_u64);
        let mut resident = vec![0_u64; late + 1];
        for balloon in balloons.into_iter().chain([0]) {
            for _ in 0..1_200 {
                // Both grow by two percent of the limit between two looks at the most.
                base = if base < 100_000 + balloon { base + 10_000 } else { base.saturating_sub(10_000).max(100_000) };
                held = (held + 10_000).min(cap.max(held));
                resident.remove(0);
                resident.push(base + held * 6 / 5);
                let usage = *resident.iter().max().unwrap();
                prop_assert!(usage < LIMIT, "{usage} with {held} held");
                let now = clocked.after(25).now;
                let order = clocked.governor.decide(Look { limit: LIMIT, usage, held }, now);
                match order.change {
                    Change::Keep => {}
                    Change::Free(bytes) => {
                        held -= bytes;
                        cap = held;
                    }
                    Change::Allow(bytes) => cap = bytes,
                }
            }
        }
        prop_assert!(held * 6 / 5 + 100_000 > 700_000, "{held} of what may be 580,000");
        prop_assert_eq!(clocked.governor.level, Level::Calm);
    }
}
