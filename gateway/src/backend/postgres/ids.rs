//! Columns of ids: of type `text`, `varchar`, `uuid`, `int2`, `int4` or `int8`. An id of another type than the column's, or
//! a text that no column can hold, is simply not there.

use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    facts::{ColumnFacts, ColumnKind},
    statement::Statement,
};
use crate::value::{EntityId, IdType};

/// A share of a table from which on its ids are not looked up one by one: below a sixth that was faster than reading the
/// table through (60,000 rows of 384 components: 25 against 37 ms for 10,000 ids, 98 against 80 ms for 50,000).
const FEW: u64 = 6;

/// A column of ids.
#[derive(Debug, Clone)]
pub(crate) struct IdColumn {
    /// The column as statements name it: quoted, with its table's alias.
    pub(crate) expression: String,
    /// The type of its ids.
    pub(crate) id_type: IdType,
    /// Its order, and that of its indexes, is the language's.
    pub(crate) by_bytes: bool,
    /// Two texts of it are equal only if their bytes are.
    pub(crate) deterministic: bool,
    /// It cannot be NULL.
    pub(crate) not_null: bool,
}

impl IdColumn {
    /// A column of ids, or why it is none.
    pub(crate) fn of(facts: &ColumnFacts, id_type: IdType, expression: String) -> Result<Self, String> {
        let fits = match id_type {
            IdType::Text => matches!(facts.kind, ColumnKind::Text | ColumnKind::Varchar),
            IdType::Integer => matches!(facts.kind, ColumnKind::Int2 | ColumnKind::Int4 | ColumnKind::Int8),
            IdType::Uuid => facts.kind == ColumnKind::Uuid,
        };
        if !fits {
            return Err(format!("is of type {}, which holds no {} ids", facts.type_name, id_type.as_str()));
        }
        Ok(Self {
            expression,
            id_type,
            by_bytes: id_type != IdType::Text || facts.by_bytes,
            deterministic: id_type != IdType::Text || facts.deterministic,
            not_null: facts.not_null,
        })
    }

    /// The id as a column of the output, of the type that [`Self::decode`] reads.
    pub(crate) fn output(&self) -> String {
        self.cast(&self.expression)
    }

    /// What to order and compare by. Where the column's own order is another one, no index of it helps.
    pub(crate) fn ordered(&self) -> String {
        self.in_order(&self.expression)
    }

    /// Any expression of the column's type, in the language's order.
    pub(crate) fn in_order(&self, expression: &str) -> String {
        if self.by_bytes { expression.to_owned() } else { format!("{expression} COLLATE \"C\"") }
    }

    fn cast(&self, expression: &str) -> String {
        match self.id_type {
            IdType::Text => format!("{expression}::text"),
            IdType::Integer => format!("{expression}::int8"),
            IdType::Uuid => expression.to_owned(),
        }
    }

    /// Binds those of the ids that the column can hold as one array; returns its place and how many they are.
    pub(crate) fn array(&self, statement: &mut Statement, ids: impl IntoIterator<Item = EntityId>) -> (String, usize) {
        let ids = ids.into_iter();
        match self.id_type {
            IdType::Text => {
                let of = |id| match id {
                    EntityId::Text(text) if !text.contains('\0') => Some(text.to_string()),
                    _ => None,
                };
                let ids: Vec<String> = ids.filter_map(of).collect();
                (statement.argument(&ids), ids.len())
            }
            IdType::Integer => {
                let of = |id| if let EntityId::Integer(id) = id { Some(id) } else { None };
                let ids: Vec<i64> = ids.filter_map(of).collect();
                (statement.argument(&ids), ids.len())
            }
            IdType::Uuid => {
                let of = |id| if let EntityId::Uuid(id) = id { Some(id) } else { None };
                let ids: Vec<Uuid> = ids.filter_map(of).collect();
                (statement.argument(&ids), ids.len())
            }
        }
    }

