//! Bitmaps from rows that come in any order.

use roaring::RoaringBitmap;

/// The set of these rows, all below `universe`; duplicates are fine.
pub(super) fn bitmap_of(rows: &[u32], universe: u32) -> RoaringBitmap {
    // Below one row in a kilobit of universe, sorting costs less than clearing and counting a dense bit set.
    if rows.len() < universe as usize / 1024 {
        let mut sorted = rows.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        from_ascending(sorted)
    } else {
        let mut bits = vec![0_u8; (universe as usize).div_ceil(8)];
        for &row in rows {
            bits[row as usize / 8] |= 1 << (row % 8);
        }
        RoaringBitmap::from_lsb0_bytes(0, &bits)
    }
}

/// The set of these rows, ascending and distinct.
pub(super) fn from_ascending(rows: impl IntoIterator<Item = u32>) -> RoaringBitmap {
    RoaringBitmap::from_sorted_iter(rows).expect("rows ascend")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparse_and_dense_rows_give_the_same_set_as_inserting_them() {
        for (count, universe) in [(0, 0), (3, 100_000), (5_000, 100_000), (90_000, 100_000), (7, 9)] {
            let rows: Vec<u32> = (0..count).map(|i: u32| i.wrapping_mul(2_654_435_761) % universe.max(1)).collect();
            assert_eq!(bitmap_of(&rows, universe), rows.iter().copied().collect::<RoaringBitmap>());
        }
    }
}
