//! One filler per key among gateways. A lease is a number under a name that goes away by itself: whoever holds it says every
//! half second that it still does, so a holder that is gone frees the key within two. The numbers grow; an entry is written
//! under a lease only while no later one was given out, so a holder that slept through the end of its own does no harm.
//! (Fencing as in Gray & Cheriton's leases with Kleppmann's tokens; waiting followers as memcache's leases and Pingora's
//! cache locks have them.)

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    sync::oneshot,
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::{
    scripts::{Fence, Look, Refused},
    shared::{Shared, outcome},
};
use crate::cache::{
    Digest, Flaw, LookupOutcome, Sought, StoreOutcome, Stored,
    redis::{RedisError, Refusal},
};

/// A holder says so often that it still fills.
const RENEWAL: Duration = Duration::from_millis(500);
/// A holder that fills longer than this many renewals loses its lease: something keeps it that will never end.
const MOST_RENEWALS: u32 = 600;
/// A call for a lease that takes longer is given up.
const LIMIT: Duration = Duration::from_secs(1);
/// The first pause of a follower; each is half as long again as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// A follower that has waited already gives Redis so many budgets before it fills itself.
const PATIENCE: u32 = 4;
/// As many entries that are of no use are looked at before the caller fills without a lease.
const MOST_REFUSALS: u32 = 4;

/// How a look with the wish to fill ended.
pub enum Leased {
    /// An entry that the caller does not refuse.
    Found {
        /// It.
        entry: Stored,
        /// Another gateway was filling it when this one came.
        waited: bool,
    },
    /// The caller fills.
    Fill {
        /// With this lease; without where another gateway has taken longer than the caller waits, or none was to be had.
        lease: Option<FillLease>,
        /// What was found instead of an entry.
        outcome: LookupOutcome,
        /// Another gateway was filling when this one came.
        waited: bool,
    },
}

/// The right to fill a key, until it is dropped or used.
pub struct FillLease {
    sought: Sought,
    held: Held,
}

impl FillLease {
    /// Has the entry written, if no other gateway took over meanwhile. The lease ends once it is.
    pub fn store(self, entry: Arc<Stored>) -> StoreOutcome {
        let shared = self.held.shared.clone();
        shared.put(self.sought, entry, Some(self.held))
    }
}

/// A lease that is kept alive, and given back when it is dropped.
pub(super) struct Held {
    shared: Arc<Shared>,
    key: Digest,
    fence: Fence,
    renewing: AbortHandle,
    runtime: Handle,
    /// There is nothing to give back.
    over: bool,
}

impl Held {
    /// From within a runtime.
    fn new(shared: Arc<Shared>, key: Digest, fence: Fence) -> Self {
        let runtime = Handle::current();
        let renewing = runtime.spawn(renew(shared.clone(), key, fence.clone())).abort_handle();
        Self { shared, key, fence, renewing, runtime, over: false }
    }

    /// Writes the entry and gives the lease back in one step; `false` where another gateway has begun to fill the key since.
    pub(super) async fn store(&mut self, entry: &[u8], ttl: Duration, within: Duration) -> Result<bool, RedisError> {
        let stored = self.shared.scripts.store(&self.key, &self.fence, entry, ttl, within).await?;
        self.over = true;
        Ok(stored)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewing.abort();
        if self.over {
            return;
        }
        let (shared, key, fence) = (self.shared.clone(), self.key, self.fence.clone());
        // Where this fails the lease goes away by itself.
        self.runtime.spawn(async move {
            shared.scripts.release(&key, &fence, LIMIT).await.ok();
        });
    }
}

/// Says that a lease is still held, until it is not.
async fn renew(shared: Arc<Shared>, key: Digest, fence: Fence) {
    for _ in 0..MOST_RENEWALS {
        sleep(RENEWAL).await;
        // What was not heard may have been said: the next one tells.
        if let Ok(false) = shared.scripts.renew(&key, &fence, LIMIT).await {
            return;
        }
    }
}

