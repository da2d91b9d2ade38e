//! Finding the rows that pass by the indexes.

use std::{borrow::Cow, ops::Range};

use roaring::RoaringBitmap;

use super::{Leaf, Node, Predicate};
use crate::backend::embedded::{Column, Dataset, bits::bitmap_of, bits::from_ascending, index::Index};

/// How many rows an index gives in the time in which one row is tested.
const ROWS_PER_TEST: u64 = 8;

impl Predicate {
    /// The rows that pass.
    pub(in super::super) fn rows<'a>(&self, data: &'a Dataset) -> Cow<'a, RoaringBitmap> {
        self.0.rows(data)
    }

    /// At most so many rows pass. Read from the indexes in no time.
    pub(in super::super) fn at_most(&self, data: &Dataset) -> u64 {
        self.0.at_most(data)
    }

    /// The number of rows that [`Self::rows`] has to handle.
    pub(in super::super) fn work(&self, data: &Dataset) -> u64 {
        self.0.work(data)
    }
}

impl Node {
    fn rows<'a>(&self, data: &'a Dataset) -> Cow<'a, RoaringBitmap> {
        match self {
            Self::Everything => Cow::Borrowed(data.all()),
            Self::Nothing => Cow::Owned(RoaringBitmap::new()),
            Self::Leaf(leaf) => leaf.rows(data),
            Self::Not(inner) => Cow::Owned(data.all() - inner.rows(data).as_ref()),
            Self::And(parts) => intersection(data, parts),
            Self::Or(parts) => {
                let mut union = RoaringBitmap::new();
                for part in parts {
                    union |= part.rows(data).as_ref();
                }
                Cow::Owned(union)
            }
        }
    }

    /// Upper bound of the number of rows that pass.
    fn at_most(&self, data: &Dataset) -> u64 {
        let all = u64::from(data.rows());
        match self {
            Self::Everything => all,
            Self::Nothing => 0,
            Self::Leaf(leaf) => leaf.count(data).min(all),
            Self::Not(inner) => all - inner.at_least(data),
            Self::And(parts) => parts.iter().map(|part| part.at_most(data)).min().unwrap_or(all),
            Self::Or(parts) => parts.iter().map(|part| part.at_most(data)).sum::<u64>().min(all),
        }
    }

    /// Lower bound of the number of rows that pass.
    fn at_least(&self, data: &Dataset) -> u64 {
        let all = u64::from(data.rows());
        match self {
            Self::Everything => all,
            // A list's elements may share rows, so their sum proves nothing.
            Self::Nothing | Self::Leaf(Leaf::Elements(..)) | Self::And(_) => 0,
            Self::Leaf(leaf) => leaf.count(data).min(all),
            Self::Not(inner) => all - inner.at_most(data),
            Self::Or(parts) => parts.iter().map(|part| part.at_least(data)).max().unwrap_or(0),
        }
    }

    fn work(&self, data: &Dataset) -> u64 {
        match self {
            Self::Everything | Self::Nothing => 0,
            Self::Leaf(leaf) => leaf.work(data),
            Self::Not(inner) => inner.work(data),
            Self::And(parts) => {
                let first = parts.iter().map(|part| part.work(data)).min().unwrap_or(0);
                let tests = self.at_most(data).saturating_mul(ROWS_PER_TEST * (parts.len() as u64 - 1));
                first + tests.min(parts.iter().map(|part| part.work(data)).sum())
            }
            Self::Or(parts) => parts.iter().map(|part| part.work(data)).sum(),
        }
    }
}

/// The most selective part by its index; then each other one by its index, or row by row where few rows are left.
fn intersection<'a>(data: &'a Dataset, parts: &[Node]) -> Cow<'a, RoaringBitmap> {
    let mut parts: Vec<(u64, &Node)> = parts.iter().map(|part| (part.at_most(data), part)).collect();
    parts.sort_by_key(|(at_most, _)| *at_most);
    let Some(((_, first), others)) = parts.split_first() else { return Cow::Borrowed(data.all()) };
    let mut rows = first.rows(data);
    for (_, part) in others {
        if rows.is_empty() {
            break;
        }
        if rows.len() * ROWS_PER_TEST < part.work(data) {
            rows = Cow::Owned(from_ascending(rows.iter().filter(|row| part.test(data, *row))));
        } else if let Node::Not(inner) = part {
            *rows.to_mut() -= inner.rows(data).as_ref();
        } else {
            *rows.to_mut() &= part.rows(data).as_ref();
        }
    }
    rows
}

