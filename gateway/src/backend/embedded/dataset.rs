//! One collection in memory: the plain data, each part held once, and the indexes over it. Immutable.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::{
    Column, Edges, Parts, PartsError, adjacency::EdgeType, index::Index, space::VectorSpace, visits::VisitPool,
};
use crate::{
    backend::IdSpace,
    catalog::CollectionSchema,
    value::{AttributeValue, EntityId},
};

/// A collection's nodes with their attributes, vectors and edges. Row `i` is the node with the `i`-th smallest id.
#[derive(Debug)]
pub struct Dataset {
    schema: Arc<CollectionSchema>,
    ids: Vec<EntityId>,
    columns: Vec<Column>,
    indexes: Vec<Index>,
    spaces: Vec<VectorSpace>,
    edge_types: Vec<EdgeType>,
    all: RoaringBitmap,
    answerable: Arc<RoaringBitmap>,
    pub(super) visits: VisitPool,
}

impl Dataset {
    /// Checks the parts and indexes them.
    pub fn build(schema: Arc<CollectionSchema>, parts: Parts) -> Result<Self, PartsError> {
        parts.validate(&schema)?;
        let Parts { ids, columns, vectors, edges } = parts;
        let rows = ids.len() as u32;
        let indexes = columns.iter().map(Index::new).collect();
        let spaces: Vec<VectorSpace> =
            schema.vectors.iter().zip(vectors).map(|(vector, stored)| VectorSpace::new(vector, stored, rows)).collect();
        let edge_types = edges.into_iter().map(|edges| EdgeType::new(edges, rows)).collect();
        let mut all = RoaringBitmap::new();
        all.insert_range(0..rows);
        let answerable = match &spaces[..] {
            [] => Arc::new(all.clone()),
            [space] => space.usable().clone(),
            spaces => {
                Arc::new(spaces.iter().fold(RoaringBitmap::new(), |union, space| union | space.usable().as_ref()))
            }
        };
        let visits = VisitPool::new(rows);
        Ok(Self { schema, ids, columns, indexes, spaces, edge_types, all, answerable, visits })
    }

    /// Names and types.
    pub fn schema(&self) -> &Arc<CollectionSchema> {
        &self.schema
    }

    /// Number of rows: nodes, with or without a vector.
    pub fn rows(&self) -> u32 {
        self.ids.len() as u32
    }

    /// The id of a row.
    pub fn id(&self, row: u32) -> &EntityId {
        &self.ids[row as usize]
    }

    /// The row of an id.
    pub fn ordinal(&self, id: &EntityId) -> Option<u32> {
        self.ids.binary_search(id).ok().map(|row| row as u32)
    }

    /// All ids in the order of rows.
    pub fn ids(&self) -> &[EntityId] {
        &self.ids
    }

    /// The value that a row has of an attribute, given by its index in the schema.
    pub fn attribute(&self, row: u32, index: u16) -> AttributeValue {
        self.columns[usize::from(index)].value(row, self.schema.attributes[usize::from(index)].kind)
    }

    /// The columns, one an attribute of the schema.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The vector of a row in a space, if it has a usable one: finite and, under cosine, not zero.
    pub fn vector(&self, space: u16, row: u32) -> Option<&[f32]> {
        self.spaces[usize::from(space)].vector(row)
    }

    /// Rows with a usable vector in a space.
    pub fn usable(&self, space: u16) -> &Arc<RoaringBitmap> {
        self.spaces[usize::from(space)].usable()
    }

    /// Rows that may be answers: those with a usable vector in some space, or all where the collection has no vectors.
    pub fn answerable(&self) -> &Arc<RoaringBitmap> {
        &self.answerable
    }

    /// The edges of one type as (source row, target row), ascending.
    pub fn edges(&self, edge_type: u16) -> impl Iterator<Item = (u32, u32)> + '_ {
        let out = &self.edge_types[usize::from(edge_type)].out;
        (0..self.rows()).flat_map(|row| out.neighbours(row).iter().map(move |target| (row, *target)))
    }

    /// A copy of the plain data, to write it or to make another data set from it.
    pub fn to_parts(&self) -> Parts {
        let edges = (0..self.edge_types.len()).map(|edge_type| {
            let (sources, targets) = self.edges(edge_type as u16).unzip();
            Edges { sources, targets }
        });
        Parts {
            ids: self.ids.clone(),
            columns: self.columns.clone(),
            vectors: self.spaces.iter().map(|space| space.stored().clone()).collect(),
            edges: edges.collect(),
        }
    }

    pub(super) fn all(&self) -> &RoaringBitmap {
        &self.all
    }

    pub(super) fn column(&self, index: u16) -> &Column {
        &self.columns[usize::from(index)]
    }

    pub(super) fn index(&self, index: u16) -> &Index {
        &self.indexes[usize::from(index)]
    }

    pub(super) fn spaces(&self) -> &[VectorSpace] {
        &self.spaces
    }

    pub(super) fn edge_types(&self) -> &[EdgeType] {
        &self.edge_types
    }
}

impl IdSpace for Dataset {
    fn ordinal(&self, id: &EntityId) -> Option<u32> {
        self.ordinal(id)
    }

    fn id(&self, ordinal: u32) -> EntityId {
        self.id(ordinal).clone()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::backend::embedded::testing::parts;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_data_set_gives_back_the_parts_it_was_built_from((schema, parts) in parts(60)) {
            let before = format!("{parts:?}");
            let data = Dataset::build(schema, parts).unwrap();
            prop_assert_eq!(format!("{:?}", data.to_parts()), before);
            for row in 0..data.rows() {
                prop_assert_eq!(data.ordinal(data.id(row)), Some(row));
            }
        }
    }
}
