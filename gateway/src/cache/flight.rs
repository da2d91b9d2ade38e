//! Single flight: one filler per key in this process. The others wait for what it makes, lend it their urgency, and keep it
//! going when its own client leaves; when nobody waits any more, it is told to stop.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Digest;
use crate::{backend::Urgency, query::Priority};

/// Keys that are being filled; `T` is what a filler leaves to those who wait.
pub struct Flights<T> {
    open: Mutex<HashMap<Digest, Flight<T>>>,
}

struct Flight<T> {
    outcome: watch::Receiver<Option<T>>,
    urgency: Urgency,
    cancelled: CancellationToken,
    /// Those who wait, the filler's own client included.
    seats: usize,
    /// Tells this flight from a later one of the same key.
    number: u64,
}

/// How a request came to its turn.
pub enum Joined<T> {
    /// It fills the key. The seat is that of its own client.
    Leads(Lead<T>, Seat<T>),
    /// Another one fills it.
    Follows(Seat<T>),
}

/// The right and duty to fill a key.
pub struct Lead<T> {
    flights: Arc<Flights<T>>,
    key: Digest,
    number: u64,
    outcome: watch::Sender<Option<T>>,
    urgency: Urgency,
    cancelled: CancellationToken,
}

/// A place among those who wait.
pub struct Seat<T> {
    flights: Arc<Flights<T>>,
    key: Digest,
    number: u64,
    outcome: watch::Receiver<Option<T>>,
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self { open: Mutex::default() }
    }
}

impl<T: Clone> Flights<T> {
    /// Either becomes the filler of a key, or takes a seat with the present one.
    pub fn join(self: &Arc<Self>, key: Digest, priority: Priority) -> Joined<T> {
        let mut open = self.open();
        if let Some(flight) = open.get_mut(&key) {
            flight.seats += 1;
            flight.urgency.raise(priority);
            let (number, outcome) = (flight.number, flight.outcome.clone());
            return Joined::Follows(Seat { flights: self.clone(), key, number, outcome });
        }
        let (sender, outcome) = watch::channel(None);
        let (urgency, cancelled, number) = (Urgency::shared(priority), CancellationToken::new(), rand::random());
        let flight = Flight {
            outcome: outcome.clone(),
            urgency: urgency.clone(),
            cancelled: cancelled.clone(),
            seats: 1,
            number,
        };
        open.insert(key, flight);
        let lead = Lead { flights: self.clone(), key, number, outcome: sender, urgency, cancelled };
        Joined::Leads(lead, Seat { flights: self.clone(), key, number, outcome })
    }

    /// Becomes the filler of a key that nobody fills.
    pub fn lead(self: &Arc<Self>, key: Digest, priority: Priority) -> Option<(Lead<T>, Seat<T>)> {
        match self.join(key, priority) {
            Joined::Leads(lead, seat) => Some((lead, seat)),
            Joined::Follows(_) => None,
        }
    }

    /// Number of keys that are being filled.
    pub fn len(&self) -> usize {
        self.open().len()
    }

    /// Whether no key is being filled.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Flights<T> {
    fn open(&self) -> MutexGuard<'_, HashMap<Digest, Flight<T>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Lead<T> {
    /// As urgent as the most urgent of those who wait.
    pub fn urgency(&self) -> &Urgency {
        &self.urgency
    }

    /// Fires when nobody waits any more.
    pub fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// Leaves something to those who wait. Whoever comes from now on starts anew.
    pub fn finish(self, made: T) {
        self.close();
        self.outcome.send_replace(Some(made));
    }

    fn close(&self) {
        let mut open = self.flights.open();
        if open.get(&self.key).is_some_and(|flight| flight.number == self.number) {
            open.remove(&self.key);
        }
    }
}

impl<T> Drop for Lead<T> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<T: Clone> Seat<T> {
    /// What the filler leaves; `None` if it ended without.
    pub async fn outcome(&mut self) -> Option<T> {
        // An error says that the filler is gone.
        let outcome = self.outcome.wait_for(Option::is_some).await;
        outcome.ok().and_then(|made| made.clone())
    }
}

impl<T> Drop for Seat<T> {
    fn drop(&mut self) {
        let mut open = self.flights.open();
        let Some(flight) = open.get_mut(&self.key) else { return };
        if flight.number != self.number {
            return;
        }
        flight.seats -= 1;
        if flight.seats == 0 {
            flight.cancelled.cancel();
            // Nobody is to wait for one that gives up.
            open.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Priority::{Batch, Interactive, Normal};

    const KEY: Digest = [1; 32];

    fn leads(flights: &Arc<Flights<u32>>) -> (Lead<u32>, Seat<u32>) {
        flights.lead(KEY, Batch).expect("nobody fills it")
    }

    fn follows(flights: &Arc<Flights<u32>>, priority: Priority) -> Seat<u32> {
        let Joined::Follows(seat) = flights.join(KEY, priority) else { panic!("somebody fills it") };
        seat
    }

    #[tokio::test]
    async fn all_who_wait_get_what_the_one_filler_made() {
        let flights = Arc::default();
        let (lead, mut own) = leads(&flights);
        let waiters: Vec<_> = (0..10)
            .map(|_| {
                let mut seat = follows(&flights, Batch);
                tokio::spawn(async move { seat.outcome().await })
            })
            .collect();
        assert!(matches!(flights.join([2; 32], Batch), Joined::Leads(..)), "another key is another flight");
        tokio::task::yield_now().await;
        lead.finish(7);
        assert_eq!(own.outcome().await, Some(7));
        for waiter in waiters {
            assert_eq!(waiter.await.unwrap(), Some(7));
        }
        assert!(flights.is_empty());
    }

    #[tokio::test]
    async fn those_who_wait_are_told_when_the_filler_ends_without() {
        let flights = Arc::default();
        let (lead, _own) = leads(&flights);
        let mut seat = follows(&flights, Batch);
        drop(lead);
        assert_eq!(seat.outcome().await, None);
        let (again, _own) = leads(&flights);
        drop(seat);
        assert!(!again.cancelled().is_cancelled(), "a seat of the flight before is none of this one");
    }

    #[test]
    fn the_filler_goes_on_while_anybody_waits_and_stops_when_nobody_does() {
        let flights = Arc::default();
        let (lead, own) = leads(&flights);
        let seat = follows(&flights, Batch);
        drop(own);
        assert!(!lead.cancelled().is_cancelled());
        drop(seat);
        assert!(lead.cancelled().is_cancelled());
        let (later, _own) = leads(&flights);
        drop(lead);
        assert_eq!(flights.len(), 1, "the end of one that gave up does not end its successor");
        drop(later);
    }

    #[test]
    fn the_filler_is_as_urgent_as_the_most_urgent_who_ever_waited() {
        let flights = Arc::default();
        let (lead, _own) = leads(&flights);
        drop(follows(&flights, Interactive));
        let _seat = follows(&flights, Normal);
        assert_eq!(lead.urgency().now(), Interactive);
    }
}
