//! What the store's own work costs on this machine and this data: each kind of work is done a few times on a sample and
//! the median taken, all within a few milliseconds. Tiny data sets get typical figures instead.

use std::{
    hint::black_box,
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{
    Dataset,
    adjacency::Steps,
    bits::bitmap_of,
    predicate::Predicate,
    ranked::Ranked,
    walk::{Scope, breadth_first},
    watch::Watch,
};
use crate::{
    backend::{CallContext, Filtering, GraphCosts, VectorCosts},
    query::{Comparison, Direction, Field, Filter, Priority, Walk},
    value::{AttributeValue, Literal, Number},
};

/// Rows of a sample.
const SAMPLE: u32 = 1_024;
const STRETCH: u32 = 32;
const ROUNDS: usize = 5;

/// Below this many rows a measurement says more of the clock than of the work.
const MIN_ROWS: u32 = 256;

/// Typical of a current server.
pub(super) const TYPICAL_VECTOR: VectorCosts = VectorCosts {
    call_us: 2.0,
    score_ns: 5.0,
    order_ns: 4.0,
    test_ns: 10.0,
    index_ns: 2.0,
    id_ns: 5.0,
    fetch_ns: 200.0,
    hit_ns: 50.0,
    ahead: 1.0,
    filtering: Filtering::AsTold,
};
/// Typical of a current server.
pub(super) const TYPICAL_GRAPH: GraphCosts = GraphCosts { call_us: 2.0, edge_ns: 4.0, node_ns: 3.0, start_ns: 0.0 };

/// Measures the vector side.
pub(super) fn vector_costs(data: &Dataset) -> VectorCosts {
    if data.rows() < MIN_ROWS {
        return TYPICAL_VECTOR;
    }
    let sample = bitmap_of(&sampled_rows(data), data.rows());
    let mut costs = TYPICAL_VECTOR;
    with_watch(|watch| {
        let widest = data.spaces().iter().max_by_key(|space| space.dimensions());
        if let Some((space, vector)) = widest.and_then(|space| {
            let row = space.usable().min()?;
            Some((space, Arc::<[f32]>::from(space.vector(row)?)))
        }) {
            let rows = (&sample & space.usable().as_ref()).len().max(1) as f64;
            let scan = |watch: &mut Watch<'_>| {
                let query = space.query(&vector).expect("a usable vector is a query");
                Ranked::scan(space, query, Some(&sample), None, watch).map(|(ranked, _)| ranked)
            };
            let scanned = median_ns(|| drop(black_box(scan(watch))));
            costs.score_ns = floor(scanned / rows / (space.dimensions() as f64 / 64.0).max(1.0), 0.2);
            if let Ok(scans) = (0..ROUNDS).map(|_| scan(watch)).collect::<Result<Vec<_>, _>>() {
                let mut scans = scans.into_iter();
                let ordered = median_ns(|| {
                    let next = scans.next().map(|mut ranked| ranked.next(space, 10, watch, |_| true));
                    black_box(next);
                });
                costs.order_ns = floor(ordered / rows, 0.5);
            }
            let one = bitmap_of(&[space.usable().min().unwrap_or(0)], data.rows());
            let call = median_ns(|| {
                let Some(query) = space.query(&vector) else { return };
                black_box(Ranked::scan(space, query, Some(&one), None, watch)).ok();
            });
            costs.call_us = floor(call / 1_000.0, 0.5);
        }
        if let Some(leaf) = typical_leaf(data) {
            let tested = median_ns(|| {
                black_box(sample.iter().filter(|row| leaf.test(data, *row)).count());
            });
            costs.test_ns = floor(tested / sample.len() as f64, 0.5);
            let passing = leaf.rows(data).len().max(1) as f64;
            let found = median_ns(|| {
                black_box(leaf.rows(data).len());
            });
            costs.index_ns = floor(found / passing, 0.1);
        }
        let answerable = data.answerable();
        let started = median_ns(|| {
            black_box(sample.iter().filter(|row| answerable.contains(*row)).count());
        });
        costs.id_ns = floor(started / sample.len() as f64, 0.5);
        let fetched = median_ns(|| {
            for row in sample.iter().take(64) {
                for index in 0..data.columns().len() {
                    black_box(data.attribute(row, index as u16));
                }
            }
        });
        costs.fetch_ns = floor(fetched / sample.len().min(64) as f64, 5.0);
    });
    costs
}

