//! What waits to be written: bounded in bytes, those that are being written included.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// Things in order, each with its bytes.
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    max_bytes: u64,
    /// There is something to take.
    filled: Notify,
    /// Nothing waits and nothing is under way.
    emptied: Notify,
}

struct State<T> {
    waiting: VecDeque<(T, u64)>,
    /// Of what waits and of what was taken and is not done.
    bytes: u64,
    /// Taken and not done.
    under_way: usize,
    /// Nothing is taken any more.
    closed: bool,
}

/// What was taken together. Its bytes count until it is dropped.
pub(super) struct Batch<T> {
    queue: Arc<Queue<T>>,
    things: Vec<T>,
    number: usize,
    bytes: u64,
}

impl<T> Queue<T> {
    pub(super) fn new(max_bytes: u64) -> Arc<Self> {
        let state = State { waiting: VecDeque::new(), bytes: 0, under_way: 0, closed: false };
        Arc::new(Self { state: Mutex::new(state), max_bytes, filled: Notify::new(), emptied: Notify::new() })
    }

    /// Takes a thing of so many bytes, or gives it back when there is no room. What is urgent comes before the rest.
    pub(super) fn push(&self, thing: T, bytes: u64, urgent: bool) -> Result<(), T> {
        let mut state = self.state();
        if state.closed || state.bytes.saturating_add(bytes) > self.max_bytes {
            return Err(thing);
        }
        state.bytes += bytes;
        if urgent {
            state.waiting.push_front((thing, bytes));
        } else {
            state.waiting.push_back((thing, bytes));
        }
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for something and takes it, with what comes after it up to these numbers.
    pub(super) async fn take(self: &Arc<Self>, most: usize, most_bytes: u64) -> Batch<T> {
        loop {
            // Before the look, so that nothing that comes after it is missed.
            let filled = self.filled.notified();
            if let Some(batch) = self.take_now(most, most_bytes) {
                return batch;
            }
            filled.await;
        }
    }

    fn take_now(self: &Arc<Self>, most: usize, most_bytes: u64) -> Option<Batch<T>> {
        let mut state = self.state();
        let (mut things, mut bytes) = (Vec::new(), 0);
        while things.len() < most
            && let Some((thing, size)) =
                state.waiting.pop_front_if(|(_, size)| bytes == 0 || bytes + *size <= most_bytes)
        {
            bytes += size;
            things.push(thing);
        }
        if things.is_empty() {
            return None;
        }
        state.under_way += things.len();
        if !state.waiting.is_empty() {
            // For another taker.
            self.filled.notify_one();
        }
        let number = things.len();
        Some(Batch { queue: self.clone(), things, number, bytes })
    }

    /// Lets everything go that waits, and whatever comes later.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let left = std::mem::take(&mut state.waiting);
        state.bytes -= left.iter().map(|(_, bytes)| bytes).sum::<u64>();
        drop(state);
        // What is let go may have something to say to this queue.
        drop(left);
    }

    /// How many wait or are under way.
    pub(super) fn len(&self) -> usize {
        let state = self.state();
        state.waiting.len() + state.under_way
    }

    /// Waits until nothing waits and nothing is under way.
    pub(super) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            // From here on, so that an end between the look and the wait is not missed.
            emptied.as_mut().enable();
            if self.len() == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Batch<T> {
    /// The things.
    pub(super) fn things(&mut self) -> Vec<T> {
        std::mem::take(&mut self.things)
    }
}

impl<T> Drop for Batch<T> {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        state.bytes -= self.bytes;
        state.under_way -= self.number;
        if state.waiting.is_empty() && state.under_way == 0 {
            self.queue.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_count_until_what_was_taken_is_done() {
        let queue = Queue::new(10);
        assert_eq!(queue.push('a', 6, false), Ok(()));
        assert_eq!(queue.push('b', 5, false), Err('b'));
        let batch = queue.take(10, 10).await;
        assert_eq!((queue.push('b', 5, false), queue.len()), (Err('b'), 1));
        drop(batch);
        assert_eq!((queue.push('b', 5, false), queue.len()), (Ok(()), 1));
    }

    #[tokio::test]
    async fn a_batch_is_bounded_and_what_is_urgent_comes_first() {
        let queue = Queue::new(100);
        for (thing, urgent) in [('a', false), ('b', false), ('c', true), ('d', false)] {
            queue.push(thing, 10, urgent).expect("there is room");
        }
        assert_eq!(queue.take(3, 20).await.things(), ['c', 'a']);
        assert_eq!(queue.take(1, 20).await.things(), ['b']);
        assert_eq!(queue.take(3, 1).await.things(), ['d'], "one goes, however large");
    }

    #[tokio::test]
    async fn a_closed_queue_lets_everything_go() {
        let queue = Queue::new(100);
        let thing = Arc::new(());
        queue.push(thing.clone(), 10, false).expect("there is room");
        queue.close();
        assert!(queue.push(thing.clone(), 10, false).is_err() && queue.len() == 0);
        assert_eq!(Arc::strong_count(&thing), 1);
    }

    #[tokio::test]
    async fn whoever_waits_for_the_end_waits_for_what_is_under_way() {
        let queue = Queue::new(100);
        queue.push('a', 10, false).expect("there is room");
        let batch = queue.take(3, 20).await;
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { queue.empty().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(batch);
        waiting.await.expect("no panic");
    }
}
