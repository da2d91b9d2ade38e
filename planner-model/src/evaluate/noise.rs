//! How much regret is noise: what one would have who knew all latencies from half of the runs, and is judged by the other
//! half. No model that is judged by so few runs can show less.

use super::Case;

/// Regret of choosing by the odd repetitions, judged by the even ones, and the other way round: the geometric mean of both.
/// `None` where no case has two repetitions of each candidate.
pub fn split_half(cases: &[Case<'_>]) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_u64);
    for case in cases {
        for parity in [0, 1] {
            let half = |parity: u32| -> Option<Vec<f64>> {
                case.candidates.iter().map(|c| c.median_of(|repetition| repetition % 2 == parity)).collect()
            };
            let (Some(seen), Some(judged)) = (half(parity), half(1 - parity)) else { continue };
            let least = |us: &[f64]| (0..us.len()).min_by(|&a, &b| us[a].total_cmp(&us[b])).unwrap_or(0);
            sum += (judged[least(&seen)] / judged[least(&judged)]).ln();
            count += 1;
        }
    }
    (count > 0).then(|| (sum / count as f64).exp())
}
