//! Features in at most 255 bins, so that splits are looked for in histograms.

/// The most bins of a feature.
pub(super) const BINS: usize = 255;
/// The most values that cuts are made from.
const SAMPLE: usize = 200_000;

/// The features of many rows, each as the number of its bin.
pub(super) struct Bins {
    columns: Vec<Column>,
    rows: usize,
}

pub(super) struct Column {
    /// For each row: how many cuts are not above its value.
    pub(super) codes: Vec<u8>,
    /// Ascending. A value is in bin `b` if `b` cuts are not above it: left of cut `c` are the bins up to `c`.
    pub(super) cuts: Vec<f32>,
}

impl Bins {
    /// Bins `rows` rows of `width` features. Values must be finite.
    pub(super) fn new(rows: usize, width: usize, value: impl Fn(usize, usize) -> f32) -> Self {
        let columns = (0..width).map(|feature| {
            let step = rows.div_ceil(SAMPLE).max(1);
            let mut values: Vec<f32> = (0..rows).step_by(step).map(|row| value(row, feature)).collect();
            values.sort_by(f32::total_cmp);
            let cuts = cuts(&values);
            let code = |row| cuts.partition_point(|cut| *cut <= value(row, feature)) as u8;
            Column { codes: (0..rows).map(code).collect(), cuts }
        });
        Self { columns: columns.collect(), rows }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }
}

/// Between all neighbours if they are few, else between neighbours at equal shares of the sorted values.
fn cuts(sorted: &[f32]) -> Vec<f32> {
    let mut distinct = sorted.to_vec();
    distinct.dedup();
    if distinct.len() <= BINS {
        return distinct.windows(2).map(|pair| between(pair[0], pair[1])).collect();
    }
    let mut cuts = Vec::with_capacity(BINS - 1);
    for bin in 1..BINS {
        let value = sorted[bin * sorted.len() / BINS];
        let below = distinct.partition_point(|other| *other < value);
        if below > 0 {
            cuts.push(between(distinct[below - 1], distinct[below]));
        }
    }
    cuts.dedup();
    cuts
}

/// A cut: not below the first, and the second is not below it. `low < cut <= high`.
fn between(low: f32, high: f32) -> f32 {
    let middle = low / 2.0 + high / 2.0;
    if middle > low && middle <= high { middle } else { high }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_separates_even_neighbouring_floats() {
        for low in [0.0_f32, 1.0, -1.0, 1e-38, f32::MIN, -f32::MIN_POSITIVE] {
            let cut = between(low, low.next_up());
            assert!(low < cut && low.next_up() >= cut, "{low}");
        }
        assert!(between(f32::MIN, f32::MAX).is_finite());
    }

    #[test]
    fn a_row_is_left_of_a_cut_exactly_if_its_bin_is() {
        let values: Vec<f32> = (0..5000_u16).map(|row| (f32::from(row) * 0.37).sin()).collect();
        let bins = Bins::new(values.len(), 1, |row, _| values[row]);
        let column = &bins.columns()[0];
        assert!(column.cuts.is_sorted() && column.cuts.len() == BINS - 1);
        for (value, code) in values.iter().zip(&column.codes) {
            for (index, cut) in column.cuts.iter().enumerate() {
                assert_eq!(value < cut, usize::from(*code) <= index);
            }
        }
    }
}
