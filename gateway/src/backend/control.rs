//! Connections beside a pool, over which statements of its connections are ended: few at once, opened when they are needed,
//! kept for a while for the next statement, and closed when there was none.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Semaphore, SemaphorePermit};

/// One that was not needed for so long is closed.
const KEPT: Duration = Duration::from_secs(3);

/// The connections to one server.
pub(super) struct Control<T> {
    places: Semaphore,
    kept: Arc<Mutex<Kept<T>>>,
}

/// The right to use one connection.
pub(super) struct ControlPlace<'a, T> {
    kept: &'a Arc<Mutex<Kept<T>>>,
    _permit: SemaphorePermit<'a>,
}

/// Connections that nobody needs just now, the one used last at the end. Each time that one is kept has a number.
struct Kept<T> {
    connections: Vec<(u64, T)>,
    next: u64,
}

impl<T: Send + 'static> Control<T> {
    pub(super) fn new(most: usize) -> Self {
        let kept = Kept { connections: Vec::new(), next: 0 };
        Self { places: Semaphore::new(most), kept: Arc::new(Mutex::new(kept)) }
    }

    /// Waits until fewer than the most are in use.
    pub(super) async fn place(&self) -> ControlPlace<'_, T> {
        let permit = self.places.acquire().await.expect("the semaphore is never closed");
        ControlPlace { kept: &self.kept, _permit: permit }
    }
}

impl<T: Send + 'static> ControlPlace<'_, T> {
    /// A connection that was kept, if there is one. The server may have closed it meanwhile.
    pub(super) fn kept(&self) -> Option<T> {
        lock(self.kept).connections.pop().map(|(_, connection)| connection)
    }

    /// Keeps a connection that has answered everything.
    pub(super) fn keep(self, connection: T) {
        let number = lock(self.kept).put(connection);
        let kept = Arc::downgrade(self.kept);
        tokio::spawn(async move {
            tokio::time::sleep(KEPT).await;
            let unused = kept.upgrade().and_then(|kept| lock(&kept).take(number));
            drop(unused);
        });
    }
}

impl<T> Kept<T> {
    fn put(&mut self, connection: T) -> u64 {
        let number = self.next;
        self.next += 1;
        self.connections.push((number, connection));
        number
    }

    /// The connection with this number. One that was used since has another.
    fn take(&mut self, number: u64) -> Option<T> {
        let at = self.connections.iter().position(|(other, _)| *other == number)?;
        Some(self.connections.remove(at).1)
    }
}

fn lock<T>(kept: &Mutex<Kept<T>>) -> MutexGuard<'_, Kept<T>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_so_many_are_in_use_at_once_and_what_is_kept_is_used_again() {
        let control = Control::new(2);
        let (first, second) = (control.place().await, control.place().await);
        assert!(control.places.try_acquire().is_err());
        assert_eq!(first.kept(), None);
        first.keep('a');
        second.keep('b');
        let (first, second) = (control.place().await, control.place().await);
        assert_eq!((first.kept(), second.kept(), second.kept()), (Some('b'), Some('a'), None));
    }

    #[test]
    fn what_was_used_since_it_was_kept_is_not_closed() {
        let mut kept = Kept { connections: Vec::new(), next: 0 };
        let first = kept.put('a');
        let (_, again) = kept.connections.pop().unwrap();
        let second = kept.put(again);
        assert_eq!((kept.take(first), kept.take(second), kept.take(second)), (None, Some('a'), None));
    }
}
