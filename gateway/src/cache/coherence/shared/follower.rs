//! A gateway that follows the ledger: which bumps it has taken over, and whether it may use its lease. Pure: it is told what
//! was heard and what time it is.

use std::{sync::Arc, time::Instant};

use super::{
    CoherenceStatistics, LEASE, MARGIN,
    clock::SharedClock,
    ledger::{Ledger, Message, Moved, Position, Renewal},
    pending::Pending,
};
use crate::cache::{EpochTable, Epochs, WallTime};

/// The state of a follower.
pub(super) struct Follower {
    epochs: Arc<Epochs>,
    /// Every bump up to there is taken over. `None`: some may have been missed.
    position: Option<Position>,
    /// The epochs are those of a table of its own, since bumps could not be counted in the ledger.
    is_apart: bool,
    pending: Pending,
    /// The incarnation of the last reply, and since when it is known.
    incarnation: Option<(u64, Instant)>,
    pub(super) clock: SharedClock,
    pub(super) statistics: CoherenceStatistics,
}

/// What came of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// It was the next one.
    Next,
    /// It was known.
    Known,
    /// Others are missing before it, or it is of another incarnation: the whole ledger has to be taken over.
    Gap,
}

/// What came of a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renewed {
    /// There is a lease.
    Leased,
    /// Bumps are on their way that have to be taken over first.
    Behind,
    /// The whole ledger has to be taken over first.
    Lost,
    /// The ledger has to begin another incarnation, since times in it cannot be compared any more.
    Stepped,
}

impl Follower {
    pub(super) fn new(epochs: Arc<Epochs>, now: Instant) -> Self {
        Self {
            epochs,
            position: None,
            is_apart: false,
            pending: Pending::default(),
            incarnation: None,
            clock: SharedClock::new(now),
            statistics: CoherenceStatistics::default(),
        }
    }

    /// Up to where it has taken bumps over: what it says with a renewal.
    pub(super) fn position(&self) -> Option<Position> {
        self.position
    }

    /// The incarnation of the last reply.
    pub(super) fn incarnation(&self) -> Option<u64> {
        self.incarnation.map(|(incarnation, _)| incarnation)
    }

    /// A message was heard.
    pub(super) fn hear(&mut self, message: &Message) -> Heard {
        let Some(position) = self.position else { return Heard::Gap };
        if position.incarnation != message.at.incarnation {
            self.position = None;
            return Heard::Gap;
        }
        if message.at.seq <= position.seq {
            return Heard::Known;
        }
        self.raise(message);
        self.statistics.heard += 1;
        if message.at.seq == position.seq + 1 {
            self.position = Some(message.at);
            Heard::Next
        } else {
            self.position = None;
            self.statistics.gaps += 1;
            Heard::Gap
        }
    }

    fn raise(&self, message: &Message) {
        for moved in &message.moved {
            match *moved {
                Moved::All(epoch) => self.epochs.advance_all(message.at.incarnation, epoch),
                Moved::Slot(slot, epoch) => self.epochs.advance(message.at.incarnation, slot, epoch),
            }
        }
    }

    /// Messages may have been missed. The lease stays: no bump is acknowledged before it ends.
    pub(super) fn miss(&mut self) {
        self.position = None;
    }

    /// The whole ledger was read, after a renewal. Says whether it was taken over: not one of an incarnation that no renewal
    /// has named, and not while bumps of this gateway are missing in it.
    pub(super) fn adopt(&mut self, ledger: &Ledger) -> bool {
        let incarnation = ledger.table.incarnation;
        if !self.pending.is_empty() || self.incarnation.is_none_or(|(named, _)| named != incarnation) {
            return false;
        }
        self.epochs.adopt(&ledger.table);
        self.is_apart = false;
        self.position = Some(Position { incarnation, seq: ledger.seq });
        self.statistics.adoptions += 1;
        true
    }

    /// A renewal was asked for at one moment and answered at another. What it had taken over was said as it asked.
    pub(super) fn renewed(&mut self, renewal: &Renewal, asked: Instant, received: Instant) -> Renewed {
        let server = WallTime(renewal.time);
        if self.met(renewal.at.incarnation, received) {
            self.clock.set(server, received);
        } else if self.clock.follow(server, asked, received).is_err() {
            self.position = None;
            self.statistics.clock_steps += 1;
            return Renewed::Stepped;
        }
        match self.position {
            Some(position) if position.incarnation == renewal.at.incarnation && self.pending.is_empty() => {
                if position.seq < renewal.at.seq {
                    self.statistics.behind += 1;
                    return Renewed::Behind;
                }
                self.epochs.renew(asked, asked + LEASE - MARGIN);
                self.statistics.renewals += 1;
                Renewed::Leased
            }
            Some(_) | None => {
                self.position = None;
                Renewed::Lost
            }
        }
    }

    /// A bump of this gateway was counted. Says since when the incarnation is known that it was counted in.
    pub(super) fn counted(&mut self, message: &Message, what: &Pending, received: Instant) -> Instant {
        self.met(message.at.incarnation, received);
        // To a table of another incarnation the message says nothing.
        if self.epochs.stamp([]).incarnation == message.at.incarnation {
            self.raise(message);
        } else {
            self.part(what);
        }
        self.incarnation.map_or(received, |(_, since)| since)
    }

    /// A bump of this gateway could not be counted, as far as is known. Nothing from before is served here any more; the
    /// bump is counted as soon as there is a way, and there is no lease before.
    pub(super) fn not_counted(&mut self, what: Pending) {
        self.part(&what);
        self.pending.add(what);
        self.statistics.unacknowledged += 1;
    }

    /// Outdates by a table of its own: epochs that were not counted in the ledger must not look like its epochs, or other
    /// gateways would take entries of this one for current.
    fn part(&mut self, what: &Pending) {
        self.epochs.surrender();
        self.position = None;
        if !self.is_apart {
            self.is_apart = true;
            self.epochs.adopt(&EpochTable { incarnation: rand::random::<u64>() | 1, ..EpochTable::default() });
        } else {
            what.slots().for_each(|slot| self.epochs.bump_slot(slot));
            if what.is_all() {
                self.epochs.bump_all();
            }
        }
    }

    /// What has to be counted before anything else.
    pub(super) fn take_pending(&mut self) -> Option<Pending> {
        (!self.pending.is_empty()).then(|| std::mem::take(&mut self.pending))
    }

    /// What was taken could not be counted.
    pub(super) fn put_back(&mut self, pending: Pending) {
        self.pending.add(pending);
    }

    pub(super) fn pending(&self) -> &Pending {
        &self.pending
    }

    /// Notes the incarnation of a reply. Whether it is another one than before.
    fn met(&mut self, incarnation: u64, now: Instant) -> bool {
        let new = self.incarnation.is_none_or(|(known, _)| known != incarnation);
        if new {
            self.incarnation = Some((incarnation, now));
            self.statistics.incarnations += 1;
        }
        new
    }
}
