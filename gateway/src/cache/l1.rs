//! Tier 1: this process' memory. Whole answers as ready-to-send bytes, and stages, in one cache weighed in bytes that lets
//! go of what saves least for its size.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    Digest, ETag, Epochs, FoundCurrent, Groups, LookupOutcome, RankedList, Stage, Stamp, StoreOutcome, Validity,
    memory::{Appraise, Bounded, Gdsf, Memory},
    room::Room,
};
use crate::config::L1Config;

/// What an entry costs beside its payload: key, stamp, times, and the cache's own node.
const OVERHEAD: u64 = 192;

/// Lists of one query vector that are kept, each under another filter.
const LISTS_PER_VECTOR: usize = 4;

/// A whole answer.
#[derive(Debug, Clone)]
pub struct StoredAnswer {
    /// The body, ready to send.
    pub body: Bytes,
    /// Its entity tag.
    pub etag: ETag,
    /// Names of the data it depends on.
    pub groups: Groups,
    /// When its query began: its age counts from here.
    pub created: Instant,
    /// What it took to make it.
    pub cost: Duration,
    /// Until when it may be served.
    pub validity: Validity,
}

/// Why there is no fresh answer, and one that is not fresh any more.
#[derive(Debug, Clone)]
pub struct NoneFresh {
    /// Why.
    pub outcome: LookupOutcome,
    /// One whose time to live is over, but which may be served while another is made, or where none can be made.
    pub stale: Option<Box<StaleAnswer>>,
}

impl From<LookupOutcome> for NoneFresh {
    fn from(outcome: LookupOutcome) -> Self {
        Self { outcome, stale: None }
    }
}

enum Payload {
    Answer { body: Bytes, etag: ETag, groups: Groups },
    Stage(Stage),
}

/// An answer whose time to live is over, and what tells whether it still was all that when it is needed.
#[derive(Debug, Clone)]
pub struct StaleAnswer {
    /// It.
    pub answer: StoredAnswer,
    /// The epochs of its tags before its query ran.
    pub stamp: Stamp,
}

struct Entry {
    payload: Payload,
    created: Instant,
    validity: Validity,
    stamp: Stamp,
    found_current: FoundCurrent,
    weight: u64,
    cost: Duration,
}

impl Entry {
    /// The answer that it is, if it is one.
    fn answer(&self) -> Option<StoredAnswer> {
        let Payload::Answer { body, etag, groups } = &self.payload else { return None };
        Some(StoredAnswer {
            body: body.clone(),
            etag: *etag,
            groups: groups.clone(),
            created: self.created,
            cost: self.cost,
            validity: self.validity,
        })
    }

    /// Its stage, if it is one and young enough, and since when that stands.
    fn young_stage(&self, now: Instant, max_staleness: Option<Duration>) -> Option<(Stage, Instant)> {
        let young = max_staleness.is_none_or(|most| now.saturating_duration_since(self.created) <= most);
        match &self.payload {
            Payload::Stage(stage) if young => Some((stage.clone(), self.created)),
            _ => None,
        }
    }
}

struct ByCost;

impl Appraise<Digest, Arc<Entry>> for ByCost {
    fn weight(&self, _: &Digest, entry: &Arc<Entry>) -> u64 {
        entry.weight
    }

    /// A power of the time that it took: between as many hits as possible, and as much time saved as possible.
    fn worth(&self, _: &Digest, entry: &Arc<Entry>) -> f64 {
        (entry.cost.as_secs_f64() * 1e6).max(1.0).powf(WORTH)
    }
}

/// The power of the cost that an entry is worth, by `forebay bench evict`.
pub(crate) const WORTH: f64 = 0.75;

/// The cache in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct L1Statistics {
    /// Entries: answers and stages.
    pub entries: u64,
    /// Memory held by them, in bytes.
    pub bytes: u64,
    /// Most memory allowed now, in bytes.
    pub max_bytes: u64,
}

/// Tier 1.
pub struct L1 {
    entries: Gdsf<Digest, Arc<Entry>, ByCost>,
    epochs: Arc<Epochs>,
    room: Room,
    max_entry: u64,
}

