//! Tags and epochs: names for the data that entries depend on, and a counter per tag that a change bumps.
//!
//! Counters live in a fixed table that tags are hashed into. Two tags may share a counter; then a bump of one also
//! discards entries of the other, which costs a miss and is never wrong. So the table never grows, whatever tags come.
//!
//! A table has an *incarnation*: epochs of two incarnations cannot be compared, so a stamp of another one is never
//! current. A gateway alone has a table of its own; gateways that share tiers follow one table, and trust their copy only
//! for as long as they know that they have heard of every bump ([`Epochs::renew`]).

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use smallvec::SmallVec;

use crate::value::EntityId;

/// Counters in the table. At 8 bytes each: 512 KiB.
pub const SLOTS: usize = 1 << 16;

/// The incarnation of a table whose epochs are not known. No stamp of it is ever current.
const UNKNOWN: u64 = 0;

/// A name for data that an entry depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Tag {
    /// All of a collection.
    Collection(Arc<str>),
    /// A tenant's part of a collection.
    Tenant(Arc<str>, Arc<str>),
    /// One entity of a collection.
    Entity(Arc<str>, EntityId),
}

impl fmt::Display for Tag {
    /// The form in `Cache-Groups` and in purge requests.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Collection(collection) => f.write_str(collection),
            Self::Tenant(collection, tenant) => write!(f, "{collection};tenant={tenant}"),
            Self::Entity(collection, id) => write!(f, "{collection};id={id}"),
        }
    }
}

/// A whole table as it is shared or kept: counters that are not named are 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EpochTable {
    /// Which table; 0 is none.
    pub incarnation: u64,
    /// The epoch of everything.
    pub all: u64,
    /// Slots and their epochs.
    pub slots: Vec<(u16, u64)>,
}

/// The counters.
pub struct Epochs {
    incarnation: AtomicU64,
    /// Bumped to distrust everything.
    all: AtomicU64,
    /// Bumps of any kind so far; counted before they are made.
    moves: AtomicU64,
    /// The same, counted when they have been made.
    made: AtomicU64,
    slots: Box<[AtomicU64]>,
    /// Serialises changes of incarnation.
    adopting: Mutex<()>,
    /// What the two times below count from.
    origin: Instant,
    /// Every bump until then has been heard of, in nanoseconds.
    known_until: AtomicU64,
    /// Nobody counts a bump as acknowledged before then without this gateway's word, in nanoseconds.
    leased_until: AtomicU64,
    /// Whoever counts bumps is known to be out of reach until then, in nanoseconds.
    away_until: AtomicU64,
}

/// What an entry remembers: the epochs of its tags before its query ran. It may be admitted, and later served, only while
/// none has moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Of which table.
    pub incarnation: u64,
    /// The epoch of everything.
    pub all: u64,
    /// The slots of its tags and their epochs.
    pub slots: SmallVec<[(u16, u64); 4]>,
}

/// When a stamp was last found to be current, by the bumps that had been made until then.
#[derive(Debug)]
pub struct FoundCurrent(AtomicU64);

impl Default for FoundCurrent {
    /// Never.
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

impl Default for Epochs {
    /// The table of a gateway that shares nothing. It hears of every bump.
    fn default() -> Self {
        let epochs = Self::shared();
        // Not 0, and no other gateway's.
        epochs.incarnation.store(rand::random::<u64>() | 1, Ordering::Release);
        epochs.known_until.store(u64::MAX, Ordering::Release);
        epochs.leased_until.store(u64::MAX, Ordering::Release);
        epochs
    }
}

impl Epochs {
    /// The copy of a shared table, of which nothing is known yet.
    pub fn shared() -> Self {
        Self {
            incarnation: AtomicU64::new(UNKNOWN),
            all: AtomicU64::new(0),
            moves: AtomicU64::new(0),
            made: AtomicU64::new(0),
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            adopting: Mutex::new(()),
            origin: Instant::now(),
            known_until: AtomicU64::new(0),
            leased_until: AtomicU64::new(0),
            away_until: AtomicU64::new(0),
        }
    }

    /// The slot of a tag.
    pub fn slot(tag: &str) -> u16 {
        let digest = blake3::hash(tag.as_bytes());
        u16::from_le_bytes(digest.as_bytes()[..2].try_into().expect("two bytes"))
    }

