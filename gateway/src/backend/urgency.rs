//! How urgent a call is. Work that several callers wait for is as urgent as the most urgent of them, also while it waits.

use std::{future, sync::Arc};

use tokio::sync::watch;

use crate::query::Priority;

/// A class that may rise while the call is under way.
#[derive(Debug, Clone)]
pub enum Urgency {
    /// It stays as it is.
    Fixed(Priority),
    /// It follows those who wait.
    Shared(Arc<watch::Sender<Priority>>),
}

impl Urgency {
    /// One that can be raised; its clones rise with it.
    pub fn shared(priority: Priority) -> Self {
        Self::Shared(Arc::new(watch::Sender::new(priority)))
    }

    /// The class at present.
    pub fn now(&self) -> Priority {
        match self {
            Self::Fixed(priority) => *priority,
            Self::Shared(sender) => *sender.borrow(),
        }
    }

    /// Somebody of this class waits, too. Nothing happens if it cannot be raised, or is as urgent already.
    pub fn raise(&self, to: Priority) {
        if let Self::Shared(sender) = self {
            sender.send_if_modified(|priority| {
                let rises = to > *priority;
                *priority = to.max(*priority);
                rises
            });
        }
    }

    /// Completes when the class is above this one; never, if that cannot happen.
    pub async fn above(&self, priority: Priority) {
        let Self::Shared(sender) = self else { return future::pending().await };
        // The sender lives as long as `self`.
        let _ = sender.subscribe().wait_for(|now| *now > priority).await;
    }
}

impl From<Priority> for Urgency {
    fn from(priority: Priority) -> Self {
        Self::Fixed(priority)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn it_rises_and_never_falls_and_whoever_waits_for_that_is_told() {
        let urgency = Urgency::shared(Priority::Batch);
        let clone = urgency.clone();
        assert!(urgency.above(Priority::Batch).now_or_never().is_none());
        clone.raise(Priority::Interactive);
        clone.raise(Priority::Normal);
        assert_eq!(urgency.now(), Priority::Interactive);
        urgency.above(Priority::Normal).await;
        assert!(urgency.above(Priority::Interactive).now_or_never().is_none());
        let fixed = Urgency::from(Priority::Normal);
        fixed.raise(Priority::Interactive);
        assert_eq!(fixed.now(), Priority::Normal);
    }
}
