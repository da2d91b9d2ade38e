//! Filters, by the attributes' positions: the key of an entry says which schema that is. They are read back through the
//! constructors, so whatever is read is in normal form.

use super::{
    ids,
    wire::{Reader, Writer, unzigzag, zigzag},
};
use crate::{
    catalog::CollectionSchema,
    query::{Comparison, Field, Filter},
    value::{AttributeType, IdType, Literal, Number},
};

/// Deeper ones than the query language lets through are not read.
const MAX_DEPTH: usize = 256;

const EVERYTHING: u8 = 0;
const NOTHING: u8 = 1;
const IN: u8 = 2;
const COMPARE: u8 = 3;
const EXISTS: u8 = 4;
const NOT: u8 = 5;
const AND: u8 = 6;
const OR: u8 = 7;

/// Appends a filter.
pub(super) fn write(out: &mut Vec<u8>, filter: &Filter, id_type: IdType) {
    match filter {
        Filter::Everything => out.push(EVERYTHING),
        Filter::Nothing => out.push(NOTHING),
        Filter::In(field, values) => {
            out.push(IN);
            write_field(out, *field);
            out.number(values.len() as u64);
            values.iter().for_each(|value| write_literal(out, value, id_type));
        }
        Filter::Compare(field, comparison, operand) => {
            out.push(COMPARE);
            write_field(out, *field);
            out.push(match comparison {
                Comparison::Less => 0,
                Comparison::LessOrEqual => 1,
                Comparison::Greater => 2,
                Comparison::GreaterOrEqual => 3,
            });
            write_literal(out, operand, id_type);
        }
        Filter::Exists(field) => {
            out.push(EXISTS);
            write_field(out, *field);
        }
        Filter::Not(inner) => {
            out.push(NOT);
            write(out, inner, id_type);
        }
        Filter::And(parts) | Filter::Or(parts) => {
            out.push(if matches!(filter, Filter::And(_)) { AND } else { OR });
            out.number(parts.len() as u64);
            parts.iter().for_each(|part| write(out, part, id_type));
        }
    }
}

/// Reads a filter whose attributes the schema has, and whose literals are of their types.
pub(super) fn read(reader: &mut Reader<'_>, schema: &CollectionSchema) -> Option<Filter> {
    read_below(reader, schema, MAX_DEPTH)
}

fn read_below(reader: &mut Reader<'_>, schema: &CollectionSchema, depth: usize) -> Option<Filter> {
    let below = depth.checked_sub(1)?;
    Some(match reader.byte()? {
        EVERYTHING => Filter::Everything,
        NOTHING => Filter::Nothing,
        IN => {
            let field = read_field(reader, schema)?;
            let count = reader.count(1).filter(|count| *count > 0)?;
            let values = (0..count).map(|_| read_literal(reader, schema, field)).collect::<Option<_>>()?;
            Filter::one_of(field, values)
        }
        COMPARE => {
            let field = read_field(reader, schema)?;
            let comparison = match reader.byte()? {
                0 => Comparison::Less,
                1 => Comparison::LessOrEqual,
                2 => Comparison::Greater,
                3 => Comparison::GreaterOrEqual,
                _ => return None,
            };
            Filter::Compare(field, comparison, read_literal(reader, schema, field)?)
        }
        EXISTS => Filter::Exists(read_field(reader, schema)?),
        NOT => Filter::negate(read_below(reader, schema, below)?),
        operator @ (AND | OR) => {
            let count = reader.count(1).filter(|count| *count > 1)?;
            let parts = (0..count).map(|_| read_below(reader, schema, below)).collect::<Option<Vec<_>>>()?;
            if operator == AND { Filter::and(parts) } else { Filter::or(parts) }
        }
        _ => return None,
    })
}

/// 0 is the id, others are the attribute's position and one.
fn write_field(out: &mut Vec<u8>, field: Field) {
    out.number(match field {
        Field::Id => 0,
        Field::Attribute(index) => u64::from(index) + 1,
    });
}

fn read_field(reader: &mut Reader<'_>, schema: &CollectionSchema) -> Option<Field> {
    let number = reader.number()?;
    let Some(index) = number.checked_sub(1) else { return Some(Field::Id) };
    let index = u16::try_from(index).ok().filter(|index| usize::from(*index) < schema.attributes.len())?;
    Some(Field::Attribute(index))
}

/// Appends a literal. Its type is its field's.
fn write_literal(out: &mut Vec<u8>, literal: &Literal, id_type: IdType) {
    match literal {
        Literal::Text(text) => out.string(text.as_bytes()),
        Literal::Number(Number::Integer(value)) => {
            out.push(0);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Literal::Number(Number::Float(value)) => {
            out.push(1);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Literal::Boolean(value) => out.push(u8::from(*value)),
        Literal::Timestamp(value) => out.number(zigzag(*value)),
        Literal::Id(id) => ids::write_one(out, id, id_type),
    }
}

fn read_literal(reader: &mut Reader<'_>, schema: &CollectionSchema, field: Field) -> Option<Literal> {
    let Field::Attribute(index) = field else { return ids::read_one(reader, schema.id_type).map(Literal::Id) };
    Some(match schema.attributes.get(usize::from(index))?.kind {
        AttributeType::Keyword | AttributeType::Text | AttributeType::Keywords => Literal::Text(reader.text()?.into()),
        AttributeType::Integer | AttributeType::Float => Literal::Number(match reader.byte()? {
            0 => Number::Integer(i128::from_le_bytes(reader.array()?)),
            1 => Number::from_f64(Some(f64::from_le_bytes(reader.array()?)).filter(|value| value.is_finite())?),
            _ => return None,
        }),
        AttributeType::Boolean => Literal::Boolean(reader.flag()?),
        AttributeType::Timestamp => Literal::Timestamp(unzigzag(reader.number()?)),
    })
}
