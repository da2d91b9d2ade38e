//! A larger (or smaller) collection of the same kind: copies of the data with noise on the vectors and some edges led
//! from one copy into another.

use std::sync::Arc;

use rand::{RngExt, seq::SliceRandom};
use roaring::RoaringBitmap;

use super::{
    random::{Source, source},
    survey::words_at,
    vectors::with_noise,
};
use crate::{
    backend::embedded::{Column, Edges, Parts, Vectors},
    catalog::{CollectionSchema, Metric},
    reference::Asked,
    value::EntityId,
};

/// Length of the noise on a copied vector, relative to the vector's own.
const NOISE: f64 = 0.3;
/// Share of the edges of a copy that lead into another copy.
const REWIRED: f64 = 0.15;
/// Stands for a row that a copy leaves out.
const ABSENT: u32 = u32::MAX;

/// Why there is no such copy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScaleError {
    /// There is nothing to copy.
    #[error("the collection has no entity to copy")]
    Empty,
    /// The copies would have more nodes than rows can be numbered.
    #[error("{0} entities are more than a collection can hold")]
    TooLarge(usize),
    /// Integer ids are spread so widely that copies do not find room between 64-bit numbers.
    #[error("the integer ids leave no room for those of the copies")]
    NoRoomForIds,
}

/// A collection with `entities` entities that looks like `parts`.
///
/// The first copy is the data as it is; the others have its attributes, its vectors with noise (of the same length under
/// cosine), and its edges, of which some end in another copy, so that degrees stay as they are and most walks stay
/// within a copy. The last copy is a random part, if need be. Text ids become `name~2`, `name~3`, …; integers are
/// shifted beyond the largest; UUIDs are derived. The same seed and data give the same copy.
///
/// # Errors
/// See [`ScaleError`].
pub fn scale(schema: &CollectionSchema, parts: &Parts, entities: usize, seed: u64) -> Result<Parts, ScaleError> {
    let copies = Copies::plan(schema, parts, entities, seed)?;
    Ok(Parts {
        columns: parts.columns.iter().map(|column| copies.column(column)).collect(),
        vectors: (0_usize..)
            .zip(&parts.vectors)
            .map(|(space, vectors)| {
                let own = &schema.vectors[space];
                copies.vectors(vectors, own.dimensions, own.metric, seed)
            })
            .collect(),
        edges: (0_u64..)
            .zip(&parts.edges)
            .map(|(edge, edges)| copies.edges(edges, &mut source(seed, "scale edges", edge)))
            .collect(),
        ids: copies.ids,
    })
}

/// Which row of which copy is which row of the result.
struct Copies {
    ids: Vec<EntityId>,
    /// (copy, source row), by row of the result.
    origins: Vec<(u32, u32)>,
    /// Rows of the result by copy and source row.
    rows: Vec<Vec<u32>>,
}

impl Copies {
    fn plan(schema: &CollectionSchema, parts: &Parts, wanted: usize, seed: u64) -> Result<Self, ScaleError> {
        let nodes = parts.ids.len();
        let is_entity = entity_flags(schema, parts);
        let entities = is_entity.iter().filter(|flag| **flag).count();
        if entities == 0 {
            return Err(ScaleError::Empty);
        }
        let whole = wanted / entities;
        let part = part_of(&is_entity, wanted % entities, &mut source(seed, "scale part", 0));
        if (whole + 1).saturating_mul(nodes) >= ABSENT as usize {
            return Err(ScaleError::TooLarge(wanted));
        }
        let names = Names::new(&parts.ids);
        let mut named = Vec::new();
        for copy in 0..=whole as u32 {
            for (row, id) in (0_u32..).zip(&parts.ids) {
                if (copy as usize) < whole || part[row as usize] {
                    named.push((names.of(id, copy)?, copy, row));
                }
            }
        }
        named.sort_unstable();
        let mut rows = vec![vec![ABSENT; nodes]; whole + 1];
        for (at, (_, copy, row)) in (0_u32..).zip(&named) {
            rows[*copy as usize][*row as usize] = at;
        }
        let origins = named.iter().map(|(_, copy, row)| (*copy, *row)).collect();
        Ok(Self { ids: named.into_iter().map(|(id, ..)| id).collect(), origins, rows })
    }

    fn column(&self, column: &Column) -> Column {
        let rows = || self.origins.iter().map(|(_, row)| *row);
        let of = |set: &RoaringBitmap| -> RoaringBitmap {
            (0_u32..).zip(rows()).filter(|(_, row)| set.contains(*row)).map(|(at, _)| at).collect()
        };
        match column {
            Column::Text { dictionary, codes, present } => Column::Text {
                dictionary: dictionary.clone(),
                codes: rows().map(|row| codes[row as usize]).collect(),
                present: of(present),
            },
            Column::Integer { values, present } => {
                Column::Integer { values: rows().map(|row| values[row as usize]).collect(), present: of(present) }
            }
            Column::Float { values, present } => {
                Column::Float { values: rows().map(|row| values[row as usize]).collect(), present: of(present) }
            }
            Column::Boolean { truths, present } => Column::Boolean { truths: of(truths), present: of(present) },
            Column::Keywords { dictionary, present, .. } => {
                let mut offsets = vec![0];
                let mut codes = Vec::new();
                for row in rows() {
                    codes.extend_from_slice(words_at(column, row));
                    offsets.push(codes.len() as u32);
                }
                Column::Keywords { dictionary: dictionary.clone(), offsets, codes, present: of(present) }
            }
        }
    }

