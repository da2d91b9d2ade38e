//! What a gateway holds that can be made anew: the governor sheds it when memory gets short.

use std::sync::{Arc, Weak};

use super::Gateway;
use crate::{
    cache::{BodyMemo, L1},
    governor::Sheddable,
};

impl Gateway {
    /// In the order of value: a body that is forgotten costs reading it again, an answer what it took to make it.
    pub fn sheddable(self: &Arc<Self>) -> Vec<Arc<dyn Sheddable>> {
        vec![Arc::new(Bodies(Arc::downgrade(self))), Arc::new(Answers(self.state().tiers.l1().clone()))]
    }
}

/// The memo of bodies that belongs to the configuration of the moment.
struct Bodies(Weak<Gateway>);

impl Bodies {
    fn with<T: Default>(&self, act: impl FnOnce(&BodyMemo) -> T) -> T {
        self.0.upgrade().map(|gateway| act(&gateway.state().memo)).unwrap_or_default()
    }
}

impl Sheddable for Bodies {
    fn name(&self) -> &'static str {
        "body-memo"
    }

    fn held(&self) -> u64 {
        self.with(BodyMemo::held)
    }

    fn most(&self) -> u64 {
        self.with(BodyMemo::most)
    }

    fn shed(&self, bytes: u64) -> u64 {
        self.with(|memo| memo.shed(bytes))
    }

    fn allow(&self, bytes: u64) {
        self.with(|memo| memo.allow(bytes));
    }

    fn refuse(&self, refuse: bool) {
        self.with(|memo| memo.refuse(refuse));
    }
}

/// Tier 1, which outlives configurations.
struct Answers(Arc<L1>);

impl Sheddable for Answers {
    fn name(&self) -> &'static str {
        "l1"
    }

    fn held(&self) -> u64 {
        self.0.statistics().bytes
    }

    fn most(&self) -> u64 {
        self.0.most()
    }

    fn shed(&self, bytes: u64) -> u64 {
        self.0.shed(bytes)
    }

    fn allow(&self, bytes: u64) {
        self.0.allow(bytes);
    }

    fn refuse(&self, refuse: bool) {
        self.0.refuse(refuse);
    }
}