impl L1 {
    /// An empty tier.
    pub fn new(config: &L1Config, epochs: Arc<Epochs>) -> Self {
        let max_entry = config.max_entry_bytes.min(config.max_bytes);
        let entries = Gdsf::new(config.max_bytes, max_entry, ByCost);
        Self { entries, epochs, room: Room::new(config.max_bytes), max_entry }
    }

    /// Looks for a whole answer not older than `max_staleness`. On a hit also the time that it has left.
    pub fn answer(
        &self,
        key: &Digest,
        now: Instant,
        max_staleness: Option<Duration>,
    ) -> Result<(StoredAnswer, Duration), NoneFresh> {
        self.current(key, now, |entry| {
            let Some(answer) = entry.answer() else { return Err(LookupOutcome::Miss.into()) };
            let age = now.saturating_duration_since(answer.created);
            if max_staleness.is_some_and(|most| age > most) {
                return Err(LookupOutcome::TooOld.into());
            }
            let left = answer.validity.fresh_until.saturating_duration_since(now);
            if left.is_zero() {
                let stale = Some(Box::new(StaleAnswer { answer, stamp: entry.stamp.clone() }));
                return Err(NoneFresh { outcome: LookupOutcome::Expired, stale });
            }
            Ok((answer, left))
        })?
    }

    /// Looks for a stage not older than `max_staleness`, and since when it stands. What is made from it is as old.
    pub fn stage(&self, key: &Digest, now: Instant, max_staleness: Option<Duration>) -> Option<(Stage, Instant)> {
        self.current(key, now, Arc::clone).ok()?.young_stage(now, max_staleness)
    }

    /// The same for somebody who only wants to know: it counts as no use, and lets nothing go.
    pub fn peek_stage(&self, key: &Digest, now: Instant, max_staleness: Option<Duration>) -> Option<(Stage, Instant)> {
        let entry = self.entries.peek(key).filter(|entry| self.standing(entry, now).is_ok())?;
        entry.young_stage(now, max_staleness)
    }

    /// What a look-up would say, and the answer that is there even where it would not be served. Neither counts as a use
    /// nor lets anything go.
    pub fn peek(&self, key: &Digest, now: Instant) -> (LookupOutcome, Option<StoredAnswer>) {
        let Some(entry) = self.entries.peek(key) else { return (LookupOutcome::Miss, None) };
        let Some(answer) = entry.answer() else { return (LookupOutcome::Miss, None) };
        let outcome = match self.standing(&entry, now) {
            Err(outcome) => outcome,
            Ok(()) if now >= answer.validity.fresh_until => LookupOutcome::Expired,
            Ok(()) => LookupOutcome::Hit,
        };
        (outcome, Some(answer))
    }

    /// Reads an entry where it is, if it may be used at all. It lets go of one that never may be again.
    fn current<R>(&self, key: &Digest, now: Instant, read: impl FnOnce(&Arc<Entry>) -> R) -> Result<R, LookupOutcome> {
        let usable = |entry: &Arc<Entry>| self.standing(entry, now).map(|()| read(entry));
        let found = self.entries.read(key, usable).unwrap_or(Err(LookupOutcome::Miss));
        if matches!(found, Err(LookupOutcome::Expired | LookupOutcome::Invalidated)) {
            self.entries.remove(key);
        }
        found
    }

    /// Whether an entry may be of use to anybody.
    fn standing(&self, entry: &Entry, now: Instant) -> Result<(), LookupOutcome> {
        if now >= entry.validity.ends() {
            return Err(LookupOutcome::Expired);
        }
        if !self.epochs.is_still_current(&entry.stamp, &entry.found_current) {
            return Err(LookupOutcome::Invalidated);
        }
        if self.epochs.uncertainty(entry.created, now) > entry.validity.grace {
            return Err(LookupOutcome::Uncertain);
        }
        Ok(())
    }

    /// Offers a whole answer whose tags had the epochs of `stamp` before its query ran.
    pub fn admit_answer(&self, key: Digest, answer: StoredAnswer, stamp: &Stamp) -> StoreOutcome {
        let weight = OVERHEAD + (answer.body.len() + answer.groups.weight()) as u64;
        let StoredAnswer { body, etag, groups, created, validity, cost } = answer;
        let payload = Payload::Answer { body, etag, groups };
        self.admit(
            key,
            Entry {
                payload,
                created,
                validity,
                stamp: stamp.clone(),
                found_current: FoundCurrent::default(),
                weight,
                cost,
            },
        )
    }

