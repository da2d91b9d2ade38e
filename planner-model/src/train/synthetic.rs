//! Made-up queries, for tests of training and for timing. Nothing about real stores can be concluded from them.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Observation, Observations};
use crate::{Feature, Features};

/// The names of the made-up plans.
pub const PLANS: [&str; 5] = ["vector-first", "graph-first", "parallel", "filtered-vector", "cached-partial"];

/// Queries with all candidates that apply, each run once. Which plan is fast depends on selectivity, reach and a correlation
/// between them that no feature shows; latencies have noise of 18 %. The same seed gives the same rows.
pub fn observations(queries: u64, seed: u64) -> Observations {
    let mut data = Observations::new(PLANS);
    for query in 0..queries {
        let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9).wrapping_add(query));
        for (plan, features, ln_ms) in candidates(&mut rng) {
            let row = Observation { plan, features: features.values(), ln_ms, group: query, weight: 1.0 };
            data.push(row).unwrap_or_else(|error| unreachable!("made-up rows are sound: {error}"));
        }
    }
    data
}

fn candidates(rng: &mut ChaCha8Rng) -> Vec<(usize, Features, f64)> {
    let rows = 10_f64.powf(rng.gen_range(4.0..6.0));
    let dims = [128.0, 384.0, 768.0][rng.gen_range(0..3_u32) as usize];
    let need = [1.0, 10.0, 50.0][rng.gen_range(0..3_u32) as usize];
    let selectivity = 10_f64.powf(rng.gen_range(-4.0..0.0));
    let hops = f64::from(rng.gen_range(1..4_u32));
    let fan_out = 10_f64.powf(rng.gen_range(0.2..1.5));
    let reach = rows * (1.0 - (-fan_out.powf(hops) / rows).exp());
    let edges = reach * fan_out.sqrt();
    let correlation = rng.gen_range(0.3..3.0);
    let cached = rng.gen_bool(0.3);
    let pass = (selectivity * reach / rows * correlation).clamp(1e-7, 1.0);

    // What the planner believes is not what is true.
    let believed_selectivity = (selectivity * noise(rng, 0.3)).min(1.0);
    let believed_reach = (reach * noise(rng, 0.4)).min(rows);
    let believed_edges = edges * noise(rng, 0.3);

    // What the planner's formulas say of each plan, and what they leave out: how vectors' size, the reach and the selectivity
    // act together on pages read.
    let formulas = |selectivity: f64, reach: f64, edges: f64, pass: f64| {
        let scanned = (need / pass).min(rows);
        let matching = reach * selectivity;
        [
            300.0 + scanned * 0.2 + (scanned / 500.0).ceil() * 200.0,
            500.0 + edges * 0.02 + matching * 0.3,
            600.0 + (edges * 0.02).max(scanned * 0.15),
            700.0 + edges * 0.02 + (rows * selectivity * 0.02).min(need / selectivity.max(0.001)),
            200.0 + matching * 0.2 + scanned * 0.05,
        ]
    };
    let left_out = |selectivity: f64, reach: f64| {
        let step = |value: f64| 1.0 / (1.0 + (-4.0 * value).exp());
        let (wide, far, rare) = (dims / 400.0, step(reach.log10() - 3.5), step(-selectivity.log10() - 2.0));
        [
            0.6 + wide * (0.4 + rare),
            0.7 + 1.6 * far,
            0.6 + 0.5 * wide + far * rare,
            0.5 + 1.5 * far * (1.0 - rare),
            1.0 + wide * far,
        ]
    };
    let mut true_us = formulas(selectivity, reach, edges, pass);
    true_us.iter_mut().zip(left_out(selectivity, reach)).for_each(|(us, factor)| *us *= factor);
    let believed_pass = (believed_selectivity * believed_reach / rows).clamp(1e-7, 1.0);
    let believed_us = formulas(believed_selectivity, believed_reach, believed_edges, believed_pass);

    let applicable = (0..PLANS.len()).filter(|plan| *plan != 4 || cached);
    let mut candidates = Vec::new();
    for plan in applicable {
        let mut features = Features::default();
        let scanned = (need / believed_pass).min(rows);
        features.set_log(Feature::IoOperations, believed_us[plan] * 0.9);
        features.set_log(Feature::Cpu, believed_us[plan] * dims / 1e4);
        features.set(Feature::RoundTrips, if plan == 0 { (scanned / 500.0).ceil() } else { 2.0 });
        features.set(Feature::CacheHitProbability, f64::from(u8::from(plan == 4)));
        features.set(Feature::Parallelism, if plan == 2 { 2.0 } else { 1.0 });
        features.set_log(Feature::DataVolume, believed_reach * 16.0);
        features.set(Feature::JoinComplexity, hops * (1.0 + fan_out.log10()));
        features.set(Feature::IndexUsage, [0.0, 1.0, 0.5, 0.5, 1.0][plan]);
        features.set_log(Feature::Rows, rows);
        features.set_log(Feature::Dimensions, dims);
        features.set_log(Feature::Need, need);
        features.set(Feature::Hops, hops);
        features.set_log(Feature::Anchors, 1.0);
        features.set(Feature::Selectivity, believed_selectivity.log10());
        features.set(Feature::SelectivitySpread, rng.gen_range(0.0..0.6));
        features.set_log(Feature::Reach, believed_reach);
        features.set_log(Feature::Edges, believed_edges);
        features.set_log(Feature::Matches, believed_pass * rows);
        features.set_log(Feature::Candidates, scanned);
        features.set(Feature::AnalyticCost, believed_us[plan].log10());
        let ms = true_us[plan] / 1e3 * noise(rng, 0.18);
        candidates.push((plan, features, ms.ln()));
    }
    candidates
}

/// Log-normal around 1 (Box and Muller).
fn noise(rng: &mut ChaCha8Rng, sd: f64) -> f64 {
    let (a, b): (f64, f64) = (rng.gen_range(f64::MIN_POSITIVE..1.0), rng.gen_range(0.0..1.0));
    let normal = (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos();
    (normal * sd).exp()
}