impl Leaf {
    fn rows<'a>(&self, data: &'a Dataset) -> Cow<'a, RoaringBitmap> {
        let universe = data.rows();
        match self {
            Self::Rows(rows) => Cow::Owned(from_ascending(rows.iter().copied())),
            Self::RowRange(rows) => {
                let mut set = RoaringBitmap::new();
                set.insert_range(rows.clone());
                Cow::Owned(set)
            }
            Self::Present(index) => Cow::Borrowed(data.column(*index).present()),
            Self::Codes(index, codes) | Self::Elements(index, codes) => data.index(*index).rows_of(codes, universe),
            Self::CodeRange(index, codes) => {
                let count = data.index(*index).count_range(codes.clone());
                let present = data.column(*index).present();
                if count > present.len() / 2 {
                    let end = dictionary_len(data.column(*index));
                    let below = data.index(*index).rows_in(0..codes.start, universe);
                    let above = data.index(*index).rows_in(codes.end..end, universe);
                    Cow::Owned(present - (below | above))
                } else {
                    Cow::Owned(data.index(*index).rows_in(codes.clone(), universe))
                }
            }
            Self::Integers(..) | Self::Floats(..) => {
                let (order, runs) = self.runs(data);
                let rows: Vec<u32> = runs.into_iter().flat_map(|run| &order[run]).copied().collect();
                Cow::Owned(bitmap_of(&rows, universe))
            }
            Self::IntegerRange(index, ..) | Self::FloatRange(index, ..) => {
                let (order, runs) = self.runs(data);
                let run = runs.into_iter().next().unwrap_or(0..0);
                let present = data.column(*index).present();
                if run.len() == order.len() {
                    Cow::Borrowed(present)
                } else if run.len() > order.len() / 2 {
                    let outside: Vec<u32> = order[..run.start].iter().chain(&order[run.end..]).copied().collect();
                    Cow::Owned(present - bitmap_of(&outside, universe))
                } else {
                    Cow::Owned(bitmap_of(&order[run], universe))
                }
            }
            Self::Boolean(index, wanted) => match data.column(*index) {
                Column::Boolean { truths, .. } if *wanted => Cow::Borrowed(truths),
                Column::Boolean { truths, present } => Cow::Owned(present - truths),
                _ => Cow::Owned(RoaringBitmap::new()),
            },
        }
    }

    /// The number of rows that pass; for elements of lists an upper bound.
    fn count(&self, data: &Dataset) -> u64 {
        match self {
            Self::Rows(rows) => rows.len() as u64,
            Self::RowRange(rows) => rows.len() as u64,
            Self::Present(index) => data.column(*index).present().len(),
            Self::Codes(index, codes) | Self::Elements(index, codes) => {
                codes.iter().map(|code| data.index(*index).count(*code)).sum()
            }
            Self::CodeRange(index, codes) => data.index(*index).count_range(codes.clone()),
            Self::Integers(..) | Self::Floats(..) | Self::IntegerRange(..) | Self::FloatRange(..) => {
                self.runs(data).1.iter().map(|run| run.len() as u64).sum()
            }
            Self::Boolean(index, wanted) => match data.column(*index) {
                Column::Boolean { truths, .. } if *wanted => truths.len(),
                Column::Boolean { truths, present } => present.len() - truths.len(),
                _ => 0,
            },
        }
    }

    /// Rows that have to be handled: those that do not pass, where they are fewer and the index can leave them out.
    fn work(&self, data: &Dataset) -> u64 {
        match self {
            Self::RowRange(_) | Self::Present(_) | Self::Boolean(..) => 0,
            Self::CodeRange(index, _) | Self::IntegerRange(index, ..) | Self::FloatRange(index, ..) => {
                let count = self.count(data);
                count.min(data.column(*index).present().len() - count)
            }
            Self::Rows(_) | Self::Codes(..) | Self::Elements(..) | Self::Integers(..) | Self::Floats(..) => {
                self.count(data)
            }
        }
    }

    /// For numbers and times: the rows in the order of their values, and the stretches of it that pass.
    fn runs<'a>(&self, data: &'a Dataset) -> (&'a [u32], Vec<Range<usize>>) {
        match self {
            Self::Integers(index, wanted) => {
                with_integers(data, *index, |run| wanted.iter().map(|value| run(*value, *value)).collect())
            }
            Self::IntegerRange(index, first, last) => with_integers(data, *index, |run| vec![run(*first, *last)]),
            Self::Floats(index, wanted) => {
                with_floats(data, *index, |run| wanted.iter().map(|value| run(*value, *value)).collect())
            }
            Self::FloatRange(index, least, most) => with_floats(data, *index, |run| vec![run(*least, *most)]),
            _ => (&[], Vec::new()),
        }
    }
}

type Runs<'a> = (&'a [u32], Vec<Range<usize>>);

fn with_integers<'a>(
    data: &'a Dataset,
    index: u16,
    runs: impl FnOnce(&dyn Fn(i64, i64) -> Range<usize>) -> Vec<Range<usize>>,
) -> Runs<'a> {
    match (data.index(index), data.column(index)) {
        (Index::Sorted(order), Column::Integer { values, .. }) => {
            let found = runs(&|first, last| {
                between(order, |row| values[row as usize] < first, |row| values[row as usize] <= last)
            });
            (order, found)
        }
        _ => (&[], Vec::new()),
    }
}

fn with_floats<'a>(
    data: &'a Dataset,
    index: u16,
    runs: impl FnOnce(&dyn Fn(f64, f64) -> Range<usize>) -> Vec<Range<usize>>,
) -> Runs<'a> {
    match (data.index(index), data.column(index)) {
        (Index::Sorted(order), Column::Float { values, .. }) => {
            let found = runs(&|least, most| {
                between(order, |row| values[row as usize] < least, |row| values[row as usize] <= most)
            });
            (order, found)
        }
        _ => (&[], Vec::new()),
    }
}

/// The stretch of rows that are not `below` any more and still `up_to`.
fn between(order: &[u32], below: impl Fn(u32) -> bool, up_to: impl Fn(u32) -> bool) -> Range<usize> {
    let start = order.partition_point(|row| below(*row));
    start..start + order[start..].partition_point(|row| up_to(*row))
}

fn dictionary_len(column: &Column) -> u32 {
    match column {
        Column::Text { dictionary, .. } | Column::Keywords { dictionary, .. } => dictionary.len() as u32,
        _ => 0,
    }
}
