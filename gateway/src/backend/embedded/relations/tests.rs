//! Walks against plain ones over lists of edges.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;
use crate::{
    backend::{
        IdSet, PathStep,
        embedded::{
            Dataset,
            testing::{OWNER, Size, context, store},
        },
    },
    query::{Direction, NodeRef},
    value::AttributeValue,
};

/// A step as the definition sees it: edge type, whether along, and where it leads.
type PlainStep = (u16, bool, u32);

fn exists(data: &Dataset, scope: Option<&NodeScope>, row: u32) -> bool {
    let Some(NodeScope { attribute, tenant }) = scope else { return true };
    match data.attribute(row, *attribute) {
        AttributeValue::Null => true,
        AttributeValue::Text(owner) => owner == *tenant,
        other => panic!("owners are keywords, not {other:?}"),
    }
}

/// All steps from a node that the walk and the scope allow.
fn steps(data: &Dataset, walk: &Walk, scope: Option<&NodeScope>, row: u32) -> Vec<PlainStep> {
    let mut steps = Vec::new();
    for &edge in &walk.edges {
        for (source, target) in data.edges(edge) {
            if source == row && walk.direction != Direction::In && exists(data, scope, target) {
                steps.push((edge, true, target));
            }
            if target == row && walk.direction != Direction::Out && exists(data, scope, source) {
                steps.push((edge, false, source));
            }
        }
    }
    steps
}

/// Distances from any of these nodes, up to the walk's hops.
fn distances(data: &Dataset, walk: &Walk, scope: Option<&NodeScope>, starts: &[u32]) -> BTreeMap<u32, u8> {
    let mut distances: BTreeMap<u32, u8> = starts.iter().map(|row| (*row, 0)).collect();
    let mut level: BTreeSet<u32> = starts.iter().copied().collect();
    for hops in 1..=walk.hops {
        let next: BTreeSet<u32> = level
            .iter()
            .flat_map(|row| steps(data, walk, scope, *row))
            .map(|(_, _, to)| to)
            .filter(|to| !distances.contains_key(to))
            .collect();
        distances.extend(next.iter().map(|row| (*row, hops)));
        level = next;
    }
    distances
}

/// The best path by trying every walk: fewest steps, then smallest ids, then smallest edge types, then along first.
fn best_path(data: &Dataset, walk: &Walk, scope: Option<&NodeScope>, starts: &[u32], target: u32) -> Option<Path> {
    let mut walks: Vec<(u32, Vec<PlainStep>)> = starts.iter().map(|row| (*row, Vec::new())).collect();
    for hop in 0..=walk.hops {
        let end = |(start, steps): &(u32, Vec<PlainStep>)| steps.last().map_or(*start, |step| step.2);
        let best = walks.iter().filter(|walk| end(walk) == target).min_by_key(|(start, steps)| {
            let ids: Vec<u32> = std::iter::once(*start).chain(steps.iter().map(|step| step.2)).collect();
            let types: Vec<u16> = steps.iter().map(|step| step.0).collect();
            let against: Vec<bool> = steps.iter().map(|step| !step.1).collect();
            (ids, types, against)
        });
        if let Some((start, steps)) = best {
            let steps = steps.iter().map(|&(edge, along, to)| PathStep { edge, along, to: data.id(to).clone() });
            return Some(Path { from: data.id(*start).clone(), steps: steps.collect() });
        }
        if hop < walk.hops {
            walks = walks
                .into_iter()
                .flat_map(|(start, before)| {
                    let from = before.last().map_or(start, |step| step.2);
                    steps(data, walk, scope, from).into_iter().map(move |step| {
                        let mut steps = before.clone();
                        steps.push(step);
                        (start, steps)
                    })
                })
                .collect();
        }
    }
    None
}

fn random_walk(rng: &mut StdRng, hops: u8) -> Walk {
    let edges = [vec![0], vec![1], vec![0, 1]][rng.random_range(0..3)].clone();
    let direction = [Direction::Out, Direction::In, Direction::Both][rng.random_range(0..3)];
    Walk { edges, direction, hops: rng.random_range(1..=hops) }
}