    /// Offers a stage that was made at `created`, in the time `cost`.
    pub fn admit_stage(
        &self,
        key: Digest,
        stage: Stage,
        cost: Duration,
        created: Instant,
        validity: Validity,
        stamp: &Stamp,
    ) -> StoreOutcome {
        let weight = OVERHEAD + stage.weight() as u64;
        let payload = Payload::Stage(stage);
        self.admit(
            key,
            Entry {
                payload,
                created,
                validity,
                stamp: stamp.clone(),
                found_current: FoundCurrent::default(),
                weight,
                cost,
            },
        )
    }

    /// Offers one more list of a query vector, made at `created` in the time `cost`. Lists that it makes needless go; the oldest goes when there are too many.
    pub fn admit_list(
        &self,
        key: Digest,
        list: RankedList,
        cost: Duration,
        created: Instant,
        validity: Validity,
        stamp: &Stamp,
    ) -> StoreOutcome {
        let entry = self.current(&key, created, Arc::clone).ok();
        let (kept, oldest) = match entry.as_deref() {
            Some(Entry { payload: Payload::Stage(Stage::Lists(lists)), created, validity, .. }) => {
                (&**lists, Some((*created, *validity)))
            }
            _ => (&[][..], None),
        };
        let serves_as_well = |old: &RankedList| {
            list.filter == old.filter
                && (old.exact || !list.exact)
                && (old.exhausted || (!list.exhausted && old.hits.len() >= list.hits.len()))
        };
        if kept.iter().any(serves_as_well) {
            return StoreOutcome::Stored;
        }
        let needed = |old: &&RankedList| {
            list.filter != old.filter
                || (old.exact && !list.exact)
                || (!list.exhausted && old.hits.len() > list.hits.len())
        };
        let kept: Vec<RankedList> = kept.iter().filter(needed).take(LISTS_PER_VECTOR - 1).cloned().collect();
        // One entry, one age: that of its oldest list. Its stamp is the newest: lists whose tags moved in between were
        // dropped by the look-up, so it speaks for all.
        let (created, validity) = match oldest {
            Some(oldest) if !kept.is_empty() && oldest.0 < created => oldest,
            _ => (created, validity),
        };
        let cost = if kept.is_empty() { cost } else { entry.as_ref().map_or(cost, |entry| entry.cost.max(cost)) };
        let lists: Arc<[RankedList]> = std::iter::once(list).chain(kept).collect();
        self.admit_stage(key, Stage::Lists(lists), cost, created, validity, stamp)
    }

    fn admit(&self, key: Digest, entry: Entry) -> StoreOutcome {
        if entry.weight > self.max_entry {
            return StoreOutcome::TooLarge;
        }
        if self.room.refuses() {
            return StoreOutcome::MemoryShort;
        }
        if !self.epochs.is_current(&entry.stamp) {
            return StoreOutcome::Moved;
        }
        self.entries.insert(key, Arc::new(entry));
        StoreOutcome::Stored
    }

    /// The tier in numbers.
    pub fn statistics(&self) -> L1Statistics {
        L1Statistics {
            entries: self.entries.len() as u64,
            bytes: self.entries.weight(),
            max_bytes: self.entries.capacity(),
        }
    }

    /// The most memory that it is configured to hold, in bytes.
    pub fn most(&self) -> u64 {
        self.room.most()
    }

    /// Lets go of at least so many bytes, the least valuable entries first, and does not grow from there until it is allowed to.
    /// Returns how many went.
    pub fn shed(&self, bytes: u64) -> u64 {
        self.room.shed(&self.entries, bytes)
    }

    /// May hold so many bytes, as far as it is configured to.
    pub fn allow(&self, bytes: u64) {
        self.room.allow(&self.entries, bytes);
    }

    /// From now on takes nothing, or does again.
    pub fn refuse(&self, refuse: bool) {
        self.room.refuse(refuse);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.entries.clear();
    }
}
