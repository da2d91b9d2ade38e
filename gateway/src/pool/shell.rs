//! The pool as callers see it: the state machine of [`super::core`] behind a lock that is held for microseconds and
//! never across an `await`, and the tasks that do what it says.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    sync::{Notify, oneshot},
};

use super::{
    BreakerState, Connector, Demand, Lease, PoolError, ResizeError, Settings, Snapshot,
    core::{Action, Core, Id, Return},
    tasks,
};
use crate::backend::CallContext;

/// The answer to a waiter: a connection on its way to its user, or why there is none.
type Answer<C> = Result<Handover<C>, PoolError>;

type State<C> = Core<<C as Connector>::Connection, oneshot::Sender<Answer<C>>>;

/// Connections to one backend.
pub struct Pool<C: Connector> {
    name: Arc<str>,
    connector: C,
    shared: Mutex<Shared<C>>,
    /// Wakes the task that keeps the pool's times.
    bell: Arc<Notify>,
    has_keeper: AtomicBool,
    runtime: OnceLock<Handle>,
    me: Weak<Self>,
}

struct Shared<C: Connector> {
    core: State<C>,
    /// When the keeper wakes by itself.
    wake: Option<Instant>,
}

impl<C: Connector> Pool<C> {
    /// A pool that opens connections when they are asked for. `name` is the backend's. Called inside a runtime, it begins
    /// at once to open as many as are kept, else with the first demand.
    pub fn new(name: Arc<str>, connector: C, settings: Settings) -> Arc<Self> {
        let pool = Arc::new_cyclic(|me| Self {
            name,
            connector,
            shared: Mutex::new(Shared { core: Core::new(settings, rand::random()), wake: None }),
            bell: Arc::default(),
            has_keeper: AtomicBool::new(false),
            runtime: OnceLock::new(),
            me: me.clone(),
        });
        if let Ok(runtime) = Handle::try_current() {
            pool.keep(runtime);
        }
        pool
    }

    /// What opens the connections.
    pub fn connector(&self) -> &C {
        &self.connector
    }

