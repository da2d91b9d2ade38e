//! Which candidate to run: the one with the least predicted latency, unless others are so close that the duel forest
//! knows better.

use super::duel::Contestant;
use super::model::Model;

/// The most candidates among which duels are held. Of more that are close, the first in order take part.
const MAX_CLOSE: usize = 16;

/// A candidate with the latency that was predicted for it, by whichever model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contender<'a> {
    /// Plan and features.
    pub candidate: Contestant<'a>,
    /// ln of the predicted milliseconds.
    pub ln_ms: f32,
}

/// What settled a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettledBy {
    /// The least predicted latency: nothing else was close.
    Latency,
    /// Duels among the candidates that were close to the least.
    Duels,
}

/// The candidate to run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// Its place among the contenders.
    pub index: usize,
    /// What settled it.
    pub by: SettledBy,
    /// Candidates within the model's near-tie ratio of the least latency, the least included.
    pub close: usize,
    /// Mean share of trees that say it is faster than each of the others that are close; `None` without duels.
    pub share: Option<f32>,
}

/// Chooses among contenders. Latencies that are not finite lose against all others. `None` for none.
pub fn choose(model: Option<&Model>, contenders: &[Contender<'_>]) -> Option<Choice> {
    let (least, ln_least) = least(contenders)?;
    let alone = Choice { index: least, by: SettledBy::Latency, close: 1, share: None };
    let Some(model) = model.filter(|model| model.has_duels() && ln_least.is_finite()) else { return Some(alone) };

    let limit = ln_least + model.near_tie().ln();
    let mut close = [least; MAX_CLOSE];
    let mut count = 1;
    for (index, contender) in contenders.iter().enumerate() {
        if index != least && contender.ln_ms <= limit && count < MAX_CLOSE {
            close[count] = index;
            count += 1;
        }
    }
    if count == 1 {
        return Some(alone);
    }

    let mut shares = [0.0; MAX_CLOSE];
    for i in 0..count {
        for j in i + 1..count {
            // A plan that the forest has not seen is a draw.
            let share = model.duel(contenders[close[i]].candidate, contenders[close[j]].candidate).unwrap_or(0.5);
            shares[i] += share;
            shares[j] += 1.0 - share;
        }
    }
    let mut best = 0;
    for i in 1..count {
        let (share, best_share) = (shares[i], shares[best]);
        let faster = contenders[close[i]].ln_ms < contenders[close[best]].ln_ms;
        if share > best_share || (share == best_share && faster) {
            best = i;
        }
    }
    Some(Choice {
        index: close[best],
        by: SettledBy::Duels,
        close: count,
        share: Some(shares[best] / (count - 1) as f32),
    })
}

/// The first contender with the least latency.
fn least(contenders: &[Contender<'_>]) -> Option<(usize, f32)> {
    let mut least: Option<(usize, f32)> = None;
    for (index, contender) in contenders.iter().enumerate() {
        let ln_ms = if contender.ln_ms.is_nan() { f32::INFINITY } else { contender.ln_ms };
        if least.is_none_or(|(_, known)| ln_ms < known) {
            least = Some((index, ln_ms));
        }
    }
    least
}
