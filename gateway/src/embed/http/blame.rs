//! A server rejects a batch as a whole when one of its texts is too long. Here the others get their vectors all the same.

use std::{ops::Range, sync::Arc, time::Instant};

use super::{exchange::Exchange, fault::Fault, vectors::Vector};

/// Sends texts and delivers an outcome for every place of them, in pieces.
///
/// A rejected batch is halved until only texts at fault are left, and these have no embedding. Before that, a plain word
/// tells whether the server would take any text: where not, it is the configuration that is at fault, and all fail.
pub(super) async fn answer(
    exchange: &Exchange,
    texts: &[Arc<str>],
    until: &(dyn Fn() -> Option<Instant> + Send + Sync),
    mut deliver: impl FnMut(Range<usize>, Result<Vec<Vector>, Fault>),
) {
    let whole = 0..texts.len();
    let mut parts = vec![whole];
    let mut takes_texts = false;
    while let Some(part) = parts.pop() {
        let fault = match exchange.send(&texts[part.clone()], until).await {
            Ok(vectors) => {
                takes_texts = true;
                deliver(part, Ok(vectors));
                continue;
            }
            Err(fault) => fault,
        };
        if !matches!(fault, Fault::Rejected { .. }) {
            deliver(part, Err(fault));
            continue;
        }
        if !takes_texts {
            match exchange.plain_word().await {
                Ok(()) => takes_texts = true,
                Err(Fault::Rejected { .. }) => {
                    deliver(part, Err(fault));
                    continue;
                }
                Err(other) => {
                    deliver(part, Err(other));
                    continue;
                }
            }
        }
        if part.len() == 1 {
            deliver(part, Ok(vec![None]));
        } else {
            let middle = part.start + part.len() / 2;
            parts.extend([middle..part.end, part.start..middle]);
        }
    }
}