/// Measures the graph side.
pub(super) fn graph_costs(data: &Dataset) -> GraphCosts {
    let edges: usize = data.edge_types().iter().map(|kind| kind.out.len()).sum();
    if data.rows() < MIN_ROWS || edges < MIN_ROWS as usize {
        return TYPICAL_GRAPH;
    }
    let walk = Walk { edges: (0..data.edge_types().len() as u16).collect(), direction: Direction::Both, hops: 2 };
    let steps = Steps::new(data.edge_types(), &walk, false);
    let scope = Scope::new(data, None);
    let starts: Vec<u32> = sampled_rows(data).into_iter().take(32).collect();
    let mut examined = 1;
    let mut reached = Vec::new();
    let mut costs = TYPICAL_GRAPH;
    with_watch(|watch| {
        let walked = median_ns(|| {
            let mut seen = data.visits.take();
            reached.clear();
            let all = breadth_first(&steps, &scope, &starts, 2, &mut seen, watch, |row| {
                reached.push(row);
                ControlFlow::Continue(())
            });
            examined = all.unwrap_or(1).max(1);
        });
        costs.edge_ns = floor(walked / examined as f64, 0.2);
        let returned = median_ns(|| {
            black_box(bitmap_of(&reached, data.rows()));
        });
        costs.node_ns = floor(returned / reached.len().max(1) as f64, 0.1);
        let call = median_ns(|| {
            let mut seen = data.visits.take();
            black_box(breadth_first(&steps, &scope, &[], 1, &mut seen, watch, |_| ControlFlow::Break(()))).ok();
        });
        costs.call_us = floor(call / 1_000.0, 0.5);
    });
    costs
}

/// Short stretches of rows spread evenly over all: scans go through rows in order, selective searches jump.
fn sampled_rows(data: &Dataset) -> Vec<u32> {
    let step = (data.rows() / SAMPLE).max(1) * STRETCH;
    (0..data.rows()).filter(|row| row % step < STRETCH).take(SAMPLE as usize).collect()
}

/// A condition as queries have it: a range of about a tenth of a number's values, or one value of a text.
fn typical_leaf(data: &Dataset) -> Option<Predicate> {
    let literals = |index: u16| {
        let mut values: Vec<Literal> = sampled_rows(data)
            .into_iter()
            .filter_map(|row| match data.attribute(row, index) {
                AttributeValue::Integer(value) => Some(Literal::Number(Number::Integer(value.into()))),
                AttributeValue::Float(value) => Some(Literal::Number(Number::from_f64(value))),
                AttributeValue::Timestamp(value) => Some(Literal::Timestamp(value)),
                AttributeValue::Text(value) => Some(Literal::Text(value)),
                AttributeValue::Null | AttributeValue::Boolean(_) | AttributeValue::Keywords(_) => None,
            })
            .collect();
        values.sort_unstable();
        values
    };
    (0..data.columns().len() as u16).find_map(|index| {
        let values = literals(index);
        let operand = values.get(values.len() / 10)?.clone();
        Some(Predicate::new(data, &Filter::Compare(Field::Attribute(index), Comparison::Less, operand)))
    })
}

fn median_ns(mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_nanos() as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

/// Nothing is free, however the clock ticks.
fn floor(measured: f64, least: f64) -> f64 {
    if measured.is_finite() { measured.max(least) } else { least }
}

/// Gives up at once when the machine is so busy that measuring takes long; what was not measured stays typical.
fn with_watch(measure: impl FnOnce(&mut Watch<'_>)) {
    let ctx = CallContext {
        priority: Priority::Batch.into(),
        tenant: None,
        deadline: Instant::now() + Duration::from_secs(1),
        cancelled: CancellationToken::new(),
        request_id: "measure".into(),
    };
    measure(&mut Watch::new(&ctx, &"embedded".into()));
}
