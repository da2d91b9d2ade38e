//! Statistics against counts by hand.

use proptest::prelude::*;

use super::*;
use crate::{
    backend::{
        GraphStore, VectorStore,
        embedded::testing::{Size, passes, store},
    },
    query::{Comparison, Field, Filter},
};

fn share(data: &Dataset, filter: &Filter) -> f64 {
    (0..data.rows()).filter(|row| passes(data, filter, *row)).count() as f64 / f64::from(data.rows()).max(1.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn frequencies_are_the_shares_of_rows(seed in any::<u64>(), rows in 1_u32..400) {
        let store = store(seed, Size { rows, edges: 0 });
        let data = store.data();
        let statistics = VectorStore::statistics(store.as_ref());
        prop_assert_eq!(statistics.rows, u64::from(rows));
        for (index, attribute) in statistics.attributes.iter().enumerate() {
            let field = Field::Attribute(index as u16);
            let is_list = matches!(data.column(index as u16), Column::Keywords { .. });
            let exists = share(data, &Filter::Exists(field));
            prop_assert!((1.0 - attribute.null_fraction - exists).abs() < 1e-9);
            let most = if is_list { MAX_ELEMENTS } else { MAX_COMMON };
            prop_assert!(attribute.common.len() <= most);
            for (value, frequency) in &attribute.common {
                let counted = share(data, &Filter::equals(field, value.clone()));
                prop_assert!((frequency - counted).abs() < 1e-9, "{value:?} {frequency} {counted}");
            }
            let common: f64 = attribute.common.values().sum();
            let rest = attribute.histogram.as_ref().map_or(0.0, |histogram| histogram.fraction);
            if is_list {
                prop_assert!(attribute.histogram.is_none() && attribute.common.values().all(|f| *f <= 1.0));
            } else {
                prop_assert!((common + rest - exists).abs() < 1e-9, "every row with a value is covered once");
            }
        }
    }

    #[test]
    fn between_two_bounds_lies_an_equal_share(seed in any::<u64>(), rows in 300_u32..900) {
        let store = store(seed, Size { rows, edges: 0 });
        let data = store.data();
        let statistics = VectorStore::statistics(store.as_ref());
        // The texts are nearly all distinct, so most are in the histogram.
        let (index, attribute) = (4, &statistics.attributes[4]);
        let histogram = attribute.histogram.as_ref().expect("more values than are common");
        prop_assert!(histogram.bounds.len() <= MAX_BOUNDS && histogram.bounds.is_sorted());
        let steps = histogram.bounds.len() as f64 - 1.0;
        for (place, bound) in histogram.bounds.iter().enumerate() {
            let below = Filter::Compare(Field::Attribute(index), Comparison::Less, bound.clone());
            let common = attribute.common.iter().filter(|(value, _)| *value < bound).map(|(_, f)| f).sum::<f64>();
            let covered = (share(data, &below) - common) / histogram.fraction;
            prop_assert!((covered - place as f64 / steps).abs() <= 2.0 / steps, "{covered} at {place} of {steps}");
        }
    }

    #[test]
    fn degrees_are_those_of_the_edges(seed in any::<u64>(), rows in 1_u32..120, edges in 0_usize..300) {
        let store = store(seed, Size { rows, edges });
        let data = store.data();
        let statistics = GraphStore::statistics(store.as_ref());
        prop_assert_eq!(statistics.nodes, u64::from(rows));
        for (edge, known) in statistics.edges.iter().enumerate() {
            let edges: Vec<(u32, u32)> = data.edges(edge as u16).collect();
            prop_assert_eq!(known.count, edges.len() as u64);
            // Each step along an edge may be followed by any edge to its target, each step against it by any from its source.
            let back = |(s, t): &(u32, u32)| edges.iter().filter(|e| e.1 == *t).count() + edges.iter().filter(|e| e.0 == *s).count();
            let turns = edges.iter().map(back).sum::<usize>() as f64 / (2.0 * edges.len() as f64).max(1.0);
            prop_assert!((known.turns.unwrap() - turns).abs() < 1e-9);
            for (degrees, along) in [(&known.out, true), (&known.r#in, false)] {
                let degree = |row: u32| edges.iter().filter(|(s, t)| row == if along { *s } else { *t }).count() as u64;
                let mut all: Vec<u64> = (0..rows).map(degree).collect();
                let look_up = degrees.known.as_ref().expect("all degrees are in memory");
                for row in 0..rows {
                    let node = NodeRef { label: 0, id: data.id(row).clone() };
                    prop_assert_eq!(look_up(&node), Some(all[row as usize]));
                    prop_assert_eq!(look_up(&NodeRef { label: 1, ..node }), None);
                }
                all.sort_unstable();
                prop_assert_eq!(degrees.max, *all.last().unwrap());
                let above = all.iter().filter(|d| **d as f64 > degrees.p99).count();
                prop_assert!(above * 100 <= all.len(), "{above} of {} are above p99", all.len());
                prop_assert!((degrees.mean - edges.len() as f64 / f64::from(rows)).abs() < 1e-9);
                let ends = edges.iter().map(|(s, t)| degree(if along { *t } else { *s }));
                let mean = ends.sum::<u64>() as f64 / (edges.len() as f64).max(1.0);
                prop_assert!((degrees.mean_after_step - mean).abs() < 1e-9);
            }
        }
    }
}

#[tokio::test]
async fn costs_are_positive_and_a_refresh_counts_as_one_epoch() {
    for rows in [10, 1_000] {
        let store = store(31, Size { rows, edges: rows as usize });
        VectorStore::refresh(store.as_ref()).await.unwrap();
        GraphStore::refresh(store.as_ref()).await.unwrap();
        let (vector, graph) = (VectorStore::statistics(store.as_ref()), GraphStore::statistics(store.as_ref()));
        assert_eq!((vector.epoch, graph.epoch), (2, 2));
        let VectorCosts { call_us, score_ns, order_ns, test_ns, index_ns, id_ns, fetch_ns, hit_ns, .. } = vector.costs;
        let GraphCosts { call_us: graph_us, edge_ns, node_ns, .. } = graph.costs;
        for cost in
            [call_us, score_ns, order_ns, test_ns, index_ns, id_ns, fetch_ns, hit_ns, graph_us, edge_ns, node_ns]
        {
            assert!(cost.is_finite() && cost > 0.0, "{:?} {:?}", vector.costs, graph.costs);
        }
    }
}