    /// The epochs of these tags as they are now. Take it *before* reading the data.
    pub fn stamp<'a>(&self, tags: impl IntoIterator<Item = &'a str>) -> Stamp {
        let incarnation = self.incarnation.load(Ordering::Acquire);
        let slots = tags.into_iter().map(Self::slot).map(|slot| (slot, self.of(slot))).collect();
        let all = self.all.load(Ordering::Acquire);
        // Where another table was adopted in between, these are epochs of two.
        let same = self.incarnation.load(Ordering::Acquire) == incarnation;
        Stamp { incarnation: if same { incarnation } else { UNKNOWN }, all, slots }
    }

    fn of(&self, slot: u16) -> u64 {
        self.slots[usize::from(slot)].load(Ordering::Acquire)
    }

    /// Whether no tag of a stamp has moved since, as far as is known here.
    pub fn is_current(&self, stamp: &Stamp) -> bool {
        let incarnation = self.incarnation.load(Ordering::Acquire);
        incarnation != UNKNOWN
            && incarnation == stamp.incarnation
            && self.all.load(Ordering::Acquire) == stamp.all
            && stamp.slots.iter().all(|&(slot, epoch)| self.of(slot) == epoch)
    }

    /// [`Epochs::is_current`], for somebody who asks often: while nothing at all has moved since it was found to be so, the
    /// counters of its tags, which are cold as a rule, are not read again.
    pub fn is_still_current(&self, stamp: &Stamp, found: &FoundCurrent) -> bool {
        // Read before the counters: a change that they do not show yet is counted later than this, and is looked for again then.
        let made = self.made.load(Ordering::Acquire);
        if found.0.load(Ordering::Relaxed) == made {
            return true;
        }
        let current = self.is_current(stamp);
        if current {
            found.0.store(made, Ordering::Relaxed);
        }
        current
    }

    /// How many bumps there were. While it stays, no stamp moves.
    pub fn moves(&self) -> u64 {
        self.moves.load(Ordering::Acquire)
    }

    /// The data behind a tag has changed. For a table that nobody shares.
    pub fn bump(&self, tag: &str) {
        self.bump_slot(Self::slot(tag));
    }

    /// The data behind the tags of a slot has changed. For a table that nobody shares.
    pub fn bump_slot(&self, slot: u16) {
        // First, so that whoever takes a stamp after the bump also sees that there was one.
        self.moves.fetch_add(1, Ordering::AcqRel);
        self.slots[usize::from(slot)].fetch_add(1, Ordering::AcqRel);
        self.made.fetch_add(1, Ordering::AcqRel);
    }

    /// Any data may have changed. For a table that nobody shares.
    pub fn bump_all(&self) {
        self.moves.fetch_add(1, Ordering::AcqRel);
        self.all.fetch_add(1, Ordering::AcqRel);
        self.made.fetch_add(1, Ordering::AcqRel);
    }

    /// A slot of the shared table has this epoch, or a later one.
    pub fn advance(&self, incarnation: u64, slot: u16, epoch: u64) {
        self.raise(incarnation, &self.slots[usize::from(slot)], epoch);
    }

    /// The epoch of everything is this one, or a later one.
    pub fn advance_all(&self, incarnation: u64, epoch: u64) {
        self.raise(incarnation, &self.all, epoch);
    }

