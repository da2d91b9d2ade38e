//! Who asks for a connection.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{backend::CallContext, query::Priority};

/// Who asks, for how long the work will take, and until when its result is of use.
#[derive(Debug, Clone)]
pub struct Demand {
    /// The class whose queue it waits in.
    pub class: Priority,
    /// The share within the class that it is counted against; callers without a tenant share one.
    pub tenant: Option<Arc<str>>,
    /// When the result is of no more use.
    pub deadline: Instant,
    /// How long the connection will be in use, as far as can be told. Corrected by the measured time afterwards.
    pub predicted: Duration,
}

impl Demand {
    /// The demand of a call.
    pub fn of(ctx: &CallContext, predicted: Duration) -> Self {
        Self { class: ctx.priority.now(), tenant: ctx.tenant.clone(), deadline: ctx.deadline, predicted }
    }
}