    /// Appends the condition that the id is one of these.
    pub(crate) fn among(&self, statement: &mut Statement, ids: impl IntoIterator<Item = EntityId>) {
        let (array, _) = self.array(statement, ids);
        self.among_array(statement, &array);
    }

    /// Appends the condition that the id is one of these, in the form that the server answers fastest: starting from each id
    /// where they are few of all rows of the table, reading the table through where they are many.
    pub(crate) fn among_of(&self, statement: &mut Statement, ids: impl IntoIterator<Item = EntityId>, table_rows: u64) {
        let (array, count) = self.array(statement, ids);
        if (count as u64).saturating_mul(FEW) < table_rows {
            let type_name = match self.id_type {
                IdType::Text => "text[]",
                IdType::Integer => "int8[]",
                IdType::Uuid => "uuid[]",
            };
            // What a sub-select gives is not known when the statement is planned. The server then expects few values and
            // starts from them, and spares the time for estimating each one.
            self.among_array(statement, &format!("(SELECT {array})::{type_name}"));
        } else {
            self.among_array(statement, &array);
        }
    }

    /// Appends the condition that the id is in an array that is bound already.
    pub(crate) fn among_array(&self, statement: &mut Statement, array: &str) {
        let column = &self.expression;
        if self.deterministic {
            statement.push(&format!("{column} = ANY({array})"));
        } else {
            // The first condition is for the index, the second one compares bytes.
            statement.push(&format!("({column} = ANY({array}) AND {column} COLLATE \"C\" = ANY({array}))"));
        }
    }

    /// Binds one id and returns its place; `None` if the column cannot hold it.
    pub(crate) fn argument(&self, statement: &mut Statement, id: &EntityId) -> Option<String> {
        match (self.id_type, id) {
            (IdType::Text, EntityId::Text(text)) if !text.contains('\0') => Some(statement.argument(&**text)),
            (IdType::Integer, EntityId::Integer(id)) => Some(statement.argument(*id)),
            (IdType::Uuid, EntityId::Uuid(id)) => Some(statement.argument(*id)),
            _ => None,
        }
    }

    /// The id in a column of the output.
    ///
    /// # Errors
    /// What is there instead.
    pub(crate) fn decode(&self, row: &PgRow, index: usize) -> Result<EntityId, String> {
        let id = match self.id_type {
            IdType::Text => row.try_get(index).map(|id: Option<&str>| id.map(|id| EntityId::Text(id.into()))),
            IdType::Integer => row.try_get(index).map(|id: Option<i64>| id.map(EntityId::Integer)),
            IdType::Uuid => row.try_get(index).map(|id: Option<Uuid>| id.map(EntityId::Uuid)),
        };
        match id {
            Ok(Some(id)) => Ok(id),
            Ok(None) => Err("an id is NULL".into()),
            Err(_) => Err(format!("an id is not of type {}", self.id_type.as_str())),
        }
    }

    /// An array of ids in a column of the output (`array_agg` of [`Self::output`]); NULLs are left out, and NULL is empty.
    ///
    /// # Errors
    /// What is there instead.
    pub(crate) fn decode_array(&self, row: &PgRow, index: usize) -> Result<Vec<EntityId>, String> {
        let read = match self.id_type {
            IdType::Text => row.try_get(index).map(|ids: Option<Vec<Option<String>>>| {
                ids.unwrap_or_default().into_iter().flatten().map(|id| EntityId::Text(id.into())).collect()
            }),
            IdType::Integer => row.try_get(index).map(|ids: Option<Vec<Option<i64>>>| {
                ids.unwrap_or_default().into_iter().flatten().map(EntityId::Integer).collect()
            }),
            IdType::Uuid => row.try_get(index).map(|ids: Option<Vec<Option<Uuid>>>| {
                ids.unwrap_or_default().into_iter().flatten().map(EntityId::Uuid).collect()
            }),
        };
        read.map_err(|_| format!("a list of ids is not of type {}[]", self.id_type.as_str()))
    }
}
