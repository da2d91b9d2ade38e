//! From the order of the input to the order of the ids.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::{
    LoadError,
    columns::{ColumnBuilder, VectorBuilder},
    edges::PlacedEdge,
    nodes::Nodes,
};
use crate::backend::embedded::{Column, Edges, Parts, Vectors};

/// Which node stands in which row.
pub(super) struct Order {
    /// The node of each row.
    nodes: Vec<u32>,
    /// The row of each node.
    rows: Vec<u32>,
}

impl Order {
    /// Rows in the order of the ids.
    pub(super) fn of(nodes: &Nodes) -> Self {
        let mut order: Vec<u32> = (0..nodes.ids.len() as u32).collect();
        order.sort_unstable_by(|a, b| nodes.ids[*a as usize].cmp(&nodes.ids[*b as usize]));
        let mut rows = vec![0; order.len()];
        for (row, node) in order.iter().enumerate() {
            rows[*node as usize] = row as u32;
        }
        Self { nodes: order, rows }
    }

    /// The row of a node.
    pub(super) fn row(&self, node: u32) -> u32 {
        self.rows[node as usize]
    }

    /// One value a row, from one a node; nodes at the end may have none.
    fn gather<T: Copy + Default>(&self, values: &[T]) -> Vec<T> {
        self.nodes.iter().map(|node| values.get(*node as usize).copied().unwrap_or_default()).collect()
    }

    fn bitmap(&self, nodes: &RoaringBitmap) -> RoaringBitmap {
        nodes.iter().map(|node| self.row(node)).collect()
    }
}

/// The data of the collection.
pub(super) fn parts(nodes: Nodes, order: &Order, edges: &[Vec<PlacedEdge>]) -> Result<Parts, LoadError> {
    if edges.iter().any(|edges| u32::try_from(edges.len()).is_err()) {
        return Err(LoadError::TooLarge { what: "edges of one type" });
    }
    Ok(Parts {
        ids: order.nodes.iter().map(|node| nodes.ids[*node as usize].clone()).collect(),
        columns: nodes.columns.into_iter().map(|builder| column(builder, order)).collect::<Result<_, _>>()?,
        vectors: nodes.vectors.into_iter().map(|builder| vectors(builder, order)).collect(),
        edges: edges.iter().map(|edges| edges_of_type(edges)).collect(),
    })
}

fn column(builder: ColumnBuilder, order: &Order) -> Result<Column, LoadError> {
    Ok(match builder {
        ColumnBuilder::Text { words, codes, present } => {
            let (dictionary, places) = words.sorted();
            let codes = order.gather(&codes);
            let codes = codes.into_iter().map(|code| places.get(code as usize).copied().unwrap_or(0)).collect();
            Column::Text { dictionary, codes, present: order.bitmap(&present) }
        }
        ColumnBuilder::Integer { values, present, .. } => {
            Column::Integer { values: order.gather(&values), present: order.bitmap(&present) }
        }
        ColumnBuilder::Float { values, present } => {
            Column::Float { values: order.gather(&values), present: order.bitmap(&present) }
        }
        ColumnBuilder::Boolean { truths, present } => {
            Column::Boolean { truths: order.bitmap(&truths), present: order.bitmap(&present) }
        }
        ColumnBuilder::Keywords { words, lists, present } => {
            let (dictionary, places) = words.sorted();
            keywords(dictionary, &places, &lists, order, order.bitmap(&present))?
        }
    })
}

fn keywords(
    dictionary: Vec<Arc<str>>,
    places: &[u32],
    lists: &[Vec<u32>],
    order: &Order,
    present: RoaringBitmap,
) -> Result<Column, LoadError> {
    let mut offsets = Vec::with_capacity(order.nodes.len() + 1);
    let mut codes = Vec::with_capacity(lists.iter().map(Vec::len).sum());
    offsets.push(0);
    for node in &order.nodes {
        let list = lists.get(*node as usize).map_or(&[][..], Vec::as_slice);
        codes.extend(list.iter().map(|code| places[*code as usize]));
        offsets.push(u32::try_from(codes.len()).map_err(|_| LoadError::TooLarge { what: "elements of a list" })?);
    }
    Ok(Column::Keywords { dictionary, offsets, codes, present })
}

fn vectors(builder: VectorBuilder, order: &Order) -> Vectors {
    let rows: Vec<u32> = builder.nodes.iter().map(|node| order.row(*node)).collect();
    if rows.is_sorted() {
        return Vectors { rows, values: builder.values };
    }
    let mut slots: Vec<u32> = (0..rows.len() as u32).collect();
    slots.sort_unstable_by_key(|slot| rows[*slot as usize]);
    let mut values = Vec::with_capacity(builder.values.len());
    for slot in &slots {
        let start = *slot as usize * builder.dimensions;
        values.extend_from_slice(&builder.values[start..start + builder.dimensions]);
    }
    Vectors { rows: slots.iter().map(|slot| rows[*slot as usize]).collect(), values }
}

fn edges_of_type(edges: &[PlacedEdge]) -> Edges {
    Edges {
        sources: edges.iter().map(|(source, ..)| *source).collect(),
        targets: edges.iter().map(|(_, target, _)| *target).collect(),
    }
}