    fn raise(&self, incarnation: u64, counter: &AtomicU64, epoch: u64) {
        let _adopting = self.adopting.lock().unwrap_or_else(PoisonError::into_inner);
        // Word of a table that is gone says nothing of this one.
        if self.incarnation.load(Ordering::Acquire) == incarnation && counter.load(Ordering::Acquire) < epoch {
            self.moves.fetch_add(1, Ordering::AcqRel);
            counter.store(epoch, Ordering::Release);
            self.made.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Takes over a whole table. Of the same incarnation, what is further here stays.
    pub fn adopt(&self, table: &EpochTable) {
        let _adopting = self.adopting.lock().unwrap_or_else(PoisonError::into_inner);
        self.moves.fetch_add(1, Ordering::AcqRel);
        if self.incarnation.load(Ordering::Acquire) != table.incarnation {
            // Nothing is current until the whole table is there.
            self.incarnation.store(UNKNOWN, Ordering::Release);
            self.all.store(0, Ordering::Release);
            self.slots.iter().for_each(|slot| slot.store(0, Ordering::Release));
        }
        self.all.fetch_max(table.all, Ordering::AcqRel);
        for &(slot, epoch) in &table.slots {
            self.slots[usize::from(slot)].fetch_max(epoch, Ordering::AcqRel);
        }
        self.incarnation.store(table.incarnation, Ordering::Release);
        self.made.fetch_add(1, Ordering::AcqRel);
    }

    /// The table as it is.
    pub fn table(&self) -> EpochTable {
        let _adopting = self.adopting.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = (0..=u16::MAX).map(|slot| (slot, self.of(slot))).filter(|(_, epoch)| *epoch != 0).collect();
        EpochTable {
            incarnation: self.incarnation.load(Ordering::Acquire),
            all: self.all.load(Ordering::Acquire),
            slots,
        }
    }

    /// Every bump that was counted before `known` has been heard of, and no bump is acknowledged before `until` unless this
    /// gateway has heard of it.
    pub fn renew(&self, known: Instant, until: Instant) {
        self.known_until.fetch_max(self.nanos(known), Ordering::AcqRel);
        self.leased_until.store(self.nanos(until), Ordering::Release);
        self.away_until.store(0, Ordering::Release);
    }

    /// Whoever counts bumps was asked since the lease ended, and could not be reached; it is asked again before `until`.
    pub fn set_away(&self, until: Instant) {
        self.away_until.store(self.nanos(until), Ordering::Release);
    }

    /// Gives up the lease: from now on there may be bumps that were acknowledged without this gateway.
    pub fn surrender(&self) {
        self.leased_until.store(0, Ordering::Release);
    }

    /// Whether every bump is known of at this moment, or is not acknowledged yet.
    pub fn is_leased(&self, now: Instant) -> bool {
        let until = self.leased_until.load(Ordering::Acquire);
        until == u64::MAX || self.nanos(now) < until
    }

    /// How old the knowledge about an entry is that was made at `created`: nothing while there is a lease, else the time
    /// since every bump was known, or since it was made, whichever is less. A process that has slept through the end of its
    /// lease knows nothing at all until it has asked: that whoever counts bumps is out of reach is the only reason to go on
    /// without.
    pub fn uncertainty(&self, created: Instant, now: Instant) -> Duration {
        if self.is_leased(now) {
            return Duration::ZERO;
        }
        if self.nanos(now) >= self.away_until.load(Ordering::Acquire) {
            return Duration::MAX;
        }
        let known = self.known_until.load(Ordering::Acquire).max(self.nanos(created));
        Duration::from_nanos(self.nanos(now).saturating_sub(known))
    }

    /// In nanoseconds since the table was made; 580 years fit.
    fn nanos(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.origin).as_nanos() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bump_outdates_the_stamps_of_its_tag_and_no_others() {
        let epochs = Epochs::default();
        let (of_a, of_b, of_both) = (epochs.stamp(["a"]), epochs.stamp(["b"]), epochs.stamp(["a", "b"]));
        epochs.bump("a");
        assert!(!epochs.is_current(&of_a) && epochs.is_current(&of_b) && !epochs.is_current(&of_both));
        assert!(epochs.is_current(&epochs.stamp(["a"])), "a stamp taken afterwards is current");
        epochs.bump_all();
        assert!(!epochs.is_current(&of_b));
    }

    #[test]
    fn a_stamp_that_was_found_current_is_looked_at_again_after_whatever_moved() {
        let entry = |epochs: &Epochs| (epochs.stamp(["a"]), FoundCurrent::default());
        let moves: [fn(&Epochs, u64); 6] = [
            |epochs, _| epochs.bump("b"),
            |epochs, _| epochs.bump("a"),
            |epochs, _| epochs.bump_all(),
            |epochs, incarnation| epochs.advance(incarnation, Epochs::slot("a"), 99),
            |epochs, incarnation| epochs.advance_all(incarnation, 99),
            |epochs, incarnation| epochs.adopt(&EpochTable { incarnation: incarnation ^ 2, all: 0, slots: vec![] }),
        ];
        for (index, moves) in moves.into_iter().enumerate() {
            let epochs = Epochs::default();
            let (stamp, found) = entry(&epochs);
            assert!((0..3).all(|_| epochs.is_still_current(&stamp, &found)));
            moves(&epochs, stamp.incarnation);
            assert_eq!(epochs.is_still_current(&stamp, &found), index == 0, "{index}");
            assert_eq!(epochs.is_still_current(&stamp, &found), epochs.is_current(&stamp), "{index}");
        }
    }

    #[test]
    fn a_bump_that_has_been_made_is_seen_by_everybody_who_had_found_a_stamp_current() {
        let epochs = Epochs::default();
        for _ in 0..200 {
            let (stamp, found) = (epochs.stamp(["a"]), FoundCurrent::default());
            std::thread::scope(|scope| {
                let (epochs, stamp, found) = (&epochs, &stamp, &found);
                for _ in 0..2 {
                    scope.spawn(move || while epochs.is_still_current(stamp, found) {});
                }
                scope.spawn(move || epochs.bump("a"));
            });
            assert!(!epochs.is_still_current(&stamp, &found));
        }
    }

    #[test]
    fn of_a_table_that_is_not_known_nothing_is_current() {
        let epochs = Epochs::shared();
        assert!(!epochs.is_current(&epochs.stamp(["a"])));
        epochs.adopt(&EpochTable { incarnation: 7, all: 1, slots: vec![(Epochs::slot("a"), 3)] });
        let stamp = epochs.stamp(["a"]);
        assert_eq!((stamp.incarnation, stamp.all, stamp.slots[0].1), (7, 1, 3));
        assert!(epochs.is_current(&stamp));
    }

    #[test]
    fn another_incarnation_outdates_everything_even_where_the_numbers_are_the_same() {
        let epochs = Epochs::shared();
        epochs.adopt(&EpochTable { incarnation: 7, all: 1, slots: vec![] });
        let stamp = epochs.stamp(["a"]);
        epochs.adopt(&EpochTable { incarnation: 8, all: 1, slots: vec![] });
        assert!(!epochs.is_current(&stamp));
        epochs.advance(7, Epochs::slot("a"), 9);
        assert_eq!(epochs.stamp(["a"]).slots[0].1, 0, "word of the old table is not heard");
    }

    #[test]
    fn epochs_never_go_back_within_an_incarnation() {
        let epochs = Epochs::shared();
        epochs.adopt(&EpochTable { incarnation: 7, all: 0, slots: vec![(5, 4)] });
        epochs.advance(7, 5, 3);
        epochs.adopt(&EpochTable { incarnation: 7, all: 0, slots: vec![(5, 2)] });
        assert_eq!(epochs.table().slots, [(5, 4)]);
        let moves = epochs.moves();
        epochs.advance(7, 5, 5);
        assert_eq!((epochs.table().slots, epochs.moves()), (vec![(5, 5)], moves + 1));
    }

    #[test]
    fn without_a_lease_an_entry_is_as_uncertain_as_the_last_word_or_its_making_whichever_is_later() {
        let second = Duration::from_secs(1);
        let (alone, shared, now) = (Epochs::default(), Epochs::shared(), Instant::now() + 100 * second);
        assert_eq!(alone.uncertainty(now - second, now), Duration::ZERO);
        assert_eq!(shared.uncertainty(now - 3 * second, now), Duration::MAX, "it has not been asked for");
        shared.set_away(now + 10 * second);
        assert_eq!(shared.uncertainty(now - 3 * second, now), 3 * second);
        shared.renew(now - second, now + second);
        assert_eq!(shared.uncertainty(now - 3 * second, now), Duration::ZERO);
        assert_eq!(shared.uncertainty(now - 3 * second, now + second), Duration::MAX, "it may be there");
        shared.set_away(now + 10 * second);
        assert_eq!(shared.uncertainty(now - 3 * second, now + second), 2 * second);
        assert_eq!(shared.uncertainty(now, now + second), second);
        shared.surrender();
        assert_eq!(shared.uncertainty(now - 3 * second, now), second);
        assert_eq!(shared.uncertainty(now - 3 * second, now + 10 * second), Duration::MAX, "nobody has asked for long");
    }
}
