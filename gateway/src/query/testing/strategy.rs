//! Random canonical queries over a schema.

use std::sync::Arc;

use proptest::{collection::vec, option, prelude::*, sample::subsequence};
use uuid::Uuid;

use crate::{
    catalog::{CollectionSchema, Metric},
    query::{
        Anchors, Comparison, Direction, Expand, Field, Filter, Include, NodeRef, Query, VectorClause, VectorInput,
        VectorTerm, Walk, Within,
    },
    value::{AttributeType, EntityId, IdType, Literal, Number},
};

/// Canonical queries, each part there or not.
pub(crate) fn queries(schema: &Arc<CollectionSchema>) -> impl Strategy<Value = Query> + use<> {
    let limits = &schema.limits;
    let attributes: Vec<u16> = (0..schema.attributes.len() as u16).collect();
    let parts = (
        option::of(vectors(schema)),
        prop_oneof![Just(Filter::Everything), filters(schema)],
        option::of(withins(schema)),
        option::of((walks(schema), 1..=limits.max_per_item)),
    );
    let numbers = (1..=limits.max_limit, 0..=limits.max_offset, option::of(thresholds()), any::<bool>());
    let shape = (subsequence(attributes.clone(), 0..=attributes.len()), any::<[bool; 3]>());
    (parts, numbers, shape).prop_map(|((vector, filter, within, expand), numbers, (select, include))| {
        let (limit, offset, score_threshold, exact) = numbers;
        let score_threshold = score_threshold.filter(|_| vector.is_some());
        let expand = expand.map(|(walk, per_item)| Expand { walk, per_item });
        let include = Include { scores: include[0], paths: include[1], vectors: include[2] };
        Query { vector, filter, within, expand, limit, offset, score_threshold, exact, select, include }
    })
}

/// Filters in normal form, constants among them.
pub(crate) fn filters(schema: &Arc<CollectionSchema>) -> impl Strategy<Value = Filter> + use<> {
    leaves(schema).prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(Filter::negate),
            vec(inner.clone(), 0..4).prop_map(Filter::and),
            vec(inner, 0..4).prop_map(Filter::or),
        ]
    })
}

fn leaves(schema: &Arc<CollectionSchema>) -> BoxedStrategy<Filter> {
    let longest = schema.limits.max_list as usize;
    let schema = schema.clone();
    (0..=schema.attributes.len())
        .prop_flat_map(move |index| {
            let attribute = schema.attributes.get(index);
            let field = attribute.map_or(Field::Id, |_| Field::Attribute(index as u16));
            let values = match attribute {
                Some(attribute) => literals(attribute.kind),
                None => ids(schema.id_type).prop_map(Literal::Id).boxed(),
            };
            let one_of = vec(values.clone(), 0..=longest.min(5)).prop_map(move |v| Filter::one_of(field, v));
            let ordered = attribute.is_none_or(|attribute| attribute.kind.is_ordered());
            let compare = match ordered {
                true => (comparisons(), values.clone()).prop_map(move |(c, v)| Filter::Compare(field, c, v)).boxed(),
                false => values.clone().prop_map(move |value| Filter::equals(field, value)).boxed(),
            };
            let all = match attribute.map(|attribute| attribute.kind) {
                Some(AttributeType::Keywords) => {
                    vec(values, 0..8).prop_map(move |v| Filter::contains_all(field, v)).boxed()
                }
                Some(_) => Just(Filter::Exists(field)).boxed(),
                None => Just(Filter::Nothing).boxed(),
            };
            prop_oneof![3 => one_of, 2 => compare, 1 => all]
        })
        .boxed()
}

fn comparisons() -> impl Strategy<Value = Comparison> {
    use Comparison::{Greater, GreaterOrEqual, Less, LessOrEqual};
    prop_oneof![Just(Less), Just(LessOrEqual), Just(Greater), Just(GreaterOrEqual)]
}

fn literals(kind: AttributeType) -> BoxedStrategy<Literal> {
    match kind {
        AttributeType::Keyword | AttributeType::Text | AttributeType::Keywords => {
            texts().prop_map(Literal::Text).boxed()
        }
        AttributeType::Integer | AttributeType::Float => numbers().prop_map(Literal::Number).boxed(),
        AttributeType::Boolean => any::<bool>().prop_map(Literal::Boolean).boxed(),
        // The years 0000 to 9999.
        AttributeType::Timestamp => {
            (-62_167_219_200_000_000..=253_402_300_799_999_999_i64).prop_map(Literal::Timestamp).boxed()
        }
    }
}

/// Often one of a few, so that lists have duplicates and conjunctions repeat themselves.
fn texts() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![3 => "[a-d]{1,2}", 1 => any::<String>(), 1 => "[\"\\\\/~$\u{0}-\u{1f}é😀]{0,4}"].prop_map(Arc::from)
}

fn numbers() -> impl Strategy<Value = Number> {
    prop_oneof![
        3 => (-3_i128..=3).prop_map(Number::Integer),
        1 => any::<i64>().prop_map(|value| Number::Integer(value.into())),
        1 => any::<u64>().prop_map(|value| Number::Integer(value.into())),
        2 => doubles().prop_map(Number::from_f64),
    ]
}