fn random_request(rng: &mut StdRng, data: &Dataset, hops: u8) -> ReachRequest {
    let mut anchors: Vec<NodeRef> = Vec::new();
    for _ in 0..rng.random_range(1..4) {
        if data.rows() > 0 {
            anchors.push(NodeRef { label: 0, id: data.id(rng.random_range(0..data.rows())).clone() });
        }
    }
    if rng.random_bool(0.3) {
        anchors.push(NodeRef { label: 0, id: EntityId::Text("not there".into()) });
    }
    if rng.random_bool(0.8) {
        anchors.sort_unstable();
        anchors.dedup();
    }
    let scope = rng
        .random_bool(0.5)
        .then(|| NodeScope { attribute: OWNER, tenant: format!("k{}", rng.random_range(0..5)).into() });
    ReachRequest { anchors, walk: random_walk(rng, hops), include_anchors: rng.random_bool(0.3), scope }
}

/// Rows of the anchors that exist, and those that do not.
fn split_anchors(data: &Dataset, request: &ReachRequest) -> (Vec<u32>, Vec<NodeRef>) {
    let row = |anchor: &NodeRef| data.ordinal(&anchor.id).filter(|row| exists(data, request.scope.as_ref(), *row));
    let unknown = request.anchors.iter().filter(|anchor| row(anchor).is_none()).cloned().collect();
    (request.anchors.iter().filter_map(row).collect(), unknown)
}

/// The reached rows, by the definition.
fn reached(data: &Dataset, request: &ReachRequest) -> BTreeSet<u32> {
    let (anchors, _) = split_anchors(data, request);
    let mut reached: BTreeSet<u32> =
        distances(data, &request.walk, request.scope.as_ref(), &anchors).into_keys().collect();
    if !request.include_anchors {
        reached.retain(|row| !anchors.contains(row));
    }
    reached
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_reach_holds_the_nodes_that_a_plain_walk_finds(
        seed in any::<u64>(), rows in 0_u32..60, density in 0.0_f64..2.0
    ) {
        let store = store(seed, Size { rows, edges: (f64::from(rows) * density) as usize });
        let data = store.data();
        let mut rng = StdRng::seed_from_u64(seed ^ 4);
        for _ in 0..4 {
            let request = random_request(&mut rng, data, 4);
            let found = block_on(store.reach(&context(), &request)).unwrap();
            let ids: Vec<EntityId> = reached(data, &request).into_iter().map(|row| data.id(row).clone()).collect();
            prop_assert_eq!(found.ids.iter().collect::<Vec<_>>(), ids, "{:?}", &request);
            prop_assert_eq!(found.unknown, split_anchors(data, &request).1);
        }
    }

    #[test]
    fn a_check_agrees_with_the_reach_for_few_and_many_candidates(
        seed in any::<u64>(), rows in 0_u32..60, density in 0.0_f64..2.0
    ) {
        let store = store(seed, Size { rows, edges: (f64::from(rows) * density) as usize });
        let data = store.data();
        let mut rng = StdRng::seed_from_u64(seed ^ 5);
        for share in [0.03, 0.2, 1.0] {
            let request = random_request(&mut rng, data, 4);
            let within = reached(data, &request);
            let mut candidates: Vec<EntityId> =
                data.ids().iter().filter(|_| rng.random_bool(share)).cloned().collect();
            candidates.push(EntityId::Text("not there".into()));
            candidates.extend(candidates.first().cloned());
            let found = block_on(store.check(&context(), &request, &candidates)).unwrap();
            let expected: Vec<bool> =
                candidates.iter().map(|id| data.ordinal(id).is_some_and(|row| within.contains(&row))).collect();
            prop_assert_eq!(found.within, expected, "{:?} {:?}", &request, &candidates);
            prop_assert_eq!(found.unknown, split_anchors(data, &request).1);
        }
    }

    #[test]
    fn neighbourhoods_are_nearest_first_with_the_best_paths(seed in any::<u64>(), rows in 1_u32..14, edges in 0_usize..24) {
        let store = store(seed, Size { rows, edges });
        let data = store.data();
        let mut rng = StdRng::seed_from_u64(seed ^ 6);
        let request = random_request(&mut rng, data, 3);
        let (walk, scope) = (&request.walk, request.scope.as_ref());
        let per_item = rng.random_range(1..12);
        let mut ids = data.ids().to_vec();
        ids.push(EntityId::Text("not there".into()));
        let with_paths = block_on(store.expand(&context(), &ids, walk, scope, per_item, true)).unwrap();
        let without = block_on(store.expand(&context(), &ids, walk, scope, per_item, false)).unwrap();
        for (place, id) in ids.iter().enumerate() {
            let mut expected = Vec::new();
            if let Some(row) = data.ordinal(id).filter(|row| exists(data, scope, *row)) {
                let mut near: Vec<(u8, u32)> =
                    distances(data, walk, scope, &[row]).into_iter().map(|(row, hops)| (hops, row)).collect();
                near.sort_unstable();
                expected.extend(near.into_iter().filter(|(hops, _)| *hops > 0).take(per_item).map(|(hops, to)| {
                    Neighbour { id: data.id(to).clone(), hops, path: best_path(data, walk, scope, &[row], to) }
                }));
            }
            prop_assert_eq!(&with_paths[place], &expected, "{} {:?}", id, walk);
            let plain: Vec<Neighbour> = expected.into_iter().map(|n| Neighbour { path: None, ..n }).collect();
            prop_assert_eq!(&without[place], &plain);
        }
    }

    #[test]
    fn paths_are_the_best_of_all_from_any_anchor(seed in any::<u64>(), rows in 1_u32..14, edges in 0_usize..24) {
        let store = store(seed, Size { rows, edges });
        let data = store.data();
        let mut rng = StdRng::seed_from_u64(seed ^ 7);
        let request = random_request(&mut rng, data, 3);
        let (anchors, _) = split_anchors(data, &request);
        let mut targets = data.ids().to_vec();
        targets.push(EntityId::Text("not there".into()));
        targets.extend(targets.first().cloned());
        let found = block_on(store.paths(&context(), &request, &targets)).unwrap();
        for (target, found) in targets.iter().zip(found) {
            let row = data.ordinal(target).filter(|row| exists(data, request.scope.as_ref(), *row));
            let expected =
                row.and_then(|row| best_path(data, &request.walk, request.scope.as_ref(), &anchors, row));
            prop_assert_eq!(found, expected, "{} {:?}", target, &request);
        }
    }
}

