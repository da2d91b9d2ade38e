//! Small model files for tests, written byte by byte as the format says.

use planner_model::{Card, FEATURES, FORMAT_VERSION, Manifest, PlanEntry, schema_hash};

use crate::planner::PlanKind;

/// What a forest of a single leaf says of a kind of plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Says {
    pub(crate) kind: PlanKind,
    /// Predicted microseconds.
    pub(crate) us: f64,
    pub(crate) observations: u64,
    /// Training rows in the leaf.
    pub(crate) support: f32,
}

impl Says {
    pub(crate) fn us(kind: PlanKind, us: f64) -> Self {
        Self { kind, us, observations: 1_000, support: 100.0 }
    }
}

/// The link of a leaf at the beginning: it is its own left child, in the upper 24 bits, and tests this input.
const LEAF: u32 = 255;

/// A model file of single leaves, which was trained on everything.
pub(crate) fn file(says: &[Says]) -> Vec<u8> {
    ranged(says, [-1e9, 1e9])
}

/// The same, trained on these values of every feature.
pub(crate) fn ranged(says: &[Says], range: [f64; 2]) -> Vec<u8> {
    let plan = |says: &Says| PlanEntry {
        name: says.kind.as_str().to_owned(),
        observations: says.observations,
        ranges: vec![range; FEATURES],
        factors: [0.0, 0.8, 1.3, 1.6, 2.3],
        calibration_rows: 100,
    };
    let manifest = Manifest {
        plans: says.iter().map(plan).collect(),
        relative: false,
        near_tie: 1.25,
        duel_inputs: Vec::new(),
        constants: Default::default(),
        card: Card { trainer: "a test".to_owned(), ..Card::default() },
    };
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let mut bytes = b"FOREBAYM".to_vec();
    bytes.extend(FORMAT_VERSION.to_le_bytes());
    bytes.extend(schema_hash());
    let count = |bytes: &mut Vec<u8>, count: usize| bytes.extend((count as u32).to_le_bytes());
    count(&mut bytes, manifest.len());
    bytes.extend(manifest);
    for says in says {
        // One tree of one node, which begins at 0: a leaf that is its own left child.
        count(&mut bytes, 1);
        count(&mut bytes, 1);
        count(&mut bytes, 0);
        bytes.extend(((says.us / 1e3).ln() as f32).to_le_bytes());
        bytes.extend(LEAF.to_le_bytes());
        bytes.extend(0.09_f32.to_le_bytes());
        bytes.extend(says.support.to_le_bytes());
    }
    // No duels, no golden vectors.
    count(&mut bytes, 0);
    count(&mut bytes, 0);
    let checksum = blake3::hash(&bytes);
    bytes.extend(checksum.as_bytes());
    bytes
}

/// A file whose models say the same of every plan.
pub(crate) fn uniform(us: f64) -> Vec<u8> {
    file(&PlanKind::ALL.map(|kind| Says::us(kind, us)))
}
