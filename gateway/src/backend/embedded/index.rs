//! Attribute indexes: from values to the rows that have them.

use std::{borrow::Cow, ops::Range};

use roaring::{MultiOps, RoaringBitmap};

use super::{
    Column,
    bits::{bitmap_of, from_ascending},
};

/// More distinct values than this, or fewer rows a value than [`MIN_MEAN_ROWS`], are kept as one run of rows.
const MAX_BITMAPS: usize = 4_096;
const MIN_MEAN_ROWS: usize = 16;

/// The index of one column.
#[derive(Debug)]
pub(super) enum Index {
    /// For numbers and times: rows with a value by (value, row).
    Sorted(Vec<u32>),
    /// For texts and lists of few distinct values: the rows of each code.
    Bitmaps(Vec<RoaringBitmap>),
    /// For texts and lists of many: `rows[starts[code]..starts[code + 1]]`, ascending.
    Runs { starts: Vec<u32>, rows: Vec<u32> },
    /// For booleans the column is its own index.
    Column,
}

impl Index {
    /// Indexes a valid column.
    pub(super) fn new(column: &Column) -> Self {
        match column {
            Column::Text { dictionary, codes, present } => {
                Self::of_codes(dictionary.len(), || present.iter().map(|row| (row, codes[row as usize])))
            }
            Column::Keywords { dictionary, present, .. } => Self::of_codes(dictionary.len(), || {
                present.iter().flat_map(|row| column.elements(row).iter().map(move |code| (row, *code)))
            }),
            Column::Integer { values, present } => {
                let mut order: Vec<u32> = present.iter().collect();
                order.sort_by_key(|row| values[*row as usize]);
                Self::Sorted(order)
            }
            Column::Float { values, present } => {
                let mut order: Vec<u32> = present.iter().collect();
                order.sort_by(|a, b| {
                    values[*a as usize].partial_cmp(&values[*b as usize]).expect("NaN counts as missing")
                });
                Self::Sorted(order)
            }
            Column::Boolean { .. } => Self::Column,
        }
    }

    /// Indexes (row, code) pairs that ascend by row. A row counts once for each code.
    fn of_codes<I: Iterator<Item = (u32, u32)>>(distinct: usize, pairs: impl Fn() -> I) -> Self {
        const NONE: u32 = u32::MAX;
        let mut starts = vec![0_u32; distinct + 1];
        let mut last = vec![NONE; distinct];
        for (row, code) in pairs() {
            if std::mem::replace(&mut last[code as usize], row) != row {
                starts[code as usize + 1] += 1;
            }
        }
        for code in 0..distinct {
            starts[code + 1] += starts[code];
        }
        let mut rows = vec![0; starts[distinct] as usize];
        let mut next = starts.clone();
        last.fill(NONE);
        for (row, code) in pairs() {
            if std::mem::replace(&mut last[code as usize], row) != row {
                rows[next[code as usize] as usize] = row;
                next[code as usize] += 1;
            }
        }
        if distinct <= MAX_BITMAPS && rows.len() >= distinct * MIN_MEAN_ROWS {
            let run = |code: usize| rows[starts[code] as usize..starts[code + 1] as usize].iter().copied();
            Self::Bitmaps((0..distinct).map(|code| from_ascending(run(code))).collect())
        } else {
            Self::Runs { starts, rows }
        }
    }

    /// Number of rows with a code.
    pub(super) fn count(&self, code: u32) -> u64 {
        self.count_range(code..code + 1)
    }

    /// Number of rows with each code of a range, added up.
    pub(super) fn count_range(&self, codes: Range<u32>) -> u64 {
        match self {
            Self::Bitmaps(bitmaps) => {
                bitmaps[codes.start as usize..codes.end as usize].iter().map(RoaringBitmap::len).sum()
            }
            Self::Runs { starts, .. } => u64::from(starts[codes.end as usize] - starts[codes.start as usize]),
            Self::Sorted(_) | Self::Column => 0,
        }
    }

    /// Rows with one of these distinct codes.
    pub(super) fn rows_of(&self, codes: &[u32], universe: u32) -> Cow<'_, RoaringBitmap> {
        match (self, codes) {
            (Self::Bitmaps(bitmaps), [code]) => Cow::Borrowed(&bitmaps[*code as usize]),
            (Self::Bitmaps(bitmaps), _) => Cow::Owned(codes.iter().map(|code| &bitmaps[*code as usize]).union()),
            (Self::Runs { .. }, [code]) => Cow::Owned(from_ascending(self.run(*code).iter().copied())),
            (Self::Runs { .. }, _) => {
                let rows: Vec<u32> = codes.iter().flat_map(|code| self.run(*code)).copied().collect();
                Cow::Owned(bitmap_of(&rows, universe))
            }
            (Self::Sorted(_) | Self::Column, _) => Cow::Owned(RoaringBitmap::new()),
        }
    }

    /// Rows with a code of a range.
    pub(super) fn rows_in(&self, codes: Range<u32>, universe: u32) -> RoaringBitmap {
        match self {
            Self::Bitmaps(bitmaps) => bitmaps[codes.start as usize..codes.end as usize].iter().union(),
            Self::Runs { starts, rows } => {
                bitmap_of(&rows[starts[codes.start as usize] as usize..starts[codes.end as usize] as usize], universe)
            }
            Self::Sorted(_) | Self::Column => RoaringBitmap::new(),
        }
    }

    fn run(&self, code: u32) -> &[u32] {
        match self {
            Self::Runs { starts, rows } => &rows[starts[code as usize] as usize..starts[code as usize + 1] as usize],
            _ => &[],
        }
    }
}