    /// The backend's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// A connection for this demand. Dropped before it is done, it gives up its place in the queue.
    pub async fn checkout(self: &Arc<Self>, demand: &Demand) -> Result<Lease<C>, PoolError> {
        if !self.has_keeper.load(Ordering::Acquire) {
            self.keep(Handle::current());
        }
        let (token, answer) = oneshot::channel();
        let number = self.event(|core, now| core.join(now, demand, token))?;
        let mut place = Place { pool: self, number, left: false };
        // A connection that is there at the last moment is taken: the answer is asked before the clock.
        let answer = tokio::time::timeout_at(demand.deadline.into(), answer).await;
        place.left = true;
        match answer {
            Ok(Ok(Ok(handover))) => Ok(handover.take()),
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(_)) => Err(PoolError::Closed),
            Err(_) => {
                self.event(|core, now| core.expire(now, number));
                Err(PoolError::DeadlineExceeded)
            }
        }
    }

    /// A connection for a call. A call that becomes more urgent while it waits goes to the queue of its new class.
    pub async fn checkout_for(self: &Arc<Self>, ctx: &CallContext, predicted: Duration) -> Result<Lease<C>, PoolError> {
        loop {
            let demand = Demand::of(ctx, predicted);
            tokio::select! {
                biased;
                outcome = self.checkout(&demand) => return outcome,
                () = ctx.priority.above(demand.class) => {}
            }
        }
    }

    /// How it stands.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).core.snapshot(Instant::now())
    }

    /// Whether a demand has a chance: `false` while the breaker is open.
    pub fn is_available(&self) -> bool {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.core.breaker(Instant::now()) != BreakerState::Open
    }

    /// How long whoever comes now is likely to wait for a connection.
    pub fn expected_wait(&self) -> Duration {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).core.expected_wait(Instant::now())
    }

    /// Other bounds from now on. Connections above a smaller maximum are closed as they become free.
    pub fn resize(&self, min: usize, max: usize) -> Result<(), ResizeError> {
        self.event(|core, now| core.resize(now, min, max))
    }

    /// Sends everybody away and closes the connections, those in use when they come back.
    pub fn close(&self) {
        self.event(|core, _| core.close());
        self.bell.notify_one();
    }

    pub(super) fn settings(&self) -> Settings {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).core.settings().clone()
    }

    /// Tells the state machine what happened, and does what it says.
    pub(super) fn event<R>(&self, event: impl FnOnce(&mut State<C>, Instant) -> R) -> R {
        let (result, mut actions) = self.tell(event);
        // A waiter that is gone gives its connection back, which may be an action again.
        while !actions.is_empty() {
            for action in std::mem::take(&mut actions) {
                if let Some((id, connection)) = self.act(action) {
                    actions.extend(self.tell(|core, now| core.returned(now, id, connection, Return::Unused)).1);
                }
            }
        }
        result
    }

    #[expect(clippy::type_complexity, reason = "spelt out once")]
    fn tell<R>(
        &self,
        event: impl FnOnce(&mut State<C>, Instant) -> R,
    ) -> (R, Vec<Action<C::Connection, oneshot::Sender<Answer<C>>>>) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let result = event(&mut shared.core, now);
        let actions = shared.core.take_actions();
        let wake = shared.core.next_wake(now);
        if wake.is_some_and(|at| shared.wake.is_none_or(|planned| at < planned)) {
            shared.wake = wake;
            self.bell.notify_one();
        }
        (result, actions)
    }

    /// Does one thing. Returns a connection that nobody took.
    fn act(&self, action: Action<C::Connection, oneshot::Sender<Answer<C>>>) -> Option<(Id, C::Connection)> {
        match action {
            Action::Grant { to, id, connection } => {
                // Without a pool there is nobody to give it to either.
                let pool = self.me.upgrade()?;
                let unsent = to.send(Ok(Handover { pool, held: Some((id, connection)) })).err()?;
                return unsent.ok()?.held.take();
            }
            // Whoever is gone does not want to know.
            Action::Refuse { to, why } => drop(to.send(Err(why))),
            Action::Close(connection) => drop(connection),
            Action::Open { id } => {
                if let Some(pool) = self.me.upgrade() {
                    self.spawn(tasks::open(tasks::Seat::empty(pool, id)));
                }
            }
            Action::Check { id, connection } => {
                if let Some(seat) = self.seat(id) {
                    self.spawn(tasks::check(seat, connection));
                }
            }
            Action::Reset { id, connection } => {
                if let Some(seat) = self.seat(id) {
                    self.spawn(tasks::reset(seat, connection));
                }
            }
        }
        None
    }

    /// Brings a connection to its senses that was left in the middle of something.
    pub(super) fn rescue(&self, id: Id, connection: C::Connection, kill: C::Kill, backend_failed: bool) {
        self.event(|core, now| core.doubted(now, id, backend_failed));
        if let Some(seat) = self.seat(id) {
            self.spawn(tasks::rescue(seat, connection, kill));
        }
    }

    fn seat(&self, id: Id) -> Option<tasks::Seat<C>> {
        Some(tasks::Seat::new(self.me.upgrade()?, id))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // Dropped where there is no runtime: its seat then says that the connection is gone.
        if let Some(runtime) = self.runtime.get() {
            runtime.spawn(task);
        }
    }

    /// Starts the task that keeps the pool's times. It holds the pool only while it looks at it, and ends with it.
    fn keep(&self, runtime: Handle) {
        if self.has_keeper.swap(true, Ordering::AcqRel) {
            return;
        }
        let runtime = self.runtime.get_or_init(|| runtime);
        runtime.spawn(tasks::keep_times(self.me.clone(), self.bell.clone()));
    }

    /// Lets the state machine look at the clock. Returns when it wants to again, or `None` when it never will.
    pub(super) fn tick(&self) -> Option<Option<Instant>> {
        self.event(Core::tick);
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.wake = shared.core.next_wake(Instant::now());
        (!shared.core.is_closed()).then_some(shared.wake)
    }
}

impl<C: Connector> Drop for Pool<C> {
    fn drop(&mut self) {
        self.bell.notify_one();
    }
}

/// A place in the queue, given up by whoever stops waiting.
struct Place<'a, C: Connector> {
    pool: &'a Pool<C>,
    number: u64,
    left: bool,
}

impl<C: Connector> Drop for Place<'_, C> {
    fn drop(&mut self) {
        if !self.left {
            self.pool.event(|core, now| core.leave(now, self.number));
        }
    }
}

/// A connection on its way to its user. If it never arrives it goes back, without doubt: nobody has touched it.
pub(super) struct Handover<C: Connector> {
    pool: Arc<Pool<C>>,
    held: Option<(Id, C::Connection)>,
}

impl<C: Connector> Handover<C> {
    fn take(mut self) -> Lease<C> {
        let (id, connection) = self.held.take().expect("it is taken once");
        Lease::new(self.pool.clone(), id, connection)
    }
}

impl<C: Connector> Drop for Handover<C> {
    fn drop(&mut self) {
        if let Some((id, connection)) = self.held.take() {
            self.pool.event(|core, now| core.returned(now, id, connection, Return::Unused));
        }
    }
}
