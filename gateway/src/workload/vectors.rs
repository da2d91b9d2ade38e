//! Query vectors, and what lies near and far from them.

use rand::RngExt;
use rand_distr::StandardNormal;
use roaring::RoaringBitmap;
use serde_json::{Map, Value, json};

use super::{
    class::VectorSource,
    json::component,
    random::{Source, log_uniform, one, weighted},
    survey::Survey,
};
use crate::{
    query::{VectorClause, VectorInput, VectorTerm},
    reference::{Asked, similarity},
};

/// Entities looked at to tell near from far.
const SAMPLE: usize = 1_000;
/// How many of them count as near, and how many as far.
const EXTREME: usize = 50;
/// Weights of the inputs after the first. Three of them never cancel the first one out.
const WEIGHTS: [f64; 4] = [0.45, 0.3, -0.3, -0.45];

/// A query vector.
pub(super) struct DrawnVector {
    /// The `vector` object.
    pub(super) json: Map<String, Value>,
    pub(super) source: VectorSource,
    /// A sample of the nearest entities, nearest first.
    pub(super) near: Vec<u32>,
    /// A sample of the farthest.
    pub(super) far: Vec<u32>,
    /// The score of the last of `near`.
    pub(super) near_score: f64,
}

impl DrawnVector {
    pub(super) fn near_set(&self) -> RoaringBitmap {
        self.near.iter().copied().collect()
    }
}

impl Survey<'_> {
    /// A query vector in some space. `None` where no entity has a vector.
    pub(super) fn vector(&self, random: &mut Source) -> Option<DrawnVector> {
        let spaces: Vec<u16> =
            (0_u16..).zip(&self.ranked).filter(|(_, rows)| !rows.is_empty()).map(|(space, _)| space).collect();
        let space = one(random, &spaces)?;
        let rows = &self.ranked[space as usize];
        let combine = if rows.len() > 1 && self.schema.limits.max_combine >= 2 { 0.15 } else { 0.0 };
        let source = weighted(
            random,
            &[(VectorSource::Perturbed, 0.55), (VectorSource::Like, 0.30), (VectorSource::Combine, combine)],
        );
        let row = one(random, rows)?;
        let id = |row: u32| self.parts.ids[row as usize].clone();
        let (mut json, input) = match source {
            VectorSource::Perturbed => {
                let values = self.perturbed(random, space, row)?;
                let spelled: Vec<Value> = values.iter().copied().map(component).collect();
                (json!({ "values": spelled }), VectorInput::Single(VectorTerm::Values(values.into())))
            }
            VectorSource::Like => {
                (json!({ "like": id(row).to_string() }), VectorInput::Single(VectorTerm::Like(id(row))))
            }
            VectorSource::Combine => {
                let mut terms = vec![(row, 1.0)];
                for _ in 0..random.random_range(1..self.schema.limits.max_combine.min(3)) {
                    let other = one(random, rows)?;
                    if terms.iter().all(|(term, _)| *term != other) {
                        terms.push((other, one(random, &WEIGHTS)?));
                    }
                }
                let spelled: Vec<Value> = terms
                    .iter()
                    .map(|(row, weight)| json!({ "like": id(*row).to_string(), "weight": weight }))
                    .collect();
                let terms = terms.iter().map(|(row, weight)| (VectorTerm::Like(id(*row)), *weight)).collect();
                (json!({ "combine": spelled }), VectorInput::Combine(terms))
            }
        };
        let name = &*self.schema.vectors[space as usize].name;
        if name != "default" {
            json["name"] = name.into();
        }
        let Value::Object(json) = json else { unreachable!("made as an object above") };
        let asked = Asked { schema: self.schema, parts: self.parts, tenant: None };
        let vector = asked.query_vector(&VectorClause { space, input }, &|_| None).ok()?;
        let ranked = self.ranked_sample(random, space, &vector);
        let extreme = EXTREME.min(ranked.len().div_ceil(4));
        Some(DrawnVector {
            json,
            source,
            near: ranked[..extreme].iter().map(|(row, _)| *row).collect(),
            far: ranked[ranked.len() - extreme..].iter().map(|(row, _)| *row).collect(),
            near_score: ranked[extreme - 1].1,
        })
    }

    /// A stored vector with noise of 5 to 100 % of its length.
    fn perturbed(&self, random: &mut Source, space: u16, row: u32) -> Option<Vec<f32>> {
        let asked = Asked { schema: self.schema, parts: self.parts, tenant: None };
        let stored = asked.usable_vector(space, row)?;
        let noise = log_uniform(random, 0.05, 1.0);
        let vector = with_noise(random, stored, noise);
        // A stored vector of another metric may be zero, and stays so.
        Some(if vector.iter().any(|x| *x != 0.0) { vector } else { stored.to_vec() })
    }

    fn ranked_sample(&self, random: &mut Source, space: u16, vector: &[f32]) -> Vec<(u32, f64)> {
        let asked = Asked { schema: self.schema, parts: self.parts, tenant: None };
        let rows = &self.ranked[space as usize];
        let stride = rows.len().div_ceil(SAMPLE);
        let metric = self.schema.vectors[space as usize].metric;
        let mut ranked: Vec<(u32, f64)> = rows[random.random_range(0..stride)..]
            .iter()
            .step_by(stride)
            .filter_map(|row| Some((*row, similarity(metric, vector, asked.usable_vector(space, *row)?))))
            .collect();
        ranked.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        ranked
    }
}

/// A vector plus Gaussian noise whose expected length is `noise` times the vector's.
pub(super) fn with_noise(random: &mut Source, vector: &[f32], noise: f64) -> Vec<f32> {
    let length = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    let scale = noise * length / (vector.len() as f64).sqrt();
    vector.iter().map(|x| (f64::from(*x) + scale * random.sample::<f64, _>(StandardNormal)) as f32).collect()
}