/// As [`super::RedisTier::look_or_lease`].
pub(super) async fn look_or_lease(
    shared: &Arc<Shared>,
    sought: &Sought,
    wait_at_most: Duration,
    judge: &(dyn Fn(&Stored) -> Result<(), LookupOutcome> + Send + Sync),
) -> Leased {
    let until = Instant::now() + wait_at_most;
    let (mut waited, mut refusals, mut pause) = (false, 0, FIRST_PAUSE);
    let (mut refused, mut outcome) = (Refused::default(), LookupOutcome::Miss);
    loop {
        let limit = if waited { shared.budget * PATIENCE } else { shared.budget };
        let (look, odd) = match look(shared, sought, &refused, limit).await {
            Ok(found) => found,
            Err(outcome) => return Leased::Fill { lease: None, outcome, waited },
        };
        if odd && refusals == 0 {
            (outcome, refusals) = (shared.damaged(Flaw::NotAnEntry), 1);
        }
        match look {
            Taken::Found(bytes) => {
                let judged = shared.decode(sought, &bytes).and_then(|entry| judge(&entry).map(|()| entry));
                match judged {
                    Ok(entry) => return Leased::Found { entry, waited },
                    Err(reason) => (outcome, refused) = (reason, Refused::entry(&bytes)),
                }
                refusals += 1;
                if refusals > MOST_REFUSALS {
                    return Leased::Fill { lease: None, outcome, waited };
                }
            }
            Taken::Yours(lease) => return Leased::Fill { lease: Some(lease), outcome, waited },
            Taken::None => return Leased::Fill { lease: None, outcome, waited },
            Taken::Theirs(ends_in) => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Leased::Fill { lease: None, outcome, waited };
                }
                waited = true;
                // Followers that came together do not go on asking together.
                let varied = pause.mul_f64(rand::random_range(0.75..1.25));
                sleep(varied.min(left).min(ends_in + Duration::from_millis(1))).await;
                pause = pause.mul_f64(1.5).min(LONGEST_PAUSE);
            }
        }
    }
}

/// A look whose lease, if it got one, is kept alive.
enum Taken {
    Found(Vec<u8>),
    Yours(FillLease),
    Theirs(Duration),
    /// No lease is to be had: Redis is full, or a replica, or this user may not write.
    None,
}

/// One look within a time. The question is asked by a task of its own, which gives a lease back that comes when nobody waits
/// for it any more.
async fn look(
    shared: &Arc<Shared>,
    sought: &Sought,
    refused: &Refused,
    within: Duration,
) -> Result<(Taken, bool), LookupOutcome> {
    let attempt = shared.reads.enter().ok_or(LookupOutcome::Skipped)?;
    let (sender, receiver) = oneshot::channel();
    let (asking, sought, refused) = (shared.clone(), sought.clone(), refused.clone());
    tokio::spawn(async move {
        let taken = match asking.scripts.look(&sought.key, &refused, LIMIT.max(within)).await {
            Ok((Look::Found(bytes), odd)) => Ok((Taken::Found(bytes), odd)),
            Ok((Look::Yours(fence), odd)) => {
                let held = Held::new(asking, sought.key, fence);
                Ok((Taken::Yours(FillLease { sought, held }), odd))
            }
            Ok((Look::Theirs(left), odd)) => Ok((Taken::Theirs(left), odd)),
            Err(RedisError::Refused { why: Refusal::Full | Refusal::ReadOnly | Refusal::Denied, .. }) => {
                Ok((Taken::None, false))
            }
            Err(error) => Err(error),
        };
        // Unheard, it is dropped here.
        sender.send(taken).ok();
    });
    let taken = match timeout(within, receiver).await {
        Ok(answer) => answer.unwrap_or_else(|_| Err(RedisError::Unreachable("nobody asks any more".into()))),
        Err(_) => Err(RedisError::TimedOut),
    };
    match &taken {
        Ok(_) => attempt.answered(),
        Err(error) => shared.failed(attempt, [error]),
    }
    taken.map_err(|error| outcome(&error))
}
