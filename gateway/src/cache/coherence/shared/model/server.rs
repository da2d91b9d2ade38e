//! The server of the model: what the scripts do, without scripts.

use super::super::{
    ledger::{Holders, Ledger, Message, Moved, Position},
    pending::Pending,
};
use crate::cache::EpochTable;

/// What a script finds and leaves.
#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) ledger: Option<(u64, Ledger)>,
    pub(super) gateways: Option<(u64, Holders)>,
}

pub(super) struct Server {
    pub(super) run: u64,
    pub(super) state: State,
    /// After each write, the last at the end.
    pub(super) history: Vec<State>,
    /// How far its clock is off, in milliseconds.
    pub(super) clock: u64,
    pub(super) incarnations: u64,
}

impl Server {
    /// What every script begins with. Says what is to be told if another incarnation began.
    pub(super) fn check(&mut self) -> Option<Message> {
        let known = self.state.ledger.as_ref().map(|(run, ledger)| (*run, ledger.table.incarnation));
        let of_gateways = self.state.gateways.as_ref().map(|(incarnation, _)| *incarnation);
        match known {
            Some((run, incarnation)) if run == self.run && of_gateways == Some(incarnation) => None,
            _ => Some(self.begin()),
        }
    }

    pub(super) fn begin(&mut self) -> Message {
        self.incarnations += 1;
        let incarnation = self.incarnations;
        let table = EpochTable { incarnation, ..EpochTable::default() };
        self.state.ledger = Some((self.run, Ledger { seq: 0, table }));
        self.state.gateways = Some((incarnation, Holders::new()));
        Message { at: Position { incarnation, seq: 0 }, moved: Vec::new() }
    }

    pub(super) fn ledger(&mut self) -> &mut Ledger {
        &mut self.state.ledger.as_mut().expect("it was checked").1
    }

    pub(super) fn holders(&mut self) -> &mut Holders {
        &mut self.state.gateways.as_mut().expect("it was checked").1
    }

    pub(super) fn at(&mut self) -> Position {
        let ledger = self.ledger();
        Position { incarnation: ledger.table.incarnation, seq: ledger.seq }
    }

    pub(super) fn bump(&mut self, what: &Pending) -> Message {
        let ledger = self.ledger();
        let mut moved = Vec::new();
        if what.is_all() {
            ledger.table.all += 1;
            moved.push(Moved::All(ledger.table.all));
        }
        for slot in what.slots() {
            let known = ledger.table.slots.iter().position(|(known, _)| *known == slot);
            let index = known.unwrap_or_else(|| {
                ledger.table.slots.push((slot, 0));
                ledger.table.slots.len() - 1
            });
            ledger.table.slots[index].1 += 1;
            moved.push(Moved::Slot(slot, ledger.table.slots[index].1));
        }
        ledger.seq += 1;
        Message { at: self.at(), moved }
    }
}
