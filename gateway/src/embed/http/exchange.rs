//! Texts to vectors in one request, and again where that may help.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;
use rand::RngExt;

use super::{
    budget::RetryBudget,
    client::{HttpClient, Response},
    fault::Fault,
    message,
    settings::ApiKey,
    vectors::{Vector, Wanted},
    wire::Form,
};

/// Most requests for the same texts.
const ATTEMPTS: u32 = 3;

/// Upper bound of the first wait before a repetition; doubled each time. The wait is drawn evenly from zero to the bound:
/// "full jitter" of Brooker, Exponential Backoff and Jitter, AWS Architecture Blog, 2015.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// Bytes that a component may take in a reply: sign, 17 digits, exponent, comma, a line of its own.
const COMPONENT_BYTES: usize = 64;

/// Bytes of a reply around the components of a vector, and around all of them.
const FRAME_BYTES: usize = 4 << 10;

/// A text that every model can embed.
const PLAIN_WORD: &str = "water";

/// A server as the embedder talks to it.
pub(super) struct Exchange {
    pub(super) client: HttpClient,
    pub(super) form: Form,
    pub(super) wanted: Wanted,
    pub(super) key: Option<ApiKey>,
    pub(super) budget: RetryBudget,
}

impl Exchange {
    /// One vector a text, in order. Repeated where that may help and there is time until `until`, which is asked anew each
    /// time and is `None` once nobody waits.
    pub(super) async fn send(
        &self,
        texts: &[Arc<str>],
        until: &(dyn Fn() -> Option<Instant> + Send + Sync),
    ) -> Result<Vec<Vector>, Fault> {
        self.budget.deposit();
        let mut attempt = 1;
        loop {
            let fault = match self.once(texts).await {
                Ok(vectors) => return Ok(vectors),
                Err(fault) => fault,
            };
            if !fault.may_pass() || attempt >= ATTEMPTS {
                return Err(fault);
            }
            let bound = FIRST_BACKOFF * 2_u32.pow(attempt - 1);
            let drawn = bound.mul_f64(rand::rng().random_range(0.0..1.0));
            // The jitter comes on top of what the server asks for, so that not everybody is back at once.
            let wait = fault.retry_after().unwrap_or_default() + drawn;
            let now = Instant::now();
            let in_time = now.checked_add(wait).is_some_and(|then| until().is_some_and(|until| then < until));
            if !in_time || !self.budget.withdraw(now) {
                return Err(fault);
            }
            tracing::debug!(%fault, attempt, wait_ms = wait.as_millis() as u64, "an embedding request is repeated");
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    /// Whether the server can make anything of a request of this form.
    pub(super) async fn plain_word(&self) -> Result<(), Fault> {
        match self.once(&[PLAIN_WORD.into()]).await?.pop().flatten() {
            Some(_) => Ok(()),
            None => {
                let message = Some("it has no vector for a plain word".to_owned());
                Err(Fault::Status { status: StatusCode::OK, message })
            }
        }
    }

    async fn once(&self, texts: &[Arc<str>]) -> Result<Vec<Vector>, Fault> {
        let limit = FRAME_BYTES + texts.len() * (FRAME_BYTES + self.wanted.dimensions * COMPONENT_BYTES);
        let Response { status, retry_after, body } = self.client.post(self.form.request(texts), limit).await?;
        if status.is_success() {
            let vectors = self.form.vectors(&body, texts.len())?;
            return Ok(vectors.into_iter().map(|vector| self.wanted.accept(vector)).collect::<Result<_, _>>()?);
        }
        let message = || message::of_error(&body, texts, self.key.as_ref());
        Err(match status.as_u16() {
            429 | 502..=504 => Fault::Busy { status, retry_after },
            400 | 413 | 422 => Fault::Rejected { status, message: message() },
            401 | 403 => Fault::Key(status),
            _ => Fault::Status { status, message: message() },
        })
    }
}