#[tokio::test]
async fn a_check_of_one_leaf_does_not_walk_through_the_anchor_hub() {
    let store = store(21, Size { rows: 2_000, edges: 4_000 });
    let data = store.data();
    let degree = |row: u32| data.edge_types()[0].r#in.degree(row);
    let hub = (0..data.rows()).max_by_key(|row| data.edge_types()[0].out.degree(*row)).unwrap();
    let leaf = (0..data.rows()).filter(|row| degree(*row) == 1).find(|row| *row != hub).unwrap();
    let walk = Walk { edges: vec![0], direction: Direction::Out, hops: 1 };
    let anchors = vec![NodeRef { label: 0, id: data.id(hub).clone() }];
    let request = ReachRequest { anchors, walk, include_anchors: false, scope: None };
    let all = store.reach(&context(), &request).await.unwrap();
    let one = store.check(&context(), &request, &[data.id(leaf).clone()]).await.unwrap();
    assert!(all.examined > 100 && one.examined <= 1, "{} {}", all.examined, one.examined);
    assert_eq!(one.within, [all.ids.contains(data.id(leaf))]);
}

#[tokio::test]
async fn reached_sets_travel_as_rows_of_the_one_space() {
    let store = store(22, Size { rows: 100, edges: 200 });
    let anchors = vec![NodeRef { label: 0, id: store.data().id(0).clone() }];
    let walk = Walk { edges: vec![0, 1], direction: Direction::Both, hops: 2 };
    let request = ReachRequest { anchors, walk, include_anchors: false, scope: None };
    let (one, other) =
        (store.reach(&context(), &request).await.unwrap().ids, store.reach(&context(), &request).await.unwrap().ids);
    let IdSet::Ordinals(space, rows) = &one else { panic!("rows, not ids") };
    assert_eq!(other.ordinals_in(space), Some(rows));
}

#[tokio::test]
async fn an_anchor_of_another_label_is_unknown() {
    let store = store(23, Size { rows: 20, edges: 40 });
    let anchor = NodeRef { label: 1, id: store.data().id(0).clone() };
    let walk = Walk { edges: vec![0], direction: Direction::Both, hops: 3 };
    let request = ReachRequest { anchors: vec![anchor.clone()], walk, include_anchors: true, scope: None };
    let reach = store.reach(&context(), &request).await.unwrap();
    assert!(reach.ids.is_empty());
    assert_eq!(reach.unknown, [anchor]);
}