    fn vectors(&self, vectors: &Vectors, dimensions: usize, metric: Metric, seed: u64) -> Vectors {
        let mut result = Vectors::default();
        for (at, (copy, row)) in (0_u32..).zip(&self.origins) {
            let Ok(index) = vectors.rows.binary_search(row) else { continue };
            let stored = &vectors.values[index * dimensions..(index + 1) * dimensions];
            result.rows.push(at);
            if *copy == 0 {
                result.values.extend_from_slice(stored);
            } else {
                let item = u64::from(*copy) << 32 | u64::from(*row);
                result.values.extend(noisy(&mut source(seed, "scale vector", item), stored, metric));
            }
        }
        result
    }

    fn edges(&self, edges: &Edges, random: &mut Source) -> Edges {
        let mut pairs = Vec::new();
        for own in &self.rows {
            for (source, target) in edges.sources.iter().zip(&edges.targets) {
                let from = own[*source as usize];
                if from == ABSENT {
                    continue;
                }
                let mut to = own[*target as usize];
                if to == ABSENT || random.random_bool(REWIRED) {
                    let elsewhere = self.rows[random.random_range(0..self.rows.len())][*target as usize];
                    // The last copy may lack it; the first never does, unless it is the last.
                    to = [elsewhere, to, self.rows[0][*target as usize]]
                        .into_iter()
                        .find(|to| *to != ABSENT)
                        .unwrap_or(ABSENT);
                }
                if to != ABSENT {
                    pairs.push((from, to));
                }
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        let (sources, targets) = pairs.into_iter().unzip();
        Edges { sources, targets }
    }
}

fn entity_flags(schema: &CollectionSchema, parts: &Parts) -> Vec<bool> {
    let asked = Asked { schema, parts, tenant: None };
    let spaces = parts.vectors.len() as u16;
    (0..parts.ids.len() as u32)
        .map(|row| spaces == 0 || (0..spaces).any(|space| asked.usable_vector(space, row).is_some()))
        .collect()
}

/// `wanted` random entities, and as large a share of the other nodes.
fn part_of(is_entity: &[bool], wanted: usize, random: &mut Source) -> Vec<bool> {
    let (mut entities, mut others): (Vec<usize>, Vec<usize>) = (0..is_entity.len()).partition(|row| is_entity[*row]);
    let others_wanted = others.len() * wanted / entities.len().max(1);
    entities.shuffle(random);
    others.shuffle(random);
    let mut part = vec![false; is_entity.len()];
    for row in entities.into_iter().take(wanted).chain(others.into_iter().take(others_wanted)) {
        part[row] = true;
    }
    part
}

/// A vector with noise; under cosine as long as before. What noise would make unusable stays as it is.
fn noisy(random: &mut Source, stored: &[f32], metric: Metric) -> Vec<f32> {
    let length = |vector: &[f32]| vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    let mut vector = with_noise(random, stored, NOISE);
    if metric == Metric::Cosine {
        let factor = length(stored) / length(&vector);
        vector.iter_mut().for_each(|x| *x = (f64::from(*x) * factor) as f32);
    }
    if vector.iter().all(|x| x.is_finite()) { vector } else { stored.to_vec() }
}

/// How copies are called, so that no two ids are one.
struct Names {
    /// A run of `~` that no text id holds, so that a name splits in one way only.
    mark: String,
    /// The distance between the integers of two copies.
    shift: i128,
}

impl Names {
    fn new(ids: &[EntityId]) -> Self {
        let mut mark = "~".to_owned();
        while ids.iter().any(|id| matches!(id, EntityId::Text(text) if text.contains(&mark))) {
            mark.push('~');
        }
        let shift = match (ids.first(), ids.last()) {
            (Some(EntityId::Integer(first)), Some(EntityId::Integer(last))) => {
                i128::from(*last) - i128::from(*first) + 1
            }
            _ => 0,
        };
        Self { mark, shift }
    }

    fn of(&self, id: &EntityId, copy: u32) -> Result<EntityId, ScaleError> {
        if copy == 0 {
            return Ok(id.clone());
        }
        Ok(match id {
            EntityId::Text(text) => EntityId::Text(Arc::from(format!("{text}{}{}", self.mark, copy + 1))),
            EntityId::Integer(value) => {
                let shifted = i128::from(*value) + self.shift * i128::from(copy);
                EntityId::Integer(i64::try_from(shifted).map_err(|_| ScaleError::NoRoomForIds)?)
            }
            EntityId::Uuid(value) => {
                let mut hasher = blake3::Hasher::new_derive_key("forebay 2026-11 scaled uuid");
                hasher.update(value.as_bytes()).update(&copy.to_le_bytes());
                let mut bytes = [0; 16];
                hasher.finalize_xof().fill(&mut bytes);
                EntityId::Uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid())
            }
        })
    }
}