fn doubles() -> impl Strategy<Value = f64> {
    use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    prop_oneof![POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO, -2.0..2.0_f64]
}

fn thresholds() -> impl Strategy<Value = f64> {
    // −0 is 0.
    doubles().prop_map(|value| value + 0.0)
}

fn ids(id_type: IdType) -> BoxedStrategy<EntityId> {
    match id_type {
        IdType::Text => texts().prop_map(EntityId::Text).boxed(),
        IdType::Integer => prop_oneof![-3..3_i64, any::<i64>()].prop_map(EntityId::Integer).boxed(),
        IdType::Uuid => prop_oneof![0..3_u128, any::<u128>()].prop_map(|v| EntityId::Uuid(Uuid::from_u128(v))).boxed(),
    }
}

fn vectors(schema: &Arc<CollectionSchema>) -> BoxedStrategy<VectorClause> {
    let most = schema.limits.max_combine.min(4) as usize;
    let schema = schema.clone();
    (0..schema.vectors.len())
        .prop_flat_map(move |space| {
            let weights = doubles().prop_filter("zero weights are refused", |weight| *weight != 0.0);
            let terms = terms(&schema, space);
            let inputs = prop_oneof![
                terms.clone().prop_map(VectorInput::Single),
                vec((terms, weights), 1..=most).prop_map(|terms| VectorInput::Combine(sorted(terms))),
            ];
            inputs.prop_map(move |input| VectorClause { space: space as u16, input })
        })
        .boxed()
}

/// Sorted as the canonical form wants it: by kind, by content, by weight.
fn sorted(mut terms: Vec<(VectorTerm, f64)>) -> Vec<(VectorTerm, f64)> {
    // Flipping the lower bits of negative floats makes their order that of their bits.
    let ordered = |value: f32| (value.to_bits() as i32) ^ ((((value.to_bits() as i32) >> 31) as u32) >> 1) as i32;
    terms.sort_by(|a, b| {
        let key = |term: &VectorTerm| match term {
            VectorTerm::Values(values) => (0, values.iter().copied().map(ordered).collect(), None, None),
            VectorTerm::Like(id) => (1, Vec::new(), Some(id.clone()), None),
            VectorTerm::Text(text) => (2, Vec::new(), None, Some(text.clone())),
        };
        key(&a.0).cmp(&key(&b.0)).then_with(|| a.1.total_cmp(&b.1))
    });
    terms
}

fn terms(schema: &CollectionSchema, space: usize) -> BoxedStrategy<VectorTerm> {
    let vector = &schema.vectors[space];
    let cosine = vector.metric == Metric::Cosine;
    let values = vec(components(), vector.dimensions).prop_map(move |mut values| {
        if cosine && values.iter().all(|value| *value == 0.0) {
            values[0] = 1.0;
        }
        VectorTerm::Values(values.into())
    });
    let like = ids(schema.id_type).prop_map(VectorTerm::Like);
    let longest = schema.limits.max_text_bytes as usize;
    match schema.embedding_version {
        Some(_) => {
            let text = texts().prop_filter("too long", move |text| text.len() <= longest).prop_map(VectorTerm::Text);
            prop_oneof![values, like, text].boxed()
        }
        None => prop_oneof![values, like].boxed(),
    }
}

fn components() -> impl Strategy<Value = f32> {
    use proptest::num::f32::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    // The last one is misread when its shortest digits are read as a double first.
    prop_oneof![POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO, -1.0..1.0_f32, Just(7.038_531e-26)]
        .prop_map(|value| value + 0.0)
}

fn withins(schema: &Arc<CollectionSchema>) -> BoxedStrategy<Within> {
    let limits = &schema.limits;
    let labels = schema.graph.as_ref().expect("a graph").labels.len() as u16;
    let node = (0..labels, ids(schema.id_type)).prop_map(|(label, id)| NodeRef { label, id });
    let nodes = vec(node, 1..=limits.max_anchors.min(4) as usize).prop_map(|mut nodes| {
        nodes.sort();
        nodes.dedup();
        Anchors::Nodes(nodes)
    });
    let nearest = (vectors(schema), filters(schema), 1..=limits.max_anchors)
        .prop_map(|(vector, filter, top)| Anchors::Nearest { vector, filter, top });
    (prop_oneof![nodes, nearest], walks(schema), any::<bool>())
        .prop_map(|(from, walk, include_anchors)| Within { from, walk, include_anchors })
        .boxed()
}

fn walks(schema: &CollectionSchema) -> impl Strategy<Value = Walk> + use<> {
    let edges: Vec<u16> = (0..schema.graph.as_ref().expect("a graph").edges.len() as u16).collect();
    let directions = prop_oneof![Just(Direction::Out), Just(Direction::In), Just(Direction::Both)];
    (subsequence(edges.clone(), 1..=edges.len()), directions, 1..=schema.limits.max_hops)
        .prop_map(|(edges, direction, hops)| Walk { edges, direction, hops })
}
