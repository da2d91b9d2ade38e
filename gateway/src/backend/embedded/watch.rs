//! Work that takes long: watched so that it ends when nobody waits for it, and kept off the threads that serve others.

use std::sync::Arc;

use crate::backend::{BackendError, CallContext, ErrorKind};

/// Work between two looks at the clock: rows tested, rows scored, edges looked at.
const STRIDE: u32 = 2_048;

/// Work expected to take longer than this runs on a thread for blocking work.
const INLINE_NS: f64 = 200_000.0;

/// Ends work whose answer is of no more use.
pub(super) struct Watch<'a> {
    ctx: &'a CallContext,
    backend: &'a Arc<str>,
    since: u32,
}

impl<'a> Watch<'a> {
    /// Watches one call.
    pub(super) fn new(ctx: &'a CallContext, backend: &'a Arc<str>) -> Self {
        Self { ctx, backend, since: 0 }
    }

    /// Notes work done; an error every now and then once the call is of no more use.
    pub(super) fn spend(&mut self, items: usize) -> Result<(), BackendError> {
        self.since = self.since.saturating_add(u32::try_from(items).unwrap_or(u32::MAX));
        if self.since >= STRIDE {
            self.since = 0;
            self.ctx.check(self.backend)?;
        }
        Ok(())
    }
}

/// Runs `work`, expected to take so many nanoseconds: here if it is short, else on a thread for blocking work. When the
/// returned future is dropped, the work's context is cancelled.
pub(super) async fn run<T: Send + 'static>(
    ctx: &CallContext,
    backend: &Arc<str>,
    expected_ns: f64,
    work: impl FnOnce(&CallContext) -> Result<T, BackendError> + Send + 'static,
) -> Result<T, BackendError> {
    ctx.check(backend)?;
    if expected_ns <= INLINE_NS {
        return work(ctx);
    }
    let child = CallContext { cancelled: ctx.cancelled.child_token(), ..ctx.clone() };
    let _stop = child.cancelled.clone().drop_guard();
    tokio::task::spawn_blocking(move || work(&child))
        .await
        .unwrap_or_else(|_| Err(BackendError::new(backend, ErrorKind::Failed, "the computation did not finish")))
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc,
        time::{Duration, Instant},
    };

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::query::Priority;

    fn context() -> CallContext {
        CallContext {
            priority: Priority::Normal.into(),
            tenant: None,
            deadline: Instant::now() + Duration::from_secs(60),
            cancelled: CancellationToken::new(),
            request_id: "r".into(),
        }
    }

    #[tokio::test]
    async fn dropping_the_future_stops_the_work() {
        let (started, has_started) = mpsc::channel();
        let (stopped, has_stopped) = mpsc::channel();
        let (ctx, backend): (_, Arc<str>) = (context(), "b".into());
        let mut future = Box::pin(run(&ctx, &backend, f64::INFINITY, move |ctx| {
            started.send(()).unwrap();
            let backend: Arc<str> = "b".into();
            let mut watch = Watch::new(ctx, &backend);
            let error = loop {
                if let Err(error) = watch.spend(1) {
                    break error;
                }
            };
            stopped.send(error.kind).unwrap();
            Err::<(), _>(error)
        }));
        assert!(futures_util::poll!(&mut future).is_pending());
        has_started.recv_timeout(Duration::from_secs(30)).unwrap();
        drop(future);
        assert_eq!(has_stopped.recv_timeout(Duration::from_secs(30)), Ok(ErrorKind::Cancelled));
    }

    #[tokio::test]
    async fn a_deadline_in_the_past_stops_work_of_any_length() {
        let backend: Arc<str> = "b".into();
        for expected_ns in [0.0, f64::INFINITY] {
            let ctx = CallContext { deadline: Instant::now(), ..context() };
            let result = run(&ctx, &backend, expected_ns, |_| Ok(())).await;
            assert_eq!(result.unwrap_err().kind, ErrorKind::DeadlineExceeded);
        }
    }
}
