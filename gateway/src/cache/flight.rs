//! Single flight: one filler per key in this process; the others wait and look again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use super::Digest;

/// Keys that are being filled.
#[derive(Default)]
pub struct Flights {
    open: Mutex<HashMap<Digest, watch::Receiver<()>>>,
}

/// The right and duty to fill a key; the waiters go on when it is dropped, filled or not.
pub struct Filling {
    flights: Arc<Flights>,
    key: Digest,
    _done: watch::Sender<()>,
}

/// How a request came to its turn.
pub enum Joined {
    /// It fills the key itself.
    Fills(Filling),
    /// It waited for another that filled, or failed to; look again.
    Waited,
}

impl Flights {
    /// Either becomes the filler of a key, or waits until the present one is done.
    pub async fn join(self: &Arc<Self>, key: Digest) -> Joined {
        let mut waiting = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            match open.get(&key) {
                Some(receiver) => receiver.clone(),
                None => {
                    let (done, receiver) = watch::channel(());
                    open.insert(key, receiver);
                    return Joined::Fills(Filling { flights: self.clone(), key, _done: done });
                }
            }
        };
        // An error says that the sender is gone: the filler is done, or its client left.
        while waiting.changed().await.is_ok() {}
        Joined::Waited
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        self.flights.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiters_go_on_when_the_filler_ends_whatever_way() {
        let flights = Arc::new(Flights::default());
        let Joined::Fills(filling) = flights.join([1; 32]).await else { panic!("the first one fills") };
        let waiters: Vec<_> = (0..10)
            .map(|_| {
                let flights = flights.clone();
                tokio::spawn(async move { matches!(flights.join([1; 32]).await, Joined::Waited) })
            })
            .collect();
        assert!(matches!(flights.join([2; 32]).await, Joined::Fills(_)), "another key is another flight");
        tokio::task::yield_now().await;
        assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
        drop(filling);
        for waiter in waiters {
            // Each either waited, or came after the end and filled itself.
            waiter.await.expect("no panic");
        }
        assert!(matches!(flights.join([1; 32]).await, Joined::Fills(_)), "the key is free again");
    }
}
