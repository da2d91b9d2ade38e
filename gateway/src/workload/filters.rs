//! Filters that pass about as many entities as wanted, around an entity that they let through.

use rand::RngExt;
use roaring::RoaringBitmap;
use serde_json::{Value, json};

use super::{
    class::Correlation,
    clause::Clause,
    random::{Source, one, source, weighted},
    survey::{Field, Survey, Values, compare, spelled, word, words_at},
};
use crate::{
    backend::embedded::{Column, Parts},
    catalog::CollectionSchema,
};

/// Filters drawn for one query; the best is taken.
const ATTEMPTS: usize = 10;
/// Longest list of one operator.
const LONGEST_LIST: usize = 16;

/// A filter and how much it lets through.
#[derive(Debug, Clone, PartialEq)]
pub struct DrawnFilter {
    /// The `filter` object of a query.
    pub json: Value,
    /// Fraction of the entities that pass.
    pub selectivity: f64,
}

/// Filters that pass about a given fraction of the entities, at least one of them. None where there is no entity.
pub fn draw_filters(
    schema: &CollectionSchema,
    parts: &Parts,
    selectivity: f64,
    count: usize,
    seed: u64,
) -> Vec<DrawnFilter> {
    let survey = Survey::new(schema, parts);
    let around: Vec<u32> = survey.entities.iter().collect();
    let near = RoaringBitmap::new();
    let wanted = Wanted { selectivity, around: &around, correlation: Correlation::None, near: &near };
    (0..count as u64)
        .filter_map(|number| survey.filter(&mut source(seed, "filter", number), &wanted))
        .map(|clause| DrawnFilter {
            selectivity: clause.rows.len() as f64 / survey.entities.len() as f64,
            json: clause.json.into(),
        })
        .collect()
}

/// What a filter is drawn for.
pub(super) struct Wanted<'a> {
    /// Fraction of the entities that should pass.
    pub(super) selectivity: f64,
    /// Entities around which it is drawn.
    pub(super) around: &'a [u32],
    /// Whether it should go with or against `near`.
    pub(super) correlation: Correlation,
    /// Entities near the query's vector; empty without one.
    pub(super) near: &'a RoaringBitmap,
}

#[derive(Clone, Copy)]
enum Structure {
    Conjunction(usize),
    Disjunction,
    Negation,
}

