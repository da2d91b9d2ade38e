//! What a scaled copy has to be.

use super::*;
use crate::{
    backend::embedded::{Column, Edges, Parts},
    value::EntityId,
};

fn mean_degree(edges: &Edges, nodes: usize) -> f64 {
    edges.sources.len() as f64 / nodes as f64
}

/// Degrees against the edges, largest first.
fn popularity(edges: &Edges, nodes: usize) -> Vec<usize> {
    let mut degrees = vec![0; nodes];
    edges.targets.iter().for_each(|target| degrees[*target as usize] += 1);
    degrees.sort_unstable_by(|a, b| b.cmp(a));
    degrees
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    crate::reference::similarity(crate::catalog::Metric::Cosine, a, b)
}

fn assert_valid(parts: &Parts) {
    let rows = parts.ids.len();
    assert!(parts.ids.is_sorted_by(|a, b| a < b), "ids ascend");
    for edges in &parts.edges {
        let pairs: Vec<_> = edges.sources.iter().zip(&edges.targets).collect();
        assert!(pairs.is_sorted_by(|a, b| a < b), "edges ascend");
        assert!(pairs.iter().all(|(a, b)| (**a as usize) < rows && (**b as usize) < rows));
    }
    for vectors in &parts.vectors {
        assert!(vectors.rows.is_sorted_by(|a, b| a < b) && vectors.values.iter().all(|x| x.is_finite()));
        assert_eq!(vectors.values.len(), vectors.rows.len() * 16);
    }
    for column in &parts.columns {
        let (length, present) = match column {
            Column::Text { codes, present, .. } => (codes.len(), present),
            Column::Integer { values, present } => (values.len(), present),
            Column::Float { values, present } => (values.len(), present),
            Column::Boolean { truths, present } => {
                assert!(truths.is_subset(present));
                (rows, present)
            }
            Column::Keywords { offsets, codes, present, .. } => {
                assert!(offsets.is_sorted() && offsets.last().copied() == Some(codes.len() as u32));
                (offsets.len() - 1, present)
            }
        };
        assert!(length == rows && present.max().is_none_or(|row| (row as usize) < rows));
    }
}

#[test]
fn a_scaled_copy_is_valid_and_has_the_size_asked_for() {
    let (schema, parts) = (sample::schema(), sample::parts(400));
    for wanted in [1, 100, 400, 401, 1_000, 1_200] {
        let copy = scale(&schema, &parts, wanted, 5).unwrap();
        assert_valid(&copy);
        assert_eq!(copy.vectors[0].rows.len(), wanted);
    }
}

#[test]
fn the_same_seed_gives_the_same_copy() {
    let (schema, parts) = (sample::schema(), sample::parts(200));
    let text = |seed| format!("{:?}", scale(&schema, &parts, 500, seed).unwrap());
    assert_eq!(text(1), text(1));
    assert_ne!(text(1), text(2));
}

#[test]
fn the_data_itself_is_the_first_copy() {
    let (schema, parts) = (sample::schema(), sample::parts(300));
    let same = scale(&schema, &parts, 300, 5).unwrap();
    assert_eq!(format!("{same:?}"), format!("{parts:?}"));
    let more = scale(&schema, &parts, 900, 5).unwrap();
    assert!(parts.ids.iter().all(|id| more.ids.binary_search(id).is_ok()));
    let second = EntityId::Text("p00017~2".into());
    let (own, copied) = (more.ids.binary_search(&parts.ids[17]).unwrap(), more.ids.binary_search(&second).unwrap());
    let vector = |row: usize| {
        let at = more.vectors[0].rows.binary_search(&(row as u32)).unwrap();
        &more.vectors[0].values[at * 16..(at + 1) * 16]
    };
    assert_eq!(vector(own), &parts.vectors[0].values[17 * 16..18 * 16]);
    let similar = cosine(vector(own), vector(copied));
    assert!((0.8..0.9999).contains(&similar), "{similar}");
    let length = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    assert!((length(vector(own)) / length(vector(copied)) - 1.0).abs() < 1e-5, "the length is kept under cosine");
}

#[test]
fn degrees_and_values_are_distributed_as_before_and_walks_mostly_stay_in_a_copy() {
    let (schema, parts) = (sample::schema(), sample::parts(500));
    let copy = scale(&schema, &parts, 2_000, 5).unwrap();
    let (nodes, copied_nodes) = (parts.ids.len(), copy.ids.len());
    for (edges, copied) in parts.edges.iter().zip(&copy.edges) {
        let (before, after) = (mean_degree(edges, nodes), mean_degree(copied, copied_nodes));
        assert!((after / before - 1.0).abs() < 0.01, "{before} {after}");
        let (before, after) = (popularity(edges, nodes), popularity(copied, copied_nodes));
        for percent in [0, 1, 10, 50] {
            let (a, b) = (before[nodes * percent / 100] as f64, after[copied_nodes * percent / 100] as f64);
            assert!((a - b).abs() <= 0.2 * a + 2.0, "at {percent} %: {a} {b}");
        }
        let copy_of = |row: u32| copy.ids[row as usize].to_string().split('~').nth(1).map(str::to_owned);
        let inside = copied.sources.iter().zip(&copied.targets).filter(|(a, b)| copy_of(**a) == copy_of(**b)).count();
        let share = inside as f64 / copied.sources.len() as f64;
        assert!((0.8..0.97).contains(&share), "{share} of the edges stay in their copy");
    }
    let share = |parts: &Parts, code: u32| {
        let Column::Text { codes, present, .. } = &parts.columns[5] else { panic!("topic is text") };
        present.iter().filter(|row| codes[*row as usize] == code).count() as f64 / present.len() as f64
    };
    assert!((0..20).all(|code| (share(&parts, code) - share(&copy, code)).abs() < 1e-9));
}

#[test]
fn ids_stay_distinct_whatever_they_look_like() {
    let (mut schema, mut parts) = (sample::schema(), sample::parts(20));
    parts.ids[3] = EntityId::Text("p00002~2".into());
    let copy = scale(&schema, &parts, 60, 1).unwrap();
    assert!(copy.ids.is_sorted_by(|a, b| a < b));

    schema.id_type = crate::value::IdType::Integer;
    parts.ids = (0..22).map(|i| EntityId::Integer(i * 10 - 50)).collect();
    let copy = scale(&schema, &parts, 60, 1).unwrap();
    assert!(copy.ids.len() == 66 && copy.ids.is_sorted_by(|a, b| a < b));
    parts.ids[0] = EntityId::Integer(i64::MIN);
    assert_eq!(scale(&schema, &parts, 60, 1).unwrap_err(), ScaleError::NoRoomForIds);

    schema.id_type = crate::value::IdType::Uuid;
    parts.ids = (0..22).map(|i| EntityId::Uuid(uuid::Uuid::from_u128(i))).collect();
    let copy = scale(&schema, &parts, 60, 1).unwrap();
    assert!(copy.ids.len() == 66 && copy.ids.is_sorted_by(|a, b| a < b));
}

#[test]
fn nothing_cannot_be_scaled() {
    assert_eq!(scale(&sample::schema(), &sample::parts(0), 10, 1).unwrap_err(), ScaleError::Empty);
}