impl Survey<'_> {
    /// A filter that lets at least one entity through. `None` where there is no entity.
    pub(super) fn filter(&self, random: &mut Source, wanted: &Wanted<'_>) -> Option<Clause> {
        let best = (0..ATTEMPTS)
            .filter_map(|_| {
                let focus = one(random, wanted.around)?;
                self.attempt(random, focus, wanted.selectivity)
            })
            .map(|clause| (self.distance(&clause, wanted), clause))
            .min_by(|(a, _), (b, _)| a.total_cmp(b));
        let count = self.count(wanted.selectivity);
        match best {
            Some((_, clause)) if (clause.rows.len() as f64 / count).ln().abs() < 2_f64.ln() => Some(clause),
            // Too wide: a stretch of ids narrows it to what is wanted.
            Some((_, clause)) if clause.rows.len() as f64 > count => {
                let stretch = self.stretch(random, &clause.rows, count as u64)?;
                Some(clause.and(stretch))
            }
            _ => self.stretch(random, &self.entities, count as u64),
        }
    }

    /// The fraction of `near` that passes, over the fraction of all that does.
    pub(super) fn lift(&self, clause: &Clause, near: &RoaringBitmap) -> f64 {
        let share = clause.rows.len() as f64 / self.entities.len() as f64;
        clause.rows.intersection_len(near) as f64 / near.len() as f64 / share
    }

    /// One more condition that some but not all of `rows` satisfy. `None` where there are not two to tell apart.
    pub(super) fn narrower(&self, random: &mut Source, rows: &RoaringBitmap) -> Option<Clause> {
        if rows.len() < 2 {
            return None;
        }
        for _ in 0..ATTEMPTS {
            let focus = rows.select(random.random_range(0..rows.len() as u32))?;
            let share = random.random_range(0.2..0.8);
            if let Some(leaf) = self.leaf(random, focus, share)
                && leaf.rows.intersection_len(rows) < rows.len()
            {
                return Some(leaf);
            }
        }
        self.stretch(random, rows, rows.len() / 2)
    }

    fn count(&self, selectivity: f64) -> f64 {
        (selectivity * self.entities.len() as f64).max(1.0)
    }

    /// How far a filter is from what is wanted: in size, and in its leaning towards the vector.
    fn distance(&self, clause: &Clause, wanted: &Wanted<'_>) -> f64 {
        let size = (clause.rows.len() as f64 / self.count(wanted.selectivity)).ln().abs();
        // Small filters have no measurable lift; what they are drawn around has to do.
        let lift = if wanted.near.is_empty() { 0.0 } else { self.lift(clause, wanted.near).max(0.1).ln() };
        let wrong = match wanted.correlation {
            Correlation::For => 0.7 - lift,
            Correlation::Against => lift + 0.7,
            Correlation::None => lift.abs() - 0.7,
        };
        size + 0.3 * wrong.max(0.0)
    }

    fn attempt(&self, random: &mut Source, focus: u32, selectivity: f64) -> Option<Clause> {
        let structure = weighted(
            random,
            &[
                (Structure::Conjunction(1), 0.35),
                (Structure::Conjunction(2), 0.30),
                (Structure::Conjunction(3), 0.15),
                (Structure::Disjunction, 0.10),
                (Structure::Negation, 0.10),
            ],
        );
        let clause = match structure {
            Structure::Conjunction(count) => {
                let mut clause = self.leaf(random, focus, selectivity.powf(1.0 / count as f64))?;
                for left in (1..count).rev() {
                    // What is still to be cut off, shared by the conditions still to come.
                    let so_far = clause.rows.len() as f64 / self.entities.len() as f64;
                    let next = self.leaf(random, focus, (selectivity / so_far).min(1.0).powf(1.0 / left as f64))?;
                    if !clause.json.keys().any(|key| next.json.contains_key(key)) {
                        clause = clause.and(next);
                    }
                }
                clause
            }
            Structure::Disjunction => {
                let other_focus = self.entities.select(random.random_range(0..self.entities.len() as u32))?;
                let left = self.leaf(random, focus, selectivity / 2.0)?;
                let right = self.leaf(random, other_focus, selectivity / 2.0)?;
                if left.json == right.json { left } else { left.or(&right) }
            }
            Structure::Negation => self.negation(random, focus, selectivity)?,
        };
        (!clause.rows.is_empty()).then_some(clause)
    }

    /// Something that does not hold for `focus`, negated.
    fn negation(&self, random: &mut Source, focus: u32, selectivity: f64) -> Option<Clause> {
        let other = self.entities.select(random.random_range(0..self.entities.len() as u32))?;
        let inner = self.leaf(random, other, (1.0 - selectivity).max(0.01))?;
        if inner.rows.contains(focus) {
            return None;
        }
        let (field, condition) = inner.json.iter().next()?;
        if condition.is_object() {
            return Some(inner.negate(&self.entities));
        }
        Some(Clause::leaf(field, json!({ "$ne": condition }), "$ne", &self.entities - &inner.rows))
    }

    /// One condition that holds for `focus`, on a field drawn at random.
    fn leaf(&self, random: &mut Source, focus: u32, selectivity: f64) -> Option<Clause> {
        let weights: Vec<(usize, f64)> = self.fields.iter().map(Field::weight).enumerate().collect();
        if weights.is_empty() {
            return None;
        }
        let field = &self.fields[weighted(random, &weights)];
        let count = self.count(selectivity);
        if selectivity > 0.3 && random.random_bool(0.1) {
            return self.exists(field, focus);
        }
        match &field.values {
            Values::Words { column, rows } => words(random, field.name, column, rows, focus, count),
            Values::Ordered { column, order, is_timestamp } => {
                let at = order.binary_search_by(|row| compare(column, *row, focus).then(row.cmp(&focus))).ok()?;
                range(random, field.name, column, order, *is_timestamp, at, count as usize)
            }
            Values::Flags { yes, no } => {
                let (flag, rows) = if yes.contains(focus) { (true, yes) } else { (false, no) };
                rows.contains(focus).then(|| Clause::leaf(field.name, flag.into(), "$eq", rows.clone()))
            }
        }
    }

    fn exists(&self, field: &Field<'_>, focus: u32) -> Option<Clause> {
        let (Column::Text { present, .. }
        | Column::Integer { present, .. }
        | Column::Float { present, .. }
        | Column::Boolean { present, .. }
        | Column::Keywords { present, .. }) = &self.parts.columns[field.attribute as usize];
        let rows = present & &self.entities;
        rows.contains(focus).then(|| Clause::leaf(field.name, json!({ "$exists": true }), "$exists", rows))
    }

    /// `count` entities of `rows` that follow one another by id.
    fn stretch(&self, random: &mut Source, rows: &RoaringBitmap, count: u64) -> Option<Clause> {
        let count = count.clamp(1, rows.len().max(1)) as u32;
        let first = random.random_range(0..=(rows.len() as u32).checked_sub(count)?);
        let (low, high) = (rows.select(first)?, rows.select(first + count - 1)?);
        let id = |row: u32| Value::String(self.parts.ids[row as usize].to_string());
        let mut passing = self.entities.clone();
        passing.remove_range(..low);
        passing.remove_range(high + 1..);
        Some(Clause::leaf("id", json!({ "$gte": id(low), "$lte": id(high) }), "range", passing))
    }
}

/// Words of `focus`: several that all hold, one, or one of several.
fn words(
    random: &mut Source,
    name: &str,
    column: &Column,
    rows: &[RoaringBitmap],
    focus: u32,
    count: f64,
) -> Option<Clause> {
    let own = words_at(column, focus);
    let first = one(random, own)?;
    let is_list = matches!(column, Column::Keywords { .. });
    let mut chosen = vec![first];
    let mut passing = rows[first as usize].clone();
    if is_list && passing.len() as f64 > 1.5 * count {
        while chosen.len() < 3 && passing.len() as f64 > count {
            let next = one(random, own)?;
            if chosen.contains(&next) {
                break;
            }
            chosen.push(next);
            passing &= &rows[next as usize];
        }
    }
    let all = chosen.len() > 1;
    if !all && (passing.len() as f64) < count / 1.5 {
        for _ in 0..4 * LONGEST_LIST {
            let next = random.random_range(0..rows.len() as u32);
            let more = &passing | &rows[next as usize];
            let grows = more.len() > passing.len() && more.len() as f64 <= 1.3 * count;
            if grows && !chosen.contains(&next) {
                chosen.push(next);
                passing = more;
            }
            if chosen.len() == LONGEST_LIST || passing.len() as f64 > 0.8 * count {
                break;
            }
        }
    }
    let spell = |code: &u32| Value::from(word(column, *code));
    let several: Vec<Value> = chosen.iter().map(spell).collect();
    let (condition, operator) = match (all, several.len()) {
        (true, _) => (json!({ "$all": several }), "$all"),
        (false, 1) if random.random_bool(0.5) => (several[0].clone(), "$eq"),
        (false, 1) => (json!({ "$eq": several[0] }), "$eq"),
        (false, _) if is_list && random.random_bool(0.5) => (json!({ "$any": several }), "$any"),
        (false, _) => (json!({ "$in": several }), "$in"),
    };
    Some(Clause::leaf(name, condition, operator, passing))
}

/// A stretch of about `count` values that holds the one at position `at`; open at one end now and then.
fn range(
    random: &mut Source,
    name: &str,
    column: &Column,
    order: &[u32],
    is_timestamp: bool,
    at: usize,
    count: usize,
) -> Option<Clause> {
    let width = count.clamp(1, order.len());
    let first = at.saturating_sub(random.random_range(0..width)).min(order.len() - width);
    let (low, high) = (order[first], order[first + width - 1]);
    let from = order.partition_point(|row| compare(column, *row, low).is_lt());
    let to = order.partition_point(|row| compare(column, *row, high).is_le());
    let mut condition = serde_json::Map::new();
    // Infinite values are not in `order`, and an open range would let them pass.
    let may_be_open = matches!(column, Column::Integer { .. });
    if from > 0 || !may_be_open || random.random_bool(0.5) {
        condition.insert("$gte".into(), spelled(column, low, is_timestamp)?);
    }
    if to < order.len() || !may_be_open || condition.is_empty() {
        condition.insert("$lte".into(), spelled(column, high, is_timestamp)?);
    }
    Some(Clause::leaf(name, condition.into(), "range", order[from..to].iter().copied().collect()))
}
